//! What is done for a transaction that waits.

use alloy::{
    consensus::TxEip1559,
    primitives::{TxKind, U256},
};
use futures::future::join_all;
use xenon_protocol::chain::{Call, ChainError, Fees, Head, Mempool, SendError, Signer, SignerError};

use super::{Submitter, follow::Nonces, offer::Offer};
use crate::{
    KeeperError,
    defect::{Defect, is_planted},
    journal::{Attempt, Intent, Purpose, Stage},
};

/// Gas of a transfer, which a transaction that does nothing is.
const TRANSFER_GAS: u64 = 21_000;

/// What a transaction should be replaced by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replacement {
    /// The same, paying more.
    Dearer,
    /// One that does nothing.
    Nothing,
}

impl<C: Mempool, S: Signer> Submitter<C, S> {
    /// Does for each intent that waits what it needs, lowest nonce first.
    pub(super) async fn pursue_all(&self, nonces: Nonces, head: &Head) -> Result<(), KeeperError> {
        for intent in self.journal().live()? {
            if intent.nonce < nonces.latest {
                continue;
            }
            match (&intent.stage, intent.purpose) {
                (Stage::Intended, Purpose::Fill) => self.fill(intent, nonces, head).await?,
                (Stage::Signed | Stage::Sent, _) => self.pursue(intent, nonces, head).await?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Hands over once more, without a word, what no node has taken yet.
    pub(crate) async fn hand_over(&self, head: &Head) -> Result<(), KeeperError> {
        let unsent = |intent: &Intent| intent.stage == Stage::Signed && !is_planted(Defect::SendsOnce);
        let unsent = self.journal().live()?.into_iter().filter(unsent).collect();
        self.hand(unsent, head, |_, _| {}).await
    }

    /// Uses up a nonce that others wait behind, or that an unknown transaction has had for too long.
    async fn fill(&self, intent: Intent, nonces: Nonces, head: &Head) -> Result<(), KeeperError> {
        let is_gap = nonces.pending <= intent.nonce;
        if !is_gap && head.number < intent.block.saturating_add(self.send_config().replace_after) {
            return Ok(());
        }
        let fees = self.wallet.chain.fees().await?;
        let Some(offer) = Offer::new(&fees, self.send_config().max_fee()) else { return Ok(()) };
        self.replace(intent, offer, Replacement::Nothing, head).await
    }

    async fn pursue(&self, intent: Intent, nonces: Nonces, head: &Head) -> Result<(), KeeperError> {
        let Some(last) = intent.last().filter(|_| !is_planted(Defect::SendsOnce)) else { return Ok(()) };
        let is_needed = match intent.action() {
            Some(action) if last.acts => match self.is_needed(action).await {
                // A node that refuses the question says nothing about the action.
                Err(ChainError::Rejected { .. }) => return self.broadcast(vec![intent], head).await,
                answer => answer?,
            },
            _ => true,
        };
        let by = if is_needed && last.acts { Replacement::Dearer } else { Replacement::Nothing };
        let has_waited = head.number >= last.block.saturating_add(self.send_config().replace_after);
        let mut offer = None;
        if has_waited || !is_needed {
            let fees = self.wallet.chain.fees().await?;
            // What others wait behind must go on; what does not pay enough would never.
            if !is_needed || intent.nonce == nonces.latest || !Offer::of(last).covers(&fees) {
                offer = self.raised(last, &fees);
            }
        }
        match offer {
            Some(offer) => self.replace(intent, offer, by, head).await,
            None if has_waited || intent.stage == Stage::Signed => self.broadcast(vec![intent], head).await,
            None => Ok(()),
        }
    }

    fn raised(&self, last: &Attempt, fees: &Fees) -> Option<Offer> {
        if is_planted(Defect::NeverRaises) {
            return None;
        }
        Offer::of(last).replaced(fees, self.send_config().bump_percent, self.send_config().max_fee())
    }

    /// Signs another transaction of the nonce and hands it over. One that would cost too much is not made; what it should
    /// have replaced goes on waiting, and is handed over again: no node may have it any more.
    async fn replace(&self, intent: Intent, offer: Offer, by: Replacement, head: &Head) -> Result<(), KeeperError> {
        let acts = by == Replacement::Dearer;
        let gas = match intent.attempts.iter().rev().find(|attempt| attempt.acts) {
            Some(attempt) if acts => attempt.gas_limit,
            _ => TRANSFER_GAS,
        };
        let cost = U256::from(gas) * U256::from(offer.max_fee);
        if let Err(limit) = self.budget(head)?.without(&intent).take(cost) {
            limit.log();
            return self.broadcast(vec![intent], head).await;
        }
        let call = match intent.action() {
            Some(action) if acts => self.call_of(action),
            _ => Call::transfer(self.wallet.address(), U256::ZERO),
        };
        match self.sign(&call, intent.nonce, gas, offer, acts, head).await {
            Ok(attempt) => {
                tracing::info!(code = "XK-123", nonce = intent.nonce, transaction = %attempt.hash,
                    max_fee = offer.max_fee, acts, "replaced");
                let signed = self.note(intent.signed(attempt)?, head)?;
                self.broadcast(vec![signed], head).await
            }
            Err(error) => {
                tracing::warn!(code = error.code(), %error, "not replaced");
                self.broadcast(vec![intent], head).await
            }
        }
    }

    pub(super) async fn sign(
        &self,
        call: &Call,
        nonce: u64,
        gas_limit: u64,
        offer: Offer,
        acts: bool,
        head: &Head,
    ) -> Result<Attempt, SignerError> {
        let Offer { max_fee, priority_fee } = offer;
        let transaction = TxEip1559 {
            chain_id: self.chain_id(),
            nonce,
            gas_limit,
            max_fee_per_gas: max_fee,
            max_priority_fee_per_gas: priority_fee,
            to: TxKind::Call(call.to),
            value: call.value,
            input: call.data.clone(),
            ..TxEip1559::default()
        };
        let signed = self.wallet.signer.sign(transaction).await?;
        let (hash, raw) = (signed.hash, signed.raw);
        Ok(Attempt { hash, raw, gas_limit, max_fee, priority_fee, acts, block: head.number })
    }

    /// Hands over the newest attempt of each intent. What a node says is told and decides nothing.
    pub(super) async fn broadcast(&self, intents: Vec<Intent>, head: &Head) -> Result<(), KeeperError> {
        self.hand(intents, head, tell).await
    }

    /// The same bytes may be handed over any number of times. A node that has them is noted.
    async fn hand(
        &self,
        intents: Vec<Intent>,
        head: &Head,
        refused: impl Fn(u64, &SendError) + Sync,
    ) -> Result<(), KeeperError> {
        let send = async |intent: Intent| {
            let last = intent.last()?;
            let is_taken = match self.wallet.chain.send_raw(&last.raw).await {
                Ok(_) => true,
                Err(SendError::AlreadyKnown { .. }) => !is_planted(Defect::TakesKnownForRefused),
                Err(error) => {
                    refused(intent.nonce, &error);
                    false
                }
            };
            (is_taken && intent.stage == Stage::Signed).then_some(intent)
        };
        let taken = join_all(intents.into_iter().map(send)).await;
        let noted: Vec<_> =
            taken.into_iter().flatten().map(|intent| intent.at(Stage::Sent)).collect::<Result<_, _>>()?;
        self.journal().note(&noted, super::day(head))?;
        Ok(())
    }
}

/// Says why a node did not take a transaction.
fn tell(nonce: u64, error: &SendError) {
    let code = error.code();
    match error {
        SendError::InsufficientFunds { .. } | SendError::Chain(ChainError::Rejected { .. }) => {
            tracing::warn!(code, nonce, %error, "not taken");
        }
        _ => tracing::debug!(code, nonce, %error, "not taken"),
    }
}
