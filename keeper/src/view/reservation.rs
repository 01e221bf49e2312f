use serde::{Deserialize, Serialize};

use crate::{ClassId, TaskId};

/// What the owner set for the queue. Mirrors `ITaskQueue.Limits`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The queue's limit for each active node.
    pub tasks_per_node: u16,
    /// Seconds the first task of a book waits before a class can be reserved for it.
    pub reserve_after: u32,
    /// Seconds a reservation lasts at most.
    pub reserve_hold: u32,
}

/// A class whose nodes are kept for one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The task.
    pub task: TaskId,
    /// The class.
    pub class: ClassId,
    /// When it ends unless the task has been drawn, in Unix seconds.
    pub until: u64,
    /// Whether the task waits to be seated.
    pub drawn: bool,
}

impl Reservation {
    /// Whether its time is over. One whose task has been drawn lasts until that is seated.
    pub const fn is_over(&self, now: u64) -> bool {
        !self.drawn && now > self.until
    }
}
