use std::num::{NonZeroU32, NonZeroU64};

use serde::{Deserialize, Serialize};

use crate::order::Value;

/// A kind of task: how results are compared and how long the work takes. Mirrors `ITask.Kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kind {
    /// Whether results agree only when equal; otherwise by perceptual hash.
    pub exact: bool,
    /// Whether the three nodes must share a class.
    pub same_class: bool,
    /// Bits in which two perceptual hashes of one image may differ.
    pub max_distance: u8,
    /// Estimated milliseconds before the first unit.
    pub overhead_ms: u32,
    /// Estimated milliseconds a unit.
    pub ms_per_unit: NonZeroU32,
    /// The most units a task may ask for.
    pub max_size: u32,
}

impl Kind {
    /// A kind, or `None` if its units take no time.
    pub fn new(
        exact: bool,
        same_class: bool,
        max_distance: u8,
        overhead_ms: u32,
        ms_per_unit: u32,
        max_size: u32,
    ) -> Option<Self> {
        let ms_per_unit = NonZeroU32::new(ms_per_unit)?;
        Some(Self { exact, same_class, max_distance, overhead_ms, ms_per_unit, max_size })
    }

    /// What a task of that size and fee offers; `None` for a size of 0.
    pub fn value(&self, fee: u128, size: u32) -> Option<Value> {
        self.duration_ms(size).map(|duration_ms| Value { fee, duration_ms })
    }

    /// The same kind with other durations.
    #[must_use]
    pub const fn lasting(self, overhead_ms: u32, ms_per_unit: NonZeroU32) -> Self {
        Self { overhead_ms, ms_per_unit, ..self }
    }

    /// Estimated milliseconds for a task of that size; `None` for a size of 0.
    pub fn duration_ms(&self, size: u32) -> Option<NonZeroU64> {
        let units = NonZeroU64::from(NonZeroU32::new(size)?);
        // Two 32-bit factors and a 32-bit summand stay below 2^64.
        NonZeroU64::from(self.ms_per_unit).checked_mul(units)?.checked_add(self.overhead_ms.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(overhead_ms: u32, ms_per_unit: u32) -> Kind {
        Kind::new(true, true, 0, overhead_ms, ms_per_unit, 10).unwrap()
    }

    #[test]
    fn units_without_duration_and_sizes_of_zero_are_refused() {
        assert_eq!(Kind::new(true, true, 0, 1, 0, 10), None);
        assert_eq!(kind(5, 1).duration_ms(0), None);
    }

    #[test]
    fn duration_is_the_overhead_and_the_units() {
        assert_eq!(kind(5_000, 50).duration_ms(20), NonZeroU64::new(6_000));
    }

    #[test]
    fn the_longest_duration_does_not_overflow() {
        let longest = kind(u32::MAX, u32::MAX).duration_ms(u32::MAX).unwrap();
        assert_eq!(u128::from(longest.get()), u128::from(u32::MAX) * u128::from(u32::MAX) + u128::from(u32::MAX));
    }
}
