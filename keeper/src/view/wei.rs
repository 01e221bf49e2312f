use serde::{Deserialize, Serialize};

/// An amount of money below 2^96 wei, as the contracts keep it, in twelve bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wei([u32; 3]);

impl Wei {
    /// Bits of an amount.
    const BITS: u32 = 96;

    /// An amount, or `None` if it is larger than any there can be.
    #[allow(clippy::cast_possible_truncation, reason = "one word after the other")]
    pub(super) fn new(amount: u128) -> Option<Self> {
        if amount >> Self::BITS != 0 {
            return None;
        }
        Some(Self([0, 1, 2].map(|word| (amount >> (u32::BITS * word)) as u32)))
    }

    /// The amount.
    pub(super) fn get(self) -> u128 {
        self.0.into_iter().rev().fold(0, |amount, word| (amount << u32::BITS) | u128::from(word))
    }

    /// What is left when some of it is paid out.
    pub(super) fn less(self, paid: u128) -> Self {
        Self::new(self.get().saturating_sub(paid)).unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn larger_amounts_than_there_can_be_are_none() {
        assert_eq!(Wei::new(1 << 96), None);
        assert_eq!(Wei::new(u128::MAX), None);
        assert_eq!(Wei::new((1 << 96) - 1).map(Wei::get), Some((1 << 96) - 1));
    }

    proptest! {
        #[test]
        fn amount_is_what_it_was(amount in 0..1u128 << 96, paid in any::<u128>(), less in 0..128u32) {
            let wei = Wei::new(amount).unwrap();
            prop_assert_eq!(wei.get(), amount);
            prop_assert_eq!(wei.less(paid >> less).get(), amount.saturating_sub(paid >> less));
        }
    }
}
