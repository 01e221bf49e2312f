//! The life of a task on the real bytecode, outcome by outcome, through the interfaces the services use.

#![allow(clippy::unwrap_used, missing_docs)]

mod network;

use alloy::{
    primitives::{B256, aliases::U40, keccak256},
    signers::{SignerSync as _, local::PrivateKeySigner},
    sol_types::SolEvent,
};
use network::{COIN, CREATOR, KEEPER, Network, key, salt};
use xenon_protocol::{
    chain::{Chain, LogFilter, TypedChain},
    commitment::commitment,
    contracts::{Ending, State, Status, Task, TaskQueue},
    error_code::{ErrorCode, error_result},
    stored::stored_digest,
};

/// What a task pays.
const FEE: u128 = 10 * COIN;
/// What is left of it after the keeper's one percent.
const POT: u128 = FEE - FEE / 100;

fn answer() -> B256 {
    keccak256("42")
}

fn wrong() -> B256 {
    keccak256("43")
}

fn other() -> B256 {
    keccak256("44")
}

/// Points of fifty, in wei.
fn points(points: u128) -> u128 {
    POT * points / 50
}

#[tokio::test]
async fn copied_commitment_cannot_be_revealed() {
    let net = Network::with_nodes(3).await;
    let task = net.seated(FEE).await;
    let (honest, thief) = (net.node_at(task, 0).await, net.node_at(task, 1).await);
    let copied = commitment(task, key(honest), answer(), &salt(task, honest));
    net.commit(task, 0, answer()).await.unwrap();
    net.commit_raw(task, thief, copied).await.unwrap();
    net.commit(task, 2, answer()).await.unwrap();
    net.reveal(task, 0, answer()).await.unwrap();

    let stolen = salt(task, honest).reveal();
    let call = Task::revealCall { node: thief, task: U40::from(task), result: answer(), salt: stolen };
    let error = net.send_as(key(thief), &call).await.unwrap_err();
    let refusal = error.revert().unwrap().decode::<Task::WrongReveal>().unwrap();
    assert_eq!((refusal.node, refusal.expected), (thief, copied));
    assert_ne!(refusal.actual, copied);
}

#[tokio::test]
async fn move_of_the_wrong_party_or_stage_is_refused_by_name() {
    let net = Network::with_nodes(4).await;
    let task = net.seated(FEE).await;
    let seated = net.task(task).await.nodes;
    let stranger = (1..=4).find(|node| !seated.contains(node)).unwrap();

    let early = net.reveal(task, 0, answer()).await.unwrap_err();
    assert!(early.revert().unwrap().is::<Task::WrongState>(), "{early}");
    let uninvited = net.commit_raw(task, stranger, answer()).await.unwrap_err();
    assert!(uninvited.revert().unwrap().is::<Task::NotSeated>(), "{uninvited}");
    let call = Task::commitCall { node: seated[0], task: U40::from(task), commitment: answer() };
    let impostor = net.send_as(key(stranger), &call).await.unwrap_err();
    assert!(impostor.revert().unwrap().is::<Task::NotNodeKey>(), "{impostor}");
}

#[tokio::test]
async fn three_who_agree_share_the_fee_in_the_order_they_came() {
    let net = Network::with_nodes(5).await;
    let task = net.seated(FEE).await;
    let settled = net.vote(task, &[(2, answer()), (0, answer()), (1, answer())]).await;
    let event = settled.event::<Task::TaskSettled>().unwrap();
    assert_eq!((Ending::try_from(event.ending).unwrap(), event.result), (Ending::Agreed, answer()));
    assert_eq!(event.shares.map(|share| share.to::<u128>()), [points(18), points(12), points(20)]);

    let deliverer = usize::from(net.task(task).await.deliverer);
    assert_eq!(net.earned_at(task, deliverer).await, 0, "its share is held until it delivers");
    let nothing = net.deliver(task, B256::ZERO).await.unwrap_err();
    assert!(nothing.revert().unwrap().is::<Task::ContentZero>(), "{nothing}");
    net.deliver(task, answer()).await.unwrap();

    assert_eq!(net.earned_at(task, 2).await, points(20));
    assert_eq!(net.earned_at(task, 0).await, points(18));
    assert_eq!(net.earned_at(task, 1).await, points(12));
    assert_eq!(net.credit(KEEPER).await, FEE / 100);
    assert_eq!(net.state(task).await, State::Ended);
    assert_eq!(net.tally().await.agreed.to::<u64>(), 1);
    net.assert_all_money_can_be_withdrawn(FEE).await;
}

#[tokio::test]
async fn lazy_node_is_frozen_and_its_share_goes_back() {
    let net = Network::with_nodes(3).await;
    let task = net.seated(FEE).await;
    net.vote(task, &[(0, wrong()), (1, answer()), (2, answer())]).await;
    let (lazy, honest) = (net.node_at(task, 0).await, net.node_at(task, 1).await);
    assert_eq!(net.status(lazy).await, Status::Frozen);
    assert_eq!(net.status(honest).await, Status::Free);
    net.deliver(task, answer()).await.unwrap();
    assert_eq!(net.earned(lazy).await, 0);
    assert_eq!(net.earned_at(task, 1).await, points(18));
    assert_eq!(net.earned_at(task, 2).await, points(12));
    assert_eq!(net.credit(CREATOR).await, POT - points(18) - points(12));
    net.assert_all_money_can_be_withdrawn(FEE).await;
}

#[tokio::test]
async fn absent_node_does_not_hold_up_the_two_who_agree() {
    let net = Network::with_nodes(3).await;
    let task = net.seated(FEE).await;
    let votes = [(0, answer()), (2, answer())];
    for (seat, result) in votes {
        net.commit(task, seat, result).await.unwrap();
    }
    net.advance_when_due(task).await;
    assert_eq!(net.state(task).await, State::Vacant);
    net.advance_when_due(task).await;
    assert_eq!(net.state(task).await, State::Revealing, "nobody else was there");
    net.reveal_all(task, &votes).await;
    net.deliver(task, answer()).await.unwrap();
    let absent = net.node_at(task, 1).await;
    assert_eq!(net.status(absent).await, Status::Free, "never frozen for being absent");
    assert_eq!(net.record(absent).await.misses, 1);
    assert_eq!(net.earned(absent).await, 0);
    assert_eq!(net.tally().await.agreed.to::<u64>(), 1);
    net.assert_all_money_can_be_withdrawn(FEE).await;
}

#[tokio::test]
async fn seat_of_an_absent_node_is_given_to_another() {
    let net = Network::with_nodes(4).await;
    let task = net.seated(FEE).await;
    let absent = net.node_at(task, 1).await;
    let fresh = 1 + 2 + 3 + 4 - net.task(task).await.nodes.iter().sum::<u32>();
    for seat in [2, 0] {
        net.commit(task, seat, answer()).await.unwrap();
    }
    net.advance_when_due(task).await;
    let early = net.commit(task, 1, answer()).await.unwrap_err();
    assert!(early.revert().unwrap().is::<Task::NotSeated>(), "{early}");
    let refilled = net.seat().await.event::<Task::SeatsRefilled>().unwrap();
    assert_eq!((refilled.nodes[1], net.node_at(task, 1).await), (fresh, fresh), "never the one that was let go");
    net.commit(task, 1, answer()).await.unwrap();
    net.reveal_all(task, &[(1, answer()), (0, answer()), (2, answer())]).await;
    net.deliver(task, answer()).await.unwrap();
    assert!(net.earned(fresh).await > 0);
    assert_eq!((net.earned(absent).await, net.record(absent).await.misses), (0, 1));
    net.assert_all_money_can_be_withdrawn(FEE).await;
}

#[tokio::test]
async fn task_that_names_a_relay_is_delivered_with_its_signature_only() {
    let net = Network::with_nodes(3).await;
    let (relay, stranger) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    let task = net.create_relayed(FEE, relay.address()).await;
    net.seat().await;
    net.vote(task, &[(0, answer()), (1, answer()), (2, answer())]).await;
    let unsigned = net.deliver(task, answer()).await.unwrap_err();
    assert!(unsigned.revert().unwrap().is::<Task::RelayMustSign>(), "{unsigned}");

    let node = net.node_at(task, net.task(task).await.deliverer.into()).await;
    let digest = stored_digest(31337, net.contracts.task, task, answer());
    let signed = |by: &PrivateKeySigner| Task::deliverSignedCall {
        node,
        task: U40::from(task),
        content: answer(),
        signature: by.sign_hash_sync(&digest).unwrap().as_bytes().into(),
    };
    let forged = net.send_as(key(node), &signed(&stranger)).await.unwrap_err();
    let refusal = forged.revert().unwrap().decode::<Task::WrongRelay>().unwrap();
    assert_eq!((refusal.signer, refusal.relay), (stranger.address(), relay.address()));
    net.send_as(key(node), &signed(&relay)).await.unwrap();
    assert_eq!(net.state(task).await, State::Ended);
    net.assert_all_money_can_be_withdrawn(FEE).await;
}

#[tokio::test]
async fn node_that_never_reveals_loses_its_share() {
    let net = Network::with_nodes(3).await;
    let task = net.seated(FEE).await;
    for seat in 0..3 {
        net.commit(task, seat, answer()).await.unwrap();
    }
    net.reveal_all(task, &[(0, answer()), (1, answer())]).await;
    net.advance_when_due(task).await;
    net.deliver(task, answer()).await.unwrap();
    assert_eq!(net.earned_at(task, 2).await, 0);
    assert_eq!(net.record(net.node_at(task, 2).await).await.misses, 1);
    net.assert_all_money_can_be_withdrawn(FEE).await;
}

#[tokio::test]
async fn three_different_answers_are_refunded_and_nobody_is_frozen() {
    let net = Network::with_nodes(3).await;
    let task = net.seated(FEE).await;
    net.vote(task, &[(0, answer()), (1, wrong()), (2, other())]).await;
    for seat in 0..3 {
        assert_eq!(net.status(net.node_at(task, seat).await).await, Status::Free);
        assert_eq!(net.earned_at(task, seat).await, 0);
    }
    assert_eq!(net.credit(CREATOR).await, POT);
    assert_eq!((net.state(task).await, net.tally().await.disagreed.to::<u64>()), (State::Ended, 1));
    net.assert_all_money_can_be_withdrawn(FEE).await;
}

#[tokio::test]
async fn error_of_one_node_is_not_punished_and_the_others_are_paid() {
    let net = Network::with_nodes(3).await;
    let task = net.seated(FEE).await;
    let failed = error_result(ErrorCode::OutOfMemory);
    net.vote(task, &[(0, failed), (1, answer()), (2, answer())]).await;
    let node = net.node_at(task, 0).await;
    assert_eq!(net.status(node).await, Status::Free);
    assert_eq!(net.record(node).await.misses, 0);
    net.deliver(task, answer()).await.unwrap();
    assert_eq!(net.earned(node).await, 0);
    net.assert_all_money_can_be_withdrawn(FEE).await;
}

#[tokio::test]
async fn error_that_all_three_report_costs_the_creator_three_percent() {
    let net = Network::with_nodes(3).await;
    let task = net.seated(FEE).await;
    let failed = error_result(ErrorCode::InvalidArguments);
    net.vote(task, &[(0, failed), (1, failed), (2, failed)]).await;
    let each = POT * 300 / 10_000 / 3;
    for seat in 0..3 {
        assert_eq!(net.earned_at(task, seat).await, each);
    }
    assert_eq!(net.credit(CREATOR).await, POT - 3 * each);
    assert_eq!((net.state(task).await, net.tally().await.failed.to::<u64>()), (State::Ended, 1));
    net.assert_all_money_can_be_withdrawn(FEE).await;
}

#[tokio::test]
async fn task_that_nobody_answers_is_refunded() {
    let net = Network::with_nodes(3).await;
    let task = net.seated(FEE).await;
    net.advance_when_due(task).await;
    assert_eq!(net.credit(CREATOR).await, POT - POT / 100, "who advanced it has its share");
    assert_eq!((net.state(task).await, net.tally().await.unanswered.to::<u64>()), (State::Ended, 1));
    net.assert_all_money_can_be_withdrawn(FEE).await;
}

#[tokio::test]
async fn share_that_nobody_delivers_for_goes_back() {
    let net = Network::with_nodes(3).await;
    let task = net.seated(FEE).await;
    net.vote(task, &[(0, answer()), (1, answer()), (2, answer())]).await;
    let mut turns = vec![net.task(task).await.deliverer];
    while net.state(task).await == State::Delivering {
        net.advance_when_due(task).await;
        turns.push(net.task(task).await.deliverer);
    }
    turns.truncate(3);
    turns.sort_unstable();
    assert_eq!(turns, [0, 1, 2], "each of the three had its turn");
    net.assert_all_money_can_be_withdrawn(FEE).await;
}

#[tokio::test]
async fn cancelled_task_is_refunded_in_full() {
    let net = Network::with_nodes(2).await;
    let task = net.create(FEE).await;
    let stranger = net.send_as(KEEPER, &Task::cancelCall { task: U40::from(task) }).await.unwrap_err();
    assert!(stranger.revert().unwrap().is::<Task::NotCreator>(), "{stranger}");
    let early = net.send_as(CREATOR, &Task::cancelCall { task: U40::from(task) }).await.unwrap_err();
    assert!(early.revert().unwrap().is::<Task::TooEarly>(), "{early}");
    let least: u32 = net.chain.view(net.contracts.task, &Task::CANCEL_AFTERCall {}).await.unwrap();
    net.chain.mine(least.into());
    net.send_as(CREATOR, &Task::cancelCall { task: U40::from(task) }).await.unwrap();
    assert_eq!(net.credit(CREATOR).await, FEE);
    net.assert_all_money_can_be_withdrawn(FEE).await;
}

#[tokio::test]
async fn highest_value_per_second_is_served_first_and_equals_in_their_order() {
    let net = Network::with_nodes(3).await;
    let mut tasks = Vec::new();
    for fee in [COIN, 3 * COIN, 2 * COIN, 3 * COIN] {
        tasks.push(net.create(fee).await);
    }
    for task in [tasks[1], tasks[3], tasks[2], tasks[0]] {
        let drawn = net.dispatch(1).await.event::<TaskQueue::TaskDrawn>().unwrap();
        assert_eq!(drawn.task.to::<u64>(), task);
        net.dispatch(1).await;
        net.vote(task, &[(0, answer()), (1, answer()), (2, answer())]).await;
        net.deliver(task, answer()).await.unwrap();
    }
    net.assert_all_money_can_be_withdrawn(9 * COIN).await;
}

/// The choice hangs on the hash of the block of the draw: the same history gives the same nodes, another world others.
#[tokio::test]
async fn choice_follows_from_the_history_alone() {
    let net = Network::with_nodes(12).await;
    let again = Network::with_nodes(12).await;
    let (one, other) = (net.chain.fork(), net.chain.fork());
    let nodes = async |net: &Network| {
        let task = net.seated(FEE).await;
        net.task(task).await.nodes
    };
    let usual = nodes(&net).await;
    assert_eq!(nodes(&again).await, usual);
    assert_eq!(nodes(&Network { chain: one, contracts: net.contracts }).await, usual);
    let mut choices = vec![usual];
    for _ in 0..8 {
        other.mine(1);
        choices.push(nodes(&Network { chain: other.fork(), contracts: net.contracts }).await);
    }
    choices.dedup();
    assert!(choices.len() > 1, "an empty block more changes the draw's block and with it the choice");
}

#[tokio::test]
async fn logs_tell_the_whole_story() {
    let net = Network::with_nodes(3).await;
    let task = net.seated(FEE).await;
    net.vote(task, &[(0, answer()), (1, answer()), (2, answer())]).await;
    net.deliver(task, answer()).await.unwrap();
    let head = net.chain.head().await.unwrap().number;
    let logs = net.chain.logs(&LogFilter::of([net.contracts.task], 0, head)).await.unwrap();
    let founding = [Task::KindAdded::SIGNATURE_HASH, Task::TermsChanged::SIGNATURE_HASH];
    let story: Vec<_> = logs.iter().map(|log| log.topics[0]).filter(|topic| !founding.contains(topic)).collect();
    let mut expected = vec![Task::TaskCreated::SIGNATURE_HASH, Task::TaskSeated::SIGNATURE_HASH];
    expected.extend([Task::Committed::SIGNATURE_HASH; 3]);
    expected.push(Task::RevealOpened::SIGNATURE_HASH);
    expected.extend([Task::Revealed::SIGNATURE_HASH; 3]);
    expected.extend([Task::TaskSettled::SIGNATURE_HASH, Task::Delivered::SIGNATURE_HASH]);
    assert_eq!(story, expected);
}
