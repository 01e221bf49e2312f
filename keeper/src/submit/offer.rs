//! What a transaction offers per gas (EIP-1559), and what one that replaces it must.

use xenon_protocol::chain::Fees;

use crate::journal::Attempt;

/// Base fees of the next block that a first offer covers: so far gas may become dearer until it is included.
const BASE_FEES: u128 = 2;

/// The two fees of a transaction, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// The most it pays.
    pub(super) max_fee: u128,
    /// The most of that which goes to the block's builder.
    pub(super) priority_fee: u128,
}

impl Offer {
    /// What the attempt offers.
    pub(super) const fn of(attempt: &Attempt) -> Self {
        Self { max_fee: attempt.max_fee, priority_fee: attempt.priority_fee }
    }

    /// A first offer, or `None` if the next block costs more than the ceiling.
    pub(super) fn new(fees: &Fees, ceiling: u128) -> Option<Self> {
        let least = fees.base_fee.saturating_add(fees.priority_fee);
        (least <= ceiling).then(|| Self { max_fee: generous(fees).min(ceiling), priority_fee: fees.priority_fee })
    }

    /// An offer that takes the place of this one: both fees higher by `percent` or more, as nodes demand, and as high as
    /// gas costs now. `None` if that is above the ceiling.
    pub(super) fn replaced(&self, fees: &Fees, percent: u32, ceiling: u128) -> Option<Self> {
        let least = Self { max_fee: raised(self.max_fee, percent), priority_fee: raised(self.priority_fee, percent) };
        if least.max_fee > ceiling || least.priority_fee > ceiling {
            return None;
        }
        let max_fee = generous(fees).clamp(least.max_fee, ceiling).max(least.priority_fee);
        let priority_fee = fees.priority_fee.clamp(least.priority_fee, max_fee);
        Some(Self { max_fee, priority_fee })
    }

    /// Whether a block at these fees could include it.
    pub(super) const fn covers(&self, fees: &Fees) -> bool {
        self.max_fee >= fees.base_fee
    }
}

fn generous(fees: &Fees) -> u128 {
    fees.base_fee.saturating_mul(BASE_FEES).saturating_add(fees.priority_fee)
}

/// Higher by so many percent, rounded up, and by one wei at least.
fn raised(fee: u128, percent: u32) -> u128 {
    fee.saturating_add(fee.saturating_mul(percent.into()).div_ceil(100).max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GWEI: u128 = 1_000_000_000;

    fn any_fees() -> impl Strategy<Value = Fees> {
        (0..2_000 * GWEI, 0..50 * GWEI).prop_map(|(base_fee, priority_fee)| Fees { base_fee, priority_fee })
    }

    proptest! {
        #[test]
        fn first_offer_pays_for_the_next_block_and_never_more_than_the_ceiling(
            fees in any_fees(), ceiling in 1..1_000 * GWEI
        ) {
            match Offer::new(&fees, ceiling) {
                Some(offer) => {
                    prop_assert!(offer.max_fee <= ceiling && offer.priority_fee <= offer.max_fee);
                    prop_assert!(offer.max_fee >= fees.base_fee + fees.priority_fee);
                }
                None => prop_assert!(fees.base_fee + fees.priority_fee > ceiling),
            }
        }

        #[test]
        fn replacements_rise_by_a_tenth_or_more_and_stop_at_the_ceiling(
            first in any_fees(),
            later in prop::collection::vec(any_fees(), 1..40),
            percent in 10..=100u32,
            ceiling in 1..1_000 * GWEI,
        ) {
            let Some(mut offer) = Offer::new(&first, ceiling) else { return Ok(()) };
            for fees in later {
                let Some(next) = offer.replaced(&fees, percent, ceiling) else {
                    prop_assert!(offer.max_fee + (offer.max_fee * u128::from(percent)).div_ceil(100).max(1) > ceiling
                        || offer.priority_fee + (offer.priority_fee * u128::from(percent)).div_ceil(100).max(1) > ceiling);
                    continue;
                };
                // As geth counts: the new fee against the old one times 110, divided by 100.
                prop_assert!(next.max_fee * 100 >= offer.max_fee * 110 && next.max_fee > offer.max_fee);
                prop_assert!(next.priority_fee * 100 >= offer.priority_fee * 110);
                prop_assert!(next.priority_fee > offer.priority_fee);
                prop_assert!(next.priority_fee <= next.max_fee && next.max_fee <= ceiling);
                offer = next;
            }
        }
    }

    #[test]
    fn dearer_gas_is_caught_up_with_at_once() {
        let offer = Offer { max_fee: 30, priority_fee: 2 };
        let fees = Fees { base_fee: 100, priority_fee: 5 };
        assert!(!offer.covers(&fees));
        assert_eq!(offer.replaced(&fees, 10, 1_000), Some(Offer { max_fee: 205, priority_fee: 5 }));
        assert_eq!(offer.replaced(&fees, 10, 150), Some(Offer { max_fee: 150, priority_fee: 5 }));
        assert_eq!(offer.replaced(&fees, 10, 32), None, "33 would be needed");
    }
}
