//! Every answer of the relay that is not a success.

use alloy::primitives::B256;
use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use thiserror::Error;
use xenon_protocol::relay::ErrorBody;

/// Seconds after which a client refused for want of room may come again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why a request was not served. The text goes to a stranger: it tells nothing about this machine.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    #[error("the content's address must be 0x and the 64 hexadecimal digits of its keccak256")]
    MalformedHash,
    #[error("{hash} is not held here; upload it first, or ask the relay that its owner uploaded it to")]
    NotFound { hash: B256 },
    #[error("the body has keccak256 {actual}, not {expected}; nothing was stored, check what was sent")]
    WrongHash { expected: B256, actual: B256 },
    #[error("the content is larger than {max_bytes} bytes, the most this relay takes; use a relay with a higher limit")]
    TooLarge { max_bytes: u64 },
    #[error("the upload ended before it was complete; send it again")]
    Incomplete,
    #[error("the upload was too slow; send it again over a faster connection")]
    TooSlow,
    #[error("too many uploads at this moment; try again soon")]
    Busy,
    #[error("what is held as {hash} is damaged and is not served; upload the content again to repair it")]
    Damaged { hash: B256 },
    #[error("the store of this relay failed; try again later, and if it lasts tell its operator to read the log")]
    Store(#[from] object_store::Error),
    #[error("the task must be a number, as in ?task=7")]
    MalformedTask,
    #[error("this relay has no key and signs nothing; upload to the relay that the task names")]
    SignsNothing,
    #[error(
        "the content is stored, but could not be signed; upload it again, and if it lasts tell the relay's operator"
    )]
    Signing(String),
    #[error("no such path here; content is at /v1/content/0x<keccak256>, the limits at /v1/info")]
    UnknownPath,
    #[error("this path does not take that method; content takes GET, HEAD and PUT, /v1/content takes POST")]
    WrongMethod,
}

impl Refusal {
    pub(super) const fn code(&self) -> &'static str {
        self.class().1
    }

    const fn class(&self) -> (StatusCode, &'static str) {
        match self {
            Self::MalformedHash => (StatusCode::BAD_REQUEST, "XG-101"),
            Self::NotFound { .. } => (StatusCode::NOT_FOUND, "XG-102"),
            Self::WrongHash { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "XG-103"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "XG-104"),
            Self::Incomplete => (StatusCode::BAD_REQUEST, "XG-105"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "XG-106"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "XG-107"),
            Self::Damaged { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "XG-108"),
            Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "XG-109"),
            Self::UnknownPath => (StatusCode::NOT_FOUND, "XG-110"),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "XG-111"),
            Self::MalformedTask => (StatusCode::BAD_REQUEST, "XG-112"),
            Self::SignsNothing => (StatusCode::CONFLICT, "XG-113"),
            Self::Signing(_) => (StatusCode::INTERNAL_SERVER_ERROR, "XG-114"),
        }
    }

    /// The operator hears of what is the relay's own fault, with its cause.
    fn log(&self) {
        match self {
            Self::Store(cause) => tracing::error!(code = self.code(), %cause, "the store failed"),
            Self::Signing(cause) => tracing::error!(code = self.code(), %cause, "the key did not sign"),
            Self::Damaged { hash } => tracing::error!(code = self.code(), %hash, "held content is damaged"),
            other => tracing::debug!(code = self.code(), reason = %other, "refused"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.log();
        let (status, code) = self.class();
        let body = Json(ErrorBody { code: code.to_owned(), message: self.to_string() });
        // Caches may keep a 404 by default, and then hide content that is uploaded a moment later.
        let mut response = (status, [(CACHE_CONTROL, "no-store")], body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS);
        }
        response
    }
}
