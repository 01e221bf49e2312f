//! The task JSON: what an application asks for, addressed by the keccak256 of its exact bytes.
//!
//! Everything that is accepted has an effect: unknown fields, values outside their bounds and settings that would be
//! ignored are refused, with an error that names the field.

mod bounds;
mod error;
mod generation;
mod gpt;
pub mod limits;
mod message;
mod model_id;
mod precision;
mod schema;
mod tool;

use alloy::primitives::{B256, keccak256};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    error::TaskError,
    generation::GenerationConfig,
    gpt::GptTask,
    message::{AssistantContent, CalledFunction, Message, Role, ToolCall},
    model_id::ModelId,
    precision::{Dtype, QuantizeBits},
    schema::task_schema,
    tool::{FunctionDefinition, JsonObject, Tool, ToolKind},
};

/// The largest task JSON accepted, in bytes.
pub const MAX_TASK_BYTES: usize = 64 * 1024;

/// The kind of GPT tasks in the table of the Task contract: results agree when they are equal.
pub const GPT_KIND: u8 = 0;

/// What an application asks the network to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(title = "Xenon task")]
pub enum TaskSpec {
    /// Continue a conversation with a language model.
    Gpt(GptTask),
}

/// The fields that say which form the rest has. Serde would take a number for them too, as a position in its list.
#[derive(Deserialize)]
struct Tags {
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "messages", default)]
    _messages: Vec<RoleTag>,
}

#[derive(Deserialize)]
struct RoleTag {
    #[serde(rename = "role")]
    _role: String,
}

impl TaskSpec {
    /// Reads a task: checks its length, its form and the bounds of every value, in this order.
    pub fn parse(bytes: &[u8]) -> Result<Self, TaskError> {
        check_length(bytes)?;
        let _: Tags = serde_json::from_slice(bytes)?;
        let task: Self = serde_json::from_slice(bytes)?;
        task.validate()?;
        Ok(task)
    }

    /// The canonical JSON (RFC 8785) of this task, after the same checks as [`TaskSpec::parse`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, TaskError> {
        self.validate()?;
        let bytes = serde_json_canonicalizer::to_vec(self)?;
        check_length(&bytes)?;
        Ok(bytes)
    }

    /// Checks every value against its bounds.
    pub fn validate(&self) -> Result<(), TaskError> {
        match self {
            Self::Gpt(task) => task.validate(),
        }
    }

    /// The size that must have been paid for on chain: the most tokens that the task can generate.
    pub fn declared_size(&self) -> u32 {
        match self {
            Self::Gpt(task) => task.generation_config.declared_size(),
        }
    }

    /// The number of the task's kind in the table of the Task contract.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Gpt(_) => GPT_KIND,
        }
    }

    /// The model that the task runs on.
    pub fn model(&self) -> &ModelId {
        match self {
            Self::Gpt(task) => &task.model,
        }
    }
}

/// The hash under which a task is created on chain and found at the relay: keccak256 of the exact bytes.
pub fn task_hash(bytes: &[u8]) -> B256 {
    keccak256(bytes)
}

fn check_length(bytes: &[u8]) -> Result<(), TaskError> {
    if bytes.len() > MAX_TASK_BYTES { Err(TaskError::TooLarge { bytes: bytes.len() }) } else { Ok(()) }
}
