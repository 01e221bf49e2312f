//! What turning the crank is paid with.

use xenon_protocol::{
    chain::{EventLog, Receipt},
    contracts::Task::{Advanced, SeatsRefilled, TaskSeated},
};

use crate::{Action, View, view::Task};

impl Action {
    /// What the contracts pay for it at most, in wei: the crank share of each task that it seats or moves on. What it
    /// draws is paid for once it is seated.
    pub fn reward(&self, view: &View) -> u128 {
        let share = |task: &Task| view.crank_share(task);
        match self {
            Self::Dispatch { max_tasks, .. } => {
                let seats = view.round().waiting().iter().take(usize::try_from(*max_tasks).unwrap_or(usize::MAX));
                seats.filter_map(|task| view.tasks().get(*task)).map(share).sum()
            }
            Self::Advance(task) => view.tasks().get(*task).map_or(0, share),
            _ => 0,
        }
    }
}

/// What a transaction was paid with, in wei, as its events tell.
pub fn earned(receipt: &Receipt) -> u128 {
    receipt.logs.iter().filter_map(crank_reward).sum()
}

fn crank_reward(log: &EventLog) -> Option<u128> {
    let seated = || log.decode::<TaskSeated>().map(|event| event.crankReward);
    let refilled = || log.decode::<SeatsRefilled>().map(|event| event.crankReward);
    let advanced = || log.decode::<Advanced>().map(|event| event.crankReward);
    seated().or_else(refilled).or_else(advanced).map(|wei| wei.to())
}
