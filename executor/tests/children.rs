//! A runner and children that do whatever a child can do: end, hang, lie, be killed. The children are small shell scripts.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "children/endings.rs"]
mod endings;
#[path = "children/nursery.rs"]
mod nursery;
#[path = "children/room.rs"]
mod room;
