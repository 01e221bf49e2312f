//! Fetches a task and checks it against what was paid for.

use std::time::Duration;

use alloy::primitives::{B256, Bytes};
use xenon_protocol::{
    error_code::ErrorCode,
    relay::{RelayClient, RelayError},
    task::{MAX_TASK_BYTES, TaskSpec},
};

use super::{AgentError, seat::Seat};

/// What came of an attempt to fetch a task.
pub(super) enum Fetched {
    /// The task, checked.
    Task(TaskSpec),
    /// There is no such task, or it is not in order: the error that the node commits to.
    Refused(ErrorCode),
    /// The relay did not answer as a relay does; another attempt may succeed.
    NotNow(RelayError),
}

/// Fetches the task of a seat within `limit`.
pub(super) async fn fetch(relay: &RelayClient, seat: &Seat, limit: Duration) -> Fetched {
    match relay.within(limit).get(seat.task_hash, MAX_TASK_BYTES as u64).await {
        Ok(bytes) => checked(seat, &bytes),
        Err(error) => match verdict(&error) {
            Some(code) => refused(seat, &error, code),
            None => Fetched::NotNow(error),
        },
    }
}

fn checked(seat: &Seat, bytes: &[u8]) -> Fetched {
    match TaskSpec::parse(bytes) {
        Err(error) => refused(seat, &error, error.error_code()),
        Ok(task) => match mismatch(seat, &task) {
            Some(code) => refused(seat, &"it is not what was paid for", code),
            None => Fetched::Task(task),
        },
    }
}

fn refused(seat: &Seat, reason: &impl std::fmt::Display, code: ErrorCode) -> Fetched {
    tracing::warn!(task = seat.task, %reason, %code, "the task cannot be run, committing to an error");
    Fetched::Refused(code)
}

/// The error that the relay's answer proves. What only says something about this relay proves nothing.
const fn verdict(error: &RelayError) -> Option<ErrorCode> {
    match error {
        RelayError::NotFound { .. } | RelayError::WrongContent { .. } => Some(ErrorCode::TaskUnavailable),
        RelayError::TooLarge { .. } => Some(ErrorCode::TaskTooLarge),
        _ => None,
    }
}

/// Why the task is not the one that was paid for.
fn mismatch(seat: &Seat, task: &TaskSpec) -> Option<ErrorCode> {
    if task.kind() != seat.kind {
        return Some(ErrorCode::InvalidArguments);
    }
    (task.declared_size() != seat.size).then_some(ErrorCode::SizeMismatch)
}

/// Brings a reply to the relay and reads it back, so that nobody is told of content that is not there.
pub(super) async fn store(relay: &RelayClient, reply: Vec<u8>, limit: Duration) -> Result<B256, AgentError> {
    let relay = relay.within(limit);
    let length = reply.len() as u64;
    let hash = relay.put(reply).await?;
    relay.get(hash, length).await?;
    Ok(hash)
}

/// The same, with the relay's signature for the task, which nobody has checked yet.
pub(super) async fn store_signed(
    relay: &RelayClient,
    reply: Vec<u8>,
    task: u64,
    limit: Duration,
) -> Result<(B256, Bytes), AgentError> {
    let relay = relay.within(limit);
    let length = reply.len() as u64;
    let (hash, signature) = relay.put_signed(reply, task).await?;
    relay.get(hash, length).await?;
    Ok((hash, signature))
}

#[cfg(test)]
mod tests {
    use xenon_protocol::task::{GenerationConfig, GptTask, Message};

    use super::*;

    fn seat(kind: u8, size: u32) -> Seat {
        Seat { task: 1, task_hash: B256::ZERO, kind, size, commit_by: 0 }
    }

    fn code(seat: &Seat, bytes: &[u8]) -> Option<ErrorCode> {
        match checked(seat, bytes) {
            Fetched::Refused(code) => Some(code),
            _ => None,
        }
    }

    fn task() -> Vec<u8> {
        let messages = vec![Message::user("What is 17 + 25?")];
        let task = GptTask::new("xenon/sum-chat-1m".parse().unwrap(), messages, GenerationConfig::greedy(8));
        TaskSpec::Gpt(task).to_bytes().unwrap()
    }

    #[test]
    fn what_was_not_paid_for_is_refused() {
        assert_eq!(code(&seat(0, 9), &task()), Some(ErrorCode::SizeMismatch));
        assert_eq!(code(&seat(0, 7), &task()), Some(ErrorCode::SizeMismatch));
        assert_eq!(code(&seat(1, 8), &task()), Some(ErrorCode::InvalidArguments));
        assert_eq!(code(&seat(0, 8), b"{"), Some(ErrorCode::InvalidArguments));
        assert_eq!(code(&seat(0, 8), &vec![b' '; MAX_TASK_BYTES + 1]), Some(ErrorCode::TaskTooLarge));
    }

    #[test]
    fn what_was_paid_for_is_taken() {
        assert!(matches!(checked(&seat(0, 8), &task()), Fetched::Task(_)));
    }

    #[test]
    fn a_relay_that_does_not_work_proves_nothing() {
        let url = String::new;
        let broken = [
            RelayError::Unreachable { url: url(), reason: url() },
            RelayError::Refused { url: url(), status: 403, message: url() },
            RelayError::NotARelay { url: url(), reason: url() },
        ];
        assert!(broken.iter().all(|error| verdict(error).is_none()));
        let missing = RelayError::NotFound { url: url(), hash: B256::ZERO };
        assert_eq!(verdict(&missing), Some(ErrorCode::TaskUnavailable));
    }
}
