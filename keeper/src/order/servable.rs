use std::collections::BTreeMap;

use crate::{
    ClassId, Tier,
    view::{Capacity, Nodes},
};

/// Nodes a task takes.
const SEATS: u32 = 3;

/// What can still be served while a round is being drawn. Mirrors `contracts/libraries/Servable.sol`.
///
/// An estimate, there as here: the real choice follows in a later block and may fail.
#[derive(Clone, Debug)]
pub(super) struct Servable<'a> {
    capacity: Capacity,
    /// Tasks of this round that name a class.
    taken: BTreeMap<ClassId, u32>,
    /// Where classes look up their free nodes; `None` if there are nodes for everything.
    nodes: Option<&'a Nodes>,
}

/// Whether a class has three nodes for one more task that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Supply {
    /// It has.
    Ready,
    /// It has three free nodes, but earlier tasks of this round will take them.
    SpokenFor,
    /// It has no three free nodes.
    Lacking,
}

impl<'a> Servable<'a> {
    /// With the nodes that are free now.
    pub(super) const fn of(nodes: &'a Nodes) -> Self {
        Self { capacity: nodes.capacity(), taken: BTreeMap::new(), nodes: Some(nodes) }
    }

    /// With nodes for everything.
    pub(super) const fn endless() -> Self {
        let plenty = [u32::MAX; Tier::COUNT];
        Self { capacity: Capacity { free: plenty, triples: plenty }, taken: BTreeMap::new(), nodes: None }
    }

    /// The highest tier from which on three nodes are free: books of it and of lower tiers can be served.
    pub(super) fn top_for_any(&self) -> Option<Tier> {
        let mut free = 0u32;
        Tier::all().rev().find(|tier| {
            free = free.saturating_add(self.capacity.free[tier.index()]);
            free >= SEATS
        })
    }

    /// The highest tier with three free nodes of one class: books of it and of lower tiers can be served.
    pub(super) fn top_for_one_class(&self) -> Option<Tier> {
        Tier::all().rev().find(|tier| self.capacity.triples[tier.index()] != 0)
    }

    /// Whether one more task that names the class can be served.
    pub(super) fn supply(&self, class: ClassId) -> Supply {
        let Some(nodes) = self.nodes else { return Supply::Ready };
        let free = nodes.class(class).map_or(0, |class| class.free);
        let taken = self.taken.get(&class).copied().unwrap_or_default();
        if free < SEATS {
            Supply::Lacking
        } else if free < SEATS * (taken + 1) {
            Supply::SpokenFor
        } else {
            Supply::Ready
        }
    }

    /// Takes three nodes of the lowest suitable tiers from `tier` on, as one class if the task needs that.
    pub(super) fn take(&mut self, tier: Tier, required: Option<ClassId>, one_class: bool) {
        if self.nodes.is_none() {
            return;
        }
        if let Some(class) = required {
            *self.taken.entry(class).or_default() += 1;
        }
        let mut wanted = SEATS;
        for at in tier.index()..Tier::COUNT {
            wanted -= self.take_from(at, wanted, one_class);
        }
    }

    /// Takes up to `wanted` nodes of one tier and returns how many.
    fn take_from(&mut self, at: usize, wanted: u32, one_class: bool) -> u32 {
        let (free, triples) = (&mut self.capacity.free[at], &mut self.capacity.triples[at]);
        if wanted == 0 || (one_class && *triples == 0) {
            return 0;
        }
        let here = wanted.min(*free);
        *free -= here;
        *triples -= u32::from(one_class);
        *triples = (*triples).min(*free / SEATS);
        here
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    /// Nodes of no class, in numbers of the test's choice.
    static NODES: LazyLock<Nodes> = LazyLock::new(Nodes::default);

    fn with(free: &[(usize, u32)], triples: &[(usize, u32)]) -> Servable<'static> {
        let mut left = Servable::of(&NODES);
        for (tier, count) in free {
            left.capacity.free[*tier] = *count;
        }
        for (tier, count) in triples {
            left.capacity.triples[*tier] = *count;
        }
        left
    }

    fn tier(number: u8) -> Option<Tier> {
        Tier::new(number)
    }

    #[test]
    fn two_nodes_serve_nobody() {
        let left = with(&[(3, 1), (9, 1)], &[]);
        assert_eq!((left.top_for_any(), left.top_for_one_class()), (None, None));
    }

    #[test]
    fn nodes_of_larger_tiers_serve_smaller_needs() {
        let left = with(&[(3, 1), (9, 2), (12, 1)], &[]);
        assert_eq!(left.top_for_any(), tier(9));
        assert_eq!(left.top_for_one_class(), None);
        assert_eq!(with(&[(9, 4)], &[(9, 1)]).top_for_one_class(), tier(9));
    }

    #[test]
    fn lowest_suitable_tier_is_used_up_first() {
        let mut left = with(&[(3, 2), (9, 5)], &[(9, 1)]);
        left.take(Tier::default(), None, false);
        assert_eq!((left.capacity.free[3], left.capacity.free[9]), (0, 4));
        left.take(Tier::default(), None, true);
        assert_eq!((left.capacity.free[9], left.capacity.triples[9]), (1, 0));
    }

    #[test]
    fn taking_nodes_of_any_class_breaks_up_groups_of_one() {
        let mut left = with(&[(9, 7)], &[(9, 2)]);
        left.take(Tier::default(), None, false);
        assert_eq!((left.capacity.free[9], left.capacity.triples[9]), (4, 1));
        left.take(Tier::default(), None, false);
        assert_eq!(left.top_for_one_class(), None);
    }

    #[test]
    fn class_without_nodes_is_lacking_unless_there_are_nodes_for_everything() {
        assert_eq!(with(&[(0, 9)], &[]).supply(ClassId(1)), Supply::Lacking);
        assert_eq!(Servable::endless().supply(ClassId(1)), Supply::Ready);
    }
}
