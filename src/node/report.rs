//! What a node says of itself: a report that is kept up to date while it works, for metrics and for `xenon node watch`.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use alloy::primitives::{Address, U256, utils::format_ether};
use eyre::Result;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use tokio::{sync::watch, time::sleep};
use xenon_executor::{
    agent::{Event, Observer, Standing, Step, Wait, standing},
    process::{Monitor, RunnerStatus},
};
use xenon_protocol::{
    chain::{Account as _, Call, RpcAccount, TypedChain as _},
    contracts::{Node, Status, Task},
};

use super::metrics::{Code, Metrics, Outcome, Stage};
use crate::{clock::unix_now, network::Network};

/// The report's file, in the folder of the journal.
const FILE: &str = "report.json";

/// Pause between two reports.
const PAUSE: Duration = Duration::from_secs(1);

/// Reports between two looks at earnings and score on chain.
const CHAIN_EVERY: u32 = 10;

/// Ended tasks that are remembered.
const LAST: usize = 10;

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) node: u32,
    pub(super) key: Address,
    pub(super) pid: u32,
    /// When it was written, in Unix seconds.
    pub(super) written: u64,
    pub(super) standing: String,
    pub(super) score: u16,
    /// Wei earned and not collected.
    pub(super) earned: U256,
    pub(super) block: u64,
    pub(super) entries: usize,
    /// Tasks that are not over, by their number.
    pub(super) tasks: BTreeMap<u64, Open>,
    /// The last tasks that are over, the newest last.
    pub(super) last: VecDeque<Over>,
    pub(super) runner: RunnerStatus,
    /// Why the node paused itself.
    pub(super) pause: Option<String>,
}

/// A task that is not over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) stage: String,
    pub(super) model: Option<String>,
    /// End of its stage, in Unix seconds.
    pub(super) deadline: u64,
    /// What was answered: `answer`, or an error's name.
    pub(super) answer: Option<String>,
}

/// A task that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Over {
    pub(super) task: u64,
    pub(super) model: Option<String>,
    pub(super) answer: Option<String>,
    pub(super) agreed: bool,
    pub(super) at: u64,
}

/// Where the report of the node with this data folder is.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join(FILE)
}

/// Looks on while the agent works. Copies share one report.
#[derive(Clone, Debug)]
pub(super) struct Reporter {
    report: Arc<Mutex<Report>>,
    entered: Arc<Mutex<BTreeMap<u64, (&'static str, Instant)>>>,
    monitor: Arc<OnceLock<Monitor>>,
    metrics: Metrics,
}

impl Reporter {
    pub(super) fn new(key: Address, metrics: Metrics) -> Self {
        let report = Report { key, pid: std::process::id(), ..Report::default() };
        Self { report: Arc::new(Mutex::new(report)), entered: Arc::default(), monitor: Arc::default(), metrics }
    }

    /// Tells of this runner from now on. Until then there is none.
    pub(super) fn follow(&self, runner: Monitor) {
        self.monitor.get_or_init(|| runner);
    }

    fn runner(&self) -> RunnerStatus {
        self.monitor.get().map(Monitor::status).unwrap_or_default()
    }

    pub(super) fn is_node(&self, node: u32) {
        self.change(|report| report.node = node);
    }

    /// The report as of now.
    fn report(&self) -> Report {
        self.change(|report| {
            report.runner = self.runner();
            report.written = unix_now();
            report.clone()
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Report) -> T) -> T {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn entered(&self, task: u64, stage: &'static str, deadline: u64) {
        self.leave(task, Some(stage));
        self.change(|report| {
            let open = report.tasks.entry(task).or_default();
            stage.clone_into(&mut open.stage);
            open.deadline = deadline;
        });
    }

    /// Counts the time of the stage that a task leaves.
    fn leave(&self, task: u64, next: Option<&'static str>) {
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        let left = match next {
            Some(next) => entered.insert(task, (next, Instant::now())),
            None => entered.remove(&task),
        };
        if let Some((stage, since)) = left {
            self.metrics.stages.get_or_create(&Stage { stage }).observe(since.elapsed().as_secs_f64());
        }
    }

    fn answered(&self, task: u64, answer: &str) {
        self.metrics.answers.get_or_create(&Code { code: answer.to_owned() }).inc();
        self.change(|report| report.tasks.entry(task).or_default().answer = Some(answer.to_owned()));
    }

    fn ended(&self, task: u64, agreed: bool) {
        self.leave(task, None);
        let outcome = if agreed { "agreed" } else { "not_agreed" };
        self.metrics.tasks.get_or_create(&Outcome { outcome }).inc();
        self.change(|report| {
            let Open { model, answer, .. } = report.tasks.remove(&task).unwrap_or_default();
            report.last.push_back(Over { task, model, answer, agreed, at: unix_now() });
            while report.last.len() > LAST {
                report.last.pop_front();
            }
        });
    }

    fn round(&self, block: u64, entries: usize) {
        self.metrics.block.set(block.cast_signed());
        self.metrics.journal_entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.change(|report| (report.block, report.entries) = (block, entries));
    }
}

impl Observer for Reporter {
    fn observe(&mut self, event: Event<'_>) {
        match event {
            Event::Standing(standing) => self.change(|report| report.standing = standing.to_string()),
            // A task that has ended is told of by `Ended`.
            Event::Step { step: Step::Close, .. } => {}
            Event::Step { task, step, deadline } => self.entered(task, stage(step), deadline),
            Event::Running { task, model } => {
                self.change(|report| report.tasks.entry(task).or_default().model = Some(model.to_string()));
            }
            Event::Answered { task, error } => self.answered(task, error.map_or("answer", |error| error.name())),
            Event::Ended { task, agreed } => self.ended(task, agreed),
            Event::Retrying { code } => {
                self.metrics.retries.get_or_create(&Code { code: code.to_owned() }).inc();
            }
            Event::Round { block, entries } => self.round(block, entries),
        }
    }
}

/// A step, in a word.
const fn stage(step: Step) -> &'static str {
    match step {
        Step::Answer => "answering",
        Step::Commit => "committing",
        Step::Reveal => "revealing",
        Step::Deliver => "delivering",
        Step::Close => "over",
        Step::Wait(Wait::Seats) => "waiting for seats",
        Step::Wait(Wait::NotOurs) => "seat lost",
        Step::Wait(Wait::Commitments) => "waiting for commitments",
        Step::Wait(Wait::Reveals) => "waiting for reveals",
        Step::Wait(Wait::Delivery) => "waiting for delivery",
        Step::Wait(Wait::TooLate) => "too late",
        Step::Wait(Wait::Foreign) => "not ours",
    }
}

/// Writes the report to its file again and again, and pauses a node that can run nothing any more.
pub(super) struct Publisher {
    reporter: Reporter,
    network: Network,
    operator: Option<RpcAccount>,
    path: PathBuf,
    node: u32,
    warned: bool,
}

impl Publisher {
    pub(super) fn new(
        reporter: Reporter,
        network: Network,
        operator: Option<RpcAccount>,
        data: &Path,
        node: u32,
    ) -> Self {
        Self { reporter, network, operator, path: path(data), node, warned: false }
    }

    /// Publishes until `stopped` turns true.
    pub(super) async fn run(&mut self, mut stopped: watch::Receiver<bool>) {
        let mut round = 0_u32;
        loop {
            if round.is_multiple_of(CHAIN_EVERY) {
                self.look_at_chain().await;
            }
            self.publish();
            self.pause_if_exhausted().await;
            round = round.wrapping_add(1);
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => break,
                () = sleep(PAUSE) => {}
            }
        }
        self.reporter.change(|report| report.standing = String::from("the node is not running"));
        self.publish();
    }

    async fn look_at_chain(&mut self) {
        match self.read().await {
            Ok((standing, earned)) => {
                let metrics = &self.reporter.metrics;
                metrics.score.set(standing.score.into());
                metrics.earned.set(format_ether(earned).parse().unwrap_or_default());
                self.reporter.change(|report| {
                    (report.standing, report.score, report.earned) = (standing.to_string(), standing.score, earned);
                });
            }
            Err(error) => tracing::debug!(%error, "score and earnings could not be read"),
        }
    }

    async fn read(&self) -> Result<(Standing, U256)> {
        let (chain, contracts) = (&self.network.chain, &self.network.contracts);
        let earned = chain.view(contracts.task, &Task::earnedByCall { node: self.node }).await?;
        Ok((standing(chain, contracts, self.node).await?, U256::from(earned)))
    }

    fn publish(&self) {
        let report = self.reporter.report();
        let (metrics, runner) = (&self.reporter.metrics, &report.runner);
        metrics.free_memory.set(runner.free.map_or(-1, u64::cast_signed));
        metrics.memory_budget.set(i64::try_from(runner.budget).unwrap_or(i64::MAX));
        metrics.children.set(i64::try_from(runner.children.len()).unwrap_or(i64::MAX));
        metrics.lost_children.inc_by(runner.lost_children.saturating_sub(metrics.lost_children.get()));
        for (code, count) in &runner.failures {
            let counter = metrics.failures.get_or_create(&Code { code: code.clone() });
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        if let Err(error) = write(&self.path, &report) {
            tracing::warn!(path = %self.path.display(), %error, "the node's report could not be written");
        }
    }

    /// A node that can run no model answers every task with an error: it is better not drawn.
    async fn pause_if_exhausted(&mut self) {
        if self.warned || !self.reporter.runner().is_exhausted() {
            return;
        }
        let node = self.node;
        let reason = "no installed model fits the memory any more; give the node more, or install smaller models";
        tracing::error!(node, "{reason}, then `xenon node resume {node}`");
        match self.pause().await {
            Ok(true) => {
                self.warned = true;
                self.reporter.change(|report| report.pause = Some(reason.to_owned()));
            }
            Ok(false) => {
                self.warned = true;
                tracing::error!(node, "pause it with the operator's key: `xenon node pause {node}`");
            }
            // The chain may answer again the next time.
            Err(error) => tracing::error!(node, %error, "it could not be paused: `xenon node pause {node}`"),
        }
    }

    /// Returns whether the node is out of the draws.
    async fn pause(&self) -> Result<bool> {
        let Some(operator) = &self.operator else { return Ok(false) };
        if standing(&self.network.chain, &self.network.contracts, self.node).await?.status != Status::Paused {
            operator.send(Call::new(self.network.contracts.node, &Node::pauseCall { node: self.node })).await?;
        }
        Ok(true)
    }
}

/// A reader sees the old report or the new one, never half of one.
fn write(path: &Path, report: &Report) -> Result<()> {
    let mut file = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(&serde_json::to_vec(report)?)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use xenon_protocol::error_code::ErrorCode;

    use super::*;

    fn reporter() -> Reporter {
        Reporter::new(Address::ZERO, Metrics::default())
    }

    #[test]
    fn a_task_is_followed_from_its_seat_to_its_end() {
        let mut reporter = reporter();
        let model = "a/b@1".parse().unwrap();
        reporter.observe(Event::Step { task: 7, step: Step::Answer, deadline: 90 });
        reporter.observe(Event::Running { task: 7, model: &model });
        let open = reporter.report().tasks[&7].clone();
        let expected = Open { stage: "answering".into(), model: Some("a/b@1".into()), deadline: 90, answer: None };
        assert_eq!(open, expected);
        reporter.observe(Event::Answered { task: 7, error: Some(ErrorCode::OutOfMemory) });
        reporter.observe(Event::Step { task: 7, step: Step::Close, deadline: 0 });
        reporter.observe(Event::Ended { task: 7, agreed: true });
        let report = reporter.report();
        assert!(report.tasks.is_empty());
        let over = &report.last[0];
        assert_eq!((over.task, over.answer.as_deref(), over.agreed), (7, Some("out_of_memory"), true));
    }

    #[test]
    fn only_the_last_tasks_are_kept() {
        let mut reporter = reporter();
        for task in 0..50 {
            reporter.observe(Event::Ended { task, agreed: false });
        }
        let last: Vec<_> = reporter.report().last.iter().map(|over| over.task).collect();
        assert_eq!(last, (40..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let report = Report { node: 3, earned: U256::from(10).pow(U256::from(30)), ..Report::default() };
        write(&path(folder.path()), &report).unwrap();
        let text = std::fs::read(path(folder.path())).unwrap();
        assert_eq!(serde_json::from_slice::<Report>(&text).unwrap(), report);
    }
}
