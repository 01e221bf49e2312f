//! The figures, their limits, and how they are shown.

use std::fmt;

use serde_json::json;

use crate::{
    EVENTS,
    latency::Sent,
    network::{NODES, QUEUED},
    speed::{Planned, Restart},
};

const LEAST_EVENTS_PER_S: f64 = 200_000.0;
const MOST_PLAN_MS: f64 = 5.0;
const MOST_RESTART_S: f64 = 2.0;
const MOST_BYTES: f64 = 200.0;
const MOST_BLOCKS: u64 = 1;

/// All that was measured.
pub(crate) struct Figures {
    pub(crate) fold_events_per_s: f64,
    pub(crate) plans: Vec<Planned>,
    pub(crate) restart: Restart,
    pub(crate) bytes_per_task: f64,
    pub(crate) send: Sent,
}

impl Figures {
    /// The slowest plan, in milliseconds.
    fn plan_ms(&self) -> f64 {
        self.plans.iter().map(|plan| plan.time.as_secs_f64() * 1e3).fold(0.0, f64::max)
    }

    pub(crate) fn are_within_limits(&self) -> bool {
        self.fold_events_per_s >= LEAST_EVENTS_PER_S
            && self.plan_ms() <= MOST_PLAN_MS
            && self.restart.time.as_secs_f64() <= MOST_RESTART_S
            && self.bytes_per_task <= MOST_BYTES
            && self.send.p95() <= MOST_BLOCKS
    }

    /// One line for programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        json!({
            "fold_events_per_s": self.fold_events_per_s.round(),
            "plan_ms": rounded(self.plan_ms()),
            "restart_s": rounded(self.restart.time.as_secs_f64()),
            "bytes_per_task": rounded(self.bytes_per_task),
            "send_blocks_p95": self.send.p95(),
        })
    }
}

/// To a thousandth.
fn rounded(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fold: {:.0} of {EVENTS} events a second (at least {LEAST_EVENTS_PER_S})", self.fold_events_per_s)?;
        for Planned { situation, actions, time } in &self.plans {
            let ms = time.as_secs_f64() * 1e3;
            writeln!(f, "plan: {ms:.3} ms (at most {MOST_PLAN_MS}) for {actions} actions, {situation}")?;
        }
        writeln!(f, "      {QUEUED} tasks queued, {NODES} nodes")?;
        let Restart { time, snapshot_bytes, events_behind } = &self.restart;
        let seconds = time.as_secs_f64();
        writeln!(
            f,
            "restart: {seconds:.3} s (at most {MOST_RESTART_S}) from {snapshot_bytes} bytes and {events_behind} newer events"
        )?;
        writeln!(
            f,
            "memory: {:.1} bytes a queued task (at most {MOST_BYTES}), as the allocator was asked",
            self.bytes_per_task
        )?;
        write!(f, "sent: {} (at most {MOST_BLOCKS} at the 95th percentile)", self.send)
    }
}
