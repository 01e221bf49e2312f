use alloy::primitives::{Address, B256, U256, aliases::U40, keccak256, utils::Unit};
use xenon_keeper::{
    NodeId, TaskId, View,
    view::{Seats, Stage},
};
use xenon_protocol::{
    chain::Call,
    commitment::{Salt, commitment},
    contracts::{Node, Task},
    deployment::Deployment,
};

/// What creators and nodes of a network call.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    contracts: Deployment,
}

impl Calls {
    /// In the network of these contracts.
    pub const fn new(contracts: Deployment) -> Self {
        Self { contracts }
    }

    /// A node with that key joins the one class there is.
    pub fn join(&self, key: Address) -> Call {
        let call = Node::joinCall { key, classHash: keccak256("a class"), vramGb: 24, gpu: String::from("a GPU") };
        Call::new(self.contracts.node, &call).with_value(U256::from(400) * Unit::ETHER.wei())
    }

    /// A text of 100 tokens for a fee in wei, for machines with as much memory, that waits for so many seconds.
    pub fn create(&self, gb: u16, fee: u128, wait: u32) -> Call {
        let hash = keccak256("a task");
        let call =
            Task::createCall { kind: 0, taskHash: hash, size: 100, minVram: gb, requiredClass: 0, maxWait: wait };
        Call::new(self.contracts.task, &call).with_value(U256::from(fee))
    }

    /// A node commits to a result.
    pub fn commit(&self, task: TaskId, node: NodeId, key: Address, result: B256) -> Call {
        let commitment = commitment(task.0, key, result, &salt(task, node));
        Call::new(self.contracts.task, &Task::commitCall { node: node.0, task: U40::from(task.0), commitment })
    }

    /// It reveals the result.
    pub fn reveal(&self, task: TaskId, node: NodeId, result: B256) -> Call {
        let salt = salt(task, node).reveal();
        Call::new(self.contracts.task, &Task::revealCall { node: node.0, task: U40::from(task.0), result, salt })
    }

    /// It delivers.
    pub fn deliver(&self, task: TaskId, node: NodeId) -> Call {
        let content = keccak256("a reply");
        Call::new(self.contracts.task, &Task::deliverCall { node: node.0, task: U40::from(task.0), content })
    }

    /// What honest nodes send when they see this: the key that sends, and the call.
    pub fn honest(&self, view: &View) -> Vec<(Address, Call)> {
        let key = |node: NodeId| view.nodes().get(node).map(|known| known.key).unwrap_or_default();
        let mut calls = Vec::new();
        for (task, known) in view.tasks().iter() {
            let result = result_of(task);
            match &known.stage {
                Stage::Committing(seats) => calls.extend(
                    idle(seats, seats.commit_ranks).map(|node| (key(node), self.commit(task, node, key(node), result))),
                ),
                Stage::Revealing(seats) => calls
                    .extend(idle(seats, seats.reveal_ranks).map(|node| (key(node), self.reveal(task, node, result)))),
                Stage::Delivering(seats) => {
                    let node = seats.nodes[usize::from(seats.deliverer)];
                    calls.push((key(node), self.deliver(task, node)));
                }
                Stage::Queued(_) | Stage::Drawn | Stage::Vacant(_) | Stage::Refilling(_) => {}
            }
        }
        calls
    }
}

/// What a task is to be answered with.
pub(crate) fn result_of(task: TaskId) -> B256 {
    keccak256(format!("the result of {task}"))
}

/// The nodes of a task that have not acted.
pub(crate) fn idle(seats: &Seats, ranks: [u8; 3]) -> impl Iterator<Item = NodeId> {
    seats.nodes.into_iter().zip(ranks).filter(|(_, rank)| *rank == 0).map(|(node, _)| node)
}

fn salt(task: TaskId, node: NodeId) -> Salt {
    // A keccak hash is no zero that anybody has seen.
    Salt::new(keccak256(format!("salt of node {node} for task {task}"))).unwrap()
}
