use alloy::primitives::{Address, U256};

/// Wei in a millionth of a coin.
const WEI_PER_MICRO: u64 = 1_000_000_000_000;

/// Watches the balance that pays for gas, and says so once when it gets low and once when it is not any more.
#[derive(Debug)]
pub(crate) struct Funds {
    low: U256,
    is_low: bool,
}

impl Funds {
    pub(crate) fn new(low_micros: u64) -> Self {
        Self { low: U256::from(low_micros) * U256::from(WEI_PER_MICRO), is_low: false }
    }

    /// Takes note of a balance; `true` if it has just become low.
    pub(crate) fn note(&mut self, account: Address, balance: U256) -> bool {
        let was_low = std::mem::replace(&mut self.is_low, balance < self.low);
        if self.is_low && !was_low {
            tracing::warn!(code = "XK-040", %account, wei = %balance, minimum = %self.low, "low balance: send funds to the keeper");
        } else if was_low && !self.is_low {
            tracing::info!(code = "XK-041", %account, wei = %balance, "the balance is sufficient again");
        }
        self.is_low && !was_low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_balance_is_told_once_until_it_recovers() {
        let mut funds = Funds::new(2);
        let mut note = |micros: u64| funds.note(Address::ZERO, U256::from(micros * WEI_PER_MICRO));
        assert_eq!([2, 1, 0, 3, 1].map(&mut note), [false, true, false, false, true]);
    }
}
