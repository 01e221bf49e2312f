//! A comparison with the contracts' storage, a little with every block.
//!
//! Counts do not show every log that an endpoint left out: that of a delivery moves none of them. One task and one node
//! for each block cost a few calls, however large the network is, and find a lasting difference in the end.

use alloy::primitives::U256;
use xenon_protocol::contracts::{Node, State, Task};

use super::{Stage, View, ViewError, audit::agree};
use crate::{NodeId, TaskId};

/// What the contracts say of one task that has nodes and of one node.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The task, if any has nodes.
    pub task: Option<(TaskId, Task::TaskView)>,
    /// The node, if there is any, and its score, if it has one.
    pub node: Option<(NodeId, Node::NodeView, Option<u16>)>,
}

impl View {
    /// The task and the node that are compared after a block: all in turn.
    pub fn sampled(&self, block: u64) -> (Option<TaskId>, Option<NodeId>) {
        let tasks = || self.tasks().iter().filter(|(_, task)| task.seats().is_some()).map(|(id, _)| id);
        let nodes = || self.nodes().iter().map(|(id, _)| id);
        let at = |count: usize| usize::try_from(block % count.max(1) as u64).unwrap_or_default();
        (tasks().nth(at(tasks().count())), nodes().nth(at(nodes().count())))
    }

    /// Compares what the logs tell of the sample with what the contracts say after the same block.
    ///
    /// # Errors
    /// [`ViewError::Diverged`] at the first difference.
    pub fn agree_with_sample(&self, sample: &Sample) -> Result<(), ViewError> {
        if let Some((id, stored)) = &sample.task
            && let Some(known) = self.tasks().get(*id)
        {
            agree("the stage of a task", state(known.stage) as u64, stored.state.into())?;
            agree("the deadline of a task", known.deadline, stored.deadline.to())?;
        }
        if let Some((id, stored, score)) = &sample.node
            && let Some(known) = self.nodes().get(*id)
        {
            agree("the status of a node", known.status as u64, stored.status.into())?;
            let short = U256::from(known.stake).abs_diff(U256::from(stored.stake));
            agree("what is missing of a node's stake", 0, short.saturating_to())?;
            let scored = |score: Option<u16>| score.map_or(0, |score| 1 + u64::from(score));
            agree("the score of a node", scored(known.score), scored(*score))?;
        }
        Ok(())
    }
}

const fn state(stage: Stage) -> State {
    match stage {
        Stage::Queued(_) | Stage::Drawn => State::Queued,
        Stage::Committing(_) => State::Committing,
        Stage::Vacant(_) | Stage::Refilling(_) => State::Vacant,
        Stage::Revealing(_) => State::Revealing,
        Stage::Delivering(_) => State::Delivering,
    }
}
