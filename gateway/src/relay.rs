//! The relay: an HTTP server that keeps content by its keccak256.
//!
//! | request | answer |
//! |---|---|
//! | `PUT /v1/content/0x<hash>` | 201 stored, 200 already held; 422 if the body has another hash |
//! | the same with `?task=NUMBER` | the same, with the relay's signature; 409 if it has no key |
//! | `POST /v1/content` | the same, for a client that lets the relay compute the hash |
//! | `GET /v1/content/0x<hash>` | the bytes; 404 if not held; 500 if what is held is damaged, never the damaged bytes |
//! | `HEAD /v1/content/0x<hash>` | whether it is held, and its size |
//! | `GET /v1/info` | [`RelayInfo`](xenon_protocol::relay::RelayInfo) |
//! | `GET /health` | 200 while the store answers |
//!
//! Every other answer carries an [`ErrorBody`](xenon_protocol::relay::ErrorBody). The client is
//! [`RelayClient`](xenon_protocol::relay::RelayClient).
//!
//! What a stranger can take is bounded: connections, bytes of all unfinished uploads together, bytes of one upload,
//! silence while a request arrives or an answer leaves, and the time of one upload ([`RelayLimits`]).

mod config;
mod content;
mod content_store;
mod error;
mod refusal;
mod routes;
mod server;
mod signer;
mod upload;

pub use config::{DEFAULT_MAX_BYTES, RelayConfig, RelayLimits, StoreConfig};
pub use error::GatewayError;
pub use server::Relay;
pub use signer::RelaySigner;
