//! Where the relay listens, where it keeps content and how much it takes.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::GatewayError;

/// Most bytes of one piece of content unless configured: 16 MiB.
pub const DEFAULT_MAX_BYTES: u64 = 16 << 20;

/// How a relay is set up.
///
/// ```
/// # fn main() -> Result<(), toml::de::Error> {
/// use xenon_gateway::relay::RelayConfig;
///
/// let config: RelayConfig = toml::from_str(
///     r#"
///     listen = "127.0.0.1:8600"
///     store = { kind = "directory", path = "/var/lib/xenon/content" }
///     max_bytes = 4194304
///     "#,
/// )?;
/// assert_eq!(config.max_bytes, 4 << 20);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    /// Address to listen on; port 0 lets the system choose one.
    pub listen: SocketAddr,
    /// Where content is kept.
    pub store: StoreConfig,
    /// Most bytes of one piece of content.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: u64,
    /// What strangers may take.
    #[serde(default)]
    pub limits: RelayLimits,
}

/// Where content is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum StoreConfig {
    /// In memory, gone when the relay stops. (With braces, so that a `path` left here by mistake is refused.)
    Memory {},
    /// In files below a directory, which is made if it does not exist.
    Directory {
        /// The directory.
        path: PathBuf,
    },
}

/// What all clients together, and each of them, may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelayLimits {
    /// Connections open at once; more wait until one ends.
    pub connections: usize,
    /// Bytes of all unfinished uploads together; one more is refused with 503.
    pub buffered_bytes: u64,
    /// Longest silence of a client while it sends a request or takes an answer, in milliseconds.
    pub silence_ms: u64,
    /// Longest time of one upload, in milliseconds.
    pub upload_ms: u64,
    /// Longest wait for open requests when the relay stops, in milliseconds.
    pub shutdown_ms: u64,
}

impl RelayConfig {
    /// A relay with the default limits.
    pub fn new(listen: SocketAddr, store: StoreConfig) -> Self {
        Self { listen, store, max_bytes: DEFAULT_MAX_BYTES, limits: RelayLimits::default() }
    }

    pub(super) fn check(&self) -> Result<(), GatewayError> {
        let most = Semaphore::MAX_PERMITS;
        let limits = &self.limits;
        let reason = if self.max_bytes == 0 {
            "max_bytes is 0, so nothing could be stored; set it to 1 or more"
        } else if limits.buffered_bytes < self.max_bytes {
            "limits.buffered_bytes is below max_bytes, so no upload of that size could finish; raise it"
        } else if !(1..=most).contains(&limits.connections) {
            "limits.connections is 0 or too large; set it to 1 or more"
        } else if usize::try_from(limits.buffered_bytes).is_ok_and(|bytes| bytes <= most) {
            return Ok(());
        } else {
            "limits.buffered_bytes is larger than this machine can address; lower it"
        };
        Err(GatewayError::Config { reason })
    }
}

impl RelayLimits {
    pub(super) const fn silence(&self) -> Duration {
        Duration::from_millis(self.silence_ms)
    }

    pub(super) const fn upload(&self) -> Duration {
        Duration::from_millis(self.upload_ms)
    }

    pub(super) const fn shutdown(&self) -> Duration {
        Duration::from_millis(self.shutdown_ms)
    }
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            buffered_bytes: 256 << 20,
            silence_ms: 15_000,
            upload_ms: 120_000,
            shutdown_ms: 10_000,
        }
    }
}

const fn default_max_bytes() -> u64 {
    DEFAULT_MAX_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<RelayConfig, toml::de::Error> {
        toml::from_str(text)
    }

    fn memory() -> RelayConfig {
        RelayConfig::new(([127, 0, 0, 1], 0).into(), StoreConfig::Memory {})
    }

    #[test]
    fn unknown_fields_are_refused_at_every_level() {
        let base = "listen = '127.0.0.1:0'\nstore = { kind = 'memory' }\n";
        assert!(parsed(base).is_ok());
        assert!(parsed(&format!("max_byte = 1\n{base}")).is_err());
        assert!(parsed(&format!("{base}[limits]\nconnection = 1\n")).is_err());
        assert!(parsed("listen = '127.0.0.1:0'\nstore = { kind = 'memory', path = '/a' }\n").is_err());
        assert!(parsed("listen = '127.0.0.1:0'\nstore = { kind = 'directory', path = '/a', x = 1 }\n").is_err());
    }

    #[test]
    fn unknown_store_and_directory_without_path_are_refused() {
        assert!(parsed("listen = '127.0.0.1:0'\nstore = { kind = 'tape' }\n").is_err());
        assert!(parsed("listen = '127.0.0.1:0'\nstore = { kind = 'directory' }\n").is_err());
    }

    #[test]
    fn limits_under_which_nothing_could_be_stored_are_refused() {
        let no_limits = RelayLimits::default();
        let too_small = RelayLimits { buffered_bytes: DEFAULT_MAX_BYTES - 1, ..no_limits.clone() };
        let too_large = RelayLimits { buffered_bytes: u64::MAX, ..no_limits.clone() };
        let closed = RelayLimits { connections: 0, ..no_limits.clone() };
        assert!(RelayConfig { max_bytes: 0, ..memory() }.check().is_err());
        for limits in [too_small, too_large, closed] {
            assert!(RelayConfig { limits, ..memory() }.check().is_err());
        }
        assert!(memory().check().is_ok());
    }

    #[test]
    fn config_survives_being_written_and_read() {
        let config = RelayConfig { store: StoreConfig::Directory { path: "/a b".into() }, ..memory() };
        let text = toml::to_string(&config).expect("a table");
        assert_eq!(parsed(&text).expect("its own output"), config);
    }
}
