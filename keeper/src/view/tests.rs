use alloy::primitives::{Address, B256};
use proptest::prelude::*;
use xenon_protocol::contracts::{Ending, Intent, Status};

use super::*;
use crate::{TaskSettled, fixture::Network};

const TASK: TaskId = TaskId(1);

fn code(network: &Network, event: Event) -> &'static str {
    network.clone().try_happen(event).unwrap_err().code()
}

/// A task that nodes 1, 2 and 3 work on; node 4 is free.
fn seated() -> Network {
    let mut network = Network::with_classes(&[4]);
    network.create(0, None, 100);
    network.draw(TASK);
    network.pass(1);
    network.seat(TASK, [1, 2, 3], 50);
    network
}

fn commit(node: u32) -> Event {
    Event::Committed { task: TASK, node: NodeId(node), commitment: B256::ZERO }
}

fn reveal(node: u32) -> Event {
    Event::Revealed { task: TASK, node: NodeId(node), result: B256::ZERO }
}

/// The same task with all commitments there.
fn revealing() -> Network {
    let mut network = seated();
    for node in [3, 1, 2] {
        network.happen(commit(node));
    }
    network.happen(Event::RevealOpened { task: TASK, reveal_by: 60 });
    network
}

fn settled(ending: Ending) -> Event {
    Event::TaskSettled(Box::new(TaskSettled {
        task: TASK,
        ending,
        result: B256::ZERO,
        agreeing: [true, false, true],
        shares: [40, 0, 24],
        refund: 36,
        deliverer: 0,
        deliver_by: 70,
    }))
}

fn delivering() -> Network {
    let mut network = revealing();
    network.happen(settled(Ending::Agreed));
    network
}

fn delivered(node: u32) -> Event {
    Event::Delivered { task: TASK, node: NodeId(node), content: B256::ZERO, paid: 40 }
}

#[test]
fn event_of_a_task_that_is_not_alive_is_refused() {
    let mut ended = delivering();
    ended.happen(delivered(1));
    for network in [Network::new(), ended] {
        for event in [commit(1), reveal(1), settled(Ending::Agreed), delivered(1)] {
            assert_eq!(code(&network, event), "XK-014");
        }
        assert_eq!(code(&network, Event::TaskRequeued { task: TASK }), "XK-014");
        assert_eq!(code(&network, Event::Undelivered { task: TASK, to: Address::ZERO, amount: 0 }), "XK-014");
    }
}

#[test]
fn event_of_another_stage_is_refused() {
    let withdrawn = Event::TaskWithdrawn { task: TASK, ending: Ending::Cancelled, refund: 0 };
    let opened = Event::RevealOpened { task: TASK, reveal_by: 60 };
    assert_eq!(code(&seated(), reveal(1)), "XK-017");
    assert_eq!(code(&seated(), delivered(1)), "XK-017");
    assert_eq!(code(&seated(), withdrawn), "XK-017");
    assert_eq!(code(&seated(), Event::TaskDrawn { task: TASK, draw_block: 2 }), "XK-017");
    assert_eq!(code(&revealing(), commit(1)), "XK-017");
    assert_eq!(code(&revealing(), opened), "XK-017");
    assert_eq!(code(&delivering(), settled(Ending::Agreed)), "XK-017");
}

#[test]
fn seat_acts_once_and_only_if_it_is_one() {
    let mut network = seated();
    assert_eq!(code(&network, commit(4)), "XK-018");
    network.happen(commit(1));
    assert_eq!(code(&network, commit(1)), "XK-018");
    network.happen(commit(2));
    network.happen(Event::RevealOpened { task: TASK, reveal_by: 60 });
    assert_eq!(code(&network, reveal(3)), "XK-018", "it has not committed");
    network.happen(reveal(1));
    assert_eq!(code(&network, reveal(1)), "XK-018");
}

#[test]
fn ranks_follow_the_order_of_commits_and_reveals() {
    let mut network = revealing();
    for node in [2, 3] {
        network.happen(reveal(node));
    }
    let task = network.view.tasks().get(TASK).unwrap();
    let seats = task.seats().unwrap();
    assert_eq!((seats.commit_ranks, seats.reveal_ranks), ([2, 3, 1], [0, 1, 2]));
    assert_eq!(task.deadline, 60);
}

#[test]
fn delivery_passes_to_the_next_agreeing_seat_only() {
    let passed = |next| Event::DeliveryPassed { task: TASK, next: NodeId(next), deliver_by: 80 };
    let mut network = delivering();
    assert_eq!(network.view.tasks().get(TASK).unwrap().escrow(), 40);
    assert_eq!(code(&network, passed(2)), "XK-018");
    assert_eq!(code(&network, delivered(3)), "XK-018");
    network.happen(passed(3));
    assert_eq!(code(&network, delivered(1)), "XK-018");
    assert_eq!(code(&network, passed(1)), "XK-018");
    network.happen(delivered(3));
    assert_eq!(network.view.tasks().iter().count(), 0);
    assert_eq!(network.view.tallies()[&KindId(0)][Ending::Agreed as usize], 1);
}

#[test]
fn task_without_agreement_ends_when_it_is_settled() {
    for network in [seated(), revealing()] {
        let mut network = network;
        network.happen(settled(Ending::Disagreed));
        assert_eq!(network.view.tasks().get(TASK), None);
        assert_eq!(network.view.tallies()[&KindId(0)][Ending::Disagreed as usize], 1);
        assert!(network.view.tasks().overdue(u64::MAX).next().is_none());
    }
}

#[test]
fn numbers_that_were_skipped_show_that_logs_are_missing() {
    let network = Network::with_classes(&[1]);
    let mut created = network.created(0, None, 100);
    created.task = TaskId(2);
    assert_eq!(code(&network, Event::TaskCreated(Box::new(created))), "XK-012");
    let opened = Event::ClassOpened { class: ClassId(3), class_hash: B256::ZERO, tier: Tier::default() };
    assert_eq!(code(&network, opened), "XK-012");
    let kind = Event::KindAdded { kind: KindId(7), spec: network.view.kinds()[&KindId(0)] };
    assert_eq!(code(&network, kind), "XK-012");
}

#[test]
fn what_was_never_added_is_unknown() {
    let network = Network::new();
    assert_eq!(code(&network, Event::TaskCreated(Box::new(network.created(9, None, 1)))), "XK-013");
    assert_eq!(code(&network, Event::TaskCreated(Box::new(network.created(0, Some(ClassId(1)), 1)))), "XK-016");
    assert_eq!(code(&network, Event::StatusChanged { node: NodeId(1), status: Status::Free }), "XK-015");
    assert_eq!(code(&network, Event::NodeAbsorbed { node: NodeId(1) }), "XK-015");
    assert_eq!(code(&network, Event::ClassReviewed { class: ClassId(1), open: true }), "XK-016");
    let ms_per_unit = 1.try_into().unwrap();
    assert_eq!(code(&network, Event::DurationsChanged { kind: KindId(9), overhead_ms: 1, ms_per_unit }), "XK-013");
    let (kind, class) = (KindId(0), ClassId(1));
    assert_eq!(code(&network, Event::ClassBookParked { kind, class }), "XK-021");
    assert_eq!(code(&network, Event::ClassBookWoken { kind, class }), "XK-021");
}

#[test]
fn value_that_does_not_follow_from_the_kind_is_refused() {
    let network = Network::new();
    let mut created = network.created(0, None, 100);
    created.fee = 101;
    assert_eq!(code(&network, Event::TaskCreated(Box::new(created))), "XK-022");
    let mut created = network.created(0, None, 100);
    created.min_vram = 129;
    assert_eq!(code(&network, Event::TaskCreated(Box::new(created))), "XK-022");
}

#[test]
fn node_changes_status_only_as_the_contract_lets_it() {
    use Status::{Busy, Free, Frozen, Gone, Paused, Slashed, Suspended, Unbonding};
    let allowed = |from: Status| match from {
        Free => vec![Busy, Paused, Frozen, Unbonding],
        Busy => vec![Free, Paused, Suspended, Frozen, Unbonding],
        Paused | Suspended => vec![Free, Frozen, Unbonding],
        Frozen => vec![Paused, Frozen, Unbonding, Slashed],
        Unbonding => vec![Frozen, Gone],
        _ => vec![],
    };
    let paths = [
        vec![],
        vec![Busy],
        vec![Paused],
        vec![Busy, Suspended],
        vec![Busy, Frozen],
        vec![Frozen, Slashed],
        vec![Unbonding],
        vec![Unbonding, Gone],
    ];
    for path in paths {
        let mut network = Network::with_classes(&[1]);
        for status in &path {
            network.status(NodeId(1), *status);
        }
        let from = path.last().copied().unwrap_or(Free);
        for status in [Status::None, Free, Busy, Paused, Suspended, Frozen, Unbonding, Gone, Slashed] {
            let outcome = network.clone().try_happen(Event::StatusChanged { node: NodeId(1), status });
            assert_eq!(outcome.is_ok(), allowed(from).contains(&status), "{from:?} to {status:?}");
        }
    }
}

#[test]
fn counters_follow_the_nodes() {
    let mut network = seated();
    assert_eq!(network.view.nodes().counts(), Counts { total: 4, active: 4, free: 1, busy: 3 });
    network.status(NodeId(1), Status::Frozen);
    network.status(NodeId(2), Status::Suspended);
    network.status(NodeId(3), Status::Free);
    network.status(NodeId(4), Status::Unbonding);
    assert_eq!(network.view.nodes().counts(), Counts { total: 4, active: 1, free: 1, busy: 0 });
    network.status(NodeId(4), Status::Gone);
    assert_eq!(network.view.nodes().counts().total, 3);
    assert_eq!(network.view.nodes().with_status(Status::Frozen).collect::<Vec<_>>(), [NodeId(1)]);
}

#[test]
fn node_that_becomes_free_while_a_round_waits_enters_the_sets_when_it_is_absorbed() {
    let mut network = Network::with_classes(&[3]);
    network.create(0, None, 100);
    network.draw(TASK);
    network.join(ClassId(1));
    assert_eq!(network.view.nodes().counts().free, 4, "in the block of the draw the sets are open");
    network.pass(1);
    let late = network.join(ClassId(1));
    assert_eq!((network.view.nodes().counts().free, network.view.nodes().deferred()), (4, 1));
    assert_eq!(network.view.nodes().class(ClassId(1)).unwrap().active, 5, "it counts all the same");
    network.seat(TASK, [1, 2, 3], 50);
    assert_eq!((network.view.nodes().counts().free, network.view.nodes().deferred()), (1, 1));
    network.happen(Event::NodeAbsorbed { node: late });
    assert_eq!((network.view.nodes().counts().free, network.view.nodes().deferred()), (2, 0));
    assert!(network.view.nodes().get(late).unwrap().in_sets);
    assert_eq!(code(&network, Event::NodeAbsorbed { node: late }), "XK-019");
}

#[test]
fn node_that_wants_to_leave_while_a_round_waits_leaves_when_the_sets_open() {
    let mut network = Network::with_classes(&[4]);
    network.create(0, None, 100);
    network.draw(TASK);
    network.pass(1);
    network.happen(Event::IntentChanged { node: NodeId(4), intent: Intent::Pause });
    assert_eq!((network.view.nodes().counts().free, network.view.nodes().deferred()), (4, 1));
    network.seat(TASK, [1, 2, 3], 50);
    network.status(NodeId(4), Status::Paused);
    assert_eq!((network.view.nodes().counts().free, network.view.nodes().deferred()), (0, 0));
    let outside = Event::IntentChanged { node: NodeId(4), intent: Intent::Pause };
    network.status(NodeId(4), Status::Free);
    assert!(network.clone().try_happen(outside).is_ok(), "it is in the sets again");
}

#[test]
fn class_is_open_while_it_has_a_share_of_the_active_nodes_and_looked_at_while_the_sets_are_open() {
    let mut network = Network::with_classes(&[1, 33]);
    let open = |network: &Network| network.view.nodes().class(ClassId(1)).unwrap().open;
    assert!(open(&network), "it was all there was when its own number last changed");
    assert_eq!(code(&network, Event::ClassReviewed { class: ClassId(1), open: true }), "XK-024");
    network.happen(Event::ClassReviewed { class: ClassId(1), open: false });
    assert!(!open(&network));

    network.create(1, None, 100);
    network.draw(TASK);
    network.pass(1);
    let late = network.join(ClassId(1));
    assert!(!open(&network), "two of thirty-five are enough, but the sets are closed");
    network.seat(TASK, [2, 3, 4], 50);
    network.happen(Event::NodeAbsorbed { node: late });
    assert!(open(&network));
}

#[test]
fn capacity_counts_what_open_classes_can_serve_above_their_floors() {
    let network = Network::with_classes(&[19, 2, 700]);
    let (nodes, tier) = (network.view.nodes(), Tier::at_least(crate::fixture::GB).unwrap());
    assert_eq!(nodes.class(ClassId(1)).unwrap().floor, 4);
    assert_eq!(nodes.class(ClassId(3)).unwrap().floor, 32);
    let first = nodes.class(ClassId(1)).unwrap();
    assert_eq!((first.servable(), nodes.class(ClassId(2)).unwrap().servable()), (6, 0));
    let servable = nodes.capacity().servable[tier.index()];
    assert_eq!(servable, 6 + (1 + (700 - 32) / 3));
    assert_eq!(nodes.capacity().active[tier.index()], 721);
}

/// The same task with the seat of node 2 vacated, which let the time pass.
fn vacant() -> Network {
    let mut network = seated();
    for node in [3, 1] {
        network.happen(commit(node));
    }
    network.happen(Event::Advanced { task: TASK, caller: Address::ZERO, crank_reward: 1 });
    network.happen(Event::SeatsVacated { task: TASK, vacated: [false, true, false], refill_by: 80 });
    network.status(NodeId(2), Status::Free);
    network.happen(Event::TaskVacant { task: TASK });
    network
}

fn refilled(nodes: [u32; 3]) -> Event {
    let (keeper, nodes) = (Address::ZERO, nodes.map(NodeId));
    Event::SeatsRefilled { task: TASK, nodes, commit_by: 90, keeper, crank_reward: 1 }
}

#[test]
fn vacated_seat_is_given_to_another_and_its_first_holder_has_no_part_any_more() {
    let mut network = vacant();
    assert_eq!(network.view.vacancies(), &[TASK]);
    assert_eq!(code(&network, commit(2)), "XK-017", "nobody commits meanwhile");
    assert_eq!(code(&network, refilled([1, 4, 3])), "XK-020", "it was not drawn");
    network.draw(TASK);
    assert!(network.view.vacancies().is_empty());
    assert!(network.view.tasks().overdue(u64::MAX).next().is_none(), "only its seating moves it on");
    network.pass(1);
    network.status(NodeId(4), Status::Busy);
    assert_eq!(code(&network, refilled([4, 2, 3])), "XK-018", "who committed keeps the seat");
    network.happen(refilled([1, 4, 3]));
    assert_eq!(network.view.round().draw_block(), 0);
    assert_eq!(code(&network, commit(2)), "XK-018");
    network.happen(commit(4));
    let task = network.view.tasks().get(TASK).unwrap();
    assert_eq!((task.seats().unwrap().commit_ranks, task.deadline, task.escrow()), ([2, 3, 1], 90, 98));
}

#[test]
fn task_goes_on_with_two_or_ends_when_nobody_takes_the_seat() {
    let opened = Event::RevealOpened { task: TASK, reveal_by: 95 };
    let mut given_up = vacant();
    given_up.happen(opened.clone());
    assert!(!given_up.view.has_vacancies(), "it stays in the line and is passed over");
    assert_eq!(given_up.view.vacancies(), &[TASK]);
    assert_eq!(code(&given_up, reveal(2)), "XK-018");

    let mut nobody_there = vacant();
    nobody_there.draw(TASK);
    nobody_there.pass(1);
    let mut ended = nobody_there.clone();
    nobody_there.happen(opened);
    assert_eq!((nobody_there.view.round().draw_block(), nobody_there.view.vacancies().len()), (0, 0));
    ended.happen(settled(Ending::Unanswered));
    assert_eq!((ended.view.round().draw_block(), ended.view.tasks().iter().count()), (0, 0));
}

#[test]
fn reservation_stands_until_it_ends_and_is_that_of_a_queued_task() {
    let mut network = Network::with_classes(&[4]);
    let reserved = |class| Event::ClassReserved { task: TASK, class: ClassId(class), until: 60 };
    let ended = |class| Event::ReservationEnded { task: TASK, class: ClassId(class) };
    assert_eq!(code(&network, reserved(1)), "XK-025");
    network.create(0, None, 100);
    network.happen(reserved(1));
    assert_eq!(code(&network, reserved(1)), "XK-025");
    assert_eq!(code(&network, ended(2)), "XK-025");
    network.draw(TASK);
    assert!(network.view.reservation().is_some_and(|held| held.drawn && !held.is_over(u64::MAX)));
    network.pass(1);
    network.happen(ended(1));
    network.seat(TASK, [1, 2, 3], 50);
    assert_eq!((network.view.reservation(), network.view.is_bound()), (None, false));
    assert_eq!(code(&network, ended(1)), "XK-025");
}

#[test]
fn round_drawn_under_a_reservation_that_ended_is_bound_until_it_is_seated() {
    let mut network = Network::with_classes(&[4, 4]);
    let reserved = network.create(0, None, 100);
    network.happen(Event::ClassReserved { task: reserved, class: ClassId(1), until: 60 });
    let other = network.create(0, None, 200);
    network.draw(other);
    network.pass(1);
    network.happen(Event::ReservationEnded { task: reserved, class: ClassId(1) });
    network.happen(Event::TaskWithdrawn { task: reserved, ending: Ending::Cancelled, refund: 100 });
    assert!(network.view.is_bound());
    network.seat(other, [5, 6, 7], 50);
    assert!(!network.view.is_bound());
}

#[test]
fn evicted_task_is_gone_and_counted() {
    let mut network = Network::with_classes(&[1]);
    let task = network.create(0, Some(ClassId(1)), 100);
    assert_eq!(code(&network, Event::TaskEvicted { task: TaskId(9) }), "XK-014");
    network.happen(Event::TaskEvicted { task });
    network.happen(Event::TaskWithdrawn { task, ending: Ending::Evicted, refund: 100 });
    assert_eq!((network.view.books().queued(), network.view.books().classes().count()), (0, 0));
    assert_eq!(network.view.tallies()[&KindId(0)][Ending::Evicted as usize], 1);
    assert_eq!(code(&seated(), Event::TaskEvicted { task: TASK }), "XK-017");
}

#[test]
fn case_of_a_frozen_node_is_known_until_it_is_over() {
    let mut network = seated();
    let cases = |network: &Network| network.view.nodes().cases().collect::<Vec<_>>();
    network.status(NodeId(1), Status::Frozen);
    let accused = [NodeId(2), NodeId(3)];
    network.happen(Event::CaseOpened { node: NodeId(1), task: TASK, appeal_by: 500, accused });
    assert_eq!(cases(&network), [(NodeId(1), Case { task: TASK, until: 500, appealed: false })]);
    let (appellant, evidence) = (Address::ZERO, B256::ZERO);
    network.happen(Event::Appealed { node: NodeId(1), task: TASK, appellant, evidence, decide_by: 900 });
    assert_eq!(cases(&network), [(NodeId(1), Case { task: TASK, until: 900, appealed: true })]);
    let mut slashed = network.clone();
    slashed.status(NodeId(1), Status::Slashed);
    slashed.happen(Event::Slashed { node: NodeId(1), task: TASK, amount: 1 });
    assert_eq!((cases(&slashed), slashed.view.nodes().get(NodeId(1)).unwrap().stake), (vec![], 0));
    assert_eq!(slashed.view.nodes().counts().total, 3);
    network.status(NodeId(1), Status::Paused);
    assert_eq!(cases(&network), []);
}

#[test]
fn durations_that_change_count_for_what_is_created_or_queued_again_from_then_on() {
    let mut network = Network::with_classes(&[3]);
    network.create(0, None, 100);
    let ms_per_unit = 2_000.try_into().unwrap();
    network.happen(Event::DurationsChanged { kind: KindId(0), overhead_ms: 0, ms_per_unit });
    let level = |network: &Network| network.view.tasks().get(TASK).unwrap().value().level();
    let before = level(&network);
    network.draw(TASK);
    network.pass(1);
    network.happen(Event::TaskRequeued { task: TASK });
    assert!(level(&network) < before);
    assert_eq!(code(&network, Event::TaskCreated(Box::new(network.created(0, None, 100)))), "XK-022");
}

#[test]
fn busy_node_outside_the_sets_is_impossible() {
    let mut network = seated();
    network.status(NodeId(4), Status::Paused);
    assert_eq!(code(&network, Event::StatusChanged { node: NodeId(4), status: Status::Busy }), "XK-019");
}

#[test]
fn log_of_another_block_at_the_same_height_is_a_reorganisation() {
    let mut network = seated();
    let mut log = network.log(commit(1));
    log.block_hash = B256::repeat_byte(7);
    assert_eq!(network.view.apply(&log).unwrap_err().code(), "XK-011");
}

proptest! {
    #[test]
    fn logs_seen_again_change_nothing(repeats in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let mut network = delivering();
        network.happen(delivered(1));
        let logs = network.logs.clone();
        let (mut once, mut again) = (View::new(), View::new());
        for (at, log) in logs.iter().enumerate() {
            prop_assert_eq!(once.apply(log), Ok(Applied::Fresh));
            prop_assert_eq!(again.apply(log), Ok(Applied::Fresh));
            for repeat in &repeats {
                prop_assert_eq!(again.apply(&logs[repeat.index(at + 1)]), Ok(Applied::Duplicate));
            }
            prop_assert_eq!(&once, &again);
        }
        for view in [&mut once, &mut network.view] {
            view.note_time(1);
        }
        prop_assert_eq!(once, network.view);
    }
}
