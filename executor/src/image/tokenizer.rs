//! Prompts to tokens, as CLIP's text encoders read them.

use std::{fs, path::Path, str::FromStr};

use serde_json::{Value, json};
use tokenizers::{ModelWrapper, Tokenizer};

use super::ImageError;
use crate::{error::ExecutorError, model::read_json};

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";
/// What is a word before merging: contractions, letters, single digits, anything else.
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
/// Tokens that CLIP reads, where the folder does not say.
const USUAL_LENGTH: u64 = 77;

/// The tokenizer of one text encoder.
#[derive(Debug)]
pub struct PromptTokenizer {
    tokenizer: Tokenizer,
    start: u32,
    end: u32,
    padding: u32,
    length: usize,
}

impl PromptTokenizer {
    /// Reads a tokenizer's folder: `tokenizer.json`, or else `vocab.json` with `merges.txt`; special tokens and length
    /// from `tokenizer_config.json` and `special_tokens_map.json`.
    pub fn read(folder: &Path) -> Result<Self, ExecutorError> {
        let whole = folder.join("tokenizer.json");
        let mut tokenizer = if whole.is_file() {
            Tokenizer::from_file(&whole).map_err(|error| ExecutorError::invalid(&whole, &error))?
        } else {
            from_vocabulary(folder)?
        };
        if draws(&tokenizer) {
            return Err(ExecutorError::invalid(folder, "its dropout draws tokens at random"));
        }
        tokenizer.with_truncation(None).map_err(|error| ExecutorError::invalid(folder, &error))?;
        tokenizer.with_padding(None);
        let names = SpecialTokens::read(folder)?;
        let id = |token: &str| {
            let missing = || ExecutorError::invalid(folder, &format!("its vocabulary has no token {token}"));
            tokenizer.token_to_id(token).ok_or_else(missing)
        };
        let (start, end, padding) = (id(&names.start)?, id(&names.end)?, id(&names.padding)?);
        Ok(Self { start, end, padding, length: names.length, tokenizer })
    }

    /// The tokens of a prompt between start and end, padded to the length that the encoder reads. A prompt that is longer
    /// is refused: what was cut off would have no effect.
    pub fn encode(&self, prompt: &str) -> Result<Vec<i64>, ExecutorError> {
        let words = self.tokenizer.encode_fast(prompt, false).map_err(|error| ExecutorError::tokenizer(&error))?;
        let mut ids = vec![self.start];
        ids.extend(words.get_ids());
        ids.push(self.end);
        if ids.len() > self.length {
            return Err(ImageError::PromptTooLong { tokens: ids.len(), most: self.length }.into());
        }
        ids.resize(self.length, self.padding);
        Ok(ids.into_iter().map(i64::from).collect())
    }
}

/// Whether a prompt has other tokens each time: merges are left out at random (Provilkov et al., 2020), as in training.
fn draws(tokenizer: &Tokenizer) -> bool {
    matches!(tokenizer.get_model(), ModelWrapper::BPE(model) if model.dropout.is_some_and(|share| share > 0.0))
}

struct SpecialTokens {
    start: String,
    end: String,
    padding: String,
    length: usize,
}

impl SpecialTokens {
    fn read(folder: &Path) -> Result<Self, ExecutorError> {
        let config = optional_json(&folder.join("tokenizer_config.json"))?;
        let map = optional_json(&folder.join("special_tokens_map.json"))?;
        let named = |name: &str| [&config, &map].into_iter().find_map(|source| content(&source[name]));
        let end = named("eos_token").unwrap_or_else(|| END.to_owned());
        let length = config["model_max_length"].as_u64().filter(|length| (2..=4096).contains(length));
        Ok(Self {
            start: named("bos_token").unwrap_or_else(|| START.to_owned()),
            padding: named("pad_token").unwrap_or_else(|| end.clone()),
            end,
            length: usize::try_from(length.unwrap_or(USUAL_LENGTH)).unwrap_or_default(),
        })
    }
}

fn optional_json(path: &Path) -> Result<Value, ExecutorError> {
    if path.is_file() { read_json(path) } else { Ok(Value::Null) }
}

/// A special token is written as text, or as an object that holds it.
fn content(token: &Value) -> Option<String> {
    token.as_str().or_else(|| token["content"].as_str()).map(str::to_owned)
}

/// The tokenizer that `vocab.json` and `merges.txt` stand for, as transformers builds it.
fn from_vocabulary(folder: &Path) -> Result<Tokenizer, ExecutorError> {
    let path = folder.join("merges.txt");
    let vocabulary: Value = read_json(&folder.join("vocab.json"))?;
    let merges = fs::read_to_string(&path).map_err(|error| ExecutorError::invalid(&path, &error))?;
    let merges: Vec<&str> = merges.lines().filter(|line| !line.is_empty() && !line.starts_with("#version")).collect();
    let special = |token: &str| {
        json!({ "id": vocabulary[token], "content": token, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true })
    };
    let specials: Vec<_> =
        [START, END].iter().filter(|token| vocabulary[**token].is_u64()).map(|t| special(t)).collect();
    let description = json!({
        "version": "1.0", "truncation": null, "padding": null, "post_processor": null, "decoder": null,
        "added_tokens": specials,
        "normalizer": { "type": "Sequence", "normalizers": [
            { "type": "NFC" },
            { "type": "Replace", "pattern": { "Regex": r"\s+" }, "content": " " },
            { "type": "Lowercase" },
        ]},
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [
            { "type": "Split", "pattern": { "Regex": WORDS }, "behavior": "Removed", "invert": true },
            { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        ]},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": END, "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocabulary, "merges": merges,
        },
    });
    Tokenizer::from_str(&description.to_string()).map_err(|error| ExecutorError::invalid(&path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dropout: &Value) -> Result<PromptTokenizer, ExecutorError> {
        let folder = tempfile::tempdir().unwrap();
        let vocabulary = json!({ START: 0, END: 1, "a": 2, "b": 3, "ab": 4 });
        let model = json!({ "type": "BPE", "dropout": dropout, "vocab": vocabulary, "merges": ["a b"] });
        let whole = json!({ "version": "1.0", "added_tokens": [], "model": model });
        fs::write(folder.path().join("tokenizer.json"), whole.to_string()).unwrap();
        PromptTokenizer::read(folder.path())
    }

    #[test]
    fn tokens_at_random_are_refused() {
        for share in [0.1, 1.0] {
            let error = read(&json!(share)).unwrap_err();
            assert_eq!(error.code(), "XE-025");
            assert!(error.to_string().contains("dropout"), "{error}");
        }
        for none in [json!(null), json!(0.0)] {
            assert_eq!(read(&none).unwrap().encode("ab").unwrap()[..3], [0, 4, 1], "{none}");
        }
    }
}
