use std::num::NonZeroU64;

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

use super::{BookKey, ClassKey, Slot, TierKey, ViewError, wei::Wei};
use crate::{ClassId, KindId, NodeId, TaskCreated, TaskId, Tier, order::Value};

/// A task that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Who pays.
    pub creator: Address,
    /// Its kind.
    pub kind: KindId,
    /// Units asked for.
    pub size: u32,
    /// The lowest VRAM tier of its nodes.
    pub tier: Tier,
    /// The class it requires or, once seated, the class its nodes share.
    pub class: Option<ClassId>,
    pub(super) fee: Wei,
    pub(super) duration_ms: NonZeroU64,
    pub(super) escrow: Wei,
    /// Where it is in its life.
    pub stage: Stage,
    /// When the stage is over, in Unix seconds; until it is seated, when its wait is.
    pub deadline: u64,
    /// How often it was drawn and found no nodes.
    pub requeues: u32,
    /// The block in which that last happened; 0 if never.
    pub requeued_in: u64,
    pub(super) waits_since: Option<NonZeroU64>,
}

/// Where a task is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// In its book, at that place.
    Queued(Slot),
    /// In the round that a later block seats.
    Drawn,
    /// Its nodes are at work.
    Committing(Seats),
    /// Some of its seats wait for other nodes.
    Vacant(Seats),
    /// In the round that a later block seats, which gives those seats away.
    Refilling(Seats),
    /// Its nodes show their results.
    Revealing(Seats),
    /// One of those who agree delivers.
    Delivering(Seats),
}

/// The three seats of a task. Ranks count from 1 in the order of commits and of reveals; 0 means "not yet".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seats {
    /// Who holds them.
    pub nodes: [NodeId; 3],
    /// Order of the commitments.
    pub commit_ranks: [u8; 3],
    /// Order of the reveals.
    pub reveal_ranks: [u8; 3],
    /// Which were taken from their holders and are nobody's.
    pub vacated: [bool; 3],
    /// Which of them agree, once settled.
    pub agreeing: [bool; 3],
    /// The seat whose turn it is to deliver.
    pub deliverer: u8,
}

impl Task {
    /// A task that was just created, for nodes of a tier; `None` if it pays more than any task can.
    pub(super) fn new(created: &TaskCreated, tier: Tier, value: Value) -> Option<Self> {
        let fee = Wei::new(created.fee)?;
        Some(Self {
            creator: created.creator,
            kind: created.kind,
            size: created.size,
            tier,
            class: created.required_class,
            fee,
            duration_ms: value.duration_ms,
            escrow: fee,
            stage: Stage::Drawn,
            deadline: created.expires_at,
            requeues: 0,
            requeued_in: 0,
            waits_since: None,
        })
    }

    /// Its fee per second of estimated work.
    pub fn value(&self) -> Value {
        Value { fee: self.fee.get(), duration_ms: self.duration_ms }
    }

    /// When it was created, or a later moment at which it waited already, in Unix seconds; `None` until one is known. Who
    /// is queued again has waited since then.
    pub fn waits_since(&self) -> Option<u64> {
        self.waits_since.map(NonZeroU64::get)
    }

    /// It waits at that moment.
    pub(super) fn note_wait(&mut self, at: u64) {
        self.waits_since = self.waits_since.or(NonZeroU64::new(at));
    }

    /// Wei still held for it.
    pub fn escrow(&self) -> u128 {
        self.escrow.get()
    }

    /// Takes what somebody was paid, in wei, out of the escrow.
    pub(super) fn pay(&mut self, amount: u128) {
        self.escrow = self.escrow.less(amount);
    }

    /// All but so many wei of the escrow were paid.
    pub(super) fn keep_escrowed(&mut self, amount: u128) {
        self.escrow = self.escrow.less(self.escrow.get().saturating_sub(amount));
    }

    /// What is left of the escrow is offered for work of that duration.
    pub(super) fn offer_anew(&mut self, duration_ms: NonZeroU64) {
        (self.fee, self.duration_ms) = (self.escrow, duration_ms);
    }

    /// The book it waits in, or waited in.
    pub fn book(&self) -> BookKey {
        match self.class {
            Some(class) => BookKey::Class(ClassKey { kind: self.kind, class }),
            None => BookKey::Tier(TierKey { kind: self.kind, tier: self.tier }),
        }
    }

    /// Nodes it waits for: three until it is seated, then as many as it has seats to give away.
    pub fn wanted(&self) -> u32 {
        match &self.stage {
            Stage::Queued(_) | Stage::Drawn => 3,
            Stage::Vacant(seats) | Stage::Refilling(seats) => seats.vacated.into_iter().map(u32::from).sum(),
            Stage::Committing(_) | Stage::Revealing(_) | Stage::Delivering(_) => 0,
        }
    }

    /// Its seats, once it has them.
    pub const fn seats(&self) -> Option<&Seats> {
        match &self.stage {
            Stage::Queued(_) | Stage::Drawn => None,
            Stage::Committing(seats)
            | Stage::Vacant(seats)
            | Stage::Refilling(seats)
            | Stage::Revealing(seats)
            | Stage::Delivering(seats) => Some(seats),
        }
    }
}

impl Stage {
    /// The stage in a word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued(_) => "queued",
            Self::Drawn => "drawn",
            Self::Committing(_) => "committing",
            Self::Vacant(_) => "vacant",
            Self::Refilling(_) => "drawn for other nodes",
            Self::Revealing(_) => "revealing",
            Self::Delivering(_) => "delivering",
        }
    }
}

impl Seats {
    pub(super) const fn new(nodes: [NodeId; 3]) -> Self {
        let nothing = [false; 3];
        let ranks = [0; 3];
        Self { nodes, commit_ranks: ranks, reveal_ranks: ranks, vacated: nothing, agreeing: nothing, deliverer: 0 }
    }

    pub(super) fn vacate(&mut self, vacated: [bool; 3]) {
        self.vacated = vacated;
    }

    /// Other nodes hold the vacated seats; those of the others do not change.
    pub(super) fn refill(&mut self, task: TaskId, nodes: [NodeId; 3]) -> Result<(), ViewError> {
        for (seat, node) in nodes.into_iter().enumerate() {
            if !self.vacated[seat] && self.nodes[seat] != node {
                return Err(ViewError::WrongSeat { event: "SeatsRefilled", task, node });
            }
        }
        (self.nodes, self.vacated) = (nodes, [false; 3]);
        Ok(())
    }

    pub(super) fn commit(&mut self, task: TaskId, node: NodeId) -> Result<(), ViewError> {
        let wrong = ViewError::WrongSeat { event: "Committed", task, node };
        let seat = self.seat_of(node).filter(|seat| self.commit_ranks[*seat] == 0).ok_or(wrong)?;
        self.commit_ranks[seat] = next_rank(self.commit_ranks);
        Ok(())
    }

    pub(super) fn reveal(&mut self, task: TaskId, node: NodeId) -> Result<(), ViewError> {
        let wrong = ViewError::WrongSeat { event: "Revealed", task, node };
        let may = |seat: &usize| self.commit_ranks[*seat] != 0 && self.reveal_ranks[*seat] == 0;
        let seat = self.seat_of(node).filter(may).ok_or(wrong)?;
        self.reveal_ranks[seat] = next_rank(self.reveal_ranks);
        Ok(())
    }

    pub(super) fn settle(&mut self, agreeing: [bool; 3], deliverer: u8) {
        self.agreeing = agreeing;
        self.deliverer = deliverer;
    }

    /// The turn goes to the next agreeing seat, which must be that of `next`.
    pub(super) fn pass_delivery(&mut self, task: TaskId, next: NodeId) -> Result<(), ViewError> {
        let wrong = ViewError::WrongSeat { event: "DeliveryPassed", task, node: next };
        let later = (self.deliverer + 1..3).find(|seat| self.agreeing[usize::from(*seat)]);
        self.deliverer = later.filter(|seat| self.nodes[usize::from(*seat)] == next).ok_or(wrong)?;
        Ok(())
    }

    /// Whether it is that node's turn to deliver.
    pub fn delivers(&self, node: NodeId) -> bool {
        self.nodes.get(usize::from(self.deliverer)) == Some(&node)
    }

    fn seat_of(&self, node: NodeId) -> Option<usize> {
        (0..self.nodes.len()).find(|seat| self.nodes[*seat] == node && !self.vacated[*seat])
    }
}

fn next_rank(ranks: [u8; 3]) -> u8 {
    ranks.into_iter().max().unwrap_or_default() + 1
}
