//! Sends what was planned, and sees to it that each of it takes effect once at most.
//!
//! The journal is the truth: a step that cannot be taken back is written there before it is taken, and each can be taken
//! again without harm. So the work may end at any point, by a crash or because the future that does it is dropped.
//!
//! * [`Submitter::tend`] finds out what became of what was sent, and does what it needs: hands it over again, replaces it by
//!   one that pays more, or calls it back when it is not needed any more.
//! * [`Submitter::submit`] starts what was planned.
//!
//! What a node says about a transaction that it is given decides nothing. Only a block does that is deep enough.

mod breaker;
mod budget;
mod check;
mod config;
mod follow;
mod hold;
mod offer;
mod outcome;
mod pursue;
mod start;
#[cfg(test)]
mod tests;

use xenon_protocol::{
    chain::{Call, Head, Mempool, Signer},
    deployment::Deployment,
};

use self::{breaker::Breaker, hold::Holds};
pub use self::{config::SendConfig, outcome::Outcome};
use crate::{
    Action, KeeperConfig, KeeperError, Wallet,
    journal::{Intent, Journal},
};

/// Seconds in a day, for limits of spending.
const DAY: u64 = 86_400;

/// Something that should be done, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What.
    pub action: Action,
    /// What it pays, in wei, if it is to be done only when that covers the gas.
    pub reward: Option<u128>,
}

impl From<Action> for Wanted {
    fn from(action: Action) -> Self {
        Self { action, reward: None }
    }
}

/// The only sender from one key.
#[derive(Debug)]
pub struct Submitter<C, S> {
    wallet: Wallet<C, S>,
    contracts: Deployment,
    config: KeeperConfig,
    holds: Holds,
    breaker: Breaker,
    /// A nonce that seems to be missing although it was used, and the block since when: the node may lag.
    gap: Option<(u64, u64)>,
}

impl<C: Mempool, S: Signer> Submitter<C, S> {
    /// The sender from the wallet's key.
    pub fn new(wallet: Wallet<C, S>, contracts: Deployment, config: KeeperConfig) -> Self {
        Self { wallet, contracts, config, holds: Holds::default(), breaker: Breaker::default(), gap: None }
    }

    /// What sends and pays.
    pub const fn wallet(&self) -> &Wallet<C, S> {
        &self.wallet
    }

    /// Transactions that may have been sent and are in no block.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn in_flight(&self) -> Result<usize, KeeperError> {
        Ok(self.journal().live()?.iter().filter(|intent| intent.is_pending()).count())
    }

    /// Before which block nothing is started because too much has failed lately, if that is so after a block.
    pub fn paused_until(&self, block: u64) -> Option<u64> {
        self.breaker.until(block)
    }

    /// Takes note of what became of an action, and says so.
    fn conclude(&mut self, action: Action, outcome: &Outcome, block: u64) {
        let _span = tracing::info_span!("action", %action).entered();
        outcome.log();
        self.holds.note(action, outcome, block, &self.config);
        self.breaker.note(outcome, block, &self.config.send);
    }

    fn journal(&self) -> &Journal {
        &self.wallet.journal
    }

    fn send_config(&self) -> &SendConfig {
        &self.config.send
    }

    /// Notes how far an intent has come.
    fn note(&self, intent: Intent, head: &Head) -> Result<Intent, KeeperError> {
        self.journal().note(std::slice::from_ref(&intent), day(head))?;
        Ok(intent)
    }

    fn call_of(&self, action: Action) -> Call {
        action.call(&self.contracts)
    }

    fn chain_id(&self) -> u64 {
        self.wallet.chain.chain_id()
    }
}

/// The day of a block, counted from the Unix epoch.
const fn day(head: &Head) -> u64 {
    head.timestamp / DAY
}
