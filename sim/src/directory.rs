//! Which agent an event concerns.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use xenon_keeper::{Event, NodeId, TaskId, View};

use crate::agent::AgentId;

/// Who is behind addresses and nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    by_address: BTreeMap<Address, AgentId>,
    groups: Vec<u16>,
    /// By number, from 1.
    by_node: Vec<Option<AgentId>>,
    arbiter: Option<AgentId>,
}

impl Directory {
    pub(crate) fn enrol(&mut self, id: AgentId, addresses: Vec<Address>, group: u16) {
        self.by_address.extend(addresses.into_iter().map(|address| (address, id)));
        self.groups.push(group);
    }

    /// Appeals concern whoever decides them.
    pub(crate) const fn appoint(&mut self, arbiter: AgentId) {
        self.arbiter = Some(arbiter);
    }

    pub(crate) fn group_of(&self, node: NodeId) -> Option<u16> {
        self.groups.get(self.agent_of(node)?.0 as usize).copied()
    }

    /// Takes note of whose a new node is.
    pub(crate) fn learn(&mut self, event: &Event) {
        if let Event::NodeJoined(joined) = event {
            let number = joined.node.0 as usize;
            self.by_node.resize(self.by_node.len().max(number + 1), None);
            self.by_node[number] = self.by_address.get(&joined.key).copied();
        }
    }

    /// The agents that an event concerns, given the network before it.
    pub(crate) fn concerned(&self, event: &Event, before: &View) -> Vec<AgentId> {
        match event {
            Event::NodeJoined(joined) => self.at(joined.key).into_iter().collect(),
            Event::TaskCreated(created) => self.at(created.creator).into_iter().collect(),
            Event::TaskSeated { task, nodes, .. } => {
                self.creator(*task, before).into_iter().chain(self.agents_of(nodes)).collect()
            }
            Event::SeatsRefilled { nodes, .. } => self.agents_of(nodes),
            Event::Committed { task, .. } | Event::Revealed { task, .. } | Event::RevealOpened { task, .. } => {
                self.seated(*task, before)
            }
            Event::TaskSettled(settled) => {
                let judge = self.arbiter.filter(|_| settled.agreeing.into_iter().any(|agrees| !agrees));
                let parties = self.creator(settled.task, before).into_iter().chain(self.seated(settled.task, before));
                parties.chain(judge).collect()
            }
            Event::TaskWithdrawn { task, .. } | Event::Delivered { task, .. } | Event::Undelivered { task, .. } => {
                self.creator(*task, before).into_iter().collect()
            }
            Event::DeliveryPassed { next, .. } => self.agent_of(*next).into_iter().collect(),
            Event::Appealed { node, .. } => self.agent_of(*node).into_iter().chain(self.arbiter).collect(),
            Event::StatusChanged { node, .. }
            | Event::CaseOpened { node, .. }
            | Event::CaseDecided { node, .. }
            | Event::CaseLapsed { node, .. }
            | Event::Slashed { node, .. } => self.agent_of(*node).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn creator(&self, task: TaskId, before: &View) -> Option<AgentId> {
        before.tasks().get(task).and_then(|task| self.at(task.creator))
    }

    fn seated(&self, task: TaskId, before: &View) -> Vec<AgentId> {
        let seats = before.tasks().get(task).and_then(|task| task.seats().copied());
        seats.map(|seats| self.agents_of(&seats.nodes)).unwrap_or_default()
    }

    fn agents_of(&self, nodes: &[NodeId]) -> Vec<AgentId> {
        nodes.iter().filter_map(|node| self.agent_of(*node)).collect()
    }

    fn agent_of(&self, node: NodeId) -> Option<AgentId> {
        self.by_node.get(node.0 as usize).copied().flatten()
    }

    fn at(&self, address: Address) -> Option<AgentId> {
        self.by_address.get(&address).copied()
    }
}
