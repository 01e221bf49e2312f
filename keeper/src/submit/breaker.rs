use std::collections::VecDeque;

use super::{Outcome, SendConfig};

/// Stops a keeper from starting things when too much of what it sends fails.
///
/// After a time it is tried again: the first failure then is enough to stop once more, until a window full of successes
/// has gone by.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Whether each of the last transactions failed, oldest first.
    failed: VecDeque<bool>,
    /// The block before which nothing is started.
    until: Option<u64>,
}

impl Breaker {
    /// Before which block nothing new is started, if that is so.
    pub(super) fn until(&self, block: u64) -> Option<u64> {
        self.until.filter(|until| block < *until)
    }

    /// Lets things be started again once the time has come.
    pub(super) fn tick(&mut self, block: u64, config: &SendConfig) {
        if self.until.is_none_or(|until| block < until) {
            return;
        }
        self.until = None;
        self.failed = (1..config.breaker_failures).map(|_| true).collect();
        tracing::info!(code = "XK-131", block, "the circuit breaker closes: starting things again");
    }

    /// Takes note of what became of a transaction.
    pub(super) fn note(&mut self, outcome: &Outcome, block: u64, config: &SendConfig) {
        let Some(has_failed) = outcome.has_failed() else { return };
        self.failed.push_back(has_failed);
        let window = usize::try_from(config.breaker_window).unwrap_or(usize::MAX);
        while self.failed.len() > window {
            self.failed.pop_front();
        }
        let failures = self.failed.iter().filter(|failed| **failed).count();
        let limit = usize::try_from(config.breaker_failures).unwrap_or(usize::MAX);
        if has_failed && limit != 0 && failures >= limit && self.until.is_none() {
            let until = block.saturating_add(config.breaker_blocks);
            self.until = Some(until);
            tracing::warn!(code = "XK-130", failures, until, "the circuit breaker opens: only settling what runs");
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256, Bytes};
    use xenon_protocol::chain::{ChainError, Receipt, Revert};

    use super::*;

    fn config() -> SendConfig {
        SendConfig { breaker_window: 4, breaker_failures: 2, breaker_blocks: 10, ..SendConfig::default() }
    }

    fn failure() -> Outcome {
        let revert = Revert::new(Bytes::new());
        let (transaction_hash, to) = (B256::ZERO, Address::ZERO);
        Outcome::Failed(ChainError::Failed { transaction_hash, to, block_number: 1, gas_used: 1, revert })
    }

    fn success() -> Outcome {
        let hash = B256::ZERO;
        let (transaction_hash, block_hash) = (hash, hash);
        Outcome::Done(Receipt {
            transaction_hash,
            block_number: 1,
            block_hash,
            gas_used: 1,
            gas_price: 1,
            logs: vec![],
        })
    }

    #[test]
    fn what_was_not_sent_is_no_failure() {
        let mut breaker = Breaker::default();
        for _ in 0..9 {
            breaker.note(&Outcome::NoEffect, 1, &config());
            breaker.note(&Outcome::Stopped, 1, &config());
        }
        assert_eq!(breaker.until(1), None);
    }

    #[test]
    fn too_many_failures_stop_it_until_the_time_is_over_and_then_one_is_enough() {
        let mut breaker = Breaker::default();
        breaker.note(&failure(), 1, &config());
        assert_eq!(breaker.until(1), None);
        breaker.note(&failure(), 2, &config());
        breaker.note(&failure(), 3, &config());
        assert_eq!((breaker.until(11), breaker.until(12)), (Some(12), None));
        breaker.tick(11, &config());
        assert_eq!(breaker.until(11), Some(12));
        breaker.tick(12, &config());
        breaker.note(&failure(), 12, &config());
        assert_eq!(breaker.until(12), Some(22));
    }

    #[test]
    fn successes_make_old_failures_forgotten() {
        let mut breaker = Breaker::default();
        breaker.note(&failure(), 1, &config());
        for _ in 0..4 {
            breaker.note(&success(), 2, &config());
        }
        breaker.note(&failure(), 3, &config());
        assert_eq!(breaker.until(3), None);
    }

    #[test]
    fn limit_of_no_failures_never_stops() {
        let mut breaker = Breaker::default();
        for _ in 0..9 {
            breaker.note(&failure(), 1, &SendConfig { breaker_failures: 0, ..config() });
        }
        assert_eq!(breaker.until(1), None);
    }
}
