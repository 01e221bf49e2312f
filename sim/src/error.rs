use xenon_keeper::{Undecodable, ViewError};
use xenon_protocol::{chain::ChainError, deployment::DeploymentError};

/// Why a simulation ended before its time.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SimError {
    /// A scenario asks for something that cannot be.
    #[error("XS-001: the scenario is of no use: {reason}")]
    Scenario {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A scenario could not be read.
    #[error("XS-002: {source_name} is no scenario: {reason}")]
    Unreadable {
        /// The file, or the name it is shipped under.
        source_name: String,
        /// What the parser says, with line and column.
        reason: String,
    },
    /// No scenario of that name.
    #[error("XS-003: there is no scenario {name}: give a file, or one of {known}")]
    NoSuchScenario {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// A modelled agent did what the contracts refuse, and did not expect it: the model is wrong.
    #[error("XS-010: {agent} was refused {call} in block {block}: {reason}")]
    Refused {
        /// Who.
        agent: String,
        /// What it called.
        call: &'static str,
        /// The block.
        block: u64,
        /// The contract's refusal.
        reason: String,
    },
    /// Money was made or lost.
    #[error("XS-011: {contract} holds {held} wei in block {block}, its logs account for {accounted}")]
    NotConserved {
        /// Which contract.
        contract: &'static str,
        /// The block.
        block: u64,
        /// Its balance.
        held: String,
        /// What came in less what went out.
        accounted: String,
    },
    /// A metric that an assertion names does not exist.
    #[error("XS-012: there is no metric {name}: {known}")]
    NoSuchMetric {
        /// The name.
        name: String,
        /// Those that are like it, or all.
        known: String,
    },
    /// A scenario did not show what it should.
    #[error("XS-020: {broken} of {all} assertions do not hold: see the table, and run the seed alone with --seed")]
    Broken {
        /// How many.
        broken: usize,
        /// Of how many.
        all: usize,
    },
    /// The chain refused something that it should not have.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The contracts could not be deployed.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    /// A log that the keeper does not understand.
    #[error(transparent)]
    Undecodable(#[from] Undecodable),
    /// The keeper's view does not follow the contracts.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl SimError {
    /// The stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Scenario { .. } => "XS-001",
            Self::Unreadable { .. } => "XS-002",
            Self::NoSuchScenario { .. } => "XS-003",
            Self::Refused { .. } => "XS-010",
            Self::NotConserved { .. } => "XS-011",
            Self::NoSuchMetric { .. } => "XS-012",
            Self::Broken { .. } => "XS-020",
            Self::Chain(error) => error.code(),
            Self::Deployment(error) => error.code(),
            Self::Undecodable(_) => "XK-010",
            Self::View(error) => error.code(),
        }
    }
}
