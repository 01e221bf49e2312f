use alloy::primitives::{
    Address, U256,
    aliases::{U24, U40, U96},
    utils::Unit,
};

use crate::{
    contracts::{Node, Task, TaskQueue},
    value::ValueRate,
};

/// Seconds in a day.
const DAY: u32 = 24 * 3600;

/// What whoever deploys a network can choose. The default is the published design: a stake of 400, fees up to a quarter
/// of it, and the two kinds of tasks. `script/Deployment.sol` has the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployParams {
    /// Who may set parameters inside the hard-coded bounds; if none, a timelock that is deployed with the network.
    pub owner: Option<Address>,
    /// Who proposes in that timelock; the deployer if none.
    pub governor: Option<Address>,
    /// Who receives slashed stake; the deployer if none.
    pub treasury: Option<Address>,
    /// Stake of a node, in wei.
    pub min_stake: U96,
    /// Seconds between quitting and withdrawing the stake.
    pub unbonding_seconds: U40,
    /// The most a task may carry, in wei.
    pub max_fee: U96,
    /// The least value per second a task may offer.
    pub min_value: ValueRate,
    /// Times and shares.
    pub terms: Task::Terms,
    /// Penalties and the times of cases.
    pub rules: Node::Rules,
    /// The length of the queue and the times of reservations.
    pub limits: TaskQueue::Limits,
    /// The first kinds of tasks, numbered from 0.
    pub kinds: Vec<Task::Kind>,
}

impl Default for DeployParams {
    fn default() -> Self {
        Self {
            owner: None,
            governor: None,
            treasury: None,
            min_stake: coins(400),
            unbonding_seconds: U40::from(7 * DAY),
            max_fee: coins(100),
            min_value: ValueRate::from_raw(Unit::GWEI.wei() << 64),
            terms: terms(),
            rules: rules(),
            limits: limits(),
            kinds: vec![gpt(), stable_diffusion()],
        }
    }
}

fn coins(whole: u64) -> U96 {
    U96::from(U256::from(whole) * Unit::ETHER.wei())
}

fn terms() -> Task::Terms {
    Task::Terms {
        commitGrace: U24::from(120),
        commitFactor: 4,
        revealWindow: U24::from(120),
        deliverWindow: U24::from(300),
        crankBps: 100,
        errorBps: 300,
        vacancyWindow: U24::from(120),
        refills: 1,
    }
}

fn rules() -> Node::Rules {
    Node::Rules {
        missPenalty: U96::from(Unit::ETHER.wei() * U256::from(4) / U256::from(10)),
        concealPenalty: coins(4),
        appealSeconds: 2 * DAY,
        arbitrationSeconds: 4 * DAY,
    }
}

fn limits() -> TaskQueue::Limits {
    TaskQueue::Limits { tasksPerNode: 8, reserveAfter: 30 * 60, reserveHold: 2 * 3600 }
}

/// Text: three nodes of one class must give the same bytes.
fn gpt() -> Task::Kind {
    Task::Kind { exact: true, sameClass: true, maxDistance: 0, overheadMs: 5_000, msPerUnit: 50, maxSize: 4096 }
}

/// Images: nodes of any classes must give nearly the same pictures.
fn stable_diffusion() -> Task::Kind {
    Task::Kind { exact: false, sameClass: false, maxDistance: 5, overheadMs: 30_000, msPerUnit: 20_000, maxSize: 4 }
}
