//! A chain or a relay that is away for a while.

use std::{sync::atomic::Ordering, time::Duration};

use alloy::primitives::keccak256;
use axum::{Router, extract::Path, http::StatusCode, routing::get};
use tokio::net::TcpListener;
use xenon_executor::agent::AgentError;
use xenon_protocol::{
    chain::Chain,
    contracts::{Ending, State, Status, Task},
    error_code::{ErrorCode, error_result},
};

use crate::{
    door::Door,
    echo::{Echo, echo, question},
    link::Link,
    world::{World, key},
};

fn set_down(links: &[Link], is_down: bool) {
    for link in links {
        link.set_down(is_down);
    }
}

#[tokio::test]
async fn nothing_is_done_while_the_chain_cannot_be_read_and_everything_afterwards() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Hello?")).await;
    let links: Vec<_> = (0..3).map(|_| Link::to(&world.chain)).collect();
    let mut agents = Vec::new();
    for (index, link) in links.iter().enumerate() {
        agents.push(world.agent_over(link, index, Echo::default()).await.unwrap());
    }
    for is_found in [false, true] {
        set_down(&links, true);
        for agent in &mut agents {
            let error = agent.step().await.unwrap_err();
            assert!(error.is_worth_retrying(), "{error}");
            assert_eq!(error.code(), "XP-302");
        }
        set_down(&links, false);
        assert_eq!(world.state(task).await, State::Committing);
        if !is_found {
            world.work_until_committed(&mut agents[..1], 0).await;
        }
    }
    world.work_until(&mut agents, task, State::Ended).await;
    assert_eq!(world.settlement().await.0, Ending::Agreed);
}

#[tokio::test]
async fn a_run_that_ends_while_the_chain_is_away_is_not_lost() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Remember this")).await;
    let runner = Echo::default();
    let link = Link::to(&world.chain);
    let mut agent = world.agent_over(&link, 0, runner.clone()).await.unwrap();
    agent.step().await.unwrap();
    link.set_down(true);
    // The run has surely ended when the agent no longer rests for it; then one step records it, chain or no chain.
    agent.rest(Duration::from_mins(1)).await;
    agent.step().await.unwrap_err();
    drop(agent);

    let mut agents = vec![world.agent(0, runner.clone()).await];
    for index in [1, 2] {
        agents.push(world.agent(index, Echo::default()).await);
    }
    world.work_until(&mut agents, task, State::Ended).await;
    assert_eq!(runner.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_commitment_is_revealed_by_an_agent_that_restarts_without_logs() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Trust the journal")).await;
    let mut agents = world.honest_agents().await;
    for index in 0..3 {
        world.work_until_committed(&mut agents[index..=index], index).await;
    }
    drop(agents.remove(0));
    let link = Link::to(&world.chain);
    let mut agent = world.agent_over(&link, 0, Echo::default()).await.unwrap();
    link.set_logs(false);
    agent.step().await.unwrap_err();
    let revealed = world.events::<Task::Revealed>().await;
    assert!(revealed.iter().any(|event| event.node == agent.node()));
    world.work_until(&mut agents, task, State::Delivering).await;
}

#[tokio::test]
async fn an_endpoint_that_lags_behind_is_waited_for() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Am I late?")).await;
    let past = world.chain.fork();
    let link = Link::to(&world.chain);
    let mut agents = vec![world.agent_over(&link, 0, Echo::default()).await.unwrap()];
    world.work_until_committed(&mut agents, 0).await;
    let purse = world.chain.balance(key(0)).await.unwrap();
    link.set_past(Some(&past));
    for _ in 0..3 {
        world.round(&mut agents).await;
    }
    assert_eq!(world.chain.balance(key(0)).await.unwrap(), purse, "no transaction was sent");

    link.set_past(None);
    for index in [1, 2] {
        agents.push(world.agent(index, Echo::default()).await);
    }
    world.work_until(&mut agents, task, State::Ended).await;
    assert_eq!(world.settlement().await.1.agreeing, [true; 3]);
}

#[tokio::test]
async fn a_relay_that_comes_back_in_time_costs_nothing() {
    let door = Door::new(true).await;
    let world = World::with_relay(3, door.url()).await;
    let spec = question("Is anybody there?");
    let task = world.submit(&spec).await;
    door.set_open(false);
    let mut agents = world.honest_agents().await;
    world.round(&mut agents).await;
    assert_eq!(world.events::<Task::Committed>().await, []);

    door.set_open(true);
    world.work_until(&mut agents, task, State::Ended).await;
    let (ending, settled) = world.settlement().await;
    assert_eq!((ending, settled.result), (Ending::Agreed, echo(&spec).result));
}

#[tokio::test]
async fn a_relay_that_stays_away_ends_in_an_error_before_the_deadline() {
    let door = Door::new(false).await;
    let world = World::with_relay(3, door.url()).await;
    let spec = question("Nobody there?");
    let task = world.seated(0, keccak256(spec.to_bytes().unwrap()), spec.declared_size()).await;
    let mut agents = world.honest_agents().await;
    // 141 seconds are given; after 115 the estimated time for the run and the margin are all that is left.
    world.chain.mine(120);
    world.work_until(&mut agents, task, State::Ended).await;

    assert_eq!(world.settlement().await.0, Ending::Failed);
    let revealed = world.events::<Task::Revealed>().await;
    assert!(revealed.iter().all(|event| event.result == error_result(ErrorCode::TaskUnavailable)));
    for index in 0..3 {
        assert_eq!(world.status(index).await, Status::Free);
    }
}

#[tokio::test]
async fn a_reply_is_delivered_when_the_relay_comes_back() {
    let door = Door::new(true).await;
    let world = World::with_relay(3, door.url()).await;
    let spec = question("Deliver this");
    let task = world.submit(&spec).await;
    let mut agents = world.honest_agents().await;
    world.work_until(&mut agents, task, State::Revealing).await;
    door.set_open(false);
    let mut failures = Vec::new();
    for _ in 0..2 {
        for agent in &mut agents {
            failures.extend(agent.step().await.err());
        }
    }
    assert!(!failures.is_empty() && failures.iter().all(AgentError::is_worth_retrying), "{failures:?}");
    assert_eq!(world.state(task).await, State::Delivering);

    door.set_open(true);
    world.work_until(&mut agents, task, State::Ended).await;
    let delivered = world.events::<Task::Delivered>().await.remove(0);
    assert_eq!(world.relay.get(delivered.content, 10_000).await.unwrap(), echo(&spec).bytes);
}

#[tokio::test]
async fn a_reply_that_the_relay_does_not_keep_is_not_called_delivered() {
    let spec = question("Keep this");
    let bytes = spec.to_bytes().unwrap();
    let (hash, held) = (keccak256(&bytes), bytes.clone());
    let content = get(
        async move |Path(name): Path<String>| {
            if name == hash.to_string() { Ok(held.clone()) } else { Err(StatusCode::NOT_FOUND) }
        },
    );
    let forgetful = Router::new().route("/v1/content/{name}", content.put(async || StatusCode::CREATED));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async { axum::serve(listener, forgetful).await });

    let world = World::with_relay(3, url).await;
    let task = world.seated(0, hash, spec.declared_size()).await;
    let mut agents = world.honest_agents().await;
    world.work_until(&mut agents, task, State::Revealing).await;
    let mut failures = Vec::new();
    for _ in 0..3 {
        for agent in &mut agents {
            failures.extend(agent.step().await.err().map(|error| error.code()));
        }
    }
    assert!(failures.contains(&"XP-206"), "{failures:?}");
    assert_eq!(world.state(task).await, State::Delivering);
}
