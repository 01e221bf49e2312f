//! Value per second of a task and its price level: what decides who is served first.
//!
//! Mirrors `contracts/types/ValueRate.sol` bit for bit; the simulator compares both on the compiled bytecode.

use std::{fmt, num::NonZeroU64};

use alloy::primitives::U256;
use serde::{Deserialize, Serialize};

/// Fractional bits of a [`ValueRate`].
const FRACTION_BITS: usize = 64;

/// Values below this are their own level; above it, levels keep this many steps per power of two.
const STEPS: u16 = 256;

/// Milliseconds in a second.
const MILLIS: u64 = 1000;

/// Wei per second of estimated work, times 2^64, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ValueRate(U256);

impl ValueRate {
    /// The rate of a fee in wei for work of an estimated duration. No input overflows.
    pub fn new(fee: u128, duration_ms: NonZeroU64) -> Self {
        let scaled = (U256::from(fee) * U256::from(MILLIS)) << FRACTION_BITS;
        Self(scaled / U256::from(duration_ms.get()))
    }

    /// A rate as the contracts encode it.
    pub const fn from_raw(raw: U256) -> Self {
        Self(raw)
    }

    /// The rate as the contracts encode it.
    pub const fn raw(self) -> U256 {
        self.0
    }

    /// The rate in wei per second, for people.
    pub fn wei_per_second(self) -> f64 {
        f64::from(self.0) / 2f64.powi(64)
    }

    /// The price level: the rate rounded down to nine significant bits.
    pub fn level(self) -> Level {
        let exponent = self.0.bit_len().saturating_sub(STEPS.ilog2() as usize + 1);
        let leading: u16 = (self.0 >> exponent).to();
        if leading < STEPS { Level(leading) } else { Level::pack(exponent, leading) }
    }
}

/// A [`ValueRate`] rounded down to nine significant bits, in an encoding that keeps the order. Level 0 means "nothing".
///
/// Below 256 it is the rate itself; above, the high byte is the exponent plus one and the low byte the eight bits behind
/// the leading one, so that two rates of one level differ by less than one part in 256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Level(pub u16);

impl Level {
    /// `leading` has nine bits and adds the missing one to the high byte.
    #[allow(clippy::cast_possible_truncation, reason = "an exponent is at most 256 - 9")]
    fn pack(exponent: usize, leading: u16) -> Self {
        Self(exponent as u16 * STEPS + leading)
    }

    /// The smallest rate of this level.
    pub fn floor(self) -> ValueRate {
        let Some(exponent) = (self.0 / STEPS).checked_sub(1) else { return ValueRate(U256::from(self.0)) };
        ValueRate(U256::from(STEPS + self.0 % STEPS) << usize::from(exponent))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A 256-bit number of a random length, so that small and large ones are equally likely.
    fn any_rate() -> impl Strategy<Value = ValueRate> {
        (any::<[u8; 32]>(), 0..256usize).prop_map(|(bytes, shift)| ValueRate(U256::from_be_bytes(bytes) >> shift))
    }

    /// The rule as the contract writes it, in other words than the implementation.
    fn level_by_the_book(rate: U256) -> u64 {
        if rate < U256::from(256) {
            return rate.to();
        }
        let exponent = rate.log2() - 8;
        (((exponent + 1) << 8) as u64) | ((rate >> exponent) & U256::from(0xff)).to::<u64>()
    }

    #[derive(Deserialize)]
    struct Golden {
        task_value: Vec<Published>,
    }

    #[derive(Deserialize)]
    struct Published {
        fee: u128,
        images: u64,
        seconds_per_image: u64,
        overhead_seconds: u64,
        value: f64,
    }

    #[test]
    fn published_values_are_reproduced() {
        let golden: Golden = serde_json::from_str(include_str!("../../tests/vectors/golden.json")).unwrap();
        assert!(!golden.task_value.is_empty());
        for row in golden.task_value {
            let seconds = row.overhead_seconds + row.images * row.seconds_per_image;
            let rate = ValueRate::new(row.fee * 10u128.pow(18), NonZeroU64::new(seconds * MILLIS).unwrap());
            let coins = rate.wei_per_second() / 1e18;
            assert!((coins - row.value).abs() <= row.value * f64::EPSILON, "{coins} is not {}", row.value);
        }
    }

    #[test]
    fn nothing_and_everything_have_levels() {
        assert_eq!(ValueRate(U256::ZERO).level(), Level(0));
        assert_eq!(ValueRate(U256::MAX).level(), Level(248 * 256 + 255));
    }

    #[test]
    fn levels_are_continuous_where_the_encoding_changes() {
        let levels: Vec<_> = [255u64, 256, 257, 511, 512, 513, 514].map(|v| ValueRate(U256::from(v)).level().0).into();
        assert_eq!(levels, [255, 256, 257, 511, 512, 512, 513]);
    }

    #[test]
    fn the_largest_fee_for_the_shortest_work_does_not_overflow() {
        let rate = ValueRate::new(u128::MAX, NonZeroU64::MIN);
        assert_eq!(rate.raw() >> 64, U256::from(u128::MAX) * U256::from(1000));
    }

    proptest! {
        #[test]
        fn level_follows_the_definition(rate in any_rate()) {
            prop_assert_eq!(u64::from(rate.level().0), level_by_the_book(rate.raw()));
        }

        #[test]
        fn level_keeps_the_order(a in any_rate(), b in any_rate()) {
            prop_assert!(a > b || a.level() <= b.level());
        }

        #[test]
        fn a_rate_lies_between_the_floors_of_its_level_and_the_next(rate in any_rate()) {
            let level = rate.level();
            prop_assert!(level.floor() <= rate);
            prop_assert_eq!(level.floor().level(), level);
            let is_last = level == ValueRate(U256::MAX).level();
            prop_assert!(is_last || rate < Level(level.0 + 1).floor());
        }

        #[test]
        fn rounding_loses_less_than_one_part_in_256(rate in any_rate()) {
            let lost = rate.raw() - rate.level().floor().raw();
            prop_assert!(lost <= rate.raw() >> 8);
        }

        #[test]
        fn a_higher_fee_or_shorter_work_is_never_worth_less(
            fee in any::<u128>(), more in any::<u128>(), ms in 1..u64::MAX, longer in any::<u64>(),
        ) {
            let rate = |fee, ms| ValueRate::new(fee, NonZeroU64::new(ms).unwrap());
            prop_assert!(rate(fee.saturating_add(more), ms) >= rate(fee, ms));
            prop_assert!(rate(fee, ms.saturating_add(longer)) <= rate(fee, ms));
        }
    }
}
