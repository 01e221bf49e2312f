//! Amounts of the chain's native coin, shown as CNX.

use alloy::primitives::{
    I256, U256,
    utils::{format_ether, parse_ether},
};

use crate::error::CliError;

/// Decimal places of the coin.
const DECIMALS: usize = 18;

/// Wei of an amount such as `2.5`.
pub(crate) fn parse(text: &str) -> Result<U256, CliError> {
    let bad = || CliError::BadAmount { text: text.to_owned() };
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    // The library takes nothing for zero and cuts off what is finer than a wei.
    let is_number = [whole, fraction].iter().all(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    if !is_number || whole.is_empty() || fraction.is_empty() || fraction.len() > DECIMALS {
        return Err(bad());
    }
    parse_ether(text.trim()).map_err(|_| bad())
}

/// The amount in CNX without trailing zeros, exact to the wei.
pub(crate) fn show(wei: U256) -> String {
    trimmed(&format_ether(wei))
}

/// A difference in CNX with its sign, exact to the wei.
pub(crate) fn show_signed(wei: I256) -> String {
    let amount = show(wei.unsigned_abs());
    match wei {
        zero if zero.is_zero() => amount,
        negative if negative.is_negative() => format!("-{amount}"),
        _ => format!("+{amount}"),
    }
}

fn trimmed(decimal: &str) -> String {
    match decimal.split_once('.') {
        Some(_) => decimal.trim_end_matches('0').trim_end_matches('.').to_owned(),
        None => decimal.to_owned(),
    }
}

/// The difference `to - from`.
pub(crate) fn difference(from: U256, to: U256) -> I256 {
    I256::from_raw(to.wrapping_sub(from))
}

/// A number of wei per second in CNX, with as many digits as a level of the order books tells apart.
pub(crate) fn show_rate(wei_per_second: f64) -> String {
    format!("{:.4}", wei_per_second / 1e18)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "-1", "ten", ".", "1.", ".5", "1.0000000000000000001", "1,5", "1e3", "1.-5"] {
            assert!(matches!(parse(text), Err(CliError::BadAmount { .. })), "{text:?}");
        }
    }

    #[test]
    fn amounts_are_exact_to_the_wei() {
        assert_eq!(parse("2.5").unwrap(), U256::from(2_500_000_000_000_000_000_u64));
        assert_eq!(parse("0.000000000000000001").unwrap(), U256::from(1));
        assert_eq!(show(U256::from(2_500_000_000_000_000_001_u64)), "2.500000000000000001");
        assert_eq!(show(parse("10").unwrap()), "10");
        assert_eq!(show(U256::ZERO), "0");
    }

    #[test]
    fn differences_have_a_sign() {
        let (less, more) = (parse("1").unwrap(), parse("3.5").unwrap());
        assert_eq!(show_signed(difference(less, more)), "+2.5");
        assert_eq!(show_signed(difference(more, less)), "-2.5");
        assert_eq!(show_signed(difference(less, less)), "0");
    }
}
