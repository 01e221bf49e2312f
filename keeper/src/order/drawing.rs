use std::collections::{BTreeMap, BTreeSet};

use xenon_protocol::value::Level;

use super::servable::{SEATS, Servable, Supply};
use crate::{
    ClassId, TaskId, Tier, View,
    view::{BookKey, ClassKey, PriceTimeQueue, ROUND_LIMIT, Slot, Stage, Task, TierKey},
};

/// Books of classes that the contract takes out of the competition in one look.
const PARK_LIMIT: usize = 8;

/// The best task left, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pick {
    pub(super) task: TaskId,
    pub(super) book: BookKey,
    pub(super) slot: Slot,
}

/// A draw in progress over a view that it leaves as it is. Mirrors `_draw` of `contracts/TaskQueue.sol`.
pub(super) struct Drawing<'a> {
    view: &'a View,
    left: Servable<'a>,
    /// The first task left of each tier's book.
    heads: BTreeMap<TierKey, (Slot, TaskId)>,
    /// The first task left of each class's book from which some were taken.
    class_heads: BTreeMap<ClassKey, (Slot, TaskId)>,
    competition: PriceTimeQueue<ClassKey>,
    /// Where each class's book stands in the competition, if it does.
    places: BTreeMap<ClassKey, Slot>,
    /// Tasks taken out of their books before it was their turn.
    gone: BTreeSet<TaskId>,
    parked: Vec<ClassKey>,
    /// Books that wait for the next draw because their nodes are spoken for in this one.
    aside: usize,
}

impl<'a> Drawing<'a> {
    /// A draw with the nodes that are free.
    pub(super) fn real(view: &'a View) -> Self {
        Self::new(view, Servable::of(view.nodes()))
    }

    /// A draw with nodes for everything. Parked books compete behind the others of their level.
    pub(super) fn endless(view: &'a View) -> Self {
        let mut drawing = Self::new(view, Servable::endless());
        for key in view.books().parked() {
            if let Some((slot, _)) = drawing.class_head(key) {
                drawing.compete(key, slot.level());
            }
        }
        drawing
    }

    fn new(view: &'a View, left: Servable<'a>) -> Self {
        let first = |(key, book): (_, &PriceTimeQueue<TaskId>)| Some((key, owned(book.first()?)));
        let heads = view.books().tiers().filter_map(first).collect();
        let competition = view.books().competition().clone();
        let places = competition.iter().map(|(slot, key)| (*key, slot)).collect();
        Self {
            view,
            left,
            heads,
            class_heads: BTreeMap::new(),
            competition,
            places,
            gone: BTreeSet::new(),
            parked: Vec::new(),
            aside: 0,
        }
    }

    /// The best task that can be served with what is left.
    pub(super) fn best(&mut self) -> Option<Pick> {
        let best = self.best_of_tiers();
        if self.left.free_from(Tier::default()) < SEATS {
            return best;
        }
        self.best_of_classes(best.map(|pick| pick.slot.level())).or(best)
    }

    /// Keeps the nodes of a class from all tasks but one. Returns whether they are enough for that one.
    pub(super) fn hold(&mut self, class: ClassId) -> bool {
        self.left.hold(class)
    }

    /// Whether the vacated seats of a task can be given to other nodes.
    pub(super) fn can_refill(&self, task: &Task) -> bool {
        self.left.can_refill(task.tier, task.class, task.wanted())
    }

    /// Takes a queued task out of its book, wherever it stands in it.
    pub(super) fn remove_task(&mut self, id: TaskId, task: &Task) {
        let Stage::Queued(slot) = task.stage else { return };
        let head = match task.book() {
            BookKey::Tier(key) => self.heads.get(&key).copied(),
            BookKey::Class(key) => self.class_head(key),
        };
        if head == Some((slot, id)) {
            self.remove(&Pick { task: id, book: task.book(), slot });
        } else {
            self.gone.insert(id);
        }
    }

    /// Takes a task out of its book.
    pub(super) fn remove(&mut self, pick: &Pick) {
        match pick.book {
            BookKey::Tier(key) => self.remove_from_tier(key, pick.slot),
            BookKey::Class(key) => self.remove_from_class(key, pick.slot),
        }
    }

    /// Takes the nodes a task will need.
    pub(super) fn reserve(&mut self, task: &Task) {
        let one_class = self.view.needs_one_class(task.kind, task.class);
        self.left.take(task.tier, task.class, one_class, task.wanted());
    }

    /// The books that were taken out of the competition.
    pub(super) fn into_parked(self) -> Vec<ClassKey> {
        self.parked
    }

    /// Ties go to the lowest kind, then to the lowest tier.
    fn best_of_tiers(&self) -> Option<Pick> {
        let (any, one_class) = (self.left.for_any(), self.left.for_one_class());
        let mut best: Option<Pick> = None;
        for (key, (slot, task)) in &self.heads {
            let served = if self.view.needs_one_class(key.kind, None) { &one_class } else { &any };
            if served[key.tier.index()] && best.is_none_or(|best| slot.level() > best.slot.level()) {
                best = Some(Pick { task: *task, book: BookKey::Tier(*key), slot: *slot });
            }
        }
        best
    }

    /// The best class book, if it is above `level`. Better ones that cannot be served are taken out: parked when their
    /// class lacks free nodes, set aside for this draw when those are spoken for.
    fn best_of_classes(&mut self, level: Option<Level>) -> Option<Pick> {
        for _ in 0..PARK_LIMIT {
            let (place, key) = owned(self.competition.first()?);
            if Some(place.level()) <= level {
                return None;
            }
            match self.left.supply(key.class) {
                Supply::Ready => return self.class_pick(key),
                Supply::SpokenFor if self.aside == ROUND_LIMIT => return None,
                Supply::SpokenFor => self.aside += 1,
                Supply::Lacking => self.parked.push(key),
            }
            self.competition.remove(place);
            self.places.remove(&key);
        }
        None
    }

    fn class_pick(&self, key: ClassKey) -> Option<Pick> {
        self.class_head(key).map(|(slot, task)| Pick { task, book: BookKey::Class(key), slot })
    }

    fn class_head(&self, key: ClassKey) -> Option<(Slot, TaskId)> {
        let from_book = || self.view.books().class(key)?.tasks().first().map(owned);
        self.class_heads.get(&key).copied().or_else(from_book)
    }

    fn remove_from_tier(&mut self, key: TierKey, slot: Slot) {
        match self.view.books().tier(key).and_then(|book| self.next_in(book, slot)) {
            Some(next) => self.heads.insert(key, next),
            None => self.heads.remove(&key),
        };
    }

    /// A book whose best level is used up competes at the next one, behind those already there.
    fn remove_from_class(&mut self, key: ClassKey, slot: Slot) {
        let next = self.view.books().class(key).and_then(|book| self.next_in(book.tasks(), slot));
        if let Some(next) = next {
            self.class_heads.insert(key, next);
        }
        let level = next.map(|(slot, _)| slot.level());
        if level == Some(slot.level()) {
            return;
        }
        // A book that does not compete does not begin to because it has become shorter.
        let Some(place) = self.places.remove(&key) else { return };
        self.competition.remove(place);
        if let Some(level) = level {
            self.compete(key, level);
        }
    }

    /// Puts a book behind those that already compete at a level.
    fn compete(&mut self, key: ClassKey, level: Level) {
        self.places.insert(key, self.competition.push_back(level, key));
    }

    /// The first task behind a place that is still there.
    fn next_in(&self, book: &PriceTimeQueue<TaskId>, mut slot: Slot) -> Option<(Slot, TaskId)> {
        loop {
            let next = owned(book.after(slot)?);
            if !self.gone.contains(&next.1) {
                return Some(next);
            }
            slot = next.0;
        }
    }
}

fn owned<T: Copy>((slot, entry): (Slot, &T)) -> (Slot, T) {
    (slot, *entry)
}
