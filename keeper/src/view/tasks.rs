use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Seats, Stage, Task, ViewError, due::Due, pages::Pages};
use crate::TaskId;

/// The tasks that have not ended, and when their stages are over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tasks {
    alive: Pages,
    last: TaskId,
    /// End of the wait of queued tasks.
    waits: BTreeSet<Due>,
    /// End of the stage of seated tasks.
    stages: BTreeSet<Due>,
}

impl Tasks {
    /// The task, unless it was never created or has ended.
    pub fn get(&self, task: TaskId) -> Option<&Task> {
        self.alive.get(task)
    }

    /// All tasks that have not ended, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        self.alive.iter()
    }

    /// The task created last; 0 if none was.
    pub fn last(&self) -> TaskId {
        self.last
    }

    /// Queued tasks whose wait is over at a time, the longest overdue first.
    pub fn expired(&self, at: u64) -> impl Iterator<Item = TaskId> {
        before(&self.waits, at)
    }

    /// Seated tasks whose stage is over at a time, the longest overdue first.
    pub fn overdue(&self, at: u64) -> impl Iterator<Item = TaskId> {
        before(&self.stages, at)
    }

    /// Adds the next task, which must have the next number.
    pub(super) fn add(&mut self, id: TaskId, task: Task) -> Result<(), ViewError> {
        let expected = self.last.0 + 1;
        if id.0 != expected {
            return Err(ViewError::Skipped { what: "task", expected, found: id.0 });
        }
        self.last = id;
        self.index(id, &task);
        self.alive.insert(id, task);
        Ok(())
    }

    /// Takes a task out of the table for as long as it is being changed.
    pub(super) fn take(&mut self, event: &'static str, id: TaskId) -> Result<Task, ViewError> {
        let task = self.alive.remove(id).ok_or(ViewError::UnknownTask { event, task: id })?;
        let end = Due::new(task.deadline, id);
        self.waits.remove(&end);
        self.stages.remove(&end);
        Ok(task)
    }

    /// Puts a task back that goes on.
    pub(super) fn keep(&mut self, id: TaskId, task: Task) {
        self.index(id, &task);
        self.alive.insert(id, task);
    }

    /// Takes note that tasks waited already at a time.
    pub(super) fn note_time(&mut self, tasks: impl IntoIterator<Item = TaskId>, at: u64) {
        for id in tasks {
            if let Some(task) = self.alive.get_mut(id) {
                task.note_wait(at);
            }
        }
    }

    /// Takes what somebody was paid for out of a task's escrow.
    pub(super) fn pay(&mut self, event: &'static str, id: TaskId, amount: u128) -> Result<(), ViewError> {
        let task = self.alive.get_mut(id).ok_or(ViewError::UnknownTask { event, task: id })?;
        task.pay(amount);
        Ok(())
    }

    /// Changes the seats of a task without changing its stage.
    pub(super) fn seats(
        &mut self,
        event: &'static str,
        id: TaskId,
        change: impl FnOnce(&mut Stage) -> Result<(), ViewError>,
    ) -> Result<(), ViewError> {
        let task = self.alive.get_mut(id).ok_or(ViewError::UnknownTask { event, task: id })?;
        change(&mut task.stage)
    }

    fn index(&mut self, id: TaskId, task: &Task) {
        let end = Due::new(task.deadline, id);
        match task.stage {
            Stage::Queued(_) => drop(self.waits.insert(end)),
            Stage::Drawn | Stage::Refilling(_) => {}
            Stage::Committing(_) | Stage::Vacant(_) | Stage::Revealing(_) | Stage::Delivering(_) => {
                self.stages.insert(end);
            }
        }
    }
}

/// Those whose time ended before `at`. At the deadline itself a stage still lasts.
fn before(ends: &BTreeSet<Due>, at: u64) -> impl Iterator<Item = TaskId> {
    ends.range(..Due::new(at, TaskId(0))).map(|due| due.task())
}

impl Stage {
    /// The error of an event that does not happen in this stage.
    pub(super) const fn refuses(&self, event: &'static str, task: TaskId) -> ViewError {
        ViewError::WrongStage { event, task, stage: self.name() }
    }

    /// The seats of a task whose nodes are at work.
    pub(super) fn committing(&mut self, event: &'static str, task: TaskId) -> Result<&mut Seats, ViewError> {
        match self {
            Self::Committing(seats) => Ok(seats),
            other => Err(other.refuses(event, task)),
        }
    }

    /// The seats of a task whose nodes show their results.
    pub(super) fn revealing(&mut self, event: &'static str, task: TaskId) -> Result<&mut Seats, ViewError> {
        match self {
            Self::Revealing(seats) => Ok(seats),
            other => Err(other.refuses(event, task)),
        }
    }

    /// The seats of a task that is being delivered.
    pub(super) fn delivering(&mut self, event: &'static str, task: TaskId) -> Result<&mut Seats, ViewError> {
        match self {
            Self::Delivering(seats) => Ok(seats),
            other => Err(other.refuses(event, task)),
        }
    }
}
