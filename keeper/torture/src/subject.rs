//! What is tortured.

use std::future::Future;

use xenon_keeper::{KeeperError, View};
use xenon_protocol::deployment::Deployment;

use crate::link::{Key, Link};

/// A keeper, of which the runs need to know no more than this.
pub trait Subject: Sized {
    /// What survives it when it is killed.
    type Journal;

    /// A journal in which nothing stands.
    fn journal(key: &Key, contracts: &Deployment) -> Self::Journal;

    /// A keeper that was just started.
    fn start(key: Key, link: Link, contracts: Deployment, journal: &Self::Journal) -> Self;

    /// One round: a look at the chain, a plan, and what follows from both.
    fn step(&mut self) -> impl Future<Output = Result<(), KeeperError>>;

    /// The network as it sees it.
    fn view(&self) -> &View;
}
