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
fn task_that_found_no_nodes_has_waited_since_it_was_created() {
    let mut network = Network::with_classes(&[4]);
    let task = network.create(0, None, 100);
    let created = network.block;
    network.draw(task);
    network.pass(1);
    network.happen(Event::TaskRequeued { task });
    for node in 1..=2 {
        network.status(NodeId(node), Status::Busy);
    }
    assert_eq!(network.view.tasks().get(task).unwrap().waits_since(), Some(created));
    network.pass(u64::from(RESERVE_AFTER) - 2);
    assert_eq!(planned(&network), []);
    network.pass(1);
    assert_eq!(planned(&network), [Action::Reserve { task, class: ClassId(1) }]);
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
                    let since = network.view.tasks().get(task).unwrap().waits_since().unwrap();
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
