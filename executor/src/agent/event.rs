//! What an agent tells whoever looks on: for metrics, a live view, a log.

use xenon_protocol::{error_code::ErrorCode, task::ModelId};

use super::{Standing, Step};

/// What just happened in an agent.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The node's standing was read, because its status has changed.
    Standing(&'a Standing),
    /// What is next for a task has changed.
    Step {
        /// The task.
        task: u64,
        /// What is next.
        step: Step,
        /// End of the task's stage, in seconds since the Unix epoch.
        deadline: u64,
    },
    /// The task was fetched and handed to the runner.
    Running {
        /// The task.
        task: u64,
        /// Its model, as the task names it.
        model: &'a ModelId,
    },
    /// The answer, or the error in its place, is in the journal.
    Answered {
        /// The task.
        task: u64,
        /// The error that is committed to, if it is one.
        error: Option<ErrorCode>,
    },
    /// The task is over.
    Ended {
        /// The task.
        task: u64,
        /// Whether this node was among those who agreed.
        agreed: bool,
    },
    /// Something outside this machine failed and is tried again.
    Retrying {
        /// The stable code of the error.
        code: &'a str,
    },
    /// A look at the chain is over.
    Round {
        /// The newest block.
        block: u64,
        /// Entries of the journal.
        entries: usize,
    },
}

/// Looks on. It is called between the steps of the agent and must not block.
pub trait Observer: Send {
    /// Takes note of what happened.
    fn observe(&mut self, event: Event<'_>);
}

/// Nobody looks.
impl Observer for () {
    fn observe(&mut self, _: Event<'_>) {}
}
