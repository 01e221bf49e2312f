//! What `config.json` and `generation_config.json` say that generation needs.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use xenon_protocol::task::limits;

use super::{ModelFolder, genai::GenaiConfig};
use crate::{error::ExecutorError, text::CacheShape};

/// Bounds of `length_penalty`.
const LENGTH_PENALTY: (f64, f64) = (-10.0, 10.0);

/// A model's own settings.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Tokens that the model can see, conversation and answer together.
    pub context: usize,
    /// Tokens that end an answer; may be empty.
    pub end_tokens: Vec<u32>,
    /// What tasks that leave a setting out get.
    pub defaults: GenerationDefaults,
}

/// Settings of `generation_config.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct GenerationDefaults {
    /// Divides the logits.
    pub temperature: Option<f64>,
    /// Tokens to choose among; 0 means all.
    pub top_k: Option<u32>,
    /// Probability to choose within.
    pub top_p: Option<f64>,
    /// Least share of the most probable token's probability.
    pub min_p: Option<f64>,
    /// Probability of locally typical tokens to choose within; 1 means all.
    pub typical_p: Option<f64>,
    /// Penalty on tokens that occurred before.
    pub repetition_penalty: Option<f64>,
    /// Exponent of the length by which a beam search divides its scores.
    pub length_penalty: Option<f64>,
    /// When a beam search stops looking for better sequences.
    pub early_stopping: Option<EarlyStopping>,
}

/// When a beam search stops looking for better sequences, as `early_stopping` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub enum EarlyStopping {
    /// `false`: when the best beam of its length is no better than the worst of the ended sequences.
    #[default]
    WhenUnlikely,
    /// `true`: when there are as many ended sequences as beams.
    WhenFull,
    /// `"never"`: when no beam can become better than the worst of the ended sequences.
    Never,
}

impl TryFrom<Value> for EarlyStopping {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Bool(false) => Ok(Self::WhenUnlikely),
            Value::Bool(true) => Ok(Self::WhenFull),
            Value::String(word) if word == "never" => Ok(Self::Never),
            _ => Err(format!("early_stopping is {value}; it must be true, false or \"never\"")),
        }
    }
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default)]
    eos_token_id: Tokens,
    max_position_embeddings: Option<usize>,
    // The same number under the names that GPT-2, MPT and Bloom give it.
    n_positions: Option<usize>,
    max_seq_len: Option<usize>,
    seq_length: Option<usize>,
}

impl ConfigFile {
    fn context(&self) -> Option<usize> {
        let named = self.max_position_embeddings.or(self.n_positions).or(self.max_seq_len).or(self.seq_length);
        named.filter(|context| *context > 0)
    }
}

#[derive(Default, Deserialize)]
struct GenerationConfigFile {
    #[serde(default)]
    eos_token_id: Tokens,
    #[serde(flatten)]
    defaults: GenerationDefaults,
}

/// One token, several, or none: all three forms are in use.
#[derive(Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Tokens {
    #[default]
    None,
    One(u32),
    Several(Vec<u32>),
}

impl Tokens {
    pub(super) fn into_vec(self) -> Vec<u32> {
        match self {
            Self::None => Vec::new(),
            Self::One(token) => vec![token],
            Self::Several(tokens) => tokens,
        }
    }
}

impl ModelConfig {
    /// Reads both files. The end tokens are those of `generation_config.json`, or else of `config.json`.
    pub fn read(folder: &ModelFolder) -> Result<Self, ExecutorError> {
        let path = folder.config();
        if folder.is_genai() {
            return Self::read_genai(folder, &path);
        }
        let config: ConfigFile = read_json(&path)?;
        let context = config.context();
        let context = context.ok_or_else(|| ExecutorError::invalid(&path, "it has no max_position_embeddings"))?;
        let generation = read_generation(folder)?;
        let (own, general) = (generation.eos_token_id.into_vec(), config.eos_token_id.into_vec());
        let end_tokens = if own.is_empty() { general } else { own };
        Ok(Self { context, end_tokens, defaults: generation.defaults })
    }
}

/// The dimensions of the KV cache under the names that Llama and GPT-2 give them. A configuration without them is no
/// fault: most graphs say so themselves.
pub(super) fn cache_shape(path: &Path) -> CacheShape {
    let config: HeadsFile = read_json(path).unwrap_or_default();
    let all = config.num_attention_heads.or(config.n_head);
    let width = config.hidden_size.or(config.n_embd);
    let divided = width.zip(all).and_then(|(width, heads)| width.checked_div(heads));
    CacheShape { heads: config.num_key_value_heads.or(all), head_size: config.head_dim.or(divided) }
}

#[derive(Default, Deserialize)]
struct HeadsFile {
    num_key_value_heads: Option<i64>,
    num_attention_heads: Option<i64>,
    head_dim: Option<i64>,
    hidden_size: Option<i64>,
    n_head: Option<i64>,
    n_embd: Option<i64>,
}

impl ModelConfig {
    fn read_genai(folder: &ModelFolder, path: &Path) -> Result<Self, ExecutorError> {
        let config = GenaiConfig::read(folder.path())?;
        config.search.check(path)?;
        let end_tokens = config.model.eos_token_id.into_vec();
        Ok(Self { context: config.model.context_length, end_tokens, defaults: config.search })
    }
}

fn read_generation(folder: &ModelFolder) -> Result<GenerationConfigFile, ExecutorError> {
    let Some(path) = folder.generation_config() else { return Ok(GenerationConfigFile::default()) };
    let settings: BTreeMap<String, Value> = read_json(&path)?;
    if let Some((name, value)) = settings.iter().find(|(name, value)| changes_answers(name, value)) {
        let reason =
            format!("{name} is {value}, and nothing here does what it asks for; remove it if answers may differ");
        return Err(ExecutorError::invalid(&path, &reason));
    }
    let generation: GenerationConfigFile = read_json(&path)?;
    generation.defaults.check(&path)?;
    Ok(generation)
}

/// Settings by which transformers would answer otherwise, with the number that has no effect.
const NOT_FOLLOWED: [(&str, f64); 21] = [
    ("bad_words_ids", 0.0),
    ("begin_suppress_tokens", 0.0),
    ("diversity_penalty", 0.0),
    ("encoder_no_repeat_ngram_size", 0.0),
    ("encoder_repetition_penalty", 1.0),
    ("epsilon_cutoff", 0.0),
    ("eta_cutoff", 0.0),
    ("exponential_decay_length_penalty", 0.0),
    ("force_words_ids", 0.0),
    ("forced_bos_token_id", -1.0),
    ("forced_eos_token_id", -1.0),
    ("guidance_scale", 1.0),
    ("min_length", 0.0),
    ("min_new_tokens", 0.0),
    ("no_repeat_ngram_size", 0.0),
    ("num_beam_groups", 1.0),
    ("penalty_alpha", 0.0),
    ("remove_invalid_values", 0.0),
    ("renormalize_logits", 0.0),
    ("sequence_bias", 0.0),
    ("suppress_tokens", 0.0),
];

fn changes_answers(name: &str, value: &Value) -> bool {
    let Some((_, neutral)) = NOT_FOLLOWED.iter().find(|(known, _)| *known == name) else { return false };
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
        value => value.as_f64() != Some(*neutral),
    }
}

impl GenerationDefaults {
    fn check(&self, path: &Path) -> Result<(), ExecutorError> {
        let settings = [
            ("temperature", self.temperature, limits::TEMPERATURE),
            ("top_p", self.top_p, limits::TOP_P),
            ("min_p", self.min_p, limits::MIN_P),
            ("typical_p", self.typical_p, limits::TYPICAL_P),
            ("repetition_penalty", self.repetition_penalty, limits::REPETITION_PENALTY),
            ("length_penalty", self.length_penalty, LENGTH_PENALTY),
        ];
        for (name, value, (min, max)) in settings {
            if value.is_some_and(|value| !(min..=max).contains(&value)) {
                return Err(ExecutorError::invalid(path, &format!("{name} must be from {min} to {max}")));
            }
        }
        Ok(())
    }
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ExecutorError> {
    let text = fs::read(path).map_err(|error| ExecutorError::invalid(path, &error))?;
    serde_json::from_slice(&text).map_err(|error| ExecutorError::invalid(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: &str, generation: Option<&str>) -> Result<ModelConfig, ExecutorError> {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [("config.json", config), ("tokenizer.json", ""), ("model.onnx", "")] {
            fs::write(root.path().join(file), text).unwrap();
        }
        if let Some(text) = generation {
            fs::write(root.path().join("generation_config.json"), text).unwrap();
        }
        ModelConfig::read(&ModelFolder::open(root.path()).unwrap())
    }

    #[test]
    fn nonsense_is_refused_with_the_file_named() {
        for (config, generation, named) in [
            ("{", None, "config.json"),
            ("{}", None, "max_position_embeddings"),
            (r#"{"max_position_embeddings": 0}"#, None, "max_position_embeddings"),
            (r#"{"n_positions": 8, "eos_token_id": "x"}"#, None, "config.json"),
            (r#"{"n_positions": 8}"#, Some("[]"), "generation_config.json"),
            (r#"{"n_positions": 8}"#, Some(r#"{"temperature": 0}"#), "temperature"),
            (r#"{"n_positions": 8}"#, Some(r#"{"top_p": 2}"#), "top_p"),
            (r#"{"n_positions": 8}"#, Some(r#"{"min_p": -1}"#), "min_p"),
            (r#"{"n_positions": 8}"#, Some(r#"{"typical_p": 0}"#), "typical_p"),
            (r#"{"n_positions": 8}"#, Some(r#"{"length_penalty": 11}"#), "length_penalty"),
            (r#"{"n_positions": 8}"#, Some(r#"{"early_stopping": "soon"}"#), "early_stopping"),
        ] {
            let error = read(config, generation).unwrap_err();
            assert_eq!(error.code(), "XE-025");
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn settings_that_are_not_followed_are_refused_by_name_unless_they_change_nothing() {
        for (name, value) in
            [("no_repeat_ngram_size", "3"), ("suppress_tokens", "[1]"), ("sequence_bias", r#"{"a": 1}"#)]
        {
            let generation = format!(r#"{{"{name}": {value}}}"#);
            let error = read(r#"{"n_positions": 8}"#, Some(&generation)).unwrap_err();
            assert!(error.code() == "XE-025" && error.to_string().contains(name), "{error}");
        }
        let idle =
            r#"{"no_repeat_ngram_size": 0, "suppress_tokens": null, "bad_words_ids": [], "guidance_scale": 1.0}"#;
        read(r#"{"n_positions": 8}"#, Some(idle)).unwrap();
    }

    #[test]
    fn end_tokens_come_in_three_forms_and_from_two_files() {
        for (config, generation, tokens) in [
            (r#"{"n_positions": 8, "n_ctx": 8}"#, None, vec![]),
            (r#"{"n_positions": 8, "eos_token_id": null}"#, Some("{}"), vec![]),
            (r#"{"n_positions": 8, "eos_token_id": 2}"#, Some("{}"), vec![2]),
            (r#"{"n_positions": 8, "eos_token_id": 2}"#, Some(r#"{"eos_token_id": [3, 4]}"#), vec![3, 4]),
        ] {
            assert_eq!(read(config, generation).unwrap().end_tokens, tokens);
        }
    }

    #[test]
    fn early_stopping_has_three_forms() {
        for (text, meaning) in [
            ("true", Some(EarlyStopping::WhenFull)),
            ("false", Some(EarlyStopping::WhenUnlikely)),
            ("\"never\"", Some(EarlyStopping::Never)),
            ("null", None),
        ] {
            let generation = format!(r#"{{"early_stopping": {text}, "length_penalty": 0.5}}"#);
            let defaults = read(r#"{"n_positions": 8}"#, Some(&generation)).unwrap().defaults;
            assert_eq!((defaults.early_stopping, defaults.length_penalty), (meaning, Some(0.5)));
        }
    }

    #[test]
    fn defaults_are_read_and_the_rest_is_passed_over() {
        let generation = r#"{"temperature": 0.7, "top_k": 20, "do_sample": true, "transformers_version": "4"}"#;
        let config = read(r#"{"max_position_embeddings": 512, "vocab_size": 9}"#, Some(generation)).unwrap();
        assert_eq!(config.context, 512);
        let defaults = GenerationDefaults { temperature: Some(0.7), top_k: Some(20), ..Default::default() };
        assert_eq!(config.defaults, defaults);
    }
}
