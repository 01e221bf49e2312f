//! Node agents at work: the compiled contracts in revm, a relay on a socket, journals on disk. Only the model is a
//! plain function, and time passes when a block is mined.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "agent/agreement.rs"]
mod agreement;
#[path = "agent/bad_input.rs"]
mod bad_input;
#[path = "agent/crash.rs"]
mod crash;
#[path = "agent/deadlines.rs"]
mod deadlines;
#[path = "agent/door.rs"]
mod door;
#[path = "agent/echo.rs"]
mod echo;
#[path = "agent/joining.rs"]
mod joining;
#[path = "agent/link.rs"]
mod link;
#[path = "agent/outages.rs"]
mod outages;
#[path = "agent/post.rs"]
mod post;
#[path = "agent/refill.rs"]
mod refill;
#[path = "agent/relays.rs"]
mod relays;
#[path = "agent/reorganisation.rs"]
mod reorganisation;
#[path = "agent/rivals.rs"]
mod rivals;
#[path = "agent/stages.rs"]
mod stages;
#[path = "agent/stopping.rs"]
mod stopping;
#[path = "agent/world.rs"]
mod world;
