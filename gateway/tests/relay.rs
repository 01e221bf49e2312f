//! The relay over real sockets: what it refuses, what it bounds, what it keeps.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "relay/bounds.rs"]
mod bounds;
#[path = "relay/damage.rs"]
mod damage;
#[path = "relay/exchange.rs"]
mod exchange;
#[path = "relay/refusals.rs"]
mod refusals;
#[path = "relay/running.rs"]
mod running;
#[path = "relay/signatures.rs"]
mod signatures;
#[path = "relay/start_stop.rs"]
mod start_stop;
