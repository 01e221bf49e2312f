use std::{cmp::Reverse, collections::BTreeMap, ops::Bound};

use serde::{Deserialize, Serialize};
use xenon_protocol::value::Level;

/// The ends of a level.
const FIRST: i64 = -LAST - 1;
const LAST: i64 = (1 << 47) - 1;

/// A place in a [`PriceTimeQueue`]. The place that is served first is the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    level: Reverse<Level>,
    /// Order inside the level, of 48 bits: a million entries a second for four years without the level ever being empty.
    /// Who comes back to the front gets a number below all others.
    turn: (i16, u32),
}

impl Slot {
    /// The price level.
    pub const fn level(self) -> Level {
        self.level.0
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the high and the low word")]
    const fn new(level: Level, turn: i64) -> Self {
        Self { level: Reverse(level), turn: ((turn >> u32::BITS) as i16, turn as u32) }
    }

    const fn turn(self) -> i64 {
        ((self.turn.0 as i64) << u32::BITS) | self.turn.1 as i64
    }
}

/// A price-time priority queue: first the highest level, inside a level first come first served.
///
/// The contracts' `OrderBook` in other words: a sorted map instead of a bitmap and lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceTimeQueue<T> {
    entries: BTreeMap<Slot, T>,
}

impl<T> PriceTimeQueue<T> {
    /// Adds an entry behind all others of its level.
    pub fn push_back(&mut self, level: Level, entry: T) -> Slot {
        let turn = self.turns(level).next_back().map_or(0, |last| last + 1);
        self.put(Slot::new(level, turn), entry)
    }

    /// Puts an entry before all others of its level.
    pub fn push_front(&mut self, level: Level, entry: T) -> Slot {
        let turn = self.turns(level).next().map_or(0, |first| first - 1);
        self.put(Slot::new(level, turn), entry)
    }

    /// Takes the entry at a place out.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        self.entries.remove(&slot)
    }

    /// The entry that is served first, and its place.
    pub fn first(&self) -> Option<(Slot, &T)> {
        self.iter().next()
    }

    /// The entry that is served after the one at a place.
    pub fn after(&self, slot: Slot) -> Option<(Slot, &T)> {
        let behind = (Bound::Excluded(slot), Bound::Unbounded);
        self.entries.range(behind).next().map(|(slot, entry)| (*slot, entry))
    }

    /// The highest level in use.
    pub fn top(&self) -> Option<Level> {
        self.first().map(|(slot, _)| slot.level())
    }

    /// All entries in the order of service.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Slot, &T)> {
        self.entries.iter().map(|(slot, entry)| (*slot, entry))
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    fn turns(&self, level: Level) -> impl DoubleEndedIterator<Item = i64> {
        self.entries.range(Slot::new(level, FIRST)..=Slot::new(level, LAST)).map(|(slot, _)| slot.turn())
    }

    fn put(&mut self, slot: Slot, entry: T) -> Slot {
        self.entries.insert(slot, entry);
        slot
    }
}

impl<T> Default for PriceTimeQueue<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Back(u16),
        Front(u16),
        Remove(usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![(1..5u16).prop_map(Op::Back), (1..5u16).prop_map(Op::Front), any::<usize>().prop_map(Op::Remove)]
    }

    #[test]
    fn what_was_taken_out_is_not_there_to_be_taken_again() {
        let mut queue = PriceTimeQueue::default();
        let slot = queue.push_back(Level(3), 'a');
        assert_eq!(queue.remove(slot), Some('a'));
        assert_eq!(queue.remove(slot), None);
        assert_eq!(queue.top(), None);
    }

    proptest! {
        #[test]
        fn places_are_ordered_by_level_and_then_by_turn(
            a in (any::<u16>(), FIRST..=LAST), b in (any::<u16>(), FIRST..=LAST), near in -2..=2i64,
        ) {
            let slot = |(level, turn)| Slot::new(Level(level), turn);
            let key = |(level, turn): (u16, i64)| (Reverse(level), turn);
            for b in [b, (a.0, (a.1 + near).clamp(FIRST, LAST)), (a.0, near)] {
                prop_assert_eq!(slot(a).cmp(&slot(b)), key(a).cmp(&key(b)));
                prop_assert_eq!(slot(b).turn(), b.1);
            }
        }

        /// Against one list for each level.
        #[test]
        fn serves_the_highest_level_and_inside_it_first_come(ops in prop::collection::vec(op(), 1..200)) {
            let mut queue = PriceTimeQueue::default();
            let mut lists: BTreeMap<Reverse<u16>, VecDeque<(Slot, usize)>> = BTreeMap::new();
            for (id, op) in ops.into_iter().enumerate() {
                match op {
                    Op::Back(level) => {
                        let slot = queue.push_back(Level(level), id);
                        lists.entry(Reverse(level)).or_default().push_back((slot, id));
                    }
                    Op::Front(level) => {
                        let slot = queue.push_front(Level(level), id);
                        lists.entry(Reverse(level)).or_default().push_front((slot, id));
                    }
                    Op::Remove(nth) if !queue.is_empty() => {
                        let (slot, id) = lists.values().flatten().copied().nth(nth % queue.len()).unwrap();
                        prop_assert_eq!(queue.remove(slot), Some(id));
                        for list in lists.values_mut() {
                            list.retain(|entry| entry.1 != id);
                        }
                    }
                    Op::Remove(_) => {}
                }
                let served: Vec<_> = queue.iter().map(|(slot, id)| (slot, *id)).collect();
                let expected: Vec<_> = lists.values().flatten().copied().collect();
                let walked = std::iter::successors(queue.first(), |(slot, _)| queue.after(*slot));
                prop_assert_eq!(walked.map(|(slot, id)| (slot, *id)).collect::<Vec<_>>(), served.clone());
                prop_assert_eq!(served, expected);
            }
        }
    }
}
