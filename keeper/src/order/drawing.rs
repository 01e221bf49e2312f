use std::collections::BTreeMap;

use xenon_protocol::value::Level;

use super::servable::{Servable, Supply};
use crate::{
    TaskId, Tier, View,
    view::{BookKey, ClassKey, PriceTimeQueue, ROUND_LIMIT, Slot, Task, TierKey},
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
                drawing.competition.push_back(slot.level(), key);
            }
        }
        drawing
    }

    fn new(view: &'a View, left: Servable<'a>) -> Self {
        let first = |(key, book): (_, &PriceTimeQueue<TaskId>)| Some((key, owned(book.first()?)));
        let heads = view.books().tiers().filter_map(first).collect();
        let competition = view.books().competition().clone();
        Self { view, left, heads, class_heads: BTreeMap::new(), competition, parked: Vec::new(), aside: 0 }
    }

    /// The best task that can be served with what is left.
    pub(super) fn best(&mut self) -> Option<Pick> {
        let any = self.left.top_for_any()?;
        let best = self.best_of_tiers(any);
        self.best_of_classes(best.map(|pick| pick.slot.level())).or(best)
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
        self.left.take(task.tier, task.class, self.view.needs_one_class(task.kind, task.class));
    }

    /// The books that were taken out of the competition.
    pub(super) fn into_parked(self) -> Vec<ClassKey> {
        self.parked
    }

    /// Ties go to the lowest kind, then to the lowest tier.
    fn best_of_tiers(&self, any: Tier) -> Option<Pick> {
        let one_class = self.left.top_for_one_class();
        let mut best: Option<Pick> = None;
        for (key, (slot, task)) in &self.heads {
            let top = if self.view.needs_one_class(key.kind, None) { one_class } else { Some(any) };
            if Some(key.tier) <= top && best.is_none_or(|best| slot.level() > best.slot.level()) {
                best = Some(Pick { task: *task, book: BookKey::Tier(*key), slot: *slot });
            }
        }
        best
    }

    /// The best class book, if it is above `level`. Better ones that cannot be served are taken out: parked when their
    /// class lacks three free nodes, set aside for this draw when those are spoken for.
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
        match self.view.books().tier(key).and_then(|book| book.after(slot)) {
            Some(next) => self.heads.insert(key, owned(next)),
            None => self.heads.remove(&key),
        };
    }

    /// A book whose best level is used up competes at the next one, behind those already there.
    fn remove_from_class(&mut self, key: ClassKey, slot: Slot) {
        let next = self.view.books().class(key).and_then(|book| book.tasks().after(slot)).map(owned);
        if let Some(next) = next {
            self.class_heads.insert(key, next);
        }
        let level = next.map(|(slot, _)| slot.level());
        if level == Some(slot.level()) {
            return;
        }
        // A task that can be taken out is the first of the book that is first.
        if let Some((place, _)) = self.competition.first().map(owned) {
            self.competition.remove(place);
        }
        if let Some(level) = level {
            self.competition.push_back(level, key);
        }
    }
}

fn owned<T: Copy>((slot, entry): (Slot, &T)) -> (Slot, T) {
    (slot, *entry)
}
