use std::fmt;

use alloy::primitives::utils::format_ether;

/// An amount of wei that is shown in coins, exact to the wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coins(pub(crate) u128);

impl fmt::Display for Coins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format_ether(self.0);
        write!(f, "{} CNX", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_without_trailing_zeros() {
        let shown = [0, 1, 10u128.pow(18), 25 * 10u128.pow(17)].map(|wei| Coins(wei).to_string());
        assert_eq!(shown, ["0 CNX", "0.000000000000000001 CNX", "1 CNX", "2.5 CNX"]);
    }
}
