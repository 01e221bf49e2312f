//! Begins what was planned: checked, priced, written down, signed, handed over.

#![expect(clippy::result_large_err, reason = "an outcome may hold a receipt; few are made, and none goes far")]

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use alloy::primitives::U256;
use futures::future::join_all;
use xenon_protocol::chain::{Head, Mempool, Signer, SignerError};

use super::{Outcome, Submitter, Wanted, budget::Budget, follow::Nonces, offer::Offer};
use crate::{
    Action, KeeperError,
    defect::{Defect, is_planted},
    journal::{Abandonment, Intent, Purpose, Stage},
};

/// Gas given to a transaction, in percent of the estimate: the state may change until it is included.
const GAS_PERCENT: u64 = 130;

/// An action that passed all checks.
#[derive(Clone, Copy, Debug)]
struct Ready {
    /// Its place in the plan.
    index: usize,
    action: Action,
    gas_limit: u64,
}

impl<C: Mempool, S: Signer> Submitter<C, S> {
    /// Starts the actions, in this order, on consecutive nonces. Once `stop` is set nothing more is started. The outcomes
    /// come in the order of the actions; [`Outcome::Sent`] is followed by another one from [`Submitter::tend`] later.
    ///
    /// # Errors
    /// The journal cannot be used. What was signed until then is in it.
    pub async fn submit(
        &mut self,
        wanted: &[Wanted],
        head: &Head,
        stop: &AtomicBool,
    ) -> Result<Vec<(Action, Outcome)>, KeeperError> {
        let actions: Vec<_> = wanted.iter().map(|wanted| wanted.action).collect();
        self.holds.keep(&actions);
        self.breaker.tick(head.number, &self.config.send);
        let outcomes = self.start(wanted, head, stop).await?;
        for (action, outcome) in &outcomes {
            self.conclude(*action, outcome, head.number);
        }
        Ok(outcomes)
    }

    async fn start(
        &self,
        wanted: &[Wanted],
        head: &Head,
        stop: &AtomicBool,
    ) -> Result<Vec<(Action, Outcome)>, KeeperError> {
        let live = self.journal().live()?;
        let gates: Vec<_> = wanted.iter().map(|wanted| self.gate(wanted.action, &live, head, stop)).collect();
        let checks = wanted.iter().zip(gates).map(async |(wanted, gate)| match gate {
            Some(outcome) => Err(outcome),
            None => self.check(wanted.action).await,
        });
        let checked = join_all(checks).await;
        let (priced, offer) = self.price(wanted, &live, checked, head).await?;
        let mut ready = Vec::new();
        for (index, (wanted, gas)) in wanted.iter().zip(&priced).enumerate() {
            ready.extend(gas.as_ref().ok().map(|gas_limit| Ready {
                index,
                action: wanted.action,
                gas_limit: *gas_limit,
            }));
        }
        if stop.load(Ordering::Relaxed) {
            ready.clear();
        }
        let mut sent = match offer {
            Some(offer) if !ready.is_empty() => self.send(&ready, offer, head).await?,
            _ => BTreeMap::new(),
        };
        let outcome = |(index, gas): (usize, Result<u64, Outcome>)| match gas {
            Ok(_) => sent.remove(&index).unwrap_or(Outcome::Stopped),
            Err(outcome) => outcome,
        };
        let outcomes: Vec<_> = priced.into_iter().enumerate().map(outcome).collect();
        Ok(wanted.iter().map(|wanted| wanted.action).zip(outcomes).collect())
    }

    /// What is against starting an action, without asking the chain.
    fn gate(&self, action: Action, live: &[Intent], head: &Head, stop: &AtomicBool) -> Option<Outcome> {
        if stop.load(Ordering::Relaxed) {
            return Some(Outcome::Stopped);
        }
        if let Some(nonce) = in_flight(action, live, head) {
            return Some(Outcome::InFlight { nonce });
        }
        if live.iter().any(is_unsettled) {
            return Some(Outcome::Unsettled);
        }
        if let Some(until) = self.holds.until(action).filter(|until| head.number < *until) {
            return Some(Outcome::Held { until });
        }
        let until = self.breaker.until(head.number).filter(|_| action.starts_something())?;
        Some(Outcome::Paused { until })
    }

    /// Simulates an action: the gas it needs, or why it is not to be sent.
    async fn check(&self, action: Action) -> Result<u64, Outcome> {
        if !self.would_change(action).await? {
            return Err(Outcome::NoEffect);
        }
        let (from, call) = (self.wallet.address(), self.call_of(action));
        Ok(self.wallet.chain.estimate_gas(from, &call).await?)
    }

    /// Turns gas that is needed into gas that is given, as far as fees, reward and limits allow; and what is offered for it.
    async fn price(
        &self,
        wanted: &[Wanted],
        live: &[Intent],
        checked: Vec<Result<u64, Outcome>>,
        head: &Head,
    ) -> Result<(Vec<Result<u64, Outcome>>, Option<Offer>), KeeperError> {
        let all = |outcome: Outcome| checked.iter().map(|gas| gas.clone().and(Err(outcome.clone()))).collect();
        if checked.iter().all(Result::is_err) {
            return Ok((checked, None));
        }
        let fees = match self.wallet.chain.fees().await {
            Ok(fees) => fees,
            Err(error) => return Ok((all(error.into()), None)),
        };
        let (fee, ceiling) = (fees.base_fee.saturating_add(fees.priority_fee), self.send_config().max_fee());
        let Some(offer) = Offer::new(&fees, ceiling) else { return Ok((all(Outcome::TooDear { fee, ceiling }), None)) };
        let mut budget = self.budget(head)?;
        let waiting = live.iter().filter(|intent| intent.is_pending()).count();
        let mut room = usize::try_from(self.send_config().max_in_flight).unwrap_or(usize::MAX).saturating_sub(waiting);
        let mut price = |(wanted, gas): (&Wanted, Result<u64, Outcome>)| {
            let gas = gas?;
            if room == 0 {
                return Err(Outcome::Full);
            }
            let gas_limit = afford(wanted, gas, fee, offer, &mut budget)?;
            room -= 1;
            Ok(gas_limit)
        };
        Ok((wanted.iter().zip(checked).map(&mut price).collect(), Some(offer)))
    }

    /// Writes down, signs, writes down, hands over. The outcomes come by the places in the plan.
    async fn send(&self, ready: &[Ready], offer: Offer, head: &Head) -> Result<BTreeMap<usize, Outcome>, KeeperError> {
        let nonces = match self.nonces().await {
            Ok(nonces) => nonces,
            Err(error) => return Ok(ready.iter().map(|ready| (ready.index, error.clone().into())).collect()),
        };
        let purposes: Vec<_> = ready.iter().map(|ready| Purpose::Act(ready.action)).collect();
        let Some(nonce) = self.next_nonce(nonces)? else {
            return Ok(ready.iter().map(|ready| (ready.index, Outcome::Unsettled)).collect());
        };
        let intents = self.journal().intend(nonce, &purposes, head.number)?;
        let (signed, refusal) = self.sign_all(intents, ready, offer, head).await?;
        self.broadcast(signed.clone(), head).await?;
        self.told(&signed, refusal, ready, head).await
    }

    /// The nonce after all that were used or are going to be; `None` while a node tells of waiting transactions that the
    /// journal does not know.
    fn next_nonce(&self, nonces: Nonces) -> Result<Option<u64>, KeeperError> {
        let live = self.journal().live()?.iter().map(|intent| intent.nonce.saturating_add(1)).max().unwrap_or_default();
        let known = live.max(self.journal().next_nonce()?);
        if is_planted(Defect::CountsAlone) {
            return Ok(Some(known));
        }
        let next = known.max(nonces.latest);
        Ok((nonces.pending <= next).then_some(next))
    }

    /// Signs as many as can be signed, in order: what comes after one without signature would wait for it.
    async fn sign_all(
        &self,
        intents: Vec<Intent>,
        ready: &[Ready],
        offer: Offer,
        head: &Head,
    ) -> Result<(Vec<Intent>, Option<SignerError>), KeeperError> {
        let (mut signed, mut dropped, mut refusal) = (Vec::new(), Vec::new(), None);
        for (intent, ready) in intents.into_iter().zip(ready) {
            if refusal.is_none() {
                let call = self.call_of(ready.action);
                match self.sign(&call, intent.nonce, ready.gas_limit, offer, true, head).await {
                    Ok(attempt) => {
                        signed.push(intent.signed(attempt)?);
                        continue;
                    }
                    Err(error) => refusal = Some(error),
                }
            }
            dropped.push(intent.at(Stage::Abandoned(Abandonment::Unsigned))?);
        }
        let noted: Vec<_> = signed.iter().cloned().chain(dropped).collect();
        self.journal().note(&noted, super::day(head))?;
        Ok((signed, refusal))
    }

    /// What can be said at once. A chain that includes at once has the transaction in a block already.
    async fn told(
        &self,
        signed: &[Intent],
        refusal: Option<SignerError>,
        ready: &[Ready],
        head: &Head,
    ) -> Result<BTreeMap<usize, Outcome>, KeeperError> {
        let nonces = self.nonces().await.ok();
        let mut told = BTreeMap::new();
        for (place, ready) in ready.iter().enumerate() {
            let outcome = match (signed.get(place), &refusal) {
                (Some(intent), _) => self.fate(intent, nonces, head).await?,
                (None, Some(error)) if place == signed.len() => Outcome::Unsigned(error.clone()),
                (None, _) => Outcome::Stopped,
            };
            told.insert(ready.index, outcome);
        }
        Ok(told)
    }

    async fn fate(&self, intent: &Intent, nonces: Option<Nonces>, head: &Head) -> Result<Outcome, KeeperError> {
        let transaction = intent.last().map(|attempt| attempt.hash).unwrap_or_default();
        let sent = Outcome::Sent { transaction, nonce: intent.nonce };
        let Some(nonces) = nonces.filter(|nonces| nonces.latest > intent.nonce) else { return Ok(sent) };
        match self.follow(intent.clone(), nonces, head).await {
            Ok(Some((_, outcome))) => Ok(outcome),
            Ok(None) | Err(KeeperError::Chain(_)) => Ok(sent),
            Err(error) => Err(error),
        }
    }
}

/// The gas that is given to an action, if its reward pays for it and the limits allow it.
fn afford(wanted: &Wanted, gas: u64, fee: u128, offer: Offer, budget: &mut Budget) -> Result<u64, Outcome> {
    let cost = U256::from(gas) * U256::from(fee);
    if let Some(reward) = wanted.reward.filter(|reward| U256::from(*reward) < cost) {
        return Err(Outcome::Unprofitable { reward, cost });
    }
    let gas_limit = (gas.saturating_mul(GAS_PERCENT) / 100).saturating_add(wanted.action.spare_gas());
    budget.take(U256::from(gas_limit) * U256::from(offer.max_fee))?;
    Ok(gas_limit)
}

/// Whether a transaction that the journal does not know waits for this nonce, perhaps.
fn is_unsettled(intent: &Intent) -> bool {
    intent.purpose == Purpose::Fill && intent.missing_since.is_none() && !matches!(intent.stage, Stage::Mined(_))
}

/// The nonce with which the action was sent already, if its effect does not show in the block yet.
fn in_flight(action: Action, live: &[Intent], head: &Head) -> Option<u64> {
    let is_open = |intent: &Intent| match &intent.stage {
        Stage::Signed if is_planted(Defect::ResendsUnanswered) || is_planted(Defect::TakesKnownForRefused) => false,
        Stage::Signed | Stage::Sent if is_planted(Defect::GivesUpEarly) => head.number < intent.block + 2,
        Stage::Intended | Stage::Signed | Stage::Sent => true,
        Stage::Mined(landing) => landing.block > head.number,
        _ => false,
    };
    if is_planted(Defect::TrustsStaleHead) {
        return None;
    }
    let is_same = |intent: &Intent| intent.action().is_some_and(|other| other.subject() == action.subject());
    live.iter().find(|intent| is_same(intent) && is_open(intent)).map(|intent| intent.nonce)
}
