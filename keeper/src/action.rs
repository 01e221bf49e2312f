use std::fmt;

use alloy::{
    primitives::{Bytes, U256, aliases::U40},
    sol_types::SolCall,
};
use serde::{Deserialize, Serialize};
use xenon_protocol::{
    chain::Call,
    contracts::{Node, Task, TaskQueue},
    deployment::Deployment,
};

use crate::{ClassId, NodeId, TaskId, view::ClassKey};

/// More than the draw of a task costs.
const DRAW_GAS: u64 = 120_000;

/// Something a keeper can do. Each is a call that anybody may make and that the contract checks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Seat what an earlier block drew, then draw.
    Dispatch {
        /// Limit on seatings and, separately, on draws.
        max_tasks: u32,
        /// Tasks that wait to be seated; 0 if there is only something to draw.
        seats: u32,
    },
    /// Move a task on whose stage is over.
    Advance(TaskId),
    /// End a queued task whose wait is over.
    Expire(TaskId),
    /// Let the book of a class compete that can be served again.
    Wake(ClassKey),
    /// Keep the nodes of a class for a task that has waited long.
    Reserve {
        /// The task, the first of its book.
        task: TaskId,
        /// The class.
        class: ClassId,
    },
    /// Look anew at whether a class is open.
    Review(ClassId),
    /// Slash a frozen node for which nobody appealed.
    Slash(NodeId),
    /// Release a frozen node whose appeal was not decided.
    Thaw(NodeId),
    /// Take nodes in that wait for the sets to open.
    Absorb {
        /// At most so many.
        limit: u32,
    },
}

impl Action {
    /// The contract function, for logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Dispatch { .. } => "dispatch",
            Self::Advance(_) => "advance",
            Self::Expire(_) => "expire",
            Self::Wake(_) => "wake",
            Self::Reserve { .. } => "reserve",
            Self::Review(_) => "review",
            Self::Slash(_) => "slash",
            Self::Thaw(_) => "thaw",
            Self::Absorb { .. } => "absorb",
        }
    }

    /// What it is about: two dispatches are the same, whatever waits for them, and so are two absorptions.
    #[must_use]
    pub const fn subject(self) -> Self {
        match self {
            Self::Dispatch { .. } => Self::Dispatch { max_tasks: 0, seats: 0 },
            Self::Absorb { .. } => Self::Absorb { limit: 0 },
            other => other,
        }
    }

    /// Whether it begins something that others then have to end.
    pub const fn starts_something(&self) -> bool {
        matches!(self, Self::Dispatch { .. } | Self::Reserve { .. } | Self::Wake(_))
    }

    /// Gas that it may need besides what a simulation uses, because of what others do before it is included. A `dispatch`
    /// draws the tasks that are there when it runs.
    pub(crate) const fn spare_gas(&self) -> u64 {
        match self {
            Self::Dispatch { max_tasks, .. } => DRAW_GAS * *max_tasks as u64,
            _ => 0,
        }
    }

    /// The call that does it.
    pub fn call(&self, contracts: &Deployment) -> Call {
        match *self {
            Self::Dispatch { max_tasks, .. } => {
                Call::new(contracts.queue, &TaskQueue::dispatchCall { maxTasks: U256::from(max_tasks) })
            }
            Self::Advance(task) => Call::new(contracts.task, &Task::advanceCall { task: U40::from(task.0) }),
            Self::Expire(task) => Call::new(contracts.task, &Task::expireCall { task: U40::from(task.0) }),
            Self::Wake(ClassKey { kind, class }) => {
                Call::new(contracts.queue, &TaskQueue::wakeCall { kind: kind.0, class: class.0 })
            }
            Self::Reserve { task, class } => {
                Call::new(contracts.queue, &TaskQueue::reserveCall { task: U40::from(task.0), class: class.0 })
            }
            Self::Review(class) => Call::new(contracts.node, &Node::reviewCall { class: class.0 }),
            Self::Slash(node) => Call::new(contracts.node, &Node::slashCall { node: node.0 }),
            Self::Thaw(node) => Call::new(contracts.node, &Node::thawCall { node: node.0 }),
            Self::Absorb { limit } => Call::new(contracts.node, &Node::absorbCall { limit: U256::from(limit) }),
        }
    }

    /// Whether what the call returned when it was simulated says that it changes something. A `dispatch` that returns
    /// zeros may still do so: a round can be drawn again, or lose all of its tasks to the queue.
    pub fn shows_effect(&self, returned: &Bytes) -> bool {
        match self {
            Self::Dispatch { .. } => TaskQueue::dispatchCall::abi_decode_returns(returned)
                .is_ok_and(|done| !(done.seated.is_zero() && done.drawn.is_zero())),
            Self::Absorb { .. } => {
                Node::absorbCall::abi_decode_returns(returned).is_ok_and(|absorbed| !absorbed.is_zero())
            }
            Self::Advance(_)
            | Self::Expire(_)
            | Self::Wake(_)
            | Self::Reserve { .. }
            | Self::Review(_)
            | Self::Slash(_)
            | Self::Thaw(_) => true,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dispatch { max_tasks, seats } => write!(f, "dispatch up to {max_tasks} tasks, {seats} drawn"),
            Self::Advance(task) => write!(f, "advance task {task}"),
            Self::Expire(task) => write!(f, "expire task {task}"),
            Self::Wake(ClassKey { kind, class }) => write!(f, "wake the book of kind {kind} and class {class}"),
            Self::Reserve { task, class } => write!(f, "reserve class {class} for task {task}"),
            Self::Review(class) => write!(f, "review class {class}"),
            Self::Slash(node) => write!(f, "slash node {node}"),
            Self::Thaw(node) => write!(f, "thaw node {node}"),
            Self::Absorb { limit } => write!(f, "absorb up to {limit} nodes"),
        }
    }
}
