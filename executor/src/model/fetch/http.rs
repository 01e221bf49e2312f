//! Requests: whom the token is shown to, which failures may pass by themselves, and how long to wait for that.

use std::{
    error::Error as _,
    fmt,
    time::{Duration, SystemTime},
};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use futures::StreamExt as _;
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, LINK, RETRY_AFTER},
};
use serde::de::DeserializeOwned;
use url::Url;

use super::address::{GuardedResolver, InternalAddress, Lookup, is_private, redirects};
use crate::model::StoreError;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Most bytes of one page of a listing, or of a manifest.
const MAX_PAGE: usize = 16 << 20;

/// How to deal with failures that may pass by themselves.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Repetitions in a row that bring less than [`progress`](Self::progress); one more failure is final.
    pub repetitions: usize,
    /// Bytes by which a file must have grown for the count to begin anew.
    pub progress: u64,
    /// The first pause. Each further one is twice as long, with a random part.
    pub first_pause: Duration,
    /// The longest pause, unless the server asks for a longer one.
    pub longest_pause: Duration,
    /// The longest wait that a server may ask for with `Retry-After`.
    pub longest_wait: Duration,
    /// The longest silence in the middle of an answer.
    pub silence: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            repetitions: 6,
            progress: 1 << 20,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            longest_wait: Duration::from_mins(5),
            silence: Duration::from_secs(30),
        }
    }
}

/// A token of a hub. It is never shown.
#[derive(Clone)]
pub struct HubToken(String);

impl HubToken {
    /// A token; `None` if there is nothing but blanks.
    pub fn new(token: &str) -> Option<Self> {
        let token = token.trim();
        (!token.is_empty()).then(|| Self(token.to_owned()))
    }
}

impl fmt::Debug for HubToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HubToken(hidden)")
    }
}

/// A failed request.
pub(super) struct Failure {
    pub(super) error: StoreError,
    pub(super) retry: Retry,
}

/// Whether a failure may pass by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    No,
    Yes,
    /// As the server asked.
    After(Duration),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, retry: Retry::No }
    }
}

impl Failure {
    pub(super) const fn passing(error: StoreError) -> Self {
        Self { error, retry: Retry::Yes }
    }
}

/// The pauses between repetitions that are left.
pub(super) struct Patience {
    policy: RetryPolicy,
    pauses: ExponentialBackoff,
}

impl Patience {
    pub(super) fn new(policy: RetryPolicy) -> Self {
        Self { policy, pauses: pauses(policy) }
    }

    /// Something was achieved: all pauses are there again.
    pub(super) fn renew(&mut self) {
        self.pauses = pauses(self.policy);
    }

    /// The pause before the next repetition, or the error if there is to be none.
    pub(super) fn next(&mut self, failure: Failure) -> Result<(Duration, StoreError), StoreError> {
        let Failure { error, retry } = failure;
        let asked = match retry {
            Retry::No => return Err(error),
            Retry::Yes => Duration::ZERO,
            Retry::After(wait) if wait > self.policy.longest_wait => return Err(error),
            Retry::After(wait) => wait,
        };
        match self.pauses.next() {
            Some(pause) => Ok((pause.max(asked), error)),
            None => Err(error),
        }
    }
}

fn pauses(policy: RetryPolicy) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(policy.first_pause)
        .with_max_delay(policy.longest_pause)
        .with_max_times(policy.repetitions)
        .with_jitter()
        .build()
}

/// Makes requests.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client,
    endpoint: Url,
    token: Option<HubToken>,
    pub(super) policy: RetryPolicy,
}

impl Http {
    pub(super) fn new(endpoint: Url, token: Option<HubToken>, policy: RetryPolicy) -> Result<Self, StoreError> {
        Self::with_lookup(endpoint, token, policy, Lookup::system())
    }

    /// [`Http::new`] with another way to find the addresses of a name.
    fn with_lookup(
        endpoint: Url,
        token: Option<HubToken>,
        policy: RetryPolicy,
        lookup: Lookup,
    ) -> Result<Self, StoreError> {
        refuse_password(&endpoint)?;
        let client = Client::builder()
            .user_agent(concat!("xenon/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_LIMIT)
            .read_timeout(policy.silence)
            .redirect(redirects())
            .dns_resolver(GuardedResolver::new(&endpoint, lookup))
            .build()
            .map_err(|error| StoreError::Unreachable { url: endpoint.to_string(), reason: causes(&error) })?;
        Ok(Self { client, endpoint, token, policy })
    }

    /// A request that shows the token to nobody but the hub, and to it only where nobody can listen.
    pub(super) fn get(&self, url: &Url) -> RequestBuilder {
        let request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        match &self.token {
            Some(token) if url.origin() == self.endpoint.origin() && is_private(url) => request.bearer_auth(&token.0),
            _ => request,
        }
    }

    /// Fetches JSON and the address of the page that follows, repeating what may pass by itself.
    pub(super) async fn json<T: DeserializeOwned>(&self, url: &Url) -> Result<(T, Option<Url>), StoreError> {
        let mut patience = Patience::new(self.policy);
        loop {
            let failure = match self.try_json(url).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let (pause, error) = patience.next(failure)?;
            tracing::info!(%error, ?pause, "asking again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_json<T: DeserializeOwned>(&self, url: &Url) -> Result<(T, Option<Url>), Failure> {
        let response = sent(url, self.get(url)).await?;
        let next = next_page(url, response.headers());
        let body = body(url, response).await?;
        let invalid =
            |error: serde_json::Error| StoreError::AnswerInvalid { url: url.to_string(), reason: error.to_string() };
        Ok((serde_json::from_slice(&body).map_err(invalid)?, next))
    }
}

/// Sends a request; what is not a success is a failure.
pub(super) async fn sent(url: &Url, request: RequestBuilder) -> Result<Response, Failure> {
    let response = request.send().await.map_err(|error| unsent(url, &error))?;
    match refusal(url, response.status(), response.headers(), SystemTime::now()) {
        None => Ok(response),
        Some(failure) => Err(failure),
    }
}

fn unsent(url: &Url, error: &reqwest::Error) -> Failure {
    if error.is_redirect() || error.is_builder() || InternalAddress::caused(error) {
        return StoreError::AnswerInvalid { url: url.to_string(), reason: causes(error) }.into();
    }
    Failure::passing(StoreError::Unreachable { url: url.to_string(), reason: causes(error) })
}

fn refusal(url: &Url, status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Failure> {
    if status == StatusCode::OK || status == StatusCode::PARTIAL_CONTENT {
        return None;
    }
    let url = url.to_string();
    let wait = retry_after(headers, now);
    let retry = wait.map_or(Retry::Yes, Retry::After);
    Some(match status.as_u16() {
        404 | 410 => StoreError::NotFound { url }.into(),
        status @ (401 | 403) => StoreError::Forbidden { url, status }.into(),
        429 => Failure { error: StoreError::RateLimited { url, retry_after: wait.map(|wait| wait.as_secs()) }, retry },
        status @ (408 | 500..=599) => Failure { error: StoreError::ServerFailed { url, status }, retry },
        status => StoreError::ServerFailed { url, status }.into(),
    })
}

/// `Retry-After` in either of its forms, seconds or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

async fn body(url: &Url, response: Response) -> Result<Vec<u8>, Failure> {
    let invalid = |reason: &str| StoreError::AnswerInvalid { url: url.to_string(), reason: reason.to_owned() };
    if is_encoded(response.headers()) {
        return Err(invalid("it is compressed, which was not asked for").into());
    }
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk.map_err(|error| unsent(url, &error))?);
        if body.len() > MAX_PAGE {
            return Err(invalid("it is too long").into());
        }
    }
    Ok(body)
}

/// Whether the bytes on the line are not those of the file.
pub(super) fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity")
}

/// The target of `Link: <…>; rel="next"` (RFC 8288), if it is on the same server.
fn next_page(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let links = headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok()).flat_map(|link| link.split(','));
    let next = links.filter(|link| link.contains("rel=\"next\"")).find_map(|link| {
        let target = link.trim().strip_prefix('<')?.split_once('>')?.0;
        url.join(target).ok()
    })?;
    (next.origin() == url.origin()).then_some(next)
}

/// Every message about the hub holds its address, so that must hold no secret.
fn refuse_password(endpoint: &Url) -> Result<(), StoreError> {
    if endpoint.username().is_empty() && endpoint.password().is_none() {
        return Ok(());
    }
    let reason = "it holds a user name or a password, which would be shown; set HF_TOKEN instead";
    Err(StoreError::AddressRefused { url: endpoint.origin().ascii_serialization(), reason })
}

/// An error with what caused it. Addresses are left out: signed ones of content servers are keys for a time.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut text = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push(error.to_string());
        cause = error.source();
    }
    match text.is_empty() {
        true if error.is_timeout() => String::from("it fell silent"),
        true => String::from("the connection failed"),
        false => text.join(": "),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use reqwest::header::HeaderValue;

    use super::*;

    fn headers(name: reqwest::header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    fn retry(status: u16, headers: &HeaderMap) -> (&'static str, Retry) {
        let status = StatusCode::from_u16(status).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let failure = refusal(&"http://h/x".parse().unwrap(), status, headers, now).unwrap();
        (failure.error.code(), failure.retry)
    }

    #[test]
    fn only_what_may_pass_by_itself_is_tried_again() {
        let none = HeaderMap::new();
        for (status, code) in
            [(404, "XE-102"), (410, "XE-102"), (401, "XE-103"), (403, "XE-103"), (400, "XE-105"), (204, "XE-105")]
        {
            assert_eq!(retry(status, &none), (code, Retry::No), "{status}");
        }
        for (status, code) in [(429, "XE-104"), (500, "XE-105"), (503, "XE-105"), (408, "XE-105")] {
            assert_eq!(retry(status, &none), (code, Retry::Yes), "{status}");
        }
    }

    #[test]
    fn the_server_says_how_long_to_wait() {
        let wait = |value: &str| retry(429, &headers(RETRY_AFTER, value)).1;
        assert_eq!(wait("7"), Retry::After(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:39 GMT"), Retry::After(Duration::from_secs(2)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:36 GMT"), Retry::After(Duration::ZERO));
        assert_eq!(wait("soon"), Retry::Yes);
    }

    #[test]
    fn a_server_that_asks_for_too_much_patience_gets_none() {
        let policy = RetryPolicy { longest_wait: Duration::from_secs(9), ..RetryPolicy::default() };
        let failure = |seconds| Failure {
            error: StoreError::RateLimited { url: String::new(), retry_after: Some(seconds) },
            retry: Retry::After(Duration::from_secs(seconds)),
        };
        assert_eq!(Patience::new(policy).next(failure(10)).unwrap_err().code(), "XE-104");
        assert!(Patience::new(policy).next(failure(9)).unwrap().0 >= Duration::from_secs(9));
    }

    #[test]
    fn patience_ends_and_is_renewed() {
        let policy = RetryPolicy { repetitions: 2, first_pause: Duration::ZERO, ..RetryPolicy::default() };
        let failure = || Failure::passing(StoreError::NotFound { url: String::new() });
        let mut patience = Patience::new(policy);
        for _ in 0..2 {
            assert!(patience.next(failure()).is_ok());
            assert!(patience.next(failure()).is_ok());
            assert!(patience.next(failure()).is_err());
            patience.renew();
        }
    }

    #[test]
    fn the_token_goes_to_the_hub_alone_and_only_where_nobody_can_listen() {
        let shown = |endpoint: &str, url: &str| {
            let token = HubToken::new(" hf_secret\n");
            assert!(!format!("{token:?}").contains("secret"));
            let http = Http::new(endpoint.parse().unwrap(), token, RetryPolicy::default()).unwrap();
            let request = http.get(&url.parse().unwrap()).build().unwrap();
            request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned())
        };
        for (endpoint, url) in [
            ("https://hub", "https://other/x"),
            ("https://hub", "http://hub/x"),
            ("http://hub", "http://hub/x"),
            ("https://hub", "https://hub:444/x"),
        ] {
            assert_eq!(shown(endpoint, url), None, "{endpoint} {url}");
        }
        assert_eq!(shown("https://hub", "https://hub/x").unwrap(), "Bearer hf_secret");
        assert!(shown("http://127.0.0.1:1", "http://127.0.0.1:1/x").is_some());
    }

    /// A name is only as public as its addresses: a server that redirects to a name of its own can let that name mean
    /// anything.
    #[tokio::test]
    async fn no_redirect_leads_to_a_name_for_the_own_network() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 2048]).unwrap() > 0);
            let answer =
                format!("HTTP/1.1 302 Found\r\nLocation: http://cdn.test:{port}/x\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            listener.set_nonblocking(true).unwrap();
            listener
        });
        let endpoint: Url = format!("http://hub.test:{port}").parse().unwrap();
        let lookup = Lookup::fixed(&[("hub.test", "127.0.0.1"), ("cdn.test", "127.0.0.1")]);
        let http = Http::with_lookup(endpoint.clone(), None, RetryPolicy::default(), lookup).unwrap();
        let error = http.json::<serde_json::Value>(&endpoint).await.unwrap_err();
        assert_eq!(error.code(), "XE-106");
        assert!(error.to_string().contains("cdn.test"), "{error}");
        assert_eq!(served.join().unwrap().accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_hub_whose_address_holds_a_password_is_refused_without_showing_it() {
        for endpoint in ["https://user:swordfish@hub/x", "https://swordfish@hub", "https://:swordfish@hub"] {
            let error = Http::new(endpoint.parse().unwrap(), None, RetryPolicy::default()).unwrap_err();
            assert_eq!(error.code(), "XE-125");
            assert!(error.to_string().contains("https://hub ") && !error.to_string().contains("swordfish"), "{error}");
        }
    }

    #[test]
    fn the_next_page_is_on_the_same_server() {
        let url: Url = "https://h/api?recursive=true".parse().unwrap();
        let next = |link: &str| next_page(&url, &headers(LINK, link)).map(String::from);
        assert_eq!(next(r#"<https://h/api?cursor=x>; rel="next""#).unwrap(), "https://h/api?cursor=x");
        assert_eq!(next(r#"</a>; rel="prev", </b>; rel="next""#).unwrap(), "https://h/b");
        assert_eq!(next(r#"<https://evil/api>; rel="next""#), None);
        assert_eq!(next(r#"</a>; rel="prev""#), None);
    }
}
