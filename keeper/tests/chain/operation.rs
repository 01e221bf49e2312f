//! Random moves of all parties.

use std::{collections::BTreeMap, ops::Range};

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol_types::SolCall,
};
use proptest::{prelude::*, sample::Index};
use xenon_keeper::{
    ClassId, KindId, NodeId, TaskId, View,
    view::{ClassKey, Seats, Stage, Task as KnownTask},
};
use xenon_protocol::{
    chain::Call,
    contracts::{Node, Status, Task, TaskQueue},
    error_code::{ErrorCode, error_result},
};

use crate::world::{CREATOR, KEEPER, OPERATORS, World, id, operator};

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
}

/// A block: some moves, and the seconds since the one before.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Empty blocks before it.
    pub(crate) idle: u64,
    pub(crate) seconds: u64,
    pub(crate) operations: Vec<Operation>,
}

/// A crowd of tasks, then what becomes of them.
pub(crate) fn any_life() -> impl Strategy<Value = Vec<Block>> {
    let crowd = prop::collection::vec(any_task(2_000..200_000), 6..12).prop_map(|operations| Block {
        idle: 0,
        seconds: 1,
        operations,
    });
    let after = prop::collection::vec(any_block(), 40..70);
    (prop::collection::vec(crowd, 0..5), after).prop_map(|(crowd, after)| crowd.into_iter().chain(after).collect())
}

pub(crate) fn any_block() -> impl Strategy<Value = Block> {
    let seconds = prop_oneof![60 => 1..4u64, 8 => 100..400u64, 1 => Just(604_800)];
    let idle = prop_oneof![60 => Just(0u64), 1 => Just(257)];
    (idle, seconds, prop::collection::vec(any_operation(), 2..8)).prop_map(|(idle, seconds, operations)| Block {
        idle,
        seconds,
        operations,
    })
}

fn any_operation() -> impl Strategy<Value = Operation> {
    use Operation::{Absorb, Advance, Cancel, Deliver, Dispatch, Expire, Pause, Quit, Resume, Wake, Withdraw};
    let index = any::<Index>;
    prop_oneof![
        2 => (0..OPERATORS, 0..3u8, prop::sample::select(vec![4u16, 8, 24]))
            .prop_map(|(operator, class, gb)| Operation::Join { operator, class, gb }),
        1 => index().prop_map(Pause),
        1 => index().prop_map(Resume),
        1 => index().prop_map(Quit),
        1 => index().prop_map(Withdraw),
        7 => any_task(200..3_000),
        1 => index().prop_map(Cancel),
        1 => index().prop_map(Expire),
        8 => (1..6u64).prop_map(Dispatch),
        1 => (0..2u8, 1..4u32).prop_map(|(kind, class)| Wake { kind, class }),
        1 => (1..4u64).prop_map(Absorb),
        16 => (index(), 0..3usize, 0..8u8).prop_map(|(task, seat, result)| Operation::Commit { task, seat, result }),
        12 => (index(), 0..3usize).prop_map(|(task, seat)| Operation::Reveal { task, seat }),
        3 => index().prop_map(Deliver),
        3 => index().prop_map(Advance),
    ]
}

/// Few different offers, so that levels are shared.
fn any_task(wait: Range<u32>) -> impl Strategy<Value = Operation> {
    let gb = prop::sample::select(vec![0u16, 0, 6, 20]);
    let class = prop::sample::select(vec![0u32, 0, 1, 2, 3]);
    let fee = prop::sample::select(vec![100u128, 100, 101, 250]);
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
            Self::Advance(which) => {
                let overdue = view.tasks().overdue(world.now()).next();
                let task = id(overdue.unwrap_or(pick(view, *which, |task| task.seats().is_some())));
                (KEEPER, Call::new(world.contracts.task, &Task::advanceCall { task }))
            }
        }
    }
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
