//! `xenon keeper`: what a running keeper shows, and what can be seen of the network without one.

mod args;
mod health;
mod look;
mod metrics;
mod report;
mod serve;
mod status;

pub(crate) use self::{
    args::{KeeperArgs, KeeperCommand, KeeperRunArgs, QueueArgs, WhyNotArgs},
    look::{explain, queue, rehearse, why_not},
    report::Reporter,
    serve::attend,
    status::run as status,
};
