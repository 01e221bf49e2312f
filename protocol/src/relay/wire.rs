//! What a relay and its clients say to each other, besides the content itself.

use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

/// Path under which content lives: `PUT`, `GET` and `HEAD` on `{CONTENT_PATH}/0x<keccak256>`, `POST` on the path itself.
pub const CONTENT_PATH: &str = "/v1/content";

/// Path of [`RelayInfo`].
pub const INFO_PATH: &str = "/v1/info";

/// Path that answers with success while the relay and its store work.
pub const HEALTH_PATH: &str = "/health";

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Stable code of the error, such as `XG-102`.
    pub code: String,
    /// What happened and what to do, for a person.
    pub message: String,
}

/// The answer to stored content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBody {
    /// keccak256 of the content, under which it can be fetched.
    pub hash: B256,
    /// The relay's signature of [`stored_digest`](crate::stored::stored_digest), to an upload that names a task
    /// (`?task=NUMBER`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Bytes>,
}

/// What a relay says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayInfo {
    /// Version of the software.
    pub version: String,
    /// Name of the hash that addresses the content.
    pub hash_function: String,
    /// Most bytes one piece of content may have.
    pub max_bytes: u64,
    /// Whose signature it gives for what it stores, if it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Address>,
}
