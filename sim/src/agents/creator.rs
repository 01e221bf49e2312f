use alloy::primitives::{Address, U256, aliases::U40, keccak256};
use serde::Deserialize;
use xenon_keeper::{Event, TaskId};
use xenon_protocol::{
    chain::Call,
    contracts::{Ending, Task},
};

use super::Arrivals;
use crate::{
    SimError,
    agenda::Millis,
    agent::{Agent, Alarm, Desk, Outcome, Sent},
    ledger::as_float,
    random::Random,
};

/// Wei in one coin.
const COIN: f64 = 1e18;

/// What an application wants.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// The kind of its tasks.
    pub kind: u8,
    /// When they come.
    pub arrivals: Arrivals,
    /// The least and the most units of a task.
    pub size: [u32; 2],
    /// What it offers.
    pub bid: Bid,
    /// Seconds it waits.
    pub max_wait_s: u32,
    /// GB that each node must have.
    #[serde(default)]
    pub min_vram_gb: u16,
    /// Seconds after which it creates no more; none if it goes on.
    #[serde(default)]
    pub until_s: Option<u64>,
    /// It cancels what is still queued after so many seconds.
    #[serde(default)]
    pub cancels_after_s: Option<u64>,
}

/// What is offered for a second of work, in coins.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bid {
    /// Median.
    pub median: f64,
    /// Standard deviation of the logarithm.
    #[serde(default)]
    pub spread: f64,
    /// Seconds of waiting for the first seats that are aimed at: after a longer wait the next offer is higher by `step`, after a
    /// shorter one lower. Offers do not change if none.
    #[serde(default)]
    pub target_wait_s: Option<u64>,
    /// By how much an offer changes, as a share.
    #[serde(default = "step")]
    pub step: f64,
    /// The most that a second is worth, as a multiple of the median: at a higher price nothing is asked for.
    #[serde(default = "most")]
    pub most: f64,
}

const fn step() -> f64 {
    0.05
}

const fn most() -> f64 {
    100.0
}

/// An application: creates tasks, pays for them, and lets what it gets for its money decide what it offers next.
#[derive(Debug)]
pub struct Creator {
    name: String,
    address: Address,
    demand: Demand,
    began: Millis,
    created: u64,
    /// By how much offers are above or below the median now.
    level: f64,
    /// Tasks that wait, and since when.
    waiting: Vec<(TaskId, Millis)>,
}

impl Creator {
    /// An application of that name and address.
    pub const fn new(name: String, address: Address, demand: Demand) -> Self {
        Self { name, address, demand, began: 0, created: 0, level: 1.0, waiting: Vec::new() }
    }

    fn is_done(&self, now: Millis) -> bool {
        self.demand.until_s.is_some_and(|until| now >= self.began.saturating_add(until.saturating_mul(1000)))
    }

    fn plan_next(&self, desk: &mut Desk<'_>, random: &mut Random) -> u32 {
        let (delay, tasks) = self.demand.arrivals.next(desk.now.saturating_sub(self.began), random);
        desk.alarm(delay.max(1), Alarm::Next);
        tasks
    }

    fn create(&mut self, desk: &mut Desk<'_>, random: &mut Random) {
        self.created += 1;
        let demand = &self.demand;
        let size = random.between(demand.size[0].into(), demand.size[1].into());
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let value = random.log_normal(demand.bid.median, demand.bid.spread) * self.level;
        let kind = xenon_keeper::KindId(demand.kind);
        let Some(duration) = desk.view.kinds().get(&kind).and_then(|kind| kind.duration_ms(size)) else { return };
        let fee = wei(value * as_float(duration.get().into()) / 1000.0);
        let call = Task::createCall {
            kind: demand.kind,
            taskHash: keccak256(format!("task {} of {}", self.created, self.name)),
            size,
            minVram: demand.min_vram_gb,
            requiredClass: 0,
            maxWait: demand.max_wait_s,
        };
        desk.send(self.address, "create", None, Call::new(desk.contracts.task, &call).with_value(fee));
    }

    /// Since when a task waited that waits no more.
    fn stop_waiting(&mut self, task: TaskId) -> Option<Millis> {
        let place = self.waiting.iter().position(|(waiting, _)| *waiting == task)?;
        Some(self.waiting.swap_remove(place).1)
    }

    /// Offers more after a long wait and less after a short one, within what the work is worth.
    fn learn(&mut self, wait: Millis) {
        let Some(target) = self.demand.bid.target_wait_s else { return };
        let step =
            if wait > target.saturating_mul(1000) { 1.0 + self.demand.bid.step } else { 1.0 - self.demand.bid.step };
        self.level = (self.level * step).clamp(1.0 / self.demand.bid.most, self.demand.bid.most);
    }
}

impl Agent for Creator {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn addresses(&self) -> Vec<Address> {
        vec![self.address]
    }

    fn start(&mut self, desk: &mut Desk<'_>) -> Result<(), SimError> {
        self.began = desk.now;
        let mut random = desk.random(u64::MAX);
        self.plan_next(desk, &mut random);
        Ok(())
    }

    fn wake(&mut self, alarm: Alarm, desk: &mut Desk<'_>) -> Result<(), SimError> {
        match alarm {
            Alarm::Next if !self.is_done(desk.now) && !desk.is_closing => {
                let mut random = desk.random(self.created);
                for _ in 0..self.plan_next(desk, &mut random) {
                    self.create(desk, &mut random);
                }
            }
            // By now it may have been drawn: then the refusal is expected.
            Alarm::Cancel(task) if self.waiting.iter().any(|(waiting, _)| *waiting == task) => {
                let call = Task::cancelCall { task: U40::from(task.0) };
                desk.send(self.address, "cancel", Some(task), Call::new(desk.contracts.task, &call));
            }
            _ => {}
        }
        Ok(())
    }

    fn see(&mut self, event: &Event, desk: &mut Desk<'_>) -> Result<(), SimError> {
        match event {
            Event::TaskCreated(created) => {
                self.waiting.push((created.task, desk.now));
                if let Some(after) = self.demand.cancels_after_s {
                    desk.alarm(after.saturating_mul(1000), Alarm::Cancel(created.task));
                }
            }
            Event::TaskSeated { task, .. } => {
                if let Some(since) = self.stop_waiting(*task) {
                    self.learn(desk.now - since);
                }
            }
            Event::TaskWithdrawn { task, ending, .. } => {
                let was_waiting = self.stop_waiting(*task).is_some();
                // Whoever is pushed out or waits in vain has offered too little, however short the wait was.
                let was_outbid = matches!(ending, Ending::Evicted | Ending::Expired);
                if was_waiting && was_outbid {
                    self.learn(Millis::MAX);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn hear(&mut self, sent: &Sent, outcome: &Outcome, desk: &mut Desk<'_>) -> Result<(), SimError> {
        let Err(error) = outcome else { return Ok(()) };
        let name = error.revert().and_then(xenon_protocol::chain::Revert::name).unwrap_or_default();
        match (sent.what, name) {
            // The queue is full of better offers: as if it had waited in vain.
            ("create", "FeeTooLow") => {
                self.learn(Millis::MAX);
                Ok(())
            }
            ("create", "TooFewWorkers") | ("cancel", "WrongState") => Ok(()),
            _ => Err(sent.refused(self.name(), desk.head.number, error)),
        }
    }
}

/// Coins as wei, to within the precision of a float.
fn wei(coins: f64) -> U256 {
    let coins = if coins.is_finite() { coins.max(0.0) } else { 0.0 };
    U256::saturating_from(coins * COIN)
}
