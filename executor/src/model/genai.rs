//! `genai_config.json`, by which a folder of onnxruntime-genai says what is in it.

use std::path::Path;

use serde::Deserialize;

use super::{
    config::{GenerationDefaults, Tokens, read_json},
    layout::{self, GraphFiles},
    precision,
};
use crate::{
    error::ExecutorError,
    text::{CacheShape, PortNames, Variant},
};

/// The configuration's file name.
pub(super) const GENAI_CONFIG: &str = "genai_config.json";

/// What is read of the configuration.
#[derive(Deserialize)]
pub(super) struct GenaiConfig {
    pub(super) model: GenaiModel,
    #[serde(default)]
    pub(super) search: GenerationDefaults,
}

#[derive(Deserialize)]
pub(super) struct GenaiModel {
    pub(super) context_length: usize,
    #[serde(default)]
    pub(super) eos_token_id: Tokens,
    decoder: GenaiDecoder,
}

#[derive(Deserialize)]
struct GenaiDecoder {
    filename: String,
    num_key_value_heads: Option<i64>,
    head_size: Option<i64>,
    #[serde(default)]
    inputs: GenaiInputs,
    #[serde(default)]
    outputs: GenaiOutputs,
}

#[derive(Default, Deserialize)]
struct GenaiInputs {
    input_ids: Option<String>,
    attention_mask: Option<String>,
    position_ids: Option<String>,
    past_key_names: Option<String>,
    past_value_names: Option<String>,
}

#[derive(Default, Deserialize)]
struct GenaiOutputs {
    logits: Option<String>,
    present_key_names: Option<String>,
    present_value_names: Option<String>,
}

impl GenaiConfig {
    pub(super) fn read(folder: &Path) -> Result<Self, ExecutorError> {
        read_json(&folder.join(GENAI_CONFIG))
    }
}

/// The decoder that the configuration names.
pub(super) fn graphs(folder: &Path) -> Result<GraphFiles, ExecutorError> {
    let decoder = GenaiConfig::read(folder)?.model.decoder;
    // The configuration does not say the precision; the graph does.
    let variant = precision::of_graph(&folder.join(&decoder.filename)).unwrap_or(Variant::FP32);
    let cache = CacheShape { heads: decoder.num_key_value_heads, head_size: decoder.head_size };
    let files = layout::one(folder, &decoder.filename.clone(), variant, decoder.names())?;
    Ok(GraphFiles { cache, ..files })
}

impl GenaiDecoder {
    fn names(self) -> PortNames {
        let (usual, inputs, outputs) = (PortNames::default(), self.inputs, self.outputs);
        let [key, value] = usual.past;
        let [present_key, present_value] = usual.present;
        PortNames {
            tokens: inputs.input_ids.unwrap_or(usual.tokens),
            mask: inputs.attention_mask.unwrap_or(usual.mask),
            positions: inputs.position_ids.unwrap_or(usual.positions),
            past: [inputs.past_key_names.unwrap_or(key), inputs.past_value_names.unwrap_or(value)],
            present: [
                outputs.present_key_names.unwrap_or(present_key),
                outputs.present_value_names.unwrap_or(present_value),
            ],
            logits: outputs.logits.unwrap_or(usual.logits),
        }
    }
}
