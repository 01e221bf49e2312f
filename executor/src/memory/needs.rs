//! What a model and a task need, from the model's files and its `config.json`.

use std::path::Path;

use serde::Deserialize;
use xenon_protocol::task::{GptTask, TaskSpec};

use super::PictureNeeds;
use crate::{
    error::ExecutorError,
    image::ImageFolder,
    model::{InstalledModel, read_json},
};

/// The configuration of a folder of onnxruntime-genai.
const GENAI_CONFIG: &str = "genai_config.json";

/// Bytes of a number in a cache or an activation: 32-bit floats, the widest that exports use.
const NUMBER: u64 = 4;

/// Bytes that a process takes before it holds a model: the program, the runtime, its buffers.
const PROCESS: u64 = 96 << 20;

/// Bytes of text for which at least one token is reckoned. Tokenizers make one of three to four bytes.
const BYTES_PER_TOKEN: u64 = 2;

/// Tokens by which a chat template lengthens a message.
const TEMPLATE_TOKENS: u64 = 32;

/// The most that loading takes at its peak, in percent of the weights: those in branches of a graph are read into memory
/// before they are packed anew. All others are packed from where they lie.
const LOADING: u64 = 175;

/// Copies of the attention scores alive at once in a graph that does not fuse attention: raw, masked, normalised.
const SCORES: u64 = 3;

/// Hidden rows alive at once within a layer: its input, queries, keys, values, and the two wide rows of its feed-forward.
const ROWS: u64 = 16;

/// What a model needs, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Its files.
    pub weights: u64,
    /// Keys and values of one token in all layers: 2 · layers · heads of keys · size of a head · 4.
    pub cache_per_token: u64,
    /// Logits and hidden states of one token of a conversation while it is read.
    pub activations_per_token: u64,
    /// Attention heads, each of which compares every token of a conversation with every other.
    pub heads: u64,
    /// The most tokens that it can see; 0 if it does not say.
    pub context: u64,
    /// What pictures need, if it makes them.
    pub pictures: Option<PictureNeeds>,
}

/// What one task needs, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// For the model, once it is loaded.
    pub model: u64,
    /// Besides, while the task runs.
    pub task: u64,
}

impl Demand {
    /// Both together.
    pub const fn total(&self) -> u64 {
        self.model.saturating_add(self.task)
    }
}

/// The parts of `config.json` that say how large a cache is, under the names that families give them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Shape {
    #[serde(alias = "n_layer", alias = "n_layers", alias = "num_layers")]
    num_hidden_layers: u64,
    #[serde(alias = "n_head", alias = "n_heads")]
    num_attention_heads: u64,
    num_key_value_heads: Option<u64>,
    #[serde(alias = "n_embd", alias = "d_model")]
    hidden_size: u64,
    head_dim: Option<u64>,
    vocab_size: u64,
    #[serde(alias = "n_positions", alias = "max_seq_len", alias = "seq_length")]
    max_position_embeddings: u64,
}

/// The same in `genai_config.json`.
#[derive(Deserialize)]
struct GenaiShape {
    model: GenaiModel,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GenaiModel {
    context_length: u64,
    vocab_size: u64,
    decoder: GenaiDecoder,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GenaiDecoder {
    num_hidden_layers: u64,
    num_attention_heads: u64,
    num_key_value_heads: Option<u64>,
    hidden_size: u64,
    head_size: Option<u64>,
}

impl Shape {
    /// What a folder says, which is nothing where it has no configuration.
    fn read(folder: &Path) -> Result<Self, ExecutorError> {
        let (genai, config) = (folder.join(GENAI_CONFIG), folder.join("config.json"));
        if genai.is_file() {
            return Ok(read_json::<GenaiShape>(&genai)?.into());
        }
        if config.is_file() { read_json(&config) } else { Ok(Self::default()) }
    }
}

impl From<GenaiShape> for Shape {
    fn from(GenaiShape { model }: GenaiShape) -> Self {
        Self {
            num_hidden_layers: model.decoder.num_hidden_layers,
            num_attention_heads: model.decoder.num_attention_heads,
            num_key_value_heads: model.decoder.num_key_value_heads,
            hidden_size: model.decoder.hidden_size,
            head_dim: model.decoder.head_size,
            vocab_size: model.vocab_size,
            max_position_embeddings: model.context_length,
        }
    }
}

impl Needs {
    /// What an installed model needs.
    ///
    /// # Errors
    /// [`ExecutorError::FileInvalid`] if `config.json` or `genai_config.json` is there and is not JSON.
    pub fn of(model: &InstalledModel) -> Result<Self, ExecutorError> {
        let weights = model.manifest.files.values().map(|file| file.size).sum();
        if ImageFolder::is_one(&model.folder) {
            let pictures = Some(PictureNeeds::of(&model.folder)?);
            return Ok(Self { weights, pictures, ..Self::default() });
        }
        Ok(Self::from_shape(weights, &Shape::read(&model.folder)?))
    }

    fn from_shape(weights: u64, shape: &Shape) -> Self {
        let heads = shape.num_attention_heads;
        let key_heads = shape.num_key_value_heads.unwrap_or(heads);
        let head = shape.head_dim.unwrap_or_else(|| shape.hidden_size.checked_div(heads).unwrap_or(0));
        let cache = [2, shape.num_hidden_layers, key_heads, head, NUMBER];
        let rows = shape.hidden_size.saturating_mul(ROWS).saturating_add(shape.vocab_size);
        Self {
            weights,
            cache_per_token: cache.into_iter().fold(1, u64::saturating_mul),
            activations_per_token: rows.saturating_mul(NUMBER),
            heads,
            context: shape.max_position_embeddings,
            pictures: None,
        }
    }

    /// What the model takes while it is loaded, and for the process.
    pub const fn loaded(&self) -> u64 {
        (self.weights / 100).saturating_mul(LOADING).saturating_add(PROCESS)
    }

    /// What a task needs. The conversation's tokens are reckoned from its bytes, and not counted: the tokenizer is not
    /// loaded yet.
    pub fn demand(&self, task: &TaskSpec) -> Demand {
        let task = match task {
            TaskSpec::Gpt(task) => self.generation(prompt_tokens(task), task),
            TaskSpec::Sd(task) => self.pictures.map_or(0, |pictures| pictures.of_task(task)),
        };
        Demand { model: self.loaded(), task }
    }

    fn generation(&self, prompt: u64, task: &GptTask) -> u64 {
        let settings = &task.generation_config;
        let most = if self.context == 0 { u64::MAX } else { self.context };
        let prompt = prompt.min(most);
        let tokens = prompt.saturating_add(settings.max_new_tokens.into()).min(most);
        // While a token is added the cache before it and the one after it are both there.
        let rows = settings.num_return_sequences.max(settings.num_beams);
        let cached = tokens.saturating_mul(u64::from(rows).saturating_add(1));
        let cache = cached.saturating_mul(self.cache_per_token);
        let scores = prompt.saturating_mul(prompt).saturating_mul(self.heads).saturating_mul(NUMBER * SCORES);
        cache.saturating_add(prompt.saturating_mul(self.activations_per_token)).saturating_add(scores)
    }
}

/// What the conversation may come to, in tokens.
fn prompt_tokens(task: &GptTask) -> u64 {
    // As JSON a message is longer than what the template makes of it, tool calls included.
    let bytes = serde_json::to_vec(&(&task.messages, &task.tools)).map_or(u64::MAX, |text| text.len() as u64);
    bytes.div_ceil(BYTES_PER_TOKEN).saturating_add(TEMPLATE_TOKENS.saturating_mul(task.messages.len() as u64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use xenon_protocol::task::{GenerationConfig, Message};

    use super::*;

    fn shape(json: &str) -> Shape {
        serde_json::from_str(json).unwrap()
    }

    fn task(text: &str, new: u32, sequences: u32) -> TaskSpec {
        let mut settings = GenerationConfig::greedy(new);
        settings.num_return_sequences = sequences;
        TaskSpec::Gpt(GptTask {
            model: "a/b".parse().unwrap(),
            messages: vec![Message::user(text)],
            generation_config: settings,
            seed: 0,
            time: None,
            tools: None,
            dtype: None,
            quantize_bits: None,
        })
    }

    /// Llama 3.2 1B: 16 layers of 8 key heads with 64 numbers each.
    const LLAMA: &str = r#"{"num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64,
        "hidden_size": 2048, "vocab_size": 128256, "max_position_embeddings": 131072}"#;

    #[test]
    fn a_file_that_says_nothing_needs_its_weights() {
        let needs = Needs::from_shape(1 << 30, &shape("{}"));
        assert_eq!(needs.demand(&task("hi", 10, 1)).task, 0);
        assert_eq!(needs.loaded(), (1_u64 << 30) / 100 * LOADING + PROCESS);
    }

    #[test]
    fn the_cache_of_a_token_is_that_of_the_architecture() {
        assert_eq!(Needs::from_shape(0, &shape(LLAMA)).cache_per_token, 65_536);
        let gpt2 = r#"{"n_layer": 12, "n_head": 12, "n_embd": 768, "vocab_size": 50257, "n_positions": 1024}"#;
        let gpt2 = Needs::from_shape(0, &shape(gpt2));
        assert_eq!((gpt2.cache_per_token, gpt2.context), (73_728, 1024));
    }

    #[test]
    fn a_folder_of_onnxruntime_genai_says_how_large_its_cache_is() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/models/genai-fp32");
        let needs = Needs::from_shape(0, &Shape::read(Path::new(root)).unwrap());
        assert_eq!((needs.cache_per_token, needs.heads, needs.context), (2 * 2 * 2 * 16 * 4, 4, 256));
        assert_eq!(needs.activations_per_token, (64 * ROWS + 512) * NUMBER);
    }

    #[test]
    fn nothing_is_reckoned_beyond_the_context() {
        let needs = Needs::from_shape(0, &shape(r#"{"n_layer": 1, "n_head": 1, "n_embd": 1, "n_positions": 100}"#));
        let full = needs.demand(&task(&"x".repeat(60_000), 1, 1)).task;
        assert_eq!(full, 2 * 100 * needs.cache_per_token + 100 * needs.activations_per_token + 100 * 100 * 12);
    }

    proptest! {
        #[test]
        fn more_of_anything_never_needs_less(bytes in 0_usize..60_000, new in 1_u32..65_536, sequences in 1_u32..16) {
            let needs = Needs::from_shape(1, &shape(LLAMA));
            let demand = |bytes: usize, new, sequences| needs.demand(&task(&"x".repeat(bytes), new, sequences)).total();
            let base = demand(bytes, new, sequences);
            prop_assert!(demand(bytes + 2, new, sequences) >= base);
            prop_assert!(demand(bytes, new + 1, sequences) >= base);
            prop_assert!(demand(bytes, new, sequences + 1) >= base);
        }

        #[test]
        fn no_numbers_of_a_file_overflow(layers: u64, heads: u64, hidden: u64, vocabulary: u64, context: u64) {
            let shape = Shape {
                num_hidden_layers: layers, num_attention_heads: heads, hidden_size: hidden, vocab_size: vocabulary,
                max_position_embeddings: context, ..Shape::default()
            };
            let needs = Needs::from_shape(u64::MAX, &shape);
            prop_assert_eq!(needs.demand(&task("x", 65_536, 16)).total(), u64::MAX);
        }
    }
}
