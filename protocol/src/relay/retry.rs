//! How often, and how long apart, a failed call is repeated.

use std::time::Duration;

use backon::ExponentialBuilder;

use super::RelayError;

/// Repetitions after the first attempt.
const REPETITIONS: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Most that a relay's `Retry-After` is believed.
const LONGEST_ASKED_PAUSE: Duration = Duration::from_secs(10);

/// Doubling pauses with jitter, so that many nodes do not return to a busy relay at once.
pub(super) fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_max_times(REPETITIONS)
        .with_jitter()
}

/// The pause before the next attempt: the planned one, or the longer one that the relay asked for. `None` ends it.
pub(super) fn pause(error: &RelayError, planned: Option<Duration>) -> Option<Duration> {
    let asked = match error {
        RelayError::Unavailable { retry_after: Some(asked), .. } => (*asked).min(LONGEST_ASKED_PAUSE),
        _ => Duration::ZERO,
    };
    planned.map(|planned| planned.max(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(seconds: u64) -> RelayError {
        let retry_after = Some(Duration::from_secs(seconds));
        RelayError::Unavailable { url: String::new(), status: 503, message: String::new(), retry_after }
    }

    #[test]
    fn asked_pause_never_adds_an_attempt() {
        assert_eq!(pause(&busy(1), None), None);
    }

    #[test]
    fn asked_pause_is_believed_only_up_to_a_bound() {
        assert_eq!(pause(&busy(86_400), Some(FIRST_PAUSE)), Some(LONGEST_ASKED_PAUSE));
    }

    #[test]
    fn asked_pause_lengthens_a_planned_one_and_never_shortens_it() {
        assert_eq!(pause(&busy(3), Some(FIRST_PAUSE)), Some(Duration::from_secs(3)));
        assert_eq!(pause(&busy(0), Some(FIRST_PAUSE)), Some(FIRST_PAUSE));
    }
}
