//! The relay's client against relays that are down, broken, slow or dishonest.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    collections::VecDeque,
    future::pending,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy::primitives::{B256, keccak256};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{
        StatusCode,
        header::{LOCATION, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
    routing::any,
};
use futures::stream;
use tokio::net::TcpListener;
use url::Url;
use xenon_protocol::relay::{RelayClient, RelayError};

const CONTENT: &[u8] = b"{\"prompt\":\"What is 17 + 25?\"}";

/// One thing a relay can do with a request.
type Answer = Box<dyn FnOnce() -> Response + Send>;

/// A relay that answers as it was told, in that order, and then with the last thing it was told, whatever is asked.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl Script {
    fn requests(&self) -> Vec<(String, Bytes)> {
        self.requests.lock().unwrap().clone()
    }
}

async fn answer(State(script): State<Script>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri().path());
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    script.requests.lock().unwrap().push((line, body));
    let next = script.answers.lock().unwrap().pop_front();
    match next {
        Some(answer) => answer(),
        None => pending().await,
    }
}

async fn serve(router: Router) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A relay that gives `answers` and then none at all, and its client.
async fn relay(answers: Vec<Answer>) -> (RelayClient, Script) {
    let script = Script::default();
    script.answers.lock().unwrap().extend(answers);
    let url = serve(Router::new().fallback(any(answer)).with_state(script.clone())).await;
    (RelayClient::new(url).unwrap(), script)
}

fn status(status: StatusCode) -> Answer {
    Box::new(move || status.into_response())
}

fn body(body: impl Into<Body> + Send + 'static) -> Answer {
    Box::new(move || Response::new(body.into()))
}

fn endless(status: StatusCode) -> Answer {
    let chunks = stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[0; 1024])));
    Box::new(move || (status, Body::from_stream(chunks)).into_response())
}

fn broken_in_the_middle() -> Answer {
    let chunks = stream::iter([Ok(Bytes::from_static(&CONTENT[..4])), Err(io::Error::other("torn"))]);
    Box::new(move || Response::new(Body::from_stream(chunks)))
}

async fn get(relay: &RelayClient) -> Result<Bytes, RelayError> {
    relay.get(keccak256(CONTENT), 1024).await
}

#[tokio::test]
async fn relay_that_is_down_is_named_with_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let error = get(&RelayClient::new(url.clone()).unwrap()).await.unwrap_err();
    assert!(matches!(error, RelayError::Unreachable { .. }), "{error}");
    assert!(error.is_transient());
    assert!(error.to_string().contains(&format!("is the relay running at {url}?")), "{error}");
    assert!(error.to_string().to_lowercase().contains("refused"), "the cause is told: {error}");
}

#[tokio::test]
async fn other_bytes_are_wrong_content_and_are_not_asked_for_twice() {
    let (client, script) = relay(vec![body("something else")]).await;
    let (expected, actual) = (keccak256(CONTENT), keccak256("something else"));
    let url = client.url().to_string();
    assert_eq!(get(&client).await, Err(RelayError::WrongContent { url, expected, actual }));
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn endless_body_is_given_up_at_the_limit() {
    let (client, _) = relay(vec![endless(StatusCode::OK)]).await;
    let error = get(&client).await.unwrap_err();
    assert!(matches!(error, RelayError::TooLarge { max_bytes: 1024, .. }), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn body_declared_too_large_is_not_read() {
    let (client, script) = relay(vec![body(vec![0; 1025])]).await;
    assert!(matches!(get(&client).await, Err(RelayError::TooLarge { .. })));
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn limit_is_the_largest_size_that_is_accepted() {
    let size = CONTENT.len() as u64;
    let (client, _) = relay(vec![body(CONTENT), body(CONTENT)]).await;
    assert_eq!(client.get(keccak256(CONTENT), size).await.unwrap(), CONTENT);
    assert!(matches!(client.get(keccak256(CONTENT), size - 1).await, Err(RelayError::TooLarge { .. })));
}

#[tokio::test]
async fn missing_content_is_not_asked_for_twice() {
    let (client, script) = relay(vec![status(StatusCode::NOT_FOUND)]).await;
    let (url, hash) = (client.url().to_string(), keccak256(CONTENT));
    assert_eq!(get(&client).await, Err(RelayError::NotFound { url, hash }));
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn refusal_is_told_in_the_relays_words_and_not_repeated() {
    let refusal: Answer = Box::new(|| {
        (StatusCode::PAYLOAD_TOO_LARGE, r#"{"code":"XG-104","message":"larger than 10 bytes"}"#).into_response()
    });
    let (client, script) = relay(vec![refusal]).await;
    let error = client.put(CONTENT).await.unwrap_err();
    assert!(matches!(error, RelayError::Refused { status: 413, .. }), "{error}");
    assert!(error.to_string().contains("XG-104: larger than 10 bytes"), "{error}");
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let elsewhere: Answer = Box::new(|| (StatusCode::FOUND, [(LOCATION, "/inside")]).into_response());
    let (client, script) = relay(vec![elsewhere, body(CONTENT)]).await;
    assert!(matches!(get(&client).await, Err(RelayError::Refused { status: 302, .. })));
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn lasting_failure_is_given_up_after_a_bounded_number_of_attempts() {
    let (client, script) = relay((0..20).map(|_| status(StatusCode::SERVICE_UNAVAILABLE)).collect()).await;
    let error = get(&client).await.unwrap_err();
    assert!(matches!(error, RelayError::Unavailable { status: 503, .. }), "{error}");
    assert!(error.is_transient());
    assert_eq!(script.requests().len(), 5);
}

#[tokio::test]
async fn endless_error_message_is_cut() {
    let (client, _) = relay((0..5).map(|_| endless(StatusCode::INTERNAL_SERVER_ERROR)).collect()).await;
    let error = get(&client).await.unwrap_err();
    assert!(matches!(error, RelayError::Unavailable { status: 500, .. }), "{error}");
    assert!(error.to_string().len() < 1000);
}

#[tokio::test]
async fn relay_that_never_answers_costs_no_more_than_the_given_time() {
    let limit = Duration::from_millis(200);
    let (client, _) = relay(vec![]).await;
    let error = get(&client.within(limit)).await.unwrap_err();
    let (url, last) = (client.url().to_string(), "no answer yet".to_owned());
    assert_eq!(error, RelayError::DeadlinePassed { url, limit, last });
    assert!(error.is_transient());
}

#[tokio::test]
async fn given_time_bounds_the_repetitions_and_tells_the_last_failure() {
    let (client, _) = relay(vec![status(StatusCode::BAD_GATEWAY)]).await;
    let error = get(&client.within(Duration::from_secs(2))).await.unwrap_err();
    assert!(matches!(error, RelayError::DeadlinePassed { .. }), "{error}");
    assert!(error.to_string().contains("XP-204"), "{error}");
}

#[tokio::test]
async fn passing_failures_are_survived() {
    let busy: Answer = Box::new(|| (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "0")]).into_response());
    let failures = vec![status(StatusCode::INTERNAL_SERVER_ERROR), busy, broken_in_the_middle(), body(CONTENT)];
    let (client, script) = relay(failures).await;
    assert_eq!(get(&client).await.unwrap(), CONTENT);
    assert_eq!(script.requests().len(), 4);
}

#[tokio::test]
async fn repeated_upload_sends_the_same_bytes_to_their_hash() {
    let (client, script) = relay(vec![status(StatusCode::BAD_GATEWAY), status(StatusCode::CREATED)]).await;
    let hash = client.put(CONTENT).await.unwrap();
    assert_eq!(hash, keccak256(CONTENT));
    let upload = (format!("PUT /v1/content/{hash}"), Bytes::from_static(CONTENT));
    assert_eq!(script.requests(), [upload.clone(), upload]);
}

#[tokio::test]
async fn path_of_the_address_is_kept() {
    for path in ["/relay", "/relay/"] {
        let (client, script) = relay(vec![body("ok")]).await;
        let client = RelayClient::new(client.url().join(path).unwrap()).unwrap();
        client.health().await.unwrap();
        assert_eq!(script.requests()[0].0, "GET /relay/health");
    }
}

#[tokio::test]
async fn another_server_is_told_from_a_relay() {
    let (client, _) = relay(vec![body("<html>hello</html>")]).await;
    let error = client.info().await.unwrap_err();
    assert!(matches!(error, RelayError::NotARelay { .. }), "{error}");
}

#[test]
fn address_that_is_no_relays_is_refused_without_showing_its_password() {
    let secrets = ["http://node:hunter2@relay.example", "http://:hunter2@relay.example"];
    let others = ["ftp://relay.example", "mailto:relay@example.org", "http://relay.example/?a=1", "http://a/#b"];
    for url in secrets.into_iter().chain(others) {
        let error = RelayClient::new(url.parse().unwrap()).unwrap_err();
        assert!(matches!(error, RelayError::InvalidUrl { .. }), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn every_error_begins_with_its_code() {
    let (url, reason, message, hash) = (String::new(), String::new(), String::new(), B256::ZERO);
    let last = reason.clone();
    let errors = [
        RelayError::InvalidUrl { url: url.clone(), reason: reason.clone() },
        RelayError::Client { reason: reason.clone() },
        RelayError::Unreachable { url: url.clone(), reason: reason.clone() },
        RelayError::Unavailable { url: url.clone(), status: 500, message: message.clone(), retry_after: None },
        RelayError::DeadlinePassed { url: url.clone(), limit: Duration::ZERO, last },
        RelayError::NotFound { url: url.clone(), hash },
        RelayError::WrongContent { url: url.clone(), expected: hash, actual: hash },
        RelayError::TooLarge { url: url.clone(), max_bytes: 0 },
        RelayError::Refused { url: url.clone(), status: 400, message },
        RelayError::NotARelay { url, reason },
    ];
    for error in errors {
        assert!(error.to_string().starts_with(&format!("{}: ", error.code())), "{error}");
    }
}
