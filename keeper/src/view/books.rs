use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xenon_protocol::value::Level;

use super::{PriceTimeQueue, Slot};
use crate::{ClassId, KindId, TaskId, Tier};

/// The book of a VRAM tier: tasks of one kind for any class of at least that tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TierKey {
    /// The tasks' kind.
    pub kind: KindId,
    /// The lowest tier of their nodes.
    pub tier: Tier,
}

/// The book of a required class: tasks of one kind that name the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClassKey {
    /// The tasks' kind.
    pub kind: KindId,
    /// The class.
    pub class: ClassId,
}

/// Names an order book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BookKey {
    /// Of a tier.
    Tier(TierKey),
    /// Of a required class.
    Class(ClassKey),
}

/// Where a task enters its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Back,
    Front,
}

/// The book of a required class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassBook {
    tasks: PriceTimeQueue<TaskId>,
    competes_at: Option<Slot>,
}

impl ClassBook {
    /// Its tasks in the order of service.
    pub fn tasks(&self) -> &PriceTimeQueue<TaskId> {
        &self.tasks
    }

    /// Its place among the class books; `None` while it is parked.
    pub fn competes_at(&self) -> Option<Slot> {
        self.competes_at
    }
}

/// All order books of a network. Mirrors the books of `contracts/TaskQueue.sol`.
///
/// Books of a tier compete by their best level. Books of a required class compete through one queue of books, each at
/// the level of its best task; one whose class lacks three free nodes is parked until somebody wakes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    tiers: BTreeMap<TierKey, PriceTimeQueue<TaskId>>,
    classes: BTreeMap<ClassKey, ClassBook>,
    competition: PriceTimeQueue<ClassKey>,
    queued: usize,
}

impl Books {
    /// The number of queued tasks.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// The books of tiers that hold tasks, by kind and tier.
    pub fn tiers(&self) -> impl Iterator<Item = (TierKey, &PriceTimeQueue<TaskId>)> {
        self.tiers.iter().map(|(key, book)| (*key, book))
    }

    /// The books of required classes that hold tasks, by kind and class.
    pub fn classes(&self) -> impl Iterator<Item = (ClassKey, &ClassBook)> {
        self.classes.iter().map(|(key, book)| (*key, book))
    }

    /// The book of a tier, if it holds a task.
    pub fn tier(&self, key: TierKey) -> Option<&PriceTimeQueue<TaskId>> {
        self.tiers.get(&key)
    }

    /// The book of a required class, if it holds a task.
    pub fn class(&self, key: ClassKey) -> Option<&ClassBook> {
        self.classes.get(&key)
    }

    /// The books of required classes that compete, in the order in which they do.
    pub fn competition(&self) -> &PriceTimeQueue<ClassKey> {
        &self.competition
    }

    /// The books of required classes that hold tasks and do not compete.
    pub fn parked(&self) -> impl Iterator<Item = ClassKey> {
        self.classes().filter(|(_, book)| book.competes_at.is_none()).map(|(key, _)| key)
    }

    /// Adds a task to a book.
    pub(super) fn insert(&mut self, key: BookKey, level: Level, task: TaskId, end: End) -> Slot {
        self.queued += 1;
        match key {
            BookKey::Tier(key) => push(self.tiers.entry(key).or_default(), level, task, end),
            BookKey::Class(key) => {
                let slot = push(&mut self.classes.entry(key).or_default().tasks, level, task, end);
                self.raise(key, level);
                slot
            }
        }
    }

    /// Takes a task out of a book; `false` if it does not stand there.
    pub(super) fn remove(&mut self, key: BookKey, slot: Slot) -> bool {
        let removed = match key {
            BookKey::Tier(key) => self.remove_from_tier(key, slot),
            BookKey::Class(key) => self.remove_from_class(key, slot),
        };
        self.queued -= usize::from(removed);
        removed
    }

    /// Takes a book out of the competition; `false` if it does not compete.
    pub(super) fn park(&mut self, key: ClassKey) -> bool {
        let slot = self.classes.get_mut(&key).and_then(|book| book.competes_at.take());
        slot.and_then(|slot| self.competition.remove(slot)).is_some()
    }

    /// Puts a parked book back into the competition; `false` if it is not parked.
    pub(super) fn wake(&mut self, key: ClassKey) -> bool {
        let is_parked = self.classes.get(&key).is_some_and(|book| book.competes_at.is_none());
        if is_parked {
            self.compete(key);
        }
        is_parked
    }

    fn remove_from_tier(&mut self, key: TierKey, slot: Slot) -> bool {
        let Some(book) = self.tiers.get_mut(&key) else { return false };
        let removed = book.remove(slot).is_some();
        if book.is_empty() {
            self.tiers.remove(&key);
        }
        removed
    }

    fn remove_from_class(&mut self, key: ClassKey, slot: Slot) -> bool {
        let Some(book) = self.classes.get_mut(&key) else { return false };
        let removed = book.tasks.remove(slot).is_some();
        self.lower(key);
        removed
    }

    /// A task of `level` was added: the book competes at that level if it is its best, and if it was parked, again.
    fn raise(&mut self, key: ClassKey, level: Level) {
        let competes_at = self.classes.get(&key).and_then(ClassBook::competes_at);
        if competes_at.is_none_or(|slot| level > slot.level()) {
            self.compete(key);
        }
    }

    /// A task was taken out: a book whose best level is gone competes at the next one, behind those already there.
    fn lower(&mut self, key: ClassKey) {
        let Some(book) = self.classes.get(&key) else { return };
        let top = book.tasks.top();
        if book.competes_at.is_some_and(|slot| Some(slot.level()) != top) {
            self.compete(key);
        }
        if top.is_none() {
            self.classes.remove(&key);
        }
    }

    /// Gives a book a new place at its best level, or none when it is empty.
    fn compete(&mut self, key: ClassKey) {
        let Some(book) = self.classes.get_mut(&key) else { return };
        if let Some(slot) = book.competes_at.take() {
            self.competition.remove(slot);
        }
        book.competes_at = book.tasks.top().map(|level| self.competition.push_back(level, key));
    }
}

fn push(queue: &mut PriceTimeQueue<TaskId>, level: Level, task: TaskId, end: End) -> Slot {
    match end {
        End::Back => queue.push_back(level, task),
        End::Front => queue.push_front(level, task),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: ClassKey = ClassKey { kind: KindId(0), class: ClassId(1) };
    const OTHER: ClassKey = ClassKey { kind: KindId(0), class: ClassId(2) };

    fn add(books: &mut Books, key: ClassKey, level: u16, task: u64) -> Slot {
        books.insert(BookKey::Class(key), Level(level), TaskId(task), End::Back)
    }

    fn competing(books: &Books) -> Vec<(u16, ClassKey)> {
        books.competition().iter().map(|(slot, key)| (slot.level().0, *key)).collect()
    }

    #[test]
    fn what_is_in_no_book_cannot_be_removed_parked_or_woken() {
        let mut books = Books::default();
        let slot = add(&mut books, CLASS, 5, 1);
        assert!(!books.remove(BookKey::Class(OTHER), slot));
        assert!(!books.remove(BookKey::Tier(TierKey { kind: KindId(0), tier: Tier::default() }), slot));
        assert!(!books.park(OTHER));
        assert!(!books.wake(OTHER));
        assert!(!books.wake(CLASS), "it competes");
        assert_eq!(books.queued(), 1);
    }

    #[test]
    fn class_book_competes_at_its_best_level() {
        let mut books = Books::default();
        add(&mut books, CLASS, 5, 1);
        let best = add(&mut books, CLASS, 7, 2);
        add(&mut books, OTHER, 6, 3);
        assert_eq!(competing(&books), [(7, CLASS), (6, OTHER)]);
        assert!(books.remove(BookKey::Class(CLASS), best));
        assert_eq!(competing(&books), [(6, OTHER), (5, CLASS)]);
    }

    #[test]
    fn book_that_falls_to_a_level_stands_behind_those_already_there() {
        let mut books = Books::default();
        let best = add(&mut books, CLASS, 7, 1);
        add(&mut books, CLASS, 5, 2);
        add(&mut books, OTHER, 5, 3);
        assert!(books.remove(BookKey::Class(CLASS), best));
        assert_eq!(competing(&books), [(5, OTHER), (5, CLASS)]);
    }

    #[test]
    fn parked_book_comes_back_when_woken_or_when_it_gets_a_task() {
        let mut books = Books::default();
        add(&mut books, CLASS, 5, 1);
        assert!(books.park(CLASS));
        assert!(!books.park(CLASS), "it is parked");
        assert_eq!(books.parked().collect::<Vec<_>>(), [CLASS]);
        assert!(books.wake(CLASS));
        assert!(books.park(CLASS));
        add(&mut books, CLASS, 3, 2);
        assert_eq!(competing(&books), [(5, CLASS)], "at its best level, not that of the new task");
        assert_eq!(books.parked().count(), 0);
    }

    #[test]
    fn book_emptied_while_parked_is_gone() {
        let mut books = Books::default();
        let slot = add(&mut books, CLASS, 5, 1);
        books.park(CLASS);
        assert!(books.remove(BookKey::Class(CLASS), slot));
        assert_eq!(books, Books::default());
    }
}
