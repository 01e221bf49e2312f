use std::collections::BTreeMap;

use super::Observation;
use crate::{Event, NodeId, TaskId, View};

/// When the holders of seats that have not committed were seated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seatings {
    since: BTreeMap<(TaskId, NodeId), Since>,
}

/// A block and its time, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Since {
    block: u64,
    timestamp: u64,
}

impl Seatings {
    /// Takes note of an event; an observation if it is a commitment to a seat whose seating was seen.
    pub(super) fn note(&mut self, view: &View, event: &Event, block: u64, timestamp: u64) -> Option<Observation> {
        let since = Since { block, timestamp };
        match event {
            Event::TaskSeated { task, nodes, .. } => nodes.iter().for_each(|node| self.seat(*task, *node, since)),
            Event::SeatsRefilled { task, nodes, .. } => self.refill(view, *task, nodes, since),
            Event::Committed { task, node, .. } => return self.commit(view, *task, *node, timestamp),
            _ => {}
        }
        None
    }

    /// Those seated after a block were not.
    pub(super) fn undo(&mut self, block: u64) {
        self.since.retain(|_, since| since.block <= block);
    }

    /// Seats of tasks that have ended, or in which nobody commits any more, are nobody's.
    pub(super) fn forget_ended(&mut self, view: &View) {
        self.since.retain(|(task, _), _| view.tasks().get(*task).is_some_and(|task| task.seats().is_some()));
    }

    fn seat(&mut self, task: TaskId, node: NodeId, since: Since) {
        self.since.insert((task, node), since);
    }

    /// Who keeps a seat was seated before, and those who have committed are done.
    fn refill(&mut self, view: &View, task: TaskId, nodes: &[NodeId; 3], since: Since) {
        self.since.retain(|(other, node), _| *other != task || nodes.contains(node));
        let ranks = view.tasks().get(task).and_then(|task| task.seats()).map_or([0; 3], |seats| seats.commit_ranks);
        for (node, rank) in nodes.iter().zip(ranks) {
            if rank == 0 {
                self.since.entry((task, *node)).or_insert(since);
            }
        }
    }

    fn commit(&mut self, view: &View, id: TaskId, node: NodeId, at: u64) -> Option<Observation> {
        let since = self.since.remove(&(id, node))?;
        let task = view.tasks().get(id)?;
        let class = view.nodes().get(node).map(|node| node.class);
        let ms = u32::try_from(at.checked_sub(since.timestamp)?.checked_mul(1_000)?).ok()?;
        Some(Observation { task: id, node, kind: task.kind, class, size: task.size, ms, at })
    }
}
