use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use xenon_protocol::contracts::{Intent, Status};

use super::{Capacity, Case, Class, Counts, Node, ViewError, node::can_become};
use crate::{ClassId, NodeId, NodeJoined, TaskId, Tier};

/// The nodes, and which of them can be chosen. Mirrors `contracts/libraries/NodePool.sol`.
///
/// While a drawn round waits with a known block hash the sets are closed: who becomes free then, or wants to leave, waits
/// until they are open and somebody, the end of the round or a call of `absorb`, settles it. Floors and openness of
/// classes do not change meanwhile either.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nodes {
    joined: BTreeMap<NodeId, Node>,
    classes: BTreeMap<ClassId, Class>,
    capacity: Capacity,
    counts: Counts,
    waiting: BTreeSet<NodeId>,
    frozen: BTreeSet<NodeId>,
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

    /// The cases of the nodes that are frozen.
    pub fn cases(&self) -> impl Iterator<Item = (NodeId, Case)> {
        self.frozen.iter().filter_map(|id| Some((*id, self.get(*id)?.case?)))
    }

    /// The class, unless no node of it ever joined.
    pub fn class(&self, class: ClassId) -> Option<Class> {
        self.classes.get(&class).copied()
    }

    /// All classes of which a node ever joined.
    pub fn classes(&self) -> impl Iterator<Item = (ClassId, Class)> {
        self.classes.iter().map(|(id, class)| (*id, *class))
    }

    /// What can be drawn for.
    pub const fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// The counters.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// How many nodes are to be settled once the sets are open: free and not in the sets, or in them and about to leave.
    pub fn deferred(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn open_class(&mut self, class: ClassId, tier: Tier) -> Result<(), ViewError> {
        skipped("class", self.classes.len(), class.0)?;
        self.classes.insert(class, Class::new(tier));
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
            score: None,
            case: None,
        };
        self.joined.insert(joined.node, node);
        self.counts.total += 1;
        Ok(())
    }

    pub(super) fn change_status(&mut self, id: NodeId, to: Status, closed: bool) -> Result<(), ViewError> {
        let node = self.known("StatusChanged", id)?;
        let (from, in_sets, class) = (node.status, node.in_sets, node.class);
        if !can_become(from, to) || (to == Status::Busy && !in_sets) {
            return Err(ViewError::WrongStatus { node: id, from, to });
        }
        if to != Status::Free {
            self.leave_sets(id);
        }
        self.count(class, from, to, closed);
        self.set_status(id, to);
        if to == Status::Free && !closed {
            self.enter_sets(id);
        }
        self.note_waiting(id);
        Ok(())
    }

    pub(super) fn change_intent(&mut self, id: NodeId, intent: Intent) -> Result<(), ViewError> {
        let node = self.known_mut("IntentChanged", id)?;
        if intent != Intent::None && node.status == Status::Free && !node.in_sets {
            // Only a node in the sets cannot leave at once.
            return Err(ViewError::WrongStatus { node: id, from: node.status, to: node.status });
        }
        node.intent = intent;
        self.note_waiting(id);
        Ok(())
    }

    /// A node that waited for the sets to open stands in them.
    pub(super) fn absorb(&mut self, id: NodeId) -> Result<(), ViewError> {
        let node = self.known("NodeAbsorbed", id)?;
        if node.status != Status::Free || node.in_sets {
            return Err(ViewError::WrongStatus { node: id, from: node.status, to: Status::Free });
        }
        self.enter_sets(id);
        self.note_waiting(id);
        Ok(())
    }

    /// Floor and openness of a class were looked at anew.
    pub(super) fn review(&mut self, id: ClassId, open: bool) -> Result<(), ViewError> {
        if self.class(id).is_none() {
            return Err(ViewError::UnknownClass { event: "ClassReviewed", class: id });
        }
        self.change_class(id, true, |_| {});
        let known = self.class(id).is_some_and(|class| class.open);
        if known == open { Ok(()) } else { Err(ViewError::WrongReview { class: id, known, found: open }) }
    }

    pub(super) fn set_stake(&mut self, event: &'static str, id: NodeId, stake: u128) -> Result<(), ViewError> {
        self.known_mut(event, id)?.stake = stake;
        Ok(())
    }

    pub(super) fn score(&mut self, id: NodeId, score: u16) -> Result<(), ViewError> {
        self.known_mut("Scored", id)?.score = Some(score);
        Ok(())
    }

    pub(super) fn open_case(&mut self, id: NodeId, task: TaskId, until: u64) -> Result<(), ViewError> {
        self.known_mut("CaseOpened", id)?.case = Some(Case { task, until, appealed: false });
        Ok(())
    }

    pub(super) fn appeal(&mut self, id: NodeId, until: u64) -> Result<(), ViewError> {
        let node = self.known_mut("Appealed", id)?;
        node.case = node.case.map(|case| Case { until, appealed: true, ..case });
        Ok(())
    }

    /// What is left when a node no longer waits for the sets to open, or begins to.
    fn note_waiting(&mut self, id: NodeId) {
        let waits = |node: &Node| node.status == Status::Free && (!node.in_sets || node.intent != Intent::None);
        if self.get(id).is_some_and(waits) {
            self.waiting.insert(id);
        } else {
            self.waiting.remove(&id);
        }
    }

    fn enter_sets(&mut self, id: NodeId) {
        let Some(node) = self.joined.get_mut(&id).filter(|node| !node.in_sets) else { return };
        node.in_sets = true;
        let class = node.class;
        self.counts.free += 1;
        self.change_class(class, true, |class| class.free += 1);
    }

    fn leave_sets(&mut self, id: NodeId) {
        let Some(node) = self.joined.get_mut(&id).filter(|node| node.in_sets) else { return };
        node.in_sets = false;
        let class = node.class;
        self.counts.free -= 1;
        self.change_class(class, false, |class| class.free -= 1);
    }

    /// Counts a change of status. A change of the active nodes has the class looked at while the sets are open.
    fn count(&mut self, class: ClassId, from: Status, to: Status, closed: bool) {
        self.counts.busy -= u32::from(from == Status::Busy);
        self.counts.busy += u32::from(to == Status::Busy);
        self.counts.total -= u32::from(matches!(to, Status::Gone | Status::Slashed));
        match (is_active(from), is_active(to)) {
            (false, true) => {
                self.counts.active += 1;
                self.change_class(class, !closed, |class| class.active += 1);
            }
            (true, false) => {
                self.counts.active -= 1;
                self.change_class(class, !closed, |class| class.active -= 1);
            }
            _ => {}
        }
    }

    fn change_class(&mut self, id: ClassId, assess: bool, change: impl FnOnce(&mut Class)) {
        let Some(class) = self.classes.get_mut(&id) else { return };
        let before = *class;
        change(class);
        if assess {
            *class = class.assessed(self.counts.active);
        }
        let (after, at) = (*class, before.tier.index());
        let Capacity { free, active, servable } = &mut self.capacity;
        free[at] = free[at] - before.free + after.free;
        active[at] = active[at] - before.active + after.active;
        servable[at] = servable[at] - before.servable() + after.servable();
    }

    /// Whoever stops being active or begins something new has nothing pending; one that is seated still may.
    fn set_status(&mut self, id: NodeId, to: Status) {
        let Some(node) = self.joined.get_mut(&id) else { return };
        node.status = to;
        if to != Status::Busy && to != Status::Free {
            node.intent = Intent::None;
        }
        if to == Status::Frozen {
            self.frozen.insert(id);
        } else if self.frozen.remove(&id) {
            node.case = None;
        }
    }

    fn known(&self, event: &'static str, node: NodeId) -> Result<&Node, ViewError> {
        self.get(node).ok_or(ViewError::UnknownNode { event, node })
    }

    fn known_mut(&mut self, event: &'static str, node: NodeId) -> Result<&mut Node, ViewError> {
        self.joined.get_mut(&node).ok_or(ViewError::UnknownNode { event, node })
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
