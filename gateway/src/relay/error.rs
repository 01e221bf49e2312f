//! Why a relay could not start.

use std::{io, net::SocketAddr, path::PathBuf};

use thiserror::Error;

/// Why a relay could not start, and what to do about it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The configuration contradicts itself.
    #[error("XG-001: the relay's configuration cannot work: {reason}")]
    Config {
        /// What is wrong and what to do.
        reason: &'static str,
    },
    /// The directory of the content cannot be made or opened.
    #[error("XG-002: the relay cannot keep content in {}: {source}; check the path and who may write there", path.display())]
    Directory {
        /// The configured directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("XG-003: the relay cannot listen on {address}: {source}; choose a free port (0 lets the system choose)")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
}

impl GatewayError {
    /// The stable code, also at the start of the text.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Config { .. } => "XG-001",
            Self::Directory { .. } => "XG-002",
            Self::Listen { .. } => "XG-003",
        }
    }
}
