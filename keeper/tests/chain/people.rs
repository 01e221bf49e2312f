//! Nodes that act as soon as it is their turn, if they act at all.

use alloy::primitives::{Address, B256, keccak256};
use xenon_keeper::{
    NodeId, TaskId, View,
    view::{Seats, Stage},
};
use xenon_protocol::chain::Call;

use crate::world::World;

/// How the nodes of a world behave.
#[derive(Clone, Debug, Default)]
pub(crate) struct People {
    /// Never commit.
    pub(crate) absent: Vec<NodeId>,
    /// Commit and never reveal.
    pub(crate) silent: Vec<NodeId>,
    /// Never deliver.
    pub(crate) keepers_of_results: Vec<NodeId>,
    /// Give another result than the others.
    pub(crate) lazy: Vec<NodeId>,
}

impl People {
    /// The transactions that all nodes send after a block.
    pub(crate) fn act(&self, world: &World, view: &View) -> Vec<(Address, Call)> {
        view.tasks().iter().flat_map(|(id, task)| self.act_for(world, view, id, &task.stage)).collect()
    }

    fn act_for(&self, world: &World, view: &View, task: TaskId, stage: &Stage) -> Vec<(Address, Call)> {
        let key = |node: NodeId| view.nodes().get(node).unwrap().key;
        let result = |node| if self.lazy.contains(&node) { lazy_result(task) } else { a_result(task) };
        match stage {
            Stage::Queued(_) | Stage::Drawn | Stage::Vacant(_) | Stage::Refilling(_) => Vec::new(),
            Stage::Committing(seats) => idle(seats, seats.commit_ranks)
                .filter(|node| !self.absent.contains(node))
                .map(|node| (key(node), world.commit(task, node, key(node), result(node))))
                .collect(),
            Stage::Revealing(seats) => idle(seats, seats.reveal_ranks)
                .filter(|node| !self.absent.contains(node) && !self.silent.contains(node))
                .map(|node| (key(node), world.reveal(task, node, result(node))))
                .collect(),
            Stage::Delivering(seats) => {
                let node = seats.nodes[usize::from(seats.deliverer)];
                let delivers = !self.keepers_of_results.contains(&node);
                delivers.then(|| (key(node), world.deliver(task, node))).into_iter().collect()
            }
        }
    }
}

fn idle(seats: &Seats, ranks: [u8; 3]) -> impl Iterator<Item = NodeId> {
    seats.nodes.into_iter().zip(ranks).filter(|(_, rank)| *rank == 0).map(|(node, _)| node)
}

fn a_result(task: TaskId) -> B256 {
    keccak256(format!("the result of task {task}"))
}

fn lazy_result(task: TaskId) -> B256 {
    keccak256(format!("a guess at task {task}"))
}
