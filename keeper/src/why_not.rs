//! Why a node was not, or is not, given a task: from chain data alone.
//!
//! The nodes of a drawn task are chosen among those that were free, and in the sets, when its round was drawn. So two
//! states decide: that before the first draw of the round, and that before the task had its turn.

mod verdict;

use std::collections::BTreeSet;

use alloy::primitives::{B256, U256};
use serde::Serialize;
use xenon_protocol::{
    chain::{Chain, LogFilter},
    contracts::{Status, TaskQueue},
    deployment::Deployment,
};

pub use self::verdict::Verdict;
use self::verdict::{Choice, chosen_from, now};
use crate::{
    ClassId, Event, KeeperConfig, KeeperError, Logged, NodeId, TaskId, View,
    explain::ending_name,
    order::{next_draw, ranking},
    replay::{Replayed, Witness, replay},
    view::{ClassKey, ROUND_LIMIT, Stage, floor_of},
};

/// Why a node was not, or is not, given a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhyNot {
    /// The node.
    pub node: NodeId,
    /// The task.
    pub task: TaskId,
    /// Each time the task's nodes were chosen, or could not be.
    pub turns: Vec<Turn>,
    /// Where the task stands, in words.
    pub standing: String,
    /// What keeps the node from it now, if the task waits for nodes.
    pub now: Option<Verdict>,
}

/// A choice of nodes, and what it meant for the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// The block of the draw, whose hash chose.
    pub drawn: u64,
    /// The block in which the nodes were chosen.
    pub chosen: u64,
    /// What it meant for the node.
    pub verdict: Verdict,
}

/// Tells why a node was not given a task; `None` if there is no such task.
///
/// # Errors
/// Those of [`replay`](crate::replay()).
pub async fn why_not<C: Chain>(
    chain: &C,
    contracts: &Deployment,
    config: &KeeperConfig,
    node: NodeId,
    task: TaskId,
) -> Result<Option<WhyNot>, KeeperError> {
    let draws = draws(chain, contracts, config, task).await?;
    let mut watcher = Watcher { node, task, draws, opening: None, turns: Vec::new(), ended: None };
    let Replayed { head, view } = replay(chain, contracts, config, &mut watcher).await?;
    if view.tasks().last() < task || task == TaskId(0) {
        return Ok(None);
    }
    let standing = standing(&view, task, head.timestamp, watcher.ended);
    let waits = view.tasks().get(task).filter(|task| task.wanted() > 0);
    let now = waits.map(|known| now(&view, node, task, known));
    Ok(Some(WhyNot { node, task, turns: watcher.turns, standing, now }))
}

/// The blocks in which a task was drawn.
async fn draws<C: Chain>(
    chain: &C,
    contracts: &Deployment,
    config: &KeeperConfig,
    task: TaskId,
) -> Result<BTreeSet<u64>, KeeperError> {
    let head = chain.head().await?.number;
    let filter = LogFilter::of([contracts.queue], config.from_block, head).event::<TaskQueue::TaskDrawn>();
    let logs = chain.logs(&filter.about(B256::from(U256::from(task.0)))).await?;
    Ok(logs.iter().map(|log| log.block_number).collect())
}

/// Notes each choice of nodes for one task.
#[derive(Debug)]
struct Watcher {
    node: NodeId,
    task: TaskId,
    /// The blocks in which the task was drawn.
    draws: BTreeSet<u64>,
    /// The state before the first draw of the round that waits, if the task is, or will be, in it.
    opening: Option<View>,
    turns: Vec<Turn>,
    ended: Option<String>,
}

impl Watcher {
    /// The nodes of the task are chosen now, or are found not to be there.
    fn turn(&mut self, view: &View, block: u64, nodes: Option<([NodeId; 3], Option<ClassId>)>) {
        let (Some(opening), Some(task)) = (self.opening.take(), view.tasks().get(self.task)) else { return };
        let verdict = match nodes {
            Some((nodes, class)) => {
                let choice = Choice { opening: &opening, seating: view, id: self.task, task, nodes, class };
                chosen_from(&choice, self.node)
            }
            None => Verdict::NobodyFound,
        };
        self.turns.push(Turn { drawn: view.round().draw_block(), chosen: block, verdict });
    }
}

impl Witness for Watcher {
    fn before(&mut self, view: &View, logged: &Logged, _: B256) {
        let (block, ours) = (logged.at.block, self.task);
        match &logged.event {
            Event::TaskDrawn { draw_block, .. }
                if view.round().draw_block() == 0 && self.draws.contains(draw_block) =>
            {
                self.opening = Some(view.clone());
            }
            Event::RoundRedrawn { .. } if view.round().waiting().contains(&ours) => self.opening = Some(view.clone()),
            Event::TaskSeated { task, nodes, class, .. } if *task == ours => {
                self.turn(view, block, Some((*nodes, *class)));
            }
            Event::SeatsRefilled { task, nodes, .. } if *task == ours => self.turn(view, block, Some((*nodes, None))),
            Event::TaskRequeued { task } if *task == ours => self.turn(view, block, None),
            Event::RevealOpened { task, .. } if *task == ours && view.round().waiting().contains(&ours) => {
                self.turn(view, block, None);
            }
            Event::TaskSettled(settled) if settled.task == ours => {
                if view.round().waiting().contains(&ours) {
                    self.turn(view, block, None);
                }
                self.ended = Some(ending_name(settled.ending).to_owned());
            }
            Event::TaskWithdrawn { task, ending, .. } if *task == ours => {
                self.ended = Some(ending_name(*ending).to_owned());
            }
            _ => {}
        }
    }
}

/// Where a task stands, and why it is not drawn if it waits in the queue.
fn standing(view: &View, id: TaskId, now: u64, ended: Option<String>) -> String {
    let Some(task) = view.tasks().get(id) else { return ended.unwrap_or_else(|| String::from("ended")) };
    match task.stage {
        Stage::Queued(_) => format!("queued: {}", why_waiting(view, id, now)),
        Stage::Drawn | Stage::Refilling(_) => {
            format!("drawn in block {}: a later block chooses its nodes", view.round().draw_block())
        }
        Stage::Vacant(_) => String::from("waits for other nodes in vacated seats"),
        Stage::Committing(_) | Stage::Revealing(_) | Stage::Delivering(_) => {
            format!("has its nodes: {}", task.stage.name())
        }
    }
}

/// Why a queued task is not drawn yet.
fn why_waiting(view: &View, id: TaskId, now: u64) -> String {
    if view.round().draw_block() != 0 {
        return format!("the round drawn in block {} is seated first", view.round().draw_block());
    }
    if next_draw(view, ROUND_LIMIT, now).drawn.contains(&id) {
        return String::from("the next draw takes it");
    }
    let before = ranking(view).iter().find(|ranked| ranked.task == id).map_or(0, |ranked| ranked.before);
    let supply = supply(view, id);
    format!("{before} tasks are before it, and {supply}")
}

/// The free nodes that could serve a task, and how many must be free.
fn supply(view: &View, id: TaskId) -> String {
    let Some(task) = view.tasks().get(id) else { return String::from("it has ended") };
    let lacking = |class: ClassId| view.nodes().class(class).map(|known| (class, known.free, known.floor));
    if let Some((class, free, floor)) = task.class.and_then(lacking) {
        let key = ClassKey { kind: task.kind, class };
        let is_parked = view.books().class(key).is_some_and(|book| book.competes_at().is_none());
        let parked = if is_parked { "; its book is parked until somebody wakes it" } else { "" };
        return format!("{free} nodes of class {class} are free of {floor} that must be{parked}");
    }
    let suits = |class: &crate::view::Class| class.tier >= task.tier;
    let classes: Vec<_> = view.nodes().classes().map(|(_, class)| class).filter(suits).collect();
    if view.needs_one_class(task.kind, None) {
        let ready = classes.iter().filter(|class| class.servable() > 0).count();
        return format!("{ready} open classes with enough memory have as many free nodes as they must");
    }
    let (free, active) =
        classes.iter().fold((0, 0), |(free, active), class| (free + class.free, active + class.active));
    format!("{free} nodes with enough memory are free of {} that must be", floor_of(active))
}

/// The task in whose seat a node is.
fn seat_of(view: &View, node: NodeId) -> Option<TaskId> {
    let node_is_busy = view.nodes().get(node).is_some_and(|known| known.status == Status::Busy);
    let holds = |seats: &crate::view::Seats| (0..3).any(|seat| seats.nodes[seat] == node && !seats.vacated[seat]);
    let mut tasks = view.tasks().iter().filter(|(_, task)| !matches!(task.stage, Stage::Delivering(_)));
    tasks.find(|(_, task)| task.seats().is_some_and(holds)).map(|(id, _)| id).filter(|_| node_is_busy)
}
