use alloy::primitives::{
    U256,
    aliases::{U24, U40, U96},
};
use serde::Deserialize;
use xenon_protocol::{deployment::DeployParams, value::ValueRate};

/// Wei in one coin.
const COIN: f64 = 1e18;

/// Parameters of the network; what is not named stays as it is shipped.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// Coins a node stakes.
    pub min_stake: Option<f64>,
    /// Coins a task may carry at most.
    pub max_fee: Option<f64>,
    /// Coins per second that a task must offer at least.
    pub min_value: Option<f64>,
    /// Seconds a node that quits waits for its stake.
    pub unbonding_s: Option<u64>,
    /// Seconds on top of a task's estimate for commitments.
    pub commit_grace_s: Option<u32>,
    /// How often the estimate fits into the time for commitments.
    pub commit_factor: Option<u8>,
    /// Seconds to reveal.
    pub reveal_window_s: Option<u32>,
    /// Seconds to deliver, for each whose turn it is.
    pub deliver_window_s: Option<u32>,
    /// Seconds to find another node for an empty seat.
    pub vacancy_window_s: Option<u32>,
    /// How often a seat is given to another node.
    pub refills: Option<u8>,
    /// Ten-thousandths of a fee for whoever turns the crank.
    pub crank_bps: Option<u16>,
    /// Coins for a missed task.
    pub miss_penalty: Option<f64>,
    /// Coins for a commitment that was not opened.
    pub conceal_penalty: Option<f64>,
    /// Seconds to appeal.
    pub appeal_s: Option<u32>,
    /// Seconds to decide.
    pub arbitration_s: Option<u32>,
    /// Tasks the queue holds for each active node.
    pub tasks_per_node: Option<u16>,
    /// Seconds after which a task may reserve a class.
    pub reserve_after_s: Option<u32>,
    /// Seconds that a reservation lasts.
    pub reserve_hold_s: Option<u32>,
}

impl Parameters {
    /// What is deployed.
    pub fn deployment(&self) -> DeployParams {
        let mut params = DeployParams::default();
        replace(&mut params.min_stake, self.min_stake.map(wei));
        replace(&mut params.max_fee, self.max_fee.map(wei));
        replace(&mut params.unbonding_seconds, self.unbonding_s.map(U40::from));
        let rate = |coins: f64| ValueRate::from_raw(U256::from(wei(coins)) << 64);
        replace(&mut params.min_value, self.min_value.map(rate));
        let terms = &mut params.terms;
        replace(&mut terms.commitGrace, self.commit_grace_s.map(U24::from));
        replace(&mut terms.commitFactor, self.commit_factor);
        replace(&mut terms.revealWindow, self.reveal_window_s.map(U24::from));
        replace(&mut terms.deliverWindow, self.deliver_window_s.map(U24::from));
        replace(&mut terms.vacancyWindow, self.vacancy_window_s.map(U24::from));
        replace(&mut terms.refills, self.refills);
        replace(&mut terms.crankBps, self.crank_bps);
        let rules = &mut params.rules;
        replace(&mut rules.missPenalty, self.miss_penalty.map(wei));
        replace(&mut rules.concealPenalty, self.conceal_penalty.map(wei));
        replace(&mut rules.appealSeconds, self.appeal_s);
        replace(&mut rules.arbitrationSeconds, self.arbitration_s);
        let limits = &mut params.limits;
        replace(&mut limits.tasksPerNode, self.tasks_per_node);
        replace(&mut limits.reserveAfter, self.reserve_after_s);
        replace(&mut limits.reserveHold, self.reserve_hold_s);
        params
    }
}

fn replace<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn wei(coins: f64) -> U96 {
    U96::saturating_from(U256::saturating_from(coins.max(0.0) * COIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_as_shipped() {
        assert_eq!(Parameters::default().deployment(), DeployParams::default());
    }

    #[test]
    fn what_is_named_is_deployed_and_a_name_that_is_none_is_refused() {
        let parameters: Parameters = toml::from_str("min_stake = 1.5\nrefills = 0").unwrap();
        let deployed = parameters.deployment();
        assert_eq!((deployed.min_stake, deployed.terms.refills), (U96::from(1_500_000_000_000_000_000_u64), 0));
        assert!(toml::from_str::<Parameters>("stake = 1").is_err());
    }
}
