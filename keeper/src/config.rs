use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{KeeperError, submit::SendConfig};

/// How a keeper follows the chain and sends.
///
/// ```
/// # fn main() -> Result<(), toml::de::Error> {
/// use xenon_keeper::KeeperConfig;
///
/// let config: KeeperConfig = toml::from_str("from_block = 1200\npoll_ms = 500")?;
/// assert_eq!(config, KeeperConfig { from_block: 1200, poll_ms: 500, ..KeeperConfig::default() });
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeeperConfig {
    /// The block of the deployment, or an earlier one.
    pub from_block: u64,
    /// Pause between two looks at the chain, in milliseconds.
    pub poll_ms: u64,
    /// Longest pause when the chain cannot be read, in milliseconds; the pause doubles up to it.
    pub max_pause_ms: u64,
    /// Age in seconds above which the newest block is too old to act on; 0 for no limit.
    pub max_head_age_s: u64,
    /// Blocks whose logs are asked for at once when catching up.
    pub log_range: u64,
    /// The newest blocks, which are checked one by one to follow each other and can be taken back; older ones are final.
    pub linked_blocks: u64,
    /// A file in which the view is kept, so that the next start need not read the past again; none if absent.
    pub snapshot: Option<PathBuf>,
    /// Most blocks before an action that failed is tried again. The wait doubles from 2 up to this.
    pub max_hold: u64,
    /// Balance below which the keeper warns, in millionths of a coin.
    pub low_balance_micros: u64,
    /// Longest wait for transactions in flight when the keeper stops, in milliseconds.
    pub shutdown_ms: u64,
    /// How transactions are paid for, replaced and given up.
    pub send: SendConfig,
}

impl KeeperConfig {
    /// # Errors
    /// [`KeeperError::Config`] if a keeper could not work with this.
    pub fn check(&self) -> Result<(), KeeperError> {
        let reason = if self.poll_ms == 0 || self.max_pause_ms < self.poll_ms {
            "poll_ms must be 1 or more, and max_pause_ms not below it"
        } else if self.log_range == 0 || self.linked_blocks == 0 {
            "log_range and linked_blocks must be 1 or more"
        } else if let Some(reason) = self.send.fault() {
            reason
        } else {
            return Ok(());
        };
        Err(KeeperError::Config { reason })
    }

    /// The pause after so many rounds in a row that failed.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        let doubled = self.poll_ms.saturating_mul(1u64.checked_shl(failures).unwrap_or(u64::MAX));
        Duration::from_millis(doubled.min(self.max_pause_ms))
    }

    /// Blocks to hold an action off that failed so often in a row.
    pub(crate) fn hold(&self, failures: u32) -> u64 {
        1u64.checked_shl(failures).unwrap_or(u64::MAX).min(self.max_hold)
    }
}

impl Default for KeeperConfig {
    fn default() -> Self {
        Self {
            from_block: 0,
            poll_ms: 1_000,
            max_pause_ms: 30_000,
            max_head_age_s: 300,
            log_range: 2_000,
            linked_blocks: 64,
            snapshot: None,
            max_hold: 32,
            low_balance_micros: 50_000,
            shutdown_ms: 60_000,
            send: SendConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_refused() {
        assert!(toml::from_str::<KeeperConfig>("start_block = 8").is_err());
    }

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let usual = KeeperConfig::default();
        assert!(usual.check().is_ok());
        assert!(KeeperConfig { poll_ms: 0, ..usual.clone() }.check().is_err());
        assert!(KeeperConfig { max_pause_ms: 1, ..usual.clone() }.check().is_err());
        assert!(KeeperConfig { log_range: 0, ..usual.clone() }.check().is_err());
        assert!(KeeperConfig { linked_blocks: 0, ..usual.clone() }.check().is_err());
        let send = SendConfig { max_in_flight: 0, ..SendConfig::default() };
        assert!(KeeperConfig { send, ..usual }.check().is_err());
    }

    #[test]
    fn config_survives_being_written_and_read() {
        let config = KeeperConfig { from_block: 7, ..KeeperConfig::default() };
        assert_eq!(toml::from_str::<KeeperConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn pauses_and_holds_grow_up_to_their_limits() {
        let config = KeeperConfig { poll_ms: 100, max_pause_ms: 1_000, max_hold: 6, ..KeeperConfig::default() };
        assert_eq!([0, 1, 3, 4, u32::MAX].map(|n| config.pause(n).as_millis()), [100, 200, 800, 1_000, 1_000]);
        assert_eq!([1, 2, 3, u32::MAX].map(|n| config.hold(n)), [2, 4, 6, 6]);
    }
}
