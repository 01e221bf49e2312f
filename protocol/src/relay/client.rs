//! The calls an application or a node makes to a relay.

use std::{future::Future, time::Duration};

use alloy::primitives::{B256, keccak256};
use backon::Retryable;
use bytes::Bytes;
use reqwest::{RequestBuilder, Response, StatusCode, header::CONTENT_TYPE, redirect};
use serde::de::DeserializeOwned;
use url::Url;

use super::{CONTENT_PATH, HEALTH_PATH, INFO_PATH, RelayError, RelayInfo, StoredBody, read, retry};

/// How long a call may take, repetitions included, when [`RelayClient::within`] does not say otherwise.
pub const DEFAULT_LIMIT: Duration = Duration::from_mins(1);

const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Longest silence in the middle of an answer.
const SILENCE_LIMIT: Duration = Duration::from_secs(15);

/// Most bytes of an answer that is not content.
const MAX_INFO_BYTES: u64 = 64 * 1024;

/// Speaks to one relay. Cheap to clone: clones share their connections.
///
/// Failures that may pass by themselves (see [`RelayError::is_transient`]) are repeated a few times, with growing
/// pauses, within the time given by [`within`](Self::within).
///
/// ```no_run
/// # async fn example() -> Result<(), xenon_protocol::relay::RelayError> {
/// use std::time::Duration;
/// use xenon_protocol::relay::RelayClient;
///
/// let relay = RelayClient::new("http://127.0.0.1:8600".parse().expect("an address"))?;
/// let hash = relay.put("hello").await?;
/// let content = relay.within(Duration::from_secs(5)).get(hash, 1024).await?;
/// assert_eq!(content, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RelayClient {
    http: reqwest::Client,
    url: Url,
    limit: Duration,
}

impl RelayClient {
    /// A client of the relay at `url`, which may have a path prefix; no connection is made yet.
    ///
    /// # Errors
    /// [`RelayError::InvalidUrl`] unless `url` is plain `http://` or `https://` with a host;
    /// [`RelayError::Client`] if TLS cannot be set up on this machine.
    pub fn new(url: Url) -> Result<Self, RelayError> {
        let url = checked(url)?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .read_timeout(SILENCE_LIMIT)
            // A redirect would let a stranger's relay make this machine call addresses inside its own network.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| RelayError::Client { reason: read::causes(&error) })?;
        Ok(Self { http, url, limit: DEFAULT_LIMIT })
    }

    /// The same client, each of whose calls ends within `limit`, repetitions included.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self { limit, ..self.clone() }
    }

    /// Address of the relay.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The content with keccak256 `hash`, if it has at most `max_bytes`.
    ///
    /// # Errors
    /// [`RelayError::NotFound`], [`RelayError::TooLarge`] (found while reading, before more is read),
    /// [`RelayError::WrongContent`], or what every call may end with.
    pub async fn get(&self, hash: B256, max_bytes: u64) -> Result<Bytes, RelayError> {
        let content = self.repeated(|| self.get_once(hash, max_bytes)).await?;
        let actual = keccak256(&content);
        if actual != hash {
            return Err(RelayError::WrongContent { url: self.url.to_string(), expected: hash, actual });
        }
        Ok(content)
    }

    /// Uploads `content` and returns its keccak256. Uploading the same content again changes nothing.
    pub async fn put(&self, content: impl Into<Bytes>) -> Result<B256, RelayError> {
        let content = content.into();
        let hash = keccak256(&content);
        self.repeated(|| self.put_once(hash, content.clone())).await?;
        Ok(hash)
    }

    /// Uploads the reply to a task and returns its keccak256 and the relay's signature, which nobody has checked yet.
    ///
    /// # Errors
    /// [`RelayError::Unsigned`] if the relay signs nothing, or what every call may end with.
    pub async fn put_signed(
        &self,
        content: impl Into<Bytes>,
        task: u64,
    ) -> Result<(B256, alloy::primitives::Bytes), RelayError> {
        let content = content.into();
        let hash = keccak256(&content);
        let body = self.repeated(|| self.put_signed_once(hash, content.clone(), task)).await?;
        let signature = body.signature.ok_or_else(|| RelayError::Unsigned { url: self.url.to_string() })?;
        Ok((hash, signature))
    }

    /// Succeeds if the relay and its store work.
    pub async fn health(&self) -> Result<(), RelayError> {
        self.repeated(|| async { self.send(self.http.get(self.endpoint(HEALTH_PATH))).await.map(drop) }).await
    }

    /// What the relay says about itself, such as the largest content it takes.
    ///
    /// # Errors
    /// [`RelayError::NotARelay`] if the answer has another form, or what every call may end with.
    pub async fn info(&self) -> Result<RelayInfo, RelayError> {
        self.repeated(|| self.info_once()).await
    }

    async fn get_once(&self, hash: B256, max_bytes: u64) -> Result<Bytes, RelayError> {
        let request = self.http.get(self.content(hash));
        let response = self.send(request).await.map_err(|error| match error {
            RelayError::Refused { url, status: 404, .. } => RelayError::NotFound { url, hash },
            other => other,
        })?;
        read::bounded(self.url.as_str(), response, max_bytes).await
    }

    async fn put_once(&self, hash: B256, content: Bytes) -> Result<(), RelayError> {
        let request = self.http.put(self.content(hash)).header(CONTENT_TYPE, "application/octet-stream").body(content);
        self.send(request).await.map(drop)
    }

    async fn put_signed_once(&self, hash: B256, content: Bytes, task: u64) -> Result<StoredBody, RelayError> {
        let mut url = self.content(hash);
        url.set_query(Some(&format!("task={task}")));
        let request = self.http.put(url).header(CONTENT_TYPE, "application/octet-stream").body(content);
        self.read_json(self.send(request).await?).await
    }

    async fn info_once(&self) -> Result<RelayInfo, RelayError> {
        self.read_json(self.send(self.http.get(self.endpoint(INFO_PATH))).await?).await
    }

    /// A short answer in JSON.
    async fn read_json<T: DeserializeOwned>(&self, response: Response) -> Result<T, RelayError> {
        let body = read::bounded(self.url.as_str(), response, MAX_INFO_BYTES).await?;
        serde_json::from_slice(&body)
            .map_err(|error| RelayError::NotARelay { url: self.url.to_string(), reason: error.to_string() })
    }

    /// One attempt: the answer if it is a success.
    async fn send(&self, request: RequestBuilder) -> Result<Response, RelayError> {
        let response = request.send().await.map_err(|error| read::unreachable(self.url.as_str(), error))?;
        match response.status() {
            StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(response),
            _ => Err(read::failure(self.url.as_str(), response).await),
        }
    }

    /// Repeats what may pass by itself, until it succeeds, the attempts are used up, or the caller's time is.
    async fn repeated<T, F, A>(&self, attempt: F) -> Result<T, RelayError>
    where
        F: FnMut() -> A,
        A: Future<Output = Result<T, RelayError>>,
    {
        let mut last = "no answer yet".to_owned();
        let repeated = attempt.retry(retry::backoff()).when(RelayError::is_transient).adjust(retry::pause).notify(
            |error, pause| {
                tracing::debug!(code = error.code(), %error, ?pause, "relay call failed, repeating");
                last = error.to_string();
            },
        );
        match tokio::time::timeout(self.limit, repeated).await {
            Ok(outcome) => outcome,
            Err(_) => Err(RelayError::DeadlinePassed { url: self.url.to_string(), limit: self.limit, last }),
        }
    }

    fn content(&self, hash: B256) -> Url {
        self.endpoint(&format!("{CONTENT_PATH}/{hash}"))
    }

    /// `path` below the relay's own path.
    fn endpoint(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        url
    }
}

fn checked(url: Url) -> Result<Url, RelayError> {
    let reason = if !matches!(url.scheme(), "http" | "https") {
        "it must start with http:// or https://"
    } else if !url.username().is_empty() || url.password().is_some() {
        "it must not hold a user or a password, because it is shown in messages"
    } else if url.query().is_some() || url.fragment().is_some() {
        "it must end before ? and #"
    } else {
        return Ok(url);
    };
    Err(RelayError::InvalidUrl { url: shown(url), reason: reason.to_owned() })
}

/// The address without secrets.
fn shown(mut url: Url) -> String {
    // Addresses that cannot hold a password refuse its removal, and have none.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.to_string()
}
