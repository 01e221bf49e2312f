use alloy::primitives::Address;
use xenon_protocol::{chain::ChainError, deployment::DeploymentError};

use crate::{ViewError, journal::JournalError};

/// Why a keeper's round came to nothing, or a keeper stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeeperError {
    /// The configuration contradicts itself.
    #[error("XK-001: the keeper's configuration is of no use: {reason}")]
    Config {
        /// What is wrong, and what to do.
        reason: &'static str,
    },
    /// The contracts are on another chain than the account.
    #[error(
        "XK-002: the contracts are on chain {expected} and the endpoint serves chain {actual}: use an endpoint of chain {expected}"
    )]
    WrongChain {
        /// The chain of the deployment.
        expected: u64,
        /// The chain of the account.
        actual: u64,
    },
    /// The contracts are not there, or are others.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    /// The contracts belong to a network with other addresses than those given.
    #[error("XK-005: the network of {task} has other contracts than those given: give the addresses of one network")]
    OtherNetwork {
        /// Its Task contract.
        task: Address,
    },
    /// No kind of task was ever added as far as the logs tell.
    #[error(
        "XK-003: the logs from block {from_block} on show no kind of task: set from_block to the block of the deployment or an earlier one, and use an endpoint that serves old logs"
    )]
    NoKinds {
        /// The first block read.
        from_block: u64,
    },
    /// The chain changed while it was read.
    #[error("XK-004: block {block} changed while its logs were read: they are read again")]
    Unsettled {
        /// The block.
        block: u64,
    },
    /// The chain could not be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The logs contradict each other or the contracts.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl KeeperError {
    /// The stable code of this error, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Config { .. } => "XK-001",
            Self::WrongChain { .. } => "XK-002",
            Self::OtherNetwork { .. } => "XK-005",
            Self::NoKinds { .. } => "XK-003",
            Self::Unsettled { .. } => "XK-004",
            Self::Deployment(error) => error.code(),
            Self::Chain(error) => error.code(),
            Self::Journal(error) => error.code(),
            Self::View(error) => error.code(),
        }
    }

    /// Whether a keeper that meets it cannot go on, however long it waits.
    pub const fn is_permanent(&self) -> bool {
        match self {
            Self::Deployment(DeploymentError::Chain(error)) | Self::Chain(error) => {
                matches!(error, ChainError::NoContract { .. } | ChainError::WrongChain { .. })
            }
            Self::Config { .. }
            | Self::WrongChain { .. }
            | Self::OtherNetwork { .. }
            | Self::Deployment(_)
            | Self::Journal(_) => true,
            Self::NoKinds { .. } | Self::Unsettled { .. } | Self::View(_) => false,
        }
    }
}
