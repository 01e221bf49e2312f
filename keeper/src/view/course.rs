//! What becomes of a task once it has its nodes.

use xenon_protocol::contracts::Ending;

use super::{Stage, Task, View, ViewError};
use crate::{NodeId, TaskId, TaskSettled};

impl View {
    pub(super) fn seats_vacated(&mut self, id: TaskId, vacated: [bool; 3], refill_by: u64) -> Result<(), ViewError> {
        const EVENT: &str = "SeatsVacated";
        let mut task = self.tasks.take(EVENT, id)?;
        let mut seats = *task.stage.committing(EVENT, id)?;
        seats.vacate(vacated);
        self.tasks.keep(id, Task { stage: Stage::Vacant(seats), deadline: refill_by, ..task });
        Ok(())
    }

    pub(super) fn task_vacant(&mut self, id: TaskId) -> Result<(), ViewError> {
        const EVENT: &str = "TaskVacant";
        let task = self.tasks.get(id).ok_or(ViewError::UnknownTask { event: EVENT, task: id })?;
        if !matches!(task.stage, Stage::Vacant(_)) {
            return Err(task.stage.refuses(EVENT, id));
        }
        self.vacancies.push_back(id);
        Ok(())
    }

    pub(super) fn seats_refilled(
        &mut self,
        id: TaskId,
        block: u64,
        nodes: [NodeId; 3],
        commit_by: u64,
        crank_reward: u128,
    ) -> Result<(), ViewError> {
        const EVENT: &str = "SeatsRefilled";
        let mut task = self.leave_round(EVENT, id, block)?;
        let Stage::Refilling(mut seats) = task.stage else { return Err(task.stage.refuses(EVENT, id)) };
        seats.refill(id, nodes)?;
        task.pay(crank_reward);
        self.tasks.keep(id, Task { stage: Stage::Committing(seats), deadline: commit_by, ..task });
        Ok(())
    }

    pub(super) fn committed(&mut self, id: TaskId, node: NodeId) -> Result<(), ViewError> {
        const EVENT: &str = "Committed";
        self.tasks.seats(EVENT, id, |stage| stage.committing(EVENT, id)?.commit(id, node))
    }

    pub(super) fn reveal_opened(&mut self, id: TaskId, reveal_by: u64, block: u64) -> Result<(), ViewError> {
        const EVENT: &str = "RevealOpened";
        let mut task = self.tasks.take(EVENT, id)?;
        let (Stage::Committing(seats) | Stage::Vacant(seats) | Stage::Refilling(seats)) = task.stage else {
            return Err(task.stage.refuses(EVENT, id));
        };
        self.end_refill(EVENT, id, &task, block)?;
        task.stage = Stage::Revealing(seats);
        self.tasks.keep(id, Task { deadline: reveal_by, ..task });
        Ok(())
    }

    pub(super) fn revealed(&mut self, id: TaskId, node: NodeId) -> Result<(), ViewError> {
        const EVENT: &str = "Revealed";
        self.tasks.seats(EVENT, id, |stage| stage.revealing(EVENT, id)?.reveal(id, node))
    }

    pub(super) fn task_settled(&mut self, settled: &TaskSettled, block: u64) -> Result<(), ViewError> {
        const EVENT: &str = "TaskSettled";
        let mut task = self.tasks.take(EVENT, settled.task)?;
        let (Stage::Committing(mut seats)
        | Stage::Vacant(mut seats)
        | Stage::Refilling(mut seats)
        | Stage::Revealing(mut seats)) = task.stage
        else {
            return Err(task.stage.refuses(EVENT, settled.task));
        };
        self.end_refill(EVENT, settled.task, &task, block)?;
        self.count(task.kind, settled.ending);
        if settled.ending == Ending::Agreed {
            seats.settle(settled.agreeing, settled.deliverer);
            task.keep_escrowed(settled.shares.get(usize::from(settled.deliverer)).copied().unwrap_or_default());
            task.stage = Stage::Delivering(seats);
            self.tasks.keep(settled.task, Task { deadline: settled.deliver_by, ..task });
        }
        Ok(())
    }

    /// A task that was drawn for other nodes and found none has had its turn.
    fn end_refill(&mut self, event: &'static str, id: TaskId, task: &Task, block: u64) -> Result<(), ViewError> {
        if matches!(task.stage, Stage::Refilling(_)) { self.serve(event, id, block) } else { Ok(()) }
    }

    pub(super) fn delivery_passed(&mut self, id: TaskId, next: NodeId, deliver_by: u64) -> Result<(), ViewError> {
        const EVENT: &str = "DeliveryPassed";
        let mut task = self.tasks.take(EVENT, id)?;
        task.stage.delivering(EVENT, id)?.pass_delivery(id, next)?;
        self.tasks.keep(id, Task { deadline: deliver_by, ..task });
        Ok(())
    }

    pub(super) fn delivered(&mut self, id: TaskId, node: NodeId) -> Result<(), ViewError> {
        const EVENT: &str = "Delivered";
        let mut task = self.tasks.take(EVENT, id)?;
        let is_its_turn = task.stage.delivering(EVENT, id)?.delivers(node);
        if is_its_turn { Ok(()) } else { Err(ViewError::WrongSeat { event: EVENT, task: id, node }) }
    }

    pub(super) fn undelivered(&mut self, id: TaskId) -> Result<(), ViewError> {
        const EVENT: &str = "Undelivered";
        self.tasks.take(EVENT, id)?.stage.delivering(EVENT, id).map(drop)
    }
}
