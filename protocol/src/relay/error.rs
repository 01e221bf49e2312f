//! Why a relay could not be used.

use std::time::Duration;

use alloy::primitives::B256;
use thiserror::Error;

/// Why a call to a relay failed, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The address cannot be that of a relay.
    #[error("XP-201: {url} is not the address of a relay: {reason}; give one such as http://127.0.0.1:8600")]
    InvalidUrl {
        /// The address that was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No HTTP client could be made on this machine.
    #[error("XP-202: no HTTP client could be made: {reason}; check this machine's TLS certificates")]
    Client {
        /// What the HTTP library says.
        reason: String,
    },
    /// The connection failed, or broke before the answer was complete.
    #[error("XP-203: no complete answer from the relay ({reason}); is the relay running at {url}?")]
    Unreachable {
        /// Address of the relay.
        url: String,
        /// What the HTTP library says.
        reason: String,
    },
    /// The relay answered that it cannot serve now (status 5xx or 429).
    #[error(
        "XP-204: the relay at {url} cannot serve now (status {status}: {message}); try again later or look at its log"
    )]
    Unavailable {
        /// Address of the relay.
        url: String,
        /// HTTP status.
        status: u16,
        /// What the relay says about it.
        message: String,
        /// How long the relay asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The caller's time ran out before a call succeeded.
    #[error("XP-205: the relay at {url} did not do it within {limit:?} ({last}); allow more time or use another relay")]
    DeadlinePassed {
        /// Address of the relay.
        url: String,
        /// The time the caller gave.
        limit: Duration,
        /// The last failure seen before the time ran out.
        last: String,
    },
    /// The relay does not hold the content.
    #[error("XP-206: the relay at {url} does not hold {hash}; was the content uploaded to this relay?")]
    NotFound {
        /// Address of the relay.
        url: String,
        /// keccak256 of the content asked for.
        hash: B256,
    },
    /// The relay answered with bytes of another hash.
    #[error(
        "XP-207: the relay at {url} answered with content of hash {actual} for {expected}; do not trust this relay, use another"
    )]
    WrongContent {
        /// Address of the relay.
        url: String,
        /// keccak256 of the content asked for.
        expected: B256,
        /// keccak256 of what came.
        actual: B256,
    },
    /// The answer is larger than the caller accepts.
    #[error(
        "XP-208: the relay at {url} answered with more than the {max_bytes} bytes accepted; raise the limit only if the content is meant to be larger"
    )]
    TooLarge {
        /// Address of the relay.
        url: String,
        /// Most bytes the caller accepts.
        max_bytes: u64,
    },
    /// The relay refused the request (any other status that is not a success).
    #[error("XP-209: the relay at {url} refused (status {status}): {message}")]
    Refused {
        /// Address of the relay.
        url: String,
        /// HTTP status.
        status: u16,
        /// What the relay says about it.
        message: String,
    },
    /// The relay stored the content and gave no signature for it.
    #[error(
        "XP-211: the relay at {url} gave no signature for what it stored; upload to the relay that the task names, or have this one run with a key"
    )]
    Unsigned {
        /// Address of the relay.
        url: String,
    },
    /// The answer is not what a relay answers.
    #[error("XP-210: the answer from {url} is not that of a relay: {reason}; check the address and the versions")]
    NotARelay {
        /// Address of the relay.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl RelayError {
    /// The stable code, also at the start of the text.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidUrl { .. } => "XP-201",
            Self::Client { .. } => "XP-202",
            Self::Unreachable { .. } => "XP-203",
            Self::Unavailable { .. } => "XP-204",
            Self::DeadlinePassed { .. } => "XP-205",
            Self::NotFound { .. } => "XP-206",
            Self::WrongContent { .. } => "XP-207",
            Self::TooLarge { .. } => "XP-208",
            Self::Refused { .. } => "XP-209",
            Self::NotARelay { .. } => "XP-210",
            Self::Unsigned { .. } => "XP-211",
        }
    }

    /// Whether the same call may succeed later without anything else being changed.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unavailable { .. } | Self::DeadlinePassed { .. })
    }
}
