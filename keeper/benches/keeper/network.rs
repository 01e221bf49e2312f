//! The events of a busy network: ten thousand nodes of two hundred classes, a hundred thousand tasks that wait, and a
//! stream of tasks that are served, each of which lives its whole life.

use alloy::primitives::{Address, B256, keccak256};
use eyre::Result;
use xenon_keeper::{
    ClassId, Event, Kind, KindId, Limits, Logged, NodeId, NodeJoined, Position, TaskCreated, TaskId, TaskSettled, Tier,
    View, order::Value,
};
use xenon_protocol::contracts::{Ending, Status};

/// Nodes of the network.
pub(crate) const NODES: u32 = 10_000;

/// Their classes.
const CLASSES: u32 = 200;

/// Tasks that wait while others are served.
pub(crate) const QUEUED: usize = 100_000;

/// Tasks served in each block.
const SERVED: usize = 16;

/// Tasks created in each block while the queue fills.
const CREATED: usize = 200;

/// A unit of a kind takes a second; a kind names its class rule.
const KINDS: [bool; 2] = [true, false];

/// When the first block is, in Unix seconds.
const BEGIN: u64 = 1_700_000_000;

/// All that happened, and where.
pub(crate) struct History {
    pub(crate) logs: Vec<Logged>,
    /// The last block.
    pub(crate) block: u64,
}

/// A network and what happened to it.
pub(crate) struct Network {
    view: View,
    logs: Vec<Logged>,
    is_recorded: bool,
    block: u64,
    index: u64,
    /// Whose turn it is to be seated.
    turn: u32,
    /// Tasks that are served, by how many blocks ago they were drawn.
    drawn: Vec<TaskId>,
    committing: Vec<Served>,
    revealing: Vec<Served>,
    delivering: Vec<Served>,
}

/// A task and its nodes.
#[derive(Clone, Copy)]
struct Served {
    task: TaskId,
    nodes: [NodeId; 3],
}

impl Network {
    /// All nodes, and nothing to do. Unless what happens is recorded only the view takes memory.
    pub(crate) fn idle(is_recorded: bool) -> Result<Self> {
        let mut network = Self {
            view: View::new(),
            logs: Vec::new(),
            is_recorded,
            block: 1,
            index: 0,
            turn: 0,
            drawn: Vec::new(),
            committing: Vec::new(),
            revealing: Vec::new(),
            delivering: Vec::new(),
        };
        network.found()?;
        for class in (1..=CLASSES).map(ClassId) {
            network.open(class)?;
        }
        Ok(network)
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    pub(crate) fn into_history(self) -> History {
        History { logs: self.logs, block: self.block }
    }

    /// Tasks come, and nobody is served.
    pub(crate) fn fill(&mut self) -> Result<()> {
        while self.view.books().queued() < QUEUED {
            for _ in 0..CREATED {
                self.create(QUEUED)?;
            }
            self.end_block();
        }
        Ok(())
    }

    /// Tasks are served until so many events have happened.
    pub(crate) fn live(&mut self, events: usize) -> Result<()> {
        while self.logs.len() < events {
            let [committing, revealing, delivering] =
                [&mut self.committing, &mut self.revealing, &mut self.delivering].map(std::mem::take);
            // Once the round is seated the sets are open, and who becomes free can be seated again.
            self.seat()?;
            self.deliver(delivering)?;
            self.reveal(revealing)?;
            self.commit(committing)?;
            self.draw()?;
            self.end_block();
        }
        Ok(())
    }

    fn found(&mut self) -> Result<()> {
        self.happen(Event::LimitsChanged(Limits { tasks_per_node: 16, reserve_after: 600, reserve_hold: 600 }))?;
        self.happen(Event::TermsChanged { crank_bps: 100 })?;
        for (kind, same_class) in (0..).map(KindId).zip(KINDS) {
            let spec =
                Kind::new(same_class, same_class, 0, 5_000, 1_000, 4_096).ok_or_else(|| eyre::eyre!("no kind"))?;
            self.happen(Event::KindAdded { kind, spec })?;
        }
        Ok(())
    }

    fn open(&mut self, class: ClassId) -> Result<()> {
        let tier = Tier::new(u8::try_from(class.0 % 12)?).unwrap_or_default();
        self.happen(Event::ClassOpened { class, class_hash: keccak256(class.0.to_be_bytes()), tier })?;
        for _ in 0..NODES / CLASSES {
            self.join(class)?;
        }
        self.end_block();
        Ok(())
    }

    fn join(&mut self, class: ClassId) -> Result<()> {
        let node = NodeId(self.view.nodes().counts().total + 1);
        self.happen(Event::NodeJoined(Box::new(NodeJoined {
            node,
            operator: address(node.0.into()),
            key: address(u64::from(node.0) << 32),
            class,
            class_hash: keccak256(class.0.to_be_bytes()),
            vram_gb: 24,
            stake: 400_000_000_000_000_000_000,
            gpu: String::from("a GPU"),
        })))?;
        self.happen(Event::StatusChanged { node, status: Status::Free })
    }

    /// Creates a task whose fee and size follow from its number; every eighth names a class.
    fn create(&mut self, salt: usize) -> Result<()> {
        let task = TaskId(self.view.tasks().last().0 + 1);
        let lot = keccak256([task.0.to_be_bytes(), (salt as u64).to_be_bytes()].concat());
        let size = 1 + u32::from(lot[0]) * 4;
        let kind = KindId(lot[1] % 2);
        let fee = 1_000_000_000_000_000 * (1 + u128::from(u16::from_be_bytes([lot[2], lot[3]])));
        let required_class = Some(ClassId(1 + u32::from(lot[4]) % CLASSES)).filter(|_| lot[5] % 8 == 0);
        let duration_ms = (5_000 + 1_000 * u64::from(size)).try_into()?;
        self.happen(Event::TaskCreated(Box::new(TaskCreated {
            task,
            creator: address(task.0 % 1_000),
            kind,
            task_hash: lot,
            size,
            min_vram: 0,
            required_class,
            fee,
            value: Value { fee, duration_ms }.rate(),
            expires_at: self.now() + 600_000,
        })))
    }

    /// Those who were created in this block are drawn at once: they offered most.
    fn draw(&mut self) -> Result<()> {
        for _ in 0..SERVED {
            self.create(0)?;
            let task = self.view.tasks().last();
            self.happen(Event::TaskDrawn { task, draw_block: self.block })?;
            self.drawn.push(task);
        }
        Ok(())
    }

    fn seat(&mut self) -> Result<()> {
        for task in std::mem::take(&mut self.drawn) {
            let nodes = [0, 1, 2].map(|seat| NodeId(1 + (self.turn + seat) % NODES));
            self.turn += 3;
            for node in nodes {
                self.happen(Event::StatusChanged { node, status: Status::Busy })?;
            }
            let (class, commit_by) = (None, self.now() + 3_600);
            let (keeper, crank_reward) = (address(7), 1_000_000);
            self.happen(Event::TaskSeated { task, nodes, class, commit_by, keeper, crank_reward })?;
            self.committing.push(Served { task, nodes });
        }
        Ok(())
    }

    fn commit(&mut self, committing: Vec<Served>) -> Result<()> {
        for served in committing {
            for node in served.nodes {
                self.happen(Event::Committed { task: served.task, node, commitment: B256::ZERO })?;
            }
            self.happen(Event::RevealOpened { task: served.task, reveal_by: self.now() + 600 })?;
            self.revealing.push(served);
        }
        Ok(())
    }

    fn reveal(&mut self, revealing: Vec<Served>) -> Result<()> {
        for Served { task, nodes } in revealing {
            for node in nodes {
                self.happen(Event::Revealed { task, node, result: B256::ZERO })?;
            }
            self.settle(task)?;
            for node in nodes {
                self.happen(Event::Scored { node, points: 10, score: 320 })?;
                self.happen(Event::StatusChanged { node, status: Status::Free })?;
            }
            self.delivering.push(Served { task, nodes });
        }
        Ok(())
    }

    fn settle(&mut self, task: TaskId) -> Result<()> {
        self.happen(Event::TaskSettled(Box::new(TaskSettled {
            task,
            ending: Ending::Agreed,
            result: B256::ZERO,
            agreeing: [true; 3],
            shares: [100_000, 90_000, 60_000],
            refund: 0,
            deliverer: 1,
            deliver_by: self.now() + 600,
        })))
    }

    fn deliver(&mut self, delivering: Vec<Served>) -> Result<()> {
        for Served { task, nodes } in delivering {
            self.happen(Event::Delivered { task, node: nodes[1], content: B256::ZERO, paid: 90_000 })?;
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<()> {
        let at = Position { block: self.block, index: self.index };
        let log = Logged { at, block_hash: block_hash(self.block), event };
        self.view.apply(&log)?;
        if self.is_recorded {
            self.logs.push(log);
        }
        self.index += 1;
        Ok(())
    }

    fn end_block(&mut self) {
        self.view.note_time(self.now());
        (self.block, self.index) = (self.block + 1, 0);
    }

    fn now(&self) -> u64 {
        time_of(self.block)
    }
}

/// A block a second.
pub(crate) const fn time_of(block: u64) -> u64 {
    BEGIN + block
}

fn block_hash(block: u64) -> B256 {
    B256::left_padding_from(&block.to_be_bytes())
}

fn address(number: u64) -> Address {
    Address::left_padding_from(&number.to_be_bytes())
}
