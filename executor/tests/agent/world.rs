//! A small network: the contracts, a relay, and nodes that have joined.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::{
    primitives::{Address, B256, U256, aliases::U40, keccak256, utils::parse_ether},
    sol_types::{SolCall, SolEvent},
};
use tempfile::TempDir;
use tokio::time::timeout;
use url::Url;
use xenon_executor::agent::{
    AgentConfig, AgentError, Applicant, NodeAgent, TaskRunner, join_network,
    journal::{Identity, Journal},
};
use xenon_gateway::relay::{Relay, RelayConfig, StoreConfig};
use xenon_protocol::{
    chain::{Account, Call, Chain, EventLog, LogFilter, Receipt, TypedChain},
    commitment::commitment,
    contracts::{Ending, Node, State, Status, Task, TaskQueue},
    deployment::{DeployParams, Deployment, deploy},
    relay::RelayClient,
    task::TaskSpec,
};
use xenon_sim::{Genesis, RevmChain};

use crate::{
    echo::Echo,
    link::{Link, LinkAccount},
};

pub(crate) type Agent = NodeAgent<LinkAccount>;

/// Longer than anything here takes; what is still missing then is not coming.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Pause of an agent with nothing to do, long enough to let the runner's thread work.
pub(crate) const PAUSE: Duration = Duration::from_millis(1);

pub(crate) struct World {
    pub(crate) chain: RevmChain,
    pub(crate) at: Deployment,
    pub(crate) relay: RelayClient,
    pub(crate) nodes: Vec<u32>,
    dir: TempDir,
}

/// A party to the network, by name.
pub(crate) fn party(name: &str) -> Address {
    Address::from_word(keccak256(name))
}

pub(crate) fn key(index: usize) -> Address {
    party(&format!("key {index}"))
}

pub(crate) fn operator(index: usize) -> Address {
    party(&format!("operator {index}"))
}

/// Enough for any stake and all gas.
fn wealth() -> U256 {
    parse_ether("100000").unwrap()
}

/// A relay in memory, served until the test ends.
pub(crate) async fn start_relay() -> Url {
    let config = RelayConfig::new(([127, 0, 0, 1], 0).into(), StoreConfig::Memory {});
    let relay = Relay::bind(&config).await.unwrap();
    let url = relay.url();
    tokio::spawn(relay.serve(std::future::pending()));
    url
}

impl World {
    /// A network with this many nodes of one class.
    pub(crate) async fn with_nodes(count: usize) -> Self {
        Self::with_relay(count, start_relay().await).await
    }

    /// The same, with a relay that may or may not be there.
    pub(crate) async fn with_relay(count: usize, relay: Url) -> Self {
        let mut genesis = Genesis::default();
        let parties = ["deployer", "creator", "keeper"].map(party);
        let keys = (0..=count).flat_map(|index| [key(index), operator(index)]);
        for account in parties.into_iter().chain(keys) {
            genesis = genesis.fund(account, wealth());
        }
        let chain = RevmChain::new(genesis);
        let at = deploy(&chain.account(party("deployer")), &DeployParams::default()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut world = Self { chain, at, relay: RelayClient::new(relay).unwrap(), nodes: Vec::new(), dir };
        for index in 0..count {
            world.nodes.push(world.join(index).await);
        }
        world
    }

    /// The same world on another fork of the chain, with journals of its own.
    pub(crate) fn fork(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { chain: self.chain.fork(), relay: self.relay.clone(), nodes: self.nodes.clone(), dir, ..*self }
    }

    async fn join(&self, index: usize) -> u32 {
        join_network(&self.chain.account(operator(index)), &self.at, &applicant(key(index))).await.unwrap()
    }

    pub(crate) fn data_dir(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("node {index}"))
    }

    pub(crate) fn config(&self, data_dir: &Path) -> AgentConfig {
        let usual = AgentConfig::new(self.relay.url().clone(), data_dir);
        AgentConfig { poll_ms: 1, longest_pause_ms: 2, relay_limit_ms: 1_000, drain_limit_ms: 10_000, ..usual }
    }

    /// The agent of node `index`, with its journal.
    pub(crate) async fn agent(&self, index: usize, runner: impl TaskRunner) -> Agent {
        self.agent_over(&Link::to(&self.chain), index, runner).await.unwrap()
    }

    /// The same, reaching the chain through `link`.
    pub(crate) async fn agent_over(
        &self,
        link: &Link,
        index: usize,
        runner: impl TaskRunner,
    ) -> Result<Agent, AgentError> {
        let config = self.config(&self.data_dir(index));
        NodeAgent::new(config, link.account(key(index)), self.at, runner).await
    }

    /// The same, reaching the relay at `relay`.
    pub(crate) async fn agent_by_post(&self, link: &Link, relay: Url, index: usize, runner: impl TaskRunner) -> Agent {
        let config = AgentConfig { relay, ..self.config(&self.data_dir(index)) };
        NodeAgent::new(config, link.account(key(index)), self.at, runner).await.unwrap()
    }

    /// The commitment to which the journal of node `index` binds it, if it holds an answer to the task. Nobody may be
    /// using the journal.
    pub(crate) async fn bound_to(&self, index: usize, task: u64) -> Option<B256> {
        let genesis = self.chain.block(0).await.unwrap().unwrap().hash;
        let identity = Identity::new(self.chain.chain_id(), genesis, self.at.task, key(index), self.nodes[index]);
        let entry = Journal::open(&self.data_dir(index), &identity).unwrap().entry(task).unwrap()?;
        Some(commitment(task, key(index), entry.result, &entry.salt))
    }

    /// What a node has earned and not collected, in wei.
    pub(crate) async fn earned(&self, index: usize) -> U256 {
        let earned = self.chain.view(self.at.task, &Task::earnedByCall { node: self.nodes[index] }).await.unwrap();
        U256::from(earned)
    }

    /// Puts the task at the relay, pays for it, and has it seated.
    pub(crate) async fn submit(&self, spec: &TaskSpec) -> u64 {
        let bytes = spec.to_bytes().unwrap();
        let hash = self.relay.put(bytes).await.unwrap();
        self.seated(0, hash, spec.declared_size()).await
    }

    /// The same, delivered with the signature of `relay`.
    pub(crate) async fn submit_relayed(&self, spec: &TaskSpec, relay: Address) -> u64 {
        let task_hash = self.relay.put(spec.to_bytes().unwrap()).await.unwrap();
        let call = Task::createRelayedCall {
            kind: 0,
            taskHash: task_hash,
            size: spec.declared_size(),
            minVram: 0,
            requiredClass: 0,
            maxWait: 3_600,
            relay,
        };
        let task = self.escrow(&call).await;
        self.dispatch().await;
        self.dispatch().await;
        task
    }

    /// Pays for a task, wherever its JSON is, and has it seated.
    pub(crate) async fn seated(&self, kind: u8, task_hash: B256, size: u32) -> u64 {
        let task = self.create(kind, task_hash, size).await;
        self.dispatch().await;
        self.dispatch().await;
        assert_eq!(self.state(task).await, State::Committing);
        task
    }

    pub(crate) async fn create(&self, kind: u8, task_hash: B256, size: u32) -> u64 {
        let call = Task::createCall { kind, taskHash: task_hash, size, minVram: 0, requiredClass: 0, maxWait: 3_600 };
        self.escrow(&call).await
    }

    async fn escrow(&self, call: &impl SolCall) -> u64 {
        let call = Call::new(self.at.task, call).with_value(parse_ether("1").unwrap());
        let receipt = self.chain.account(party("creator")).send(call).await.unwrap();
        receipt.event::<Task::TaskCreated>().unwrap().task.to()
    }

    pub(crate) async fn dispatch(&self) {
        self.crank(self.at.queue, &TaskQueue::dispatchCall { maxTasks: U256::from(10) }).await;
    }

    /// Lets the stage of the task run out, and moves the task on.
    pub(crate) async fn run_out(&self, task: u64) {
        let deadline: u64 = self.view(task).await.deadline.to();
        self.chain.mine((deadline + 1).saturating_sub(self.chain.head().await.unwrap().timestamp));
        self.crank(self.at.task, &Task::advanceCall { task: U40::from(task) }).await;
    }

    async fn crank(&self, to: Address, call: &impl SolCall) -> Receipt {
        self.chain.account(party("keeper")).send(Call::new(to, call)).await.unwrap()
    }

    pub(crate) async fn view(&self, task: u64) -> Task::TaskView {
        self.chain.view(self.at.task, &Task::taskOfCall { task: U40::from(task) }).await.unwrap()
    }

    pub(crate) async fn state(&self, task: u64) -> State {
        State::try_from(self.view(task).await.state).unwrap()
    }

    pub(crate) async fn status(&self, index: usize) -> Status {
        let view = self.chain.view(self.at.node, &Node::nodeOfCall { node: self.nodes[index] }).await.unwrap();
        Status::try_from(view.status).unwrap()
    }

    /// All events of one kind so far.
    pub(crate) async fn events<E: SolEvent>(&self) -> Vec<E> {
        let last = self.chain.head().await.unwrap().number;
        let logs = self.chain.logs(&LogFilter::of(self.at.addresses(), 0, last).event::<E>()).await.unwrap();
        logs.iter().filter_map(EventLog::decode).collect()
    }

    /// The commitments of a node, in order.
    pub(crate) async fn commitments(&self, index: usize) -> Vec<B256> {
        let events = self.events::<Task::Committed>().await.into_iter();
        events.filter(|event| event.node == self.nodes[index]).map(|event| event.commitment).collect()
    }

    /// How the only task that was settled ended, and its result.
    pub(crate) async fn settlement(&self) -> (Ending, Task::TaskSettled) {
        let mut events = self.events::<Task::TaskSettled>().await;
        assert_eq!(events.len(), 1);
        let event = events.remove(0);
        (Ending::try_from(event.ending).unwrap(), event)
    }

    /// One agent for each of the first three nodes, all with the right answer.
    pub(crate) async fn honest_agents(&self) -> Vec<Agent> {
        let mut agents = Vec::new();
        for index in 0..3 {
            agents.push(self.agent(index, Echo::default()).await);
        }
        agents
    }

    /// Lets each agent look at the chain once.
    pub(crate) async fn round(&self, agents: &mut [Agent]) {
        for agent in agents {
            agent.step().await.unwrap();
            agent.rest(PAUSE).await;
        }
    }

    /// Lets the agents work in turn until the task is in the state.
    pub(crate) async fn work_until(&self, agents: &mut [Agent], task: u64, wanted: State) {
        self.work_while(agents, async || self.state(task).await != wanted).await;
    }

    /// Lets the agents work in turn until node `index` has committed.
    pub(crate) async fn work_until_committed(&self, agents: &mut [Agent], index: usize) {
        self.work_while(agents, async || self.commitments(index).await.is_empty()).await;
    }

    async fn work_while(&self, agents: &mut [Agent], condition: impl AsyncFn() -> bool) {
        let work = async {
            while condition().await {
                self.round(agents).await;
            }
        };
        timeout(PATIENCE, work).await.expect("the agents come to that");
    }
}

/// A node of the one class that there is.
pub(crate) fn applicant(key: Address) -> Applicant {
    Applicant { key, class_hash: B256::repeat_byte(1), vram_gb: 0, gpu: String::from("none") }
}
