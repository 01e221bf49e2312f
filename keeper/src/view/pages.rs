use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Task;
use crate::TaskId;

/// Tasks of one page at most, a bit each.
const PAGE: u64 = u64::BITS as u64;

/// Tasks by number. Neighbours lie beside each other, and who is not there takes no room: a page holds those of its 64
/// tasks that live, in order, and a bit for each says which they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pages {
    pages: BTreeMap<u64, Page>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    present: u64,
    tasks: Vec<Task>,
}

impl Pages {
    pub(super) fn get(&self, id: TaskId) -> Option<&Task> {
        let page = self.pages.get(&(id.0 / PAGE))?;
        page.tasks.get(page.place(id)?)
    }

    pub(super) fn get_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        let page = self.pages.get_mut(&(id.0 / PAGE))?;
        let place = page.place(id)?;
        page.tasks.get_mut(place)
    }

    /// All of them, the lowest number first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        self.pages.iter().flat_map(|(number, page)| page.ids(*number).zip(&page.tasks))
    }

    /// Puts a task at its number, in the place of one that is there.
    pub(super) fn insert(&mut self, id: TaskId, task: Task) {
        self.pages.entry(id.0 / PAGE).or_default().insert(id, task);
    }

    pub(super) fn remove(&mut self, id: TaskId) -> Option<Task> {
        let number = id.0 / PAGE;
        let page = self.pages.get_mut(&number)?;
        let place = page.place(id)?;
        page.present &= !bit(id);
        let task = page.tasks.remove(place);
        page.give_back_room();
        if page.tasks.is_empty() {
            self.pages.remove(&number);
        }
        Some(task)
    }
}

impl Page {
    fn place(&self, id: TaskId) -> Option<usize> {
        (self.present & bit(id) != 0).then(|| self.rank(id))
    }

    /// How many of its tasks have lower numbers.
    fn rank(&self, id: TaskId) -> usize {
        (self.present & (bit(id) - 1)).count_ones() as usize
    }

    fn insert(&mut self, id: TaskId, task: Task) {
        if let Some(place) = self.place(id) {
            self.tasks[place] = task;
        } else {
            self.tasks.insert(self.rank(id), task);
            self.present |= bit(id);
        }
    }

    /// Most tasks end long before the few that nobody can serve.
    fn give_back_room(&mut self) {
        if self.tasks.len() * 4 <= self.tasks.capacity() {
            self.tasks.shrink_to(self.tasks.len() * 2);
        }
    }

    fn ids(&self, number: u64) -> impl Iterator<Item = TaskId> {
        let present = self.present;
        (0..PAGE).filter(move |at| present >> at & 1 != 0).map(move |at| TaskId(number * PAGE + at))
    }
}

/// Its bit in its page.
const fn bit(id: TaskId) -> u64 {
    1 << (id.0 % PAGE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::Network;

    fn task() -> Task {
        let mut network = Network::new();
        let id = network.create(0, None, 5);
        network.view.tasks().get(id).unwrap().clone()
    }

    #[test]
    fn a_queued_task_takes_no_more_than_128_bytes_of_a_page() {
        assert!(size_of::<Task>() <= 128, "{}", size_of::<Task>());
    }

    proptest! {
        /// Against a map.
        #[test]
        fn pages_hold_what_was_put_in_and_not_taken_out(ops in prop::collection::vec((0..200u64, 0..3u8), 1..300)) {
            let (mut pages, mut map) = (Pages::default(), BTreeMap::new());
            for (size, (id, op)) in (0..).zip(ops) {
                let task = Task { size, ..task() };
                if op == 0 {
                    prop_assert_eq!(pages.remove(TaskId(id)), map.remove(&TaskId(id)));
                } else {
                    pages.insert(TaskId(id), task.clone());
                    map.insert(TaskId(id), task);
                }
                prop_assert_eq!(pages.get(TaskId(id)), map.get(&TaskId(id)));
                prop_assert_eq!(pages.get_mut(TaskId(id + 1)), map.get_mut(&TaskId(id + 1)));
            }
            prop_assert!(pages.iter().eq(map.iter().map(|(id, task)| (*id, task))));
            for id in map.keys() {
                pages.remove(*id);
            }
            prop_assert_eq!(pages, Pages::default());
        }
    }
}
