//! The state of the network as its events tell it.
//!
//! [`View::apply`] is a pure fold: equal logs give equal views. A log that was seen before changes nothing; one that
//! cannot follow from what is known is an error, after which the view must be built anew.

mod audit;
mod books;
mod error;
mod kind;
mod node;
mod nodes;
mod queue;
mod round;
mod task;
mod tasks;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use alloy::primitives::B256;
use xenon_protocol::contracts::{Ending, Status};

use self::books::End;
pub use self::{
    books::{BookKey, Books, ClassBook, ClassKey, TierKey},
    error::ViewError,
    kind::Kind,
    node::{Capacity, Class, Counts, Node},
    nodes::Nodes,
    queue::{PriceTimeQueue, Slot},
    round::{HASH_WINDOW, ROUND_LIMIT, Round},
    task::{Seats, Stage, Task},
    tasks::Tasks,
};
use crate::{ClassId, Event, KindId, Logged, NodeId, Position, TaskCreated, TaskId, TaskSettled, Tier, order::Value};

/// How many tasks of a kind ended in each way, by [`Ending`].
pub type Tally = [u64; 8];

/// What became of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is part of the view now.
    Fresh,
    /// It had been applied before.
    Duplicate,
}

/// The network's state after some log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    last: Option<(Position, B256)>,
    kinds: BTreeMap<KindId, Kind>,
    tallies: BTreeMap<KindId, Tally>,
    tasks: Tasks,
    books: Books,
    round: Round,
    nodes: Nodes,
}

impl View {
    /// The state before anything happened.
    pub fn new() -> Self {
        Self::default()
    }

    /// The last log applied.
    pub fn last(&self) -> Option<Position> {
        self.last.map(|(at, _)| at)
    }

    /// The kinds of tasks.
    pub const fn kinds(&self) -> &BTreeMap<KindId, Kind> {
        &self.kinds
    }

    /// Ended tasks of each kind of which some ended.
    pub const fn tallies(&self) -> &BTreeMap<KindId, Tally> {
        &self.tallies
    }

    /// The tasks that have not ended.
    pub const fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// The order books.
    pub const fn books(&self) -> &Books {
        &self.books
    }

    /// The round drawn and not yet seated.
    pub const fn round(&self) -> &Round {
        &self.round
    }

    /// The nodes.
    pub const fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Whether a task of that kind, in the book of that class if it names one, needs three nodes of one class.
    pub fn needs_one_class(&self, kind: KindId, required: Option<ClassId>) -> bool {
        required.is_some() || self.kinds.get(&kind).is_some_and(|kind| kind.same_class)
    }

    /// Applies the next log.
    ///
    /// # Errors
    /// The log cannot follow those before it. The view is then unusable.
    pub fn apply(&mut self, log: &Logged) -> Result<Applied, ViewError> {
        if let Some((last, known)) = self.last {
            if last.block == log.at.block && known != log.block_hash {
                return Err(ViewError::Forked { block: last.block, known, found: log.block_hash });
            }
            if log.at <= last {
                return Ok(Applied::Duplicate);
            }
        }
        self.happen(&log.event, log.at.block)?;
        self.last = Some((log.at, log.block_hash));
        Ok(Applied::Fresh)
    }

    /// Takes note of how many nodes really wait for the sets to open, which no event tells.
    pub fn note_deferred(&mut self, waiting: usize) {
        self.nodes.shorten_list(waiting);
    }

    fn happen(&mut self, event: &Event, block: u64) -> Result<(), ViewError> {
        match event {
            Event::KindAdded { kind, spec } => self.kind_added(*kind, *spec),
            Event::TaskCreated(created) => self.task_created(created),
            Event::TaskWithdrawn { task, ending, .. } => self.task_withdrawn(*task, *ending),
            Event::TaskDrawn { task, draw_block } => self.task_drawn(*task, block, *draw_block),
            Event::RoundRedrawn { old_block, new_block } => self.round.redraw(block, *old_block, *new_block),
            Event::TaskRequeued { task } => self.task_requeued(*task, block),
            Event::ClassBookParked { kind, class } => self.class_book_parked(*kind, *class),
            Event::ClassBookWoken { kind, class } => self.class_book_woken(*kind, *class),
            Event::TaskSeated { task, nodes, class, commit_by, crank_reward, .. } => {
                self.task_seated(*task, block, (*nodes, *class), *commit_by, *crank_reward)
            }
            Event::Committed { task, node, .. } => self.committed(*task, *node),
            Event::RevealOpened { task, reveal_by } => self.reveal_opened(*task, *reveal_by),
            Event::Revealed { task, node, .. } => self.revealed(*task, *node),
            Event::TaskSettled(settled) => self.task_settled(settled),
            Event::DeliveryPassed { task, next, deliver_by } => self.delivery_passed(*task, *next, *deliver_by),
            Event::Delivered { task, node, .. } => self.delivered(*task, *node),
            Event::Undelivered { task, .. } => self.undelivered(*task),
            Event::NodeJoined(joined) => self.nodes.join(joined),
            Event::ClassOpened { class, tier, .. } => self.nodes.open_class(*class, *tier),
            Event::StatusChanged { node, status } => self.status_changed(*node, *status, block),
            Event::IntentChanged { node, intent } => {
                self.nodes.change_intent(*node, *intent, self.round.closes_sets_in(block))
            }
            Event::StakeWithdrawn { node, .. } => self.nodes.withdraw_stake(*node),
            Event::Scored { node, score, .. } => self.nodes.score(*node, *score),
            Event::Withdrawn { .. } => Ok(()),
        }
    }

    fn kind_added(&mut self, kind: KindId, spec: Kind) -> Result<(), ViewError> {
        let expected = self.kinds.len() as u64;
        if u64::from(kind.0) != expected {
            return Err(ViewError::Skipped { what: "kind", expected, found: kind.0.into() });
        }
        self.kinds.insert(kind, spec);
        Ok(())
    }

    fn task_created(&mut self, created: &TaskCreated) -> Result<(), ViewError> {
        let tier = self.tier_of(created)?;
        let value = self.value_of(created)?;
        let mut task = Task {
            creator: created.creator,
            kind: created.kind,
            size: created.size,
            tier,
            class: created.required_class,
            value,
            escrow: created.fee,
            stage: Stage::Drawn,
            deadline: created.expires_at,
            requeues: 0,
            requeued_in: 0,
        };
        task.stage = Stage::Queued(self.books.insert(task.book(), value.level(), created.task, End::Back));
        self.tasks.add(created.task, task)
    }

    /// The tier of the book: what the task asks for, or that of the class it names.
    fn tier_of(&self, created: &TaskCreated) -> Result<Tier, ViewError> {
        let Some(class) = created.required_class else {
            return Tier::at_least(created.min_vram).ok_or(ViewError::WrongTask { task: created.task });
        };
        let unknown = ViewError::UnknownClass { event: "TaskCreated", class };
        self.nodes.class(class).map(|class| class.tier).ok_or(unknown)
    }

    /// The offer, which must be the one the contract computed.
    fn value_of(&self, created: &TaskCreated) -> Result<Value, ViewError> {
        let unknown = ViewError::UnknownKind { event: "TaskCreated", kind: created.kind };
        let kind = self.kinds.get(&created.kind).ok_or(unknown)?;
        let value = kind.duration_ms(created.size).map(|duration_ms| Value { fee: created.fee, duration_ms });
        value.filter(|value| value.rate() == created.value).ok_or(ViewError::WrongTask { task: created.task })
    }

    fn task_withdrawn(&mut self, id: TaskId, ending: Ending) -> Result<(), ViewError> {
        let task = self.leave_book("TaskWithdrawn", id)?;
        self.count(task.kind, ending);
        Ok(())
    }

    fn task_drawn(&mut self, id: TaskId, block: u64, draw_block: u64) -> Result<(), ViewError> {
        let task = self.leave_book("TaskDrawn", id)?;
        self.tasks.keep(id, Task { stage: Stage::Drawn, ..task });
        self.round.draw(id, block, draw_block)
    }

    /// Takes a queued task out of its book and out of the table.
    fn leave_book(&mut self, event: &'static str, id: TaskId) -> Result<Task, ViewError> {
        let task = self.tasks.take(event, id)?;
        match task.stage {
            Stage::Queued(slot) if self.books.remove(task.book(), slot) => Ok(task),
            stage => Err(stage.refuses(event, id)),
        }
    }

    fn task_requeued(&mut self, id: TaskId, block: u64) -> Result<(), ViewError> {
        let mut task = self.leave_round("TaskRequeued", id, block)?;
        task.stage = Stage::Queued(self.books.insert(task.book(), task.value.level(), id, End::Front));
        task.requeues = task.requeues.saturating_add(1);
        task.requeued_in = block;
        self.tasks.keep(id, task);
        Ok(())
    }

    fn task_seated(
        &mut self,
        id: TaskId,
        block: u64,
        (nodes, class): ([NodeId; 3], Option<ClassId>),
        commit_by: u64,
        crank_reward: u128,
    ) -> Result<(), ViewError> {
        let task = self.leave_round("TaskSeated", id, block)?;
        let escrow = task.escrow.saturating_sub(crank_reward);
        let stage = Stage::Committing(Seats::new(nodes));
        self.tasks.keep(id, Task { stage, class, escrow, deadline: commit_by, ..task });
        Ok(())
    }

    /// Takes a task that had its turn out of the round and out of the table.
    fn leave_round(&mut self, event: &'static str, id: TaskId, block: u64) -> Result<Task, ViewError> {
        let task = self.tasks.take(event, id)?;
        if let Some(tasks) = self.round.serve(event, id, block)? {
            self.nodes.end_round(tasks);
        }
        Ok(task)
    }

    fn class_book_parked(&mut self, kind: KindId, class: ClassId) -> Result<(), ViewError> {
        let wrong = ViewError::WrongBook { event: "ClassBookParked", kind, class };
        if self.books.park(ClassKey { kind, class }) { Ok(()) } else { Err(wrong) }
    }

    fn class_book_woken(&mut self, kind: KindId, class: ClassId) -> Result<(), ViewError> {
        let wrong = ViewError::WrongBook { event: "ClassBookWoken", kind, class };
        if self.books.wake(ClassKey { kind, class }) { Ok(()) } else { Err(wrong) }
    }

    fn committed(&mut self, id: TaskId, node: NodeId) -> Result<(), ViewError> {
        const EVENT: &str = "Committed";
        self.tasks.seats(EVENT, id, |stage| stage.committing(EVENT, id)?.commit(id, node))
    }

    fn reveal_opened(&mut self, id: TaskId, reveal_by: u64) -> Result<(), ViewError> {
        const EVENT: &str = "RevealOpened";
        let mut task = self.tasks.take(EVENT, id)?;
        task.stage = Stage::Revealing(*task.stage.committing(EVENT, id)?);
        self.tasks.keep(id, Task { deadline: reveal_by, ..task });
        Ok(())
    }

    fn revealed(&mut self, id: TaskId, node: NodeId) -> Result<(), ViewError> {
        const EVENT: &str = "Revealed";
        self.tasks.seats(EVENT, id, |stage| stage.revealing(EVENT, id)?.reveal(id, node))
    }

    fn task_settled(&mut self, settled: &TaskSettled) -> Result<(), ViewError> {
        let mut task = self.tasks.take("TaskSettled", settled.task)?;
        let (Stage::Committing(mut seats) | Stage::Revealing(mut seats)) = task.stage else {
            return Err(task.stage.refuses("TaskSettled", settled.task));
        };
        self.count(task.kind, settled.ending);
        if settled.ending == Ending::Agreed {
            seats.settle(settled.agreeing, settled.deliverer);
            task.escrow = settled.shares.get(usize::from(settled.deliverer)).copied().unwrap_or_default();
            task.stage = Stage::Delivering(seats);
            self.tasks.keep(settled.task, Task { deadline: settled.deliver_by, ..task });
        }
        Ok(())
    }

    fn delivery_passed(&mut self, id: TaskId, next: NodeId, deliver_by: u64) -> Result<(), ViewError> {
        const EVENT: &str = "DeliveryPassed";
        let mut task = self.tasks.take(EVENT, id)?;
        task.stage.delivering(EVENT, id)?.pass_delivery(id, next)?;
        self.tasks.keep(id, Task { deadline: deliver_by, ..task });
        Ok(())
    }

    fn delivered(&mut self, id: TaskId, node: NodeId) -> Result<(), ViewError> {
        const EVENT: &str = "Delivered";
        let mut task = self.tasks.take(EVENT, id)?;
        let is_its_turn = task.stage.delivering(EVENT, id)?.delivers(node);
        if is_its_turn { Ok(()) } else { Err(ViewError::WrongSeat { event: EVENT, task: id, node }) }
    }

    fn undelivered(&mut self, id: TaskId) -> Result<(), ViewError> {
        const EVENT: &str = "Undelivered";
        self.tasks.take(EVENT, id)?.stage.delivering(EVENT, id).map(drop)
    }

    fn status_changed(&mut self, node: NodeId, status: Status, block: u64) -> Result<(), ViewError> {
        self.nodes.change_status(node, status, self.round.closes_sets_in(block))
    }

    fn count(&mut self, kind: KindId, ending: Ending) {
        if let Some(count) = self.tallies.entry(kind).or_default().get_mut(ending as usize) {
            *count += 1;
        }
    }
}
