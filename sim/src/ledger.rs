//! What a run is judged by: counts, waits and money, from the logs alone.

use std::collections::BTreeMap;

use alloy::primitives::U256;
use xenon_keeper::{Event, KindId, NodeId, TaskId, View};
use xenon_protocol::contracts::{Ending, Status};

use crate::{agent::Outcome, directory::Directory};

/// Counts of a run.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    began: u64,
    time: u64,
    has_ended: bool,
    money: Money,
    kinds: BTreeMap<KindId, KindCount>,
    groups: BTreeMap<u16, GroupCount>,
    calls: BTreeMap<&'static str, CallCount>,
    /// Tasks that have not ended, and when they were created.
    open: BTreeMap<TaskId, Open>,
    /// Sums over time: seconds times tasks in the queue, nodes busy, nodes active.
    queue_seconds: u128,
    busy_seconds: u128,
    active_seconds: u128,
}

/// What the contracts must hold, in wei.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money {
    /// The Task contract: fees in, withdrawals out.
    pub fees: U256,
    /// The Node contract: stakes in, withdrawals out.
    pub stakes: U256,
}

/// Counts of one kind of task.
#[derive(Clone, Debug, Default)]
pub struct KindCount {
    /// Tasks created.
    pub created: u64,
    /// Tasks that ended, by how: see `Ending`.
    pub endings: BTreeMap<u8, u64>,
    /// Seconds from creation to the first seats; of a task that never had any, to its end.
    pub waits: Vec<u32>,
    /// Seconds from creation to the end of the votes or of the wait, of each task that ended.
    pub lives: Vec<u32>,
    /// Seconds from creation to the settlement, of each task on which nodes agreed.
    pub turnarounds: Vec<u32>,
    /// Tasks that ended while time was counted.
    pub ended_in_time: u64,
    /// Tasks whose result was delivered.
    pub delivered: u64,
    /// Wei that creators escrowed.
    pub fees: U256,
    /// Wei that came back to them, by settlement or withdrawal from the queue.
    pub refunds: U256,
    /// Coins per second that seated tasks offered, summed.
    pub value_sum: f64,
    /// Tasks seated.
    pub seated: u64,
}

/// Counts of one group of nodes.
#[derive(Clone, Debug, Default)]
pub struct GroupCount {
    /// Nodes that joined.
    pub joined: u64,
    /// Seats taken.
    pub seats: u64,
    /// Seats of tasks on whose result the node was among those that agreed.
    pub agreed: u64,
    /// Wei earned: shares of settled tasks, the deliverer's when it has delivered.
    pub income: U256,
    /// Wei lost in penalties.
    pub penalties: U256,
    /// Cases opened.
    pub frozen: u64,
    /// Stakes slashed.
    pub slashed: u64,
    /// Wei slashed.
    pub slashed_wei: U256,
    /// Suspensions.
    pub suspended: u64,
    /// Nodes kicked out.
    pub kicked: u64,
}

/// Transactions of one function.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallCount {
    /// Included and successful.
    pub done: u64,
    /// Refused, or included and reverted.
    pub refused: u64,
    /// Gas of those that succeeded.
    pub gas: u64,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    kind: KindId,
    created: u64,
    was_seated: bool,
    counts: bool,
}

impl Ledger {
    pub(crate) fn new(now: u64) -> Self {
        Self { began: now, time: now, ..Self::default() }
    }

    /// Counts anew. Money and open tasks stay.
    pub(crate) fn begin(&mut self, now: u64) {
        let (money, mut open) = (self.money, std::mem::take(&mut self.open));
        for task in open.values_mut() {
            task.counts = false;
        }
        let groups = std::mem::take(&mut self.groups);
        let joined = |group: GroupCount| GroupCount { joined: group.joined, ..GroupCount::default() };
        let groups = groups.into_iter().map(|(id, group)| (id, joined(group))).collect();
        *self = Self { money, groups, open, ..Self::new(now) };
    }

    /// From now on no time is counted: what follows only ends.
    pub(crate) const fn end(&mut self) {
        self.has_ended = true;
    }

    /// What the contracts must hold.
    pub const fn money(&self) -> Money {
        self.money
    }

    /// Seconds that were counted.
    pub const fn seconds(&self) -> u64 {
        self.time.saturating_sub(self.began)
    }

    /// The counts of each kind.
    pub const fn kinds(&self) -> &BTreeMap<KindId, KindCount> {
        &self.kinds
    }

    /// The counts of each group of nodes.
    pub const fn groups(&self) -> &BTreeMap<u16, GroupCount> {
        &self.groups
    }

    /// The transactions by function.
    pub const fn calls(&self) -> &BTreeMap<&'static str, CallCount> {
        &self.calls
    }

    /// Mean over time of the tasks in the queue, the nodes with a seat, and the nodes that are free or have one.
    pub fn means(&self) -> [f64; 3] {
        let seconds = u128::from(self.seconds().max(1));
        [self.queue_seconds, self.busy_seconds, self.active_seconds].map(|sum| ratio(sum, seconds))
    }

    pub(crate) fn note_transaction(&mut self, what: &'static str, outcome: &Outcome) {
        let count = self.calls.entry(what).or_default();
        match outcome {
            Ok(receipt) => {
                count.done += 1;
                count.gas += receipt.gas_used;
            }
            Err(_) => count.refused += 1,
        }
    }

    pub(crate) fn note_block(&mut self, now: u64, interval: u64, view: &View) {
        if self.has_ended {
            return;
        }
        self.time = now;
        let counts = view.nodes().counts();
        self.queue_seconds += view.books().queued() as u128 * u128::from(interval);
        self.busy_seconds += u128::from(counts.busy) * u128::from(interval);
        self.active_seconds += u128::from(counts.active) * u128::from(interval);
    }

    pub(crate) fn note(&mut self, event: &Event, now: u64, before: &View, directory: &Directory) {
        self.note_money(event);
        match event {
            Event::TaskCreated(created) => {
                let count = self.kinds.entry(created.kind).or_default();
                count.created += 1;
                count.fees += U256::from(created.fee);
                let open = Open { kind: created.kind, created: now, was_seated: false, counts: true };
                self.open.insert(created.task, open);
            }
            Event::TaskSeated { task, nodes, .. } => {
                self.note_seated(*task, now, before);
                self.note_seats(nodes, directory);
            }
            Event::SeatsRefilled { task, nodes, .. } => {
                let seats = before.tasks().get(*task).and_then(|task| task.seats().map(|seats| seats.nodes));
                let before = seats.unwrap_or_default();
                let fresh: Vec<_> = nodes.iter().copied().filter(|node| !before.contains(node)).collect();
                self.note_seats(&fresh, directory);
            }
            Event::TaskSettled(settled) => {
                let nodes = before.tasks().get(settled.task).and_then(|task| task.seats().map(|seats| seats.nodes));
                let mut shares = settled.shares;
                if let Some(held) = shares.get_mut(usize::from(settled.deliverer)).filter(|_| settled.deliver_by != 0) {
                    *held = 0;
                }
                self.note_ended(settled.task, settled.ending, settled.refund, now);
                self.note_shares(nodes.unwrap_or_default(), settled.agreeing, shares, directory);
            }
            Event::TaskWithdrawn { task, ending, refund } => self.note_ended(*task, *ending, *refund, now),
            Event::Delivered { task, node, paid, .. } => {
                if let Some(group) = directory.group_of(*node) {
                    self.groups.entry(group).or_default().income += U256::from(*paid);
                }
                if let Some(kind) = before.tasks().get(*task).map(|task| task.kind) {
                    self.kinds.entry(kind).or_default().delivered += 1;
                }
            }
            _ => self.note_node(event, directory),
        }
    }

    fn note_money(&mut self, event: &Event) {
        match event {
            Event::TaskCreated(created) => self.money.fees += U256::from(created.fee),
            Event::Withdrawn { amount, .. } => self.money.fees -= *amount,
            Event::NodeJoined(joined) => self.money.stakes += U256::from(joined.stake),
            Event::StakeAdded { amount, .. } => self.money.stakes += U256::from(*amount),
            Event::StakeWithdrawn { amount, .. } => self.money.stakes -= U256::from(*amount),
            Event::SlashedWithdrawn { amount, .. } => self.money.stakes -= *amount,
            _ => {}
        }
    }

    fn note_seated(&mut self, id: TaskId, now: u64, before: &View) {
        let (Some(open), Some(task)) = (self.open.get_mut(&id), before.tasks().get(id)) else { return };
        if open.was_seated || !open.counts {
            return;
        }
        open.was_seated = true;
        let count = self.kinds.entry(open.kind).or_default();
        count.waits.push(u32::try_from(now - open.created).unwrap_or(u32::MAX));
        count.seated += 1;
        count.value_sum +=
            coins(U256::from(task.value().fee)) * 1000.0 / as_float(task.value().duration_ms.get().into());
    }

    fn note_seats(&mut self, nodes: &[NodeId], directory: &Directory) {
        for group in nodes.iter().filter_map(|node| directory.group_of(*node)) {
            self.groups.entry(group).or_default().seats += 1;
        }
    }

    fn note_ended(&mut self, id: TaskId, ending: Ending, refund: u128, now: u64) {
        let has_ended = self.has_ended;
        let Some(open) = self.open.remove(&id).filter(|open| open.counts) else { return };
        let count = self.kinds.entry(open.kind).or_default();
        *count.endings.entry(ending as u8).or_default() += 1;
        count.refunds += U256::from(refund);
        let life = u32::try_from(now - open.created).unwrap_or(u32::MAX);
        count.lives.push(life);
        if !open.was_seated {
            count.waits.push(life);
        }
        if ending == Ending::Agreed {
            count.turnarounds.push(life);
        }
        count.ended_in_time += u64::from(!has_ended);
    }

    fn note_shares(&mut self, nodes: [NodeId; 3], agreeing: [bool; 3], shares: [u128; 3], directory: &Directory) {
        for (seat, node) in nodes.into_iter().enumerate() {
            let Some(group) = directory.group_of(node) else { continue };
            let count = self.groups.entry(group).or_default();
            count.agreed += u64::from(agreeing[seat]);
            count.income += U256::from(shares[seat]);
        }
    }

    fn note_node(&mut self, event: &Event, directory: &Directory) {
        let (Event::NodeJoined(_)
        | Event::Penalized { .. }
        | Event::CaseOpened { .. }
        | Event::Slashed { .. }
        | Event::StatusChanged { .. }
        | Event::KickedOut { .. }) = event
        else {
            return;
        };
        let Some(group) = subject(event).and_then(|node| directory.group_of(node)) else { return };
        let count = self.groups.entry(group).or_default();
        match event {
            Event::NodeJoined(_) => count.joined += 1,
            Event::Penalized { amount, .. } => count.penalties += U256::from(*amount),
            Event::CaseOpened { .. } => count.frozen += 1,
            Event::Slashed { amount, .. } => {
                count.slashed += 1;
                count.slashed_wei += U256::from(*amount);
            }
            Event::StatusChanged { status: Status::Suspended, .. } => count.suspended += 1,
            Event::KickedOut { .. } => count.kicked += 1,
            _ => {}
        }
    }
}

/// The node that an event is about.
fn subject(event: &Event) -> Option<NodeId> {
    match event {
        Event::NodeJoined(joined) => Some(joined.node),
        Event::Penalized { node, .. }
        | Event::CaseOpened { node, .. }
        | Event::Slashed { node, .. }
        | Event::StatusChanged { node, .. }
        | Event::KickedOut { node } => Some(*node),
        _ => None,
    }
}

/// Wei as whole coins and a fraction, for reports only.
pub fn coins(wei: U256) -> f64 {
    f64::from(wei) / 1e18
}

fn ratio(numerator: u128, denominator: u128) -> f64 {
    as_float(numerator) / as_float(denominator)
}

#[expect(clippy::cast_precision_loss, reason = "reports need no more than 53 bits")]
pub(crate) const fn as_float(number: u128) -> f64 {
    number as f64
}
