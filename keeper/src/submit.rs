//! Sends what was planned.

mod hold;
mod outcome;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use alloy::primitives::Bytes;
use futures::future::join_all;
use tokio::time::sleep;
use tracing::Instrument;
use xenon_protocol::{
    chain::{Account, Chain, ChainError, Head, TypedChain},
    contracts::TaskQueue,
    deployment::Deployment,
};

use self::hold::Holds;
pub use self::outcome::Outcome;
use crate::{Action, KeeperConfig};

/// The only sender from one key.
///
/// Every action is simulated before it is sent; one that the contracts would refuse, or that would change nothing, is
/// skipped. One whose fate is unknown is not tried again at once: after some blocks the view tells whether it is still
/// needed.
#[derive(Debug)]
pub struct Submitter<A> {
    account: A,
    contracts: Deployment,
    config: KeeperConfig,
    holds: Holds,
}

impl<A: Account> Submitter<A> {
    /// The sender from the account's key.
    pub fn new(account: A, contracts: Deployment, config: KeeperConfig) -> Self {
        Self { account, contracts, config, holds: Holds::default() }
    }

    /// The account that sends and pays.
    pub const fn account(&self) -> &A {
        &self.account
    }

    /// Does all of the actions, side by side, and waits for their receipts. Once `stop` is set nothing more is sent;
    /// what was sent is still waited for. The outcomes come in the order of the actions.
    pub async fn submit(&mut self, actions: Vec<Action>, head: &Head, stop: &AtomicBool) -> Vec<(Action, Outcome)> {
        self.holds.keep(&actions);
        let perform = |action| self.perform(action, head, stop).instrument(tracing::info_span!("action", %action));
        let outcomes = join_all(actions.iter().copied().map(perform)).await;
        for (action, outcome) in actions.iter().zip(&outcomes) {
            self.holds.note(*action, outcome, head.number, &self.config);
        }
        actions.into_iter().zip(outcomes).collect()
    }

    async fn perform(&self, action: Action, head: &Head, stop: &AtomicBool) -> Outcome {
        let outcome = match self.holds.until(action) {
            Some(until) if head.number < until => Outcome::Held { until },
            _ => self.attempt(action, stop).await,
        };
        outcome.log();
        outcome
    }

    /// Checks and sends, again and again while the chain does not answer and doing so does no harm.
    async fn attempt(&self, action: Action, stop: &AtomicBool) -> Outcome {
        let mut pause = Duration::from_millis(self.config.retry_ms);
        for attempt in 1.. {
            if stop.load(Ordering::Relaxed) {
                return Outcome::Stopped;
            }
            match self.check_and_send(action).await {
                Outcome::Failed(error) if error.is_transient() && attempt < self.config.attempts => {
                    tracing::debug!(%error, attempt, "trying again");
                }
                outcome => return outcome,
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
        Outcome::Stopped
    }

    async fn check_and_send(&self, action: Action) -> Outcome {
        match self.would_change(action).await {
            Ok(true) => {}
            Ok(false) => return Outcome::NoEffect,
            Err(error) => return error.into(),
        }
        match self.account.send(action.call(&self.contracts)).await {
            Ok(receipt) => Outcome::Done(receipt),
            Err(error) => error.into(),
        }
    }

    /// Simulates the action. A revert is an error.
    async fn would_change(&self, action: Action) -> Result<bool, ChainError> {
        let chain = self.account.chain();
        let returned: Bytes = chain.call(self.account.address(), &action.call(&self.contracts)).await?;
        if action.shows_effect(&returned) {
            return Ok(true);
        }
        match action {
            // A round that waits is drawn again, or all of its tasks go back to the queue.
            Action::Dispatch { seats, .. } if seats > 0 => {
                let round = chain.view(self.contracts.queue, &TaskQueue::roundCall {}).await?;
                Ok(!round.drawBlock.is_zero())
            }
            _ => Ok(false),
        }
    }
}
