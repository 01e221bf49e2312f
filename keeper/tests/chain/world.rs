//! A deployed network on a simulated chain.

use alloy::{
    primitives::{Address, B256, U256, aliases::U40, keccak256, utils::parse_ether},
    sol_types::SolCall,
};
use tokio::runtime::{Builder, Runtime};
use xenon_keeper::{Collector, KeeperConfig, NodeId, TaskId};
use xenon_protocol::{
    chain::{Call, Chain, ChainError, Receipt, TypedChain},
    commitment::{Salt, commitment},
    contracts::{Node, Task, TaskQueue},
    deployment::{DeployParams, Deployment, deploy},
};
use xenon_sim::{Genesis, RevmChain};

pub(crate) const CREATOR: Address = Address::repeat_byte(0xc1);
pub(crate) const KEEPER: Address = Address::repeat_byte(0xc2);
const DEPLOYER: Address = Address::repeat_byte(0xc3);
/// Sets parameters and decides appeals, where no timelock does.
pub(crate) const OWNER: Address = Address::repeat_byte(0xc4);
/// Everybody who stakes, so that several nodes can be of one operator.
pub(crate) const OPERATORS: u8 = 9;
/// Keys that have money for gas.
const KEYS: u32 = 256;

/// What nobody else gives in this world: the stake of a node.
const STAKE: u128 = 400_000_000_000_000_000_000;
/// Seconds.
const DAY: u32 = 24 * 3600;

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
}

/// Waits for what the simulated chain does at once.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

pub(crate) struct World {
    pub(crate) chain: RevmChain,
    pub(crate) contracts: Deployment,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::deployed(&DeployParams::default())
    }

    fn deployed(params: &DeployParams) -> Self {
        let people = (0..OPERATORS).map(operator).chain((1..=KEYS).map(key)).chain([CREATOR, KEEPER, DEPLOYER, OWNER]);
        let coins = parse_ether("1000000").unwrap();
        let genesis = people.fold(Genesis::default(), |genesis, who| genesis.fund(who, coins));
        let chain = RevmChain::new(genesis);
        let contracts = block_on(deploy(&chain.account(DEPLOYER), params)).unwrap();
        Self { chain, contracts }
    }

    /// With nodes of one class, each of its own operator as far as there are operators.
    pub(crate) fn with_nodes(nodes: u8) -> Self {
        let world = Self::new();
        for node in 1..=nodes {
            world.send(operator(node % OPERATORS), world.join(node.into(), 0, 24)).unwrap();
        }
        world
    }

    /// With nodes of several classes on several tiers, some of one operator, in an impatient network whose queue is
    /// short: a seat is given away twice, a class reserved after a minute, a case decided within days.
    pub(crate) fn with_classes(classes: &[(u8, u16, usize)]) -> Self {
        let usual = DeployParams::default();
        let world = Self::deployed(&DeployParams {
            owner: Some(OWNER),
            terms: Task::Terms { refills: 2, ..usual.terms.clone() },
            rules: Node::Rules { appealSeconds: DAY, arbitrationSeconds: 3 * DAY, ..usual.rules.clone() },
            limits: TaskQueue::Limits { tasksPerNode: 1, reserveAfter: 60, reserveHold: 600 },
            ..usual
        });
        let nodes = classes.iter().flat_map(|(class, gb, count)| std::iter::repeat_n((*class, *gb), *count));
        let joins = (1..).zip(nodes).map(|(node, (class, gb))| {
            (operator(u8::try_from(node % u32::from(OPERATORS)).unwrap()), world.join(node, class, gb))
        });
        for joined in world.chain.mine_with(1, &joins.collect::<Vec<_>>()) {
            joined.unwrap();
        }
        world
    }

    pub(crate) fn collector(&self) -> Collector<RevmChain> {
        Collector::new(self.chain.clone(), self.contracts, config())
    }

    /// Mines a block with one transaction.
    pub(crate) fn send(&self, from: Address, call: Call) -> Result<Receipt, ChainError> {
        self.chain.mine_with(1, &[(from, call)]).remove(0)
    }

    /// What a contract says.
    pub(crate) fn read<C>(&self, to: Address, call: &C) -> C::Return
    where
        C: SolCall + Sync,
        C::Return: Send,
    {
        block_on(self.chain.view(to, call)).unwrap()
    }

    pub(crate) fn now(&self) -> u64 {
        block_on(self.chain.head()).unwrap().timestamp
    }

    pub(crate) fn join(&self, node: u32, class: u8, gb: u16) -> Call {
        let class = keccak256([class]);
        let call = Node::joinCall { key: key(node), classHash: class, vramGb: gb, gpu: String::from("a GPU") };
        Call::new(self.contracts.node, &call).with_value(U256::from(STAKE))
    }

    pub(crate) fn create(&self, kind: u8, size: u32, gb: u16, class: u32, fee: u128, wait: u32) -> Call {
        let hash = keccak256("a task");
        let call = Task::createCall { kind, taskHash: hash, size, minVram: gb, requiredClass: class, maxWait: wait };
        Call::new(self.contracts.task, &call).with_value(U256::from(fee))
    }

    pub(crate) fn commit(&self, task: TaskId, node: NodeId, key: Address, result: B256) -> Call {
        let commitment = commitment(task.0, key, result, &salt(task, node));
        Call::new(self.contracts.task, &Task::commitCall { node: node.0, task: id(task), commitment })
    }

    pub(crate) fn reveal(&self, task: TaskId, node: NodeId, result: B256) -> Call {
        let salt = salt(task, node).reveal();
        Call::new(self.contracts.task, &Task::revealCall { node: node.0, task: id(task), result, salt })
    }

    pub(crate) fn deliver(&self, task: TaskId, node: NodeId) -> Call {
        let content = keccak256("a reply");
        Call::new(self.contracts.task, &Task::deliverCall { node: node.0, task: id(task), content })
    }
}

/// A patient collector of a chain that lives in its own time.
pub(crate) fn config() -> KeeperConfig {
    KeeperConfig { poll_ms: 1, max_pause_ms: 4, max_head_age_s: 0, ..KeeperConfig::default() }
}

pub(crate) fn id(task: TaskId) -> U40 {
    U40::from(task.0)
}

pub(crate) fn operator(number: u8) -> Address {
    Address::with_last_byte(number).create(0)
}

pub(crate) fn key(node: u32) -> Address {
    Address::left_padding_from(&node.to_be_bytes()).create(1)
}

fn salt(task: TaskId, node: NodeId) -> Salt {
    Salt::new(keccak256(format!("salt of node {node} for task {task}"))).unwrap()
}
