//! Deploying a network, again, elsewhere and in pieces; and finding it.

#![allow(clippy::unwrap_used, missing_docs)]

use alloy::primitives::{Address, B256, Bytes, U256, aliases::U96, utils::parse_ether};
use xenon_protocol::{
    chain::{Account, Call, Chain, ChainError, EventLog, Head, LogFilter, Receipt, TypedChain},
    contracts::{Node, Task, TaskQueue, Timelock},
    deployment::{DeployParams, Deployment, deploy},
};
use xenon_sim::{Genesis, RevmAccount, RevmChain};

const DEPLOYER: Address = Address::repeat_byte(0xde);
const BENEFACTOR: Address = Address::repeat_byte(0xbe);

fn deployer_on(chain_id: u64, wei: U256) -> RevmAccount {
    let genesis = Genesis { chain_id, ..Genesis::default() };
    RevmChain::new(genesis.fund(DEPLOYER, wei).fund(BENEFACTOR, parse_ether("10").unwrap())).account(DEPLOYER)
}

fn rich_deployer() -> RevmAccount {
    deployer_on(31337, parse_ether("1000").unwrap())
}

#[tokio::test]
async fn chain_without_the_deployment_proxy_is_refused() {
    let error = deploy(&Barren, &DeployParams::default()).await.unwrap_err();
    assert_eq!(error.code(), "XP-321");
    assert!(error.to_string().starts_with("XP-321: chain 7 has no"), "{error}");
}

#[tokio::test]
async fn network_with_other_fixed_parameters_is_not_taken_for_the_one_asked_for() {
    let deployer = rich_deployer();
    deploy(&deployer, &DeployParams::default()).await.unwrap();
    let other = DeployParams { min_stake: U96::from(1), ..DeployParams::default() };
    let error = deploy(&deployer, &other).await.unwrap_err();
    assert_eq!(error.code(), "XP-323");
    assert!(error.to_string().contains("minStake 400000000000000000000, not 1"), "{error}");
}

#[tokio::test]
async fn nothing_and_other_contracts_are_not_taken_for_a_network() {
    let deployer = rich_deployer();
    let network = deploy(&deployer, &DeployParams::default()).await.unwrap();
    let nothing = Deployment::load(deployer.chain(), DEPLOYER).await.unwrap_err();
    assert_eq!(nothing, ChainError::NoContract { address: DEPLOYER, chain_id: 31337 }.into());
    let other = Deployment::load(deployer.chain(), network.node).await.unwrap_err();
    assert_eq!(other.code(), "XP-322");
}

#[tokio::test]
async fn network_is_found_by_the_address_of_its_task_contract() {
    let deployer = rich_deployer();
    let network = deploy(&deployer, &DeployParams::default()).await.unwrap();
    assert_eq!(Deployment::load(deployer.chain(), network.task).await.unwrap(), network);
}

#[tokio::test]
async fn addresses_are_the_same_on_every_chain() {
    let (here, there) = (rich_deployer(), deployer_on(4242, parse_ether("1000").unwrap()));
    let first = deploy(&here, &DeployParams::default()).await.unwrap();
    let rich = DeployParams { min_stake: U96::from(parse_ether("800").unwrap()), ..DeployParams::default() };
    let second = deploy(&there, &rich).await.unwrap();
    assert_eq!(first.addresses(), second.addresses());
}

#[tokio::test]
async fn deployment_that_was_cut_off_is_continued() {
    // A transaction must be able to pay for 30 million gas of 1 gwei, so this is enough for some of the six contracts.
    let poor = deployer_on(1, parse_ether("0.033").unwrap());
    let error = deploy(&poor, &DeployParams::default()).await.unwrap_err();
    assert_eq!(error.code(), "XP-308");
    let begun = Deployment::of(DEPLOYER, 1);
    assert!(!poor.chain().code(begun.qos).await.unwrap().is_empty());
    assert!(poor.chain().code(begun.task).await.unwrap().is_empty());

    let benefactor = poor.chain().account(BENEFACTOR);
    benefactor.send(Call::transfer(DEPLOYER, parse_ether("9").unwrap())).await.unwrap();
    assert_eq!(deploy(&poor, &DeployParams::default()).await.unwrap(), begun);
}

#[tokio::test]
async fn parameters_reach_the_contracts() {
    let deployer = rich_deployer();
    let params = DeployParams::default();
    let network = deploy(&deployer, &params).await.unwrap();
    let chain = deployer.chain();
    assert_eq!(chain.view(network.node, &Node::minStakeCall {}).await.unwrap(), params.min_stake);
    assert_eq!(chain.view(network.task, &Task::termsCall {}).await.unwrap(), params.terms);
    assert_eq!(chain.view(network.node, &Node::rulesCall {}).await.unwrap(), params.rules);
    assert_eq!(chain.view(network.queue, &TaskQueue::limitsCall {}).await.unwrap(), params.limits);
    for (number, kind) in (0..).zip(&params.kinds) {
        assert_eq!(chain.view(network.task, &Task::kindOfCall { kind: number }).await.unwrap(), *kind);
    }
}

#[tokio::test]
async fn owner_is_a_timelock_in_which_the_governor_proposes_and_anybody_executes() {
    let deployer = rich_deployer();
    let params = DeployParams { governor: Some(BENEFACTOR), ..DeployParams::default() };
    let network = deploy(&deployer, &params).await.unwrap();
    let (chain, timelock) = (deployer.chain(), Deployment::timelock_of(DEPLOYER));
    let change = Call::new(network.task, &Task::setTermsCall { terms_: params.terms });
    let refused = chain.call(DEPLOYER, &change).await.unwrap_err().revert().unwrap().decode::<Task::NotAllowed>();
    assert_eq!(refused.unwrap().required, timelock);
    let (predecessor, salt, value) = (B256::ZERO, B256::ZERO, U256::ZERO);
    let delay = U256::from(2 * 24 * 3600);
    assert_eq!(chain.view(timelock, &Timelock::getMinDelayCall {}).await.unwrap(), delay);
    let proposal =
        Timelock::scheduleCall { target: change.to, value, data: change.data.clone(), predecessor, salt, delay };
    let execution = Timelock::executeCall { target: change.to, value, payload: change.data, predecessor, salt };
    let (proposal, execution) = (Call::new(timelock, &proposal), Call::new(timelock, &execution));
    let by_another = deployer.send(proposal.clone()).await.unwrap_err();
    assert!(by_another.revert().unwrap().is::<Timelock::AccessControlUnauthorizedAccount>(), "{by_another}");
    chain.account(BENEFACTOR).send(proposal).await.unwrap();
    let early = deployer.send(execution.clone()).await.unwrap_err();
    assert!(early.revert().unwrap().is::<Timelock::TimelockUnexpectedOperationState>(), "{early}");
    chain.mine(delay.to());
    assert!(deployer.send(execution).await.unwrap().event::<Task::TermsChanged>().is_some());
}

#[tokio::test]
async fn nobody_but_the_timelock_itself_administers_it() {
    let deployer = rich_deployer();
    deploy(&deployer, &DeployParams::default()).await.unwrap();
    let (chain, timelock) = (deployer.chain(), Deployment::timelock_of(DEPLOYER));
    let role = chain.view(timelock, &Timelock::DEFAULT_ADMIN_ROLECall {}).await.unwrap();
    for account in [DEPLOYER, BENEFACTOR, Address::ZERO, timelock] {
        let has = chain.view(timelock, &Timelock::hasRoleCall { role, account }).await.unwrap();
        assert_eq!(has, account == timelock, "{account}");
    }
}

#[tokio::test]
async fn owner_that_was_named_takes_the_place_of_the_timelock() {
    let deployer = rich_deployer();
    let params = DeployParams { owner: Some(BENEFACTOR), ..DeployParams::default() };
    let network = deploy(&deployer, &params).await.unwrap();
    let chain = deployer.chain();
    assert!(chain.code(Deployment::timelock_of(DEPLOYER)).await.unwrap().is_empty());
    chain.call(BENEFACTOR, &Call::new(network.task, &Task::setTermsCall { terms_: params.terms })).await.unwrap();
}

/// A chain on which nothing is.
#[derive(Clone)]
struct Barren;

impl Chain for Barren {
    fn chain_id(&self) -> u64 {
        7
    }

    async fn head(&self) -> Result<Head, ChainError> {
        unreachable!("deploying does not look at blocks")
    }

    async fn block(&self, _: u64) -> Result<Option<Head>, ChainError> {
        Ok(None)
    }

    async fn logs(&self, _: &LogFilter) -> Result<Vec<EventLog>, ChainError> {
        Ok(Vec::new())
    }

    async fn call(&self, _: Address, _: &Call) -> Result<Bytes, ChainError> {
        Ok(Bytes::new())
    }

    async fn code(&self, _: Address) -> Result<Bytes, ChainError> {
        Ok(Bytes::new())
    }

    async fn balance(&self, _: Address) -> Result<U256, ChainError> {
        Ok(U256::ZERO)
    }
}

impl Account for Barren {
    type Chain = Self;

    fn address(&self) -> Address {
        DEPLOYER
    }

    fn chain(&self) -> &Self {
        self
    }

    async fn send(&self, call: Call) -> Result<Receipt, ChainError> {
        unreachable!("nothing may be sent: {call:?}")
    }
}
