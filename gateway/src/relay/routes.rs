//! What the relay answers to which request.

use std::sync::Arc;

use alloy::primitives::B256;
use axum::{
    Json, Router,
    body::Body,
    extract::{FromRequestParts, Query, RawPathParams, State, rejection::QueryRejection},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS},
        request::Parts,
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use xenon_protocol::relay::{CONTENT_PATH, HEALTH_PATH, INFO_PATH, RelayInfo, StoredBody};

use super::{
    RelayConfig, RelaySigner,
    content_store::{ContentStore, Put},
    refusal::Refusal,
    upload::{Receiver, Upload},
};

/// The bytes behind a hash never change.
const FOREVER: &str = "public, max-age=31536000, immutable";

struct Service {
    store: ContentStore,
    receiver: Receiver,
    max_bytes: u64,
    signer: Option<RelaySigner>,
}

/// What an upload asks for besides being stored.
#[derive(Deserialize)]
struct Wish {
    /// The task for which the relay is to sign.
    task: Option<u64>,
}

type Wished = Result<Query<Wish>, QueryRejection>;

type Shared = State<Arc<Service>>;

pub(super) fn router(config: &RelayConfig, store: ContentStore, signer: Option<RelaySigner>) -> Router {
    let service = Service { store, receiver: Receiver::new(config), max_bytes: config.max_bytes, signer };
    Router::new()
        .route(HEALTH_PATH, get(health))
        .route(INFO_PATH, get(info))
        .route(CONTENT_PATH, post(post_content))
        .route(&format!("{CONTENT_PATH}/{{hash}}"), get(get_content).head(head_content).put(put_content))
        .fallback(async || Refusal::UnknownPath)
        .method_not_allowed_fallback(async || Refusal::WrongMethod)
        .with_state(Arc::new(service))
}

async fn health(State(service): Shared) -> Result<&'static str, Refusal> {
    service.store.probe().await.map(|()| "ok")
}

async fn info(State(service): Shared) -> Json<RelayInfo> {
    Json(RelayInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hash_function: "keccak256".to_owned(),
        max_bytes: service.max_bytes,
        signer: service.signer.as_ref().map(RelaySigner::address),
    })
}

async fn post_content(State(service): Shared, wish: Wished, body: Body) -> Result<Response, Refusal> {
    let task = service.signable(wish)?;
    let upload = service.receiver.receive(body).await?;
    service.keep(upload, task).await
}

async fn put_content(
    State(service): Shared,
    ContentHash(expected): ContentHash,
    wish: Wished,
    body: Body,
) -> Result<Response, Refusal> {
    let task = service.signable(wish)?;
    let upload = service.receiver.receive(body).await?;
    if upload.hash != expected {
        return Err(Refusal::WrongHash { expected, actual: upload.hash });
    }
    service.keep(upload, task).await
}

async fn get_content(
    State(service): Shared,
    ContentHash(hash): ContentHash,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known == etag(hash)) {
        service.store.size(hash).await?;
        return Ok((
            StatusCode::NOT_MODIFIED,
            [(ETAG, etag(hash)), (CACHE_CONTROL, HeaderValue::from_static(FOREVER))],
        )
            .into_response());
    }
    let content = service.store.get(hash).await?;
    Ok((described(hash, content.size), Body::from_stream(content.stream)).into_response())
}

async fn head_content(State(service): Shared, ContentHash(hash): ContentHash) -> Result<Response, Refusal> {
    let size = service.store.size(hash).await?;
    Ok((described(hash, size), Body::empty()).into_response())
}

impl Service {
    /// Who is to sign for which task, before anything is received.
    fn signable(&self, wish: Wished) -> Result<Option<(&RelaySigner, u64)>, Refusal> {
        let Query(Wish { task }) = wish.map_err(|_| Refusal::MalformedTask)?;
        let Some(task) = task else { return Ok(None) };
        self.signer.as_ref().map(|signer| Some((signer, task))).ok_or(Refusal::SignsNothing)
    }

    /// Stores, and only then signs.
    async fn keep(&self, upload: Upload, task: Option<(&RelaySigner, u64)>) -> Result<Response, Refusal> {
        let status = match self.store.put(upload.hash, &upload.content).await? {
            Put::New => StatusCode::CREATED,
            Put::AlreadyHeld => StatusCode::OK,
        };
        let signature = task.map(|(signer, task)| signer.sign(task, upload.hash)).transpose()?;
        Ok((status, Json(StoredBody { hash: upload.hash, signature })).into_response())
    }
}

/// Headers of content. It is a stranger's, so a browser must not take it for a page.
fn described(hash: B256, size: u64) -> [(HeaderName, HeaderValue); 5] {
    [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CACHE_CONTROL, HeaderValue::from_static(FOREVER)),
        (CONTENT_LENGTH, size.into()),
        (ETAG, etag(hash)),
    ]
}

fn etag(hash: B256) -> HeaderValue {
    #[expect(clippy::expect_used, reason = "quotes and hexadecimal digits are always valid in a header")]
    HeaderValue::try_from(format!("\"{hash}\"")).expect("hexadecimal digits are valid in a header")
}

/// The hash in the path: `0x` and 64 hexadecimal digits.
struct ContentHash(B256);

impl<S: Send + Sync> FromRequestParts<S> for ContentHash {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Refusal::MalformedHash)?;
        let (_, text) = params.iter().next().ok_or(Refusal::MalformedHash)?;
        let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 64).ok_or(Refusal::MalformedHash)?;
        digits.parse().map(Self).map_err(|_| Refusal::MalformedHash)
    }
}
