use std::collections::BTreeMap;

use crate::{
    ClassId, Tier,
    view::{Capacity, Class, Nodes, floor_of},
};

/// Nodes a task takes.
pub(super) const SEATS: u32 = 3;

/// What can still be served while a round is being drawn. Mirrors `contracts/libraries/Servable.sol`.
///
/// An estimate, there as here: the real choice follows in a later block and may fail.
#[derive(Clone, Debug)]
pub(super) struct Servable<'a> {
    capacity: Capacity,
    /// Tasks of this round of that class.
    taken: BTreeMap<ClassId, u32>,
    /// The class whose nodes are kept for one task.
    held: Option<ClassId>,
    /// Where classes look up their free nodes; `None` if there are nodes for everything.
    nodes: Option<&'a Nodes>,
}

/// Whether a class has nodes for one more task that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Supply {
    /// It has.
    Ready,
    /// It has as many free nodes as its floor asks for, but others will take them.
    SpokenFor,
    /// It has fewer.
    Lacking,
}

impl<'a> Servable<'a> {
    /// With the nodes that are free now.
    pub(super) const fn of(nodes: &'a Nodes) -> Self {
        Self { capacity: nodes.capacity(), taken: BTreeMap::new(), held: None, nodes: Some(nodes) }
    }

    /// With nodes for everything.
    pub(super) const fn endless() -> Self {
        let plenty = [u32::MAX; Tier::COUNT];
        let capacity = Capacity { free: plenty, active: [0; Tier::COUNT], servable: plenty };
        Self { capacity, taken: BTreeMap::new(), held: None, nodes: None }
    }

    /// The tiers such that they and all higher ones together have as many free nodes as their floor asks for: their books
    /// can be served.
    pub(super) fn for_any(&self) -> [bool; Tier::COUNT] {
        let (mut free, mut active, mut enough) = (0u32, 0u32, false);
        let mut mask = [false; Tier::COUNT];
        for at in (0..Tier::COUNT).rev() {
            free = free.saturating_add(self.capacity.free[at]);
            active = active.saturating_add(self.capacity.active[at]);
            if self.is_used(at) {
                enough = free >= floor_of(active);
            }
            mask[at] = enough;
        }
        mask
    }

    /// The tiers such that an open class of them or a higher one can serve a task of one class.
    pub(super) fn for_one_class(&self) -> [bool; Tier::COUNT] {
        let top = self.capacity.servable.iter().rposition(|tasks| *tasks != 0);
        std::array::from_fn(|at| top.is_some_and(|top| at <= top))
    }

    /// Free nodes of a tier and all higher ones.
    pub(super) fn free_from(&self, tier: Tier) -> u32 {
        self.capacity.free[tier.index()..].iter().fold(0, |sum, free| sum.saturating_add(*free))
    }

    /// The floor of a tier and all higher ones together.
    fn floor_from(&self, tier: Tier) -> u32 {
        floor_of(self.capacity.active[tier.index()..].iter().fold(0, |sum, active| sum.saturating_add(*active)))
    }

    /// Whether one more task that names the class can be served.
    pub(super) fn supply(&self, id: ClassId) -> Supply {
        let Some(nodes) = self.nodes else { return Supply::Ready };
        let Some(class) = nodes.class(id) else { return Supply::Lacking };
        if class.free < class.floor {
            Supply::Lacking
        } else if self.held == Some(id) || class.free < class.floor + SEATS * self.taken_of(id) {
            Supply::SpokenFor
        } else {
            Supply::Ready
        }
    }

    /// Whether vacated seats of a task can be given to other nodes: as many free nodes as seats, those that were let go
    /// (they may be free, and are passed over), and as many more as the floor asks for beyond the three of a task.
    pub(super) fn can_refill(&self, tier: Tier, class: Option<ClassId>, seats: u32) -> bool {
        let enough = |free: u32, wanted: u32| free.saturating_add(SEATS) >= 2 * seats + wanted;
        let Some(id) = class else { return enough(self.free_from(tier), self.floor_from(tier)) };
        let Some(class) = self.nodes.and_then(|nodes| nodes.class(id)) else { return false };
        self.held != Some(id) && enough(class.free, class.floor + SEATS * self.taken_of(id))
    }

    /// Leaves the free nodes of a reserved class out of what any other task may have. Returns whether they are enough for
    /// the task it is reserved for.
    pub(super) fn hold(&mut self, id: ClassId) -> bool {
        let Some(class) = self.nodes.and_then(|nodes| nodes.class(id)) else { return false };
        let is_ready = self.supply(id) == Supply::Ready;
        self.held = Some(id);
        let at = class.tier.index();
        let free = self.capacity.free[at].saturating_sub(class.free);
        self.set(at, free, self.capacity.servable[at].saturating_sub(Class::servable(&class)));
        is_ready
    }

    /// Takes nodes of the lowest suitable tiers from `tier` on, as one class if the task needs that.
    pub(super) fn take(&mut self, tier: Tier, class: Option<ClassId>, one_class: bool, seats: u32) {
        if self.nodes.is_none() {
            return;
        }
        if let Some(class) = class {
            *self.taken.entry(class).or_default() += 1;
        }
        let mut wanted = seats;
        for at in tier.index()..Tier::COUNT {
            wanted -= self.take_from(at, wanted, one_class);
        }
    }

    /// Takes up to `wanted` nodes of one tier and returns how many.
    fn take_from(&mut self, at: usize, wanted: u32, one_class: bool) -> u32 {
        let (free, servable) = (self.capacity.free[at], self.capacity.servable[at]);
        if wanted == 0 || !self.is_used(at) || (one_class && servable == 0) {
            return 0;
        }
        let here = wanted.min(free);
        self.set(at, free - here, servable - u32::from(one_class));
        here
    }

    /// No more tasks of one class than a third of the free nodes.
    fn set(&mut self, at: usize, free: u32, servable: u32) {
        self.capacity.free[at] = free;
        self.capacity.servable[at] = if servable.saturating_mul(SEATS) > free { free / SEATS } else { servable };
    }

    fn taken_of(&self, class: ClassId) -> u32 {
        self.taken.get(&class).copied().unwrap_or_default()
    }

    /// Whether the tier has active nodes, or there are nodes for everything.
    fn is_used(&self, at: usize) -> bool {
        self.capacity.free[at] != 0 || self.capacity.active[at] != 0 || self.capacity.servable[at] != 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::fixture::Network;

    /// Nodes of no class, in numbers of the test's choice.
    static NODES: LazyLock<Nodes> = LazyLock::new(Nodes::default);

    fn with(free: &[(usize, u32)], servable: &[(usize, u32)]) -> Servable<'static> {
        let mut left = Servable::of(&NODES);
        for (tier, count) in free {
            left.capacity.free[*tier] = *count;
            left.capacity.active[*tier] = *count;
        }
        for (tier, count) in servable {
            left.capacity.servable[*tier] = *count;
        }
        left
    }

    fn up_to(top: Option<usize>) -> [bool; Tier::COUNT] {
        std::array::from_fn(|at| top.is_some_and(|top| at <= top))
    }

    #[test]
    fn two_nodes_serve_nobody() {
        let left = with(&[(3, 1), (9, 1)], &[]);
        assert_eq!((left.for_any(), left.for_one_class()), (up_to(None), up_to(None)));
    }

    #[test]
    fn nodes_of_larger_tiers_serve_smaller_needs() {
        let left = with(&[(3, 1), (9, 2), (12, 1)], &[]);
        assert_eq!(left.for_any(), up_to(Some(9)));
        assert_eq!(left.for_one_class(), up_to(None));
        assert_eq!(with(&[(9, 4)], &[(9, 1)]).for_one_class(), up_to(Some(9)));
    }

    #[test]
    fn many_busy_nodes_raise_the_floor_of_their_tier_and_the_lower_ones() {
        let mut left = with(&[(2, 1), (5, 4), (9, 3)], &[]);
        left.capacity.active[5] = 100;
        let mask = left.for_any();
        assert!(mask[9] && mask[6], "three of three");
        assert!(!mask[5] && !mask[0], "seven and eight of more than a hundred");
    }

    #[test]
    fn lowest_suitable_tier_is_used_up_first() {
        let mut left = with(&[(3, 2), (9, 5)], &[(9, 1)]);
        left.take(Tier::default(), None, false, 3);
        assert_eq!((left.capacity.free[3], left.capacity.free[9]), (0, 4));
        left.take(Tier::default(), None, true, 3);
        assert_eq!((left.capacity.free[9], left.capacity.servable[9]), (1, 0));
    }

    #[test]
    fn taking_nodes_of_any_class_breaks_up_groups_of_one() {
        let mut left = with(&[(9, 7)], &[(9, 2)]);
        left.take(Tier::default(), None, false, 3);
        assert_eq!((left.capacity.free[9], left.capacity.servable[9]), (4, 1));
        left.take(Tier::default(), None, false, 2);
        assert_eq!(left.for_one_class(), up_to(None));
    }

    #[test]
    fn refill_takes_as_many_free_nodes_as_seats_and_those_let_go_above_the_floor() {
        let can_refill = |active, free, seats| {
            let mut left = with(&[(3, 9), (9, free)], &[]);
            left.capacity.active[9] = active;
            left.can_refill(Tier::new(5).unwrap(), None, seats)
        };
        for (active, free, seats) in [(18, 2, 1), (18, 4, 2), (35, 4, 1), (35, 6, 2), (1_000, 31, 1)] {
            assert!(can_refill(active, free, seats), "{free} of {active} for {seats}");
            assert!(!can_refill(active, free - 1, seats), "{free} of {active} but one for {seats}");
        }
    }

    #[test]
    fn refill_in_a_class_leaves_what_its_other_tasks_and_its_floor_ask_for() {
        let network = Network::with_classes(&[6, 35]);
        let (small, large) = (Some(ClassId(1)), Some(ClassId(2)));
        let mut left = Servable::of(network.view.nodes());
        let tier = Tier::default();
        assert!(left.can_refill(tier, small, 2) && left.can_refill(tier, large, 2));
        left.take(tier, small, true, 1);
        assert!(left.can_refill(tier, small, 1) && !left.can_refill(tier, small, 2), "three of six are spoken for");
        for taken in 0..10 {
            assert!(left.can_refill(tier, large, 1), "{taken}");
            left.take(tier, large, true, 3);
        }
        assert!(left.can_refill(tier, large, 1), "ten tasks leave five, the floor keeps two and one seat needs two");
        assert!(!left.can_refill(tier, large, 2));
        left.hold(ClassId(1));
        assert!(!left.can_refill(tier, small, 1), "it is kept for another");
        assert!(!left.can_refill(tier, Some(ClassId(3)), 1), "it does not exist");
    }

    #[test]
    fn class_without_nodes_is_lacking_unless_there_are_nodes_for_everything() {
        assert_eq!(with(&[(0, 9)], &[]).supply(ClassId(1)), Supply::Lacking);
        assert_eq!(Servable::endless().supply(ClassId(1)), Supply::Ready);
    }
}
