//! Who is served next: the contract's order, told from the view.
//!
//! Price-time priority: the highest value per second first, where values are compared by their level (nine significant
//! bits), inside a book's level first come first served. Among books of one level the lowest kind goes first, then the
//! lowest VRAM tier, then the books of required classes in the order in which they reached that level. The order is
//! total: of two queued tasks one is always before the other. Before all of them go the tasks that have seats to give
//! away, and the one for which a class is reserved.

mod drawing;
mod explain;
mod servable;
mod value;

use std::collections::VecDeque;

use xenon_protocol::value::Level;

use self::drawing::Drawing;
pub use self::{
    explain::{Explanation, Reason, explain},
    value::Value,
};
use crate::{
    TaskId, View,
    view::{BookKey, ClassKey, ROUND_LIMIT, Stage, Task},
};

/// A queued task and its place in the order of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// How many are served before it if there are nodes for all.
    pub before: usize,
    /// The task.
    pub task: TaskId,
    /// What it offers, exactly.
    pub value: Value,
    /// Its price level, by which books compare tasks.
    pub level: Level,
    /// The book it stands in.
    pub book: BookKey,
}

/// What a draw does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draw {
    /// Tasks drawn, in order.
    pub drawn: Vec<TaskId>,
    /// Tasks found to have waited too long and expired instead.
    pub expired: Vec<TaskId>,
    /// Books of classes taken out of the competition for want of free nodes.
    pub parked: Vec<ClassKey>,
    /// The line of tasks with seats to give away, as it is afterwards.
    pub vacancies: VecDeque<TaskId>,
}

/// Tasks with seats to give away that one draw looks at.
const VACANCY_LOOKS: usize = 8;

/// All queued tasks in the order in which they would be served if there were nodes for all of them.
pub fn ranking(view: &View) -> Vec<Ranked> {
    let mut drawing = Drawing::endless(view);
    let mut ranking = Vec::with_capacity(view.books().queued());
    while let Some(pick) = drawing.best() {
        drawing.remove(&pick);
        let Some(task) = view.tasks().get(pick.task) else { break };
        let (before, level) = (ranking.len(), pick.slot.level());
        ranking.push(Ranked { before, task: pick.task, value: task.value(), level, book: pick.book });
    }
    ranking
}

/// What `dispatch` draws in a block with that timestamp, given a limit.
///
/// First those with seats to give away, then the one for which a class is reserved, then the best that can be served.
///
/// Exact when no round waits, or when the round that waits was drawn in that same block. Otherwise that round is seated
/// first and nobody knows which nodes it will take: then this is an estimate that reserves nodes for it.
pub fn next_draw(view: &View, limit: usize, timestamp: u64) -> Draw {
    let mut draw = Draw { vacancies: view.vacancies().clone(), ..Draw::default() };
    if view.books().queued() == 0 && draw.vacancies.is_empty() {
        return draw;
    }
    let round = view.round();
    let mut drawing = Drawing::real(view);
    round.waiting().iter().filter_map(|task| view.tasks().get(*task)).for_each(|task| drawing.reserve(task));
    let limit = limit.min(ROUND_LIMIT - round.tasks().len());
    let held = view.reservation().filter(|held| !held.is_over(timestamp));
    let is_ready = held.is_some_and(|held| drawing.hold(held.class) && !held.drawn);
    draw_vacancies(view, &mut drawing, &mut draw, limit);
    if let Some(held) = held.filter(|_| is_ready && draw.drawn.len() < limit) {
        draw_task(view, &mut drawing, &mut draw, held.task, timestamp);
    }
    for _ in draw.drawn.len()..limit {
        let Some(pick) = drawing.best() else { break };
        let Some(task) = view.tasks().get(pick.task) else { break };
        if draw_task(view, &mut drawing, &mut draw, pick.task, timestamp) {
            drawing.reserve(task);
        }
    }
    draw.parked = drawing.into_parked();
    draw
}

/// Draws those with seats to give away whose nodes are there; the others go to the end of the line.
fn draw_vacancies(view: &View, drawing: &mut Drawing<'_>, draw: &mut Draw, limit: usize) {
    for _ in 0..draw.vacancies.len().min(VACANCY_LOOKS) {
        if draw.drawn.len() == limit {
            return;
        }
        let Some(id) = draw.vacancies.pop_front() else { return };
        let is_vacant = |task: &&Task| matches!(task.stage, Stage::Vacant(_));
        let Some(task) = view.tasks().get(id).filter(is_vacant) else { continue };
        if drawing.can_refill(task) {
            drawing.reserve(task);
            draw.drawn.push(id);
        } else {
            draw.vacancies.push_back(id);
        }
    }
}

/// Takes a queued task out of its book; `false` if it is expired instead of drawn.
fn draw_task(view: &View, drawing: &mut Drawing<'_>, draw: &mut Draw, id: TaskId, timestamp: u64) -> bool {
    let Some(task) = view.tasks().get(id) else { return false };
    drawing.remove_task(id, task);
    let is_in_time = timestamp <= task.deadline;
    let list = if is_in_time { &mut draw.drawn } else { &mut draw.expired };
    list.push(id);
    is_in_time
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ClassId, Event, fixture::Network};

    const CLASS: Option<ClassId> = Some(ClassId(1));

    fn order(network: &Network) -> Vec<u64> {
        ranking(&network.view).iter().map(|ranked| ranked.task.0).collect()
    }

    fn drawn(network: &Network) -> Vec<u64> {
        next_draw(&network.view, 64, network.block).drawn.iter().map(|task| task.0).collect()
    }

    #[test]
    fn nothing_queued_is_no_order() {
        assert!(order(&Network::new()).is_empty());
        assert_eq!(next_draw(&Network::new().view, 64, 0), Draw::default());
    }

    #[test]
    fn higher_level_goes_first_and_inside_a_level_who_came_first() {
        let mut network = Network::new();
        // One part in a thousand is less than a level's width.
        for fee in [1_000_000, 2_000_000, 2_000_100, 3_000_000] {
            network.create(0, None, fee);
        }
        assert_eq!(order(&network), [4, 2, 3, 1]);
        let ranking = ranking(&network.view);
        assert_eq!(ranking[1].level, ranking[2].level);
        assert!(ranking[1].value < ranking[2].value, "the exact values say what rounding cost");
    }

    #[test]
    fn among_equal_levels_the_lowest_kind_goes_first_and_a_required_class_last() {
        let mut network = Network::with_classes(&[9]);
        network.create(0, CLASS, 500);
        network.create(1, None, 500);
        network.create(0, None, 500);
        assert_eq!(order(&network), [3, 2, 1]);
        assert_eq!(drawn(&network), [3, 2, 1]);
    }

    #[test]
    fn requeued_task_is_the_first_of_its_level_again() {
        let mut network = Network::with_classes(&[3]);
        let first = network.create(0, None, 500);
        network.create(0, None, 500);
        network.draw(first);
        network.create(0, None, 500);
        network.pass(1);
        network.happen(Event::TaskRequeued { task: first });
        assert_eq!(order(&network), [1, 2, 3]);
    }

    #[test]
    fn draw_ends_when_the_nodes_are_spoken_for() {
        let mut network = Network::with_classes(&[3, 4]);
        for fee in [100, 200, 300, 400] {
            network.create(0, None, fee);
        }
        assert_eq!(drawn(&network), [4, 3]);
        assert_eq!(next_draw(&network.view, 1, network.block).drawn, [TaskId(4)]);
    }

    #[test]
    fn class_without_three_free_nodes_is_parked_and_does_not_block_others() {
        let mut network = Network::with_classes(&[2, 3]);
        network.create(0, CLASS, 900);
        network.create(0, None, 100);
        let draw = next_draw(&network.view, 64, network.block);
        assert_eq!(draw.drawn, [TaskId(2)]);
        assert_eq!(draw.parked.iter().map(|key| Some(key.class)).collect::<Vec<_>>(), [CLASS]);
        assert_eq!(order(&network), [1, 2], "a ranking ignores which nodes are free");
    }

    #[test]
    fn class_whose_nodes_are_spoken_for_does_not_keep_other_classes_waiting() {
        let mut network = Network::with_classes(&[3, 3]);
        network.create(0, CLASS, 900);
        network.create(0, CLASS, 800);
        network.create(0, Some(ClassId(2)), 700);
        assert_eq!(drawn(&network), [1, 3]);
    }

    #[test]
    fn task_that_waited_too_long_is_expired_and_uses_up_one_of_the_limit() {
        let mut network = Network::with_classes(&[3]);
        network.create(0, None, 900);
        network.pass(1);
        network.create(0, None, 100);
        let at = network.block + 1_000;
        assert_eq!(next_draw(&network.view, 1, at), Draw { expired: vec![TaskId(1)], ..Draw::default() });
        let both = Draw { expired: vec![TaskId(1)], drawn: vec![TaskId(2)], ..Draw::default() };
        assert_eq!(next_draw(&network.view, 2, at), both);
    }

    /// Kind, whether it names class 1, and the fee.
    type Offer = (u8, bool, u128);

    fn offers() -> impl Strategy<Value = Vec<Offer>> {
        prop::collection::vec((0..2u8, any::<bool>(), 1..600u128), 0..40)
    }

    fn queue(offers: &[Offer]) -> Network {
        let mut network = Network::with_classes(&[9]);
        for (kind, names_class, fee) in offers {
            network.create(*kind, CLASS.filter(|_| *names_class), *fee);
        }
        network
    }

    proptest! {
        #[test]
        fn ranking_holds_every_queued_task_once_and_its_levels_never_rise(offers in offers()) {
            let network = queue(&offers);
            let ranking = ranking(&network.view);
            let mut tasks = order(&network);
            tasks.sort_unstable();
            prop_assert_eq!(tasks, (1..=offers.len() as u64).collect::<Vec<_>>());
            prop_assert!(ranking.is_sorted_by_key(|ranked| std::cmp::Reverse(ranked.level)));
            prop_assert!(ranking.iter().enumerate().all(|(place, ranked)| ranked.before == place));
        }

        #[test]
        fn who_came_first_goes_first_inside_a_book_and_level(offers in offers()) {
            let ranking = ranking(&queue(&offers).view);
            for (place, a) in ranking.iter().enumerate() {
                let alike = ranking[place..].iter().filter(|b| b.book == a.book && b.level == a.level);
                prop_assert!(alike.is_sorted_by_key(|b| b.task));
            }
        }

        /// Offers of which no two have the same level: who came when must not matter.
        #[test]
        fn order_of_arrival_does_not_matter_between_levels(
            fees in prop::collection::btree_set(1..120u32, 1..30), seed in any::<prop::sample::Index>(),
        ) {
            let fees: Vec<u128> = fees.into_iter().map(|power| (1u128 << (power / 2)) * u128::from(2 + power % 2)).collect();
            let by_fee = |fees: &[u128]| {
                let offers: Vec<_> = fees.iter().map(|fee| (u8::from(fee % 3 == 0), fee % 2 == 0, *fee)).collect();
                ranking(&queue(&offers).view).iter().map(|ranked| ranked.value.fee).collect::<Vec<_>>()
            };
            let mut shifted = fees.clone();
            shifted.rotate_left(seed.index(fees.len()));
            prop_assert_eq!(by_fee(&fees), by_fee(&shifted));
        }

        #[test]
        fn with_nodes_for_all_the_draw_is_the_ranking(offers in prop::collection::vec((0..2u8, any::<bool>(), 1..600u128), 0..20)) {
            let mut network = queue(&offers);
            for _ in 0..3 * offers.len() {
                network.join(ClassId(1));
            }
            prop_assert_eq!(drawn(&network), order(&network));
        }

        #[test]
        fn draw_does_not_depend_on_how_it_is_cut(offers in offers(), cut in 0..10usize) {
            let mut network = queue(&offers);
            let whole = drawn(&network);
            for task in next_draw(&network.view, cut, network.block).drawn {
                network.draw(task);
            }
            let rest = drawn(&network);
            let cut: Vec<_> = network.view.round().tasks().iter().map(|task| task.0).chain(rest).collect();
            prop_assert_eq!(cut, whole);
        }
    }
}
