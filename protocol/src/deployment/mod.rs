//! The five contracts of a network: where they are, how they get there, and that they are the right ones.

mod code;
mod create3;
mod deploy;
mod params;

use alloy::primitives::{Address, B256, keccak256};
use serde::{Deserialize, Serialize};

use crate::{
    chain::{Chain, ChainError, TypedChain},
    contracts::Task,
};

use self::code::Code;
pub use self::{
    create3::{DEPLOYMENT_PROXY, DEPLOYMENT_PROXY_CODE, create3_address, factory_address},
    deploy::deploy,
    params::DeployParams,
};

/// The addresses of a network's contracts on one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The node registry.
    pub node: Address,
    /// Escrow, seats and settlement. This address alone identifies a network on a chain.
    pub task: Address,
    /// The order books and the dispatcher.
    pub queue: Address,
    /// The quality-of-service scores.
    pub qos: Address,
    /// The tallies.
    pub stats: Address,
}

/// Why a network could not be deployed or found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeploymentError {
    /// The chain could not be read, or refused a transaction.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The chain lacks the contract through which deployments get the same address everywhere.
    #[error(
        "XP-321: chain {chain_id} has no deterministic deployment proxy at {DEPLOYMENT_PROXY}: deploy it first, see github.com/Arachnid/deterministic-deployment-proxy"
    )]
    NoProxy {
        /// The chain.
        chain_id: u64,
    },
    /// The contract found is not the one this program was built with.
    #[error(
        "XP-322: the code at {address} is not the {contract} this program was built with: use the program that deployed it, or deploy from another account"
    )]
    OtherCode {
        /// The contract expected there.
        contract: &'static str,
        /// Where.
        address: Address,
    },
    /// The network is deployed already, with another parameter that cannot change.
    #[error(
        "XP-323: the network at {task} has {name} {found}, not {wanted}: leave it as it is, or deploy from another account"
    )]
    OtherParameter {
        /// The network's Task contract.
        task: Address,
        /// Which parameter.
        name: &'static str,
        /// What the chain has.
        found: String,
        /// What was asked for.
        wanted: String,
    },
}

impl DeploymentError {
    /// The stable code of this error, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.code(),
            Self::NoProxy { .. } => "XP-321",
            Self::OtherCode { .. } => "XP-322",
            Self::OtherParameter { .. } => "XP-323",
        }
    }
}

impl Deployment {
    /// Where `deployer` deploys its network, on any chain.
    pub fn of(deployer: Address, chain_id: u64) -> Self {
        let at = |part: &str| create3_address(deployer, salt(part));
        Self { chain_id, node: at("node"), task: at("task"), queue: at("queue"), qos: at("qos"), stats: at("stats") }
    }

    /// Where `deployer` deploys the timelock that owns its network unless another owner was named.
    pub fn timelock_of(deployer: Address) -> Address {
        create3_address(deployer, salt(TIMELOCK))
    }

    /// Finds a network by its Task contract and checks that all five contracts are there and are the right ones.
    pub async fn load<C: Chain>(chain: &C, task: Address) -> Result<Self, DeploymentError> {
        require(chain, &code::TASK, task).await?;
        let Task::networkReturn { node, queue, qos, stats } = chain.view(task, &Task::networkCall {}).await?;
        let deployment = Self { chain_id: chain.chain_id(), node, task, queue, qos, stats };
        for (code, address) in deployment.parts() {
            require(chain, code, address).await?;
        }
        Ok(deployment)
    }

    /// All five addresses, for filters of events.
    pub fn addresses(&self) -> [Address; 5] {
        [self.node, self.task, self.queue, self.qos, self.stats]
    }

    /// In the order of deployment: Node's constructor asks `QoS`.
    fn parts(&self) -> [(&'static Code, Address); 5] {
        [
            (&code::QOS, self.qos),
            (&code::STATS, self.stats),
            (&code::QUEUE, self.queue),
            (&code::NODE, self.node),
            (&code::TASK, self.task),
        ]
    }
}

/// The name of the timelock among the parts of a deployment.
const TIMELOCK: &str = "timelock";

/// The salt of a contract of the network.
fn salt(part: &str) -> B256 {
    keccak256(format!("xenon.{part}"))
}

/// Checks that the contract is there.
async fn require<C: Chain>(chain: &C, code: &Code, address: Address) -> Result<(), DeploymentError> {
    if is_deployed(chain, code, address).await? {
        return Ok(());
    }
    Err(ChainError::NoContract { address, chain_id: chain.chain_id() }.into())
}

/// Whether the contract is there. Other code in its place is an error.
async fn is_deployed<C: Chain>(chain: &C, code: &Code, address: Address) -> Result<bool, DeploymentError> {
    let found = chain.code(address).await?;
    if found.is_empty() || code.is(&found) {
        return Ok(!found.is_empty());
    }
    Err(DeploymentError::OtherCode { contract: code.name, address })
}
