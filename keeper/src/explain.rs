//! The whole history of a task, from chain data alone.

mod words;

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::B256;
use serde::Serialize;
use xenon_protocol::{chain::Chain, contracts::Status, deployment::Deployment};

pub use self::words::ending_name;
use self::words::{Scene, tell};
use crate::{
    Event, KeeperConfig, KeeperError, Logged, NodeId, Position, TaskId, View,
    order::ranking,
    replay::{Witness, replay},
    view::Stage,
};

/// What happened to a task, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The task.
    pub task: TaskId,
    /// What happened.
    pub entries: Vec<Entry>,
    /// Where it stands after the newest block, in words.
    pub standing: String,
}

/// Something that happened to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The block.
    pub block: u64,
    /// When, in Unix seconds.
    pub time: u64,
    /// The transaction.
    pub transaction: B256,
    /// The event's name in the contracts.
    pub event: &'static str,
    /// What happened, who did it and why, in words.
    pub text: String,
    /// The deadline that begins with it, in Unix seconds.
    pub until: Option<u64>,
}

/// Tells the history of a task; `None` if there is no such task from `config.from_block` on.
///
/// # Errors
/// Those of [`replay`](crate::replay()).
pub async fn explain<C: Chain>(
    chain: &C,
    contracts: &Deployment,
    config: &KeeperConfig,
    task: TaskId,
) -> Result<Option<Explanation>, KeeperError> {
    let mut teller = Teller::new(task);
    let replayed = replay(chain, contracts, config, &mut teller).await?;
    if teller.entries.is_empty() {
        return Ok(None);
    }
    let standing = standing(&replayed.view, task, teller.ended);
    let times = times(chain, teller.entries.iter().map(|entry| entry.block)).await?;
    let mut entries = teller.entries;
    for entry in &mut entries {
        entry.time = times.get(&entry.block).copied().unwrap_or_default();
    }
    Ok(Some(Explanation { task, entries, standing }))
}

/// The times of blocks.
pub(crate) async fn times<C: Chain>(
    chain: &C,
    blocks: impl Iterator<Item = u64>,
) -> Result<BTreeMap<u64, u64>, KeeperError> {
    let mut times = BTreeMap::new();
    for number in blocks.collect::<BTreeSet<_>>() {
        let block = chain.block(number).await?.ok_or(KeeperError::Unsettled { block: number })?;
        times.insert(number, block.timestamp);
    }
    Ok(times)
}

/// Where a task stands after the newest block.
fn standing(view: &View, task: TaskId, ended: Option<&'static str>) -> String {
    let Some(known) = view.tasks().get(task) else { return ended.unwrap_or("ended").to_owned() };
    match known.stage {
        Stage::Queued(_) => match rank(view, task) {
            Some((before, of)) => format!("queued, {before} of {of} tasks are before it"),
            None => String::from("queued"),
        },
        stage => stage.name().to_owned(),
    }
}

/// How many queued tasks would be served before a task, and how many there are.
fn rank(view: &View, task: TaskId) -> Option<(usize, usize)> {
    let ranking = ranking(view);
    let ranked = ranking.iter().find(|ranked| ranked.task == task)?;
    Some((ranked.before, ranking.len()))
}

/// Notes what happens to one task.
#[derive(Debug)]
struct Teller {
    task: TaskId,
    /// Who holds or held its seats.
    holders: BTreeSet<NodeId>,
    results: BTreeMap<NodeId, B256>,
    /// The transaction of the last entry about the task itself.
    transaction: Option<B256>,
    entries: Vec<Entry>,
    /// How it ended, if it has.
    ended: Option<&'static str>,
}

impl Teller {
    fn new(task: TaskId) -> Self {
        Self {
            task,
            holders: BTreeSet::new(),
            results: BTreeMap::new(),
            transaction: None,
            entries: Vec::new(),
            ended: None,
        }
    }

    fn note(&mut self, view: &View, event: &Event, at: Position, transaction: B256) {
        let scene = Scene { view, task: self.task, rank: None, results: &self.results };
        let Some(told) = tell(&scene, event) else { return };
        let (text, until) = (told.text, told.until);
        self.entries.push(Entry { block: at.block, time: 0, transaction, event: event.name(), text, until });
    }

    /// Whether something that happens to a node happens for what it did in its seat of the task: it holds the seat, or was
    /// let go by the same transaction.
    fn is_of_its_seat(&self, view: &View, node: NodeId, transaction: B256) -> bool {
        let works = view.tasks().get(self.task).is_some_and(|task| {
            let is_at_work = matches!(task.stage, Stage::Committing(_) | Stage::Revealing(_));
            is_at_work && task.seats().is_some_and(|seats| seats.nodes.contains(&node))
        });
        self.holders.contains(&node) && (works || self.transaction == Some(transaction))
    }
}

impl Witness for Teller {
    fn before(&mut self, view: &View, logged: &Logged, transaction: B256) {
        let event = &logged.event;
        match event {
            // Its rank is known once it stands in its book.
            Event::TaskCreated(created) if created.task == self.task => self.transaction = Some(transaction),
            event if task_of(event) == Some(self.task) => {
                self.transaction = Some(transaction);
                match event {
                    Event::TaskSeated { nodes, .. } | Event::SeatsRefilled { nodes, .. } => self.holders.extend(nodes),
                    Event::Revealed { node, result, .. } => drop(self.results.insert(*node, *result)),
                    _ => {}
                }
                self.ended = ending(event).or(self.ended);
                self.note(view, event, logged.at, transaction);
            }
            Event::Penalized { node, .. }
            | Event::KickedOut { node }
            | Event::Scored { node, .. }
            | Event::StatusChanged { node, status: Status::Suspended }
                if self.is_of_its_seat(view, *node, transaction) =>
            {
                self.note(view, event, logged.at, transaction);
            }
            _ => {}
        }
    }

    fn after(&mut self, view: &View, logged: &Logged) {
        let Event::TaskCreated(created) = &logged.event else { return };
        let Some(transaction) = self.transaction.filter(|_| created.task == self.task) else { return };
        let scene = Scene { view, task: self.task, rank: rank(view, self.task), results: &self.results };
        let Some(told) = tell(&scene, &logged.event) else { return };
        let (text, until) = (told.text, told.until);
        let event = logged.event.name();
        self.entries.push(Entry { block: logged.at.block, time: 0, transaction, event, text, until });
    }
}

/// How an event ends a task, if it does.
const fn ending(event: &Event) -> Option<&'static str> {
    match event {
        Event::TaskWithdrawn { ending, .. } => Some(ending_name(*ending)),
        Event::TaskSettled(settled) => Some(ending_name(settled.ending)),
        Event::Delivered { .. } => Some("delivered"),
        Event::Undelivered { .. } => Some("agreed, and nobody delivered the result"),
        _ => None,
    }
}

/// The task that an event names, if it names one.
const fn task_of(event: &Event) -> Option<TaskId> {
    match event {
        Event::TaskWithdrawn { task, .. }
        | Event::RelayNamed { task, .. }
        | Event::TaskEvicted { task }
        | Event::TaskDrawn { task, .. }
        | Event::TaskRequeued { task }
        | Event::ClassReserved { task, .. }
        | Event::ReservationEnded { task, .. }
        | Event::TaskSeated { task, .. }
        | Event::SeatsVacated { task, .. }
        | Event::TaskVacant { task }
        | Event::SeatsRefilled { task, .. }
        | Event::Advanced { task, .. }
        | Event::Committed { task, .. }
        | Event::RevealOpened { task, .. }
        | Event::Revealed { task, .. }
        | Event::DeliveryPassed { task, .. }
        | Event::Delivered { task, .. }
        | Event::Undelivered { task, .. }
        | Event::CaseOpened { task, .. }
        | Event::Appealed { task, .. }
        | Event::EvidenceAdded { task, .. }
        | Event::Accused { task, .. }
        | Event::CaseDecided { task, .. }
        | Event::CaseLapsed { task, .. }
        | Event::Slashed { task, .. } => Some(*task),
        Event::TaskCreated(created) => Some(created.task),
        Event::TaskSettled(settled) => Some(settled.task),
        _ => None,
    }
}
