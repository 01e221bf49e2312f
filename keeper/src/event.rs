//! What the contracts said: every event of the protocol as a typed value.

mod decode;

use alloy::primitives::{Address, B256, U256};
use xenon_protocol::{
    contracts::{Ending, Intent, Status},
    value::ValueRate,
};

use crate::{ClassId, Kind, KindId, NodeId, TaskId, Tier};

/// Where a log stands in the chain. Later logs are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Height of its block.
    pub block: u64,
    /// Its place among the logs of the block.
    pub index: u64,
}

/// An event and where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its place in the chain.
    pub at: Position,
    /// The hash of its block.
    pub block_hash: B256,
    /// What happened.
    pub event: Event,
}

/// A log of our contracts that this program does not understand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "XK-010: log {index} of block {block}, from {address}, is no event of this protocol: use an endpoint that can be trusted, or the keeper built for these contracts",
    block = at.block, index = at.index
)]
pub struct Undecodable {
    /// The log's place in the chain.
    pub at: Position,
    /// The contract it comes from.
    pub address: Address,
}

/// An event of one of the contracts. The Solidity interfaces say when each is emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the events in contracts/interfaces")]
pub enum Event {
    /// A kind of task was added to the table.
    KindAdded { kind: KindId, spec: Kind },
    /// A task was created and stands in its book.
    TaskCreated(Box<TaskCreated>),
    /// A queued task ended without having been drawn.
    TaskWithdrawn { task: TaskId, ending: Ending, refund: u128 },
    /// A task left its book for the round that a later block seats.
    TaskDrawn { task: TaskId, draw_block: u64 },
    /// A round grew too old to be seated and has a new draw block.
    RoundRedrawn { old_block: u64, new_block: u64 },
    /// No nodes were found for a drawn task: it is the first of its level again.
    TaskRequeued { task: TaskId },
    /// A class's book left the competition for want of three free nodes.
    ClassBookParked { kind: KindId, class: ClassId },
    /// A parked book competes again.
    ClassBookWoken { kind: KindId, class: ClassId },
    /// A drawn task has its three nodes.
    TaskSeated {
        task: TaskId,
        nodes: [NodeId; 3],
        class: Option<ClassId>,
        commit_by: u64,
        keeper: Address,
        crank_reward: u128,
    },
    /// A node committed to a result.
    Committed { task: TaskId, node: NodeId, commitment: B256 },
    /// The stage of commitments is over.
    RevealOpened { task: TaskId, reveal_by: u64 },
    /// A node revealed its result.
    Revealed { task: TaskId, node: NodeId, result: B256 },
    /// The votes were compared and the nodes released.
    TaskSettled(Box<TaskSettled>),
    /// A deliverer missed its time; it is the next one's turn.
    DeliveryPassed { task: TaskId, next: NodeId, deliver_by: u64 },
    /// The result is at the relay and the held share is paid.
    Delivered { task: TaskId, node: NodeId, content: B256, paid: u128 },
    /// Nobody delivered; the held share went back.
    Undelivered { task: TaskId, refund: u128 },
    /// A credit was paid out.
    Withdrawn { account: Address, to: Address, amount: U256 },
    /// A node joined.
    NodeJoined(Box<NodeJoined>),
    /// The first node of a class joined.
    ClassOpened { class: ClassId, class_hash: B256, tier: Tier },
    /// A node changed its status.
    StatusChanged { node: NodeId, status: Status },
    /// A node that cannot leave at once asked to, or took that back.
    IntentChanged { node: NodeId, intent: Intent },
    /// A stake was paid back.
    StakeWithdrawn { node: NodeId, operator: Address, amount: u128 },
    /// A task counted for a node's score.
    Scored { node: NodeId, points: u8, score: u16 },
}

/// A task as it was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskCreated {
    /// Its number.
    pub task: TaskId,
    /// Who pays.
    pub creator: Address,
    /// Its kind.
    pub kind: KindId,
    /// keccak256 of its JSON.
    pub task_hash: B256,
    /// Units asked for: tokens or images.
    pub size: u32,
    /// GB each node must have.
    pub min_vram: u16,
    /// The class all three nodes must be of, if it names one.
    pub required_class: Option<ClassId>,
    /// Wei escrowed.
    pub fee: u128,
    /// The fee per second of estimated work.
    pub value: ValueRate,
    /// When its wait in the queue is over, in Unix seconds.
    pub expires_at: u64,
}

/// The outcome of a task's votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSettled {
    /// Its number.
    pub task: TaskId,
    /// How the votes compare.
    pub ending: Ending,
    /// What was agreed on, or zero.
    pub result: B256,
    /// Which seats agree.
    pub agreeing: [bool; 3],
    /// Wei for each seat; the deliverer's is held until delivery.
    pub shares: [u128; 3],
    /// Wei for the creator.
    pub refund: u128,
    /// The seat whose turn it is to deliver.
    pub deliverer: u8,
    /// Until when, in Unix seconds; 0 if there is nothing to deliver.
    pub deliver_by: u64,
}

/// A node as it joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeJoined {
    /// Its number.
    pub node: NodeId,
    /// Who owns the stake.
    pub operator: Address,
    /// Who signs commits and reveals.
    pub key: Address,
    /// Its class.
    pub class: ClassId,
    /// The class's fingerprint.
    pub class_hash: B256,
    /// Accelerator memory in GB.
    pub vram_gb: u16,
    /// Wei staked.
    pub stake: u128,
    /// The device's name, as its operator gave it.
    pub gpu: String,
}

impl Event {
    /// The name of the event in the contracts.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::KindAdded { .. } => "KindAdded",
            Self::TaskCreated(_) => "TaskCreated",
            Self::TaskWithdrawn { .. } => "TaskWithdrawn",
            Self::TaskDrawn { .. } => "TaskDrawn",
            Self::RoundRedrawn { .. } => "RoundRedrawn",
            Self::TaskRequeued { .. } => "TaskRequeued",
            Self::ClassBookParked { .. } => "ClassBookParked",
            Self::ClassBookWoken { .. } => "ClassBookWoken",
            Self::TaskSeated { .. } => "TaskSeated",
            Self::Committed { .. } => "Committed",
            Self::RevealOpened { .. } => "RevealOpened",
            Self::Revealed { .. } => "Revealed",
            Self::TaskSettled(_) => "TaskSettled",
            Self::DeliveryPassed { .. } => "DeliveryPassed",
            Self::Delivered { .. } => "Delivered",
            Self::Undelivered { .. } => "Undelivered",
            Self::Withdrawn { .. } => "Withdrawn",
            Self::NodeJoined(_) => "NodeJoined",
            Self::ClassOpened { .. } => "ClassOpened",
            Self::StatusChanged { .. } => "StatusChanged",
            Self::IntentChanged { .. } => "IntentChanged",
            Self::StakeWithdrawn { .. } => "StakeWithdrawn",
            Self::Scored { .. } => "Scored",
        }
    }
}
