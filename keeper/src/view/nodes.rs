use std::collections::{BTreeMap, VecDeque};

use xenon_protocol::contracts::{Intent, Status};

use super::{Capacity, Class, Counts, Node, ViewError, node::can_become};
use crate::{ClassId, NodeId, NodeJoined, Tier};

/// Deferred changes of membership that the contract applies at the end of a round, for each of its tasks...
const ABSORB_PER_TASK: usize = 8;

/// ...up to so many.
const ABSORB_TASKS: usize = 16;

/// The nodes, and which of them can be chosen. Mirrors `contracts/libraries/NodePool.sol`.
///
/// While a drawn round waits with a known block hash the sets are closed: who becomes free then, or wants to leave, is
/// put on a list that is worked off in order once they are open: by the end of the round, as far as that goes, then by
/// whoever calls `absorb`. Of the latter no event tells, so the list here may be longer than the contract's; whoever
/// knows the real length corrects it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    joined: BTreeMap<NodeId, Node>,
    classes: BTreeMap<ClassId, Class>,
    capacity: Capacity,
    counts: Counts,
    waiting: VecDeque<NodeId>,
}

impl Nodes {
    /// The node, unless it never joined.
    pub fn get(&self, node: NodeId) -> Option<&Node> {
        self.joined.get(&node)
    }

    /// All nodes that ever joined.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.joined.iter().map(|(id, node)| (*id, node))
    }

    /// All nodes of a status.
    pub fn with_status(&self, status: Status) -> impl Iterator<Item = NodeId> {
        self.iter().filter(move |(_, node)| node.status == status).map(|(id, _)| id)
    }

    /// The class, unless no node of it ever joined.
    pub fn class(&self, class: ClassId) -> Option<Class> {
        self.classes.get(&class).copied()
    }

    /// What can be drawn for.
    pub const fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// The counters.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// How many nodes wait for the sets to open.
    pub fn deferred(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn open_class(&mut self, class: ClassId, tier: Tier) -> Result<(), ViewError> {
        skipped("class", self.classes.len(), class.0)?;
        self.classes.insert(class, Class { tier, free: 0 });
        Ok(())
    }

    pub(super) fn join(&mut self, joined: &NodeJoined) -> Result<(), ViewError> {
        skipped("node", self.joined.len(), joined.node.0)?;
        let unknown = ViewError::UnknownClass { event: "NodeJoined", class: joined.class };
        let class = self.class(joined.class).ok_or(unknown)?;
        let node = Node {
            operator: joined.operator,
            key: joined.key,
            stake: joined.stake,
            class: joined.class,
            tier: class.tier,
            status: Status::None,
            intent: Intent::None,
            in_sets: false,
            deferred: false,
            score: None,
        };
        self.joined.insert(joined.node, node);
        self.counts.total += 1;
        Ok(())
    }

    pub(super) fn change_status(&mut self, id: NodeId, to: Status, closed: bool) -> Result<(), ViewError> {
        let from = self.known("StatusChanged", id)?.status;
        if !can_become(from, to) {
            return Err(ViewError::WrongStatus { node: id, from, to });
        }
        if to == Status::Busy {
            self.must_be_in_sets(id, from, to)?;
        }
        if to != Status::Free {
            self.leave_sets(id);
        }
        self.set_status(id, from, to);
        match to {
            Status::Free if closed => self.defer(id),
            Status::Free => self.enter_sets(id),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn change_intent(&mut self, id: NodeId, intent: Intent, closed: bool) -> Result<(), ViewError> {
        let status = self.known("IntentChanged", id)?.status;
        if intent != Intent::None && status == Status::Free && closed {
            // Only a node in the sets cannot leave at once.
            self.must_be_in_sets(id, status, status)?;
            self.defer(id);
        }
        if let Some(node) = self.joined.get_mut(&id) {
            node.intent = intent;
        }
        Ok(())
    }

    pub(super) fn withdraw_stake(&mut self, id: NodeId) -> Result<(), ViewError> {
        self.known("StakeWithdrawn", id)?;
        if let Some(node) = self.joined.get_mut(&id) {
            node.stake = 0;
        }
        Ok(())
    }

    pub(super) fn score(&mut self, id: NodeId, score: u16) -> Result<(), ViewError> {
        self.known("Scored", id)?;
        if let Some(node) = self.joined.get_mut(&id) {
            node.score = Some(score);
        }
        Ok(())
    }

    /// The last of a round's tasks had its turn: the sets are open and the first of those who wait are taken in.
    pub(super) fn end_round(&mut self, tasks: usize) {
        for _ in 0..tasks.min(ABSORB_TASKS) * ABSORB_PER_TASK {
            self.absorb_one();
        }
    }

    /// The contract's list has this length: those who are first on ours have been taken in.
    pub(super) fn shorten_list(&mut self, length: usize) {
        while self.waiting.len() > length {
            self.absorb_one();
        }
    }

    /// Takes the first who waits into the sets. One that wants to leave says so itself, one that is not free is let go.
    fn absorb_one(&mut self) {
        let Some(id) = self.waiting.pop_front() else { return };
        let Some(node) = self.joined.get_mut(&id) else { return };
        node.deferred = false;
        if node.status == Status::Free {
            self.enter_sets(id);
        }
    }

    /// A node that does what only a node in the sets can do was taken in unseen, with all who waited before it.
    fn must_be_in_sets(&mut self, id: NodeId, from: Status, to: Status) -> Result<(), ViewError> {
        while self.get(id).is_some_and(|node| !node.in_sets && node.deferred) {
            self.absorb_one();
        }
        let is_in_sets = self.get(id).is_some_and(|node| node.in_sets);
        if is_in_sets { Ok(()) } else { Err(ViewError::WrongStatus { node: id, from, to }) }
    }

    fn defer(&mut self, id: NodeId) {
        let Some(node) = self.joined.get_mut(&id) else { return };
        if !node.deferred {
            node.deferred = true;
            self.waiting.push_back(id);
        }
    }

    fn enter_sets(&mut self, id: NodeId) {
        let Some(node) = self.joined.get_mut(&id).filter(|node| !node.in_sets) else { return };
        node.in_sets = true;
        let (class, tier) = (node.class, node.tier);
        self.counts.free += 1;
        self.resize_class(class, tier, |free| free + 1);
    }

    fn leave_sets(&mut self, id: NodeId) {
        let Some(node) = self.joined.get_mut(&id).filter(|node| node.in_sets) else { return };
        node.in_sets = false;
        let (class, tier) = (node.class, node.tier);
        self.counts.free -= 1;
        self.resize_class(class, tier, |free| free - 1);
    }

    fn resize_class(&mut self, class: ClassId, tier: Tier, change: impl Fn(u32) -> u32) {
        let Some(class) = self.classes.get_mut(&class) else { return };
        let before = class.free;
        class.free = change(before);
        let Capacity { free, triples } = &mut self.capacity;
        free[tier.index()] = change(free[tier.index()]);
        triples[tier.index()] = triples[tier.index()] - before / 3 + class.free / 3;
    }

    /// Whoever stops being active or begins something new has nothing pending; one that is seated still may.
    fn set_status(&mut self, id: NodeId, from: Status, to: Status) {
        self.counts.active -= u32::from(is_active(from));
        self.counts.active += u32::from(is_active(to));
        self.counts.busy -= u32::from(from == Status::Busy);
        self.counts.busy += u32::from(to == Status::Busy);
        self.counts.total -= u32::from(to == Status::Gone);
        let Some(node) = self.joined.get_mut(&id) else { return };
        node.status = to;
        if to != Status::Busy && to != Status::Free {
            node.intent = Intent::None;
        }
    }

    fn known(&self, event: &'static str, node: NodeId) -> Result<&Node, ViewError> {
        self.get(node).ok_or(ViewError::UnknownNode { event, node })
    }
}

const fn is_active(status: Status) -> bool {
    matches!(status, Status::Free | Status::Busy)
}

/// Numbers are given out one after the other, from 1.
fn skipped(what: &'static str, known: usize, found: u32) -> Result<(), ViewError> {
    let expected = known as u64 + 1;
    if u64::from(found) == expected { Ok(()) } else { Err(ViewError::Skipped { what, expected, found: found.into() }) }
}
