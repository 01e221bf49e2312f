//! What a keeper says of itself: a report that is kept up to date while it works, for metrics and `xenon keeper status`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use alloy::primitives::{Address, B256, U256, utils::format_ether};
use serde::{Deserialize, Serialize};
use xenon_keeper::{
    Abstention, Action, Decision, KeeperConfig, KeeperError, Observer, Outcome, Reading, Reason, Sight, View,
    view::BookKey,
};
use xenon_protocol::{
    chain::{ChainError, Endpoint, Head},
    contracts::Status,
    deployment::Deployment,
    task::{GPT_KIND, SD_KIND},
};

use super::{
    health::{Check, ready},
    metrics::{Act, ActCode, Code, Kind, Metrics, Node, Stage, Standing},
};
use crate::clock::unix_now;

/// Outcomes that are remembered.
const LAST: usize = 12;

/// Wei in a millionth of a coin.
const WEI_PER_MICRO: u64 = 1_000_000_000_000;

/// What a keeper says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) account: Address,
    /// The Task contract.
    pub(super) contract: Address,
    pub(super) chain_id: u64,
    pub(super) pid: u32,
    /// When it was started, in Unix seconds, as all times here.
    pub(super) started: u64,
    pub(super) written: u64,
    /// When a look at the chain last allowed it to act.
    pub(super) followed: Option<u64>,
    /// Age above which a block is too old to act on, in seconds; 0 for no limit.
    pub(super) max_head_age_s: u64,
    pub(super) head: Option<Block>,
    pub(super) view_block: u64,
    pub(super) hindrance: Option<Hindrance>,
    pub(super) endpoints: Vec<Line>,
    pub(super) reading: Read,
    pub(super) queue: BTreeMap<String, u64>,
    pub(super) stages: BTreeMap<String, u64>,
    pub(super) nodes: BTreeMap<String, u64>,
    pub(super) overdue: Overdue,
    /// Actions of which nothing is known yet.
    pub(super) in_flight: Vec<String>,
    pub(super) abstentions: Vec<Left>,
    /// The last outcomes, the newest last.
    pub(super) last: VecDeque<Acted>,
    pub(super) money: Money,
    /// The block before which the circuit breaker lets nothing be started, if it is open.
    pub(super) paused_until: Option<u64>,
    /// Milliseconds of the last round.
    pub(super) round_ms: u64,
}

/// A block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Block {
    pub(super) number: u64,
    pub(super) timestamp: u64,
}

/// Why it does not act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hindrance {
    pub(super) reason: Reason,
    /// The code of the error or, if there is none, of the reason.
    pub(super) code: String,
    pub(super) text: String,
    pub(super) since: u64,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) endpoint: String,
    pub(super) is_up: bool,
    /// Whether it is the one that is read.
    pub(super) is_current: bool,
}

/// What was read of the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Read {
    pub(super) folded: u64,
    pub(super) reorgs: u64,
    pub(super) last_depth: u64,
}

/// Tasks whose stage or wait is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Overdue {
    pub(super) tasks: u64,
    /// For how long the first of them is, in seconds.
    pub(super) age_s: u64,
}

/// What could be done and is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Left {
    pub(super) action: String,
    pub(super) code: String,
    pub(super) reason: Reason,
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Acted {
    pub(super) at: u64,
    /// The block after which it was decided.
    pub(super) block: u64,
    pub(super) action: String,
    pub(super) code: String,
    pub(super) text: String,
    pub(super) transaction: Option<B256>,
    pub(super) gas_used: u64,
    /// Wei.
    pub(super) cost: U256,
    /// Wei.
    pub(super) reward: U256,
}

/// Money in wei.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Money {
    pub(super) balance: Option<U256>,
    pub(super) low: U256,
    /// What it can withdraw from the contracts.
    pub(super) credit: Option<U256>,
    pub(super) spent: U256,
    pub(super) earned: U256,
}

impl Report {
    /// Takes note of why it does not act, if there is a reason, and since when.
    fn note_hindrance(&mut self, hindrance: Option<(Reason, &'static str)>, error: Option<&KeeperError>) {
        let now = unix_now();
        let Some((reason, code)) = hindrance else {
            (self.followed, self.hindrance) = (Some(now), None);
            return;
        };
        let since = self.hindrance.as_ref().filter(|known| known.code == code).map_or(now, |known| known.since);
        let text = error.map_or_else(|| reason.to_string(), ToString::to_string);
        self.hindrance = Some(Hindrance { reason, code: code.into(), text, since });
    }
}

/// Looks on while the keeper works. Copies share one report.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    report: Arc<Mutex<Report>>,
    /// What was sent and is not concluded, so that what is in a block at once is counted as sent, too.
    sent: Arc<Mutex<BTreeSet<Action>>>,
    metrics: Metrics,
}

impl Reporter {
    /// The reporter of the keeper that sends from an account.
    pub(crate) fn new(account: Address, contracts: &Deployment, config: &KeeperConfig) -> Self {
        let low = U256::from(config.low_balance_micros) * U256::from(WEI_PER_MICRO);
        let report = Report {
            account,
            contract: contracts.task,
            chain_id: contracts.chain_id,
            pid: std::process::id(),
            started: unix_now(),
            max_head_age_s: config.max_head_age_s,
            money: Money { low, ..Money::default() },
            ..Report::default()
        };
        let metrics = Metrics::default();
        metrics.start.set(report.started.cast_signed());
        metrics.low_balance.set(coins(low));
        Self { report: Arc::new(Mutex::new(report)), sent: Arc::default(), metrics }
    }

    /// The account that is told of.
    pub(super) fn account(&self) -> Address {
        self.change(|report| report.account)
    }

    /// The Task contract.
    pub(super) fn contract(&self) -> Address {
        self.change(|report| report.contract)
    }

    /// The report as of now.
    pub(super) fn report(&self) -> Report {
        self.change(|report| {
            report.written = unix_now();
            report.clone()
        })
    }

    /// The metrics as of now.
    pub(super) fn metrics(&self) -> String {
        let report = self.report();
        let age = report.head.map_or(0, |head| report.written.saturating_sub(head.timestamp));
        self.metrics.head_age.set(age.cast_signed());
        self.metrics.ready.set(ready(&report).iter().all(Check::is_well).into());
        self.metrics.text()
    }

    /// Takes note of what the account has.
    pub(super) fn note_money(&self, balance: U256, credit: U256) {
        self.metrics.balance.set(coins(balance));
        self.metrics.credit.set(coins(credit));
        self.change(|report| (report.money.balance, report.money.credit) = (Some(balance), Some(credit)));
    }

    /// Takes note of how the endpoints do.
    pub(super) fn note_endpoints(&self, standing: Vec<(Endpoint, bool, bool)>) {
        let line = |(endpoint, is_up, is_current): (Endpoint, bool, bool)| Line {
            endpoint: endpoint.to_string(),
            is_up,
            is_current,
        };
        let lines: Vec<_> = standing.into_iter().map(line).collect();
        for Line { endpoint, is_up, is_current } in &lines {
            let label = Node { endpoint: endpoint.clone() };
            self.metrics.endpoint_up.get_or_create(&label).set((*is_up).into());
            self.metrics.endpoint_current.get_or_create(&label).set((*is_current).into());
        }
        self.change(|report| report.endpoints = lines);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Report) -> T) -> T {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn looked(&self, reading: &Reading, hindrance: Option<Reason>, error: Option<&KeeperError>) {
        self.show_reading(reading);
        let code = hindrance.map(|reason| error.map_or(reason.code(), KeeperError::code));
        self.metrics.following.set(hindrance.is_none().into());
        self.metrics.hindered.clear();
        if let Some(code) = code {
            self.metrics.hindered.get_or_create(&Code { code }).set(1);
        }
        let Reading { folded, reorgs, last_depth, .. } = *reading;
        self.change(|report| {
            report.head = reading.head.map(|head| Block { number: head.number, timestamp: head.timestamp });
            report.view_block = reading.block.unwrap_or_default();
            report.reading = Read { folded, reorgs, last_depth };
            report.note_hindrance(hindrance.zip(code), error);
        });
    }

    fn show_reading(&self, reading: &Reading) {
        let metrics = &self.metrics;
        let block = reading.block.unwrap_or_default();
        metrics.view_block.set(block.cast_signed());
        if let Some(head) = reading.head {
            metrics.head_block.set(head.number.cast_signed());
            metrics.head_timestamp.set(head.timestamp.cast_signed());
            metrics.view_lag.set(head.number.saturating_sub(block).cast_signed());
        }
        metrics.events.inc_by(reading.folded.saturating_sub(metrics.events.get()));
        metrics.reorgs.inc_by(reading.reorgs.saturating_sub(metrics.reorgs.get()));
        metrics.reorg_depth.set(reading.last_depth.cast_signed());
    }

    fn decided(&self, head: &Head, view: &View, decision: &Decision) {
        for action in &decision.actions {
            self.metrics.planned.get_or_create(&Act { action: action.name() }).inc();
        }
        self.abstained(&decision.abstentions);
        let census = Census::of(view, head.timestamp);
        census.show(&self.metrics);
        self.change(|report| {
            report.in_flight = decision.actions.iter().map(ToString::to_string).collect();
            report.abstentions = decision.abstentions.iter().map(left).collect();
            (report.queue, report.stages, report.nodes) = (census.queue, named(census.stages), named(census.nodes));
            report.overdue = census.overdue;
        });
    }

    fn abstained(&self, abstentions: &[Abstention]) {
        self.metrics.abstentions.clear();
        for Abstention { action, reason } in abstentions {
            let label = ActCode { action: action.name(), code: reason.code() };
            self.metrics.abstentions.get_or_create(&label).inc();
        }
    }

    fn acted(&self, head: &Head, action: Action, outcome: &Outcome, reward: u128) {
        let acted = acted(head, action, outcome, reward);
        self.count(action, outcome);
        self.metrics.gas_used.inc_by(acted.gas_used);
        self.metrics.gas_spent.inc_by(coins(acted.cost));
        self.metrics.earned.inc_by(coins(acted.reward));
        self.change(|report| {
            report.money.spent += acted.cost;
            report.money.earned += acted.reward;
            let waits = matches!(outcome, Outcome::Sent { .. } | Outcome::InFlight { .. });
            report.in_flight.retain(|other| waits || *other != acted.action);
            // What only waits is told once, when it is sent.
            if !matches!(outcome, Outcome::InFlight { .. }) {
                report.last.push_back(acted);
            }
            while report.last.len() > LAST {
                report.last.pop_front();
            }
        });
    }

    fn count(&self, action: Action, outcome: &Outcome) {
        self.count_sent(action, outcome);
        let (metrics, action, code) = (&self.metrics, action.name(), outcome.code());
        match outcome {
            Outcome::Sent { .. } => 0,
            Outcome::Done(_) => metrics.mined.get_or_create(&Act { action }).inc(),
            Outcome::Failed(_) | Outcome::Unsigned(_) | Outcome::Replaced { .. } => {
                metrics.failed.get_or_create(&ActCode { action, code }).inc()
            }
            _ => metrics.skipped.get_or_create(&ActCode { action, code }).inc(),
        };
    }

    fn count_sent(&self, action: Action, outcome: &Outcome) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = match outcome {
            Outcome::Sent { .. } => sent.insert(action.subject()),
            _ if outcome.block().is_some() => !sent.remove(&action.subject()),
            _ => false,
        };
        if is_new {
            self.metrics.sent.get_or_create(&Act { action: action.name() }).inc();
        }
    }
}

impl Observer for Reporter {
    fn observe(&mut self, sight: Sight<'_>) {
        match sight {
            Sight::Looked { reading, hindrance, error } => self.looked(reading, hindrance, error),
            Sight::Decided { head, view, decision } => self.decided(head, view, decision),
            Sight::Acted { head, action, outcome, reward } => self.acted(head, action, outcome, reward),
            Sight::Ended { took, in_flight, paused_until } => {
                self.metrics.rounds.observe(took.as_secs_f64());
                self.metrics.in_flight.set(count(in_flight).cast_signed());
                self.metrics.breaker.set(paused_until.is_some().into());
                self.change(|report| {
                    report.round_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                    report.paused_until = paused_until;
                });
            }
        }
    }
}

/// A count of the network.
#[derive(Debug, Default)]
struct Census {
    queue: BTreeMap<String, u64>,
    stages: BTreeMap<&'static str, u64>,
    nodes: BTreeMap<&'static str, u64>,
    overdue: Overdue,
}

impl Census {
    fn of(view: &View, now: u64) -> Self {
        let mut census = Self::default();
        for kind in view.kinds().keys() {
            census.queue.insert(kind_name(kind.0), 0);
        }
        for (key, tasks) in books(view) {
            *census.queue.entry(kind_name(key)).or_default() += count(tasks);
        }
        for (_, task) in view.tasks().iter() {
            *census.stages.entry(task.stage.name()).or_default() += 1;
        }
        for (_, node) in view.nodes().iter() {
            *census.nodes.entry(status_name(node.status)).or_default() += 1;
        }
        let ends = || view.tasks().overdue(now).chain(view.tasks().expired(now));
        let deadlines = ends().filter_map(|task| Some(view.tasks().get(task)?.deadline));
        let age_s = deadlines.min().map_or(0, |deadline| now.saturating_sub(deadline));
        census.overdue = Overdue { tasks: count(ends().count()), age_s };
        census
    }

    fn show(&self, metrics: &Metrics) {
        metrics.queue.clear();
        metrics.tasks.clear();
        metrics.nodes.clear();
        for (kind, tasks) in &self.queue {
            metrics.queue.get_or_create(&Kind { kind: kind.clone() }).set(tasks.cast_signed());
        }
        for (stage, tasks) in &self.stages {
            metrics.tasks.get_or_create(&Stage { stage }).set(tasks.cast_signed());
        }
        for (status, nodes) in &self.nodes {
            metrics.nodes.get_or_create(&Standing { status }).set(nodes.cast_signed());
        }
        metrics.overdue.set(self.overdue.tasks.cast_signed());
        metrics.overdue_age.set(self.overdue.age_s.cast_signed());
    }
}

/// The kind and the length of every book.
fn books(view: &View) -> impl Iterator<Item = (u8, usize)> {
    let tiers = view.books().tiers().map(|(key, book)| (BookKey::Tier(key), book.len()));
    let classes = view.books().classes().map(|(key, book)| (BookKey::Class(key), book.tasks().len()));
    tiers.chain(classes).map(|(key, length)| match key {
        BookKey::Tier(key) => (key.kind.0, length),
        BookKey::Class(key) => (key.kind.0, length),
    })
}

/// The name of a kind in task documents; its number if it has none.
pub(super) fn kind_name(kind: u8) -> String {
    match kind {
        GPT_KIND => String::from("gpt"),
        SD_KIND => String::from("sd"),
        other => other.to_string(),
    }
}

/// A status in a word.
const fn status_name(status: Status) -> &'static str {
    match status {
        Status::Free => "free",
        Status::Busy => "busy",
        Status::Paused => "paused",
        Status::Suspended => "suspended",
        Status::Frozen => "frozen",
        Status::Unbonding => "unbonding",
        Status::Gone => "gone",
        Status::Slashed => "slashed",
        _ => "none",
    }
}

fn named(counts: BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

fn left(abstention: &Abstention) -> Left {
    let Abstention { action, reason } = *abstention;
    Left { action: action.to_string(), code: reason.code().into(), reason }
}

fn acted(head: &Head, action: Action, outcome: &Outcome, reward: u128) -> Acted {
    let (gas_used, cost) = match outcome {
        Outcome::Done(receipt) | Outcome::Cancelled(receipt) => (receipt.gas_used, receipt.fee()),
        Outcome::Failed(ChainError::Failed { gas_used, .. }) => (*gas_used, U256::ZERO),
        _ => (0, U256::ZERO),
    };
    Acted {
        at: unix_now(),
        block: head.number,
        action: action.to_string(),
        code: outcome.code().into(),
        text: outcome.to_string(),
        transaction: outcome.transaction(),
        gas_used,
        cost,
        reward: U256::from(reward),
    }
}

fn count(number: usize) -> u64 {
    number as u64
}

/// Coins, as metrics have them: with the precision of a double.
fn coins(wei: U256) -> f64 {
    format_ether(wei).parse().unwrap_or_default()
}
