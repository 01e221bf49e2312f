//! A network on a simulated chain, and the transactions of its tasks' lives.

use std::collections::VecDeque;

use alloy::{
    primitives::{
        Address, B256, Bytes, U256,
        aliases::{U40, U96},
        keccak256,
    },
    sol_types::SolCall,
};
use eyre::{Context as _, OptionExt as _, Result, ensure};
use indicatif::ProgressBar;
use tokio::runtime::Runtime;
use xenon_protocol::{
    chain::{Call, Chain as _, ChainError, EventLog, Receipt, TypedChain as _},
    commitment::{Salt, commitment},
    contracts::{Node, Task, TaskQueue},
    deployment::{DeployParams, Deployment, deploy},
};
use xenon_sim::{Genesis, RevmChain};

use crate::{expense::Names, steps::Step, tracer::Tracer};

/// The kind of text tasks.
const GPT: u8 = 0;
const CREATOR: Address = Address::repeat_byte(0xc1);
const KEEPER: Address = Address::repeat_byte(0xc2);
const DEPLOYER: Address = Address::repeat_byte(0xc3);
/// One coin in wei.
const COIN: u128 = 1_000_000_000_000_000_000;
/// Longest answers, so that a task may wait for its turn to answer the whole time a full network needs to be filled.
const TOKENS: u32 = 4096;
/// Seconds a creator waits.
const PATIENCE: u32 = 7 * 24 * 3600;
/// Fees that occur. A prime, so that a stride goes through all of them.
const FEES: u64 = 499;
const FEE_STRIDE: u64 = 197;
/// Nodes that join in one block.
const JOINS: u32 = 100;
/// Tasks created in one block, and drawn or seated by one dispatch, while the network fills: what one round can hold.
const ROUND: u64 = 64;
/// Lives that go through a stage in one block while the network empties.
const GROUP: usize = 250;

/// Where `Node` keeps the slots of its nodes, and where in it the weight is: see `NodeSlot`.
const NODE_SLOTS: [&str; 2] = ["_pool", "slots"];
const WEIGHT_BIT: usize = 16;
/// The weight of a node that comes first, second and third equally often: 1 + 254 × (50 / 3) / 20.
pub(crate) const WEIGHT: u8 = 212;

/// A task that has its nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    task: u64,
    nodes: [u32; 3],
    /// Whether all three had served before.
    pub(crate) seasoned: bool,
}

/// A transaction of the block to come.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    pub(crate) step: Step,
    /// Whether it belongs to a life of nodes that have served before.
    pub(crate) seasoned: bool,
    from: Address,
    call: Call,
}

impl Move {
    /// What the transaction costs before its first instruction: EIP-2028's price of calldata.
    pub(crate) fn calldata_gas(&self) -> u64 {
        self.call.data.iter().map(|byte| if *byte == 0 { 4 } else { 16 }).sum()
    }
}

/// What a block did to the tasks.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) seated: Vec<Running>,
    pub(crate) drawn: u64,
}

pub(crate) struct Network {
    chain: RevmChain,
    pub(crate) contracts: Deployment,
    runtime: Runtime,
    nodes: u32,
    served: Vec<bool>,
    created: u64,
    /// Tasks in the order books.
    queued: u64,
    /// Tasks that have their nodes and no commitment, oldest first.
    pub(crate) waiting: VecDeque<Running>,
    /// The task whose nodes have committed.
    pub(crate) committed: Option<Running>,
    /// The task whose nodes have revealed.
    pub(crate) revealed: Option<Running>,
}

impl Network {
    /// A network of `nodes` nodes, all of one class and each of its own operator.
    pub(crate) fn with_nodes(nodes: u32, progress: &ProgressBar) -> Result<Self> {
        let purse = U256::from(1000 * COIN);
        let people = (1..=nodes).flat_map(|node| [operator(node), key(node)]).chain([KEEPER, DEPLOYER]);
        let mut genesis = Genesis::default().fund(CREATOR, purse * U256::from(u32::MAX));
        genesis.balances.extend(people.map(|who| (who, purse)));
        let chain = RevmChain::new(genesis);
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let contracts = runtime.block_on(deploy(&chain.account(DEPLOYER), &DeployParams::default()))?;
        let mut network = Self {
            chain,
            contracts,
            runtime,
            nodes,
            served: vec![false; nodes as usize],
            created: 0,
            queued: 0,
            waiting: VecDeque::new(),
            committed: None,
            revealed: None,
        };
        network.join(nodes, progress)?;
        Ok(network)
    }

    fn join(&mut self, nodes: u32, progress: &ProgressBar) -> Result<()> {
        let stake = DeployParams::default().min_stake;
        for first in (1..=nodes).step_by(JOINS as usize) {
            let last = nodes.min(first + JOINS - 1);
            let joins: Vec<_> = (first..=last).map(|node| self.joining(node, stake)).collect();
            for outcome in self.chain.mine_with(1, &joins) {
                outcome.wrap_err("joining")?;
            }
            progress.inc(joins.len() as u64);
        }
        Ok(())
    }

    fn joining(&self, node: u32, stake: U96) -> (Address, Call) {
        let class = keccak256("a class");
        let call = Node::joinCall { key: key(node), classHash: class, vramGb: 24, gpu: String::from("a GPU") };
        (operator(node), Call::new(self.contracts.node, &call).with_value(U256::from(stake)))
    }

    /// Lets nearly every node serve, over and over: each time all of them are seated, then all finish.
    pub(crate) fn serve(&mut self, times: u32, progress: &ProgressBar) -> Result<()> {
        for _ in 0..times {
            self.fill(self.nodes() / 3, progress)?;
            self.finish()?;
        }
        self.settle_down()
    }

    /// Gives every node the weight that long service with average ranks leads to.
    pub(crate) fn settle_weights(&mut self, names: &Names) -> Result<()> {
        let node = self.contracts.node;
        for id in 1..=self.nodes {
            let slot = names.element_slot(node, &NODE_SLOTS, U256::from(id)).ok_or_eyre("no slots of nodes")?;
            let word = self.chain.storage(node, slot);
            let before = self.node(id)?;
            let weight = U256::from(0xff) << WEIGHT_BIT;
            self.chain.overwrite(node, slot, (word & !weight) | (U256::from(WEIGHT) << WEIGHT_BIT));
            let wanted = Node::NodeView { weight: WEIGHT, ..before };
            ensure!(self.node(id)? == wanted, "the weight of node {id} is not where its slot is expected to have it");
        }
        Ok(())
    }

    fn node(&self, node: u32) -> Result<Node::NodeView> {
        Ok(self.runtime.block_on(self.chain.view(self.contracts.node, &Node::nodeOfCall { node }))?)
    }

    /// Creates up to `most` tasks and dispatches until no more find nodes.
    pub(crate) fn fill(&mut self, most: u64, progress: &ProgressBar) -> Result<()> {
        let mut created = 0;
        loop {
            let more = (most - created).min(ROUND.saturating_sub(self.queued));
            let mut moves: Vec<_> = (0..more).map(|_| self.create()).collect();
            moves.push(self.dispatch(Step::Dispatch, ROUND));
            let block = self.mine(&moves, None)?;
            created += more;
            progress.inc(block.seated.len() as u64);
            let stalled = block.seated.is_empty() && block.drawn == 0;
            self.waiting.extend(block.seated);
            if stalled && (created == most || self.queued != 0) {
                return Ok(());
            }
        }
    }

    /// Ends all lives.
    fn finish(&mut self) -> Result<()> {
        let mut last: Vec<_> = self.revealed.iter().map(|task| self.deliver(task)).collect();
        if let Some(task) = &self.committed {
            last.extend(self.reveals(task)?);
            last.push(self.deliver(task));
        }
        self.mine(&last, None)?;
        (self.committed, self.revealed) = (None, None);
        while !self.waiting.is_empty() {
            let group: Vec<_> = self.waiting.drain(..GROUP.min(self.waiting.len())).collect();
            let (mut commits, mut answers) = (Vec::new(), Vec::new());
            for life in &group {
                commits.extend(self.commits(life)?);
                answers.extend(self.reveals(life)?);
                answers.push(self.deliver(life));
            }
            self.mine(&commits, None)?;
            self.mine(&answers, None)?;
        }
        Ok(())
    }

    /// Empties the queue and ends all lives.
    pub(crate) fn settle_down(&mut self) -> Result<()> {
        loop {
            self.fill(0, &ProgressBar::hidden())?;
            self.finish()?;
            if self.queued == 0 {
                return Ok(());
            }
        }
    }

    /// Brings the queue to `depth` tasks by creating. It must not hold more.
    pub(crate) fn deepen(&mut self, depth: u64) -> Result<()> {
        while self.queued < depth {
            let moves: Vec<_> = (self.queued..depth.min(self.queued + ROUND)).map(|_| self.create()).collect();
            self.mine(&moves, None)?;
        }
        self.check_depth()
    }

    /// Fails when the contracts count another number of queued tasks: a bound of the queue would do that.
    pub(crate) fn check_depth(&self) -> Result<()> {
        let queued = self.runtime.block_on(self.chain.view(self.contracts.queue, &TaskQueue::queuedCall {}))?;
        let nodes = self.nodes();
        ensure!(
            queued == U256::from(self.queued),
            "{} tasks should be queued at {nodes} nodes, not {queued}",
            self.queued
        );
        Ok(())
    }

    /// Mines a block with these transactions, each of which must succeed.
    pub(crate) fn mine(&mut self, moves: &[Move], tracer: Option<&mut Tracer>) -> Result<Block> {
        let calls: Vec<_> = moves.iter().map(|it| (it.from, it.call.clone())).collect();
        let outcomes = match tracer {
            Some(tracer) => self.chain.mine_inspected(1, &calls, tracer),
            None => self.chain.mine_with(1, &calls),
        };
        let receipts: Result<Vec<_>, ChainError> = outcomes.into_iter().collect();
        let receipts =
            receipts.wrap_err_with(|| format!("among {:?}", moves.iter().map(|it| it.step).collect::<Vec<_>>()))?;
        let logs = || receipts.iter().flat_map(|receipt| &receipt.logs);
        let created = moves.iter().filter(|it| it.step == Step::Create).count() as u64;
        let drawn = logs().filter(|log| log.decode::<TaskQueue::TaskDrawn>().is_some()).count() as u64;
        let seated: Vec<Task::TaskSeated> = logs().filter_map(EventLog::decode).collect();
        let seated = seated.iter().map(|event| self.seat(event)).collect();
        self.queued = self.queued + created - drawn;
        Ok(Block { receipts, seated, drawn })
    }

    fn seat(&mut self, event: &Task::TaskSeated) -> Running {
        let before = event.nodes.map(|node| std::mem::replace(&mut self.served[node as usize - 1], true));
        Running { task: event.task.to(), nodes: event.nodes, seasoned: before == [true; 3] }
    }

    pub(crate) fn nodes(&self) -> u64 {
        self.nodes.into()
    }

    /// Nodes that have been seated at least once.
    pub(crate) fn seasoned_nodes(&self) -> usize {
        self.served.iter().filter(|served| **served).count()
    }

    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    /// The code of a contract.
    pub(crate) fn code(&self, contract: Address) -> Result<Bytes> {
        Ok(self.runtime.block_on(self.chain.code(contract))?)
    }

    /// A new task with the next fee.
    pub(crate) fn create(&mut self) -> Move {
        self.created += 1;
        let fee = COIN + 99 * COIN / u128::from(FEES) * u128::from(self.created * FEE_STRIDE % FEES);
        let task_hash = keccak256(format!("task {}", self.created));
        let call = Task::createCall {
            kind: GPT,
            taskHash: task_hash,
            size: TOKENS,
            minVram: 0,
            requiredClass: 0,
            maxWait: PATIENCE,
        };
        let call = Call::new(self.contracts.task, &call).with_value(U256::from(fee));
        Move { step: Step::Create, seasoned: true, from: CREATOR, call }
    }

    pub(crate) fn dispatch(&self, step: Step, most: u64) -> Move {
        let call = Call::new(self.contracts.queue, &TaskQueue::dispatchCall { maxTasks: U256::from(most) });
        Move { step, seasoned: true, from: KEEPER, call }
    }

    /// The seats commit in an order that changes from task to task.
    pub(crate) fn commits(&self, life: &Running) -> Result<Vec<Move>> {
        let result = answer(life.task);
        in_order(life, life.task, |rank, node, salt| {
            let commitment = commitment(life.task, key(node), result, &salt);
            let call = Task::commitCall { node, task: U40::from(life.task), commitment };
            self.by_node(Step::Commit(rank), life, node, &call)
        })
    }

    /// They reveal in another order.
    pub(crate) fn reveals(&self, life: &Running) -> Result<Vec<Move>> {
        let result = answer(life.task);
        in_order(life, life.task / 3, |rank, node, salt| {
            let call = Task::revealCall { node, task: U40::from(life.task), result, salt: salt.reveal() };
            self.by_node(Step::Reveal(rank), life, node, &call)
        })
    }

    /// All agree, so the first seat delivers.
    pub(crate) fn deliver(&self, life: &Running) -> Move {
        let content = keccak256(format!("content of task {}", life.task));
        let node = life.nodes[0];
        let call = Task::deliverCall { node, task: U40::from(life.task), content };
        self.by_node(Step::Deliver, life, node, &call)
    }

    fn by_node(&self, step: Step, life: &Running, node: u32, call: &impl SolCall) -> Move {
        Move { step, seasoned: life.seasoned, from: key(node), call: Call::new(self.contracts.task, call) }
    }
}

/// One transaction of each seat, beginning with seat `first`.
fn in_order(life: &Running, first: u64, make: impl Fn(u64, u32, Salt) -> Move) -> Result<Vec<Move>> {
    let by_rank = |rank| {
        let node = life.nodes[((first + rank) % 3) as usize];
        Ok(make(rank, node, salt(life.task, node)?))
    };
    (0..3).map(by_rank).collect()
}

/// The cold address that owns a node's stake and earnings.
fn operator(node: u32) -> Address {
    Address::from_word(keccak256(format!("operator {node}")))
}

/// The hot key of a node.
fn key(node: u32) -> Address {
    Address::from_word(keccak256(format!("key {node}")))
}

/// What all nodes of a task answer.
fn answer(task: u64) -> B256 {
    keccak256(format!("answer to task {task}"))
}

/// The salt a node uses for a task.
fn salt(task: u64, node: u32) -> Result<Salt> {
    Ok(Salt::new(keccak256(format!("salt of node {node} for task {task}")))?)
}
