//! A network made of events, for tests.

use alloy::primitives::{Address, B256};
use xenon_protocol::{chain::Head, contracts::Status};

use crate::{
    ClassId, Event, Kind, KindId, Limits, Logged, NodeId, NodeJoined, Position, TaskCreated, TaskId, Tier, View,
    ViewError, order::Value,
};

/// GB of the tier of every class here.
pub(crate) const GB: u16 = 8;

/// Kind 0 needs one class, kind 1 does not. A unit takes a second.
const KINDS: [bool; 2] = [true, false];

/// Seconds before a class can be reserved, and for which it is.
pub(crate) const RESERVE_AFTER: u32 = 100;
pub(crate) const RESERVE_HOLD: u32 = 500;

/// Applies events one after the other, each block at a second of its own.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) view: View,
    pub(crate) block: u64,
    /// What was applied so far.
    pub(crate) logs: Vec<Logged>,
    index: u64,
}

impl Network {
    pub(crate) fn new() -> Self {
        let mut network = Self { view: View::new(), block: 1, logs: Vec::new(), index: 0 };
        let limits = Limits { tasks_per_node: 8, reserve_after: RESERVE_AFTER, reserve_hold: RESERVE_HOLD };
        network.happen(Event::LimitsChanged(limits));
        network.happen(Event::TermsChanged { crank_bps: 100 });
        for (kind, same_class) in (0..).zip(KINDS) {
            let spec = Kind::new(same_class, same_class, 0, 0, 1_000, 1_000).unwrap();
            network.happen(Event::KindAdded { kind: KindId(kind), spec });
        }
        network
    }

    /// With nodes of the given numbers in classes 1, 2, ...
    pub(crate) fn with_classes(sizes: &[u32]) -> Self {
        let mut network = Self::new();
        for (class, size) in (1..).map(ClassId).zip(sizes) {
            let tier = Tier::at_least(GB).unwrap();
            network.happen(Event::ClassOpened { class, class_hash: B256::repeat_byte(1), tier });
            for _ in 0..*size {
                network.join(class);
            }
        }
        network
    }

    pub(crate) fn head(&self) -> Head {
        let hash = B256::ZERO;
        Head { number: self.block, hash, parent_hash: hash, timestamp: self.block, base_fee: 0 }
    }

    pub(crate) fn pass(&mut self, blocks: u64) {
        self.block += blocks;
        self.index = 0;
    }

    /// The same network, some blocks on.
    pub(crate) fn later(&self, blocks: u64) -> Self {
        let mut later = self.clone();
        later.pass(blocks);
        later
    }

    pub(crate) fn log(&mut self, event: Event) -> Logged {
        let at = Position { block: self.block, index: self.index };
        self.index += 1;
        Logged { at, block_hash: B256::with_last_byte(0), event }
    }

    pub(crate) fn try_happen(&mut self, event: Event) -> Result<(), ViewError> {
        let log = self.log(event);
        self.view.apply(&log)?;
        self.logs.push(log);
        Ok(())
    }

    pub(crate) fn happen(&mut self, event: Event) {
        self.try_happen(event).unwrap();
    }

    pub(crate) fn join(&mut self, class: ClassId) -> NodeId {
        let node = NodeId(self.view.nodes().counts().total + 1);
        self.happen(Event::NodeJoined(Box::new(NodeJoined {
            node,
            operator: Address::ZERO,
            key: Address::ZERO,
            class,
            class_hash: B256::repeat_byte(1),
            vram_gb: GB,
            stake: 1,
            gpu: String::new(),
        })));
        self.status(node, Status::Free);
        node
    }

    pub(crate) fn status(&mut self, node: NodeId, status: Status) {
        self.happen(Event::StatusChanged { node, status });
    }

    /// Creates a task of one unit, so that its fee is its value per second; it waits 1000 blocks.
    pub(crate) fn create(&mut self, kind: u8, class: Option<ClassId>, fee: u128) -> TaskId {
        let created = self.created(kind, class, fee);
        let task = created.task;
        self.happen(Event::TaskCreated(Box::new(created)));
        self.view.note_time(self.block);
        task
    }

    /// The same for nodes with at least so many GB.
    pub(crate) fn created_with(&mut self, kind: u8, class: Option<ClassId>, fee: u128, min_vram: u16) {
        let created = TaskCreated { min_vram, ..self.created(kind, class, fee) };
        self.happen(Event::TaskCreated(Box::new(created)));
        self.view.note_time(self.block);
    }

    pub(crate) fn created(&self, kind: u8, class: Option<ClassId>, fee: u128) -> TaskCreated {
        let value = Value { fee, duration_ms: 1_000.try_into().unwrap() };
        TaskCreated {
            task: TaskId(self.view.tasks().last().0 + 1),
            creator: Address::ZERO,
            kind: KindId(kind),
            task_hash: B256::repeat_byte(2),
            size: 1,
            min_vram: 0,
            required_class: class,
            fee,
            value: value.rate(),
            expires_at: self.block + 1_000,
        }
    }

    pub(crate) fn draw(&mut self, task: TaskId) {
        self.happen(Event::TaskDrawn { task, draw_block: self.block });
    }

    /// Seats a task until `commit_by`.
    pub(crate) fn seat(&mut self, task: TaskId, nodes: [u32; 3], commit_by: u64) {
        let nodes = nodes.map(NodeId);
        for node in nodes {
            self.status(node, Status::Busy);
        }
        let (class, keeper) = (None, Address::ZERO);
        self.happen(Event::TaskSeated { task, nodes, class, commit_by, keeper, crank_reward: 0 });
    }
}
