//! The network that is tortured: the real contracts on a simulated chain.

use std::sync::OnceLock;

use alloy::{
    primitives::{Address, U256, aliases::U40, keccak256, utils::Unit},
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use tokio::runtime::{Builder, Runtime};
use xenon_keeper::TaskId;
use xenon_protocol::{
    chain::TypedChain as _,
    deployment::{DeployParams, Deployment, deploy},
};
use xenon_sim::{Genesis, RevmChain};

use crate::calls::Calls;

/// Whoever creates tasks.
pub(crate) const CREATOR: Address = Address::repeat_byte(0xc1);
/// Whoever deployed the network, and receives slashed stakes.
pub(crate) const DEPLOYER: Address = Address::repeat_byte(0xc3);
/// Nodes, each of an operator of its own.
pub(crate) const NODES: u32 = 9;
/// Keys that keepers have.
pub(crate) const KEEPERS: u8 = 3;
/// What a keeper starts with, in wei.
pub(crate) const KEEPER_FUNDS: U256 = U256::from_limbs([10_000_000_000_000_000_000, 0, 0, 0]);
/// The deepest reorganisation.
pub(crate) const DEEPEST: usize = 12;
/// A coin in wei.
pub(crate) const COIN: u128 = 1_000_000_000_000_000_000;

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
}

/// Waits, on this thread alone.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// A network with its nodes and nothing to do.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) chain: RevmChain,
    pub(crate) contracts: Deployment,
    pub(crate) calls: Calls,
}

impl Network {
    /// One of its own for a run; the deployment is done once for all of them.
    pub(crate) fn new() -> Self {
        static DEPLOYED: OnceLock<Network> = OnceLock::new();
        let deployed = DEPLOYED.get_or_init(Self::deployed);
        let chain = deployed.chain.fork();
        chain.keep_history(DEEPEST + 4);
        Self { chain, ..deployed.clone() }
    }

    fn deployed() -> Self {
        let people = (1..=NODES).flat_map(|node| [operator(node), node_key(node)]).chain([CREATOR, DEPLOYER]);
        let coins = U256::from(1_000_000) * Unit::ETHER.wei();
        let genesis = people.fold(Genesis::default(), |genesis, who| genesis.fund(who, coins));
        let keys = (1..=KEEPERS).map(|number| keeper_key(number).address());
        let chain = RevmChain::new(keys.fold(genesis, |genesis, who| genesis.fund(who, KEEPER_FUNDS)));
        let contracts = block_on(deploy(&chain.account(DEPLOYER), &DeployParams::default())).unwrap();
        let network = Self { chain, contracts, calls: Calls::new(contracts) };
        let joins: Vec<_> = (1..=NODES).map(|node| (operator(node), network.calls.join(node_key(node)))).collect();
        network.chain.mine_with(1, &joins).into_iter().for_each(|joined| drop(joined.unwrap()));
        network
    }

    /// What a contract says at the newest block.
    pub(crate) fn read<C>(&self, to: Address, call: &C) -> C::Return
    where
        C: SolCall + Sync,
        C::Return: Send,
    {
        block_on(self.chain.view(to, call)).unwrap()
    }
}

pub(crate) fn id(task: TaskId) -> U40 {
    U40::from(task.0)
}

pub(crate) fn operator(node: u32) -> Address {
    Address::left_padding_from(&node.to_be_bytes()).create(0)
}

pub(crate) fn node_key(node: u32) -> Address {
    Address::left_padding_from(&node.to_be_bytes()).create(1)
}

/// The key of a keeper, numbered from 1.
pub(crate) fn keeper_key(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256([0x4b, number])).unwrap()
}
