//! What the contracts said: every event of the protocol as a typed value.

mod decode;

use std::num::NonZeroU32;

use alloy::primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};
use xenon_protocol::{
    contracts::{Ending, Intent, Lapse, Ruling, Status},
    value::ValueRate,
};

use crate::{ClassId, Kind, KindId, Limits, NodeId, TaskId, Tier};

/// Where a log stands in the chain. Later logs are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// A kind's estimated durations changed.
    DurationsChanged { kind: KindId, overhead_ms: u32, ms_per_unit: NonZeroU32 },
    /// Times and shares changed; of them only the crank share matters here.
    TermsChanged { crank_bps: u16 },
    /// Penalties and the times of cases changed.
    RulesChanged,
    /// The length of the queue or the times of reservations changed.
    LimitsChanged(Limits),
    /// A task was created and stands in its book.
    TaskCreated(Box<TaskCreated>),
    /// A queued task ended without having been drawn.
    TaskWithdrawn { task: TaskId, ending: Ending, refund: u128 },
    /// A created task names the relay that must sign its delivery.
    RelayNamed { task: TaskId, relay: Address },
    /// A task of a higher value took the place of this one in the full queue.
    TaskEvicted { task: TaskId },
    /// A task left its book, or the line of those with seats to give away, for the round that a later block seats.
    TaskDrawn { task: TaskId, draw_block: u64 },
    /// A round grew too old to be seated and has a new draw block.
    RoundRedrawn { old_block: u64, new_block: u64 },
    /// No nodes were found for a drawn task: it is the first of its level again.
    TaskRequeued { task: TaskId },
    /// The nodes of a class are kept for a task.
    ClassReserved { task: TaskId, class: ClassId, until: u64 },
    /// They are not any more.
    ReservationEnded { task: TaskId, class: ClassId },
    /// A class's book left the competition for want of free nodes.
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
    /// Seats whose holders let their time pass are to be given to other nodes.
    SeatsVacated { task: TaskId, vacated: [bool; 3], refill_by: u64 },
    /// The task stands in the line of those with seats to give away.
    TaskVacant { task: TaskId },
    /// Other nodes hold the vacated seats.
    SeatsRefilled { task: TaskId, nodes: [NodeId; 3], commit_by: u64, keeper: Address, crank_reward: u128 },
    /// Somebody moved a task on whose stage was over.
    Advanced { task: TaskId, caller: Address, crank_reward: u128 },
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
    /// Nobody delivered; the held share went to the creator or, if the task names a relay, to the treasury.
    Undelivered { task: TaskId, to: Address, amount: u128 },
    /// What a node had earned went to its operator's credit.
    Collected { node: NodeId, operator: Address, amount: U256 },
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
    /// A node that waited for the sets to open stands in them.
    NodeAbsorbed { node: NodeId },
    /// Whether a class is open, and its floor, were looked at anew.
    ClassReviewed { class: ClassId, open: bool },
    /// A stake was paid back.
    StakeWithdrawn { node: NodeId, operator: Address, amount: u128 },
    /// A stake was added to.
    StakeAdded { node: NodeId, amount: u128, stake: u128 },
    /// A node paid for what it failed to do.
    Penalized { node: NodeId, lapse: Lapse, amount: u128, stake: u128 },
    /// A node's score is too low to stay.
    KickedOut { node: NodeId },
    /// A node is frozen, and has time to appeal.
    CaseOpened { node: NodeId, task: TaskId, appeal_by: u64, accused: [NodeId; 2] },
    /// Somebody appealed; the arbiter has time to decide.
    Appealed { node: NodeId, task: TaskId, appellant: Address, evidence: B256, decide_by: u64 },
    /// Somebody added to the evidence of an appealed case.
    EvidenceAdded { node: NodeId, task: TaskId, from: Address, evidence: B256 },
    /// A node that has a case, or is to be frozen for one, answers for this task after it.
    Accused { node: NodeId, task: TaskId },
    /// The arbiter decided.
    CaseDecided { node: NodeId, task: TaskId, ruling: Ruling },
    /// The arbiter did not decide in time.
    CaseLapsed { node: NodeId, task: TaskId },
    /// A stake went to the treasury.
    Slashed { node: NodeId, task: TaskId, amount: u128 },
    /// The treasury was paid.
    SlashedWithdrawn { treasury: Address, amount: U256 },
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
            Self::DurationsChanged { .. } => "DurationsChanged",
            Self::TermsChanged { .. } => "TermsChanged",
            Self::RulesChanged => "RulesChanged",
            Self::LimitsChanged(_) => "LimitsChanged",
            Self::RelayNamed { .. } => "RelayNamed",
            Self::TaskEvicted { .. } => "TaskEvicted",
            Self::ClassReserved { .. } => "ClassReserved",
            Self::ReservationEnded { .. } => "ReservationEnded",
            Self::SeatsVacated { .. } => "SeatsVacated",
            Self::TaskVacant { .. } => "TaskVacant",
            Self::SeatsRefilled { .. } => "SeatsRefilled",
            Self::Advanced { .. } => "Advanced",
            Self::Collected { .. } => "Collected",
            Self::NodeAbsorbed { .. } => "NodeAbsorbed",
            Self::ClassReviewed { .. } => "ClassReviewed",
            Self::StakeAdded { .. } => "StakeAdded",
            Self::Penalized { .. } => "Penalized",
            Self::KickedOut { .. } => "KickedOut",
            Self::CaseOpened { .. } => "CaseOpened",
            Self::Appealed { .. } => "Appealed",
            Self::EvidenceAdded { .. } => "EvidenceAdded",
            Self::Accused { .. } => "Accused",
            Self::CaseDecided { .. } => "CaseDecided",
            Self::CaseLapsed { .. } => "CaseLapsed",
            Self::Slashed { .. } => "Slashed",
            Self::SlashedWithdrawn { .. } => "SlashedWithdrawn",
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
