//! What happens when: one queue, ordered by time and then by when an entry was made.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Milliseconds since the Unix epoch.
pub type Millis = u64;

/// Entries that are due at a time.
#[derive(Clone, Debug)]
pub struct Agenda<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    made: u64,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    at: Millis,
    number: u64,
    what: T,
}

impl<T> Entry<T> {
    const fn key(&self) -> (Millis, u64) {
        (self.at, self.number)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), made: 0 }
    }
}

impl<T> Agenda<T> {
    /// Enters something.
    pub fn enter(&mut self, at: Millis, what: T) {
        self.made += 1;
        self.heap.push(Reverse(Entry { at, number: self.made, what }));
    }

    /// Takes out the earliest entry if it is due at `now`, with the time it was entered for.
    pub fn due(&mut self, now: Millis) -> Option<(Millis, T)> {
        if self.heap.peek()?.0.at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }

    /// Entries that are not due yet.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_due_before_its_time() {
        let mut agenda = Agenda::default();
        agenda.enter(5, "a");
        assert_eq!((agenda.due(4), agenda.len()), (None, 1));
        assert_eq!((agenda.due(5), agenda.is_empty()), (Some((5, "a")), true));
    }

    proptest! {
        #[test]
        fn entries_come_by_time_and_equals_in_the_order_they_were_made(times in prop::collection::vec(0_u64..20, 0..60)) {
            let mut agenda = Agenda::default();
            for (number, at) in times.iter().enumerate() {
                agenda.enter(*at, number);
            }
            let mut expected: Vec<_> = times.iter().copied().enumerate().map(|(number, at)| (at, number)).collect();
            expected.sort_unstable();
            let came: Vec<_> = std::iter::from_fn(|| agenda.due(20)).collect();
            prop_assert_eq!(came, expected);
        }
    }
}
