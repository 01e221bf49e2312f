use std::collections::BTreeMap;

use super::Outcome;
use crate::{Action, KeeperConfig};

/// Actions that failed and are not to be tried again at once, so that a lasting fault costs little.
#[derive(Debug, Default)]
pub(super) struct Holds {
    holds: BTreeMap<Action, Hold>,
}

#[derive(Debug, Default)]
struct Hold {
    failures: u32,
    until: u64,
}

impl Holds {
    /// Before which block the action is not tried.
    pub(super) fn until(&self, action: Action) -> Option<u64> {
        self.holds.get(&action.subject()).map(|hold| hold.until)
    }

    /// Forgets what is not wanted any more.
    pub(super) fn keep(&mut self, wanted: &[Action]) {
        self.holds.retain(|held, _| wanted.iter().any(|action| action.subject() == *held));
    }

    pub(super) fn note(&mut self, action: Action, outcome: &Outcome, block: u64, config: &KeeperConfig) {
        let action = action.subject();
        match outcome {
            Outcome::Done(_) | Outcome::Refused(_) | Outcome::NoEffect => drop(self.holds.remove(&action)),
            Outcome::Failed(_) | Outcome::Unsigned(_) | Outcome::Replaced { .. } => {
                let hold = self.holds.entry(action).or_default();
                hold.failures = hold.failures.saturating_add(1);
                hold.until = block.saturating_add(config.hold(hold.failures));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use xenon_protocol::chain::{ChainError, Endpoint, Revert};

    use super::*;
    use crate::TaskId;

    const ADVANCE: Action = Action::Advance(TaskId(1));

    fn failed() -> Outcome {
        let endpoint = Endpoint::local("nowhere");
        Outcome::Failed(ChainError::Unreachable { endpoint, reason: String::from("test") })
    }

    #[test]
    fn each_failure_in_a_row_doubles_the_wait() {
        let (mut holds, config) = (Holds::default(), KeeperConfig { max_hold: 6, ..KeeperConfig::default() });
        for (block, until) in [(100, 102), (102, 106), (106, 112), (112, 118)] {
            holds.note(ADVANCE, &failed(), block, &config);
            assert_eq!(holds.until(ADVANCE), Some(until));
        }
        holds.note(ADVANCE, &Outcome::Held { until: 118 }, 113, &config);
        assert_eq!(holds.until(ADVANCE), Some(118));
    }

    #[test]
    fn success_and_refusal_end_the_wait() {
        let config = KeeperConfig::default();
        for end in [Outcome::NoEffect, Outcome::Refused(Revert::new(vec![]))] {
            let mut holds = Holds::default();
            holds.note(ADVANCE, &failed(), 100, &config);
            holds.note(ADVANCE, &end, 102, &config);
            assert_eq!(holds.until(ADVANCE), None);
        }
    }

    #[test]
    fn dispatch_is_held_off_whatever_it_would_seat() {
        let (mut holds, config) = (Holds::default(), KeeperConfig::default());
        let dispatch = |seats| Action::Dispatch { max_tasks: 4, seats };
        holds.note(dispatch(0), &failed(), 100, &config);
        assert_eq!(holds.until(dispatch(3)), Some(102));
        holds.keep(&[dispatch(2)]);
        assert_eq!(holds.until(dispatch(1)), Some(102));
        holds.keep(&[ADVANCE]);
        assert_eq!(holds.until(dispatch(1)), None);
    }
}
