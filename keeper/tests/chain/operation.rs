//! Random moves of all parties.

use std::{collections::BTreeMap, ops::Range};

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol_types::SolCall,
};
use proptest::{prelude::*, sample::Index};
use xenon_keeper::{
    ClassId, KindId, NodeId, TaskId, View,
    view::{ClassKey, Node as KnownNode, Seats, Stage, Task as KnownTask},
};
use xenon_protocol::{
    chain::Call,
    contracts::{Node, Status, Task, TaskQueue},
    error_code::{ErrorCode, error_result},
};

use crate::world::{CREATOR, KEEPER, OPERATORS, OWNER, World, id, operator};

/// A move. Whom it concerns is chosen among those for whom it makes sense, if there are any.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Join { operator: u8, class: u8, gb: u16 },
    Pause(Index),
    Resume(Index),
    Quit(Index),
    Withdraw(Index),
    Create { kind: u8, size: u32, gb: u16, class: u32, fee: u128, wait: u32 },
    Cancel(Index),
    Expire(Index),
    Dispatch(u64),
    Wake { kind: u8, class: u32 },
    Absorb(u64),
    Commit { task: Index, seat: usize, result: u8 },
    Reveal { task: Index, seat: usize },
    Deliver(Index),
    Advance(Index),
    Reserve { which: Index, class: u32 },
    Review(u32),
    Collect(Index),
    TopUp(Index),
    Appeal(Index),
    AddEvidence(Index),
    Arbitrate { which: Index, ruling: u8 },
    Slash(Index),
    Thaw(Index),
    SetDurations { kind: u8, longer: bool },
}

/// The most blocks that are undone at once.
pub(crate) const DEEPEST: usize = 12;

/// A block: some moves, and the seconds since the one before.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Blocks that turn out not to have happened before it; what was mined in their place is shorter.
    pub(crate) undone: usize,
    /// Empty blocks before it.
    pub(crate) idle: u64,
    pub(crate) seconds: u64,
    pub(crate) operations: Vec<Operation>,
}

/// A crowd of tasks, then what becomes of them.
pub(crate) fn any_life() -> impl Strategy<Value = Vec<Block>> {
    let crowd = prop::collection::vec(any_task(2_000..200_000), 6..12)
        .prop_map(|operations| Block { undone: 0, idle: 0, seconds: 1, operations })
        .boxed();
    let after = prop::collection::vec(any_block(), 40..70);
    // The last of a long crowd finds the queue full.
    let crowds = prop_oneof![3 => prop::collection::vec(crowd.clone(), 0..4), 1 => prop::collection::vec(crowd, 9..11)];
    (crowds, after).prop_map(|(crowd, after)| crowd.into_iter().chain(after).collect())
}

pub(crate) fn any_block() -> impl Strategy<Value = Block> {
    let seconds = prop_oneof![60 => 1..4u64, 8 => 100..400u64, 1 => Just(90_000), 1 => Just(604_800)];
    let idle = prop_oneof![60 => Just(0u64), 1 => Just(257)];
    let undone = prop_oneof![15 => Just(0usize), 1 => 1..=DEEPEST];
    (undone, idle, seconds, prop::collection::vec(any_operation(), 2..10))
        .prop_map(|(undone, idle, seconds, operations)| Block { undone, idle, seconds, operations })
}

fn any_operation() -> impl Strategy<Value = Operation> {
    use Operation::{
        Absorb, AddEvidence, Advance, Appeal, Cancel, Collect, Deliver, Dispatch, Expire, Pause, Quit, Resume, Review,
        Slash, Thaw, TopUp, Wake, Withdraw,
    };
    let index = any::<Index>;
    prop_oneof![
        2 => (0..OPERATORS, 0..4u8, prop::sample::select(vec![4u16, 8, 24]))
            .prop_map(|(operator, class, gb)| Operation::Join { operator, class, gb }),
        1 => index().prop_map(Pause),
        1 => index().prop_map(Resume),
        1 => index().prop_map(Quit),
        1 => index().prop_map(Withdraw),
        7 => any_task(200..3_000),
        1 => index().prop_map(Cancel),
        1 => index().prop_map(Expire),
        8 => (1..6u64).prop_map(Dispatch),
        1 => (0..2u8, 1..5u32).prop_map(|(kind, class)| Wake { kind, class }),
        2 => (index(), 1..5u32).prop_map(|(which, class)| Operation::Reserve { which, class }),
        1 => (1..6u32).prop_map(Review),
        1 => index().prop_map(Collect),
        1 => index().prop_map(TopUp),
        2 => index().prop_map(Appeal),
        1 => index().prop_map(AddEvidence),
        2 => (index(), 0..3u8).prop_map(|(which, ruling)| Operation::Arbitrate { which, ruling }),
        1 => index().prop_map(Slash),
        1 => index().prop_map(Thaw),
        1 => (0..2u8, any::<bool>()).prop_map(|(kind, longer)| Operation::SetDurations { kind, longer }),
        1 => (1..4u64).prop_map(Absorb),
        30 => (index(), 0..3usize, 0..8u8).prop_map(|(task, seat, result)| Operation::Commit { task, seat, result }),
        24 => (index(), 0..3usize).prop_map(|(task, seat)| Operation::Reveal { task, seat }),
        3 => index().prop_map(Deliver),
        5 => index().prop_map(Advance),
    ]
}

/// Few different offers, so that levels are shared.
fn any_task(wait: Range<u32>) -> impl Strategy<Value = Operation> {
    let gb = prop::sample::select(vec![0u16, 0, 6, 20]);
    let class = prop::sample::select(vec![0u32, 0, 0, 1, 2, 3, 4]);
    let fee = prop::sample::select(vec![100u128, 100, 101, 250, 300]);
    (0..2u8, 1..3u32, gb, class, fee, wait).prop_map(|(kind, size, gb, class, milli, wait)| Operation::Create {
        kind,
        size,
        gb,
        class,
        fee: milli * 1_000_000_000_000_000,
        wait,
    })
}

/// The results that nodes committed to.
pub(crate) type Votes = BTreeMap<(TaskId, NodeId), B256>;

impl Operation {
    /// The transaction, made from what is known after the last block.
    pub(crate) fn transaction(&self, world: &World, view: &View, votes: &mut Votes) -> (Address, Call) {
        let queue = world.contracts.queue;
        match self {
            Self::Join { operator: who, class, gb } => {
                let node = u32::try_from(view.nodes().iter().count()).unwrap() + 1;
                (operator(*who), world.join(node, *class, *gb))
            }
            Self::Pause(which) => {
                as_operator(world, view, *which, &[Status::Free, Status::Busy], |node| Node::pauseCall { node })
            }
            Self::Resume(which) => {
                as_operator(world, view, *which, &[Status::Paused, Status::Suspended], |node| Node::resumeCall { node })
            }
            Self::Quit(which) => as_operator(world, view, *which, &[], |node| Node::quitCall { node }),
            Self::Withdraw(which) => {
                as_operator(world, view, *which, &[Status::Unbonding], |node| Node::withdrawCall { node })
            }
            Self::Create { kind, size, gb, class, fee, wait } => {
                (CREATOR, world.create(*kind, *size, *gb, *class, *fee, *wait))
            }
            Self::Cancel(which) => {
                let task = id(pick(view, *which, |task| matches!(task.stage, Stage::Queued(_))));
                (CREATOR, Call::new(world.contracts.task, &Task::cancelCall { task }))
            }
            Self::Expire(which) => {
                let task = id(view.tasks().expired(world.now()).next().unwrap_or(pick(view, *which, |_| true)));
                (KEEPER, Call::new(world.contracts.task, &Task::expireCall { task }))
            }
            Self::Dispatch(most) => {
                (KEEPER, Call::new(queue, &TaskQueue::dispatchCall { maxTasks: U256::from(*most) }))
            }
            Self::Wake { kind, class } => {
                let parked = view.books().parked().next();
                let ClassKey { kind, class } =
                    parked.unwrap_or(ClassKey { kind: KindId(*kind), class: ClassId(*class) });
                (KEEPER, Call::new(queue, &TaskQueue::wakeCall { kind: kind.0, class: class.0 }))
            }
            Self::Absorb(most) => {
                (KEEPER, Call::new(world.contracts.node, &Node::absorbCall { limit: U256::from(*most) }))
            }
            Self::Commit { task, seat, result } => {
                let task = pick(view, *task, |task| matches!(task.stage, Stage::Committing(_)));
                let (node, key) = next_seat(view, task, *seat, |seats| seats.commit_ranks);
                let result = *votes.entry((task, node)).or_insert_with(|| a_result(*result));
                (key, world.commit(task, node, key, result))
            }
            Self::Reveal { task, seat } => {
                let task = pick(view, *task, |task| matches!(task.stage, Stage::Revealing(_)));
                let (node, key) = next_seat(view, task, *seat, |seats| seats.reveal_ranks);
                let result = votes.get(&(task, node)).copied().unwrap_or_default();
                (key, world.reveal(task, node, result))
            }
            Self::Deliver(which) => {
                let task = pick(view, *which, |task| matches!(task.stage, Stage::Delivering(_)));
                let turn = view.tasks().get(task).and_then(KnownTask::seats).map_or(0, |seats| seats.deliverer);
                let (node, key) = seat_of(view, task, turn.into());
                (key, world.deliver(task, node))
            }
            Self::Reserve { which, class } => {
                let heads: Vec<_> = heads(view).collect();
                let task = if heads.is_empty() { TaskId(1) } else { heads[which.index(heads.len())] };
                let named = view.tasks().get(task).and_then(|task| task.class).map_or(*class, |class| class.0);
                (KEEPER, Call::new(queue, &TaskQueue::reserveCall { task: id(task), class: named }))
            }
            Self::Advance(which) => {
                let overdue = view.tasks().overdue(world.now()).next();
                let task = id(overdue.unwrap_or(pick(view, *which, |task| task.seats().is_some())));
                (KEEPER, Call::new(world.contracts.task, &Task::advanceCall { task }))
            }
            about_nodes => about_nodes.about_nodes(world, view),
        }
    }

    /// The moves around stakes, classes and parameters.
    fn about_nodes(&self, world: &World, view: &View) -> (Address, Call) {
        let (node, task) = (world.contracts.node, world.contracts.task);
        let by_anybody = |call: Call| (KEEPER, call);
        match self {
            Self::Review(class) => by_anybody(Call::new(node, &Node::reviewCall { class: *class })),
            Self::Collect(which) => {
                let node = any_node(view, *which, |_| true).0;
                by_anybody(Call::new(task, &Task::collectCall { node }))
            }
            Self::TopUp(which) => {
                let is_short = |node: &KnownNode| node.stake < 400_000_000_000_000_000_000;
                let call = Node::topUpCall { node: any_node(view, *which, is_short).0 };
                by_anybody(Call::new(node, &call).with_value(U256::from(100_000_000_000_000_000u128)))
            }
            Self::Appeal(which) => {
                let call = Node::appealCall { node: frozen(view, *which), evidence: keccak256("a transcript") };
                by_anybody(Call::new(node, &call))
            }
            Self::AddEvidence(which) => {
                let call = Node::addEvidenceCall { node: frozen(view, *which), evidence: keccak256("a witness") };
                by_anybody(Call::new(node, &call))
            }
            Self::Arbitrate { which, ruling } => {
                let accused = frozen(view, *which);
                let case = view.nodes().get(NodeId(accused)).and_then(|node| node.case);
                let task = id(case.map_or(TaskId(1), |case| case.task));
                (OWNER, Call::new(node, &Node::arbitrateCall { node: accused, task, ruling: *ruling }))
            }
            Self::Slash(which) => by_anybody(Call::new(node, &Node::slashCall { node: frozen(view, *which) })),
            Self::Thaw(which) => by_anybody(Call::new(node, &Node::thawCall { node: frozen(view, *which) })),
            Self::SetDurations { kind, longer } => {
                let spec = world.read(task, &Task::kindOfCall { kind: *kind });
                let step = |ms: u32| if *longer { ms * 3 / 2 } else { ms - ms / 4 };
                let (overhead, unit) = (step(spec.overheadMs), step(spec.msPerUnit));
                let call = Task::setDurationsCall { kind: *kind, overheadMs: overhead, msPerUnit: unit };
                (OWNER, Call::new(task, &call))
            }
            _ => unreachable!("the others are about tasks"),
        }
    }
}

/// The first task of each book.
fn heads(view: &View) -> impl Iterator<Item = TaskId> {
    let tiers = view.books().tiers().filter_map(|(_, book)| Some(*book.first()?.1));
    tiers.chain(view.books().classes().filter_map(|(_, book)| Some(*book.tasks().first()?.1)))
}

fn frozen(view: &View, which: Index) -> u32 {
    any_node(view, which, |node| node.status == Status::Frozen).0
}

/// One of the nodes that suit, or just any.
fn any_node(view: &View, which: Index, suits: impl Fn(&KnownNode) -> bool) -> NodeId {
    let suitable: Vec<_> = view.nodes().iter().filter(|(_, node)| suits(node)).map(|(id, _)| id).collect();
    if suitable.is_empty() { NodeId(1) } else { suitable[which.index(suitable.len())] }
}

fn as_operator<C: SolCall>(
    world: &World,
    view: &View,
    which: Index,
    suits: &[Status],
    call: impl FnOnce(u32) -> C,
) -> (Address, Call) {
    let mut nodes: Vec<_> = view.nodes().iter().filter(|(_, node)| suits.contains(&node.status)).collect();
    if nodes.is_empty() {
        nodes = view.nodes().iter().collect();
    }
    let (node, owner) = match nodes.as_slice() {
        [] => (NodeId(1), operator(0)),
        nodes => (nodes[which.index(nodes.len())].0, nodes[which.index(nodes.len())].1.operator),
    };
    (owner, Call::new(world.contracts.node, &call(node.0)))
}

/// One of the tasks for which a move makes sense, or just any number.
fn pick(view: &View, which: Index, suits: impl Fn(&KnownTask) -> bool) -> TaskId {
    let suitable: Vec<_> = view.tasks().iter().filter(|(_, task)| suits(task)).map(|(id, _)| id).collect();
    if suitable.is_empty() { TaskId(1 + which.index(20) as u64) } else { suitable[which.index(suitable.len())] }
}

fn seat_of(view: &View, task: TaskId, seat: usize) -> (NodeId, Address) {
    let seats = view.tasks().get(task).and_then(KnownTask::seats);
    let node = seats.map_or(NodeId(1), |seats| seats.nodes[seat]);
    (node, view.nodes().get(node).map_or(KEEPER, |node| node.key))
}

/// The seat, or rather the first behind it that has not acted.
fn next_seat(view: &View, task: TaskId, seat: usize, ranks: impl Fn(&Seats) -> [u8; 3]) -> (NodeId, Address) {
    let ranks = view.tasks().get(task).and_then(KnownTask::seats).map_or([0; 3], ranks);
    let idle = (0..3).map(|step| (seat + step) % 3).find(|seat| ranks[*seat] == 0);
    seat_of(view, task, idle.unwrap_or(seat))
}

/// Mostly the same result; sometimes another one, or one of two errors.
fn a_result(which: u8) -> B256 {
    match which {
        0 => keccak256("another result"),
        1 => error_result(ErrorCode::SizeMismatch),
        2 => error_result(ErrorCode::ModelUnavailable),
        _ => keccak256("the result"),
    }
}
