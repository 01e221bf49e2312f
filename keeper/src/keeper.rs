//! The service: looks at the chain, plans, sends, again and again.

use std::{
    future::Future,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::{sleep, timeout};
use xenon_protocol::{
    chain::{Account, Chain, Head},
    deployment::Deployment,
};

use crate::{
    Action, Collector, KeeperConfig, KeeperError, Outcome, Policy, Progress, Submitter, Turns, View, funds::Funds,
    health::Health, plan,
};

/// Turns the crank of one network from one key.
///
/// It decides nothing: the contracts decide the order of tasks and the choice of nodes. What it sends anybody may send,
/// and what it misses anybody may do in its place.
#[derive(Debug)]
pub struct Keeper<A: Account> {
    collector: Collector<A::Chain>,
    submitter: Submitter<A>,
    contracts: Deployment,
    policy: Policy,
    config: KeeperConfig,
    funds: Funds,
    turns: Turns,
    is_checked: bool,
}

/// What one round did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// The block after which it was planned; `None` if there was no new one to plan for.
    pub head: Option<Head>,
    /// The actions in the order of the plan, and what became of them.
    pub outcomes: Vec<(Action, Outcome)>,
}

/// A plan, and the block after which it was made.
#[derive(Debug)]
struct Planned {
    head: Head,
    actions: Vec<Action>,
}

impl<A: Account> Keeper<A> {
    /// A keeper that sends from `account`, which nothing else may send from.
    pub fn new(account: A, contracts: Deployment, policy: Policy, config: KeeperConfig) -> Self {
        Self {
            turns: Turns::new(account.address(), policy.turn_blocks),
            collector: Collector::new(account.chain().clone(), contracts, config.clone()),
            submitter: Submitter::new(account, contracts, config.clone()),
            contracts,
            policy,
            funds: Funds::new(config.low_balance_micros),
            config,
            is_checked: false,
        }
    }

    /// The network as the keeper sees it.
    pub const fn view(&self) -> &View {
        self.collector.view()
    }

    /// One round: looks for a new block and, if there is one, plans and sends and waits for the receipts.
    ///
    /// # Errors
    /// The chain could not be followed; nothing was sent. Unless the error [is permanent](KeeperError::is_permanent), a
    /// later round may succeed.
    pub async fn step(&mut self) -> Result<Round, KeeperError> {
        let look = self.look().await?;
        let Some(planned) = self.plan(look) else { return Ok(Round::default()) };
        Ok(self.act(planned, &AtomicBool::new(false)).await)
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
        tracing::info!(account = %self.submitter.account().address(), task = %self.contracts.task, "keeper starts");
        loop {
            let look = tokio::select! {
                biased;
                () = &mut shutdown => break,
                look = self.look() => look,
            };
            let is_too_old = look.as_ref().is_ok_and(|look| self.is_too_old(look));
            health.note(&look, is_too_old);
            let planned = match look {
                Err(error) if error.is_permanent() => return Err(error),
                Ok(look) if !is_too_old => self.plan(look),
                _ => None,
            };
            if let Some(planned) = planned
                && self.act_until(planned, shutdown.as_mut()).await
            {
                break;
            }
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = sleep(self.config.pause(health.failures())) => {}
            }
        }
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
        let chain = self.submitter.account().chain();
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

    /// One plan for each new block, of which this keeper does what it is its turn to do.
    fn plan(&mut self, look: Progress) -> Option<Planned> {
        let Progress::Fresh(head) = look else { return None };
        let view = self.collector.view();
        let actions = self.turns.take(view, &head, plan(view, &head, &self.policy));
        Some(Planned { head, actions })
    }

    #[tracing::instrument(name = "round", skip_all, fields(block = planned.head.number))]
    async fn act(&mut self, planned: Planned, stop: &AtomicBool) -> Round {
        let Planned { head, actions } = planned;
        if !actions.is_empty() {
            self.watch_funds().await;
        }
        let outcomes = self.submitter.submit(actions, &head, stop).await;
        if let Some(block) = outcomes.iter().filter_map(|(_, outcome)| outcome.block()).max() {
            self.collector.expect_block(block);
        }
        Round { head: Some(head), outcomes }
    }

    /// Acts; `true` if it was asked to stop meanwhile. What is in flight then is waited for.
    async fn act_until(&mut self, planned: Planned, shutdown: impl Future<Output = ()>) -> bool {
        let stop = AtomicBool::new(false);
        let limit = Duration::from_millis(self.config.shutdown_ms);
        let mut act = pin!(self.act(planned, &stop));
        tokio::select! {
            _ = &mut act => return false,
            () = shutdown => stop.store(true, Ordering::Relaxed),
        }
        if timeout(limit, act).await.is_err() {
            tracing::warn!(
                code = "XK-054",
                "transactions are still in flight; the next start reads what became of them"
            );
        }
        true
    }

    /// Warns of a balance that will not last. A balance that cannot be read is no reason not to act.
    async fn watch_funds(&mut self) {
        let account = self.submitter.account();
        if let Ok(balance) = account.chain().balance(account.address()).await {
            self.funds.note(account.address(), balance);
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
