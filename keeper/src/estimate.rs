//! How long tasks take, learned from how long they took.
//!
//! A kind's table entry says how long a task is expected to take: an overhead and a time for each unit. Values per second
//! and deadlines follow from it. This module watches the seats of all tasks, from seating to commitment, and says when
//! the table is wrong: by how much, how sure that is, what may be changed at once, and whose turn would change.
//!
//! * The line through durations over sizes is that of *repeated medians* (A. F. Siegel, "Robust regression using repeated
//!   medians", Biometrika 69, 1982): up to half of the observations may be anything at all.
//! * A change is *significant* when the table's line does not halve the observations of the smaller or of the larger
//!   tasks: the median test of regression (G. W. Brown and A. M. Mood, "On median tests for linear hypotheses", Berkeley
//!   Symposium, 1951), with the bound of W. Hoeffding ("Probability inequalities for sums of bounded random variables",
//!   JASA 58, 1963) in place of the normal distribution, so that the error is bounded for every number of observations.
//!
//! Everything is whole numbers, and nothing depends on the order in which observations arrive.

mod effect;
mod line;
mod proposal;
mod sample;
mod seats;

use std::collections::BTreeMap;

pub use self::{
    effect::{Effect, Move},
    line::Line,
    proposal::{Proposal, Refusal},
    sample::{EPOCH, Observation, SAMPLE},
};
use self::{proposal::propose, sample::Sample, seats::Seatings};
use crate::{ClassId, Event, KindId, Logged, View};

/// What was learned of the durations of all kinds.
///
/// Bounded: two samples of [`SAMPLE`] observations for each kind, the seats in use, and the observations of blocks that
/// may still be undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimator {
    seatings: Seatings,
    /// Observations in blocks that are not final, the oldest first.
    fresh: Vec<(u64, Observation)>,
    samples: BTreeMap<KindId, Sample>,
    /// When the durations of a kind were last changed, in Unix seconds, as far as that was seen.
    changed_at: BTreeMap<KindId, u64>,
}

/// What the observations of some tasks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The kind.
    pub kind: KindId,
    /// The class of the nodes; `None` for all.
    pub class: Option<ClassId>,
    /// How many were observed.
    pub observations: usize,
    /// The line through them; `None` if too few sizes were seen to tell one.
    pub line: Option<Line>,
}

impl Estimator {
    /// Nothing has been observed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of a block's logs, given the view after it and the block's time in Unix seconds.
    pub fn note(&mut self, view: &View, logs: &[Logged], block: u64, timestamp: u64) {
        for log in logs {
            if let Event::DurationsChanged { kind, .. } = log.event {
                self.changed_at.insert(kind, timestamp);
            }
            let observed = self.seatings.note(view, &log.event, block, timestamp);
            self.fresh.extend(observed.map(|observation| (block, observation)));
        }
        self.seatings.forget_ended(view);
    }

    /// Takes back what was observed after a block, which turned out not to have happened.
    pub fn undo(&mut self, block: u64) {
        self.fresh.retain(|(seen, _)| *seen <= block);
        self.seatings.undo(block);
    }

    /// The blocks up to this one are final: what was observed in them counts.
    pub fn settle(&mut self, block: u64) {
        let end = self.fresh.partition_point(|(seen, _)| *seen <= block);
        let fresh = self.fresh.split_off(end);
        for (_, observation) in std::mem::replace(&mut self.fresh, fresh) {
            self.learn(observation);
        }
    }

    /// An observation counts.
    pub fn learn(&mut self, observation: Observation) {
        self.samples.entry(observation.kind).or_default().add(observation);
    }

    /// The observations that count for a kind, in an order of their own.
    pub fn observations(&self, kind: KindId) -> impl Iterator<Item = &Observation> {
        self.samples.get(&kind).into_iter().flat_map(Sample::iter)
    }

    /// What is known of each kind and, after it, of each class that works for it.
    pub fn reports(&self) -> Vec<Report> {
        let mut reports = Vec::new();
        for (kind, sample) in &self.samples {
            let observed: Vec<_> = sample.iter().collect();
            let mut classes: Vec<_> = observed.iter().filter_map(|seen| seen.class).collect();
            classes.sort_unstable();
            classes.dedup();
            let all = std::iter::once(None).chain(classes.into_iter().map(Some));
            reports.extend(all.map(|class| report(*kind, class, &observed)));
        }
        reports
    }

    /// The change of a kind's durations that the observations call for at a time, in Unix seconds.
    ///
    /// # Errors
    /// Why none should be made.
    pub fn proposal(&self, view: &View, kind: KindId, now: u64) -> Result<Proposal, Refusal> {
        let present = view.kinds().get(&kind).ok_or(Refusal::UnknownKind)?;
        let observed: Vec<_> = self.observations(kind).map(|seen| (seen.size, seen.ms)).collect();
        propose(kind, present, &observed, self.changed_at.get(&kind).copied(), now)
    }
}

fn report(kind: KindId, class: Option<ClassId>, observed: &[&Observation]) -> Report {
    let of_class = observed.iter().filter(|seen| class.is_none() || seen.class == class);
    let points: Vec<_> = of_class.map(|seen| (seen.size, seen.ms)).collect();
    Report { kind, class, observations: points.len(), line: Line::through(&points) }
}

#[cfg(test)]
mod tests;
