//! What became of what was sent.

use std::collections::BTreeSet;

use alloy::primitives::{B256, Bytes};
use xenon_protocol::chain::{At, ChainError, Head, Inclusion, Mempool, Receipt, Revert, Signer};

use super::{Outcome, Submitter};
use crate::{
    Action, KeeperError,
    defect::{Defect, is_planted},
    journal::{Abandonment, Intent, Landing, Purpose, Stage},
};

/// Unknown nonces that are taken on at once.
const MOST_ADOPTED: u64 = 64;

/// The nonces of the key as a node has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nonces {
    /// The first that no block has used.
    pub(super) latest: u64,
    /// The first that no transaction uses which the node knows.
    pub(super) pending: u64,
}

/// An intent that ended or landed, and what that means for its action.
type News = Option<(Action, Outcome)>;

impl<C: Mempool, S: Signer> Submitter<C, S> {
    /// Brings the journal up to the chain: finds what is in a block, what is deep enough, and what a reorganisation took out
    /// again. Then hands over again, replaces or calls back what still waits. What has landed since is returned.
    ///
    /// Nothing new may be sent before this went well.
    ///
    /// # Errors
    /// A read failed, or the journal. The journal holds what was found until then.
    pub async fn tend(&mut self, head: &Head) -> Result<Vec<(Action, Outcome)>, KeeperError> {
        let nonces = self.nonces().await?;
        let mut news = Vec::new();
        for intent in self.journal().live()? {
            news.extend(self.follow(intent, nonces, head).await?);
        }
        self.adopt(nonces, head)?;
        for (action, outcome) in &news {
            self.conclude(*action, outcome, head.number);
        }
        self.pursue_all(nonces, head).await?;
        Ok(news)
    }

    pub(super) async fn nonces(&self) -> Result<Nonces, ChainError> {
        let (chain, key) = (&self.wallet.chain, self.wallet.address());
        let latest = chain.transaction_count(key, At::Latest).await?;
        let pending = chain.transaction_count(key, At::Pending).await?;
        Ok(Nonces { latest, pending: pending.max(latest) })
    }

    /// Looks whether an intent has come further.
    pub(super) async fn follow(&self, mut intent: Intent, nonces: Nonces, head: &Head) -> Result<News, KeeperError> {
        match &intent.stage {
            Stage::Intended if is_planted(Defect::KeepsUnsigned) => Ok(None),
            Stage::Intended => self.drop_unsigned(intent, nonces, head).map(|()| None),
            Stage::Signed | Stage::Sent if nonces.latest > intent.nonce => self.find(intent, head).await,
            Stage::Mined(landing) => {
                let landing = landing.clone();
                self.confirm(intent, landing, head).await
            }
            Stage::Signed | Stage::Sent if intent.missing_since.is_some() => {
                // The block that used the nonce was left out, or another node answers: whatever used it is gone.
                intent.missing_since = None;
                self.note(intent, head).map(|_| None)
            }
            _ => Ok(None),
        }
    }

    /// An action that nothing was signed for was interrupted. A nonce that was to be filled may not need it.
    fn drop_unsigned(&self, intent: Intent, nonces: Nonces, head: &Head) -> Result<(), KeeperError> {
        let why = match intent.purpose {
            Purpose::Act(_) => Abandonment::Interrupted,
            Purpose::Fill if nonces.latest > intent.nonce => Abandonment::Unneeded,
            Purpose::Fill if nonces.pending <= intent.nonce && !self.others_wait_behind(&intent)? => {
                Abandonment::Unneeded
            }
            Purpose::Fill => return Ok(()),
        };
        self.note(intent.at(Stage::Abandoned(why))?, head)?;
        Ok(())
    }

    fn others_wait_behind(&self, intent: &Intent) -> Result<bool, KeeperError> {
        Ok(self.journal().live()?.iter().any(|other| other.nonce > intent.nonce && !other.attempts.is_empty()))
    }

    /// The nonce was used: by which transaction?
    async fn find(&self, mut intent: Intent, head: &Head) -> Result<News, KeeperError> {
        if let Some(found) = self.landed(&intent).await? {
            let news = self.news(&intent, &found).await;
            intent.missing_since = None;
            self.note(intent.at(Stage::Mined(Landing::from(&found)))?, head)?;
            return Ok(news);
        }
        let Some(since) = intent.missing_since else {
            intent.missing_since = Some(head.number);
            self.note(intent, head)?;
            return Ok(None);
        };
        if head.number < since.saturating_add(self.send_config().final_depth) {
            return Ok(None);
        }
        let (action, nonce) = (intent.action(), intent.nonce);
        self.note(intent.at(Stage::Replaced)?, head)?;
        Ok(action.map(|action| (action, Outcome::Replaced { nonce })))
    }

    /// Is what was in a block still there, and is the block deep enough?
    async fn confirm(&self, intent: Intent, landing: Landing, head: &Head) -> Result<News, KeeperError> {
        let is_deep = head.number >= landing.block.saturating_add(self.send_config().final_depth);
        let stays = self.is_canonical(landing.block, landing.block_hash).await?;
        if stays && !is_deep {
            return Ok(None);
        }
        let Some(found) = self.landed(&intent).await? else {
            self.bring_back(intent, head)?;
            return Ok(None);
        };
        let now = Landing::from(&found);
        if now == landing && is_deep {
            tracing::debug!(intent = intent.id, nonce = intent.nonce, block = landing.block, "final");
            self.note(intent.at(Stage::Final(landing))?, head)?;
            return Ok(None);
        }
        let news = if now == landing { None } else { self.news(&intent, &found).await };
        self.note(intent.at(Stage::Mined(now))?, head)?;
        Ok(news)
    }

    /// A reorganisation took the transaction out of the chain, and nobody may have it any more.
    fn bring_back(&self, mut intent: Intent, head: &Head) -> Result<(), KeeperError> {
        tracing::info!(code = "XK-121", intent = intent.id, nonce = intent.nonce, "its block was left out: sent again");
        if let Some(last) = intent.attempts.last_mut() {
            last.block = head.number;
        }
        intent.missing_since = None;
        self.note(intent.at(Stage::Signed)?, head)?;
        Ok(())
    }

    /// What a transaction in a block means for the action it was sent for.
    async fn news(&self, intent: &Intent, found: &Inclusion) -> News {
        let action = intent.action()?;
        let acts = intent.attempts.iter().any(|attempt| attempt.hash == found.transaction_hash && attempt.acts);
        let outcome = match (acts, found.succeeded) {
            (true, true) => Outcome::Done(receipt(found)),
            (false, _) => Outcome::Cancelled(receipt(found)),
            (true, false) => Outcome::Failed(self.failure(action, found).await),
        };
        Some((action, outcome))
    }

    /// Why a transaction failed in its block, as far as the same call tells now.
    async fn failure(&self, action: Action, found: &Inclusion) -> ChainError {
        let revert = match self.would_change(action).await {
            Err(ChainError::Reverted { revert, .. }) => revert,
            _ => Revert::new(Bytes::new()),
        };
        ChainError::Failed {
            transaction_hash: found.transaction_hash,
            to: self.call_of(action).to,
            block_number: found.block_number,
            gas_used: found.gas_used,
            revert,
        }
    }

    /// Which of an intent's transactions is in a block of the chain.
    pub(super) async fn landed(&self, intent: &Intent) -> Result<Option<Inclusion>, ChainError> {
        for attempt in intent.attempts.iter().rev() {
            if let Some(found) = self.wallet.chain.inclusion(attempt.hash).await?
                && found.transaction_hash == attempt.hash
                && self.is_canonical(found.block_number, found.block_hash).await?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn is_canonical(&self, number: u64, hash: B256) -> Result<bool, ChainError> {
        Ok(self.wallet.chain.block(number).await?.is_some_and(|block| block.hash == hash))
    }

    /// Takes on nonces that no intent has: transactions that wait and are not in the journal, because it was lost, and gaps
    /// that others would wait behind for ever.
    fn adopt(&mut self, nonces: Nonces, head: &Head) -> Result<(), KeeperError> {
        let live: Vec<_> = self.journal().live()?;
        let known: BTreeSet<_> = live.iter().map(|intent| intent.nonce).collect();
        let waiting =
            live.iter().filter(|intent| intent.is_pending()).map(|intent| intent.nonce.saturating_add(1)).max();
        let first = self.first_unused(nonces, head)?;
        let end = nonces.pending.max(waiting.unwrap_or_default()).min(first.saturating_add(MOST_ADOPTED));
        for nonce in (first..end).filter(|nonce| !known.contains(nonce)) {
            tracing::info!(code = "XK-122", nonce, "a nonce that the journal does not know is in use or missing");
            self.journal().intend(nonce, &[Purpose::Fill], head.number)?;
        }
        Ok(())
    }

    /// The first nonce that was never found used. A node that says less lags, or was reorganised more deeply than what
    /// counts as final; if it goes on saying so the latter is believed.
    fn first_unused(&mut self, nonces: Nonces, head: &Head) -> Result<u64, KeeperError> {
        let used = self.journal().next_nonce()?;
        if nonces.latest >= used {
            self.gap = None;
            return Ok(nonces.latest);
        }
        let (nonce, since) = *self.gap.get_or_insert((nonces.latest, head.number));
        if nonce != nonces.latest {
            self.gap = Some((nonces.latest, head.number));
            return Ok(used);
        }
        let is_lasting = head.number >= since.saturating_add(self.send_config().final_depth.max(1));
        Ok(if is_lasting { nonces.latest } else { used })
    }
}

fn receipt(found: &Inclusion) -> Receipt {
    Receipt {
        transaction_hash: found.transaction_hash,
        block_number: found.block_number,
        block_hash: found.block_hash,
        gas_used: found.gas_used,
        gas_price: found.gas_price,
        logs: found.logs.clone(),
    }
}
