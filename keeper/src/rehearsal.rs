//! What a keeper would do, without doing it.

use std::fmt;

use alloy::primitives::{Address, I256, U256};
use xenon_protocol::{
    chain::{Call, ChainError, Head, Mempool},
    deployment::Deployment,
};

use crate::{
    Abstention, Action, Collector, KeeperConfig, KeeperError, Policy, Progress, Reason, View, coins::Coins, decide,
};

/// Follows a network as a keeper does and says what that would send. It has no key, and calls nothing that could send.
#[derive(Debug)]
pub struct Rehearsal<C> {
    chain: C,
    collector: Collector<C>,
    contracts: Deployment,
    policy: Policy,
    /// The account that would send.
    account: Address,
}

/// What would be done after a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// The block.
    pub head: Head,
    /// What would be sent, in order of urgency, or not, as the simulation tells.
    pub proposals: Vec<Proposal>,
    /// What could be done and would not be planned.
    pub abstentions: Vec<Abstention>,
}

/// An action and what would become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The action.
    pub action: Action,
    /// What the contracts pay for it at most, in wei.
    pub reward: u128,
    /// What it would cost, or why it would not be sent.
    pub cost: Result<Cost, Skip>,
}

/// What a transaction would cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Gas that it needs.
    pub gas: u64,
    /// Wei for each: the base fee of the next block and what its builder is given.
    pub gas_price: u128,
}

/// Why an action would not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The keeper would decide so.
    Decided(Reason),
    /// The simulation failed.
    Failed(ChainError),
}

impl Cost {
    /// Wei.
    pub fn wei(&self) -> U256 {
        U256::from(self.gas) * U256::from(self.gas_price)
    }
}

impl Proposal {
    /// Reward less cost in wei, if it would be sent.
    pub fn profit(&self) -> Option<I256> {
        let cost = self.cost.as_ref().ok()?.wei();
        Some(I256::from_raw(U256::from(self.reward).wrapping_sub(cost)))
    }
}

impl<C: Mempool> Rehearsal<C> {
    /// A rehearsal of the keeper that would send from an account.
    pub fn new(chain: C, contracts: Deployment, policy: Policy, config: KeeperConfig, account: Address) -> Self {
        let collector = Collector::new(chain.clone(), contracts, config);
        Self { chain, collector, contracts, policy, account }
    }

    /// Looks for a new block and says what would be done after it; `None` if there is none, or none to act on.
    ///
    /// # Errors
    /// The chain could not be followed, or the policy is of no use.
    pub async fn step(&mut self) -> Result<Option<Rehearsed>, KeeperError> {
        self.policy.check()?;
        let Progress::Fresh(head) = self.collector.collect().await? else { return Ok(None) };
        let decision = decide(self.collector.view(), &head, &self.policy);
        let mut proposals = Vec::with_capacity(decision.actions.len());
        for action in decision.actions {
            proposals.push(self.propose(action).await);
        }
        Ok(Some(Rehearsed { head, proposals, abstentions: decision.abstentions }))
    }

    /// The network as it is seen.
    pub const fn view(&self) -> &View {
        self.collector.view()
    }

    async fn propose(&self, action: Action) -> Proposal {
        let reward = action.reward(self.view());
        let cost = self.cost(&action, &action.call(&self.contracts)).await;
        Proposal { action, reward, cost }
    }

    async fn cost(&self, action: &Action, call: &Call) -> Result<Cost, Skip> {
        let returned = self.chain.call(self.account, call).await?;
        // A round that waits may be drawn again although nothing is seated: what matters is settled when it is sent.
        let seats = matches!(action, Action::Dispatch { seats, .. } if *seats > 0);
        if !seats && !action.shows_effect(&returned) {
            return Err(Skip::Decided(Reason::NoEffect));
        }
        let gas = self.chain.estimate_gas(self.account, call).await?;
        let fees = self.chain.fees().await?;
        Ok(Cost { gas, gas_price: fees.base_fee + fees.priority_fee })
    }
}

impl From<ChainError> for Skip {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Reverted { .. } => Self::Decided(Reason::Refused),
            error => Self::Failed(error),
        }
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, reward, cost } = self;
        match cost {
            Ok(cost) => {
                let profit = self.profit().unwrap_or_default();
                let sign = if profit.is_negative() { "-" } else { "" };
                let (price, paid) = (Coins(cost.wei().saturating_to()), Coins(*reward));
                let profit = Coins(profit.unsigned_abs().saturating_to());
                write!(f, "{action}: reward {paid}, gas {} for {price}, profit {sign}{profit}", cost.gas)
            }
            Err(Skip::Decided(reason)) => write!(f, "{action}: not sent, {} {reason}", reason.code()),
            Err(Skip::Failed(error)) => write!(f, "{action}: not sent, {error}"),
        }
    }
}

impl fmt::Display for Rehearsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "block {}: {} to send",
            self.head.number,
            self.proposals.iter().filter(|it| it.cost.is_ok()).count()
        )?;
        for proposal in &self.proposals {
            write!(f, "\n  {proposal}")?;
        }
        for Abstention { action, reason } in &self.abstentions {
            write!(f, "\n  {action}: not planned, {} {reason}", reason.code())?;
        }
        Ok(())
    }
}
