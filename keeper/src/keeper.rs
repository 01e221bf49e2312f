//! The service: looks at the chain, plans, sends, again and again.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use xenon_protocol::{
    chain::{Head, Mempool, Signer},
    deployment::Deployment,
};

use crate::{
    Action, Collector, KeeperConfig, KeeperError, Observer, Outcome, Policy, Progress, Reason, Sight, Submitter, Turns,
    View, Wallet, Wanted, decide, earned,
    funds::Funds,
    health::{Health, hindrance},
};

/// Turns the crank of one network from one key.
///
/// It decides nothing: the contracts decide the order of tasks and the choice of nodes. What it sends anybody may send,
/// and what it misses anybody may do in its place.
#[derive(Debug)]
pub struct Keeper<C, S> {
    collector: Collector<C>,
    submitter: Submitter<C, S>,
    contracts: Deployment,
    policy: Policy,
    config: KeeperConfig,
    funds: Funds,
    turns: Turns,
    is_checked: bool,
    observer: Box<dyn Observer>,
    /// Whether nothing was planned yet for the newest block.
    is_due: bool,
    /// Notified when there may be a new block.
    wake: Arc<Notify>,
}

/// What one round did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// The block after which it was planned; `None` if there was no new one to plan for.
    pub head: Option<Head>,
    /// What became of earlier actions, then the actions in the order of the plan and what became of them.
    pub outcomes: Vec<(Action, Outcome)>,
}

/// A plan, and the block after which it was made.
#[derive(Debug)]
struct Planned {
    head: Head,
    actions: Vec<Wanted>,
}

impl<C: Mempool, S: Signer> Keeper<C, S> {
    /// A keeper that sends from `wallet`, which nothing else may send from.
    pub fn new(wallet: Wallet<C, S>, contracts: Deployment, policy: Policy, config: KeeperConfig) -> Self {
        Self {
            turns: Turns::new(wallet.address(), policy.turn_blocks),
            collector: Collector::new(wallet.chain.clone(), contracts, config.clone()),
            submitter: Submitter::new(wallet, contracts, config.clone()),
            contracts,
            policy,
            funds: Funds::new(config.low_balance_micros),
            config,
            is_checked: false,
            observer: Box::new(()),
            is_due: false,
            wake: Arc::new(Notify::new()),
        }
    }

    /// Tells of what happens from now on.
    pub fn observe(&mut self, observer: impl Observer + 'static) {
        self.observer = Box::new(observer);
    }

    /// Has the keeper look at the chain at once whenever it is notified, and not only after its pause.
    #[must_use]
    pub fn woken_by(self, wake: Arc<Notify>) -> Self {
        Self { wake, ..self }
    }

    /// What the keeper sends with.
    pub const fn wallet(&self) -> &Wallet<C, S> {
        self.submitter.wallet()
    }

    /// The network as the keeper sees it.
    pub const fn view(&self) -> &View {
        self.collector.view()
    }

    /// One round: looks for a new block and, if there is one, finds out what became of what was sent, plans and sends.
    ///
    /// # Errors
    /// The chain could not be followed; nothing was begun. Unless the error [is permanent](KeeperError::is_permanent), a
    /// later round may succeed.
    pub async fn step(&mut self) -> Result<Round, KeeperError> {
        let look = self.look().await?;
        self.react(look, &AtomicBool::new(false)).await
    }

    /// Works until `shutdown` completes, then sends nothing more and waits, for a bounded time, for what is in flight.
    ///
    /// An endpoint that is down is waited out with growing pauses.
    ///
    /// # Errors
    /// What no waiting mends: a configuration that is of no use, another chain, no contracts or other ones.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) -> Result<(), KeeperError> {
        let mut shutdown = pin!(shutdown);
        let mut health = Health::default();
        tracing::info!(account = %self.wallet().address(), task = %self.contracts.task, "keeper starts");
        loop {
            let began = Instant::now();
            let look = tokio::select! {
                biased;
                () = &mut shutdown => break,
                look = self.look() => look,
            };
            let is_too_old = look.as_ref().is_ok_and(|look| self.is_too_old(look));
            let (acted, is_over) = match look {
                Ok(look) if !is_too_old => self.react_until(look, shutdown.as_mut()).await,
                look => (look, false),
            };
            if is_over {
                break;
            }
            health.note(&acted, is_too_old);
            self.tell(&acted, is_too_old, began.elapsed());
            if let Some(error) = acted.err().filter(KeeperError::is_permanent) {
                return Err(error);
            }
            let wake = self.wake.clone();
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = sleep(self.config.pause(health.failures())) => {}
                () = wake.notified(), if health.failures() == 0 => {}
            }
        }
        self.drain().await;
        tracing::info!("keeper stopped");
        Ok(())
    }

    /// Brings the view up to the newest block. Cancelling it at any point does no harm.
    async fn look(&mut self) -> Result<Progress, KeeperError> {
        self.check().await?;
        self.collector.collect().await
    }

    /// Once: are the configuration, the chain and the contracts the right ones?
    async fn check(&mut self) -> Result<(), KeeperError> {
        if self.is_checked {
            return Ok(());
        }
        self.config.check()?;
        self.policy.check()?;
        let chain = &self.submitter.wallet().chain;
        let (expected, actual) = (self.contracts.chain_id, chain.chain_id());
        if expected != actual {
            return Err(KeeperError::WrongChain { expected, actual });
        }
        if Deployment::load(chain, self.contracts.task).await? != self.contracts {
            return Err(KeeperError::OtherNetwork { task: self.contracts.task });
        }
        self.is_checked = true;
        Ok(())
    }

    /// Tells what a look at the chain brought.
    fn tell(&mut self, look: &Result<Progress, KeeperError>, is_too_old: bool, took: Duration) {
        let (reading, hindrance) = (self.collector.reading(), hindrance(look, is_too_old));
        self.observer.observe(Sight::Looked { reading: &reading, hindrance, error: look.as_ref().err() });
        // A journal that cannot be read has ended the round with its error.
        let in_flight = self.submitter.in_flight().unwrap_or_default();
        let paused_until = reading.block.and_then(|block| self.submitter.paused_until(block));
        self.observer.observe(Sight::Ended { took, in_flight, paused_until });
    }

    /// What a look at the chain asks for: all there is to do after a new block; after none, what no node has taken yet; on
    /// what lags, nothing.
    async fn react(&mut self, look: Progress, stop: &AtomicBool) -> Result<Round, KeeperError> {
        self.is_due |= matches!(look, Progress::Fresh(_));
        match look {
            Progress::Fresh(head) | Progress::Unchanged(head) if self.is_due => {
                let planned = self.plan(head);
                let round = self.act(planned, stop).await?;
                self.is_due = false;
                Ok(round)
            }
            Progress::Unchanged(head) => self.submitter.hand_over(&head).await.map(|()| Round::default()),
            Progress::Fresh(_) | Progress::Stale(_) => Ok(Round::default()),
        }
    }

    /// The plan after a block, of which this keeper does what it is its turn to do.
    fn plan(&mut self, head: Head) -> Planned {
        let view = self.collector.view();
        let decision = decide(view, &head, &self.policy);
        let ours = self.turns.take(view, &head, decision.actions.clone());
        let decision = decision.keeping(&ours, Reason::NotOurTurn);
        self.observer.observe(Sight::Decided { head: &head, view, decision: &decision });
        let wanted = |action| Wanted { action, reward: self.reward(action) };
        Planned { head, actions: decision.actions.into_iter().map(wanted).collect() }
    }

    /// What an action pays, if the policy asks that it pays for its gas.
    fn reward(&self, action: Action) -> Option<u128> {
        match action {
            Action::Advance(_) if self.policy.advance_gas > 0 => Some(action.reward(self.view())),
            _ => None,
        }
    }

    #[tracing::instrument(name = "round", skip_all, fields(block = planned.head.number))]
    async fn act(&mut self, planned: Planned, stop: &AtomicBool) -> Result<Round, KeeperError> {
        let Planned { head, actions } = planned;
        let mut outcomes = self.submitter.tend(&head).await?;
        if !actions.is_empty() {
            self.watch_funds().await;
        }
        outcomes.extend(self.submitter.submit(&actions, &head, stop).await?);
        if let Some(block) = outcomes.iter().filter_map(|(_, outcome)| outcome.block()).max() {
            self.collector.expect_block(block);
        }
        for (action, outcome) in &outcomes {
            let reward = if let Outcome::Done(receipt) = outcome { earned(receipt) } else { 0 };
            self.observer.observe(Sight::Acted { head: &head, action: *action, outcome, reward });
        }
        Ok(Round { head: Some(head), outcomes })
    }

    /// Reacts. Asked to stop meanwhile it begins nothing more, ends what it has in hand, and the second value is `true`.
    async fn react_until(
        &mut self,
        look: Progress,
        shutdown: impl Future<Output = ()>,
    ) -> (Result<Progress, KeeperError>, bool) {
        let stop = AtomicBool::new(false);
        let limit = Duration::from_millis(self.config.shutdown_ms);
        let mut react = pin!(self.react(look, &stop));
        tokio::select! {
            round = &mut react => return (round.map(|_| look), false),
            () = shutdown => stop.store(true, Ordering::Relaxed),
        }
        let round = timeout(limit, react).await;
        (round.map_or(Ok(look), |round| round.map(|_| look)), true)
    }

    /// Waits, for a bounded time, until what was sent is in blocks. The journal keeps the rest.
    async fn drain(&mut self) {
        let limit = Duration::from_millis(self.config.shutdown_ms);
        if timeout(limit, self.settle()).await.is_err() {
            tracing::warn!(
                code = "XK-054",
                "transactions are still in flight; the journal has them for the next start"
            );
        }
    }

    async fn settle(&mut self) {
        while self.submitter.in_flight().is_ok_and(|waiting| waiting > 0) {
            let look = self.look().await;
            let settled = match look {
                Ok(look) if self.is_too_old(&look) => Ok(()),
                Ok(Progress::Fresh(head) | Progress::Unchanged(head)) => self.submitter.tend(&head).await.map(drop),
                Ok(Progress::Stale(_)) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = settled {
                tracing::debug!(code = error.code(), %error, "while stopping");
            }
            sleep(self.config.pause(0)).await;
        }
    }

    /// Warns of a balance that will not last. A balance that cannot be read is no reason not to act.
    async fn watch_funds(&mut self) {
        let (chain, account) = (&self.submitter.wallet().chain, self.submitter.wallet().address());
        if let Ok(balance) = chain.balance(account).await {
            self.funds.note(account, balance);
        }
    }

    fn is_too_old(&self, look: &Progress) -> bool {
        let limit = self.config.max_head_age_s;
        limit != 0 && look.head().timestamp.saturating_add(limit) < unix_now()
    }
}

/// Seconds since the Unix epoch.
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
