//! What an agent needs of whatever finds the answers.

use std::time::Duration;

use xenon_protocol::{error_code::ErrorCode, task::TaskSpec};

use crate::{Executor, TaskOutput};

/// Finds the answers to tasks, one at a time, on a thread of its own.
pub trait TaskRunner: Send + 'static {
    /// The answer to a task, or the error that the node commits to instead.
    fn run(&mut self, task: &TaskSpec) -> Result<TaskOutput, ErrorCode>;

    /// The same, given up after `limit` by a runner that can be interrupted; a computation in this process cannot.
    fn run_within(&mut self, task: &TaskSpec, limit: Duration) -> Result<TaskOutput, ErrorCode> {
        let _ = limit;
        self.run(task)
    }
}

impl TaskRunner for Executor {
    fn run(&mut self, task: &TaskSpec) -> Result<TaskOutput, ErrorCode> {
        let outcome = Self::run(self, task, |_, _| {});
        outcome.map_err(|error| {
            tracing::warn!(%error, model = %task.model(), "no answer, committing to an error");
            error.error_code()
        })
    }
}
