//! Whose turn it is when several keepers watch one network.
//!
//! The contracts pay whoever acts first, so keepers who all act at once pay for each other's failures. They need not
//! talk to avoid that: the chain tells who seated tasks lately, and a hash of the matter, the epoch and the address puts
//! those into an order that every keeper knows and nobody can choose for all matters. The first acts at once, the next
//! if the matter is still open some blocks later, and so on. Whoever was not seen lately comes after those who were, so
//! a keeper that is dead is replaced within a few blocks and one that is new gets in where others fail.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Keccak256};
use xenon_protocol::chain::Head;

use crate::{Action, View, view::Keepers};

/// Blocks after which a keeper that seated nothing is not reckoned with.
const LATELY: u64 = 256;

/// Blocks for which an order holds.
const EPOCH: u64 = 64;

/// The last place. Who would stand behind it shares it, so that no crowd of addresses keeps the others waiting.
const LAST: u64 = 4;

/// What is to be done, told apart from what was to be done before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Matter {
    action: Action,
    /// The draw block of the round that waits, for what depends on it.
    round: u64,
}

/// The place of a keeper in the line of those who may do what is due, and since when each thing is.
#[derive(Clone, Debug)]
pub struct Turns {
    own: Address,
    /// Blocks between two places.
    step: u64,
    due: BTreeMap<Matter, u64>,
}

impl Turns {
    /// Of the keeper with this address, where each place waits `step` blocks more than that before; 0 waits for nobody.
    pub fn new(own: Address, step: u64) -> Self {
        Self { own, step, due: BTreeMap::new() }
    }

    /// What of a plan it is this keeper's turn to do, in the order of the plan.
    pub fn take(&mut self, view: &View, now: &Head, mut planned: Vec<Action>) -> Vec<Action> {
        let round = view.round().draw_block();
        let matters: Vec<_> = planned.iter().map(|action| matter(*action, round)).collect();
        self.due.retain(|matter, _| matters.contains(matter));
        let mut is_ours = matters.into_iter().map(|matter| self.is_ours(view.keepers(), now.number, matter));
        planned.retain(|_| is_ours.next().unwrap_or(true));
        planned
    }

    fn is_ours(&mut self, keepers: &Keepers, block: u64, matter: Matter) -> bool {
        let since = *self.due.entry(matter).or_insert(block);
        let wait = place(keepers, self.own, block, matter).saturating_mul(self.step);
        // A reorganisation may have made the chain shorter.
        block.saturating_sub(since) >= wait
    }
}

/// Two dispatches of one round, or two draws, are the same matter, however many tasks they concern.
fn matter(action: Action, round: u64) -> Matter {
    match action {
        Action::Dispatch { .. } => Matter { action: Action::Dispatch { max_tasks: 0, seats: 0 }, round },
        Action::Absorb { .. } => Matter { action: Action::Absorb { limit: 0 }, round: 0 },
        action => Matter { action, round: 0 },
    }
}

/// How many go before a keeper.
fn place(keepers: &Keepers, own: Address, block: u64, matter: Matter) -> u64 {
    let epoch = block / EPOCH;
    let lately = || keepers.since(block.saturating_sub(LATELY));
    let own_lot = lot(epoch, matter, own);
    let is_known = lately().any(|keeper| keeper == own);
    let goes_before = |keeper: &Address| *keeper != own && (!is_known || lot(epoch, matter, *keeper) < own_lot);
    (lately().filter(goes_before).count() as u64).min(LAST)
}

/// What decides between two keepers: the lower goes first.
fn lot(epoch: u64, matter: Matter, keeper: Address) -> B256 {
    let mut hash = Keccak256::new();
    hash.update(epoch.to_be_bytes());
    hash.update(matter.round.to_be_bytes());
    hash.update(matter.action.to_string());
    hash.update(keeper);
    hash.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::TaskId;

    const STEP: u64 = 2;

    fn address(number: usize) -> Address {
        Address::left_padding_from(&number.to_be_bytes()).create(7)
    }

    fn known(count: usize, block: u64) -> Keepers {
        (0..count).map(|number| (address(number), block)).collect()
    }

    fn advance(task: u64) -> Matter {
        matter(Action::Advance(TaskId(task)), 0)
    }

    fn turns(number: usize) -> Turns {
        Turns::new(address(number), STEP)
    }

    #[test]
    fn who_was_not_seen_lately_comes_last_and_who_is_alone_acts_at_once() {
        let nobody = Keepers::default();
        assert!(turns(0).is_ours(&nobody, 1_000, advance(1)));
        let two = known(2, 1_000);
        assert_eq!(place(&two, address(9), 1_000, advance(1)), 2);
        assert_eq!(place(&two, address(9), 1_000 + LATELY + 1, advance(1)), 0, "they have not been seen for long");
    }

    #[test]
    fn keeper_that_waits_for_nobody_acts_at_once() {
        let mut turns = Turns::new(address(9), 0);
        assert!(turns.is_ours(&known(5, 10), 10, advance(1)));
    }

    #[test]
    fn wait_begins_anew_when_the_matter_was_settled_meanwhile() {
        let (keepers, mut late) = (known(1, 10), turns(9));
        let view = View::new();
        let now = |number| Head { number, hash: B256::ZERO, parent_hash: B256::ZERO, timestamp: 0, base_fee: 0 };
        assert!(!late.is_ours(&keepers, 10, advance(1)));
        late.take(&view, &now(11), Vec::new());
        assert!(!late.is_ours(&keepers, 12, advance(1)), "it is a new matter");
        assert!(late.is_ours(&keepers, 12 + STEP, advance(1)));
    }

    #[test]
    fn dispatches_of_different_rounds_are_different_matters() {
        let dispatch = |seats| Action::Dispatch { max_tasks: 16, seats };
        assert_eq!(matter(dispatch(1), 7), matter(dispatch(3), 7));
        assert_ne!(matter(dispatch(1), 7), matter(dispatch(1), 9));
        assert_eq!(matter(Action::Absorb { limit: 4 }, 7), matter(Action::Absorb { limit: 5 }, 9));
    }

    proptest! {
        /// Every keeper knows who is first, and each other place is one keeper's as well.
        #[test]
        fn exactly_one_of_the_known_acts_at_once_and_all_act_in_the_end(
            count in 1..5usize, block in 300..1_000u64, task in 0..1_000u64,
        ) {
            let keepers = known(count, block - 1);
            let mut line: Vec<_> = (0..count).map(turns).collect();
            let block = block / EPOCH * EPOCH;
            let mut acting = |at: u64| {
                line.iter_mut().map(|keeper| keeper.is_ours(&keepers, at, advance(task))).filter(|acts| *acts).count()
            };
            for place in 0..count {
                prop_assert_eq!(acting(block + place as u64 * STEP), place + 1);
            }
        }

        /// However many addresses somebody uses, nobody waits longer than the last place does.
        #[test]
        fn no_crowd_keeps_a_keeper_waiting_for_long(count in 0..40usize, own in 0..60usize, block in 300..1_000u64) {
            let keepers = known(count, block);
            let mut own = turns(own);
            own.is_ours(&keepers, block, advance(1));
            prop_assert!(own.is_ours(&keepers, block + LAST * STEP, advance(1)));
        }

        /// Over many matters each of some keepers is first about as often as the others.
        #[test]
        fn turns_are_shared(count in 2..5usize, block in 300..100_000u64) {
            let keepers = known(count, block);
            for number in 0..count {
                let first = (0..400).filter(|task| place(&keepers, address(number), block, advance(*task)) == 0).count();
                // Six standard deviations of a binomial distribution are less than that.
                let spread = 6 * (400 * count).isqrt();
                prop_assert!((first * count).abs_diff(400) < spread, "{} of 400, with {} keepers", first, count);
            }
        }
    }
}
