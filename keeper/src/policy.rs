use serde::{Deserialize, Serialize};

use crate::{KeeperError, view::ROUND_LIMIT};

/// How much a keeper does at once.
///
/// ```
/// # fn main() -> Result<(), toml::de::Error> {
/// use xenon_keeper::Policy;
///
/// let policy: Policy = toml::from_str("max_tasks = 8")?;
/// assert_eq!(policy, Policy { max_tasks: 8, ..Policy::default() });
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Most tasks that one `dispatch` seats and, separately, draws; 1 to 64. Its gas grows with it.
    pub max_tasks: u32,
    /// Most transactions of one planning round.
    pub max_actions: u32,
    /// Most deferred changes of membership that one `absorb` applies.
    pub max_absorb: u32,
    /// Most blocks before a task that found no nodes is tried again. The wait doubles from 2 up to this.
    pub max_patience: u64,
    /// Gas that an `advance` is reckoned to cost. A task whose crank share is below its price at the base fee is left to
    /// others; 0 advances all.
    pub advance_gas: u64,
    /// Whether to end cases that are over, with `slash` and `thaw`, for which nobody pays.
    pub cases: bool,
    /// Blocks that a keeper leaves to each of those whose turn it is before its own; 0 acts at once whoever else does.
    pub turn_blocks: u64,
}

impl Policy {
    /// # Errors
    /// [`KeeperError::Config`] if a keeper with this policy could never do anything.
    pub fn check(&self) -> Result<(), KeeperError> {
        let reason = if !(1..=ROUND_LIMIT as u64).contains(&self.max_tasks.into()) {
            "policy.max_tasks must be from 1 to 64"
        } else if self.max_actions == 0 {
            "policy.max_actions is 0, so nothing would ever be sent; set it to 1 or more"
        } else if self.max_absorb == 0 {
            "policy.max_absorb is 0, so no node would ever be taken in; set it to 1 or more"
        } else {
            return Ok(());
        };
        Err(KeeperError::Config { reason })
    }

    /// Whether a reward in wei pays for an `advance` at a base fee.
    pub(crate) fn pays(&self, reward: u128, base_fee: u64) -> bool {
        reward >= u128::from(base_fee) * u128::from(self.advance_gas)
    }

    /// Blocks to wait before a task that so often found no nodes is tried again.
    pub(crate) fn patience(&self, requeues: u32) -> u64 {
        let doubled = 1u64.checked_shl(requeues).unwrap_or(u64::MAX);
        if requeues == 0 { 0 } else { doubled.min(self.max_patience) }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_tasks: 16, max_actions: 32, max_absorb: 32, max_patience: 32, advance_gas: 200_000, cases: false, turn_blocks: 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_refused() {
        assert!(toml::from_str::<Policy>("max_task = 8").is_err());
    }

    #[test]
    fn policies_under_which_nothing_could_be_done_are_refused() {
        let usual = Policy::default();
        assert!(usual.check().is_ok());
        assert!(Policy { max_tasks: 0, ..usual.clone() }.check().is_err());
        assert!(Policy { max_tasks: 65, ..usual.clone() }.check().is_err());
        assert!(Policy { max_actions: 0, ..usual.clone() }.check().is_err());
        assert!(Policy { max_absorb: 0, ..usual }.check().is_err());
    }

    #[test]
    fn advance_pays_from_the_price_of_its_gas_on() {
        let policy = Policy { advance_gas: 100, ..Policy::default() };
        assert_eq!([(799, 8), (800, 8), (0, 0)].map(|(reward, fee)| policy.pays(reward, fee)), [false, true, true]);
        assert!(Policy { advance_gas: 0, ..policy }.pays(0, u64::MAX));
    }

    #[test]
    fn patience_doubles_up_to_its_limit() {
        let policy = Policy { max_patience: 10, ..Policy::default() };
        assert_eq!([0, 1, 2, 3, 4, 64, u32::MAX].map(|n| policy.patience(n)), [0, 2, 4, 8, 10, 10, 10]);
    }
}
