//! Who may work for which node.

use alloy::primitives::{B256, U256, aliases::U96};
use xenon_executor::agent::{Applicant, NodeAgent, check_class, join_network};
use xenon_protocol::{
    chain::{Account, Call, Chain},
    contracts::{Node, State, Task},
    deployment::Deployment,
};

use crate::{
    echo::{Echo, question},
    link::Link,
    world::{World, applicant, key, operator, party},
};

#[tokio::test]
async fn a_key_that_has_not_joined_is_told_to() {
    let world = World::with_nodes(0).await;
    let error = world.agent_over(&Link::to(&world.chain), 0, Echo::default()).await.err().unwrap();
    assert_eq!(error.code(), "XA-001");
    assert!(error.to_string().contains("join with this key first"), "{error}");
    assert!(!world.data_dir(0).exists(), "no journal for a node that is none");
}

#[tokio::test]
async fn a_network_that_is_not_there_is_named() {
    let world = World::with_nodes(1).await;
    let nowhere = Deployment { node: party("nowhere"), ..world.at };
    let account = Link::to(&world.chain).account(key(0));
    let error =
        NodeAgent::new(world.config(&world.data_dir(0)), account, nowhere, Echo::default()).await.err().unwrap();
    assert_eq!(error.code(), "XP-304");
}

#[tokio::test]
async fn a_node_of_another_class_than_its_machine_is_told_to_join_anew() {
    let world = World::with_nodes(1).await;
    let node = world.nodes[0];
    let error = check_class(&world.chain, &world.at, node, B256::repeat_byte(2)).await.unwrap_err();
    assert_eq!((error.code(), error.is_worth_retrying()), ("XA-014", false));
    let text = error.to_string();
    assert!(text.contains(&format!("node {node}")) && text.contains("quit with it and join anew"), "{text}");
    check_class(&world.chain, &world.at, node, applicant(key(0)).class_hash).await.unwrap();
}

#[tokio::test]
async fn joining_twice_stakes_once() {
    let world = World::with_nodes(1).await;
    let account = world.chain.account(operator(0));
    let before = world.chain.balance(operator(0)).await.unwrap();
    let node = join_network(&account, &world.at, &applicant(key(0))).await.unwrap();
    assert_eq!(node, world.nodes[0]);
    assert_eq!(world.chain.balance(operator(0)).await.unwrap(), before);
}

#[tokio::test]
async fn the_key_of_another_operator_is_refused() {
    let world = World::with_nodes(1).await;
    let stranger = world.chain.account(operator(1));
    let error = join_network(&stranger, &world.at, &applicant(key(0))).await.unwrap_err();
    assert_eq!(error.code(), "XA-011");
}

#[tokio::test]
async fn the_key_of_a_node_that_has_quit_is_used_up() {
    let world = World::with_nodes(1).await;
    let account = world.chain.account(operator(0));
    account.send(Call::new(world.at.node, &Node::quitCall { node: world.nodes[0] })).await.unwrap();
    let error = join_network(&account, &world.at, &applicant(key(0))).await.unwrap_err();
    assert_eq!(error.code(), "XA-012");
}

#[tokio::test]
async fn a_refused_application_says_why_and_costs_nothing() {
    let world = World::with_nodes(0).await;
    let account = world.chain.account(operator(0));
    let before = world.chain.balance(operator(0)).await.unwrap();
    let boastful = Applicant { gpu: "x".repeat(65), ..applicant(key(0)) };
    let error = join_network(&account, &world.at, &boastful).await.unwrap_err();
    assert!(error.to_string().contains("GpuNameTooLong"), "{error}");
    assert_eq!(world.chain.balance(operator(0)).await.unwrap(), before);
}

#[tokio::test]
async fn an_operator_without_the_stake_is_told_so() {
    let world = World::with_nodes(0).await;
    let pauper = world.chain.account(party("pauper"));
    let error = join_network(&pauper, &world.at, &applicant(key(0))).await.unwrap_err();
    assert_eq!(error.code(), "XP-308", "{error}");
}

#[tokio::test]
async fn the_stake_is_what_the_network_asks_for() {
    let world = World::with_nodes(1).await;
    let joined = world.events::<Node::NodeJoined>().await.remove(0);
    assert_eq!(joined.key, key(0));
    let stake: U96 = joined.stake;
    assert_eq!(U256::from(stake), world.chain.balance(world.at.node).await.unwrap());
}

#[tokio::test]
async fn two_agents_with_one_key_refuse_each_other() {
    let world = World::with_nodes(1).await;
    let first = world.agent(0, Echo::default()).await;
    let error = world.agent_over(&Link::to(&world.chain), 0, Echo::default()).await.err().unwrap();
    assert_eq!(error.code(), "XA-002");
    drop(first);
    world.agent(0, Echo::default()).await;
}

#[tokio::test]
async fn an_agent_that_lost_its_journal_leaves_the_commitment_alone() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Who said that?")).await;
    let mut agents = world.honest_agents().await;
    world.work_until_committed(&mut agents[..1], 0).await;

    let account = Link::to(&world.chain).account(key(0));
    let config = world.config(&world.data_dir(99));
    let mut amnesiac = [NodeAgent::new(config, account, world.at, Echo::default()).await.unwrap()];
    let purse = world.chain.balance(key(0)).await.unwrap();
    for _ in 0..20 {
        assert_eq!(amnesiac[0].step().await.unwrap_err().code(), "XA-008");
    }
    assert_eq!(world.commitments(0).await.len(), 1);
    assert_eq!(world.chain.balance(key(0)).await.unwrap(), purse, "no transaction was sent");

    world.work_until(&mut agents, task, State::Ended).await;
    assert_eq!(world.events::<Task::Revealed>().await.len(), 3);
}
