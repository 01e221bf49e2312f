//! The state of the network as its events tell it.
//!
//! [`View::apply`] is a pure fold: equal logs give equal views. A log that was seen before changes nothing; one that
//! cannot follow from what is known is an error, after which the view must be built anew.

mod audit;
mod books;
mod course;
mod due;
mod error;
mod floor;
mod keepers;
mod kind;
mod node;
mod nodes;
mod number;
mod pages;
mod queue;
mod reservation;
mod round;
mod sample;
mod task;
mod tasks;
#[cfg(test)]
mod tests;
mod wei;

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroU32,
};

use alloy::primitives::{B256, aliases::U40};
use serde::{Deserialize, Serialize};
use xenon_protocol::contracts::{Ending, Status};

use self::books::End;
pub use self::{
    books::{BookKey, Books, ClassBook, ClassKey, TierKey},
    error::ViewError,
    floor::floor_of,
    keepers::Keepers,
    kind::Kind,
    node::{Capacity, Case, Class, Counts, Node},
    nodes::Nodes,
    queue::{PriceTimeQueue, Slot},
    reservation::{Limits, Reservation},
    round::{HASH_WINDOW, ROUND_LIMIT, Round},
    sample::Sample,
    task::{Seats, Stage, Task},
    tasks::Tasks,
};
use crate::{ClassId, Event, KindId, Logged, NodeId, Position, TaskCreated, TaskId, Tier, order::Value};

/// How many tasks of a kind ended in each way, by [`Ending`].
pub type Tally = [u64; 9];

/// The deadline of a task whose seats are about to be given away: only their seating moves it.
const NEVER: u64 = (1 << U40::BITS) - 1;

/// What became of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is part of the view now.
    Fresh,
    /// It had been applied before.
    Duplicate,
}

/// The network's state after some log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    last: Option<(Position, B256)>,
    kinds: BTreeMap<KindId, Kind>,
    tallies: BTreeMap<KindId, Tally>,
    tasks: Tasks,
    books: Books,
    round: Round,
    nodes: Nodes,
    limits: Limits,
    crank_bps: u16,
    reservation: Option<Reservation>,
    /// The block in which a reservation ended for which nothing was drawn, while that may bind the round that waits.
    bound_in: Option<u64>,
    /// Tasks that have, or had, seats to give away, in the order in which they are looked at.
    vacancies: VecDeque<TaskId>,
    /// Tasks created since a moment was last noted.
    undated: Vec<TaskId>,
    keepers: Keepers,
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

    /// Who seated tasks lately.
    pub const fn keepers(&self) -> &Keepers {
        &self.keepers
    }

    /// The round drawn and not yet seated.
    pub const fn round(&self) -> &Round {
        &self.round
    }

    /// The nodes.
    pub const fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Length and reservation times of the queue.
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// What of a task's escrow, in wei, is paid to whoever turns the crank now.
    pub fn crank_share(&self, task: &Task) -> u128 {
        // An escrow has 96 bits.
        task.escrow() * u128::from(self.crank_bps) / 10_000
    }

    /// The class that is reserved, if one is.
    pub const fn reservation(&self) -> Option<&Reservation> {
        self.reservation.as_ref()
    }

    /// Whether another class cannot be reserved before the round that waits is seated, because one that was reserved
    /// when it was drawn still binds it.
    pub const fn is_bound(&self) -> bool {
        self.bound_in.is_some() && self.round.draw_block() != 0
    }

    /// The line of tasks with seats to give away. Some of them may have moved on meanwhile.
    ///
    /// Not every draw that moves tasks to its end says so: whoever knows the order [corrects it](Self::note_vacancies).
    pub const fn vacancies(&self) -> &VecDeque<TaskId> {
        &self.vacancies
    }

    /// Whether some task has seats to give away.
    pub fn has_vacancies(&self) -> bool {
        let is_vacant = |task: &Task| matches!(task.stage, Stage::Vacant(_));
        self.vacancies.iter().any(|task| self.tasks.get(*task).is_some_and(is_vacant))
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
        self.keepers.happen(&log.event, log.at.block);
        self.last = Some((log.at, log.block_hash));
        Ok(Applied::Fresh)
    }

    /// Takes note of the line of tasks with seats to give away, as the contract has it.
    pub fn note_vacancies(&mut self, line: impl IntoIterator<Item = TaskId>) {
        self.vacancies = line.into_iter().collect();
    }

    /// Takes note of the time of a block not before that of the last log: what was created waits at that time.
    pub fn note_time(&mut self, timestamp: u64) {
        self.tasks.note_time(std::mem::take(&mut self.undated), timestamp);
    }

    /// The view as it would be if a kind had these durations and all its queued tasks had been offered under them, in their
    /// present order.
    #[must_use]
    pub fn offered_anew(&self, id: KindId, overhead_ms: u32, ms_per_unit: NonZeroU32) -> Self {
        let mut view = self.clone();
        let Some(kind) = view.kinds.get_mut(&id) else { return view };
        *kind = kind.lasting(overhead_ms, ms_per_unit);
        let kind = *kind;
        for ranked in crate::order::ranking(self) {
            view.offer_anew(ranked.task, id, &kind);
        }
        view
    }

    fn offer_anew(&mut self, id: TaskId, of: KindId, kind: &Kind) {
        let Some(task) = self.tasks.get(id).filter(|task| task.kind == of) else { return };
        let (mut task, Stage::Queued(slot)) = (task.clone(), task.stage) else { return };
        let Some(duration_ms) = kind.duration_ms(task.size) else { return };
        self.books.remove(task.book(), slot);
        task.offer_anew(duration_ms);
        task.stage = Stage::Queued(self.books.insert(task.book(), task.value().level(), id, End::Back));
        self.tasks.keep(id, task);
    }

    fn happen(&mut self, event: &Event, block: u64) -> Result<(), ViewError> {
        match event {
            Event::KindAdded { kind, spec } => self.kind_added(*kind, *spec),
            Event::DurationsChanged { kind, overhead_ms, ms_per_unit } => {
                self.durations_changed(*kind, *overhead_ms, *ms_per_unit)
            }
            Event::TermsChanged { crank_bps } => {
                self.crank_bps = *crank_bps;
                Ok(())
            }
            Event::LimitsChanged(limits) => {
                self.limits = *limits;
                Ok(())
            }
            Event::TaskCreated(created) => self.task_created(created),
            Event::TaskWithdrawn { task, ending, .. } => self.task_withdrawn(*task, *ending),
            Event::TaskDrawn { task, draw_block } => self.task_drawn(*task, block, *draw_block),
            Event::RoundRedrawn { old_block, new_block } => self.round.redraw(block, *old_block, *new_block),
            Event::TaskEvicted { task } => self.task_evicted(*task),
            Event::ClassReserved { task, class, until } => self.class_reserved(*task, *class, *until),
            Event::ReservationEnded { task, class } => self.reservation_ended(*task, *class, block),
            Event::TaskRequeued { task } => self.task_requeued(*task, block),
            Event::ClassBookParked { kind, class } => self.class_book_parked(*kind, *class),
            Event::ClassBookWoken { kind, class } => self.class_book_woken(*kind, *class),
            Event::TaskSeated { task, nodes, class, commit_by, crank_reward, .. } => {
                self.task_seated(*task, block, (*nodes, *class), *commit_by, *crank_reward)
            }
            Event::SeatsVacated { task, vacated, refill_by } => self.seats_vacated(*task, *vacated, *refill_by),
            Event::TaskVacant { task } => self.task_vacant(*task),
            Event::SeatsRefilled { task, nodes, commit_by, crank_reward, .. } => {
                self.seats_refilled(*task, block, *nodes, *commit_by, *crank_reward)
            }
            Event::Advanced { task, crank_reward, .. } => self.tasks.pay("Advanced", *task, *crank_reward),
            Event::Committed { task, node, .. } => self.committed(*task, *node),
            Event::RevealOpened { task, reveal_by } => self.reveal_opened(*task, *reveal_by, block),
            Event::Revealed { task, node, .. } => self.revealed(*task, *node),
            Event::TaskSettled(settled) => self.task_settled(settled, block),
            Event::DeliveryPassed { task, next, deliver_by } => self.delivery_passed(*task, *next, *deliver_by),
            Event::Delivered { task, node, .. } => self.delivered(*task, *node),
            Event::Undelivered { task, .. } => self.undelivered(*task),
            about_a_node => self.happen_to_node(about_a_node, block),
        }
    }

    fn happen_to_node(&mut self, event: &Event, block: u64) -> Result<(), ViewError> {
        match event {
            Event::NodeJoined(joined) => self.nodes.join(joined),
            Event::ClassOpened { class, tier, .. } => self.nodes.open_class(*class, *tier),
            Event::StatusChanged { node, status } => self.status_changed(*node, *status, block),
            Event::IntentChanged { node, intent } => self.nodes.change_intent(*node, *intent),
            Event::NodeAbsorbed { node } => self.nodes.absorb(*node),
            Event::ClassReviewed { class, open } => self.nodes.review(*class, *open),
            Event::StakeWithdrawn { node, .. } => self.nodes.set_stake("StakeWithdrawn", *node, 0),
            Event::StakeAdded { node, stake, .. } => self.nodes.set_stake("StakeAdded", *node, *stake),
            Event::Penalized { node, stake, .. } => self.nodes.set_stake("Penalized", *node, *stake),
            Event::Slashed { node, .. } => self.nodes.set_stake("Slashed", *node, 0),
            Event::CaseOpened { node, task, appeal_by, .. } => self.nodes.open_case(*node, *task, *appeal_by),
            Event::Appealed { node, decide_by, .. } => self.nodes.appeal(*node, *decide_by),
            Event::Scored { node, score, .. } => self.nodes.score(*node, *score),
            // What changes nothing here, or is followed by the event that does.
            _ => Ok(()),
        }
    }

    fn durations_changed(&mut self, id: KindId, overhead_ms: u32, ms_per_unit: NonZeroU32) -> Result<(), ViewError> {
        let kind = self.kinds.get_mut(&id).ok_or(ViewError::UnknownKind { event: "DurationsChanged", kind: id })?;
        *kind = kind.lasting(overhead_ms, ms_per_unit);
        Ok(())
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
        let wrong = ViewError::WrongTask { task: created.task };
        let mut task = Task::new(created, tier, value).ok_or(wrong)?;
        task.stage = Stage::Queued(self.books.insert(task.book(), value.level(), created.task, End::Back));
        self.undated.push(created.task);
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
        let value = kind.value(created.fee, created.size);
        value.filter(|value| value.rate() == created.value).ok_or(ViewError::WrongTask { task: created.task })
    }

    fn task_withdrawn(&mut self, id: TaskId, ending: Ending) -> Result<(), ViewError> {
        let task = self.tasks.take("TaskWithdrawn", id)?;
        let task = self.leave_book("TaskWithdrawn", id, task)?;
        self.count(task.kind, ending);
        Ok(())
    }

    fn task_drawn(&mut self, id: TaskId, block: u64, draw_block: u64) -> Result<(), ViewError> {
        let mut task = self.tasks.take("TaskDrawn", id)?;
        if let Stage::Vacant(seats) = task.stage {
            self.vacancies.retain(|other| *other != id);
            (task.stage, task.deadline) = (Stage::Refilling(seats), NEVER);
        } else {
            task = self.leave_book("TaskDrawn", id, task)?;
            task.stage = Stage::Drawn;
        }
        self.tasks.keep(id, task);
        if let Some(reservation) = self.reservation.as_mut().filter(|reservation| reservation.task == id) {
            reservation.drawn = true;
        }
        // In the block in which the reservation ended the same draw may have begun under it.
        self.bound_in = self.bound_in.filter(|ended| *ended == block);
        self.round.draw(id, block, draw_block)
    }

    fn task_evicted(&mut self, id: TaskId) -> Result<(), ViewError> {
        const EVENT: &str = "TaskEvicted";
        let task = self.tasks.get(id).ok_or(ViewError::UnknownTask { event: EVENT, task: id })?;
        if matches!(task.stage, Stage::Queued(_)) { Ok(()) } else { Err(task.stage.refuses(EVENT, id)) }
    }

    fn class_reserved(&mut self, task: TaskId, class: ClassId, until: u64) -> Result<(), ViewError> {
        const EVENT: &str = "ClassReserved";
        let is_queued = |task: &Task| matches!(task.stage, Stage::Queued(_));
        if self.reservation.is_some() || !self.tasks.get(task).is_some_and(is_queued) {
            return Err(ViewError::WrongReservation { event: EVENT, task, class });
        }
        self.reservation = Some(Reservation { task, class, until, drawn: false });
        self.bound_in = None;
        Ok(())
    }

    fn reservation_ended(&mut self, task: TaskId, class: ClassId, block: u64) -> Result<(), ViewError> {
        let ended = self.reservation.take().filter(|held| (held.task, held.class) == (task, class));
        let ended = ended.ok_or(ViewError::WrongReservation { event: "ReservationEnded", task, class })?;
        self.bound_in = Some(block).filter(|_| !ended.drawn);
        Ok(())
    }

    /// Takes a queued task out of its book.
    fn leave_book(&mut self, event: &'static str, id: TaskId, task: Task) -> Result<Task, ViewError> {
        match task.stage {
            Stage::Queued(slot) if self.books.remove(task.book(), slot) => Ok(task),
            stage => Err(stage.refuses(event, id)),
        }
    }

    fn task_requeued(&mut self, id: TaskId, block: u64) -> Result<(), ViewError> {
        let mut task = self.leave_round("TaskRequeued", id, block)?;
        if let Some(duration_ms) = self.kinds.get(&task.kind).and_then(|kind| kind.duration_ms(task.size)) {
            task.offer_anew(duration_ms);
        }
        task.stage = Stage::Queued(self.books.insert(task.book(), task.value().level(), id, End::Front));
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
        let mut task = self.leave_round("TaskSeated", id, block)?;
        task.pay(crank_reward);
        let stage = Stage::Committing(Seats::new(nodes));
        self.tasks.keep(id, Task { stage, class, deadline: commit_by, ..task });
        Ok(())
    }

    /// Takes a task that had its turn out of the round and out of the table.
    fn leave_round(&mut self, event: &'static str, id: TaskId, block: u64) -> Result<Task, ViewError> {
        let task = self.tasks.take(event, id)?;
        self.serve(event, id, block)?;
        Ok(task)
    }

    /// A task of the round had its turn.
    fn serve(&mut self, event: &'static str, id: TaskId, block: u64) -> Result<(), ViewError> {
        self.round.serve(event, id, block)
    }

    fn class_book_parked(&mut self, kind: KindId, class: ClassId) -> Result<(), ViewError> {
        let wrong = ViewError::WrongBook { event: "ClassBookParked", kind, class };
        if self.books.park(ClassKey { kind, class }) { Ok(()) } else { Err(wrong) }
    }

    fn class_book_woken(&mut self, kind: KindId, class: ClassId) -> Result<(), ViewError> {
        let wrong = ViewError::WrongBook { event: "ClassBookWoken", kind, class };
        if self.books.wake(ClassKey { kind, class }) { Ok(()) } else { Err(wrong) }
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
