use alloy::primitives::Address;
use xenon_protocol::contracts::{Intent, Status};

use crate::{ClassId, Tier};

/// A node that has joined. It stays known when it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub status: Status,
    /// What its operator asked for and it could not do at once.
    pub intent: Intent,
    /// Whether it can be chosen for a seat.
    pub in_sets: bool,
    /// Whether it waits for the sets to open.
    pub deferred: bool,
    /// Its score, once a task counted.
    pub score: Option<u16>,
}

/// Numbers of nodes, as the contract counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Joined and not gone.
    pub total: u32,
    /// Free or busy.
    pub active: u32,
    /// In the sets.
    pub free: u32,
    /// Seated.
    pub busy: u32,
}

/// Whether a node can change from one status to another. `Free` to `Free` says that it entered the sets.
pub(super) const fn can_become(from: Status, to: Status) -> bool {
    use Status::{Busy, Free, Frozen, Gone, None, Paused, Suspended, Unbonding};
    match to {
        Free => matches!(from, None | Free | Busy | Paused | Suspended),
        Busy => matches!(from, Free),
        Paused => matches!(from, Free | Busy),
        Suspended | Frozen => matches!(from, Busy),
        Unbonding => matches!(from, Free | Busy | Paused | Suspended),
        Gone => matches!(from, Unbonding),
        None | Status::__Invalid => false,
    }
}

/// A class and how many of its nodes are in the sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// The tier of all its nodes.
    pub tier: Tier,
    /// Its nodes in the sets.
    pub free: u32,
}

/// What can be drawn for: per tier, free nodes and groups of three in one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Nodes in the sets.
    pub free: [u32; Tier::COUNT],
    /// Groups of three of one class among them.
    pub triples: [u32; Tier::COUNT],
}
