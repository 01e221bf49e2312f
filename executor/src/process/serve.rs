//! The child's side: loads one model, and runs what it is asked to until its input ends.

use std::{
    io::{Read, Write},
    process,
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use xenon_protocol::task::{ModelId, TaskSpec};

use super::{
    frame,
    message::{Failure, Order, Report, VERSION},
};
use crate::{Executor, ExecutorConfig, ExecutorError};

/// Time that an orderly end may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a child is told when it starts.
#[derive(Clone, Debug)]
pub struct ChildConfig {
    /// How models are run.
    pub executor: ExecutorConfig,
    /// The model that it runs, with its revision.
    pub model: ModelId,
    /// The most memory that it may have for data, in bytes; without it, what the system gives.
    pub memory: Option<u64>,
}

/// Loads the model, and runs tasks one after the other. Returns when the node is gone or the model cannot be loaded.
///
/// The process ends as soon as `orders` ends, in the middle of a task too: a computation cannot be interrupted, and nobody
/// waits for it. `reports` must be the only way to the pipe, see [`report_pipe`].
pub fn serve(config: &ChildConfig, orders: impl Read + Send + 'static, mut reports: impl Write) {
    limit::memory(config.memory);
    limit::die_first();
    let orders = watch(orders);
    match open(config) {
        Ok(executor) => {
            tell(&mut reports, &Report::Ready { version: VERSION, model: config.model.clone() });
            work(executor, &orders, &mut reports);
        }
        Err(error) => tell(&mut reports, &Report::Failed { number: None, failure: Failure::from(&error) }),
    }
}

fn open(config: &ChildConfig) -> Result<Executor, ExecutorError> {
    let mut executor = Executor::open(&config.executor)?;
    executor.preload(&config.model)?;
    Ok(executor)
}

fn work(mut executor: Executor, orders: &Receiver<(u64, TaskSpec)>, reports: &mut impl Write) {
    while let Ok((number, task)) = orders.recv() {
        let on_text = |index, text: &str| tell(reports, &Report::Text { number, index, text: text.to_owned() });
        let report = match executor.run(&task, on_text) {
            Ok(output) => Report::Done { number, output },
            Err(error) => Report::Failed { number: Some(number), failure: Failure::from(&error) },
        };
        tell(reports, &report);
    }
}

/// Reads orders on a thread of its own, which ends the process with them.
fn watch(mut orders: impl Read + Send + 'static) -> Receiver<(u64, TaskSpec)> {
    // One order is given at a time.
    let (sender, queue) = mpsc::sync_channel(1);
    thread::spawn(move || {
        while let Ok(Some(Order::Run { number, task })) = frame::read(&mut orders) {
            if sender.send((number, *task)).is_err() {
                break;
            }
        }
        end(0);
    });
    queue
}

/// Ends the process while its other threads compute. What the runtime and its libraries do at an orderly end can wait for
/// such a thread, or fail over what it still uses: then the process ends itself the hard way.
fn end(status: i32) -> ! {
    thread::spawn(|| {
        thread::sleep(FAREWELL);
        kill_this_process();
    });
    process::exit(status)
}

#[cfg(unix)]
fn kill_this_process() {
    use rustix::process::{Signal, getpid, kill_process};
    // There is nobody left to tell if this fails too.
    let _ = kill_process(getpid(), Signal::KILL);
}

#[cfg(not(unix))]
fn kill_this_process() {
    process::abort();
}

/// Without anybody to report to there is nothing left to do.
fn tell(reports: &mut impl Write, report: &Report) {
    if let Err(error) = frame::write(reports, report) {
        tracing::debug!(%error, "the node does not listen any more");
        end(1);
    }
}

/// Takes standard output for the frames alone: whatever a library prints goes to standard error from here on.
///
/// # Errors
/// The system's, if there is no file descriptor left.
#[cfg(unix)]
pub fn report_pipe() -> std::io::Result<impl Write> {
    use std::os::fd::AsFd as _;
    let pipe = std::io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(std::io::stderr().as_fd())?;
    Ok(std::fs::File::from(pipe))
}

/// Takes standard output for the frames.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn report_pipe() -> std::io::Result<impl Write> {
    Ok(std::io::stdout())
}

/// What the system should know about this process. Nothing here is needed for a right answer, so what fails is only told.
#[cfg(target_os = "linux")]
mod limit {
    use rustix::process::{Resource, Rlimit, setrlimit};

    /// Limits the memory for data: everything but what is read from files as it is.
    pub(super) fn memory(most: Option<u64>) {
        let limit = Rlimit { current: most, maximum: most };
        if most.is_some()
            && let Err(error) = setrlimit(Resource::Data, limit)
        {
            tracing::warn!(%error, "the memory limit could not be set");
        }
    }

    /// Makes this process the one that the kernel ends when memory runs out, and not the node.
    pub(super) fn die_first() {
        if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "1000") {
            tracing::debug!(%error, "the kernel was not told whom to end first");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod limit {
    pub(super) fn memory(most: Option<u64>) {
        if most.is_some() {
            tracing::warn!("this system has no limit for the memory of a process");
        }
    }

    pub(super) fn die_first() {}
}
