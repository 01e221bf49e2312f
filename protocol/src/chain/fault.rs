//! Turns what alloy's transport reports into [`ChainError`]s.

use std::error::Error;

use alloy::transports::{RpcError, TransportError, TransportErrorKind, http::reqwest::StatusCode};

use super::{ChainError, Endpoint};

/// Text of an HTTP error page that is worth showing, in characters.
const SHOWN_BODY: usize = 200;

/// The error of a JSON-RPC method that is not about a contract's revert.
pub(super) fn fault(endpoint: &Endpoint, method: &'static str, error: &TransportError) -> ChainError {
    let endpoint = endpoint.clone();
    match error {
        RpcError::ErrorResp(payload) if payload.is_retry_err() => {
            ChainError::Unreachable { endpoint, reason: payload.message.to_string() }
        }
        RpcError::ErrorResp(payload) => {
            ChainError::Rejected { endpoint, method, reason: format!("{} (code {})", payload.message, payload.code) }
        }
        RpcError::Transport(kind) => transport_fault(endpoint, method, kind),
        RpcError::NullResp => ChainError::Malformed { method, reason: String::from("the answer is empty") },
        RpcError::DeserError { err, .. } => ChainError::Malformed { method, reason: err.to_string() },
        other => ChainError::Malformed { method, reason: other.to_string() },
    }
}

fn transport_fault(endpoint: Endpoint, method: &'static str, kind: &TransportErrorKind) -> ChainError {
    match kind.as_http_error() {
        Some(error) if is_permanent(error.status) => {
            let page: String = error.body.chars().take(SHOWN_BODY).collect();
            ChainError::Rejected { endpoint, method, reason: format!("HTTP status {}: {page}", error.status) }
        }
        Some(error) => ChainError::Unreachable { endpoint, reason: format!("HTTP status {}", error.status) },
        None => ChainError::Unreachable { endpoint, reason: root_cause(kind) },
    }
}

/// Client errors stay errors; time-outs, rate limits and server errors pass.
fn is_permanent(status: u16) -> bool {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT && status != StatusCode::TOO_MANY_REQUESTS
}

/// The innermost error. The outer ones of an HTTP client repeat the whole URL, which may hold an API key.
fn root_cause(kind: &TransportErrorKind) -> String {
    let mut cause: &dyn Error = match kind {
        TransportErrorKind::Custom(inner) | TransportErrorKind::NonRetryable(inner) => inner.as_ref(),
        other => other,
    };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
