//! The Xenon keeper: follows the chain and calls dispatch and advance when there is something to do.
//!
//! ```text
//! chain -> collect -> Event -> View -> order -> plan -> submit -> chain
//! ```
//!
//! * [`event`]: what the contracts said, as typed values.
//! * [`view`]: the state of the network, a pure fold of the events.
//! * [`order`]: who is served next, exactly as the contract decides it.
//! * [`estimate`]: how long tasks take, learned from how long they took.
//! * [`plan`]: what should be done now, a pure function of the view.
//! * [`Turns`]: which of it is this keeper's to do, where there are several.
//! * [`journal`]: what was signed and what became of it, on disk.
//!
//! Only [`Collector`] and [`Submitter`] touch the network. There is no clock, no randomness and no iteration over hash
//! maps in view, order and plan, so every decision can be replayed. [`Keeper`] joins the parts to a service.

mod action;
mod coins;
mod collect;
mod config;
mod decide;
mod defect;
mod endpoints;
mod error;
pub mod estimate;
pub mod event;
pub mod explain;
#[cfg(test)]
mod fixture;
pub mod forecast;
mod funds;
mod health;
mod history;
mod id;
pub mod journal;
mod keeper;
mod observe;
pub mod order;
mod plan;
mod policy;
mod reason;
mod rehearsal;
mod replay;
mod reward;
mod snapshot;
mod submit;
mod tier;
mod turn;
pub mod view;
mod wallet;
pub mod why_not;

#[cfg(feature = "planted")]
pub use self::defect::{Defect, plant};
pub use self::{
    action::Action,
    collect::{Collector, Progress},
    config::KeeperConfig,
    decide::{Abstention, Decision, decide},
    endpoints::{EndpointConfig, Endpoints},
    error::KeeperError,
    event::{Event, Logged, NodeJoined, Position, TaskCreated, TaskSettled, Undecodable},
    id::{ClassId, KindId, NodeId, TaskId},
    keeper::{Keeper, Round},
    observe::{Observer, Reading, Sight},
    plan::plan,
    policy::Policy,
    reason::Reason,
    rehearsal::{Cost, Proposal, Rehearsal, Rehearsed, Skip},
    replay::{Replayed, Witness, replay},
    reward::earned,
    snapshot::{Snapshot, SnapshotError, SnapshotFile},
    submit::{Outcome, SendConfig, Submitter, Wanted},
    tier::Tier,
    turn::Turns,
    view::{Kind, Limits, View, ViewError},
    wallet::Wallet,
};
