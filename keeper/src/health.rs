use xenon_protocol::chain::Head;

use crate::{KeeperError, Progress};

/// Whether the chain can be followed. Each change of state is told once, however long it lasts.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failures: u32,
    trouble: Option<&'static str>,
}

/// The head is older than allowed.
const TOO_OLD: &str = "XK-051";
/// The endpoint has fallen behind.
const BEHIND: &str = "XK-052";

impl Health {
    /// Rounds in a row that failed.
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Takes note of a look at the chain.
    pub(crate) fn note(&mut self, look: &Result<Progress, KeeperError>, is_too_old: bool) {
        match look {
            Err(error) => self.fail(error),
            Ok(Progress::Fresh(head) | Progress::Unchanged(head)) if is_too_old => {
                self.degrade(TOO_OLD, head, "the newest block is too old to act on");
            }
            Ok(Progress::Stale(head)) => self.degrade(BEHIND, head, "the endpoint has fallen behind"),
            Ok(Progress::Fresh(head) | Progress::Unchanged(head)) => self.recover(head),
        }
    }

    fn fail(&mut self, error: &KeeperError) {
        self.failures = self.failures.saturating_add(1);
        if self.changes_to(Some(error.code())) {
            tracing::warn!(code = error.code(), %error, "the chain cannot be followed, nothing is sent");
        }
    }

    fn degrade(&mut self, code: &'static str, head: &Head, what: &'static str) {
        self.failures = 0;
        if self.changes_to(Some(code)) {
            tracing::warn!(code, block = head.number, "{what}, nothing is sent");
        }
    }

    fn recover(&mut self, head: &Head) {
        self.failures = 0;
        if self.changes_to(None) {
            tracing::info!(code = "XK-053", block = head.number, "the chain can be followed again");
        }
    }

    fn changes_to(&mut self, trouble: Option<&'static str>) -> bool {
        std::mem::replace(&mut self.trouble, trouble) != trouble
    }
}
