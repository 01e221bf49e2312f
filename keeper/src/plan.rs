//! What should be done now.

use xenon_protocol::chain::Head;

use crate::{
    Action, ClassId, Policy, TaskId, View,
    order::next_draw,
    view::{Class, ClassKey, Task},
};

/// What should be done, given the state after a block, in order of urgency.
///
/// Pure: equal arguments give equal plans. Nothing is planned that the contracts would refuse in the next block, as far
/// as the view tells; the contracts decide.
pub fn plan(view: &View, now: &Head, policy: &Policy) -> Vec<Action> {
    let pays =
        |id: &TaskId| view.tasks().get(*id).is_some_and(|task| policy.pays(view.crank_share(task), now.base_fee));
    let overdue = view.tasks().overdue(now.timestamp).filter(pays).map(Action::Advance);
    let expired = view.tasks().expired(now.timestamp).map(Action::Expire);
    let limit = usize::try_from(policy.max_actions).unwrap_or(usize::MAX);
    dispatch(view, now, policy)
        .into_iter()
        .chain(overdue)
        .chain(wakeable(view).map(Action::Wake))
        .chain(absorb(view, policy))
        .chain(reserve(view, now))
        .chain(reviewable(view, now))
        .chain(expired)
        .chain(cases(view, now, policy))
        .take(limit)
        .collect()
}

fn dispatch(view: &View, now: &Head, policy: &Policy) -> Option<Action> {
    let round = view.round();
    if round.draw_block() == 0 { draw(view, now, policy) } else { seat(view, now, policy) }
}

/// The round that waits can be seated once a block follows that of its draw.
fn seat(view: &View, now: &Head, policy: &Policy) -> Option<Action> {
    let waiting = view.round().waiting();
    let seats = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
    let is_due = view.round().draw_block() < now.number && any_is_ripe(view, waiting, now, policy);
    is_due.then_some(Action::Dispatch { max_tasks: policy.max_tasks, seats })
}

fn draw(view: &View, now: &Head, policy: &Policy) -> Option<Action> {
    let limit = usize::try_from(policy.max_tasks).unwrap_or(usize::MAX);
    let drawn = next_draw(view, limit, now.timestamp).drawn;
    any_is_ripe(view, &drawn, now, policy).then_some(Action::Dispatch { max_tasks: policy.max_tasks, seats: 0 })
}

/// Tasks for which no nodes were found, all free nodes being of one operator perhaps, are tried ever more rarely:
/// whoever seats nothing earns nothing.
fn any_is_ripe(view: &View, tasks: &[TaskId], now: &Head, policy: &Policy) -> bool {
    let is_ripe = |task: &Task| now.number >= task.requeued_in.saturating_add(policy.patience(task.requeues));
    tasks.iter().filter_map(|task| view.tasks().get(*task)).any(is_ripe)
}

/// Parked books whose class has as many free nodes as its floor asks for.
fn wakeable(view: &View) -> impl Iterator<Item = ClassKey> {
    let has_enough = |key: &ClassKey| view.nodes().class(key.class).is_some_and(|class| class.free >= class.floor);
    view.books().parked().filter(has_enough)
}

/// A class for the first task of a book that has waited longest of those that have waited long enough.
fn reserve(view: &View, now: &Head) -> Option<Action> {
    if view.reservation().is_some_and(|held| !held.is_over(now.timestamp)) {
        return None;
    }
    if view.is_bound() || (view.reservation().is_some() && view.round().draw_block() != 0) {
        return None;
    }
    let after = u64::from(view.limits().reserve_after);
    let heads = heads(view).filter_map(|id| Some((id, view.tasks().get(id)?)));
    let waiting = heads.filter_map(|(id, task)| Some((task.waits_since?, id, task)));
    let ripe = waiting.filter(|(since, ..)| now.timestamp >= since.saturating_add(after));
    let mut ripe: Vec<_> = ripe.collect();
    ripe.sort_unstable_by_key(|(since, id, _)| (*since, *id));
    ripe.into_iter().find_map(|(_, task, known)| Some(Action::Reserve { task, class: class_for(view, known)? }))
}

/// The first task of each book.
fn heads(view: &View) -> impl Iterator<Item = TaskId> {
    let tiers = view.books().tiers().filter_map(|(_, book)| Some(*book.first()?.1));
    let classes = view.books().classes().filter_map(|(_, book)| Some(*book.tasks().first()?.1));
    tiers.chain(classes)
}

/// The class with the most active nodes that could be reserved for a task; none if it has enough free nodes anyway.
fn class_for(view: &View, task: &Task) -> Option<ClassId> {
    if !view.needs_one_class(task.kind, task.class) {
        return None;
    }
    let suits = |(id, class): &(ClassId, Class)| match task.class {
        Some(named) => *id == named,
        None => class.open && class.tier >= task.tier,
    };
    let mut classes: Vec<_> = view.nodes().classes().filter(suits).filter(|(_, class)| class.active >= 3).collect();
    if classes.iter().any(|(_, class)| class.free >= class.floor) {
        return None;
    }
    classes.sort_unstable_by_key(|(id, class)| (std::cmp::Reverse(class.active), *id));
    classes.first().map(|(id, _)| *id)
}

/// Classes whose openness is not what their nodes make it, while tasks wait that it matters to.
fn reviewable(view: &View, now: &Head) -> impl Iterator<Item = Action> {
    let active = view.nodes().counts().active;
    let is_closed = view.round().closes_sets_in(now.number + 1);
    let waits = |class: &Class| {
        view.books().tiers().any(|(key, _)| class.tier >= key.tier && view.needs_one_class(key.kind, None))
    };
    view.nodes()
        .classes()
        .filter(move |_| !is_closed)
        .filter(move |(_, class)| class.assessed(active).open != class.open && class.free >= 3 && waits(class))
        .map(|(id, _)| Action::Review(id))
}

/// Frozen nodes whose time is over.
fn cases(view: &View, now: &Head, policy: &Policy) -> impl Iterator<Item = Action> {
    let over = view.nodes().cases().filter(|(_, case)| policy.cases && now.timestamp > case.until);
    over.map(|(node, case)| if case.appealed { Action::Thaw(node) } else { Action::Slash(node) })
}

/// Nodes that still wait although the sets are open, now and in the next block.
fn absorb(view: &View, policy: &Policy) -> Option<Action> {
    let is_open = view.round().draw_block() == 0;
    (is_open && view.nodes().deferred() > 0).then_some(Action::Absorb { limit: policy.max_absorb })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use xenon_protocol::contracts::{Ending, Status};

    use super::*;
    use crate::{
        Event, KindId, NodeId,
        fixture::{GB, Network, RESERVE_AFTER, RESERVE_HOLD},
        view::Stage,
    };

    const DISPATCH: Action = Action::Dispatch { max_tasks: 16, seats: 0 };

    fn planned(network: &Network) -> Vec<Action> {
        plan(&network.view, &network.head(), &Policy::default())
    }

    fn names(network: &Network) -> Vec<&'static str> {
        planned(network).iter().map(Action::name).collect()
    }

    #[test]
    fn empty_network_needs_nothing() {
        assert_eq!(planned(&Network::new()), []);
        assert_eq!(planned(&Network::with_classes(&[9])), []);
    }

    #[test]
    fn task_that_cannot_be_served_is_not_drawn() {
        let mut network = Network::with_classes(&[2, 2]);
        network.create(0, None, 100);
        assert_eq!(planned(&network), [], "no class has three");
        network.create(1, None, 100);
        assert_eq!(planned(&network), [DISPATCH], "any four nodes do");
    }

    #[test]
    fn drawn_round_is_seated_from_the_next_block_on() {
        let mut network = Network::with_classes(&[3]);
        let task = network.create(0, None, 100);
        network.draw(task);
        assert_eq!(planned(&network), []);
        network.pass(1);
        assert_eq!(planned(&network), [Action::Dispatch { max_tasks: 16, seats: 1 }]);
    }

    #[test]
    fn round_that_found_no_nodes_is_tried_ever_more_rarely() {
        let mut network = Network::with_classes(&[3]);
        let task = network.create(0, None, 100);
        for wait in [2, 4, 8, 16, 32, 32] {
            network.draw(task);
            network.pass(1);
            network.happen(Event::TaskRequeued { task });
            let tried = |blocks| names(&network.later(blocks));
            assert!(tried(wait - 1).is_empty(), "{wait}");
            assert_eq!(tried(wait), ["dispatch"], "{wait}");
        }
    }

    #[test]
    fn another_task_is_not_kept_waiting_by_one_that_found_no_nodes() {
        let mut network = Network::with_classes(&[3]);
        let task = network.create(0, None, 100);
        network.draw(task);
        network.pass(1);
        network.happen(Event::TaskRequeued { task });
        assert_eq!(planned(&network), []);
        network.create(0, None, 200);
        assert_eq!(planned(&network), [DISPATCH]);
    }

    #[test]
    fn stage_is_advanced_only_after_its_deadline() {
        let mut network = Network::with_classes(&[3]);
        let task = network.create(0, None, 100);
        network.draw(task);
        network.pass(1);
        network.seat(task, [1, 2, 3], 50);
        network.pass(48);
        assert_eq!(network.block, 50);
        assert_eq!(planned(&network), []);
        network.pass(1);
        assert_eq!(planned(&network), [Action::Advance(task)]);
    }

    #[test]
    fn wait_is_ended_only_after_its_time_and_not_once_drawn() {
        let mut network = Network::new();
        let task = network.create(0, None, 100);
        network.pass(1_000);
        assert_eq!(planned(&network), []);
        network.pass(1);
        assert_eq!(planned(&network), [Action::Expire(task)]);
        network.happen(Event::TaskWithdrawn { task, ending: Ending::Expired, refund: 100 });
        assert_eq!(planned(&network), []);
    }

    #[test]
    fn parked_book_is_woken_once_its_class_has_three_nodes() {
        let mut network = Network::with_classes(&[2, 3]);
        let key = ClassKey { kind: KindId(0), class: ClassId(1) };
        network.create(0, Some(key.class), 100);
        network.happen(Event::ClassBookParked { kind: key.kind, class: key.class });
        assert_eq!(planned(&network), []);
        network.join(key.class);
        assert_eq!(planned(&network), [Action::Wake(key)]);
        network.happen(Event::ClassBookWoken { kind: key.kind, class: key.class });
        assert_eq!(planned(&network), [DISPATCH]);
    }

    #[test]
    fn nodes_left_waiting_are_absorbed_once_the_sets_are_open() {
        let mut network = Network::with_classes(&[3]);
        let task = network.create(0, None, 100);
        network.draw(task);
        network.pass(1);
        for _ in 0..9 {
            network.join(ClassId(1));
        }
        assert_eq!(names(&network), ["dispatch"]);
        network.seat(task, [1, 2, 3], 500);
        let waiting: Vec<_> = (4..=12).map(NodeId).collect();
        for node in &waiting[..8] {
            network.happen(Event::NodeAbsorbed { node: *node });
        }
        assert_eq!(names(&network), ["absorb"], "a round of one task takes in eight");
        network.happen(Event::NodeAbsorbed { node: waiting[8] });
        assert_eq!(planned(&network), []);
        assert_eq!(network.view.nodes().counts().free, 9);
    }

    /// A network in which the first class has too few free nodes for a task that waits, and the second too little memory.
    fn starving() -> Network {
        let mut network = Network::with_classes(&[4, 3]);
        for node in 1..=2 {
            network.status(NodeId(node), Status::Busy);
        }
        network.created_with(0, None, 100, GB);
        for node in 5..=7 {
            network.status(NodeId(node), Status::Paused);
        }
        network
    }

    #[test]
    fn class_is_reserved_for_a_task_that_has_waited_long_enough() {
        let mut network = starving();
        let reserve = Action::Reserve { task: TaskId(1), class: ClassId(1) };
        network.pass(u64::from(RESERVE_AFTER) - 1);
        assert_eq!(planned(&network), []);
        network.pass(1);
        assert_eq!(planned(&network), [reserve]);
        let until = network.block + u64::from(RESERVE_HOLD);
        network.happen(Event::ClassReserved { task: TaskId(1), class: ClassId(1), until });
        assert_eq!(planned(&network), [], "one at a time");
        network.pass(u64::from(RESERVE_HOLD) + 1);
        assert_eq!(planned(&network), [reserve], "that one is over");
        network.status(NodeId(1), Status::Free);
        assert_eq!(planned(&network), [DISPATCH], "enough are free anyway");
    }

    #[test]
    fn class_with_the_most_active_nodes_is_reserved_unless_the_task_names_one() {
        let mut network = Network::with_classes(&[3, 5, 2]);
        for node in [1, 4, 5, 6] {
            network.status(NodeId(node), Status::Busy);
        }
        network.create(0, None, 100);
        network.pass(u64::from(RESERVE_AFTER));
        assert_eq!(planned(&network), [Action::Reserve { task: TaskId(1), class: ClassId(2) }]);
        let mut network = network.later(1);
        network.happen(Event::TaskWithdrawn { task: TaskId(1), ending: Ending::Cancelled, refund: 100 });
        network.create(0, Some(ClassId(1)), 100);
        network.create(0, Some(ClassId(3)), 900);
        network.create(1, None, 1);
        network.pass(u64::from(RESERVE_AFTER));
        let plan = planned(&network);
        assert!(plan.contains(&Action::Reserve { task: TaskId(2), class: ClassId(1) }), "{plan:?}");
    }

    #[test]
    fn task_drawn_for_other_nodes_is_seated_like_any_other_and_not_advanced() {
        let mut network = Network::with_classes(&[6]);
        let task = network.create(0, None, 100);
        network.draw(task);
        network.pass(1);
        network.seat(task, [1, 2, 3], 50);
        network.happen(Event::Committed { task, node: NodeId(1), commitment: alloy::primitives::B256::ZERO });
        network.pass(50);
        network.happen(Event::SeatsVacated { task, vacated: [false, true, true], refill_by: 100 });
        network.happen(Event::TaskVacant { task });
        assert_eq!(
            planned(&network),
            [],
            "three are free, two are wanted, and two of those free may be those that were let go"
        );
        network.status(NodeId(2), Status::Free);
        assert_eq!(planned(&network), [DISPATCH]);
        network.draw(task);
        network.pass(100);
        assert_eq!(planned(&network), [Action::Dispatch { max_tasks: 16, seats: 1 }]);
    }

    #[test]
    fn seat_that_nobody_takes_is_given_up_after_its_time() {
        let mut network = Network::with_classes(&[3]);
        let task = network.create(0, None, 100);
        network.draw(task);
        network.pass(1);
        network.seat(task, [1, 2, 3], 50);
        network.pass(50);
        network.happen(Event::SeatsVacated { task, vacated: [true, false, false], refill_by: 100 });
        network.happen(Event::TaskVacant { task });
        network.pass(100 - network.block);
        assert_eq!(planned(&network), []);
        network.pass(1);
        assert_eq!(planned(&network), [Action::Advance(task)]);
    }

    #[test]
    fn task_whose_crank_share_does_not_pay_is_left_to_others() {
        let mut network = Network::with_classes(&[3]);
        let task = network.create(0, None, 5_000);
        network.draw(task);
        network.pass(1);
        network.seat(task, [1, 2, 3], 50);
        network.pass(60);
        let policy = Policy { advance_gas: 10, ..Policy::default() };
        let at = |base_fee| plan(&network.view, &Head { base_fee, ..network.head() }, &policy);
        assert_eq!(at(5), [Action::Advance(task)], "a hundredth of 5000 is 50");
        assert_eq!(at(6), []);
    }

    #[test]
    fn class_whose_openness_is_stale_is_reviewed_when_tasks_wait_that_it_matters_to() {
        let mut network = Network::with_classes(&[3, 97]);
        let review = Action::Review(ClassId(1));
        assert!(!planned(&network).contains(&review), "nothing waits");
        network.create(0, None, 100);
        assert!(planned(&network).contains(&review));
        network.happen(Event::ClassReviewed { class: ClassId(1), open: false });
        assert!(!planned(&network).contains(&review));
    }

    #[test]
    fn cases_that_are_over_are_ended_only_by_those_who_want_to() {
        let mut network = Network::with_classes(&[2]);
        for (node, until) in [(1, 50), (2, 60)] {
            network.status(NodeId(node), Status::Frozen);
            let accused = [NodeId(0); 2];
            network.happen(Event::CaseOpened { node: NodeId(node), task: TaskId(1), appeal_by: until, accused });
        }
        let (appellant, evidence) = (alloy::primitives::Address::ZERO, alloy::primitives::B256::ZERO);
        network.happen(Event::Appealed { node: NodeId(2), task: TaskId(1), appellant, evidence, decide_by: 70 });
        let willing = Policy { cases: true, ..Policy::default() };
        let at = |block| plan(&network.view, &network.later(block - network.block).head(), &willing);
        assert_eq!(at(50), []);
        assert_eq!(at(51), [Action::Slash(NodeId(1))]);
        assert_eq!(at(71), [Action::Slash(NodeId(1)), Action::Thaw(NodeId(2))]);
        assert_eq!(planned(&network.later(100)), []);
    }

    #[test]
    fn round_is_no_longer_than_the_policy_allows() {
        let mut network = Network::new();
        for _ in 0..100 {
            network.create(0, None, 100);
        }
        network.pass(2_000);
        let policy = Policy { max_actions: 7, ..Policy::default() };
        assert_eq!(plan(&network.view, &network.head(), &policy).len(), 7);
    }

    /// A network at some point of a random life.
    fn any_network() -> impl Strategy<Value = Network> {
        let step = (0..6u8, any::<u8>(), 1..1_000u128, 1..400u64);
        (prop::collection::vec(1..8u32, 1..4), prop::collection::vec(step, 0..40)).prop_map(|(classes, steps)| {
            let mut network = Network::with_classes(&classes);
            for (what, which, fee, blocks) in steps {
                live(&mut network, what, which, fee, blocks);
            }
            network
        })
    }

    /// Does one thing that can happen now, if it can.
    fn live(network: &mut Network, what: u8, which: u8, fee: u128, blocks: u64) {
        let waiting = network.view.round().waiting().first().copied();
        match what {
            0 => drop(network.create(which % 2, None, fee)),
            1 => drop(network.create(which % 2, Some(ClassId(1)), fee)),
            2 => network.pass(blocks),
            3 if network.view.round().draw_block() == 0 => {
                let next = next_draw(&network.view, 4, network.block);
                for task in next.drawn {
                    network.draw(task);
                }
            }
            4 if network.view.round().closes_sets_in(network.block) => serve(network, waiting, blocks),
            5 => pause_one(network, which),
            _ => {}
        }
    }

    fn serve(network: &mut Network, waiting: Option<TaskId>, blocks: u64) {
        let free: Vec<_> = network.view.nodes().with_status(Status::Free).collect();
        let in_sets = |node: &NodeId| network.view.nodes().get(*node).is_some_and(|node| node.in_sets);
        let free: Vec<u32> = free.into_iter().filter(in_sets).map(|node| node.0).collect();
        let Some(task) = waiting else { return };
        if network.block - network.view.round().draw_block() > crate::view::HASH_WINDOW {
            let old_block = network.view.round().draw_block();
            return network.happen(Event::RoundRedrawn { old_block, new_block: network.block });
        }
        match free[..] {
            [a, b, c, ..] => network.seat(task, [a, b, c], network.block + blocks),
            _ => network.happen(Event::TaskRequeued { task }),
        }
    }

    fn pause_one(network: &mut Network, which: u8) {
        let nodes: Vec<_> = network.view.nodes().with_status(Status::Free).collect();
        if !nodes.is_empty() && !network.view.round().closes_sets_in(network.block) {
            network.status(nodes[usize::from(which) % nodes.len()], Status::Paused);
        }
    }

    proptest! {
        #[test]
        fn equal_views_give_equal_plans(network in any_network()) {
            prop_assert_eq!(planned(&network), planned(&network.clone()));
        }

        #[test]
        fn nothing_is_planned_before_its_time_and_nothing_twice(network in any_network()) {
            let plan = planned(&network);
            for action in &plan {
                match *action {
                    Action::Advance(task) => {
                        let task = network.view.tasks().get(task).unwrap();
                        prop_assert!(task.deadline < network.head().timestamp && task.seats().is_some());
                    }
                    Action::Expire(task) => {
                        let task = network.view.tasks().get(task).unwrap();
                        prop_assert!(task.deadline < network.head().timestamp);
                        prop_assert!(matches!(task.stage, Stage::Queued(_)));
                    }
                    Action::Dispatch { seats, .. } if seats > 0 => {
                        prop_assert!(network.view.round().draw_block() < network.head().number);
                        prop_assert_eq!(usize::try_from(seats).unwrap(), network.view.round().waiting().len());
                    }
                    Action::Dispatch { .. } => {
                        prop_assert!(network.view.books().queued() > 0 || network.view.has_vacancies());
                    }
                    Action::Wake(key) => {
                        let class = network.view.nodes().class(key.class).unwrap();
                        prop_assert!(class.free >= class.floor);
                    }
                    Action::Reserve { task, class } => {
                        let since = network.view.tasks().get(task).unwrap().waits_since.unwrap();
                        prop_assert!(since + u64::from(RESERVE_AFTER) <= network.head().timestamp);
                        prop_assert!(network.view.nodes().class(class).unwrap().active >= 3);
                    }
                    Action::Absorb { .. } | Action::Review(_) => {
                        prop_assert!(!network.view.round().closes_sets_in(network.block + 1));
                    }
                    Action::Slash(_) | Action::Thaw(_) => prop_assert!(false, "nobody is frozen"),
                }
            }
            let mut once = plan.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), plan.len());
        }

        #[test]
        fn every_overdue_stage_is_advanced(network in any_network()) {
            let policy = Policy { max_actions: u32::MAX, ..Policy::default() };
            let plan = plan(&network.view, &network.head(), &policy);
            for (id, task) in network.view.tasks().iter() {
                let is_overdue = task.seats().is_some() && task.deadline < network.head().timestamp;
                prop_assert_eq!(is_overdue, plan.contains(&Action::Advance(id)));
            }
        }
    }
}
