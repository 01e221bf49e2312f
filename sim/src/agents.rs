//! The parties: nodes, creators, keepers, the arbiter.

mod arbiter;
mod arrivals;
mod creator;
mod keeper;
mod node;
mod outages;

pub use self::{
    arbiter::Arbiter,
    arrivals::Arrivals,
    creator::{Bid, Creator, Demand},
    keeper::{Diligence, SimKeeper},
    node::{NodeAgent, NodeGroup},
};
