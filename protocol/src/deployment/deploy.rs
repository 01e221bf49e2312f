use std::fmt::Display;

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::{SolConstructor, SolValue},
};

use super::{
    DEPLOYMENT_PROXY, DeployParams, Deployment, DeploymentError, TIMELOCK,
    code::{self, Code},
    create3::factory_creation,
    factory_address, is_deployed, salt,
};
use crate::{
    chain::{Account, Call, Chain, TypedChain},
    contracts::{Create3Factory, Node, Task, Timelock},
};

/// Seconds between a proposal of the timelock's and its execution: well inside the time to decide an appeal.
const GOVERNANCE_DELAY: u64 = 2 * 24 * 3600;

/// Deploys the network of an account. What is there already is left alone, so that a deployment that was cut off is
/// continued by the next; a finished one with other unchangeable parameters is an error.
pub async fn deploy<A: Account>(account: &A, params: &DeployParams) -> Result<Deployment, DeploymentError> {
    let deployment = Deployment::of(account.address(), account.chain().chain_id());
    ensure_factory(account).await?;
    let arguments = Arguments { deployment, params, deployer: account.address() };
    for step in arguments.steps() {
        if !is_deployed(account.chain(), step.code, step.address).await? {
            tracing::info!(contract = step.code.name, address = %step.address, "deploying");
            account.send(step.call()).await?;
        }
    }
    check_parameters(account.chain(), &deployment, params).await?;
    Ok(deployment)
}

async fn ensure_factory<A: Account>(account: &A) -> Result<(), DeploymentError> {
    let chain = account.chain();
    if is_deployed(chain, &code::FACTORY, factory_address()).await? {
        return Ok(());
    }
    if chain.code(DEPLOYMENT_PROXY).await?.is_empty() {
        return Err(DeploymentError::NoProxy { chain_id: chain.chain_id() });
    }
    account.send(Call::raw(DEPLOYMENT_PROXY, factory_creation())).await?;
    Ok(())
}

/// One contract to deploy.
struct Step {
    code: &'static Code,
    address: Address,
    salt: B256,
    arguments: Vec<u8>,
}

impl Step {
    fn call(&self) -> Call {
        let init_code = Bytes::from([self.code.creation, self.arguments.as_slice()].concat());
        Call::new(factory_address(), &Create3Factory::deployCall { salt: self.salt, initCode: init_code })
    }
}

/// What the constructors are given.
struct Arguments<'a> {
    deployment: Deployment,
    params: &'a DeployParams,
    deployer: Address,
}

impl Arguments<'_> {
    /// The contracts in an order in which each finds what its constructor needs.
    fn steps(&self) -> Vec<Step> {
        let at = &self.deployment;
        let step = |code, address, part, arguments| Step { code, address, salt: salt(part), arguments };
        let timelock = Deployment::timelock_of(self.deployer);
        let owner = self.params.owner.is_none().then(|| step(&code::TIMELOCK, timelock, TIMELOCK, self.timelock()));
        let network = [
            step(&code::QOS, at.qos, "qos", self.wiring().abi_encode()),
            step(&code::STATS, at.stats, "stats", self.wiring().abi_encode()),
            step(&code::QUEUE, at.queue, "queue", self.queue()),
            step(&code::NODE, at.node, "node", self.node()),
            step(&code::TASK, at.task, "task", self.task()),
        ];
        owner.into_iter().chain(network).collect()
    }

    /// The five constructors take the same wiring first; two of them take nothing else.
    fn wiring(&self) -> Task::Wiring {
        Task::Wiring {
            node: self.deployment.node,
            task: self.deployment.task,
            queue: self.deployment.queue,
            qos: self.deployment.qos,
            stats: self.deployment.stats,
            owner: self.params.owner.unwrap_or_else(|| Deployment::timelock_of(self.deployer)),
            treasury: self.params.treasury.unwrap_or(self.deployer),
        }
    }

    /// The governor proposes, anybody executes, nobody but the timelock itself administers it.
    fn timelock(&self) -> Vec<u8> {
        let call = Timelock::constructorCall {
            minDelay: U256::from(GOVERNANCE_DELAY),
            proposers: vec![self.params.governor.unwrap_or(self.deployer)],
            executors: vec![Address::ZERO],
        };
        call.abi_encode()
    }

    fn queue(&self) -> Vec<u8> {
        (self.wiring(), self.params.limits.clone()).abi_encode_params()
    }

    fn node(&self) -> Vec<u8> {
        let params = self.params;
        (self.wiring(), params.min_stake, params.unbonding_seconds, params.rules.clone()).abi_encode_params()
    }

    fn task(&self) -> Vec<u8> {
        let call = Task::constructorCall {
            w: self.wiring(),
            maxFee_: self.params.max_fee,
            minValue_: self.params.min_value.raw(),
            terms_: self.params.terms.clone(),
            kinds_: self.params.kinds.clone(),
        };
        call.abi_encode()
    }
}

/// Compares what cannot change after deployment with what was asked for.
async fn check_parameters<C: Chain>(chain: &C, at: &Deployment, wanted: &DeployParams) -> Result<(), DeploymentError> {
    let min_stake = chain.view(at.node, &Node::minStakeCall {}).await?;
    let unbonding = chain.view(at.node, &Node::unbondingSecondsCall {}).await?;
    let max_fee = chain.view(at.task, &Task::maxFeeCall {}).await?;
    let min_value = chain.view(at.task, &Task::minValueCall {}).await?;
    same(at, "minStake", &min_stake, &wanted.min_stake)?;
    same(at, "unbondingSeconds", &unbonding, &wanted.unbonding_seconds)?;
    same(at, "maxFee", &max_fee, &wanted.max_fee)?;
    same(at, "minValue", &min_value, &wanted.min_value.raw())
}

fn same<T: PartialEq + Display>(
    at: &Deployment,
    name: &'static str,
    found: &T,
    wanted: &T,
) -> Result<(), DeploymentError> {
    if found == wanted {
        return Ok(());
    }
    Err(DeploymentError::OtherParameter { task: at.task, name, found: found.to_string(), wanted: wanted.to_string() })
}
