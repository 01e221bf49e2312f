//! What a task's life costs: the means of several.

use std::collections::BTreeMap;

use crate::{expense::Expense, steps::Step};

/// The steps of a life, each summed over the same number of lives.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) lives: u64,
    steps: BTreeMap<Step, Expense>,
}

impl Life {
    pub(crate) const fn new(lives: u64, steps: BTreeMap<Step, Expense>) -> Self {
        Self { lives, steps }
    }

    /// Mean gas of a step, rounded; `None` for one that this kind of life does not have.
    pub(crate) fn step(&self, step: Step) -> Option<u64> {
        Some(self.mean(self.steps.get(&step)?.gas))
    }

    /// Mean gas of a whole life, rounded.
    pub(crate) fn total(&self) -> u64 {
        self.mean(self.steps.values().map(|expense| expense.gas).sum())
    }

    /// All steps as one.
    pub(crate) fn whole(&self) -> Expense {
        self.only(|_| true)
    }

    /// The steps of a stage as one.
    pub(crate) fn stage(&self, stage: &str) -> Expense {
        self.only(|step| step.stage() == stage)
    }

    fn only(&self, chosen: impl Fn(Step) -> bool) -> Expense {
        let mut all = Expense::default();
        self.steps.iter().filter(|(step, _)| chosen(**step)).for_each(|(_, expense)| all.merge(expense));
        all
    }

    const fn mean(&self, sum: u64) -> u64 {
        (sum + self.lives / 2) / self.lives
    }
}
