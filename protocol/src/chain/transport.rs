//! Connections to a JSON-RPC node.

use std::{future::Future, time::Duration};

use alloy::{
    rpc::client::RpcClient,
    transports::{
        TransportErrorKind, TransportResult,
        http::{Http, reqwest::Client},
        ws::WsConnect,
    },
};
use tokio::time::timeout;
use url::Url;

use super::{ChainError, Endpoint, RpcSettings, fault::fault};

/// What is waited longer than for HTTP, whose client has the limit itself and says more about it.
const GRACE: Duration = Duration::from_secs(1);

/// The URL of a node.
pub(super) fn parse(url: &str) -> Result<Url, ChainError> {
    let invalid = |reason: String| ChainError::InvalidEndpoint { reason };
    let parsed: Url = url.parse().map_err(|error: url::ParseError| invalid(error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https" | "ws" | "wss") {
        return Err(invalid(format!("{} is not http, https, ws or wss", parsed.scheme())));
    }
    Ok(parsed)
}

/// Whether a URL is one of a WebSocket.
pub(super) fn is_websocket(url: &Url) -> bool {
    matches!(url.scheme(), "ws" | "wss")
}

/// A client of the node.
pub(super) async fn client(url: Url, settings: RpcSettings) -> Result<RpcClient, ChainError> {
    if is_websocket(&url) { websocket(&url, settings).await } else { http(url, settings) }
}

fn http(url: Url, settings: RpcSettings) -> Result<RpcClient, ChainError> {
    let client = Client::builder()
        .timeout(settings.request_timeout)
        .build()
        .map_err(|error| ChainError::InvalidEndpoint { reason: error.without_url().to_string() })?;
    let transport = Http::with_client(client, url);
    let is_local = transport.guess_local();
    Ok(RpcClient::new(transport, is_local))
}

/// A connection that is made anew, for ever, when it breaks.
pub(super) async fn websocket(url: &Url, settings: RpcSettings) -> Result<RpcClient, ChainError> {
    let connect = WsConnect::new(url.as_str()).with_max_retries(u32::MAX).with_retry_interval(settings.retry_pause);
    let connected = bounded(RpcClient::connect_pubsub(connect), settings).await;
    connected.map_err(|error| fault(&Endpoint::from(url), "the connection", &error))
}

/// Waits for an answer no longer than the settings say. A WebSocket has no limit of its own.
///
/// The answer waits on the heap: it is large, and every read has one.
pub(super) fn bounded<T>(
    answer: impl Future<Output = TransportResult<T>>,
    settings: RpcSettings,
) -> impl Future<Output = TransportResult<T>> {
    let limit = settings.request_timeout.saturating_add(GRACE);
    let answer = timeout(limit, Box::pin(answer));
    async move {
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(TransportErrorKind::custom_str(&format!("no answer within {} s", limit.as_secs()))),
        }
    }
}
