use std::{cmp::Ordering, fmt, num::NonZeroU64};

use alloy::primitives::U256;
use serde::{Deserialize, Serialize};
use xenon_protocol::value::{Level, ValueRate};

/// What a task offers for a second of estimated work, as an exact fraction.
///
/// Fractions are compared by cross-multiplication, so nothing is rounded: two tasks are equal only when they offer
/// exactly the same.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Value {
    /// Wei.
    pub fee: u128,
    /// Estimated milliseconds of work.
    pub duration_ms: NonZeroU64,
}

impl Value {
    /// The value per second as the contracts round it.
    pub fn rate(self) -> ValueRate {
        ValueRate::new(self.fee, self.duration_ms)
    }

    /// The price level at which the task stands in its book.
    pub fn level(self) -> Level {
        self.rate().level()
    }

    /// This fee times the other's duration: at most 192 bits.
    fn cross(self, other: Self) -> U256 {
        U256::from(self.fee) * U256::from(other.duration_ms.get())
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cross(*other).cmp(&other.cross(*self))
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} wei for {} ms", self.fee, self.duration_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(fee: u128, ms: u64) -> Value {
        Value { fee, duration_ms: NonZeroU64::new(ms).unwrap() }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        (any::<u128>(), 0..128u32, 1..=u64::MAX, 0..64u32)
            .prop_map(|(fee, less, ms, shorter)| value(fee >> less, (ms >> shorter).max(1)))
    }

    #[test]
    fn values_that_an_integer_quotient_confuses_are_told_apart() {
        let (less, more) = (value(1_000_000_000_000_000_000, 3), value(1_000_000_000_000_000_001, 3));
        assert_eq!(1_000_000_000_000_000_000u128 / 3, 1_000_000_000_000_000_001 / 3);
        assert!(less < more);
    }

    #[test]
    fn the_same_offer_in_other_numbers_is_equal() {
        assert_eq!(value(2, 6), value(1, 3));
        assert_eq!(value(0, 1), value(0, u64::MAX));
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        assert!(value(u128::MAX, u64::MAX) > value(u128::MAX - 1, u64::MAX));
        assert!(value(u128::MAX, u64::MAX - 1) > value(u128::MAX, u64::MAX));
    }

    proptest! {
        #[test]
        fn order_is_total(a in any_value(), b in any_value(), c in any_value()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
            prop_assert!(!(a <= b && b <= c) || a <= c);
        }

        #[test]
        fn levels_never_contradict_the_exact_order(a in any_value(), b in any_value()) {
            prop_assert!(a < b || a.level() >= b.level());
            prop_assert!(a.level() <= b.level() || a > b);
        }

        #[test]
        fn longer_work_or_a_lower_fee_offers_less(a in any_value(), ms in any::<u64>(), wei in any::<u128>()) {
            let longer = value(a.fee, a.duration_ms.get().saturating_add(ms));
            let cheaper = value(a.fee.saturating_sub(wei), a.duration_ms.get());
            prop_assert!(longer <= a && cheaper <= a);
        }
    }
}
