use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, aliases::U40};
use xenon_keeper::{Event, TaskId};
use xenon_protocol::{
    chain::Call,
    contracts::{Node, Ruling},
};

use crate::{
    SimError,
    agenda::Millis,
    agent::{Agent, Alarm, Desk},
    truth,
};

/// The owner in its one role of a judge: replays what an appealed task should have given, and rules.
#[derive(Debug)]
pub struct Arbiter {
    address: Address,
    delay: Millis,
    /// Tasks whose nodes did not all agree, and whether the majority was right.
    verdicts: BTreeMap<TaskId, bool>,
}

impl Arbiter {
    /// An arbiter that takes `delay` milliseconds to decide.
    pub const fn new(address: Address, delay: Millis) -> Self {
        Self { address, delay, verdicts: BTreeMap::new() }
    }

    fn remember(&mut self, id: TaskId, result: B256, desk: &Desk<'_>) {
        let Some(task) = desk.view.tasks().get(id) else { return };
        if let Some(kind) = desk.view.kinds().get(&task.kind) {
            self.verdicts.insert(id, truth::is_right(result, id, kind, task.size, task.class));
        }
    }
}

impl Agent for Arbiter {
    fn name(&self) -> String {
        String::from("the arbiter")
    }

    fn addresses(&self) -> Vec<Address> {
        vec![self.address]
    }

    fn start(&mut self, _desk: &mut Desk<'_>) -> Result<(), SimError> {
        Ok(())
    }

    fn wake(&mut self, alarm: Alarm, desk: &mut Desk<'_>) -> Result<(), SimError> {
        let Alarm::Decide(task, node) = alarm else { return Ok(()) };
        let ruling = match self.verdicts.get(&task) {
            Some(false) => Ruling::Framed,
            Some(true) => Ruling::Guilty,
            None => Ruling::Innocent,
        };
        let call = Node::arbitrateCall { node, task: U40::from(task.0), ruling: ruling as u8 };
        desk.send(self.address, "arbitrate", Some(task), Call::new(desk.contracts.node, &call));
        Ok(())
    }

    fn see(&mut self, event: &Event, desk: &mut Desk<'_>) -> Result<(), SimError> {
        match event {
            Event::TaskSettled(settled) => self.remember(settled.task, settled.result, desk),
            Event::Appealed { node, task, .. } => desk.alarm(self.delay, Alarm::Decide(*task, node.0)),
            _ => {}
        }
        Ok(())
    }
}
