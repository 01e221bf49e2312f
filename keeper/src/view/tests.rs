use alloy::primitives::B256;
use proptest::prelude::*;
use xenon_protocol::contracts::{Ending, Intent, Status};

use super::*;
use crate::fixture::Network;

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
        assert_eq!(code(&network, Event::Undelivered { task: TASK, refund: 0 }), "XK-014");
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
    assert_eq!(network.view.tasks().get(TASK).unwrap().escrow, 40);
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
    use Status::{Busy, Free, Frozen, Gone, Paused, Suspended, Unbonding};
    let allowed = |from: Status| match from {
        Free => vec![Free, Busy, Paused, Unbonding],
        Busy => vec![Free, Paused, Suspended, Frozen, Unbonding],
        Paused | Suspended => vec![Free, Unbonding],
        Unbonding => vec![Gone],
        _ => vec![],
    };
    let paths = [vec![], vec![Busy], vec![Paused], vec![Busy, Suspended], vec![Busy, Frozen], vec![Unbonding]];
    for path in paths {
        let mut network = Network::with_classes(&[1]);
        for status in &path {
            network.status(NodeId(1), *status);
        }
        let from = path.last().copied().unwrap_or(Free);
        for status in [Status::None, Free, Busy, Paused, Suspended, Frozen, Unbonding, Gone] {
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
fn node_that_becomes_free_while_a_round_waits_enters_the_sets_when_it_is_seated() {
    let mut network = Network::with_classes(&[3]);
    network.create(0, None, 100);
    network.draw(TASK);
    network.join(ClassId(1));
    assert_eq!(network.view.nodes().counts().free, 4, "in the block of the draw the sets are open");
    network.pass(1);
    let late = network.join(ClassId(1));
    assert_eq!((network.view.nodes().counts().free, network.view.nodes().deferred()), (4, 1));
    network.seat(TASK, [1, 2, 3], 50);
    assert_eq!((network.view.nodes().counts().free, network.view.nodes().deferred()), (2, 0));
    assert!(network.view.nodes().get(late).unwrap().in_sets);
}

#[test]
fn node_taken_in_unseen_shows_it_by_what_it_does_next() {
    let mut network = Network::with_classes(&[3]);
    network.create(0, None, 100);
    network.draw(TASK);
    network.pass(1);
    let late: Vec<_> = (0..12).map(|_| network.join(ClassId(1))).collect();
    network.seat(TASK, [1, 2, 3], 50);
    assert_eq!(network.view.nodes().deferred(), 4);
    // Somebody absorbed all of them, which no event tells; the next round finds one of them in the sets.
    network.create(0, None, 100);
    network.draw(TaskId(2));
    network.pass(1);
    network.happen(Event::IntentChanged { node: late[10], intent: Intent::Pause });
    network.status(late[9], Status::Busy);
    let node = |id: NodeId| network.view.nodes().get(id).unwrap();
    assert!(late[..9].iter().all(|id| node(*id).in_sets));
    assert_eq!((node(late[10]).in_sets, node(late[10]).deferred), (true, true));
    assert_eq!((node(late[11]).in_sets, network.view.nodes().deferred()), (false, 2));
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
        let logs = network.logs;
        let (mut once, mut again) = (View::new(), View::new());
        for (at, log) in logs.iter().enumerate() {
            prop_assert_eq!(once.apply(log), Ok(Applied::Fresh));
            prop_assert_eq!(again.apply(log), Ok(Applied::Fresh));
            for repeat in &repeats {
                prop_assert_eq!(again.apply(&logs[repeat.index(at + 1)]), Ok(Applied::Duplicate));
            }
            prop_assert_eq!(&once, &again);
        }
        prop_assert_eq!(once, network.view);
    }
}
