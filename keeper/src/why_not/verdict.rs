//! What kept a node from a task.

use std::fmt;

use serde::Serialize;
use xenon_protocol::contracts::Status;

use super::seat_of;
use crate::{
    ClassId, NodeId, TaskId, Tier, View,
    view::{Node, Task},
};

/// Weight of a node of a score. Mirrors `contracts/libraries/Score.sol`.
const fn weight_of(score: u16) -> u64 {
    1 + score as u64 * 254 / 640
}

/// The score of a node for which no task has counted yet.
const MIDDLE: u16 = 320;

/// What kept a node from a task, or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It was chosen.
    Chosen {
        /// Its seat, from 1.
        seat: u8,
    },
    /// It had not joined.
    NotJoined,
    /// Its operator had paused it.
    Paused,
    /// The contract had suspended it after several misses in a row.
    Suspended,
    /// It was frozen.
    Frozen {
        /// The task in question.
        task: TaskId,
    },
    /// It had quit or was kicked out.
    Left,
    /// It held a seat.
    Busy {
        /// Of this task, if it is known.
        task: Option<TaskId>,
    },
    /// Its memory is too little.
    TooLittleMemory {
        /// The tier of its class.
        has: Tier,
        /// The tier that the task asks for.
        wants: Tier,
    },
    /// The task names another class.
    OtherClass {
        /// Its class.
        has: ClassId,
        /// The class that the task names.
        wants: ClassId,
    },
    /// Its class is too small a part of the network for tasks that name none.
    ClassClosed {
        /// Its class.
        class: ClassId,
    },
    /// Fewer nodes of its class were free than must be.
    ClassShort {
        /// Its class.
        class: ClassId,
        /// Its free nodes.
        free: u32,
        /// How many must be.
        floor: u32,
    },
    /// Its class was kept for another task.
    ClassReserved {
        /// Its class.
        class: ClassId,
        /// That task.
        task: TaskId,
    },
    /// The lot fell on another class.
    OtherClassDrawn {
        /// Its class.
        has: ClassId,
        /// The class that was drawn.
        drawn: ClassId,
    },
    /// It became free after the draw.
    FreedTooLate,
    /// It was free when the task was drawn and not any more when the nodes were chosen.
    LeftMeanwhile,
    /// It took a seat of another task of the same round.
    SeatedElsewhere {
        /// That task.
        task: TaskId,
    },
    /// Another node of its operator holds, or held, a seat of the task.
    SameOperator {
        /// That node.
        node: NodeId,
    },
    /// It held a seat of the task and let its time pass.
    LetGo,
    /// It could have been chosen, and the lot fell on others.
    NotDrawn {
        /// Its weight.
        weight: u64,
        /// The weights of all that could have been chosen.
        total: u64,
        /// How many those were.
        nodes: u32,
    },
    /// Not enough free nodes of different operators were found for the task.
    NobodyFound,
    /// Nothing keeps it from the task.
    Eligible {
        /// Its weight.
        weight: u64,
    },
}

/// A choice of nodes for a task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice<'a> {
    /// The state before the first draw of the round.
    pub(super) opening: &'a View,
    /// The state before the task had its turn, but for the nodes that were chosen: they are busy.
    pub(super) seating: &'a View,
    pub(super) id: TaskId,
    /// The task in that state.
    pub(super) task: &'a Task,
    /// Who holds its seats after it.
    pub(super) nodes: [NodeId; 3],
    /// The class they share, if they must.
    pub(super) class: Option<ClassId>,
}

/// What a choice meant for a node.
pub(super) fn chosen_from(choice: &Choice<'_>, id: NodeId) -> Verdict {
    if let Some(seat) = (1..).zip(choice.nodes).find(|(_, node)| *node == id).map(|(seat, _)| seat) {
        return Verdict::Chosen { seat };
    }
    let Some(node) = choice.opening.nodes().get(id) else { return Verdict::NotJoined };
    standing(choice.opening, id, node)
        .or_else(|| (!node.in_sets).then_some(Verdict::FreedTooLate))
        .or_else(|| unsuitable(choice.opening, choice.id, choice.task, node))
        .or_else(|| class(choice, node))
        .or_else(|| since(choice, id))
        .or_else(|| operator(choice, id, node))
        .unwrap_or_else(|| by_lot(choice, node))
}

/// What keeps a node from a task that waits for nodes now.
pub(super) fn now(view: &View, id: NodeId, task: TaskId, known: &Task) -> Verdict {
    let Some(node) = view.nodes().get(id) else { return Verdict::NotJoined };
    standing(view, id, node)
        .or_else(|| (!node.in_sets).then_some(Verdict::FreedTooLate))
        .or_else(|| unsuitable(view, task, known, node))
        .or_else(|| if known.seats().is_none() { class_now(view, known, node) } else { None })
        .or_else(|| known.seats().and_then(|seats| of_operator(view, &seats.nodes, id, node)))
        .unwrap_or_else(|| Verdict::Eligible { weight: weight(node) })
}

/// What the node's own standing says.
fn standing(view: &View, id: NodeId, node: &Node) -> Option<Verdict> {
    match node.status {
        Status::Free => None,
        Status::Busy => Some(Verdict::Busy { task: seat_of(view, id) }),
        Status::Paused => Some(Verdict::Paused),
        Status::Suspended => Some(Verdict::Suspended),
        Status::Frozen => Some(Verdict::Frozen { task: node.case.map(|case| case.task).unwrap_or_default() }),
        Status::None => Some(Verdict::NotJoined),
        _ => Some(Verdict::Left),
    }
}

/// What the task's needs say.
fn unsuitable(view: &View, id: TaskId, task: &Task, node: &Node) -> Option<Verdict> {
    if let Some(wants) = task.class.filter(|class| *class != node.class) {
        return Some(Verdict::OtherClass { has: node.class, wants });
    }
    if node.tier < task.tier {
        return Some(Verdict::TooLittleMemory { has: node.tier, wants: task.tier });
    }
    let held = view.reservation().filter(|held| held.class == node.class && held.task != id && task.class.is_none());
    held.map(|held| Verdict::ClassReserved { class: held.class, task: held.task })
}

/// What the choice of a class says, if the nodes share one that the task does not name.
fn class(choice: &Choice<'_>, node: &Node) -> Option<Verdict> {
    let drawn = choice.class.filter(|drawn| choice.task.class.is_none() && *drawn != node.class)?;
    let lacking = class_state(choice.seating, node);
    Some(lacking.unwrap_or(Verdict::OtherClassDrawn { has: node.class, drawn }))
}

fn class_now(view: &View, task: &Task, node: &Node) -> Option<Verdict> {
    if task.class.is_none() && view.needs_one_class(task.kind, None) { class_state(view, node) } else { None }
}

/// Whether a node's class can serve tasks that name none.
fn class_state(view: &View, node: &Node) -> Option<Verdict> {
    let class = view.nodes().class(node.class)?;
    if !class.open {
        return Some(Verdict::ClassClosed { class: node.class });
    }
    let is_short = class.free < class.floor;
    is_short.then_some(Verdict::ClassShort { class: node.class, free: class.free, floor: class.floor })
}

/// What happened to the node between the draw and the choice.
fn since(choice: &Choice<'_>, id: NodeId) -> Option<Verdict> {
    let node = choice.seating.nodes().get(id)?;
    match (node.status, seat_of(choice.seating, id)) {
        (Status::Busy, Some(task)) => Some(Verdict::SeatedElsewhere { task }),
        _ => (!node.in_sets).then_some(Verdict::LeftMeanwhile),
    }
}

/// Whether another node of its operator was chosen, or holds or held a seat of the task.
fn operator(choice: &Choice<'_>, id: NodeId, node: &Node) -> Option<Verdict> {
    let held = choice.task.seats().and_then(|seats| of_operator(choice.opening, &seats.nodes, id, node));
    held.or_else(|| of_operator(choice.opening, &choice.nodes, id, node))
}

fn of_operator(view: &View, nodes: &[NodeId], id: NodeId, node: &Node) -> Option<Verdict> {
    if nodes.contains(&id) {
        return Some(Verdict::LetGo);
    }
    let is_same = |id: &&NodeId| view.nodes().get(**id).is_some_and(|other| other.operator == node.operator);
    nodes.iter().find(is_same).map(|node| Verdict::SameOperator { node: *node })
}

/// The lot fell on others: with these weights.
fn by_lot(choice: &Choice<'_>, node: &Node) -> Verdict {
    let weights: Vec<_> = choice.opening.nodes().iter().filter(|(id, node)| is_eligible(choice, *id, node)).collect();
    let nodes = u32::try_from(weights.len()).unwrap_or(u32::MAX);
    Verdict::NotDrawn { weight: weight(node), total: weights.iter().map(|(_, node)| weight(node)).sum(), nodes }
}

fn is_eligible(choice: &Choice<'_>, id: NodeId, node: &Node) -> bool {
    let was_free = node.status == Status::Free
        && node.in_sets
        && unsuitable(choice.opening, choice.id, choice.task, node).is_none();
    let is_of_class = choice.class.is_none_or(|class| class == node.class);
    was_free && is_of_class && (choice.nodes.contains(&id) || since(choice, id).is_none())
}

fn weight(node: &Node) -> u64 {
    weight_of(node.score.unwrap_or(MIDDLE))
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen { seat } => write!(f, "it was given the task: it took seat {seat}"),
            Self::NotJoined => f.write_str("it had not joined the network"),
            Self::Paused => f.write_str("it was paused by its operator: `xenon node resume` puts it back"),
            Self::Suspended => {
                f.write_str("it was suspended after several misses in a row: `xenon node resume` puts it back")
            }
            Self::Frozen { task } => write!(f, "it was frozen for task {task}"),
            Self::Left => f.write_str("it had left the network"),
            Self::Busy { task: Some(task) } => write!(f, "it was busy with task {task}"),
            Self::Busy { task: None } => f.write_str("it was busy"),
            Self::TooLittleMemory { has, wants } => {
                write!(f, "its memory is too little: VRAM tier {has}, and the task asks for tier {wants}")
            }
            Self::OtherClass { has, wants } => write!(f, "it is of class {has}, and the task is for class {wants}"),
            Self::ClassClosed { class } => {
                write!(
                    f,
                    "its class {class} is not open: it has too few of the network's nodes for tasks that name no class"
                )
            }
            Self::ClassShort { class, free, floor } => {
                write!(f, "too few nodes of its class {class} were free: {free} of {floor} that must be")
            }
            Self::ClassReserved { class, task } => write!(f, "its class {class} was kept for task {task}"),
            Self::OtherClassDrawn { has, drawn } => {
                write!(f, "its nodes share a class: the lot fell on class {drawn} and not on class {has}")
            }
            Self::FreedTooLate => f.write_str("it became free after the draw: only those who were free before count"),
            Self::LeftMeanwhile => f.write_str("it was free at the draw, and not any more when the nodes were chosen"),
            Self::SeatedElsewhere { task } => write!(f, "it was given task {task} of the same round"),
            Self::SameOperator { node } => {
                write!(f, "node {node} is of the same operator, and two of one operator never share a task")
            }
            Self::LetGo => f.write_str("it held a seat of the task and let its time pass"),
            Self::NotDrawn { weight, total, nodes } => write!(
                f,
                "it could have been chosen, and the lot fell on others: its weight was {weight} of {total} among {nodes} nodes"
            ),
            Self::NobodyFound => f.write_str("not enough free nodes of different operators were found for the task"),
            Self::Eligible { weight } => {
                write!(f, "nothing keeps it from the task: its weight is {weight} of at most 255")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_the_contract() {
        assert_eq!([0, 320, 640].map(weight_of), [1, 128, 255]);
    }
}
