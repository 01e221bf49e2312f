use alloy::primitives::U256;
use serde::{Deserialize, Serialize};

/// Wei in a gwei.
const WEI_PER_GWEI: u128 = 1_000_000_000;
/// Wei in a millionth of a coin.
const WEI_PER_MICRO: u64 = 1_000_000_000_000;
/// Nodes keep a waiting transaction unless another of its nonce pays so much more, in percent.
const LEAST_BUMP: u32 = 10;

/// How transactions are paid for, replaced and given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SendConfig {
    /// Blocks on top of a transaction's after which it is taken to stay.
    pub final_depth: u64,
    /// Most transactions that wait to be included at once.
    pub max_in_flight: u32,
    /// Blocks that a transaction may wait before it is replaced by one that pays more.
    pub replace_after: u64,
    /// By how much a replacement pays more, in percent; 10 or more.
    pub bump_percent: u32,
    /// Most that is ever offered per gas, in gwei. While gas costs more nothing is sent, and nothing replaced.
    pub max_fee_gwei: u64,
    /// Most that one action may cost, in millionths of a coin; 0 for no limit.
    pub max_action_micros: u64,
    /// Most that all transactions of a day may cost, in millionths of a coin; 0 for no limit. Days are of the chain's clock.
    pub max_day_micros: u64,
    /// Of how many of the last transactions the failures are counted.
    pub breaker_window: u32,
    /// Failures among these after which nothing new is started; 0 to go on whatever fails.
    pub breaker_failures: u32,
    /// Blocks after which it is tried again.
    pub breaker_blocks: u64,
}

impl SendConfig {
    /// What is wrong with it, and what to do; `None` if nothing is.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        if self.final_depth == 0 {
            Some(
                "send.final_depth is 0, so a transaction would count as final before any block follows it; set it to 1 or more",
            )
        } else if self.max_in_flight == 0 {
            Some("send.max_in_flight is 0, so nothing would ever be sent; set it to 1 or more")
        } else if self.replace_after == 0 {
            Some("send.replace_after is 0, so every transaction would be replaced at once; set it to 1 or more")
        } else if !(LEAST_BUMP..=100).contains(&self.bump_percent) {
            Some("send.bump_percent must be from 10, below which nodes refuse a replacement, to 100")
        } else if self.max_fee_gwei == 0 {
            Some("send.max_fee_gwei is 0, so nothing would ever be sent; set it to what gas may cost at most")
        } else if self.breaker_failures > self.breaker_window {
            Some("send.breaker_failures is above send.breaker_window, so it would never be reached; lower it")
        } else {
            None
        }
    }

    /// Most that is offered per gas, in wei.
    pub(crate) fn max_fee(&self) -> u128 {
        u128::from(self.max_fee_gwei) * WEI_PER_GWEI
    }

    /// Most that one action may cost, in wei.
    pub(crate) fn max_action(&self) -> U256 {
        limit(self.max_action_micros)
    }

    /// Most that a day may cost, in wei.
    pub(crate) fn max_day(&self) -> U256 {
        limit(self.max_day_micros)
    }
}

fn limit(micros: u64) -> U256 {
    if micros == 0 { U256::MAX } else { U256::from(micros) * U256::from(WEI_PER_MICRO) }
}

impl Default for SendConfig {
    fn default() -> Self {
        Self {
            final_depth: 12,
            max_in_flight: 16,
            replace_after: 3,
            bump_percent: 12,
            max_fee_gwei: 500,
            max_action_micros: 500_000,
            max_day_micros: 10_000_000,
            breaker_window: 16,
            breaker_failures: 8,
            breaker_blocks: 50,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let usual = SendConfig::default();
        assert_eq!(usual.fault(), None);
        let faulty = [
            SendConfig { final_depth: 0, ..usual.clone() },
            SendConfig { max_in_flight: 0, ..usual.clone() },
            SendConfig { replace_after: 0, ..usual.clone() },
            SendConfig { bump_percent: 9, ..usual.clone() },
            SendConfig { bump_percent: 101, ..usual.clone() },
            SendConfig { max_fee_gwei: 0, ..usual.clone() },
            SendConfig { breaker_failures: 17, ..usual },
        ];
        for config in faulty {
            assert!(config.fault().is_some(), "{config:?}");
        }
    }

    #[test]
    fn limit_of_nothing_is_none() {
        let config = SendConfig { max_action_micros: 0, max_day_micros: 2, ..SendConfig::default() };
        assert_eq!((config.max_action(), config.max_day()), (U256::MAX, U256::from(2_000_000_000_000_u64)));
    }
}
