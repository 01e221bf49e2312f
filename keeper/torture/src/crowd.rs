//! Creators and nodes. They see nothing but the truth and act as soon as it is their turn, if they act at all.

use alloy::primitives::{Address, B256, keccak256};
use xenon_keeper::{NodeId, TaskId, View, view::Stage};
use xenon_protocol::chain::Call;

use crate::{
    calls::{idle, result_of},
    dice::Dice,
    network::{COIN, CREATOR, NODES, Network, node_key},
};

/// How a node behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    Honest,
    /// Never commits.
    Absent,
    /// Commits and never reveals.
    Silent,
    /// Never delivers.
    Withholding,
    /// Gives another result than the others.
    Lazy,
}

/// Of a hundred nodes, so many are of each other habit than honesty.
const BAD: [(Habit, u64); 4] = [(Habit::Absent, 8), (Habit::Silent, 6), (Habit::Withholding, 8), (Habit::Lazy, 3)];

/// All who use the network, but for the keepers.
#[derive(Debug)]
pub(crate) struct Crowd {
    habits: Vec<Habit>,
    dice: Dice,
    /// Tasks that are still to be created.
    left: u64,
    /// Calls that were in blocks that are gone, and are sent again.
    again: Vec<(Address, Call)>,
}

impl Crowd {
    pub(crate) fn new(mut dice: Dice) -> Self {
        let habits = (0..NODES).map(|_| habit(&mut dice)).collect();
        let left = dice.within(2..=6);
        Self { habits, dice, left, again: Vec::new() }
    }

    /// The calls that all send after a block of which this is the view.
    pub(crate) fn act(&mut self, network: &Network, view: &View) -> Vec<(Address, Call)> {
        let mut calls = std::mem::take(&mut self.again);
        calls.extend(self.create(network));
        calls.extend(view.tasks().iter().flat_map(|(id, task)| self.work(network, id, &task.stage)));
        calls
    }

    /// Sends the creators' calls again that were in blocks that are gone. The nodes see by themselves what is due.
    pub(crate) fn undone(&mut self, network: &Network, calls: Vec<(Address, Call)>) {
        let creations = calls.into_iter().filter(|(from, call)| *from == CREATOR && call.to == network.contracts.task);
        self.again.extend(creations);
    }

    /// Whether every task was created.
    pub(crate) fn is_done(&self) -> bool {
        self.left == 0 && self.again.is_empty()
    }

    fn create(&mut self, network: &Network) -> Option<(Address, Call)> {
        if self.left == 0 || !self.dice.chance(25) {
            return None;
        }
        self.left -= 1;
        // Nobody has 128 GB: such a task waits until it is expired.
        let (gb, wait) = if self.dice.chance(12) { (128, 600) } else { (0, 500_000) };
        let fee = COIN * u128::from(self.dice.within(1..=4));
        Some((CREATOR, network.calls.create(gb, fee, wait)))
    }

    fn work(&self, network: &Network, task: TaskId, stage: &Stage) -> Vec<(Address, Call)> {
        let by = |node: NodeId, call| (node_key(node.0), call);
        match stage {
            Stage::Queued(_) | Stage::Drawn | Stage::Vacant(_) | Stage::Refilling(_) => Vec::new(),
            Stage::Committing(seats) => idle(seats, seats.commit_ranks)
                .filter(|node| self.habit(*node) != Habit::Absent)
                .map(|node| by(node, network.calls.commit(task, node, node_key(node.0), self.result(task, node))))
                .collect(),
            Stage::Revealing(seats) => idle(seats, seats.reveal_ranks)
                .filter(|node| !matches!(self.habit(*node), Habit::Absent | Habit::Silent))
                .map(|node| by(node, network.calls.reveal(task, node, self.result(task, node))))
                .collect(),
            Stage::Delivering(seats) => {
                let node = seats.nodes[usize::from(seats.deliverer)];
                let delivers = self.habit(node) != Habit::Withholding;
                delivers.then(|| by(node, network.calls.deliver(task, node))).into_iter().collect()
            }
        }
    }

    fn habit(&self, node: NodeId) -> Habit {
        let habit = usize::try_from(node.0 - 1).ok().and_then(|index| self.habits.get(index));
        habit.copied().unwrap_or(Habit::Absent)
    }

    fn result(&self, task: TaskId, node: NodeId) -> B256 {
        let lazy = self.habit(node) == Habit::Lazy;
        if lazy { keccak256(format!("a guess at task {task}")) } else { result_of(task) }
    }
}

fn habit(dice: &mut Dice) -> Habit {
    let mut lot = dice.below(100);
    for (habit, percent) in BAD {
        if lot < percent {
            return habit;
        }
        lot -= percent;
    }
    Habit::Honest
}
