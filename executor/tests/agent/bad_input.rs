//! Tasks that cannot be run: every node commits to the same error, the task ends, nobody is frozen for it.

use alloy::primitives::{B256, keccak256};
use axum::Router;
use xenon_protocol::{
    contracts::{Ending, State, Status, Task},
    error_code::{ErrorCode, error_result},
    task::MAX_TASK_BYTES,
};

use crate::{
    echo::{Panicking, question, question_to},
    world::{Agent, World},
};

/// The task, seated already, fails on all three agents with the code.
async fn fails_with(world: &World, mut agents: Vec<Agent>, task: u64, code: ErrorCode) {
    world.work_until(&mut agents, task, State::Ended).await;
    let (ending, settled) = world.settlement().await;
    assert_eq!(ending, Ending::Failed);
    assert!(!settled.refund.is_zero());
    let revealed = world.events::<Task::Revealed>().await;
    let results: Vec<_> = revealed.iter().map(|event| event.result).collect();
    assert_eq!(results, [error_result(code); 3]);
    for index in 0..3 {
        assert_eq!(world.status(index).await, Status::Free);
    }
}

/// The same for JSON that is at the relay.
async fn content_fails_with(content: &[u8], kind: u8, size: u32, code: ErrorCode) {
    let world = World::with_nodes(3).await;
    let hash = world.relay.put(content.to_vec()).await.unwrap();
    let task = world.seated(kind, hash, size).await;
    let agents = world.honest_agents().await;
    fails_with(&world, agents, task, code).await;
}

#[tokio::test]
async fn a_task_that_is_not_at_the_relay_is_unavailable() {
    let world = World::with_nodes(3).await;
    let task = world.seated(0, B256::repeat_byte(7), 8).await;
    let agents = world.honest_agents().await;
    fails_with(&world, agents, task, ErrorCode::TaskUnavailable).await;
}

#[tokio::test]
async fn content_with_another_hash_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let liar = Router::new().fallback(|| async { "something else" });
    tokio::spawn(async { axum::serve(listener, liar).await });
    let world = World::with_relay(3, url).await;
    let task = world.seated(0, keccak256(question("hello").to_bytes().unwrap()), 8).await;
    let agents = world.honest_agents().await;
    fails_with(&world, agents, task, ErrorCode::TaskUnavailable).await;
}

#[tokio::test]
async fn malformed_json_is_invalid() {
    content_fails_with(b"{\"kind\": \"gpt\", ", 0, 8, ErrorCode::InvalidArguments).await;
}

#[tokio::test]
async fn an_unknown_field_is_invalid() {
    let mut json: serde_json::Value = serde_json::from_slice(&question("hello").to_bytes().unwrap()).unwrap();
    json["surprise"] = true.into();
    content_fails_with(json.to_string().as_bytes(), 0, 8, ErrorCode::InvalidArguments).await;
}

#[tokio::test]
async fn json_beyond_the_limit_is_too_large() {
    content_fails_with(&vec![b' '; MAX_TASK_BYTES + 1], 0, 8, ErrorCode::TaskTooLarge).await;
}

#[tokio::test]
async fn a_size_that_was_not_paid_for_is_a_mismatch() {
    content_fails_with(&question("hello").to_bytes().unwrap(), 0, 7, ErrorCode::SizeMismatch).await;
}

#[tokio::test]
async fn a_kind_that_was_not_paid_for_is_invalid() {
    content_fails_with(&question("hello").to_bytes().unwrap(), 1, 1, ErrorCode::InvalidArguments).await;
}

#[tokio::test]
async fn an_unknown_model_is_unavailable() {
    let spec = question_to("nobody/has-this", "hello");
    content_fails_with(&spec.to_bytes().unwrap(), 0, 8, ErrorCode::ModelUnavailable).await;
}

#[tokio::test]
async fn a_runtime_that_panics_is_a_failed_execution_and_the_agent_lives() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("hello")).await;
    let mut agents = Vec::new();
    for index in 0..3 {
        agents.push(world.agent(index, Panicking).await);
    }
    fails_with(&world, agents, task, ErrorCode::ExecutionFailed).await;
}
