//! What the runner is doing, for whoever wants to look.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use xenon_protocol::task::ModelId;

/// What the runner is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerStatus {
    /// The task in hand.
    pub running: Option<Running>,
    /// Processes with a model, the longest unused first.
    pub children: Vec<ChildStatus>,
    /// Processes that ended without having been asked to.
    pub lost_children: u64,
    /// Tasks without an answer, by the code of the error.
    pub failures: BTreeMap<String, u64>,
    /// The most memory that models may take together, in bytes.
    pub budget: u64,
    /// Free memory when it was last looked at, in bytes.
    pub free: Option<u64>,
    /// Installed models that still fit the budget.
    pub offered: Vec<ModelId>,
    /// Installed models that do not, since memory ran out or from the start.
    pub too_large: Vec<ModelId>,
}

/// A task that is running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its model.
    pub model: ModelId,
    /// Pieces of the answer that have come so far; about as many as tokens.
    pub pieces: u64,
}

/// A process that holds a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildStatus {
    /// The model.
    pub model: ModelId,
    /// The process.
    pub pid: u32,
    /// What the model is reckoned to take, in bytes.
    pub bytes: u64,
}

/// A view of the runner that outlives it and can be looked at from any thread.
#[derive(Clone, Debug, Default)]
pub struct Monitor(Arc<Mutex<RunnerStatus>>);

impl Monitor {
    /// What the runner is doing now.
    pub fn status(&self) -> RunnerStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut RunnerStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl RunnerStatus {
    /// Whether there are models and none of them fits the memory any more: every task would end in an error.
    pub fn is_exhausted(&self) -> bool {
        self.offered.is_empty() && !self.too_large.is_empty()
    }
}
