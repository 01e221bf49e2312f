//! Steps of accelerator memory. Mirrors `contracts/libraries/VramTier.sol`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Lower bounds of the tiers, in GB.
const BOUNDS: [u16; Tier::COUNT] = [0, 2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 128];

/// A step of accelerator memory, from 0 to 15.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tier(u8);

impl Tier {
    const NUMBER: u8 = 16;

    /// How many there are.
    pub const COUNT: usize = Self::NUMBER as usize;

    /// The tier of that number, if there is one.
    pub const fn new(number: u8) -> Option<Self> {
        if number < Self::NUMBER { Some(Self(number)) } else { None }
    }

    /// All of them, the smallest first.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        (0..Self::NUMBER).map(Self)
    }

    /// The lowest tier all of whose machines have that many GB, or `None` if no tier guarantees so much.
    pub fn at_least(gb: u16) -> Option<Self> {
        Self::all().find(|tier| BOUNDS[tier.index()] >= gb)
    }

    /// Its place in arrays by tier.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_memory_than_any_tier_guarantees_has_no_tier() {
        assert_eq!(Tier::at_least(129), None);
        assert_eq!(Tier::new(16), None);
    }

    #[test]
    fn bounds_belong_to_their_own_tier_and_one_more_to_the_next() {
        for tier in Tier::all() {
            assert_eq!(Tier::at_least(BOUNDS[tier.index()]), Some(tier));
            assert_eq!(Tier::at_least(BOUNDS[tier.index()] + 1), Tier::new(tier.0 + 1));
        }
        assert_eq!(Tier::all().count(), Tier::COUNT);
    }
}
