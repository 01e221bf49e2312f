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
//!
//! Only [`Collector`] and [`Submitter`] touch the network. There is no clock, no randomness and no iteration over hash
//! maps in view, order and plan, so every decision can be replayed. [`Keeper`] joins the parts to a service.

mod action;
mod collect;
mod config;
mod error;
pub mod estimate;
pub mod event;
#[cfg(test)]
mod fixture;
mod funds;
mod health;
mod history;
mod id;
mod keeper;
pub mod order;
mod plan;
mod policy;
mod snapshot;
mod submit;
mod tier;
pub mod view;

pub use self::{
    action::Action,
    collect::{Collector, Progress},
    config::KeeperConfig,
    error::KeeperError,
    event::{Event, Logged, NodeJoined, Position, TaskCreated, TaskSettled, Undecodable},
    id::{ClassId, KindId, NodeId, TaskId},
    keeper::{Keeper, Round},
    plan::plan,
    policy::Policy,
    snapshot::{Snapshot, SnapshotError, SnapshotFile},
    submit::{Outcome, Submitter},
    tier::Tier,
    view::{Kind, Limits, View, ViewError},
};
