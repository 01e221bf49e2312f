//! What a node and the processes that run its models say to each other.

use serde::{Deserialize, Serialize};
use xenon_protocol::{
    error_code::ErrorCode,
    task::{ModelId, TaskSpec},
};

use crate::{ExecutorError, TaskOutput, error::is_out_of_memory};

/// Version of these messages. Another version is refused, not guessed at.
pub(crate) const VERSION: u32 = 2;

/// What the node asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Order {
    /// Run this task.
    Run {
        /// Orders so far, this one included. Every report of the task repeats it.
        number: u64,
        /// The task.
        task: Box<TaskSpec>,
    },
}

/// What the child answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Report {
    /// The model is loaded. The first report, once.
    Ready {
        /// [`VERSION`] of the child.
        version: u32,
        /// The model, with its revision.
        model: ModelId,
    },
    /// A piece of the answer to the task in hand.
    Text {
        /// The order's number.
        number: u64,
        /// The choice that it belongs to.
        index: u32,
        /// The piece.
        text: String,
    },
    /// The task in hand is done.
    Done {
        /// The order's number.
        number: u64,
        /// What it came to.
        output: TaskOutput,
    },
    /// The task in hand, or loading the model, failed.
    Failed {
        /// The order's number; none while the model is loaded.
        number: Option<u64>,
        /// Why.
        failure: Failure,
    },
}

/// An error of the executor, as it crosses the pipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failure {
    /// Its text, which begins with its stable code.
    pub(crate) text: String,
    /// What the node commits to.
    pub(crate) code: ErrorCode,
}

impl From<&ExecutorError> for Failure {
    fn from(error: &ExecutorError) -> Self {
        Self { text: error.to_string(), code: code(error) }
    }
}

/// A device or a library that gets no memory to prove itself is out of memory too. Other texts are not searched for it: they
/// may hold words of the task.
fn code(error: &ExecutorError) -> ErrorCode {
    match error {
        ExecutorError::DeviceUnusable { reason, .. } | ExecutorError::RuntimeUnusable { reason, .. }
            if is_out_of_memory(reason) =>
        {
            ErrorCode::OutOfMemory
        }
        _ => error.error_code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;

    #[test]
    fn a_task_cannot_talk_the_node_out_of_its_memory() {
        let reason = String::from("bad_alloc: out of memory");
        let refused = ExecutorError::ConversationRefused { reason: reason.clone() };
        assert_eq!(Failure::from(&refused).code, ErrorCode::InvalidArguments);
        let unusable = ExecutorError::DeviceUnusable { device: Device::Cpu, reason };
        assert_eq!(Failure::from(&unusable).code, ErrorCode::OutOfMemory);
    }
}
