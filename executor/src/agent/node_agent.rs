//! The agent: looks at the chain, and does for each task what is due.

use std::{collections::BTreeMap, time::Duration};

use alloy::primitives::Address;
use tokio::time::sleep;
use xenon_protocol::{
    chain::{Account, Head},
    contracts::{State, Status},
    deployment::Deployment,
    error_code::{ErrorCode, error_result},
    relay::RelayClient,
    stored::signer_of,
    task::TaskSpec,
};

use super::{
    AgentConfig, AgentError, Event, Facts, Observer, OsSalts, SaltSource, Standing, Step, TaskRunner, Wait,
    fetch::{self, Fetched},
    journal::{Entry, Journal, Stage},
    network::Network,
    seat::Seat,
    step::next,
    worker::{Outcome, Worker},
};

/// Blocks for which the answer to an ended task is remembered, in case a reorganisation brings the task back.
const REMEMBERED_BLOCKS: u64 = 10_000;

/// Shortest attempt to fetch a task, even when there is no time left.
const SHORTEST_FETCH: Duration = Duration::from_secs(1);

/// Shortest time of a run, even when there is no time left: the node does not give up before the chain does.
const SHORTEST_RUN: Duration = Duration::from_secs(1);

/// One node at work. See [the module](super) for how.
pub struct NodeAgent<A> {
    pub(super) config: AgentConfig,
    network: Network<A>,
    relay: RelayClient,
    journal: Journal,
    worker: Worker,
    salts: Box<dyn SaltSource>,
    seen: Option<Head>,
    status: Option<Status>,
    seat: Option<Held>,
    shown: BTreeMap<u64, Step>,
    pub(super) observer: Box<dyn Observer>,
    pub(super) draining: bool,
}

/// A seat, and until when fetching its task is worth another attempt.
#[derive(Clone, Copy, Debug)]
struct Held {
    seat: Seat,
    fetch_until: u64,
}

impl<A: Account> NodeAgent<A> {
    /// An agent for the node whose key `account` is. Opens and locks the journal.
    ///
    /// # Errors
    /// [`AgentError::NotJoined`], [`AgentError::AlreadyRunning`], the other errors of [`Journal::open`], or the chain's.
    pub async fn new(
        config: AgentConfig,
        account: A,
        deployment: Deployment,
        runner: impl TaskRunner,
    ) -> Result<Self, AgentError> {
        Self::with_salts(config, account, deployment, runner, OsSalts).await
    }

    /// [`NodeAgent::new`] with another source of salts than the operating system.
    pub async fn with_salts(
        config: AgentConfig,
        account: A,
        deployment: Deployment,
        runner: impl TaskRunner,
        salts: impl SaltSource + 'static,
    ) -> Result<Self, AgentError> {
        let network = Network::join(account, deployment).await?;
        Ok(Self {
            relay: RelayClient::new(config.relay.clone())?,
            journal: Journal::open(&config.data_dir, &network.identity().await?)?,
            worker: Worker::start(runner)?,
            salts: Box::new(salts),
            seen: None,
            status: None,
            seat: None,
            shown: BTreeMap::new(),
            observer: Box::new(()),
            draining: false,
            config,
            network,
        })
    }

    /// Has somebody look on from now on.
    pub fn observe(&mut self, observer: impl Observer + 'static) {
        self.observer = Box::new(observer);
    }

    /// The node that this agent works for.
    pub const fn node(&self) -> u32 {
        self.network.node()
    }

    /// Looks at the chain once and does what is due. Returns in how many tasks this node has, or soon may have,
    /// something to do.
    ///
    /// Dropping the future is as safe as any crash. A read that failed is never acted upon.
    pub async fn step(&mut self) -> Result<usize, AgentError> {
        self.take_outcome()?;
        self.observe_status().await?;
        let head = self.follow().await?;
        let found = self.find_seat(&head).await;
        let in_hand = self.attend_all(&head).await?;
        self.journal.forget_before(head.number.saturating_sub(REMEMBERED_BLOCKS))?;
        self.observer.observe(Event::Round { block: head.number, entries: self.journal.entries()?.len() });
        found.map(|()| in_hand)
    }

    /// Completes after `pause`, or as soon as a run ends.
    pub async fn rest(&mut self, pause: Duration) {
        tokio::select! {
            () = self.worker.ended() => {}
            () = sleep(pause) => {}
        }
    }

    /// Records what the runner found, before anything else can go wrong.
    fn take_outcome(&mut self) -> Result<(), AgentError> {
        let Some((seat, outcome)) = self.worker.take()? else { return Ok(()) };
        let is_wanted = self.seat.is_some_and(|held| held.seat.is_of_same_task(&seat));
        if is_wanted && self.entry_of(seat.task)?.is_none() {
            return self.record(&seat, outcome);
        }
        tracing::warn!(task = seat.task, "the seat is gone, its answer is dropped");
        Ok(())
    }

    fn record(&mut self, seat: &Seat, outcome: Outcome) -> Result<(), AgentError> {
        let error = outcome.as_ref().err().copied();
        let (result, reply) = match outcome {
            Ok(output) => (output.result, Some(output.bytes)),
            Err(code) => (error_result(code), None),
        };
        let entry = Entry::new(seat.task, seat.task_hash, result, self.salts.draw()?);
        self.journal.record(&entry, reply.as_deref())?;
        self.observer.observe(Event::Answered { task: seat.task, error });
        Ok(())
    }

    async fn observe_status(&mut self) -> Result<(), AgentError> {
        let status = self.network.status().await?;
        if self.status != Some(status) {
            let standing = self.network.standing().await?;
            report(self.node(), &standing);
            self.observer.observe(Event::Standing(&standing));
            self.status = Some(status);
        }
        Ok(())
    }

    /// The newest block. What was known of a seat is forgotten when the chain was reorganised: the same number may now
    /// be another task.
    async fn follow(&mut self) -> Result<Head, AgentError> {
        let head = self.network.head().await?;
        if let Some(seen) = self.seen
            && head.hash != seen.hash
            && head.parent_hash != seen.hash
            && !self.network.still_holds(&seen).await?
        {
            tracing::warn!(block = seen.number, "the chain was reorganised");
            self.seat = None;
        }
        self.seen = Some(head);
        Ok(head)
    }

    /// Finds the seat of a busy node. It does not rest on having seen every event: the chain is asked for the state, and
    /// only then for the event, so that a restart, an outage or a reorganisation cannot hide a seat.
    async fn find_seat(&mut self, head: &Head) -> Result<(), AgentError> {
        if self.draining || self.seat.is_some() || self.status != Some(Status::Busy) {
            return Ok(());
        }
        let seat = self.network.find_seat(head).await?;
        let work = self.network.estimate(&seat).await?;
        let reserve = work.saturating_add(self.config.commit_margin_seconds());
        self.seat = Some(Held { seat, fetch_until: seat.commit_by.saturating_sub(reserve) });
        Ok(())
    }

    /// Attends to every task that this node has a part in. One that fails does not keep the others waiting, not even one
    /// whose failure stops the agent afterwards.
    async fn attend_all(&mut self, head: &Head) -> Result<usize, AgentError> {
        let mut in_hand = 0;
        let (mut failure, mut foreign) = (None, None);
        for task in self.tasks()? {
            match self.attend(task, head).await {
                Ok(step) => in_hand += usize::from(step.is_in_hand()),
                Err(error) if error.is_worth_retrying() => failure = failure.or(Some(error)),
                Err(error @ AgentError::ForeignCommitment { .. }) => foreign = Some(error),
                Err(error) => return Err(error),
            }
        }
        foreign.or(failure).map_or(Ok(in_hand), Err)
    }

    /// The task of the seat, and those whose answers are in the journal and not seen ended.
    fn tasks(&self) -> Result<Vec<u64>, AgentError> {
        let entries = self.journal.entries()?;
        let mut tasks: Vec<_> = self.seat.iter().map(|held| held.seat.task).collect();
        tasks.extend(entries.iter().filter(|entry| entry.is_open()).map(|entry| entry.task));
        tasks.sort_unstable();
        tasks.dedup();
        Ok(tasks)
    }

    async fn attend(&mut self, task: u64, head: &Head) -> Result<Step, AgentError> {
        let facts = self.network.facts(task).await?;
        self.leave_seat(task, &facts);
        let step = self.decide(task, &facts, head)?;
        if step == Step::Answer && self.answer(task, head).await? {
            let step = self.decide(task, &facts, head)?;
            self.perform(task, step, &facts, head).await?;
            return Ok(step);
        }
        self.perform(task, step, &facts, head).await?;
        Ok(step)
    }

    fn decide(&mut self, task: u64, facts: &Facts, head: &Head) -> Result<Step, AgentError> {
        let step = next(facts, self.entry_of(task)?.as_ref(), head.timestamp);
        if self.shown.insert(task, step) != Some(step) {
            show(self.node(), task, step);
            self.observer.observe(Event::Step { task, step, deadline: facts.deadline });
        }
        Ok(step)
    }

    /// A seat is over when the votes are: the node may have its next one while it still waits to deliver.
    fn leave_seat(&mut self, task: u64, facts: &Facts) {
        let is_under_way = matches!(facts.state, State::Committing | State::Vacant | State::Revealing);
        let is_held = is_under_way && facts.seat.is_some();
        if is_under_way && !is_held && self.seat.is_some_and(|held| held.seat.task == task) {
            tracing::warn!(
                node = self.node(),
                task,
                "its commitment did not come in time: the seat goes to another node, and this one pays for the miss"
            );
        }
        self.seat = self.seat.filter(|held| held.seat.task != task || is_held);
    }

    /// The journal's entry for a task, unless it is about a task of the same number on an abandoned fork.
    fn entry_of(&self, task: u64) -> Result<Option<Entry>, AgentError> {
        let seat = self.seat.map(|held| held.seat).filter(|seat| seat.task == task);
        let entry = self.journal.entry(task)?;
        Ok(entry.filter(|entry| seat.is_none_or(|seat| seat.task_hash == entry.task_hash)))
    }

    /// Fetches the task of the seat and hands it to the runner. Returns whether the journal has an answer already.
    async fn answer(&mut self, task: u64, head: &Head) -> Result<bool, AgentError> {
        let Some(Held { seat, fetch_until }) =
            self.seat.filter(|held| held.seat.task == task && !self.worker.is_busy())
        else {
            return Ok(false);
        };
        let left = Duration::from_secs(fetch_until.saturating_sub(head.timestamp));
        let limit = self.config.relay_limit().min(left.max(SHORTEST_FETCH));
        match fetch::fetch(&self.relay, &seat, limit).await {
            Fetched::Task(spec) => self.begin(seat, spec, head).map(|()| false),
            Fetched::Refused(code) => self.record(&seat, Err(code)).map(|()| true),
            Fetched::NotNow(error) => {
                let gives_up = left.is_zero();
                tracing::warn!(task, %error, gives_up, "the task could not be fetched");
                if gives_up {
                    self.record(&seat, Err(ErrorCode::TaskUnavailable))?;
                }
                Ok(gives_up)
            }
        }
    }

    /// Hands a task to the runner, with the time that there is until the commitment must be on its way.
    fn begin(&mut self, seat: Seat, spec: TaskSpec, head: &Head) -> Result<(), AgentError> {
        let reserved = head.timestamp.saturating_add(self.config.commit_margin_seconds());
        let limit = Duration::from_secs(seat.commit_by.saturating_sub(reserved)).max(SHORTEST_RUN);
        self.observer.observe(Event::Running { task: seat.task, model: spec.model() });
        self.worker.begin(seat, spec, limit)
    }

    async fn perform(&mut self, task: u64, step: Step, facts: &Facts, head: &Head) -> Result<(), AgentError> {
        match step {
            Step::Commit => self.commit(task).await,
            Step::Reveal => self.reveal(task).await,
            Step::Deliver => self.deliver(task).await,
            Step::Close => self.close(task, facts, head),
            Step::Wait(Wait::Foreign) => Err(AgentError::ForeignCommitment { node: self.node(), task }),
            Step::Answer | Step::Wait(_) => Ok(()),
        }
    }

    /// Commits only to the task of the seat, whose hash the chain's logs have just confirmed.
    async fn commit(&mut self, task: u64) -> Result<(), AgentError> {
        let is_confirmed = self.seat.is_some_and(|held| held.seat.task == task);
        let Some(entry) = self.entry_of(task)?.filter(|_| is_confirmed) else { return Ok(()) };
        self.journal.advance(task, Stage::Committing)?;
        self.network.commit(&entry).await?;
        Ok(())
    }

    async fn reveal(&mut self, task: u64) -> Result<(), AgentError> {
        let Some(entry) = self.entry_of(task)? else { return Ok(()) };
        self.journal.advance(task, Stage::Revealing)?;
        self.network.reveal(&entry).await?;
        Ok(())
    }

    async fn deliver(&mut self, task: u64) -> Result<(), AgentError> {
        let Some(reply) = self.journal.reply(task)? else {
            tracing::error!(task, "the reply is not in the journal and cannot be delivered");
            return Ok(());
        };
        self.journal.advance(task, Stage::Delivering)?;
        if let Some(named) = self.network.relay_of(task).await? {
            return self.deliver_signed(task, reply, named).await;
        }
        let content = fetch::store(&self.relay, reply, self.config.relay_limit()).await?;
        self.network.deliver(task, content).await?;
        Ok(())
    }

    /// A task that names a relay is delivered with that relay's signature, which is checked before anything is sent.
    async fn deliver_signed(&mut self, task: u64, reply: Vec<u8>, named: Address) -> Result<(), AgentError> {
        let (content, signature) = fetch::store_signed(&self.relay, reply, task, self.config.relay_limit()).await?;
        let signer = signer_of(&self.network.stored_digest(task, content), &signature).unwrap_or_default();
        if signer != named {
            let url = self.relay.url().to_string();
            return Err(AgentError::OtherRelay { task, named, url, signer });
        }
        self.network.deliver_signed(task, content, signature).await?;
        Ok(())
    }

    fn close(&mut self, task: u64, facts: &Facts, head: &Head) -> Result<(), AgentError> {
        self.shown.remove(&task);
        self.journal.end(task, head.number)?;
        let agreed = facts.seat.is_some_and(|vote| vote.agreed);
        self.observer.observe(Event::Ended { task, agreed });
        Ok(())
    }
}

fn show(node: u32, task: u64, step: Step) {
    tracing::info!(node, task, ?step, "the task moves on");
}

/// Says what a change of the node's status means to its operator.
fn report(node: u32, standing: &Standing) {
    if standing.was_let_go() {
        tracing::error!(node, %standing, "the node was let go");
    } else {
        tracing::info!(node, %standing, "the node's status");
    }
}
