use std::{collections::BTreeMap, fmt};

use super::Proposal;
use crate::{TaskId, View, order::ranking};

/// Moves that are written out.
const SHOWN: usize = 8;

/// What a change of durations would do to the order of service if all tasks that wait were offered under it.
///
/// Tasks that wait keep the value they were offered at, so this is what happens to tasks like them from then on, and to
/// those that are queued again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Tasks that wait.
    pub queued: usize,
    /// Those whose place changes, in the order they would have.
    pub moves: Vec<Move>,
}

/// A task whose place in the order changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The task.
    pub task: TaskId,
    /// How many are before it now.
    pub from: usize,
    /// How many would be.
    pub to: usize,
}

impl Effect {
    /// The effect of a proposal on the tasks that wait.
    pub fn of(proposal: &Proposal, view: &View) -> Self {
        let before = ranking(view);
        let places: BTreeMap<_, _> = before.iter().map(|ranked| (ranked.task, ranked.before)).collect();
        let after = ranking(&view.offered_anew(proposal.kind, proposal.overhead_ms, proposal.ms_per_unit));
        let moved = |ranked: crate::order::Ranked| {
            let from = *places.get(&ranked.task)?;
            (from != ranked.before).then_some(Move { task: ranked.task, from, to: ranked.before })
        };
        Self { queued: before.len(), moves: after.into_iter().filter_map(moved).collect() }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} places change", self.moves.len(), self.queued)?;
        self.moves.iter().take(SHOWN).try_for_each(|moved| write!(f, "; {moved}"))?;
        match self.moves.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} from {} to {}", self.task, self.from + 1, self.to + 1)
    }
}
