//! A keeper's metrics. Their names, with units, are stable; docs/keeper-operations.md says what each is.

use std::sync::{Arc, atomic::AtomicU64};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::metrics::{self, FloatGauge};

/// Bounds of the time of a round, in seconds: from a look at the chain to a transaction that waits for its block.
const ROUND_SECONDS: [f64; 10] = [0.01, 0.05, 0.25, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0];

type FloatCounter = Counter<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Kind {
    pub(super) kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Stage {
    pub(super) stage: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Standing {
    pub(super) status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Act {
    pub(super) action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ActCode {
    pub(super) action: &'static str,
    pub(super) code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Code {
    pub(super) code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Node {
    pub(super) endpoint: String,
}

/// A keeper's metrics. Copies share their numbers.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    registry: Arc<Registry>,
    pub(super) start: Gauge,
    pub(super) ready: Gauge,
    pub(super) following: Gauge,
    pub(super) hindered: Family<Code, Gauge>,
    pub(super) endpoint_up: Family<Node, Gauge>,
    pub(super) endpoint_current: Family<Node, Gauge>,
    pub(super) head_block: Gauge,
    pub(super) head_timestamp: Gauge,
    pub(super) head_age: Gauge,
    pub(super) view_block: Gauge,
    pub(super) view_lag: Gauge,
    pub(super) events: Counter,
    pub(super) reorgs: Counter,
    pub(super) reorg_depth: Gauge,
    pub(super) queue: Family<Kind, Gauge>,
    pub(super) tasks: Family<Stage, Gauge>,
    pub(super) overdue: Gauge,
    pub(super) overdue_age: Gauge,
    pub(super) nodes: Family<Standing, Gauge>,
    pub(super) planned: Family<Act, Counter>,
    pub(super) sent: Family<Act, Counter>,
    pub(super) mined: Family<Act, Counter>,
    pub(super) failed: Family<ActCode, Counter>,
    pub(super) skipped: Family<ActCode, Counter>,
    pub(super) abstentions: Family<ActCode, Gauge>,
    pub(super) in_flight: Gauge,
    pub(super) breaker: Gauge,
    pub(super) gas_used: Counter,
    pub(super) gas_spent: FloatCounter,
    pub(super) earned: FloatCounter,
    pub(super) balance: FloatGauge,
    pub(super) low_balance: FloatGauge,
    pub(super) credit: FloatGauge,
    pub(super) rounds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("xenon_keeper");
        let mut metrics = Self {
            registry: Arc::default(),
            start: Gauge::default(),
            ready: Gauge::default(),
            following: Gauge::default(),
            hindered: Family::default(),
            endpoint_up: Family::default(),
            endpoint_current: Family::default(),
            head_block: Gauge::default(),
            head_timestamp: Gauge::default(),
            head_age: Gauge::default(),
            view_block: Gauge::default(),
            view_lag: Gauge::default(),
            events: Counter::default(),
            reorgs: Counter::default(),
            reorg_depth: Gauge::default(),
            queue: Family::default(),
            tasks: Family::default(),
            overdue: Gauge::default(),
            overdue_age: Gauge::default(),
            nodes: Family::default(),
            planned: Family::default(),
            sent: Family::default(),
            mined: Family::default(),
            failed: Family::default(),
            skipped: Family::default(),
            abstentions: Family::default(),
            in_flight: Gauge::default(),
            breaker: Gauge::default(),
            gas_used: Counter::default(),
            gas_spent: FloatCounter::default(),
            earned: FloatCounter::default(),
            balance: FloatGauge::default(),
            low_balance: FloatGauge::default(),
            credit: FloatGauge::default(),
            rounds: Histogram::new(ROUND_SECONDS),
        };
        metrics.register_chain(&mut registry);
        metrics.register_network(&mut registry);
        metrics.register_actions(&mut registry);
        metrics.register_money(&mut registry);
        metrics.registry = Arc::new(registry);
        metrics
    }
}

impl Metrics {
    fn register_chain(&self, registry: &mut Registry) {
        let (seconds, blocks) = (|| Unit::Seconds, || Unit::Other("blocks".into()));
        registry.register_with_unit("start_time", "When it was started, in Unix time", seconds(), self.start.clone());
        registry.register("ready", "Whether it could act now", self.ready.clone());
        registry.register("following", "Whether the last look at the chain allowed it to act", self.following.clone());
        registry.register("hindered", "Whether that keeps it from acting, by code", self.hindered.clone());
        registry.register("endpoint_up", "Whether an endpoint is healthy", self.endpoint_up.clone());
        registry.register("endpoint_current", "Whether it is the one that is read", self.endpoint_current.clone());
        registry.register("head_block", "The newest block of the endpoint", self.head_block.clone());
        let stamp = "The time of that block, in Unix time";
        registry.register_with_unit("head_timestamp", stamp, seconds(), self.head_timestamp.clone());
        registry.register_with_unit("head_age", "The age of that block", seconds(), self.head_age.clone());
        registry.register("view_block", "The block after which its view is the state", self.view_block.clone());
        let lag = "Blocks between that and the newest one";
        registry.register_with_unit("view_lag", lag, blocks(), self.view_lag.clone());
        registry.register("events_folded", "Events read and folded into the view", self.events.clone());
        registry.register("reorgs", "Reorganisations of the chain", self.reorgs.clone());
        let depth = "Blocks that the last reorganisation undid";
        registry.register_with_unit("reorg_depth", depth, blocks(), self.reorg_depth.clone());
        registry.register_with_unit("round_duration", "Time of a round", seconds(), self.rounds.clone());
    }

    fn register_network(&self, registry: &mut Registry) {
        registry.register("queue_tasks", "Tasks that wait in the queue, by kind", self.queue.clone());
        registry.register("tasks", "Tasks that have not ended, by stage", self.tasks.clone());
        registry.register("overdue_tasks", "Tasks whose stage or wait is over", self.overdue.clone());
        let age = "For how long the longest overdue of them is";
        registry.register_with_unit("overdue_age", age, Unit::Seconds, self.overdue_age.clone());
        registry.register("nodes", "Nodes, by status", self.nodes.clone());
    }

    fn register_actions(&self, registry: &mut Registry) {
        registry.register("actions_planned", "Actions planned, by action", self.planned.clone());
        registry.register("actions_sent", "Transactions sent, by action", self.sent.clone());
        registry.register("actions_mined", "Transactions that succeeded, by action", self.mined.clone());
        registry.register("actions_failed", "Actions that failed, by action and code", self.failed.clone());
        registry.register("actions_skipped", "Planned actions not sent, by action and code", self.skipped.clone());
        let abstentions = "What could be done after the last block and was not planned, by action and code";
        registry.register("abstentions", abstentions, self.abstentions.clone());
        registry.register(
            "actions_in_flight",
            "Transactions that may be sent and are in no block",
            self.in_flight.clone(),
        );
        registry.register("breaker_open", "Whether the circuit breaker lets nothing be started", self.breaker.clone());
    }

    fn register_money(&self, registry: &mut Registry) {
        registry.register("gas_used", "Gas of its transactions", self.gas_used.clone());
        registry.register("gas_spent_cnx", "What that gas cost", self.gas_spent.clone());
        registry.register("rewards_earned_cnx", "Crank rewards credited to it", self.earned.clone());
        registry.register("balance_cnx", "Balance that pays for gas", self.balance.clone());
        registry.register("low_balance_cnx", "Balance below which it warns", self.low_balance.clone());
        registry.register("credit_cnx", "Credit that it can withdraw", self.credit.clone());
    }

    pub(super) fn text(&self) -> String {
        metrics::text(&self.registry)
    }
}
