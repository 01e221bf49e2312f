//! A node's metrics, in the form that Prometheus reads.

use std::sync::Arc;

use axum::{Router, routing::get};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::metrics::{self, FloatGauge};

/// Bounds of the time of a stage, in seconds: from a block to the longest task.
const STAGE_SECONDS: [f64; 10] = [0.25, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 3_600.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Outcome {
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Code {
    pub(super) code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Stage {
    pub(super) stage: &'static str,
}

/// A node's metrics. Copies share their numbers.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    registry: Arc<Registry>,
    /// Tasks that have ended: `agreed`, or `not_agreed`.
    pub(super) tasks: Family<Outcome, Counter>,
    /// Answers committed to: `answer`, or the name of the error.
    pub(super) answers: Family<Code, Counter>,
    /// Tasks that found no answer, by the stable code of the error.
    pub(super) failures: Family<Code, Counter>,
    /// Failures outside this machine that were tried again, by their stable code.
    pub(super) retries: Family<Code, Counter>,
    /// Seconds that tasks were in each stage.
    pub(super) stages: Family<Stage, Histogram>,
    pub(super) earned: FloatGauge,
    pub(super) score: Gauge,
    pub(super) free_memory: Gauge,
    pub(super) memory_budget: Gauge,
    pub(super) children: Gauge,
    pub(super) lost_children: Counter,
    pub(super) journal_entries: Gauge,
    pub(super) block: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("xenon_node");
        let stages = Family::new_with_constructor(stage_histogram as fn() -> Histogram);
        let mut metrics = Self {
            registry: Arc::default(),
            tasks: Family::default(),
            answers: Family::default(),
            failures: Family::default(),
            retries: Family::default(),
            stages,
            earned: Gauge::default(),
            score: Gauge::default(),
            free_memory: Gauge::default(),
            memory_budget: Gauge::default(),
            children: Gauge::default(),
            lost_children: Counter::default(),
            journal_entries: Gauge::default(),
            block: Gauge::default(),
        };
        metrics.register(&mut registry);
        metrics.registry = Arc::new(registry);
        metrics
    }
}

impl Metrics {
    fn register(&self, registry: &mut Registry) {
        registry.register("tasks", "Tasks that have ended, by whether this node agreed", self.tasks.clone());
        registry.register("answers", "Answers committed to, by error", self.answers.clone());
        registry.register("failures", "Tasks that found no answer, by code", self.failures.clone());
        registry.register("retries", "Failures outside this machine, by code", self.retries.clone());
        let seconds = Unit::Seconds;
        registry.register_with_unit("stage", "Time of tasks in each stage", seconds, self.stages.clone());
        registry.register("earned_cnx", "Earnings that are not collected", self.earned.clone());
        registry.register("score", "Score of the node, of 640", self.score.clone());
        registry.register_with_unit("free_memory", "Memory that can be had", Unit::Bytes, self.free_memory.clone());
        let budget = "Most memory that models may take together";
        registry.register_with_unit("memory_budget", budget, Unit::Bytes, self.memory_budget.clone());
        registry.register("children", "Processes that hold a model", self.children.clone());
        registry.register("lost_children", "Processes that ended unasked", self.lost_children.clone());
        registry.register("journal_entries", "Tasks in the journal", self.journal_entries.clone());
        registry.register("block", "The newest block that was looked at", self.block.clone());
    }

    fn text(&self) -> String {
        metrics::text(&self.registry)
    }
}

fn stage_histogram() -> Histogram {
    Histogram::new(STAGE_SECONDS)
}

/// Answers at `/metrics`.
pub(super) fn router(metrics: Metrics) -> Router {
    Router::new().route("/metrics", get(move || async move { metrics::answer(metrics.text()) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_written_with_its_labels_and_its_unit() {
        let metrics = Metrics::default();
        metrics.tasks.get_or_create(&Outcome { outcome: "agreed" }).inc();
        metrics.answers.get_or_create(&Code { code: "out_of_memory".to_owned() }).inc();
        metrics.retries.get_or_create(&Code { code: "XP-302".to_owned() }).inc();
        metrics.stages.get_or_create(&Stage { stage: "answer" }).observe(2.0);
        metrics.earned.set(1.5);
        metrics.free_memory.set(7);
        let text = metrics.text();
        for line in [
            "xenon_node_tasks_total{outcome=\"agreed\"} 1",
            "xenon_node_answers_total{code=\"out_of_memory\"} 1",
            "xenon_node_retries_total{code=\"XP-302\"} 1",
            "xenon_node_stage_seconds_bucket{le=\"2.5\",stage=\"answer\"} 1",
            "xenon_node_earned_cnx 1.5",
            "xenon_node_free_memory_bytes 7",
            "xenon_node_lost_children_total 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
    }
}
