//! What should be done now.

use xenon_protocol::chain::Head;

use crate::{
    Action, Policy, TaskId, View,
    order::next_draw,
    view::{ClassKey, Task},
};

/// What should be done, given the state after a block, in order of urgency.
///
/// Pure: equal arguments give equal plans. Nothing is planned that the contracts would refuse in the next block, as far
/// as the view tells; the contracts decide.
pub fn plan(view: &View, now: &Head, policy: &Policy) -> Vec<Action> {
    let overdue = view.tasks().overdue(now.timestamp).map(Action::Advance);
    let expired = view.tasks().expired(now.timestamp).map(Action::Expire);
    let limit = usize::try_from(policy.max_actions).unwrap_or(usize::MAX);
    dispatch(view, now, policy)
        .into_iter()
        .chain(overdue)
        .chain(wakeable(view).map(Action::Wake))
        .chain(absorb(view, policy))
        .chain(expired)
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

/// Parked books whose class has three free nodes again.
fn wakeable(view: &View) -> impl Iterator<Item = ClassKey> {
    let has_three = |key: &ClassKey| view.nodes().class(key.class).is_some_and(|class| class.free >= 3);
    view.books().parked().filter(has_three)
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
    use crate::{ClassId, Event, NodeId, fixture::Network, view::Stage};

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
        let key = ClassKey { kind: crate::KindId(0), class: ClassId(1) };
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
        assert_eq!(names(&network), ["absorb"], "a round of one task takes in eight");
        network.view.note_deferred(0);
        assert_eq!(planned(&network), []);
        assert_eq!(network.view.nodes().counts().free, 9);
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
                    Action::Dispatch { .. } => prop_assert!(network.view.books().queued() > 0),
                    Action::Wake(key) => prop_assert!(network.view.nodes().class(key.class).unwrap().free >= 3),
                    Action::Absorb { .. } => prop_assert!(!network.view.round().closes_sets_in(network.block + 1)),
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
