use alloy::primitives::Address;
use serde::{Deserialize, Serialize};
use xenon_protocol::contracts::{Intent, Status};

use super::floor::{floor_of, tasks_for};
use crate::{ClassId, TaskId, Tier};

/// A class is open to tasks that name none while it has at least one in so many of the active nodes.
const OPEN_SHARE: u64 = 32;

/// A node that has joined. It stays known when it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Who owns the stake.
    pub operator: Address,
    /// Who signs commits and reveals.
    pub key: Address,
    /// Wei staked.
    pub stake: u128,
    /// Its class.
    pub class: ClassId,
    /// The tier of its class.
    pub tier: Tier,
    /// Where it stands.
    #[serde(with = "super::number")]
    pub status: Status,
    /// What waits for it that it could not do at once.
    #[serde(with = "super::number")]
    pub intent: Intent,
    /// Whether it can be chosen for a seat.
    pub in_sets: bool,
    /// Its score, once a task counted.
    pub score: Option<u16>,
    /// Its case, while it is frozen.
    pub case: Option<Case>,
}

/// Why a node is frozen and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The task in question.
    pub task: TaskId,
    /// The end of the time to appeal or, once appealed, of the time to decide, in Unix seconds.
    pub until: u64,
    /// Whether somebody has appealed.
    pub appealed: bool,
}

/// Numbers of nodes, as the contract counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Joined, and not gone or slashed.
    pub total: u32,
    /// Free or busy.
    pub active: u32,
    /// In the sets.
    pub free: u32,
    /// Seated.
    pub busy: u32,
}

/// Whether a node can change from one status to another.
pub(super) const fn can_become(from: Status, to: Status) -> bool {
    use Status::{Busy, Free, Frozen, Gone, None, Paused, Slashed, Suspended, Unbonding};
    match to {
        Free => matches!(from, None | Busy | Paused | Suspended),
        Busy => matches!(from, Free),
        Paused => matches!(from, Free | Busy | Frozen),
        Suspended => matches!(from, Busy),
        // Whose stake is released may be frozen for the next accusation, or unbond as it did before.
        Frozen => matches!(from, Free | Busy | Paused | Suspended | Unbonding | Frozen),
        Unbonding => matches!(from, Free | Busy | Paused | Suspended | Frozen),
        Gone => matches!(from, Unbonding),
        Slashed => matches!(from, Frozen),
        None | Status::__Invalid => false,
    }
}

/// A class. Floor and openness are those of the last time they were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// The tier of all its nodes.
    pub tier: Tier,
    /// Its nodes in the sets.
    pub free: u32,
    /// Its nodes that are free or busy.
    pub active: u32,
    /// How many must be free before a task is drawn for them.
    pub floor: u32,
    /// Whether tasks that name no class may be given to it.
    pub open: bool,
}

impl Class {
    pub(super) fn new(tier: Tier) -> Self {
        Self { tier, free: 0, active: 0, floor: floor_of(0), open: false }
    }

    /// The class with floor and openness as its active nodes, and those of the network, make them.
    #[must_use]
    pub fn assessed(self, active_nodes: u32) -> Self {
        let open = u64::from(self.active) * OPEN_SHARE >= u64::from(active_nodes);
        Self { open, floor: floor_of(self.active), ..self }
    }

    /// The tasks that could be drawn for it now if they name no class.
    pub fn servable(&self) -> u32 {
        if self.open { tasks_for(self.free, self.floor) } else { 0 }
    }
}

/// What can be drawn for, per tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Nodes in the sets.
    pub free: [u32; Tier::COUNT],
    /// Nodes that are free or busy.
    pub active: [u32; Tier::COUNT],
    /// Tasks of one class that its open classes could serve.
    pub servable: [u32; Tier::COUNT],
}
