//! A runner that is still on its way while the node works already.

use std::{
    sync::mpsc::{self, Receiver, SyncSender},
    time::{Duration, Instant},
};

use xenon_executor::{TaskOutput, agent::TaskRunner};
use xenon_protocol::{error_code::ErrorCode, task::TaskSpec};

/// Time for a task that nobody limits to wait for the runner.
const UNLIMITED: Duration = Duration::from_hours(24);

/// Stands for a runner until that is there. A task that comes before waits, within its own limit.
#[derive(Debug)]
pub(super) struct PendingRunner<R> {
    coming: Receiver<R>,
    runner: Option<R>,
}

/// The place of a runner, and where to hand it in. When that is dropped, none will come any more.
pub(super) fn pending<R>() -> (SyncSender<R>, PendingRunner<R>) {
    let (sender, coming) = mpsc::sync_channel(1);
    (sender, PendingRunner { coming, runner: None })
}

impl<R: TaskRunner> PendingRunner<R> {
    fn wait(&mut self, limit: Duration) -> Result<&mut R, ErrorCode> {
        if self.runner.is_none() {
            self.runner = self.coming.recv_timeout(limit).ok();
        }
        self.runner.as_mut().ok_or_else(|| {
            tracing::warn!("no answer, committing to an error: the models were not ready in time");
            ErrorCode::ExecutionFailed
        })
    }
}

impl<R: TaskRunner> TaskRunner for PendingRunner<R> {
    fn run(&mut self, task: &TaskSpec) -> Result<TaskOutput, ErrorCode> {
        self.wait(UNLIMITED)?.run(task)
    }

    fn run_within(&mut self, task: &TaskSpec, limit: Duration) -> Result<TaskOutput, ErrorCode> {
        let until = Instant::now() + limit.min(UNLIMITED);
        let runner = self.wait(limit.min(UNLIMITED))?;
        runner.run_within(task, until.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use xenon_executor::agent::LazyRunner;
    use xenon_protocol::task::{GenerationConfig, GptTask, Message};

    use super::*;

    fn task() -> TaskSpec {
        let model = "a/b".parse().unwrap();
        TaskSpec::Gpt(GptTask::new(model, vec![Message::user("Hello?")], GenerationConfig::greedy(8)))
    }

    #[test]
    fn a_runner_that_never_comes_is_an_error_at_once() {
        let (place, mut runner) = pending::<LazyRunner>();
        drop(place);
        assert_eq!(runner.run(&task()).unwrap_err(), ErrorCode::ExecutionFailed);
    }

    #[test]
    fn a_task_does_not_wait_beyond_its_limit() {
        let (_place, mut runner) = pending::<LazyRunner>();
        assert_eq!(runner.run_within(&task(), Duration::ZERO).unwrap_err(), ErrorCode::ExecutionFailed);
    }

    #[test]
    fn a_task_that_comes_first_waits_for_the_runner() {
        let (place, mut runner) = pending();
        let waiting = thread::spawn(move || runner.run_within(&task(), UNLIMITED));
        place.send(LazyRunner::fixed("yes")).unwrap();
        assert_eq!(waiting.join().unwrap(), LazyRunner::fixed("yes").run(&task()));
    }
}
