//! What the view costs in time and memory.

use std::{
    alloc::System,
    hint::black_box,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256};
use cap::Cap;
use eyre::{Result, ensure, eyre};
use xenon_keeper::{Event, Logged, Policy, Snapshot, SnapshotFile, View, plan};
use xenon_protocol::{chain::Head, deployment::Deployment};

use crate::network::{History, NODES, Network, QUEUED, time_of};

/// Folds of the whole history, of which the fastest counts: others disturb, nobody helps.
const FOLDS: usize = 3;

/// Plans of a situation, of which the middle one counts.
const PLANS: usize = 31;

/// Blocks between a snapshot and the head at a restart: the most there are.
const BEHIND: u64 = 128;

/// A plan's situation and how long one takes.
pub(crate) struct Planned {
    pub(crate) situation: &'static str,
    pub(crate) actions: usize,
    pub(crate) time: Duration,
}

/// What a restart takes.
pub(crate) struct Restart {
    pub(crate) time: Duration,
    pub(crate) snapshot_bytes: u64,
    pub(crate) events_behind: usize,
}

/// The bytes that a view has asked for and not given back when a hundred thousand tasks have come, for each of them.
pub(crate) fn memory(allocator: &Cap<System>) -> Result<f64> {
    let mut network = Network::idle(false)?;
    let idle = allocator.allocated();
    network.fill()?;
    let full = allocator.allocated();
    ensure!(network.view().books().queued() == QUEUED, "{QUEUED} tasks should wait");
    Ok((full - idle) as f64 / QUEUED as f64)
}

/// Folds a history: the view after it, and events a second.
pub(crate) fn fold(history: &History) -> Result<(View, f64)> {
    let mut best = f64::MIN;
    for _ in 1..FOLDS {
        best = best.max(fold_once(history)?.1);
    }
    let (view, rate) = fold_once(history)?;
    Ok((view, best.max(rate)))
}

fn fold_once(history: &History) -> Result<(View, f64)> {
    let (mut view, start) = (View::new(), Instant::now());
    fold_into(&mut view, &history.logs)?;
    Ok((view, history.logs.len() as f64 / start.elapsed().as_secs_f64()))
}

/// Folds logs block by block, as a collector does.
fn fold_into(view: &mut View, logs: &[Logged]) -> Result<()> {
    for block in logs.chunk_by(|a, b| a.at.block == b.at.block) {
        for log in block {
            view.apply(log)?;
        }
        view.note_time(time_of(block[0].at.block));
    }
    Ok(())
}

/// Plans in the situations that differ in what a plan has to look at.
pub(crate) fn plans(view: &View, history: &History) -> Result<Vec<Planned>> {
    let open = before_last_draw(history)?;
    for view in [view, &open] {
        ensure!(view.books().queued() >= QUEUED, "{QUEUED} tasks should wait");
        ensure!(view.nodes().counts().total == NODES, "there should be {NODES} nodes");
    }
    let now = time_of(history.block);
    Ok(vec![
        planned("a round to seat", view, history.block, now),
        planned("a draw", &open, history.block, now),
        planned("a draw, when all have waited long", &open, history.block, now + 10_000),
        planned("a draw, when all waits and stages are over", &open, history.block, now + 10_000_000),
    ])
}

/// The view when the last draw had not begun.
fn before_last_draw(history: &History) -> Result<View> {
    let is_last = |log: &Logged| log.at.block + 1 == history.block && matches!(log.event, Event::TaskCreated(_));
    let end = history.logs.iter().position(is_last).ok_or_else(|| eyre!("the last block draws nothing"))?;
    let mut view = View::new();
    fold_into(&mut view, &history.logs[..end])?;
    ensure!(view.round().draw_block() == 0, "no round should wait");
    Ok(view)
}

fn planned(situation: &'static str, view: &View, number: u64, timestamp: u64) -> Planned {
    let head = Head { number, hash: B256::ZERO, parent_hash: B256::ZERO, timestamp, base_fee: 1_000_000_000 };
    let policy = Policy { cases: true, ..Policy::default() };
    let actions = plan(view, &head, &policy).len();
    let mut times: Vec<_> = (0..PLANS).map(|_| timed(|| plan(black_box(view), &head, &policy))).collect();
    times.sort_unstable();
    Planned { situation, actions, time: times[PLANS / 2] }
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

/// Starts from a snapshot on disk and folds the blocks since, as a keeper does that was stopped.
pub(crate) fn restart(view: &View, history: &History) -> Result<Restart> {
    let since = history.block.saturating_sub(BEHIND);
    let end = history.logs.partition_point(|log| log.at.block < since);
    let mut base = View::new();
    fold_into(&mut base, &history.logs[..end])?;
    let folder = tempfile::tempdir()?;
    let file = SnapshotFile::new(folder.path().join("view"), contracts());
    let hash = B256::ZERO;
    file.write(&Snapshot::of(&base, Head { number: since, hash, parent_hash: hash, timestamp: 0, base_fee: 0 }))?;
    drop(base);
    let start = Instant::now();
    let mut restored = file.read()?.and_then(|snapshot| snapshot.view()).ok_or_else(|| eyre!("no snapshot"))?;
    fold_into(&mut restored, &history.logs[end..])?;
    let time = start.elapsed();
    ensure!(&restored == view, "the restarted keeper should know what the other does");
    Ok(Restart { time, snapshot_bytes: file.path().metadata()?.len(), events_behind: history.logs.len() - end })
}

fn contracts() -> Deployment {
    let [node, task, queue, qos, stats] = [1, 2, 3, 4, 5].map(Address::repeat_byte);
    Deployment { chain_id: 1, node, task, queue, qos, stats }
}
