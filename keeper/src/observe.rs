//! What a keeper tells whoever looks on: for metrics, a live view, a log.

use std::{fmt, time::Duration};

use xenon_protocol::chain::Head;

use crate::{Action, Decision, KeeperError, Outcome, Reason, View};

/// What just happened in a keeper.
#[derive(Clone, Copy, Debug)]
pub enum Sight<'a> {
    /// It looked at the chain.
    Looked {
        /// What was read so far.
        reading: &'a Reading,
        /// Why it must not act, if there is a reason.
        hindrance: Option<Reason>,
        /// The error, if the look failed.
        error: Option<&'a KeeperError>,
    },
    /// It decided what to do after a block.
    Decided {
        /// The block.
        head: &'a Head,
        /// The view after it.
        view: &'a View,
        /// What it does, and what it does not and why.
        decision: &'a Decision,
    },
    /// Something became of an action.
    Acted {
        /// The block after which it was decided.
        head: &'a Head,
        /// The action.
        action: Action,
        /// What became of it.
        outcome: &'a Outcome,
        /// What the contracts paid for it, in wei.
        reward: u128,
    },
    /// A round is over: a look at the chain and what followed from it.
    Ended {
        /// How long it took.
        took: Duration,
        /// Transactions that may have been sent and are in no block.
        in_flight: usize,
        /// The block before which the circuit breaker lets nothing be started, if it is open.
        paused_until: Option<u64>,
    },
}

/// What was read of a chain so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The newest block of the endpoint at the last look that found one.
    pub head: Option<Head>,
    /// The block after which the view is the state.
    pub block: Option<u64>,
    /// Events folded into the view, those that were read again included.
    pub folded: u64,
    /// Reorganisations met.
    pub reorgs: u64,
    /// Blocks that the last of them undid, as far as they were remembered.
    pub last_depth: u64,
}

/// Looks on. It is called between the steps of a keeper and must not block.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Takes note of what happened.
    fn observe(&mut self, sight: Sight<'_>);
}

/// Nobody looks.
impl Observer for () {
    fn observe(&mut self, _: Sight<'_>) {}
}
