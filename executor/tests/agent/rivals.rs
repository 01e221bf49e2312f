//! Two agents with one key.

use xenon_protocol::contracts::{Ending, State};

use crate::{
    echo::{Echo, question},
    link::Link,
    world::{Agent, World, key},
};
use xenon_executor::agent::{AgentConfig, NodeAgent};

/// A second agent of node 0, with a journal of its own.
async fn rival(world: &World) -> Agent {
    let elsewhere = world.data_dir(0).join("elsewhere");
    let config: AgentConfig = world.config(&elsewhere);
    NodeAgent::new(config, Link::to(&world.chain).account(key(0)), world.at, Echo::default()).await.unwrap()
}

#[tokio::test]
async fn on_one_journal_the_second_does_not_start() {
    let world = World::with_nodes(1).await;
    let _first = world.agent(0, Echo::default()).await;
    let error = world.agent_over(&Link::to(&world.chain), 0, Echo::default()).await.err().unwrap();
    assert_eq!(error.code(), "XA-002");
}

#[tokio::test]
async fn with_two_journals_the_one_that_finds_a_commitment_it_did_not_make_stops() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Which of us?")).await;
    let mut agents = world.honest_agents().await;
    world.work_until_committed(&mut agents[..1], 0).await;
    let mut rival = rival(&world).await;
    let error = rival.step().await.unwrap_err();
    assert_eq!(error.code(), "XA-008");
    assert!(!error.is_worth_retrying() && error.to_string().contains("another one uses the key"), "{error}");

    world.work_until(&mut agents, task, State::Ended).await;
    assert_eq!(world.settlement().await.0, Ending::Agreed);
    assert_eq!(rival.step().await.unwrap(), 0, "when the task is over a lost journal is no reason to stop any more");
}

#[tokio::test]
async fn with_two_answers_the_one_that_was_too_slow_stops_at_the_reveal() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Who is faster?")).await;
    let mut rival = rival(&world).await;
    // It has found its answer, and the other one commits first.
    rival.step().await.unwrap();
    rival.rest(std::time::Duration::from_mins(1)).await;
    let mut agents = world.honest_agents().await;
    world.work_until_committed(&mut agents[..1], 0).await;
    let mut errors = Vec::new();
    while world.state(task).await != State::Ended {
        errors.extend(rival.step().await.err());
        world.round(&mut agents).await;
    }
    assert!(errors.iter().any(|error| error.code() == "XA-008"), "{errors:?}");
    assert_eq!(world.settlement().await.1.agreeing, [true; 3]);
    assert_eq!(world.commitments(0).await.len(), 1);
}
