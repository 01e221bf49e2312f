use std::fmt;

use xenon_protocol::value::Level;

use super::{Ranked, Value, ranking};
use crate::{
    ClassId, KindId, TaskId, Tier, View,
    view::{BookKey, Stage},
};

/// Why of two waiting tasks one is served before the other, if there are nodes for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The task that is served first.
    pub first: TaskId,
    /// The other.
    pub second: TaskId,
    /// Why.
    pub reason: Reason,
}

/// What decides between two tasks. Each counts only where none before it tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The first has seats to give away, the other was never seated; or it stands before the other in their line.
    Vacancy,
    /// A class is reserved for the first.
    Reserved(ClassId),
    /// The first is of a higher price level.
    Level {
        /// What the first offers, and its level.
        first: (Value, Level),
        /// The same of the other.
        second: (Value, Level),
    },
    /// Both are of one level; the first names no class.
    NamesNoClass(Level),
    /// Both are of one level and name no class; the first is of a lower kind.
    Kind(Level, [KindId; 2]),
    /// The same, and of one kind; the first asks for less memory.
    Tier(Level, [Tier; 2]),
    /// Both are of one level and name a class; that of the first has its book at that level earlier.
    Book(Level, [ClassId; 2]),
    /// Both stand in one book and are of one level; the first stands there earlier.
    CameFirst(Level),
}

/// Why one of two waiting tasks is served before the other; `None` unless both wait and differ.
pub fn explain(view: &View, one: TaskId, other: TaskId) -> Option<Explanation> {
    if one == other {
        return None;
    }
    let explained = |first, second, reason| Some(Explanation { first, second, reason });
    let line = vacant(view);
    let place = |task| line.iter().position(|vacant| *vacant == task);
    match (place(one), place(other)) {
        (Some(_), None) if is_queued(view, other) => return explained(one, other, Reason::Vacancy),
        (None, Some(_)) if is_queued(view, one) => return explained(other, one, Reason::Vacancy),
        (Some(a), Some(b)) if a < b => return explained(one, other, Reason::Vacancy),
        (Some(_), Some(_)) => return explained(other, one, Reason::Vacancy),
        _ => {}
    }
    let ranking = ranking(view);
    let ranked = |task| ranking.iter().find(|ranked| ranked.task == task);
    let (one, other) = (ranked(one)?, ranked(other)?);
    let (mut first, mut second) = if one.before < other.before { (one, other) } else { (other, one) };
    if let Some(held) = view.reservation().filter(|held| [first.task, second.task].contains(&held.task)) {
        if held.task == second.task {
            std::mem::swap(&mut first, &mut second);
        }
        return explained(first.task, second.task, Reason::Reserved(held.class));
    }
    explained(first.task, second.task, reason(first, second))
}

/// What tells two tasks apart of which the first is served first.
fn reason(first: &Ranked, second: &Ranked) -> Reason {
    let level = first.level;
    if level != second.level {
        return Reason::Level { first: (first.value, level), second: (second.value, second.level) };
    }
    match (first.book, second.book) {
        (one, other) if one == other => Reason::CameFirst(level),
        (BookKey::Class(one), BookKey::Class(other)) => Reason::Book(level, [one.class, other.class]),
        (BookKey::Tier(one), BookKey::Tier(other)) if one.kind == other.kind => {
            Reason::Tier(level, [one.tier, other.tier])
        }
        (BookKey::Tier(one), BookKey::Tier(other)) => Reason::Kind(level, [one.kind, other.kind]),
        _ => Reason::NamesNoClass(level),
    }
}

/// The tasks with seats to give away, in their line.
fn vacant(view: &View) -> Vec<TaskId> {
    let is_vacant = |task: &TaskId| view.tasks().get(*task).is_some_and(|task| matches!(task.stage, Stage::Vacant(_)));
    view.vacancies().iter().copied().filter(is_vacant).collect()
}

fn is_queued(view: &View, task: TaskId) -> bool {
    view.tasks().get(task).is_some_and(|task| matches!(task.stage, Stage::Queued(_)))
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} is before task {}: {}", self.first, self.second, self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vacancy => write!(f, "it has seats to give away, and those go first, one after the other"),
            Self::Reserved(class) => write!(f, "class {class} is reserved for it, as it has waited long"),
            Self::Level { first, second } => {
                write!(f, "{} is of level {}, above level {} of {}", first.0, first.1, second.1, second.0)
            }
            Self::NamesNoClass(level) => {
                write!(f, "both are of level {level}, and who names no class goes before who does")
            }
            Self::Kind(level, [one, other]) => {
                write!(f, "both are of level {level}, and kind {one} goes before kind {other}")
            }
            Self::Tier(level, [one, other]) => {
                write!(f, "both are of level {level}, and memory tier {one} goes before tier {other}")
            }
            Self::Book(level, [one, other]) => {
                write!(
                    f,
                    "both are of level {level}, and the book of class {one} is there before that of class {other}"
                )
            }
            Self::CameFirst(level) => write!(f, "both are of level {level} in one book, and it came there first"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use alloy::primitives::Address;
    use proptest::prelude::*;
    use xenon_protocol::contracts::Status;

    use super::*;
    use crate::{Event, NodeId, fixture::Network};

    const CLASS: Option<ClassId> = Some(ClassId(1));

    fn told(network: &Network, one: TaskId, other: TaskId) -> String {
        let explanation = explain(&network.view, one, other).unwrap();
        assert_eq!(explain(&network.view, other, one), Some(explanation), "whoever is asked about first");
        explanation.to_string()
    }

    #[test]
    fn tasks_that_do_not_both_wait_are_not_compared() {
        let mut network = Network::with_classes(&[3]);
        let (first, second) = (network.create(0, None, 5), network.create(0, None, 6));
        assert_eq!(explain(&network.view, first, first), None);
        assert_eq!(explain(&network.view, first, TaskId(9)), None);
        network.draw(second);
        assert_eq!(explain(&network.view, first, second), None);
    }

    #[test]
    fn each_reason_is_told_in_words() {
        let mut network = Network::with_classes(&[9, 9]);
        let cheap = network.create(0, None, 100);
        let first = network.create(0, None, 200);
        let second = network.create(0, None, 200);
        let other_kind = network.create(1, None, 200);
        let class = network.create(0, CLASS, 200);
        let later_class = network.create(0, Some(ClassId(2)), 200);
        network.created_with(0, None, 200, 24);
        let large = network.view.tasks().last();
        let level = network.view.tasks().get(first).unwrap().value().level();
        let low = network.view.tasks().get(cheap).unwrap().value().level();
        let both = format!("both are of level {level}");
        assert_eq!(
            told(&network, cheap, first),
            format!(
                "task 2 is before task 1: 200 wei for 1000 ms is of level {level}, above level {low} of 100 wei for 1000 ms"
            )
        );
        let expected = [
            (first, second, format!("task 2 is before task 3: {both} in one book, and it came there first")),
            (first, other_kind, format!("task 2 is before task 4: {both}, and kind 0 goes before kind 1")),
            (second, large, format!("task 3 is before task 7: {both}, and memory tier 0 goes before tier 9")),
            (class, large, format!("task 7 is before task 5: {both}, and who names no class goes before who does")),
            (
                class,
                later_class,
                format!("task 5 is before task 6: {both}, and the book of class 1 is there before that of class 2"),
            ),
        ];
        for (one, other, words) in expected {
            assert_eq!(told(&network, one, other), words);
        }
        network.happen(Event::ClassReserved { task: cheap, class: ClassId(1), until: 60 });
        assert_eq!(
            told(&network, cheap, first),
            "task 1 is before task 2: class 1 is reserved for it, as it has waited long"
        );
    }

    #[test]
    fn who_has_seats_to_give_away_goes_first() {
        let mut network = Network::with_classes(&[6]);
        let seated = network.create(0, None, 1);
        network.draw(seated);
        network.pass(1);
        network.seat(seated, [1, 2, 3], 50);
        let waiting = network.create(0, None, 900);
        let caller = Address::ZERO;
        network.happen(Event::Advanced { task: seated, caller, crank_reward: 0 });
        network.happen(Event::SeatsVacated { task: seated, vacated: [true, false, false], refill_by: 80 });
        network.status(NodeId(1), Status::Free);
        network.happen(Event::TaskVacant { task: seated });
        let words = "task 1 is before task 2: it has seats to give away, and those go first, one after the other";
        assert_eq!(told(&network, waiting, seated), words);
    }

    proptest! {
        /// Every pair of the ranking is explained by something that is so.
        #[test]
        fn explanation_holds_for_every_pair(offers in prop::collection::vec((0..2u8, 0..3u32, 1..20u128), 2..25)) {
            let mut network = Network::with_classes(&[9, 9]);
            for (kind, class, fee) in offers {
                network.create(kind, ClassId::required(class), fee);
            }
            let ranking = ranking(&network.view);
            for (at, second) in ranking.iter().enumerate() {
                for first in &ranking[..at] {
                    let told = explain(&network.view, second.task, first.task).unwrap();
                    prop_assert_eq!((told.first, told.second), (first.task, second.task));
                    prop_assert!(is_so(told.reason, first, second), "{told}");
                }
            }
        }
    }

    fn is_so(reason: Reason, first: &Ranked, second: &Ranked) -> bool {
        let is_level = |level: &Level| first.level == *level && second.level == *level;
        match reason {
            Reason::Level { .. } => Reverse(first.level) < Reverse(second.level) && first.value > second.value,
            Reason::NamesNoClass(level) => {
                is_level(&level) && matches!((first.book, second.book), (BookKey::Tier(_), BookKey::Class(_)))
            }
            Reason::Kind(level, [one, other]) => is_level(&level) && one < other,
            Reason::Tier(level, [one, other]) => is_level(&level) && one < other,
            Reason::Book(level, _) => is_level(&level) && first.book != second.book,
            Reason::CameFirst(level) => is_level(&level) && first.book == second.book && first.task < second.task,
            Reason::Vacancy | Reason::Reserved(_) => false,
        }
    }
}
