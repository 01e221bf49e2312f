use alloy::primitives::aliases::{U40, U96};
use xenon_protocol::{
    chain::EventLog,
    contracts::{
        Node::{self, NodeEvents},
        QoS::QoSEvents,
        Task::{self, TaskEvents},
        TaskQueue::TaskQueueEvents,
    },
    deployment::Deployment,
    value::ValueRate,
};

use super::{Event, Logged, NodeJoined, Position, TaskCreated, TaskSettled, Undecodable};
use crate::{ClassId, Kind, KindId, Limits, NodeId, TaskId, Tier};

impl Logged {
    /// Reads a log of one of the contracts.
    ///
    /// # Errors
    /// [`Undecodable`] if the contract has no such event or an argument is outside its range.
    pub fn decode(log: &EventLog, contracts: &Deployment) -> Result<Self, Undecodable> {
        let at = Position { block: log.block_number, index: log.log_index };
        let event = event(log, contracts).ok_or(Undecodable { at, address: log.address })?;
        Ok(Self { at, block_hash: log.block_hash, event })
    }
}

fn event(log: &EventLog, contracts: &Deployment) -> Option<Event> {
    match log.address {
        address if address == contracts.task => task_event(log.decode_any()?),
        address if address == contracts.queue => queue_event(log.decode_any()?),
        address if address == contracts.node => node_event(log.decode_any()?),
        address if address == contracts.qos => Some(qos_event(&log.decode_any()?)),
        _ => None,
    }
}

fn task_event(event: TaskEvents) -> Option<Event> {
    Some(match event {
        TaskEvents::KindAdded(e) => Event::KindAdded { kind: KindId(e.kind), spec: kind(&e.spec)? },
        TaskEvents::DurationsChanged(e) => Event::DurationsChanged {
            kind: KindId(e.kind),
            overhead_ms: e.overheadMs,
            ms_per_unit: e.msPerUnit.try_into().ok()?,
        },
        TaskEvents::TermsChanged(e) => Event::TermsChanged { crank_bps: e.terms.crankBps },
        TaskEvents::RelayNamed(e) => Event::RelayNamed { task: task(e.task), relay: e.relay },
        TaskEvents::TaskCreated(e) => Event::TaskCreated(Box::new(created(&e))),
        TaskEvents::TaskSeated(e) => Event::TaskSeated {
            task: task(e.task),
            nodes: e.nodes.map(NodeId),
            class: ClassId::required(e.class),
            commit_by: number(e.commitBy),
            keeper: e.keeper,
            crank_reward: wei(e.crankReward),
        },
        TaskEvents::SeatsVacated(e) => {
            Event::SeatsVacated { task: task(e.task), vacated: e.vacated, refill_by: number(e.refillBy) }
        }
        TaskEvents::SeatsRefilled(e) => Event::SeatsRefilled {
            task: task(e.task),
            nodes: e.nodes.map(NodeId),
            commit_by: number(e.commitBy),
            keeper: e.keeper,
            crank_reward: wei(e.crankReward),
        },
        TaskEvents::Advanced(e) => {
            Event::Advanced { task: task(e.task), caller: e.caller, crank_reward: wei(e.crankReward) }
        }
        TaskEvents::Committed(e) => {
            Event::Committed { task: task(e.task), node: NodeId(e.node), commitment: e.commitment }
        }
        TaskEvents::RevealOpened(e) => Event::RevealOpened { task: task(e.task), reveal_by: number(e.revealBy) },
        TaskEvents::Revealed(e) => Event::Revealed { task: task(e.task), node: NodeId(e.node), result: e.result },
        TaskEvents::TaskSettled(e) => Event::TaskSettled(Box::new(settled(&e)?)),
        TaskEvents::DeliveryPassed(e) => {
            Event::DeliveryPassed { task: task(e.task), next: NodeId(e.next), deliver_by: number(e.deliverBy) }
        }
        TaskEvents::Delivered(e) => {
            Event::Delivered { task: task(e.task), node: NodeId(e.node), content: e.content, paid: wei(e.paid) }
        }
        TaskEvents::Undelivered(e) => Event::Undelivered { task: task(e.task), to: e.to, amount: wei(e.amount) },
        TaskEvents::TaskWithdrawn(e) => {
            let ending = e.ending.try_into().ok()?;
            Event::TaskWithdrawn { task: task(e.task), ending, refund: wei(e.refund) }
        }
        TaskEvents::Collected(e) => Event::Collected { node: NodeId(e.node), operator: e.operator, amount: e.amount },
        TaskEvents::Withdrawn(e) => Event::Withdrawn { account: e.account, to: e.to, amount: e.amount },
    })
}

fn queue_event(event: TaskQueueEvents) -> Option<Event> {
    Some(match event {
        TaskQueueEvents::TaskDrawn(e) => {
            Event::TaskDrawn { task: task(e.task), draw_block: e.drawBlock.try_into().ok()? }
        }
        TaskQueueEvents::RoundRedrawn(e) => {
            Event::RoundRedrawn { old_block: e.oldBlock.try_into().ok()?, new_block: e.newBlock.try_into().ok()? }
        }
        TaskQueueEvents::TaskVacant(e) => Event::TaskVacant { task: task(e.task) },
        TaskQueueEvents::TaskEvicted(e) => Event::TaskEvicted { task: task(e.task) },
        TaskQueueEvents::ClassReserved(e) => {
            Event::ClassReserved { task: task(e.task), class: ClassId(e.class), until: number(e.until) }
        }
        TaskQueueEvents::ReservationEnded(e) => Event::ReservationEnded { task: task(e.task), class: ClassId(e.class) },
        TaskQueueEvents::LimitsChanged(e) => Event::LimitsChanged(Limits {
            tasks_per_node: e.limits.tasksPerNode,
            reserve_after: e.limits.reserveAfter,
            reserve_hold: e.limits.reserveHold,
        }),
        TaskQueueEvents::TaskRequeued(e) => Event::TaskRequeued { task: task(e.task) },
        TaskQueueEvents::ClassBookParked(e) => Event::ClassBookParked { kind: KindId(e.kind), class: ClassId(e.class) },
        TaskQueueEvents::ClassBookWoken(e) => Event::ClassBookWoken { kind: KindId(e.kind), class: ClassId(e.class) },
    })
}

fn node_event(event: NodeEvents) -> Option<Event> {
    Some(match event {
        NodeEvents::NodeJoined(e) => Event::NodeJoined(Box::new(joined(e))),
        NodeEvents::ClassOpened(e) => {
            Event::ClassOpened { class: ClassId(e.class), class_hash: e.classHash, tier: Tier::new(e.tier)? }
        }
        NodeEvents::StatusChanged(e) => {
            Event::StatusChanged { node: NodeId(e.node), status: e.status.try_into().ok()? }
        }
        NodeEvents::IntentChanged(e) => {
            Event::IntentChanged { node: NodeId(e.node), intent: e.intent.try_into().ok()? }
        }
        NodeEvents::NodeAbsorbed(e) => Event::NodeAbsorbed { node: NodeId(e.node) },
        NodeEvents::ClassReviewed(e) => Event::ClassReviewed { class: ClassId(e.class), open: e.open },
        NodeEvents::KickedOut(e) => Event::KickedOut { node: NodeId(e.node) },
        NodeEvents::RulesChanged(_) => Event::RulesChanged,
        other => return stake_event(other),
    })
}

/// What concerns the stakes of nodes.
fn stake_event(event: NodeEvents) -> Option<Event> {
    Some(match event {
        NodeEvents::StakeWithdrawn(e) => {
            Event::StakeWithdrawn { node: NodeId(e.node), operator: e.operator, amount: wei(e.amount) }
        }
        NodeEvents::StakeAdded(e) => {
            Event::StakeAdded { node: NodeId(e.node), amount: wei(e.amount), stake: wei(e.stake) }
        }
        NodeEvents::Penalized(e) => Event::Penalized {
            node: NodeId(e.node),
            lapse: e.lapse.try_into().ok()?,
            amount: wei(e.amount),
            stake: wei(e.stake),
        },
        NodeEvents::CaseOpened(e) => Event::CaseOpened {
            node: NodeId(e.node),
            task: task(e.task),
            appeal_by: number(e.appealBy),
            accused: e.accused.map(NodeId),
        },
        NodeEvents::Appealed(e) => Event::Appealed {
            node: NodeId(e.node),
            task: task(e.task),
            appellant: e.appellant,
            evidence: e.evidence,
            decide_by: number(e.decideBy),
        },
        NodeEvents::EvidenceAdded(e) => {
            Event::EvidenceAdded { node: NodeId(e.node), task: task(e.task), from: e.from, evidence: e.evidence }
        }
        NodeEvents::Accused(e) => Event::Accused { node: NodeId(e.node), task: task(e.task) },
        NodeEvents::CaseDecided(e) => {
            Event::CaseDecided { node: NodeId(e.node), task: task(e.task), ruling: e.ruling.try_into().ok()? }
        }
        NodeEvents::CaseLapsed(e) => Event::CaseLapsed { node: NodeId(e.node), task: task(e.task) },
        NodeEvents::Slashed(e) => Event::Slashed { node: NodeId(e.node), task: task(e.task), amount: wei(e.amount) },
        NodeEvents::SlashedWithdrawn(e) => Event::SlashedWithdrawn { treasury: e.treasury, amount: e.amount },
        _ => return None,
    })
}

fn qos_event(event: &QoSEvents) -> Event {
    let QoSEvents::Scored(e) = event;
    Event::Scored { node: NodeId(e.node), points: e.points, score: e.score }
}

fn created(e: &Task::TaskCreated) -> TaskCreated {
    TaskCreated {
        task: task(e.task),
        creator: e.creator,
        kind: KindId(e.kind),
        task_hash: e.taskHash,
        size: e.size,
        min_vram: e.minVram,
        required_class: ClassId::required(e.requiredClass),
        fee: wei(e.fee),
        value: ValueRate::from_raw(e.value),
        expires_at: number(e.expiresAt),
    }
}

fn settled(e: &Task::TaskSettled) -> Option<TaskSettled> {
    Some(TaskSettled {
        task: task(e.task),
        ending: e.ending.try_into().ok()?,
        result: e.result,
        agreeing: e.agreeing,
        shares: e.shares.map(wei),
        refund: wei(e.refund),
        deliverer: e.deliverer,
        deliver_by: number(e.deliverBy),
    })
}

fn joined(e: Node::NodeJoined) -> NodeJoined {
    NodeJoined {
        node: NodeId(e.node),
        operator: e.operator,
        key: e.key,
        class: ClassId(e.class),
        class_hash: e.classHash,
        vram_gb: e.vramGb,
        stake: wei(e.stake),
        gpu: e.gpu,
    }
}

/// A kind the contract would not take is none.
fn kind(spec: &Task::Kind) -> Option<Kind> {
    Kind::new(spec.exact, spec.sameClass, spec.maxDistance, spec.overheadMs, spec.msPerUnit, spec.maxSize)
}

fn task(id: U40) -> TaskId {
    TaskId(number(id))
}

fn number(n: U40) -> u64 {
    n.to()
}

fn wei(amount: U96) -> u128 {
    amount.to()
}
