use std::{cmp::Reverse, collections::BTreeMap};

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

use crate::Event;

/// Keepers of whom is remembered that they were seen.
const REMEMBERED: usize = 16;

/// Who turned the crank lately: the accounts that were paid for seating tasks, and the block in which each last did.
///
/// Whoever only advances tasks does not count: nodes in a hurry do that for themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keepers {
    seen: BTreeMap<Address, u64>,
}

impl Keepers {
    /// Those seen in that block or a later one, in the order of their addresses.
    pub fn since(&self, block: u64) -> impl Iterator<Item = Address> {
        self.seen.iter().filter(move |(_, seen)| **seen >= block).map(|(keeper, _)| *keeper)
    }

    pub(super) fn happen(&mut self, event: &Event, block: u64) {
        if let Event::TaskSeated { keeper, .. } | Event::SeatsRefilled { keeper, .. } = event {
            self.note(*keeper, block);
        }
    }

    fn note(&mut self, keeper: Address, block: u64) {
        self.seen.insert(keeper, block);
        if self.seen.len() > REMEMBERED {
            let longest_ago = self.seen.iter().max_by_key(|(keeper, seen)| (Reverse(**seen), **keeper));
            let forgotten = longest_ago.map(|(keeper, _)| *keeper);
            forgotten.and_then(|keeper| self.seen.remove(&keeper));
        }
    }
}

#[cfg(test)]
impl FromIterator<(Address, u64)> for Keepers {
    fn from_iter<I: IntoIterator<Item = (Address, u64)>>(seen: I) -> Self {
        let mut keepers = Self::default();
        seen.into_iter().for_each(|(keeper, block)| keepers.note(keeper, block));
        keepers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeper_not_seen_for_long_is_not_among_those_seen_lately() {
        let [first, second] = [1, 2].map(Address::with_last_byte);
        let keepers: Keepers = [(first, 10), (second, 20), (first, 12)].into_iter().collect();
        assert_eq!(keepers.since(12).collect::<Vec<_>>(), [first, second]);
        assert_eq!(keepers.since(13).collect::<Vec<_>>(), [second]);
        assert_eq!(keepers.since(21).count(), 0);
    }

    #[test]
    fn crowd_does_not_grow_what_is_remembered_and_the_longest_unseen_is_forgotten() {
        let crowd = (0..100u8).map(|number| (Address::with_last_byte(number), number.into()));
        let keepers: Keepers = crowd.collect();
        assert_eq!(keepers.since(0).count(), REMEMBERED);
        assert_eq!(keepers.since(0).next(), Some(Address::with_last_byte(84)));
    }
}
