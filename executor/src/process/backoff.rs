//! Pauses between the starts of a model whose processes keep failing.

use std::time::{Duration, Instant};

/// The pause after the first failure; it doubles with each that follows.
const FIRST: Duration = Duration::from_millis(250);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);

/// Failures of one model in a row, and when its next process may start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// Failures in a row.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn fail(&mut self, now: Instant) {
        self.until = Some(now + pause(self.failures));
        self.failures = self.failures.saturating_add(1);
    }

    /// Time until the next start.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

fn pause(failures: u32) -> Duration {
    FIRST.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses = [0, 1, 2, 6, 7, 90].map(|failures| pause(failures).as_millis());
        assert_eq!(pauses, [250, 500, 1_000, 16_000, 30_000, 30_000]);
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        assert_eq!(backoff.left(now), Duration::ZERO);
        backoff.fail(now);
        backoff.fail(now);
        assert_eq!((backoff.failures(), backoff.left(now)), (2, Duration::from_millis(500)));
        assert_eq!(backoff.left(now + LONGEST), Duration::ZERO);
    }
}
