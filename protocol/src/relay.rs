//! The client of the content relay: large data by its keccak256, over HTTP.
//!
//! A relay is not trusted. Everything read from it is bounded while it arrives and checked against the hash that was
//! asked for, its redirects are not followed, and what it says in an error is shortened and stripped of control
//! characters before anybody sees it.

mod client;
mod error;
mod read;
mod retry;
mod wire;

pub use client::{DEFAULT_LIMIT, RelayClient};
pub use error::RelayError;
pub use wire::{CONTENT_PATH, ErrorBody, HEALTH_PATH, INFO_PATH, RelayInfo, StoredBody};
