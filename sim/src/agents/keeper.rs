use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::Address;
use serde::Deserialize;
use xenon_keeper::{Action, Event, Policy, TaskId, order::next_draw, plan};

use crate::{
    SimError,
    agent::{Agent, Alarm, Desk, Outcome, Sent},
};

/// How well a keeper does its work.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Diligence {
    /// It acts this many blocks after the others could.
    pub delay_blocks: u64,
    /// Seconds after the beginning at which it stops, and at which it comes back.
    pub dead_s: Option<[u64; 2]>,
    /// It sends nothing for which it is not paid.
    pub greedy: bool,
    /// It keeps tasks of these creators from being drawn or moved on.
    pub censors: BTreeSet<String>,
}

/// A keeper: the real planner, over the view that its logs give.
#[derive(Debug)]
pub struct SimKeeper {
    name: String,
    address: Address,
    policy: Policy,
    diligence: Diligence,
    censored: BTreeSet<Address>,
    began: u64,
    /// The block in which each action was first planned.
    planned: BTreeMap<String, u64>,
}

impl SimKeeper {
    /// A keeper of that name and address. `censored` are the addresses of whom it censors.
    pub fn new(
        name: String,
        address: Address,
        policy: Policy,
        diligence: Diligence,
        censored: BTreeSet<Address>,
    ) -> Self {
        Self { name, address, policy, diligence, censored, began: 0, planned: BTreeMap::new() }
    }

    fn is_dead(&self, now: u64) -> bool {
        let since = now.saturating_sub(self.began);
        self.diligence.dead_s.is_some_and(|[from, until]| (from..until).contains(&since))
    }

    fn wants(&self, action: &Action, desk: &Desk<'_>) -> bool {
        let is_paid = matches!(action, Action::Dispatch { .. } | Action::Advance(_));
        if self.diligence.greedy && !is_paid {
            return false;
        }
        let is_censored =
            |id: TaskId| desk.view.tasks().get(id).is_some_and(|task| self.censored.contains(&task.creator));
        match action {
            _ if self.censored.is_empty() => true,
            Action::Advance(task) | Action::Expire(task) | Action::Reserve { task, .. } => !is_censored(*task),
            Action::Dispatch { seats: 0, max_tasks } => {
                let limit = usize::try_from(*max_tasks).unwrap_or(usize::MAX);
                !next_draw(desk.view, limit, desk.head.timestamp).drawn.into_iter().any(is_censored)
            }
            Action::Dispatch { .. } => !desk.view.round().waiting().iter().copied().any(is_censored),
            _ => true,
        }
    }

    /// Leaves out what others have had too little time for.
    fn is_ripe(&mut self, action: &Action, block: u64) -> bool {
        if self.diligence.delay_blocks == 0 {
            return true;
        }
        let first = *self.planned.entry(action.to_string()).or_insert(block);
        block >= first.saturating_add(self.diligence.delay_blocks)
    }
}

impl Agent for SimKeeper {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn addresses(&self) -> Vec<Address> {
        vec![self.address]
    }

    fn start(&mut self, desk: &mut Desk<'_>) -> Result<(), SimError> {
        self.began = desk.head.timestamp;
        Ok(())
    }

    fn wake(&mut self, _alarm: Alarm, _desk: &mut Desk<'_>) -> Result<(), SimError> {
        Ok(())
    }

    fn see(&mut self, _event: &Event, _desk: &mut Desk<'_>) -> Result<(), SimError> {
        Ok(())
    }

    /// Another keeper, or a party of the task, may have been first in the same block: that costs gas and is no mistake. What
    /// is no refusal of a contract is one.
    fn hear(&mut self, sent: &Sent, outcome: &Outcome, desk: &mut Desk<'_>) -> Result<(), SimError> {
        match outcome {
            Err(error) if error.revert().is_none() => Err(sent.refused(self.name(), desk.head.number, error)),
            _ => Ok(()),
        }
    }

    fn watches_blocks(&self) -> bool {
        true
    }

    fn look(&mut self, desk: &mut Desk<'_>) -> Result<(), SimError> {
        if self.is_dead(desk.head.timestamp) {
            return Ok(());
        }
        let actions = plan(desk.view, &desk.head, &self.policy);
        if self.diligence.delay_blocks != 0 {
            let wanted: BTreeSet<_> = actions.iter().map(Action::to_string).collect();
            self.planned.retain(|action, _| wanted.contains(action));
        }
        for action in actions {
            if self.wants(&action, desk) && self.is_ripe(&action, desk.head.number) {
                desk.send(self.address, action.name(), None, action.call(desk.contracts));
            }
        }
        Ok(())
    }
}
