//! Tasks of the GPT kind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Dtype, GenerationConfig, Message, ModelId, QuantizeBits, TaskError, Tool,
    bounds::{integer, length},
    limits,
};

/// A conversation to continue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GptTask {
    /// The model to run.
    pub model: ModelId,
    /// The conversation so far, oldest message first.
    #[schemars(length(min = limits::MESSAGES.0, max = limits::MESSAGES.1))]
    pub messages: Vec<Message>,
    /// Functions that the model may call. It writes a call in its own form, as part of its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = limits::TOOLS.0, max = limits::TOOLS.1))]
    pub tools: Option<Vec<Tool>>,
    /// How to generate.
    pub generation_config: GenerationConfig,
    /// Seed of the sampling. The same seed gives the same answer.
    #[serde(default)]
    #[schemars(range(max = limits::SEED.1))]
    pub seed: u64,
    /// The time that the model's chat template sees, in seconds since 1970 (UTC). Without it a template sees no
    /// clock, so that every node renders the same prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = limits::TIME.1))]
    pub time: Option<u64>,
    /// The type of the numbers that the model computes with. Left out, it is the one that the model's folder prefers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<Dtype>,
    /// Bits of a quantised weight. Left out where `dtype` is given, the weights are not quantised; left out where
    /// `dtype` is left out too, the model's folder decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantize_bits: Option<QuantizeBits>,
}

impl GptTask {
    /// A task with seed 0 and nothing that may be left out.
    pub const fn new(model: ModelId, messages: Vec<Message>, generation_config: GenerationConfig) -> Self {
        Self { model, messages, tools: None, generation_config, seed: 0, time: None, dtype: None, quantize_bits: None }
    }

    /// Checks every value against its bounds.
    pub fn validate(&self) -> Result<(), TaskError> {
        length("messages", self.messages.len(), limits::MESSAGES)?;
        self.messages.iter().try_for_each(Message::validate)?;
        self.validate_tools()?;
        integer("seed", self.seed, limits::SEED)?;
        self.time.map_or(Ok(()), |time| integer("time", time, limits::TIME))?;
        self.generation_config.validate()
    }

    fn validate_tools(&self) -> Result<(), TaskError> {
        let Some(tools) = &self.tools else { return Ok(()) };
        length("tools", tools.len(), limits::TOOLS)?;
        tools.iter().try_for_each(Tool::validate)
    }
}
