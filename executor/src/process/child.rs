//! The node's hold on one child.

use std::{
    ffi::OsString,
    fmt,
    path::PathBuf,
    process::{self, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    thread,
    time::{Duration, Instant},
};

use xenon_protocol::task::{ModelId, TaskSpec};

use super::{
    ProcessError, ending, environment,
    frame::{self, FrameError},
    logs::{self, LastWords},
    message::{Failure, Order, Report, VERSION},
};
use crate::TaskOutput;

/// Time that a child has to end by itself once its pipes are closed.
const FAREWELL: Duration = Duration::from_secs(2);

/// Pause between two looks at whether it has.
const LOOK: Duration = Duration::from_millis(5);

/// Reports of a child that wait to be read. One that sends more has to wait.
const UNREAD: usize = 64;

/// How a child is started. The model's name is given as the last argument, after `--model`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

type Incoming = Result<Report, FrameError>;

/// A child that has loaded a model.
pub(super) struct Child {
    model: ModelId,
    process: process::Child,
    orders: Option<SyncSender<Order>>,
    /// Orders so far.
    ordered: u64,
    reports: Receiver<Incoming>,
    last: LastWords,
    /// Ends when all last words are heard.
    heard: Receiver<()>,
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("model", &self.model).field("pid", &self.pid()).finish_non_exhaustive()
    }
}

impl Child {
    /// Starts a child and waits until it has loaded its model.
    pub(super) fn start(command: &ChildCommand, model: &ModelId, until: Deadline) -> Result<Self, ProcessError> {
        let mut child = spawn(command, model)
            .map_err(|error| ProcessError::NotStarted { model: model.clone(), reason: error.to_string() })?;
        match child.next(until)? {
            Report::Ready { version: VERSION, model: found } if found == *model => Ok(child),
            Report::Ready { version, model: found } => {
                Err(ProcessError::Stranger { model: model.clone(), found: format!("{found}, version {version}") })
            }
            Report::Failed { number: None, failure } => Err(reported(failure)),
            other => Err(child.garbled(&format!("{} before it was ready", kind(&other)))),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it has not ended in the meantime.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Has a task run. `on_text` is called with each piece of the answer.
    pub(super) fn run(
        &mut self,
        task: &TaskSpec,
        until: Deadline,
        on_text: &mut dyn FnMut(u32, &str),
    ) -> Result<TaskOutput, ProcessError> {
        self.ordered += 1;
        let current = self.ordered;
        if let Some(orders) = &self.orders {
            // A child that has ended takes no order, nor one that did not take the last; both ends are read below.
            let _ = orders.try_send(Order::Run { number: current, task: Box::new(task.clone()) });
        }
        loop {
            match self.next(until)? {
                Report::Text { number, index, text } if number == current => on_text(index, &text),
                Report::Done { number, output } if number == current => return Ok(output),
                Report::Failed { number, failure } if number == Some(current) => return Err(reported(failure)),
                other => return Err(self.garbled(&format!("{} that nobody asked for", kind(&other)))),
            }
        }
    }

    fn next(&mut self, until: Deadline) -> Result<Report, ProcessError> {
        match self.reports.recv_timeout(until.left()) {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(FrameError::CutOff | FrameError::Pipe(_))) | Err(RecvTimeoutError::Disconnected) => {
                let status = self.farewell();
                self.hear_out(status);
                Err(ending::error(&self.model, status, &self.last))
            }
            Ok(Err(error)) => Err(self.garbled(&error.to_string())),
            Err(RecvTimeoutError::Timeout) => {
                Err(ProcessError::TooSlow { model: self.model.clone(), limit: until.limit })
            }
        }
    }

    fn garbled(&self, reason: &str) -> ProcessError {
        ProcessError::Garbled { model: self.model.clone(), reason: reason.to_owned() }
    }

    /// Waits for the last words of a child that has ended: they may still be on their way through the pipe.
    fn hear_out(&self, status: Option<ExitStatus>) {
        if status.is_some() {
            // Who holds the pipe open beyond the child's end says nothing of it.
            let _ = self.heard.recv_timeout(FAREWELL);
        }
    }

    /// Lets the child end by itself; `None` if it does not.
    fn farewell(&mut self) -> Option<ExitStatus> {
        self.orders = None;
        let until = Deadline::after(FAREWELL);
        loop {
            match self.process.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if !until.left().is_zero() => thread::sleep(LOOK),
                _ => return None,
            }
        }
    }
}

impl Drop for Child {
    /// Nothing of a child is left behind: what does not end at once is ended. There is nothing in it to be saved.
    fn drop(&mut self) {
        self.orders = None;
        // It may have ended by itself.
        let _ = self.process.kill();
        if let Err(error) = self.process.wait() {
            tracing::warn!(model = %self.model, %error, "a child's end could not be awaited");
        }
    }
}

/// A moment after which nothing is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    pub(super) fn after(limit: Duration) -> Self {
        // A limit beyond what the clock can hold is no limit that anybody could wait for.
        let limit = limit.min(Duration::from_hours(24 * 365));
        Self { at: Instant::now() + limit, limit }
    }

    pub(super) fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }
}

fn spawn(command: &ChildCommand, model: &ModelId) -> std::io::Result<Child> {
    let mut process = Command::new(&command.program)
        .args(&command.args)
        .arg("--model")
        .arg(model.as_str())
        .env_clear()
        .envs(environment::passed())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let last = LastWords::default();
    let heard = hear(&mut process, model, &last);
    let (orders, reports) = connect(&mut process);
    Ok(Child { model: model.clone(), process, orders: Some(orders), ordered: 0, reports, last, heard })
}

/// One thread for each pipe, so that no pipe that is full or silent can stop the node. Each ends with its pipe.
fn connect(process: &mut process::Child) -> (SyncSender<Order>, Receiver<Incoming>) {
    let (orders, queue) = mpsc::sync_channel(1);
    let (reporter, reports) = mpsc::sync_channel(UNREAD);
    if let Some(pipe) = process.stdin.take() {
        thread::spawn(move || give(pipe, &queue));
    }
    if let Some(pipe) = process.stdout.take() {
        thread::spawn(move || listen(pipe, &reporter));
    }
    (orders, reports)
}

/// Passes on what the child logs, on a thread whose end the channel tells.
fn hear(process: &mut process::Child, model: &ModelId, last: &LastWords) -> Receiver<()> {
    let (ended, heard) = mpsc::channel();
    if let Some(pipe) = process.stderr.take() {
        let (model, last) = (model.clone(), last.clone());
        thread::spawn(move || {
            logs::forward(pipe, &model, &last);
            drop(ended);
        });
    }
    heard
}

/// Writes orders until there are no more, or nobody reads them.
fn give(mut pipe: ChildStdin, queue: &Receiver<Order>) {
    while let Ok(order) = queue.recv() {
        if frame::write(&mut pipe, &order).is_err() {
            return;
        }
    }
}

/// Reads reports until the pipe ends or brings what is none.
fn listen(mut pipe: impl std::io::Read, reporter: &SyncSender<Incoming>) {
    while let Some(report) = frame::read(&mut pipe).transpose() {
        let is_last = report.is_err();
        if reporter.send(report).is_err() || is_last {
            return;
        }
    }
}

const fn kind(report: &Report) -> &'static str {
    match report {
        Report::Ready { .. } => "ready",
        Report::Text { .. } => "text",
        Report::Done { .. } => "an answer",
        Report::Failed { .. } => "a failure",
    }
}

fn reported(failure: Failure) -> ProcessError {
    ProcessError::Reported { text: failure.text, code: failure.code }
}
