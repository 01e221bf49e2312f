//! A deployed network on a simulated chain, and the moves of its parties.

use std::collections::BTreeSet;

use alloy::{
    primitives::{Address, B256, U256, aliases::U40, keccak256, utils::parse_ether},
    sol_types::SolCall,
};
use xenon_protocol::{
    chain::{Account, Call, Chain, ChainError, Receipt, TypedChain},
    commitment::{Salt, commitment},
    contracts::{NetworkStats, Node, QoS, State, Status, Task, TaskQueue},
    deployment::{DeployParams, Deployment, deploy},
};
use xenon_sim::{Genesis, RevmChain};

/// The kind of text tasks.
pub(crate) const GPT: u8 = 0;
pub(crate) const CREATOR: Address = Address::repeat_byte(0xc1);
pub(crate) const KEEPER: Address = Address::repeat_byte(0xc2);
const DEPLOYER: Address = Address::repeat_byte(0xc3);
/// One coin in wei.
pub(crate) const COIN: u128 = 1_000_000_000_000_000_000;

pub(crate) struct Network {
    pub(crate) chain: RevmChain,
    pub(crate) contracts: Deployment,
}

impl Network {
    /// A network with nodes 1 to `nodes`, all of one class and each of its own operator.
    pub(crate) async fn with_nodes(nodes: u32) -> Self {
        let people = (1..=nodes).flat_map(|node| [operator(node), key(node)]).chain([CREATOR, KEEPER, DEPLOYER]);
        let genesis = people.fold(Genesis::default(), |genesis, who| genesis.fund(who, parse_ether("1000").unwrap()));
        let chain = RevmChain::new(genesis);
        let contracts = deploy(&chain.account(DEPLOYER), &DeployParams::default()).await.unwrap();
        let network = Self { chain, contracts };
        for node in 1..=nodes {
            network.join(node).await;
        }
        network
    }

    async fn join(&self, node: u32) {
        let class = keccak256("a class");
        let call = Node::joinCall { key: key(node), classHash: class, vramGb: 24, gpu: String::from("a GPU") };
        let call = Call::new(self.contracts.node, &call).with_value(U256::from(400 * COIN));
        let receipt = self.chain.account(operator(node)).send(call).await.unwrap();
        assert_eq!(receipt.event::<Node::NodeJoined>().unwrap().node, node);
    }

    /// Creates a task of 100 tokens that three nodes of any class may run.
    pub(crate) async fn create(&self, fee: u128) -> u64 {
        let hash = keccak256("a task");
        let call =
            Task::createCall { kind: GPT, taskHash: hash, size: 100, minVram: 0, requiredClass: 0, maxWait: 3600 };
        self.escrow(&call, fee).await
    }

    /// The same, delivered with the signature of `relay`.
    pub(crate) async fn create_relayed(&self, fee: u128, relay: Address) -> u64 {
        let call = Task::createRelayedCall {
            kind: GPT,
            taskHash: keccak256("a task"),
            size: 100,
            minVram: 0,
            requiredClass: 0,
            maxWait: 3600,
            relay,
        };
        self.escrow(&call, fee).await
    }

    async fn escrow(&self, call: &impl SolCall, fee: u128) -> u64 {
        let call = Call::new(self.contracts.task, call).with_value(U256::from(fee));
        let receipt = self.chain.account(CREATOR).send(call).await.unwrap();
        receipt.event::<Task::TaskCreated>().unwrap().task.to()
    }

    pub(crate) async fn dispatch(&self, most: u64) -> Receipt {
        let call = TaskQueue::dispatchCall { maxTasks: U256::from(most) };
        self.chain.account(KEEPER).send(Call::new(self.contracts.queue, &call)).await.unwrap()
    }

    /// Creates a task and gives it its nodes.
    pub(crate) async fn seated(&self, fee: u128) -> u64 {
        let task = self.create(fee).await;
        self.seat().await;
        assert_eq!(self.state(task).await, State::Committing);
        task
    }

    /// Draws one task and seats it.
    pub(crate) async fn seat(&self) -> Receipt {
        self.dispatch(1).await;
        self.dispatch(1).await
    }

    pub(crate) async fn commit(&self, task: u64, seat: usize, result: B256) -> Result<Receipt, ChainError> {
        let node = self.node_at(task, seat).await;
        self.commit_raw(task, node, commitment(task, key(node), result, &salt(task, node))).await
    }

    pub(crate) async fn commit_raw(&self, task: u64, node: u32, commitment: B256) -> Result<Receipt, ChainError> {
        self.as_node(node, &Task::commitCall { node, task: U40::from(task), commitment }).await
    }

    pub(crate) async fn reveal(&self, task: u64, seat: usize, result: B256) -> Result<Receipt, ChainError> {
        let node = self.node_at(task, seat).await;
        let salt = salt(task, node).reveal();
        self.as_node(node, &Task::revealCall { node, task: U40::from(task), result, salt }).await
    }

    /// Commits in the order of the list, then reveals in the same order: pairs of seat and result.
    pub(crate) async fn vote(&self, task: u64, votes: &[(usize, B256)]) -> Receipt {
        for (seat, result) in votes {
            self.commit(task, *seat, *result).await.unwrap();
        }
        self.reveal_all(task, votes).await
    }

    pub(crate) async fn reveal_all(&self, task: u64, votes: &[(usize, B256)]) -> Receipt {
        let mut last = None;
        for (seat, result) in votes {
            last = Some(self.reveal(task, *seat, *result).await.unwrap());
        }
        last.unwrap()
    }

    pub(crate) async fn deliver(&self, task: u64, content: B256) -> Result<Receipt, ChainError> {
        let node = self.node_at(task, self.task(task).await.deliverer.into()).await;
        self.as_node(node, &Task::deliverCall { node, task: U40::from(task), content }).await
    }

    /// Lets the deadline of the current stage pass, then moves the task on.
    pub(crate) async fn advance_when_due(&self, task: u64) -> Receipt {
        let due: u64 = self.task(task).await.deadline.to();
        self.chain.mine(due + 1 - self.chain.head().await.unwrap().timestamp);
        let call = Call::new(self.contracts.task, &Task::advanceCall { task: U40::from(task) });
        self.chain.account(KEEPER).send(call).await.unwrap()
    }

    pub(crate) async fn send_as(&self, who: Address, call: &impl SolCall) -> Result<Receipt, ChainError> {
        self.chain.account(who).send(Call::new(self.contracts.task, call)).await
    }

    async fn as_node(&self, node: u32, call: &impl SolCall) -> Result<Receipt, ChainError> {
        self.send_as(key(node), call).await
    }

    pub(crate) async fn task(&self, task: u64) -> Task::TaskView {
        self.chain.view(self.contracts.task, &Task::taskOfCall { task: U40::from(task) }).await.unwrap()
    }

    pub(crate) async fn state(&self, task: u64) -> State {
        State::try_from(self.task(task).await.state).unwrap()
    }

    pub(crate) async fn node_at(&self, task: u64, seat: usize) -> u32 {
        self.task(task).await.nodes[seat]
    }

    pub(crate) async fn status(&self, node: u32) -> Status {
        let view = self.chain.view(self.contracts.node, &Node::nodeOfCall { node }).await.unwrap();
        Status::try_from(view.status).unwrap()
    }

    pub(crate) async fn record(&self, node: u32) -> QoS::Record {
        self.chain.view(self.contracts.qos, &QoS::recordOfCall { node }).await.unwrap()
    }

    pub(crate) async fn tally(&self) -> NetworkStats::Tally {
        self.chain.view(self.contracts.stats, &NetworkStats::tallyOfCall { kind: GPT }).await.unwrap()
    }

    /// What an account may withdraw, in wei.
    pub(crate) async fn credit(&self, account: Address) -> u128 {
        self.chain.view(self.contracts.task, &Task::creditOfCall { account }).await.unwrap().to()
    }

    /// What a node has earned and not collected, in wei.
    pub(crate) async fn earned(&self, node: u32) -> u128 {
        self.chain.view(self.contracts.task, &Task::earnedByCall { node }).await.unwrap().to()
    }

    /// What the node of a seat has earned and not collected, in wei.
    pub(crate) async fn earned_at(&self, task: u64, seat: usize) -> u128 {
        self.earned(self.node_at(task, seat).await).await
    }

    /// Invariant 1 at rest: what nodes earned is collected, everybody withdraws, each receives its credit to the wei, and
    /// nothing is left over or short.
    pub(crate) async fn assert_all_money_can_be_withdrawn(&self, paid_in: u128) {
        let nodes = 1..=self.chain.view(self.contracts.node, &Node::lastNodeCall {}).await.unwrap();
        for node in nodes.clone() {
            self.collect(node).await;
        }
        let everybody: BTreeSet<_> = nodes.map(operator).chain([CREATOR, KEEPER]).collect();
        let mut paid_out = 0;
        for account in everybody {
            paid_out += self.withdraw(account).await;
        }
        assert_eq!(paid_out, paid_in);
        assert_eq!(self.chain.balance(self.contracts.task).await.unwrap(), U256::ZERO);
    }

    /// Moves what a node has earned to its operator's credit. Anybody may.
    async fn collect(&self, node: u32) {
        let (earned, before) = (self.earned(node).await, self.credit(operator(node)).await);
        let collected = self.send_as(KEEPER, &Task::collectCall { node }).await;
        assert_eq!(collected.is_ok(), earned != 0, "node {node}");
        assert_eq!(self.credit(operator(node)).await, before + earned);
    }

    async fn withdraw(&self, account: Address) -> u128 {
        let credit = self.credit(account).await;
        if credit == 0 {
            return 0;
        }
        let to = Address::from_word(keccak256(account));
        self.send_as(account, &Task::withdrawCall { to }).await.unwrap();
        assert_eq!(self.chain.balance(to).await.unwrap(), U256::from(credit));
        credit
    }
}

/// The cold address that owns a node's stake and earnings.
pub(crate) fn operator(node: u32) -> Address {
    Address::left_padding_from(&[&[0x0a][..], &node.to_be_bytes()].concat())
}

/// The hot key of a node.
pub(crate) fn key(node: u32) -> Address {
    Address::left_padding_from(&[&[0x0b][..], &node.to_be_bytes()].concat())
}

/// The salt a node uses for a task.
pub(crate) fn salt(task: u64, node: u32) -> Salt {
    Salt::new(keccak256(format!("salt of node {node} for task {task}"))).unwrap()
}
