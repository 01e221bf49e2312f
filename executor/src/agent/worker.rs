//! The thread that runs the models.

use std::{
    any::Any,
    future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread,
    time::Duration,
};

use tokio::sync::oneshot::{self, error::TryRecvError};
use xenon_protocol::{error_code::ErrorCode, task::TaskSpec};

use super::{AgentError, TaskRunner, seat::Seat};
use crate::TaskOutput;

/// What a run came to.
pub(super) type Outcome = Result<TaskOutput, ErrorCode>;

/// Owns the runner, which computes on a thread of its own, one task at a time.
///
/// A run that is in hand when the agent stops is not waited for: the thread ends with it.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Job {
    task: TaskSpec,
    limit: Duration,
    outcome: oneshot::Sender<Outcome>,
}

#[derive(Debug)]
struct Running {
    seat: Seat,
    outcome: oneshot::Receiver<Outcome>,
    /// What came, if [`Worker::ended`] saw it.
    seen: Option<Result<Outcome, AgentError>>,
}

impl Worker {
    pub(super) fn start(runner: impl TaskRunner) -> Result<Self, AgentError> {
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new().name("xenon-runner".to_owned());
        thread.spawn(move || serve(runner, &queue)).map_err(|error| stopped(&error.to_string()))?;
        Ok(Self { jobs, running: None })
    }

    /// Whether a run is in hand, or its outcome has not been taken.
    pub(super) const fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Starts to run the task of a seat, for at most `limit` where the runner can be interrupted. Only when not busy.
    pub(super) fn begin(&mut self, seat: Seat, task: TaskSpec, limit: Duration) -> Result<(), AgentError> {
        let (sender, outcome) = oneshot::channel();
        self.jobs.send(Job { task, limit, outcome: sender }).map_err(|_| stopped("it takes no more tasks"))?;
        self.running = Some(Running { seat, outcome, seen: None });
        Ok(())
    }

    /// Completes when the run in hand ends; never without one.
    pub(super) async fn ended(&mut self) {
        match &mut self.running {
            Some(running) if running.seen.is_none() => {
                let outcome = (&mut running.outcome).await;
                running.seen = Some(outcome.map_err(|_| stopped("it gave no answer")));
            }
            Some(_) => {}
            None => future::pending().await,
        }
    }

    /// The outcome of a run that has ended, once.
    pub(super) fn take(&mut self) -> Result<Option<(Seat, Outcome)>, AgentError> {
        let Some(running) = &mut self.running else { return Ok(None) };
        let outcome = match running.seen.take() {
            Some(seen) => seen,
            None => match running.outcome.try_recv() {
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Closed) => Err(stopped("it gave no answer")),
                Ok(outcome) => Ok(outcome),
            },
        };
        let seat = running.seat;
        self.running = None;
        Ok(Some((seat, outcome?)))
    }
}

fn stopped(reason: &str) -> AgentError {
    AgentError::RunnerStopped { reason: reason.to_owned() }
}

fn serve(mut runner: impl TaskRunner, queue: &mpsc::Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        let outcome = run(&mut runner, &job);
        // Nobody waits for the outcome of an agent that has stopped.
        let _ = job.outcome.send(outcome);
    }
}

/// A panic in a model's runtime is a failed execution, not the end of the node.
fn run(runner: &mut impl TaskRunner, Job { task, limit, .. }: &Job) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| runner.run_within(task, *limit))).unwrap_or_else(|panic| {
        tracing::error!(reason = words(&*panic), model = %task.model(), "the run panicked");
        Err(ErrorCode::ExecutionFailed)
    })
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("not said")
}
