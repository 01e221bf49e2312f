//! What the journal holds.

use std::fmt;

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use xenon_protocol::commitment::Salt;

/// Version of the journal's form. Another form is refused, not guessed at.
const FORMAT: u32 = 1;

/// What a node has answered to one task, from before its commitment until long after the task's end.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The task's number on chain.
    pub task: u64,
    /// keccak256 of its JSON. After a reorganisation of the chain the same number may be another task.
    pub task_hash: B256,
    /// The 32 bytes committed to: an answer's or an error's.
    pub result: B256,
    /// The secret in the commitment.
    pub salt: Salt,
    /// The last step that may have been taken.
    pub stage: Stage,
}

/// The last step about a task that may have been taken. It is written before the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The commitment may have been sent.
    Committing,
    /// The answer and its salt may have been sent.
    Revealing,
    /// The reply may be at the relay, and the chain may have been told.
    Delivering,
    /// The task was seen ended in this block; the reply is gone.
    Ended {
        /// The chain's newest block at that time.
        block: u64,
    },
}

impl Entry {
    /// An answer that is to be committed to.
    pub const fn new(task: u64, task_hash: B256, result: B256, salt: Salt) -> Self {
        Self { task, task_hash, result, salt, stage: Stage::Committing }
    }

    /// Whether the task has not been seen ended.
    pub const fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Ended { .. })
    }

    /// Whether both are answers to the same task, not to two tasks of one number on two forks.
    pub(super) fn is_of_same_task(&self, other: &Self) -> bool {
        (self.task, self.task_hash) == (other.task, other.task_hash)
    }

    /// Whether both lead to the same commitment.
    pub(super) fn is_same_answer(&self, other: &Self) -> bool {
        (self.result, self.salt) == (other.result, other.salt)
    }
}

/// Before the reveal a result is worth as much to a copier as the salt is, so neither is shown.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("task", &self.task).field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// Whose journal it is. A journal is of use to one node on one chain only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    format: u32,
    chain_id: u64,
    genesis: B256,
    contract: Address,
    key: Address,
    node: u32,
}

impl Identity {
    /// Node `node` with `key` in the network whose Task contract is `contract`, on the chain with that id whose first
    /// block has the hash `genesis`.
    pub const fn new(chain_id: u64, genesis: B256, contract: Address, key: Address, node: u32) -> Self {
        Self { format: FORMAT, chain_id, genesis, contract, key, node }
    }

    /// The key of the node.
    pub const fn key(&self) -> Address {
        self.key
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, chain_id, genesis, contract, key, node } = self;
        write!(
            f,
            "node {node} (key {key}) of the network {contract} on chain {chain_id} (genesis {genesis}, format {format})"
        )
    }
}
