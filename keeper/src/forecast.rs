//! The queue as whoever waits in it sees it: its order, and how long each task has to wait.
//!
//! The expected wait reckons with the pool of a task, which are the classes whose nodes could serve it:
//!
//! ```text
//! wait = max(0, 3 · (ahead + 1) − free) / (freed / window)
//! ```
//!
//! where `ahead` counts the tasks before it that could take nodes of its pool (those drawn and not yet seated among them),
//! `free` the free nodes of the pool, and `freed` the seats that its nodes left within the last `window` seconds. It takes
//! for granted that all tasks ahead of it take from its pool alone, and that seats are freed as lately: more than it says
//! only when nodes leave or dearer tasks come.

use std::collections::BTreeMap;

use alloy::primitives::B256;
use serde::Serialize;
use xenon_protocol::{
    chain::{Chain, Head},
    contracts::Status,
    deployment::Deployment,
};

use crate::{
    ClassId, Event, KeeperConfig, KeeperError, Logged, TaskId, View,
    explain::times,
    order::{Ranked, ranking},
    replay::{Replayed, Witness, replay},
    view::{BookKey, Task},
};

/// Seats of a task.
const SEATS: u64 = 3;

/// The queue after a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Forecast {
    /// The block.
    pub block: u64,
    /// Its time, in Unix seconds.
    pub time: u64,
    /// Seconds over which freed seats were counted.
    pub window_s: u64,
    /// Seats freed in them.
    pub seats_freed: u64,
    /// Free nodes.
    pub free: u32,
    /// Free or busy nodes.
    pub active: u32,
    /// All queued tasks, in the order of service.
    pub tasks: Vec<Waiting>,
}

/// A queued task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Its place, from 1.
    pub rank: usize,
    /// The task.
    pub task: TaskId,
    /// Its kind.
    pub kind: u8,
    /// Wei escrowed.
    pub fee: u128,
    /// Estimated milliseconds of work.
    pub duration_ms: u64,
    /// Its price level, by which books compare tasks.
    pub level: u16,
    /// The book it stands in.
    pub book: BookKey,
    /// When it was created, in Unix seconds.
    pub since: u64,
    /// When it expires, in Unix seconds.
    pub expires: u64,
    /// How often it was drawn and found no nodes.
    pub requeues: u32,
    /// Tasks before it that could take the same nodes.
    pub ahead: u64,
    /// How long it has to wait.
    pub wait: Wait,
}

/// How long a task has to wait for its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "wait", rename_all = "snake_case")]
pub enum Wait {
    /// About so many seconds. 0: its nodes are there.
    Expected {
        /// Seconds, rounded up.
        seconds: u64,
    },
    /// Too few nodes could serve it, however long it waits.
    TooFewNodes {
        /// Active nodes that could.
        active: u32,
    },
    /// No seat of a node that could serve it was freed lately.
    Unknown,
}

/// Tells the queue and its expected waits, from the seats that were freed within so many seconds.
///
/// # Errors
/// Those of [`replay`](crate::replay()).
pub async fn forecast<C: Chain>(
    chain: &C,
    contracts: &Deployment,
    config: &KeeperConfig,
    window_s: u64,
) -> Result<Forecast, KeeperError> {
    let head = chain.head().await?;
    let start = start(chain, config.from_block, &head, window_s).await?;
    let mut clerk = Clerk { first: start.number, freed: BTreeMap::new(), created: BTreeMap::new() };
    let Replayed { head, view } = replay(chain, contracts, config, &mut clerk).await?;
    let queue = ranking(&view);
    let blocks = queue.iter().filter_map(|ranked| clerk.created.get(&ranked.task)).copied();
    let times = times(chain, blocks).await?;
    let since = |task: TaskId| clerk.created.get(&task).and_then(|block| times.get(block)).copied().unwrap_or_default();
    let rate = Rate { window_s: head.timestamp.saturating_sub(start.timestamp).max(1), freed: &clerk.freed };
    let counts = view.nodes().counts();
    Ok(Forecast {
        block: head.number,
        time: head.timestamp,
        window_s: rate.window_s,
        seats_freed: clerk.freed.values().sum(),
        free: counts.free,
        active: counts.active,
        tasks: waits(&view, &queue, &rate, since),
    })
}

/// The first block of the last so many seconds: by halving, so that it takes few reads.
async fn start<C: Chain>(chain: &C, from_block: u64, head: &Head, window_s: u64) -> Result<Head, KeeperError> {
    let earliest = head.timestamp.saturating_sub(window_s);
    let (mut low, mut high) = (from_block.min(head.number), head.number);
    let mut found = *head;
    while low < high {
        let middle = low + (high - low) / 2;
        let block = chain.block(middle).await?.ok_or(KeeperError::Unsettled { block: middle })?;
        if block.timestamp >= earliest {
            (high, found) = (middle, block);
        } else {
            low = middle + 1;
        }
    }
    Ok(found)
}

/// Notes when tasks were created, and the seats that were freed lately.
#[derive(Debug)]
struct Clerk {
    /// The first block that is recent.
    first: u64,
    freed: BTreeMap<ClassId, u64>,
    created: BTreeMap<TaskId, u64>,
}

impl Witness for Clerk {
    fn before(&mut self, view: &View, logged: &Logged, _: B256) {
        match &logged.event {
            Event::TaskCreated(created) => drop(self.created.insert(created.task, logged.at.block)),
            Event::StatusChanged { node, status: Status::Free } if logged.at.block >= self.first => {
                let node = view.nodes().get(*node).filter(|node| node.status == Status::Busy);
                if let Some(node) = node {
                    *self.freed.entry(node.class).or_default() += 1;
                }
            }
            _ => {}
        }
    }
}

/// Seats freed lately, by class.
#[derive(Clone, Copy, Debug)]
struct Rate<'a> {
    window_s: u64,
    freed: &'a BTreeMap<ClassId, u64>,
}

/// The queued tasks with their waits.
fn waits(view: &View, queue: &[Ranked], rate: &Rate<'_>, since: impl Fn(TaskId) -> u64) -> Vec<Waiting> {
    let tasks: Vec<_> = queue.iter().filter_map(|ranked| Some((ranked, view.tasks().get(ranked.task)?))).collect();
    let drawn: Vec<_> = view.round().waiting().iter().filter_map(|task| view.tasks().get(*task)).collect();
    let pools: Vec<_> =
        drawn.iter().copied().chain(tasks.iter().map(|(_, task)| *task)).map(|task| pool(view, task)).collect();
    let waiting = |(nth, (ranked, task)): (usize, &(&Ranked, &Task))| {
        let at = drawn.len() + nth;
        let ahead =
            pools[..at].iter().filter(|other| other.iter().any(|class| pools[at].contains(class))).count() as u64;
        Waiting {
            rank: nth + 1,
            task: ranked.task,
            kind: task.kind.0,
            fee: ranked.value.fee,
            duration_ms: ranked.value.duration_ms.get(),
            level: ranked.level.0,
            book: ranked.book,
            since: since(ranked.task),
            expires: task.deadline,
            requeues: task.requeues,
            ahead,
            wait: wait(view, &pools[at], ahead, rate),
        }
    };
    tasks.iter().enumerate().map(waiting).collect()
}

/// The classes whose nodes could serve a task.
fn pool(view: &View, task: &Task) -> Vec<ClassId> {
    let one_class = view.needs_one_class(task.kind, task.class);
    let suits = |(id, class): &(ClassId, crate::view::Class)| match task.class {
        Some(named) => *id == named,
        None => class.tier >= task.tier && (!one_class || class.open),
    };
    let is_enough = |(_, class): &(ClassId, crate::view::Class)| !one_class || u64::from(class.active) >= SEATS;
    view.nodes().classes().filter(suits).filter(is_enough).map(|(id, _)| id).collect()
}

/// How long a task waits that has so many ahead of it for the nodes of some classes.
fn wait(view: &View, pool: &[ClassId], ahead: u64, rate: &Rate<'_>) -> Wait {
    let classes = || pool.iter().filter_map(|class| view.nodes().class(*class));
    let active: u32 = classes().map(|class| class.active).sum();
    if u64::from(active) < SEATS {
        return Wait::TooFewNodes { active };
    }
    let free: u64 = classes().map(|class| u64::from(class.free)).sum();
    let missing = (SEATS * (ahead + 1)).saturating_sub(free);
    let freed: u64 = pool.iter().filter_map(|class| rate.freed.get(class)).sum();
    match (missing, freed) {
        (0, _) => Wait::Expected { seconds: 0 },
        (_, 0) => Wait::Unknown,
        (missing, freed) => Wait::Expected { seconds: missing.saturating_mul(rate.window_s).div_ceil(freed) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Network;

    fn waits_of(network: &Network, freed: &[(u32, u64)], window_s: u64) -> Vec<(u64, u64, Wait)> {
        let freed = freed.iter().map(|(class, seats)| (ClassId(*class), *seats)).collect();
        let rate = Rate { window_s, freed: &freed };
        let tasks = waits(&network.view, &ranking(&network.view), &rate, |_| 0);
        tasks.iter().map(|waiting| (waiting.task.0, waiting.ahead, waiting.wait)).collect()
    }

    const NOW: Wait = Wait::Expected { seconds: 0 };

    #[test]
    fn without_nodes_no_wait_is_long_enough() {
        let mut network = Network::with_classes(&[2]);
        network.create(0, None, 500);
        network.create(1, None, 400);
        let none = Wait::TooFewNodes { active: 0 };
        assert_eq!(waits_of(&network, &[(1, 9)], 60), [(1, 0, none), (2, 0, Wait::TooFewNodes { active: 2 })]);
    }

    #[test]
    fn who_has_its_nodes_waits_for_nothing_and_the_next_for_the_seats_of_all_before_it() {
        let mut network = Network::with_classes(&[4]);
        for fee in [900, 800, 700] {
            network.create(1, None, fee);
        }
        let seconds = |seconds| Wait::Expected { seconds };
        // Two and five seats are missing, and 6 were freed a minute.
        assert_eq!(waits_of(&network, &[(1, 6)], 60), [(1, 0, NOW), (2, 1, seconds(20)), (3, 2, seconds(50))]);
        assert_eq!(waits_of(&network, &[], 60), [(1, 0, NOW), (2, 1, Wait::Unknown), (3, 2, Wait::Unknown)]);
    }

    #[test]
    fn tasks_of_other_classes_are_not_ahead() {
        let mut network = Network::with_classes(&[3, 3]);
        network.create(0, Some(ClassId(1)), 900);
        network.create(0, Some(ClassId(2)), 800);
        network.create(1, None, 700);
        assert_eq!(waits_of(&network, &[], 60), [(1, 0, NOW), (2, 0, NOW), (3, 2, Wait::Unknown)]);
    }

    #[test]
    fn drawn_tasks_are_ahead_of_all() {
        let mut network = Network::with_classes(&[3]);
        let task = network.create(1, None, 900);
        network.create(1, None, 800);
        network.draw(task);
        assert_eq!(waits_of(&network, &[(1, 3)], 30), [(2, 1, Wait::Expected { seconds: 30 })]);
    }
}
