//! What can go wrong between a node and the process that runs a model.

use std::time::Duration;

use thiserror::Error;
use xenon_protocol::{error_code::ErrorCode, task::ModelId};

use crate::{ExecutorError, memory::DoesNotFit};

/// What can go wrong between a node and the process that runs a model. The text says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The task needs more memory than there is.
    #[error(transparent)]
    DoesNotFit(#[from] DoesNotFit),
    /// The child could not be started.
    #[error("XE-091: cannot start a process for {model}: {reason}; check the limits on processes and open files")]
    NotStarted {
        /// The model that it was to run.
        model: ModelId,
        /// What the system says.
        reason: String,
    },
    /// The child crashed.
    #[error(
        "XE-092: the process that runs {model} ended: {how}; its last words are in the log, try another task or model"
    )]
    Crashed {
        /// The model that it ran.
        model: ModelId,
        /// How it ended.
        how: String,
    },
    /// The child was killed for the memory that it took, or could not get any.
    #[error(
        "XE-093: the process that runs {model} ran out of memory: {how}; run smaller models, or give the node more memory"
    )]
    OutOfMemory {
        /// The model that it ran.
        model: ModelId,
        /// How it ended.
        how: String,
    },
    /// The child did not answer in time, and was ended.
    #[error("XE-094: the process that runs {model} gave no answer within {} s and was ended; use a faster device or a smaller model", limit.as_secs())]
    TooSlow {
        /// The model that it ran.
        model: ModelId,
        /// The time that it had.
        limit: Duration,
    },
    /// What came over the pipe is no message.
    #[error(
        "XE-095: the process that runs {model} sent what is no message ({reason}) and was ended; if it happens again, report it"
    )]
    Garbled {
        /// The model that it ran.
        model: ModelId,
        /// What came.
        reason: String,
    },
    /// The child speaks another version, or runs another model.
    #[error(
        "XE-096: the process that was to run {model} says that it is {found}; start the node again, so that both are of one version"
    )]
    Stranger {
        /// The model that it was to run.
        model: ModelId,
        /// What it says of itself.
        found: String,
    },
    /// The last children of this model ended badly, and the next start is not due within the time that there is.
    #[error("XE-097: the processes that run {model} have failed {failures} times in a row; the next is started in {} s", pause.as_secs())]
    Resting {
        /// The model.
        model: ModelId,
        /// Failures in a row.
        failures: u32,
        /// Time until the next start.
        pause: Duration,
    },
    /// The child said why there is no answer.
    #[error("{text}")]
    Reported {
        /// The text of its error, with the code.
        text: String,
        /// What a node commits to.
        code: ErrorCode,
    },
    /// The model could not be found, or its files make no sense.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
}

impl ProcessError {
    /// The stable code of this error.
    pub fn code(&self) -> &str {
        match self {
            Self::DoesNotFit(_) => DoesNotFit::CODE,
            Self::NotStarted { .. } => "XE-091",
            Self::Crashed { .. } => "XE-092",
            Self::OutOfMemory { .. } => "XE-093",
            Self::TooSlow { .. } => "XE-094",
            Self::Garbled { .. } => "XE-095",
            Self::Stranger { .. } => "XE-096",
            Self::Resting { .. } => "XE-097",
            Self::Reported { text, .. } => text.split_once(':').map_or("", |(code, _)| code),
            Self::Executor(error) => error.code(),
        }
    }

    /// What a node commits to when this error ends a task.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            Self::DoesNotFit(_) | Self::OutOfMemory { .. } => ErrorCode::OutOfMemory,
            Self::Reported { code, .. } => *code,
            Self::Executor(error) => error.error_code(),
            _ => ErrorCode::ExecutionFailed,
        }
    }

    /// Whether the child that gave this error is of no more use.
    pub(super) fn ends_the_child(&self) -> bool {
        !matches!(self, Self::Reported { .. }) || self.error_code() == ErrorCode::OutOfMemory
    }

    /// Whether it shows that the machine has less memory than was thought.
    pub(super) fn shows_a_lack_of_memory(&self) -> bool {
        !matches!(self, Self::DoesNotFit(_)) && self.error_code() == ErrorCode::OutOfMemory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_begins_with_the_code_and_no_two_codes_are_one() {
        let model: ModelId = "a/b@1".parse().unwrap();
        let (how, reason, found) = (String::from("x"), String::from("x"), String::from("x"));
        let (limit, pause) = (Duration::from_secs(3), Duration::from_secs(4));
        let errors = [
            ProcessError::from(DoesNotFit { model: model.clone(), needed: 2, free: 1 }),
            ProcessError::NotStarted { model: model.clone(), reason: reason.clone() },
            ProcessError::Crashed { model: model.clone(), how: how.clone() },
            ProcessError::OutOfMemory { model: model.clone(), how },
            ProcessError::TooSlow { model: model.clone(), limit },
            ProcessError::Garbled { model: model.clone(), reason },
            ProcessError::Stranger { model: model.clone(), found },
            ProcessError::Resting { model, failures: 2, pause },
        ];
        let codes: Vec<_> = errors.iter().map(ProcessError::code).collect();
        assert!(codes.is_sorted_by(|one, next| one < next), "{codes:?}");
        for error in &errors {
            assert!(error.to_string().starts_with(&format!("{}: ", error.code())), "{error}");
        }
    }
}
