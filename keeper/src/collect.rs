//! Follows the chain and keeps the view of it.

mod advise;
mod rejoin;

use std::collections::BTreeMap;

use alloy::primitives::aliases::U40;
use xenon_protocol::{
    chain::{Chain, EventLog, Head, LogFilter, TypedChain},
    contracts::{NetworkStats, Node, QoS, Task, TaskQueue},
    deployment::Deployment,
};

use crate::{
    KeeperConfig, KeeperError, Logged, Reading, TaskId, View, ViewError,
    defect::{Defect, is_planted},
    estimate::Estimator,
    history::History,
    snapshot::{Snapshot, SnapshotFile},
    view::Sample,
};

/// Looks in a row after which the contracts must have been compared with the view.
const MOST_UNCOMPARED: u32 = 3;

/// What a look at the chain brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A new block. The view is that after it.
    Fresh(Head),
    /// No new block.
    Unchanged(Head),
    /// A block that others have left behind: the endpoint lags. The view is of a later one.
    Stale(Head),
}

impl Progress {
    /// The head that the endpoint gave.
    pub const fn head(&self) -> &Head {
        let (Self::Fresh(head) | Self::Unchanged(head) | Self::Stale(head)) = self;
        head
    }
}

/// Follows a chain by its heads and logs.
///
/// Blocks must follow each other by their parent hashes. When they do not, the chain was reorganised and the view goes
/// back to the last block that is still part of it, or, if that is too old, is built anew from the first block. A read
/// that fails leaves the view as it is, so that the next look goes on there.
#[derive(Debug)]
pub struct Collector<C> {
    chain: C,
    contracts: Deployment,
    config: KeeperConfig,
    view: View,
    /// The block after which the view is the state.
    last: Option<Head>,
    /// Whether that view was compared with the contracts.
    is_audited: bool,
    /// Looks in a row that ended without such a comparison.
    uncompared: u32,
    /// The newest blocks, to go back to.
    history: History,
    /// What the blocks seen one by one tell of durations.
    estimator: Estimator,
    advice: advise::Advice,
    /// Where the view is kept for the next start, if anywhere.
    snapshots: Option<SnapshotFile>,
    is_restored: bool,
    /// The block of the snapshot written last.
    saved: Option<u64>,
    /// Whether what was read since the last comparison with the contracts contradicted itself or them.
    is_doubted: bool,
    /// The block in which our last transaction is: an older head does not show it.
    expected: u64,
    reading: Reading,
}

impl<C: Chain> Collector<C> {
    /// A collector that has seen nothing yet.
    pub fn new(chain: C, contracts: Deployment, config: KeeperConfig) -> Self {
        let snapshots = config.snapshot.as_ref().map(|path| SnapshotFile::new(path, contracts));
        Self {
            chain,
            contracts,
            view: View::new(),
            last: None,
            is_audited: false,
            uncompared: 0,
            history: History::new(config.linked_blocks),
            estimator: Estimator::new(),
            advice: advise::Advice::default(),
            snapshots,
            is_restored: false,
            saved: None,
            is_doubted: false,
            expected: 0,
            reading: Reading::default(),
            config,
        }
    }

    /// What was read so far.
    pub fn reading(&self) -> Reading {
        Reading { block: self.last.map(|last| last.number), ..self.reading }
    }

    /// The state after the block last seen.
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// What was learned of how long tasks take, from the blocks that are final.
    pub const fn estimator(&self) -> &Estimator {
        &self.estimator
    }

    /// Looks for a new block and brings the view up to it.
    ///
    /// # Errors
    /// A read failed, or the chain changed meanwhile, or the logs contradict each other or the contracts. After the
    /// latter two the next look begins anew where that is necessary.
    pub async fn collect(&mut self) -> Result<Progress, KeeperError> {
        self.restore().await?;
        let head = self.chain.head().await?;
        self.reading.head = Some(head);
        match self.last {
            Some(last) if last.hash == head.hash && self.is_audited => return Ok(Progress::Unchanged(head)),
            _ if self.lags(&head) && !is_planted(Defect::TrustsStaleHead) => return Ok(Progress::Stale(head)),
            Some(last) if is_planted(Defect::NeedsEveryHead) && head.number > last.number + 1 => {
                return Ok(Progress::Stale(head));
            }
            Some(last) if is_planted(Defect::IgnoresReorganisation) && head.number <= last.number => {
                return Ok(Progress::Unchanged(head));
            }
            _ => {}
        }
        let followed = self.catch_up(head).await;
        if matches!(followed, Err(KeeperError::View(_) | KeeperError::NoKinds { .. })) {
            self.doubt();
        }
        followed.map(|()| Progress::Fresh(head))
    }

    /// No head before this block is acted on.
    pub fn expect_block(&mut self, number: u64) {
        self.expected = self.expected.max(number);
    }

    /// Whether the head is older than something already known. A block of another hash at a known height is no sign of
    /// that but of a reorganisation.
    fn lags(&self, head: &Head) -> bool {
        let is_before_last = self.last.is_some_and(|last| head.number < last.number);
        let is_known = self.history.hash_of(head.number).is_none_or(|hash| hash == head.hash);
        (is_before_last && is_known) || head.number < self.expected
    }

    async fn catch_up(&mut self, head: Head) -> Result<(), KeeperError> {
        if self.last != Some(head) {
            self.is_audited = false;
            self.rejoin(&head).await?;
            self.follow(head).await?;
        }
        self.is_audited = self.audit(head).await?;
        if !self.is_audited {
            return self.go_on_uncompared(&head);
        }
        (self.uncompared, self.is_doubted) = (0, false);
        self.mark(head);
        Ok(())
    }

    /// A newer block came before the view was compared. A view that was not compared for long is not acted on.
    const fn go_on_uncompared(&mut self, head: &Head) -> Result<(), KeeperError> {
        self.uncompared = self.uncompared.saturating_add(1);
        if self.uncompared < MOST_UNCOMPARED { Ok(()) } else { Err(KeeperError::Unsettled { block: head.number }) }
    }

    async fn follow(&mut self, head: Head) -> Result<(), KeeperError> {
        self.backfill(head.number.saturating_sub(self.config.linked_blocks)).await?;
        let blocks = self.walk(head).await?;
        let logs = self.logs(self.next_block(), head.number).await?;
        check_hashes(&blocks, &logs)?;
        let mut rest = logs.as_slice();
        for block in &blocks {
            let (own, later) = rest.split_at(rest.partition_point(|log| log.block_number <= block.number));
            let logs = self.fold(own)?;
            self.view.note_time(block.timestamp);
            self.estimator.note(&self.view, &logs, block.number, block.timestamp);
            self.history.push(*block, logs);
            rest = later;
        }
        self.last = Some(head);
        Ok(())
    }

    /// Reads old blocks in large steps, up to `end`. Nothing before them will be wanted again.
    async fn backfill(&mut self, end: u64) -> Result<(), KeeperError> {
        while self.next_block() <= end {
            let first = self.next_block();
            let step_end = end.min(first.saturating_add(self.config.log_range - 1));
            self.confirm_last().await?;
            let anchor = self.block(step_end).await?;
            let logs = self.logs(first, step_end).await?;
            self.fold(&logs)?;
            self.view.note_time(anchor.timestamp);
            self.last = Some(anchor);
            self.history.begin_at(Snapshot::of(&self.view, anchor));
            self.save(end.saturating_add(self.config.linked_blocks));
            tracing::debug!(block = step_end, of = end, "catching up");
        }
        Ok(())
    }

    /// Between two large steps: is the end of the last one still part of the chain?
    async fn confirm_last(&self) -> Result<(), KeeperError> {
        match self.last {
            Some(last) if self.block(last.number).await?.hash != last.hash => {
                Err(KeeperError::Unsettled { block: last.number })
            }
            _ => Ok(()),
        }
    }

    /// The blocks after the last one seen, up to `head`, each the parent of the next.
    async fn walk(&mut self, head: Head) -> Result<Vec<Head>, KeeperError> {
        let mut blocks = Vec::new();
        let mut parent = self.last.map(|last| last.hash);
        for number in self.next_block()..=head.number {
            let block = if number == head.number { head } else { self.block(number).await? };
            let fits = parent.is_none_or(|parent| parent == block.parent_hash);
            if !fits && !is_planted(Defect::IgnoresReorganisation) {
                return Err(KeeperError::Unsettled { block: number });
            }
            parent = Some(block.hash);
            blocks.push(block);
        }
        Ok(blocks)
    }

    /// A block that must be there, because a later one is.
    async fn block(&self, number: u64) -> Result<Head, KeeperError> {
        self.chain.block(number).await?.ok_or(KeeperError::Unsettled { block: number })
    }

    async fn logs(&self, first: u64, last: u64) -> Result<Vec<EventLog>, KeeperError> {
        let mut logs = self.chain.logs(&LogFilter::of(self.contracts.addresses(), first, last)).await?;
        logs.sort_by_key(|log| (log.block_number, log.log_index));
        match logs.iter().find(|log| !(first..=last).contains(&log.block_number)) {
            Some(log) => Err(KeeperError::Unsettled { block: log.block_number }),
            None => Ok(logs),
        }
    }

    fn fold(&mut self, logs: &[EventLog]) -> Result<Vec<Logged>, ViewError> {
        let mut folded = Vec::with_capacity(logs.len());
        for log in logs {
            let log = Logged::decode(log, &self.contracts)?;
            self.view.apply(&log)?;
            self.reading.folded += 1;
            folded.push(log);
        }
        Ok(folded)
    }

    /// Compares the view with what the contracts count, unless a newer block has come meanwhile; whether it did.
    async fn audit(&mut self, head: Head) -> Result<bool, KeeperError> {
        if self.view.kinds().is_empty() {
            return Err(KeeperError::NoKinds { from_block: self.config.from_block });
        }
        let overview = self.chain.view(self.contracts.stats, &NetworkStats::overviewCall {}).await?;
        let vacancies = self.vacancies().await?;
        let sample = self.sample(head.number).await?;
        if is_planted(Defect::SkipsAudit) {
            return Ok(true);
        }
        if self.chain.head().await?.hash != head.hash {
            return Ok(false);
        }
        self.view.agree_with(&overview)?;
        self.view.agree_with_sample(&sample)?;
        if let Some(line) = vacancies {
            self.history.note_vacancies(&line);
            self.view.note_vacancies(line);
        }
        Ok(true)
    }

    /// What the contracts say of one task and one node, others with every block.
    async fn sample(&self, block: u64) -> Result<Sample, KeeperError> {
        let Deployment { task: tasks, node: nodes, qos, .. } = self.contracts;
        let (task, node) = self.view.sampled(block);
        let task = match task {
            Some(id) => Some((id, self.chain.view(tasks, &Task::taskOfCall { task: U40::from(id.0) }).await?)),
            None => None,
        };
        let node = match node {
            Some(id) => {
                let stored = self.chain.view(nodes, &Node::nodeOfCall { node: id.0 }).await?;
                let record = self.chain.view(qos, &QoS::recordOfCall { node: id.0 }).await?;
                Some((id, stored, (record.tasks > 0).then_some(record.score)))
            }
            None => None,
        };
        Ok(Sample { task, node })
    }

    /// The line of tasks with seats to give away, if there are any: no event tells its order.
    async fn vacancies(&self) -> Result<Option<Vec<TaskId>>, KeeperError> {
        if !self.view.has_vacancies() {
            return Ok(None);
        }
        let line = self.chain.view(self.contracts.queue, &TaskQueue::vacanciesCall {}).await?;
        Ok(Some(line.into_iter().map(|task| TaskId(task.to())).collect()))
    }

    fn next_block(&self) -> u64 {
        self.last.map_or(self.config.from_block, |last| last.number + 1)
    }
}

/// Each log must be in the block that was seen at its height.
fn check_hashes(blocks: &[Head], logs: &[EventLog]) -> Result<(), KeeperError> {
    let hashes: BTreeMap<_, _> = blocks.iter().map(|block| (block.number, block.hash)).collect();
    match logs.iter().find(|log| hashes.get(&log.block_number) != Some(&log.block_hash)) {
        Some(log) => Err(KeeperError::Unsettled { block: log.block_number }),
        None => Ok(()),
    }
}
