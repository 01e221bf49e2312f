//! The simulated network at work: agents, agenda, blocks.

use alloy::primitives::{Address, U256};
use futures::FutureExt as _;
use xenon_keeper::{Event, Logged, TaskId, View};
use xenon_protocol::{
    chain::{Chain as _, ChainError, Head, TypedChain as _},
    contracts::{NetworkStats, TaskQueue},
    deployment::{Deployment, DeploymentError},
};

use crate::{
    RevmChain, SimError,
    agenda::{Agenda, Millis},
    agent::{Agent, AgentId, Alarm, Desk, Outcome, Sent},
    directory::Directory,
    evm::endpoint,
    ledger::Ledger,
};

/// A deployed network, its parties, and what has happened so far.
///
/// One thread, one ordered agenda, no clock: equal beginnings have equal ends, down to the hash of the last block.
#[derive(Debug)]
pub struct Engine {
    chain: RevmChain,
    contracts: Deployment,
    seed: u64,
    interval: u64,
    head: Head,
    view: View,
    agents: Vec<Box<dyn Agent>>,
    /// By agent: the name of its random numbers.
    streams: Vec<u64>,
    watchers: Vec<AgentId>,
    directory: Directory,
    agenda: Agenda<(AgentId, Alarm)>,
    outbox: Vec<Sent>,
    ledger: Ledger,
    is_closing: bool,
}

/// Seconds between blocks while nothing but cases is open.
const IDLE_INTERVAL: u64 = 60;

/// An event and the agents that it concerns.
type Notice = (Event, Vec<AgentId>);

impl Engine {
    /// A network on a chain, before anybody acts. `interval` is the seconds from one block to the next.
    ///
    /// # Errors
    /// The logs of the deployment are not those of the contracts.
    pub fn new(chain: RevmChain, contracts: Deployment, seed: u64, interval: u64) -> Result<Self, SimError> {
        let head = ready(chain.head())?;
        let mut engine = Self {
            chain,
            contracts,
            seed,
            interval: interval.max(1),
            head,
            view: View::new(),
            agents: Vec::new(),
            streams: Vec::new(),
            watchers: Vec::new(),
            directory: Directory::default(),
            agenda: Agenda::default(),
            outbox: Vec::new(),
            ledger: Ledger::new(head.timestamp),
            is_closing: false,
        };
        engine.read_founding()?;
        Ok(engine)
    }

    /// Enrols an agent, which enters `delay` milliseconds from now. Of nodes, `group` is under which name its income is
    /// told.
    pub fn enrol(&mut self, agent: Box<dyn Agent>, group: u16, delay: Millis) {
        let id = AgentId(u32::try_from(self.agents.len()).unwrap_or(u32::MAX));
        let addresses = agent.addresses();
        self.streams.push(addresses.first().map_or(u64::MAX, stream_of));
        self.directory.enrol(id, addresses, group);
        if agent.watches_blocks() {
            self.watchers.push(id);
        }
        self.agents.push(agent);
        self.agenda.enter(self.now().saturating_add(delay), (id, Alarm::Enter));
    }

    /// Enrols who decides appeals.
    pub fn appoint(&mut self, arbiter: Box<dyn Agent>) {
        let id = AgentId(u32::try_from(self.agents.len()).unwrap_or(u32::MAX));
        self.directory.appoint(id);
        self.enrol(arbiter, u16::MAX, 0);
    }

    /// From now on nobody creates tasks, and no time is counted.
    pub const fn close(&mut self) {
        self.is_closing = true;
        self.ledger.end();
    }

    /// Mines blocks until `timestamp`.
    ///
    /// # Errors
    /// An agent did what it should not, or the view cannot follow the contracts.
    pub fn run_until(&mut self, timestamp: u64) -> Result<(), SimError> {
        while self.head.timestamp < timestamp {
            self.step()?;
        }
        Ok(())
    }

    /// Mines blocks until every task has ended and every case is closed, for at most `limit` seconds. Whether all have and are.
    ///
    /// While only cases are open, which take days, blocks come once a minute.
    ///
    /// # Errors
    /// As [`Engine::run_until`].
    pub fn drain(&mut self, limit: u64) -> Result<bool, SimError> {
        let end = self.head.timestamp.saturating_add(limit);
        while self.head.timestamp < end && !self.is_over() {
            let has_tasks = self.view.tasks().iter().next().is_some();
            self.advance(if has_tasks { self.interval } else { self.interval.max(IDLE_INTERVAL) })?;
        }
        Ok(self.is_over())
    }

    fn is_over(&self) -> bool {
        self.view.tasks().iter().next().is_none() && self.view.nodes().cases().next().is_none()
    }

    /// Mines one block: first what was due until its time, then what the agents make of it.
    ///
    /// # Errors
    /// As [`Engine::run_until`].
    pub fn step(&mut self) -> Result<(), SimError> {
        self.advance(self.interval)
    }

    fn advance(&mut self, seconds: u64) -> Result<(), SimError> {
        let end = (self.head.timestamp + seconds).saturating_mul(1000);
        while let Some((at, (agent, alarm))) = self.agenda.due(end) {
            self.with(agent, at, |agent, desk| match alarm {
                Alarm::Enter => agent.start(desk),
                alarm => agent.wake(alarm, desk),
            })?;
        }
        let sent = std::mem::take(&mut self.outbox);
        let outcomes = self.mine(seconds, &sent);
        self.head = ready(self.chain.head())?;
        let notices = self.fold(seconds, &outcomes)?;
        self.tell(sent, outcomes, notices)
    }

    /// The network as the logs tell it.
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// The newest block. Its hash stands for everything that happened.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The chain.
    pub const fn chain(&self) -> &RevmChain {
        &self.chain
    }

    /// Where the contracts are.
    pub const fn contracts(&self) -> &Deployment {
        &self.contracts
    }

    /// What was counted.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// From now on is counted anew: what came before was preparation.
    pub fn begin(&mut self) {
        self.ledger.begin(self.head.timestamp);
    }

    /// Compares the view with the counters of the contracts, and the money that the contracts hold with their logs.
    ///
    /// # Errors
    /// They differ.
    pub fn audit(&self) -> Result<(), SimError> {
        let overview = ready(self.chain.view(self.contracts.stats, &NetworkStats::overviewCall {}))?;
        self.view.agree_with(&overview)?;
        let money = self.ledger.money();
        self.conserved("Task", self.contracts.task, money.fees)?;
        self.conserved("Node", self.contracts.node, money.stakes)
    }

    fn conserved(&self, contract: &'static str, address: Address, accounted: U256) -> Result<(), SimError> {
        let held = ready(self.chain.balance(address))?;
        if held == accounted {
            return Ok(());
        }
        let (held, accounted) = (held.to_string(), accounted.to_string());
        Err(SimError::NotConserved { contract, block: self.head.number, held, accounted })
    }

    fn read_founding(&mut self) -> Result<(), SimError> {
        let filter = xenon_protocol::chain::LogFilter::of(self.contracts.addresses(), 0, self.head.number);
        for log in ready(self.chain.logs(&filter))? {
            self.view.apply(&Logged::decode(&log, &self.contracts)?)?;
        }
        self.view.note_time(self.head.timestamp);
        Ok(())
    }

    fn mine(&mut self, seconds: u64, sent: &[Sent]) -> Vec<Outcome> {
        let calls: Vec<_> = sent.iter().map(|sent| (sent.from, sent.call.clone())).collect();
        self.chain.mine_with(seconds, &calls)
    }

    /// Applies what a block's receipts say, and finds out whom it concerns.
    fn fold(&mut self, seconds: u64, outcomes: &[Outcome]) -> Result<Vec<Notice>, SimError> {
        let mut notices = Vec::new();
        for log in outcomes.iter().flatten().flat_map(|receipt| &receipt.logs) {
            let logged = Logged::decode(log, &self.contracts)?;
            self.directory.learn(&logged.event);
            let concerned = self.directory.concerned(&logged.event, &self.view);
            self.ledger.note(&logged.event, self.head.timestamp, &self.view, &self.directory);
            self.view.apply(&logged)?;
            if !concerned.is_empty() {
                notices.push((logged.event, concerned));
            }
        }
        self.view.note_time(self.head.timestamp);
        if self.view.has_vacancies() {
            let line = ready(self.chain.view(self.contracts.queue, &TaskQueue::vacanciesCall {}))?;
            self.view.note_vacancies(line.into_iter().map(|task| TaskId(task.to())));
        }
        self.ledger.note_block(self.head.timestamp, seconds, &self.view);
        Ok(notices)
    }

    /// Tells each agent what concerns it: its own transactions, then the events, then the block.
    fn tell(&mut self, sent: Vec<Sent>, outcomes: Vec<Outcome>, notices: Vec<Notice>) -> Result<(), SimError> {
        let now = self.now();
        for (sent, outcome) in sent.into_iter().zip(outcomes) {
            self.ledger.note_transaction(sent.what, &outcome);
            self.with(sent.agent, now, |agent, desk| agent.hear(&sent, &outcome, desk))?;
        }
        for (event, concerned) in notices {
            for id in concerned {
                self.with(id, now, |agent, desk| agent.see(&event, desk))?;
            }
        }
        for index in 0..self.watchers.len() {
            self.with(self.watchers[index], now, |agent, desk| agent.look(desk))?;
        }
        Ok(())
    }

    /// Lets one agent act.
    fn with(
        &mut self,
        id: AgentId,
        now: Millis,
        act: impl FnOnce(&mut dyn Agent, &mut Desk<'_>) -> Result<(), SimError>,
    ) -> Result<(), SimError> {
        let mut desk = Desk {
            now,
            head: self.head,
            view: &self.view,
            contracts: &self.contracts,
            seed: self.seed,
            stream: self.streams[id.0 as usize],
            agent: id,
            is_closing: self.is_closing,
            agenda: &mut self.agenda,
            outbox: &mut self.outbox,
        };
        act(self.agents[id.0 as usize].as_mut(), &mut desk)
    }

    /// The time of the newest block, in milliseconds.
    const fn now(&self) -> Millis {
        self.head.timestamp.saturating_mul(1000)
    }
}

/// The random numbers of an agent have its address's name: who else is there changes nothing in them.
fn stream_of(address: &Address) -> u64 {
    address.iter().take(8).fold(0, |stream, byte| (stream << 8) | u64::from(*byte))
}

/// What a deployment on a simulated chain comes to, which it does at once.
pub(crate) fn ready_deployment(
    deployment: impl Future<Output = Result<Deployment, DeploymentError>>,
) -> Result<Deployment, DeploymentError> {
    deployment.now_or_never().unwrap_or_else(|| Err(silent().into()))
}

/// What a simulated chain answers, which it does at once.
pub(crate) fn ready<T>(answer: impl Future<Output = Result<T, ChainError>>) -> Result<T, ChainError> {
    answer.now_or_never().unwrap_or_else(|| Err(silent()))
}

fn silent() -> ChainError {
    ChainError::Unreachable { endpoint: endpoint(), reason: String::from("it did not answer at once") }
}
