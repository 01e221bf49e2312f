//! What may be spent.

#![expect(clippy::result_large_err, reason = "an outcome may hold a receipt; few are made, and none goes far")]

use alloy::primitives::U256;
use xenon_protocol::chain::{Head, Mempool, Signer};

use super::{Outcome, SendConfig, Submitter, day};
use crate::{
    KeeperError,
    journal::{Intent, Stage},
};

/// What is left of the limits, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    action: U256,
    day: U256,
}

impl Budget {
    fn new(config: &SendConfig, spent: U256, live: &[Intent]) -> Self {
        let committed = live.iter().map(most).fold(spent, U256::saturating_add);
        Self { action: config.max_action(), day: config.max_day().saturating_sub(committed) }
    }

    /// Takes the most that a transaction can cost out of the budget, or says which limit is against it.
    pub(super) fn take(&mut self, cost: U256) -> Result<(), Outcome> {
        if cost > self.action {
            return Err(Outcome::OverActionLimit { cost });
        }
        self.day = self.day.checked_sub(cost).ok_or(Outcome::OverDayLimit { cost })?;
        Ok(())
    }

    /// The budget without what an intent may cost so far, because it is to be replaced.
    pub(super) fn without(self, intent: &Intent) -> Self {
        Self { day: self.day.saturating_add(most(intent)), ..self }
    }
}

/// The most that an intent can cost as it stands, in wei.
fn most(intent: &Intent) -> U256 {
    match &intent.stage {
        Stage::Mined(landing) | Stage::Final(landing) => landing.fee,
        Stage::Intended | Stage::Replaced | Stage::Abandoned(_) => U256::ZERO,
        Stage::Signed | Stage::Sent => {
            intent.attempts.iter().map(crate::journal::Attempt::most).max().unwrap_or_default()
        }
    }
}

impl<C: Mempool, S: Signer> Submitter<C, S> {
    /// What is left on the day of a block, all that is in flight taken to cost the most it can.
    pub(super) fn budget(&self, head: &Head) -> Result<Budget, KeeperError> {
        let (spent, live) = (self.journal().spent(day(head))?, self.journal().live()?);
        Ok(Budget::new(self.send_config(), spent, &live))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICRO: u64 = 1_000_000_000_000;

    #[test]
    fn what_goes_beyond_a_limit_is_not_taken() {
        let config = SendConfig { max_action_micros: 5, max_day_micros: 8, ..SendConfig::default() };
        let mut budget = Budget::new(&config, U256::from(MICRO), &[]);
        let cost = |micros: u64| U256::from(micros * MICRO);
        assert_eq!(budget.take(cost(6)), Err(Outcome::OverActionLimit { cost: cost(6) }));
        assert_eq!(budget.take(cost(5)), Ok(()));
        assert_eq!(budget.take(cost(3)), Err(Outcome::OverDayLimit { cost: cost(3) }));
        assert_eq!(budget.take(cost(2)), Ok(()));
        assert_eq!(budget.take(U256::ONE), Err(Outcome::OverDayLimit { cost: U256::ONE }));
    }
}
