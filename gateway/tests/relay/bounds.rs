//! What strangers can take is bounded: time, connections and memory.

use alloy::primitives::keccak256;
use reqwest::Method;
use tokio::time::timeout;
use xenon_gateway::relay::{RelayConfig, RelayLimits};

use super::running::{PATIENCE, Running, memory, refusal};

fn limited(limits: RelayLimits) -> RelayConfig {
    RelayConfig { limits, ..memory() }
}

fn impatient() -> RelayConfig {
    limited(RelayLimits { silence_ms: 200, ..RelayLimits::default() })
}

#[tokio::test]
async fn silent_connections_are_closed() {
    let relay = Running::start(&impatient()).await;
    for said in ["", "GET /health HTTP/1.1\r\nHost: re"] {
        let mut raw = relay.connect().await;
        raw.say(said).await;
        assert!(!raw.rest().await.contains("200 OK"), "after {said:?}");
    }
}

#[tokio::test]
async fn connection_that_is_kept_open_for_nothing_is_closed() {
    let relay = Running::start(&impatient()).await;
    let mut raw = relay.connect().await;
    raw.say("GET /health HTTP/1.1\r\nHost: relay\r\n\r\n").await;
    assert!(raw.rest().await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn upload_that_falls_silent_is_refused() {
    let relay = Running::start(&impatient()).await;
    let mut raw = relay.connect().await;
    raw.begin_upload(10).await;
    raw.say("01234").await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("XG-106"), "{answer}");
}

#[tokio::test]
async fn upload_that_takes_too_long_is_refused_even_if_never_silent_for_long() {
    let relay = Running::start(&limited(RelayLimits { upload_ms: 200, ..RelayLimits::default() })).await;
    let mut raw = relay.connect().await;
    raw.begin_upload(10).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 408"));
}

/// The only place is taken by a client that asks for much and takes nothing; others get on when it is thrown out.
#[tokio::test]
async fn client_that_does_not_take_its_answer_loses_its_place() {
    let limits = RelayLimits { connections: 1, silence_ms: 500, ..RelayLimits::default() };
    let relay = Running::start(&limited(limits)).await;
    // More than the buffers of a socket hold.
    let hash = relay.client.put(vec![1; 16 << 20]).await.unwrap();
    let mut raw = relay.connect_narrow().await;
    raw.say(&format!("GET /v1/content/{hash} HTTP/1.1\r\nHost: relay\r\n\r\n")).await;
    raw.head().await;
    relay.client.within(PATIENCE).health().await.unwrap();
}

#[tokio::test]
async fn no_more_connections_are_served_than_configured() {
    let limits = RelayLimits { connections: 2, ..RelayLimits::default() };
    let relay = Running::start(&limited(limits)).await;
    let (mut first, mut second) = (relay.connect().await, relay.connect().await);
    second.begin_upload(1).await;
    let mut third = relay.connect().await;
    third.say("POST /v1/content HTTP/1.1\r\nHost: relay\r\nContent-Length: 5\r\n\r\nthird").await;
    // As many answers to the first as would long have let the third be served, if it had a place.
    for _ in 0..50 {
        first.say(&format!("HEAD /v1/content/{} HTTP/1.1\r\nHost: relay\r\n\r\n", keccak256("third"))).await;
        assert_eq!(first.head().await, "HTTP/1.1 404 Not Found");
    }
    drop(first);
    assert_eq!(third.head().await, "HTTP/1.1 201 Created");
}

/// Until somebody's bytes arrive they take no room; then there is none for others until that upload ends.
#[tokio::test]
async fn unfinished_uploads_share_a_bounded_room() {
    let limits = RelayLimits { buffered_bytes: 1000, ..RelayLimits::default() };
    let relay = Running::start(&RelayConfig { max_bytes: 1000, ..limited(limits) }).await;
    let mut slow = relay.connect().await;
    slow.begin_upload(600).await;
    assert_eq!(relay.request(Method::POST, "/v1/content", vec![1; 600]).await.status(), 201);
    slow.say(&"s".repeat(599)).await;
    let response = timeout(PATIENCE, first_refused(&relay)).await.expect("no room in the end");
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(refusal(response).await, (503, "XG-107".into()));
    slow.say("s").await;
    assert_eq!(slow.head().await, "HTTP/1.1 201 Created");
    let hash = relay.client.put(vec![1; 1000]).await.expect("all of the room again");
    assert_eq!(hash, keccak256(vec![1; 1000]));
}

/// Repeats an upload until it is refused.
async fn first_refused(relay: &Running) -> reqwest::Response {
    loop {
        let response = relay.request(Method::POST, "/v1/content", vec![1; 600]).await;
        if !response.status().is_success() {
            return response;
        }
    }
}
