//! How an agent is set up.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;

/// How an agent is set up. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// The relay from which tasks are fetched and to which replies are brought.
    pub relay: Url,
    /// The directory of the journal, made if it does not exist.
    pub data_dir: PathBuf,
    /// Pause between two looks at the chain.
    #[serde(default = "default_poll_ms")]
    pub poll_ms: u64,
    /// Longest pause between two attempts while the chain or the relay does not work.
    #[serde(default = "default_longest_pause_ms")]
    pub longest_pause_ms: u64,
    /// Longest time of one attempt to fetch a task or to bring a reply.
    #[serde(default = "default_relay_limit_ms")]
    pub relay_limit_ms: u64,
    /// Time that is kept between the end of a run and the deadline of its commitment.
    #[serde(default = "default_commit_margin_ms")]
    pub commit_margin_ms: u64,
    /// Longest time for which the work in hand is continued after the agent was asked to stop.
    #[serde(default = "default_drain_limit_ms")]
    pub drain_limit_ms: u64,
}

impl AgentConfig {
    /// The usual times, with this relay and this directory.
    pub fn new(relay: Url, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            relay,
            data_dir: data_dir.into(),
            poll_ms: default_poll_ms(),
            longest_pause_ms: default_longest_pause_ms(),
            relay_limit_ms: default_relay_limit_ms(),
            commit_margin_ms: default_commit_margin_ms(),
            drain_limit_ms: default_drain_limit_ms(),
        }
    }

    /// The pause after this many failures in a row: doubled with each, up to the longest.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let grown = self.poll_ms.saturating_mul(2u64.saturating_pow(failures));
        Duration::from_millis(grown.min(self.longest_pause_ms.max(self.poll_ms)))
    }

    pub(super) const fn relay_limit(&self) -> Duration {
        Duration::from_millis(self.relay_limit_ms)
    }

    /// The margin in whole seconds, the unit of the chain's time.
    pub(super) const fn commit_margin_seconds(&self) -> u64 {
        self.commit_margin_ms.div_ceil(1000)
    }

    pub(super) const fn drain_limit(&self) -> Duration {
        Duration::from_millis(self.drain_limit_ms)
    }
}

const fn default_poll_ms() -> u64 {
    1_000
}

const fn default_longest_pause_ms() -> u64 {
    30_000
}

const fn default_relay_limit_ms() -> u64 {
    10_000
}

const fn default_commit_margin_ms() -> u64 {
    20_000
}

const fn default_drain_limit_ms() -> u64 {
    600_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> AgentConfig {
        AgentConfig::new("http://127.0.0.1:8600".parse().unwrap(), "data")
    }

    #[test]
    fn unknown_fields_are_refused() {
        let mut json = serde_json::to_value(config()).unwrap();
        assert_eq!(serde_json::from_value::<AgentConfig>(json.clone()).unwrap(), config());
        json["poll"] = 1.into();
        assert!(serde_json::from_value::<AgentConfig>(json).is_err());
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let seconds: Vec<_> = [0, 1, 2, 4, 5, 90].map(|failures| config().pause(failures).as_secs()).into();
        assert_eq!(seconds, [1, 2, 4, 16, 30, 30]);
    }
}
