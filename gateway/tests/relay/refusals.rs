//! Requests that must be refused, with which status and code, and that nothing is kept of them.

use alloy::primitives::{B256, keccak256};
use futures::stream;
use reqwest::{Body, Method};
use tokio::io::AsyncWriteExt;
use xenon_protocol::relay::RelayError;

use super::running::{Running, memory, refusal, small};

fn path(hash: B256) -> String {
    format!("/v1/content/{hash}")
}

/// A body whose length the client does not tell.
fn chunked(bytes: usize) -> Body {
    let chunks: Vec<_> = vec![0_u8; bytes].chunks(1000).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect();
    Body::wrap_stream(stream::iter(chunks))
}

#[tokio::test]
async fn content_of_another_hash_is_refused_and_not_kept() {
    let relay = Running::start(&memory()).await;
    let claimed = keccak256("what was promised");
    let response = relay.request(Method::PUT, &path(claimed), "something else").await;
    assert_eq!(refusal(response).await, (422, "XG-103".into()));
    assert_eq!(relay.status(Method::HEAD, &path(claimed)).await, 404);
    assert_eq!(relay.status(Method::HEAD, &path(keccak256("something else"))).await, 404);
}

#[tokio::test]
async fn one_byte_too_many_is_refused_and_not_kept_whether_declared_or_not() {
    let relay = Running::start(&small(10_000)).await;
    let hash = keccak256(vec![0; 10_001]);
    for body in [vec![0; 10_001].into(), chunked(10_001)] {
        assert_eq!(refusal(relay.request(Method::PUT, &path(hash), body).await).await, (413, "XG-104".into()));
    }
    for body in [vec![0; 10_001].into(), chunked(10_001)] {
        assert_eq!(refusal(relay.request(Method::POST, "/v1/content", body).await).await, (413, "XG-104".into()));
    }
    assert_eq!(relay.status(Method::HEAD, &path(hash)).await, 404);
}

#[tokio::test]
async fn largest_size_is_accepted_whether_declared_or_not() {
    let relay = Running::start(&small(10_000)).await;
    assert_eq!(relay.request(Method::POST, "/v1/content", vec![0; 10_000]).await.status(), 201);
    assert_eq!(relay.request(Method::POST, "/v1/content", chunked(10_000)).await.status(), 200);
}

#[tokio::test]
async fn far_too_large_a_declared_size_is_refused_before_anything_is_sent() {
    let relay = Running::start(&memory()).await;
    let mut raw = relay.connect().await;
    raw.say("POST /v1/content HTTP/1.1\r\nHost: relay\r\nContent-Length: 1000000000000\r\n\r\n").await;
    assert_eq!(raw.head().await, "HTTP/1.1 413 Payload Too Large");
}

#[tokio::test]
async fn client_learns_that_its_content_is_too_large() {
    let relay = Running::start(&small(1 << 20)).await;
    let error = relay.client.put(vec![0; 2 << 20]).await.unwrap_err();
    assert!(matches!(error, RelayError::Refused { status: 413, .. }), "{error}");
    assert!(error.to_string().contains("larger than 1048576 bytes"), "{error}");
}

#[tokio::test]
async fn malformed_hashes_are_refused() {
    let relay = Running::start(&memory()).await;
    let digits = "ab".repeat(32);
    let long = format!("0x{digits}ab");
    let (short, bare, letters) = (&long[..65], &digits, format!("0x{}", "g".repeat(64)));
    for hash in [short, &long, bare, &letters, &format!("0x0x{}", &digits[4..]), "%ff", "..%2f..%2fetc", "0x"] {
        let path = format!("/v1/content/{hash}");
        for method in [Method::GET, Method::PUT] {
            assert_eq!(refusal(relay.request(method, &path, "").await).await, (400, "XG-101".into()), "{hash}");
        }
        assert_eq!(relay.status(Method::HEAD, &path).await, 400, "{hash}");
    }
}

#[tokio::test]
async fn missing_content_is_told_and_no_cache_may_remember_it() {
    let relay = Running::start(&memory()).await;
    let response = relay.request(Method::GET, &path(keccak256("nobody sent this")), "").await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(refusal(response).await, (404, "XG-102".into()));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told() {
    let relay = Running::start(&memory()).await;
    for path in ["/", "/v1", "/v1/content/", "/v1/content/0x00/more"] {
        assert_eq!(refusal(relay.request(Method::GET, path, "").await).await, (404, "XG-110".into()), "{path}");
    }
    let hash = keccak256("content");
    for (method, path) in [(Method::DELETE, path(hash)), (Method::GET, "/v1/content".into())] {
        assert_eq!(refusal(relay.request(method, &path, "").await).await, (405, "XG-111".into()), "{path}");
    }
}

#[tokio::test]
async fn headers_of_any_length_are_not_collected() {
    let relay = Running::start(&memory()).await;
    let mut raw = relay.connect().await;
    raw.say(&format!("GET /health HTTP/1.1\r\nHost: relay\r\nLong: {}", "x".repeat(64 << 10))).await;
    assert_eq!(raw.head().await, "HTTP/1.1 431 Request Header Fields Too Large");
}

#[tokio::test]
async fn truncated_upload_is_refused_and_not_kept() {
    let relay = Running::start(&memory()).await;
    let mut raw = relay.connect().await;
    raw.begin_upload(10).await;
    raw.say("01234").await;
    raw.0.shutdown().await.unwrap();
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("XG-105"), "{answer}");
    for kept in ["01234", "0123456789", ""] {
        assert_eq!(relay.status(Method::HEAD, &path(keccak256(kept))).await, 404, "{kept}");
    }
}
