//! What can go wrong in a node agent.

use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use thiserror::Error;
use xenon_protocol::{chain::ChainError, relay::RelayError};

/// What can go wrong in a node agent. The text says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The key belongs to no node.
    #[error("XA-001: {key} is not the key of a node on this network; join with this key first, or use the node's key")]
    NotJoined {
        /// The key's address.
        key: Address,
    },
    /// Another agent holds the journal.
    #[error(
        "XA-002: another agent uses the journal {}; stop that one first: two agents with one key would spoil each other's answers",
        path.display()
    )]
    AlreadyRunning {
        /// The journal.
        path: PathBuf,
    },
    /// The journal cannot be read. Nothing was deleted.
    #[error(
        "XA-003: the journal {} is damaged ({reason}); bring it back from a copy of the disk, or move it away to begin a new one, which gives up the seats in hand",
        path.display()
    )]
    JournalDamaged {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The journal was written for another node or another network.
    #[error(
        "XA-004: the journal {} is that of {found}, not of {expected}; use another data directory",
        path.display()
    )]
    JournalOfAnother {
        /// The journal.
        path: PathBuf,
        /// Whom this agent works for.
        expected: String,
        /// Whom the journal was written for.
        found: String,
    },
    /// The journal could not be read or written. Without it no step is taken.
    #[error("XA-005: cannot use the journal {}: {reason}; check the disk and its permissions", path.display())]
    JournalUnusable {
        /// The journal, or its directory.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A second answer to a task that has one. The journal refused it.
    #[error(
        "XA-006: the journal already holds another answer to task {task}; this is a defect of the agent, report it"
    )]
    SecondAnswer {
        /// The task.
        task: u64,
    },
    /// The operating system gave no randomness for a salt.
    #[error("XA-007: no randomness for a salt: {reason}; check this machine's random number generator")]
    NoRandomness {
        /// What the system says.
        reason: String,
    },
    /// The commitment on chain was made with this key and is not in this journal: another agent has the key, or the
    /// journal was lost. Nothing that this agent could do about the task would be right.
    #[error(
        "XA-008: the commitment of node {node} to task {task} is not from this journal, so this agent stops; if another one uses the key, leave it alone: two would spoil each other's answers; if the journal was lost, start again when the task is over (`xenon task status {task}`)"
    )]
    ForeignCommitment {
        /// The node.
        node: u32,
        /// The task.
        task: u64,
    },
    /// The thread that runs the models is gone.
    #[error("XA-009: the thread that runs the models stopped ({reason}); start the agent again")]
    RunnerStopped {
        /// What is known about it.
        reason: String,
    },
    /// The chain's logs do not hold what must be in them.
    #[error(
        "XA-010: the chain's logs from block {from_block} on do not hold {what}; use an endpoint that serves the logs of the last eight days"
    )]
    LogsMissing {
        /// The event that was looked for.
        what: String,
        /// The first block that was looked at.
        from_block: u64,
    },
    /// The key to join with is that of another operator's node.
    #[error("XA-011: {key} is already the key of node {node} of operator {operator}; join with another key")]
    KeyOfAnother {
        /// The key's address.
        key: Address,
        /// The node that it belongs to.
        node: u32,
        /// Who owns that node.
        operator: Address,
    },
    /// The key to join with is that of a node that has quit or was slashed.
    #[error("XA-012: {key} is the key of node {node}, which has quit or was slashed; join with another key")]
    KeyUsedUp {
        /// The key's address.
        key: Address,
        /// The node that it belonged to.
        node: u32,
    },
    /// The relay of this agent is not the one whose signature a delivery needs.
    #[error(
        "XA-013: task {task} is delivered with the signature of relay {named}, and {url} signs as {signer}: start the agent with the relay that the task names"
    )]
    OtherRelay {
        /// The task.
        task: u64,
        /// The relay that the task names.
        named: Address,
        /// The agent's relay.
        url: String,
        /// Who signed there; zero if what came is no signature.
        signer: Address,
    },
    /// The node joined as one of another execution class than this machine's.
    #[error(
        "XA-014: node {node} joined with execution class {registered}, and this machine computes as {found}: its answers would not be those of its class; put back the device, runtime and version that it joined with, or quit with it and join anew with another key"
    )]
    OtherClass {
        /// The node.
        node: u32,
        /// The class that it joined with.
        registered: B256,
        /// The class of this machine.
        found: B256,
    },
    /// The chain could not be read, or refused a transaction.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The relay could not be used.
    #[error(transparent)]
    Relay(#[from] RelayError),
}

impl AgentError {
    /// The stable code of this error, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotJoined { .. } => "XA-001",
            Self::AlreadyRunning { .. } => "XA-002",
            Self::JournalDamaged { .. } => "XA-003",
            Self::JournalOfAnother { .. } => "XA-004",
            Self::JournalUnusable { .. } => "XA-005",
            Self::SecondAnswer { .. } => "XA-006",
            Self::NoRandomness { .. } => "XA-007",
            Self::ForeignCommitment { .. } => "XA-008",
            Self::RunnerStopped { .. } => "XA-009",
            Self::LogsMissing { .. } => "XA-010",
            Self::KeyOfAnother { .. } => "XA-011",
            Self::KeyUsedUp { .. } => "XA-012",
            Self::OtherRelay { .. } => "XA-013",
            Self::OtherClass { .. } => "XA-014",
            Self::Chain(error) => error.code(),
            Self::Relay(error) => error.code(),
        }
    }

    /// Whether the agent may try again: what lies outside this machine can mend itself. Its own journal cannot, and
    /// another agent with its key does not go away by being waited for.
    pub const fn is_worth_retrying(&self) -> bool {
        matches!(self, Self::Chain(_) | Self::Relay(_) | Self::LogsMissing { .. } | Self::OtherRelay { .. })
    }
}
