use alloy::primitives::B256;
use xenon_protocol::contracts::Status;

use crate::{ClassId, KindId, NodeId, TaskId, Undecodable};

/// Why an event cannot have happened to the network as it is known: a log is missing, the chain was reorganised, or the
/// first block read comes after the deployment. The view is of no use afterwards and must be built anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages name the fields")]
pub enum ViewError {
    /// A log that is none of the protocol's events.
    #[error(transparent)]
    Undecodable(#[from] Undecodable),
    /// A log of another block with the same number.
    #[error("XK-011: block {block} is {found} and was {known}: the chain was reorganised, read it anew")]
    Forked { block: u64, known: B256, found: B256 },
    /// Numbers are given out one after the other.
    #[error("XK-012: {what} {found} appeared where {expected} was due: logs are missing, read the chain anew")]
    Skipped { what: &'static str, expected: u64, found: u64 },
    /// The kind is not in the table.
    #[error("XK-013: {event} names kind {kind}, which was never added: read from the block of the deployment on")]
    UnknownKind { event: &'static str, kind: KindId },
    /// The task was never created, or has ended.
    #[error("XK-014: {event} of task {task}, which is not alive: logs are missing, read the chain anew")]
    UnknownTask { event: &'static str, task: TaskId },
    /// The node never joined.
    #[error("XK-015: {event} of node {node}, which never joined: read from the block of the deployment on")]
    UnknownNode { event: &'static str, node: NodeId },
    /// The class was never opened.
    #[error("XK-016: {event} names class {class}, which was never opened: read from the block of the deployment on")]
    UnknownClass { event: &'static str, class: ClassId },
    /// The task is in a stage in which that does not happen.
    #[error("XK-017: {event} of task {task}, which is {stage}: logs are missing, read the chain anew")]
    WrongStage { event: &'static str, task: TaskId, stage: &'static str },
    /// The node holds no seat of the task in which it could have done that.
    #[error("XK-018: {event} of task {task} by node {node}, whose seat does not allow it: read the chain anew")]
    WrongSeat { event: &'static str, task: TaskId, node: NodeId },
    /// A node does not change from the one status to the other.
    #[error("XK-019: node {node} became {to:?} while it was {from:?}: logs are missing, read the chain anew")]
    WrongStatus { node: NodeId, from: Status, to: Status },
    /// The round drawn is not the one the event belongs to.
    #[error("XK-020: {event} does not fit the round drawn in block {draw_block}: read the chain anew")]
    WrongRound { event: &'static str, draw_block: u64 },
    /// The book of a class does not stand where the event needs it.
    #[error("XK-021: {event} of kind {kind} and class {class}, whose book is not there: read the chain anew")]
    WrongBook { event: &'static str, kind: KindId, class: ClassId },
    /// The contract found another openness of a class than its nodes make.
    #[error("XK-024: class {class} is open: {found}, and by the logs: {known}; logs are missing, read the chain anew")]
    WrongReview { class: ClassId, known: bool, found: bool },
    /// Another class is reserved, or none.
    #[error(
        "XK-025: {event} of class {class} for task {task}, which does not fit what is reserved: read the chain anew"
    )]
    WrongReservation { event: &'static str, task: TaskId, class: ClassId },
    /// Fee, kind and size of a task give another value per second, or no tier has so much memory.
    #[error("XK-022: task {task} does not follow from its kind and class: read the chain anew")]
    WrongTask { task: TaskId },
    /// The contracts count otherwise.
    #[error(
        "XK-023: {what} is {known} by the logs and {found} by the contracts: logs are missing, read the chain anew"
    )]
    Diverged { what: &'static str, known: u64, found: u64 },
}

impl ViewError {
    /// The stable code of this error, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Undecodable(_) => "XK-010",
            Self::Forked { .. } => "XK-011",
            Self::Skipped { .. } => "XK-012",
            Self::UnknownKind { .. } => "XK-013",
            Self::UnknownTask { .. } => "XK-014",
            Self::UnknownNode { .. } => "XK-015",
            Self::UnknownClass { .. } => "XK-016",
            Self::WrongStage { .. } => "XK-017",
            Self::WrongSeat { .. } => "XK-018",
            Self::WrongStatus { .. } => "XK-019",
            Self::WrongRound { .. } => "XK-020",
            Self::WrongBook { .. } => "XK-021",
            Self::WrongTask { .. } => "XK-022",
            Self::Diverged { .. } => "XK-023",
            Self::WrongReview { .. } => "XK-024",
            Self::WrongReservation { .. } => "XK-025",
        }
    }
}
