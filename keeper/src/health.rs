use crate::{KeeperError, Progress, Reason};

/// Whether the chain can be followed. Each change of state is told once, however long it lasts.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failures: u32,
    trouble: Option<&'static str>,
}

/// Why nothing may be sent after a look at the chain, if there is a reason.
pub(crate) const fn hindrance(look: &Result<Progress, KeeperError>, is_too_old: bool) -> Option<Reason> {
    match look {
        Err(_) => Some(Reason::ChainUnreadable),
        Ok(Progress::Stale(_)) => Some(Reason::EndpointBehind),
        Ok(_) if is_too_old => Some(Reason::HeadTooOld),
        Ok(_) => None,
    }
}

impl Health {
    /// Rounds in a row that failed.
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Takes note of a look at the chain; `true` if that was a change worth telling.
    pub(crate) fn note(&mut self, look: &Result<Progress, KeeperError>, is_too_old: bool) -> bool {
        self.failures = if look.is_err() { self.failures.saturating_add(1) } else { 0 };
        let trouble = match look {
            Err(error) => Some(error.code()),
            Ok(_) => hindrance(look, is_too_old).map(Reason::code),
        };
        let has_changed = std::mem::replace(&mut self.trouble, trouble) != trouble;
        if has_changed {
            tell(look, trouble);
        }
        has_changed
    }
}

fn tell(look: &Result<Progress, KeeperError>, trouble: Option<&'static str>) {
    match (look, trouble) {
        (Err(error), _) => tracing::warn!(code = error.code(), %error, "the chain cannot be followed, nothing is sent"),
        (Ok(Progress::Stale(head)), _) => {
            tracing::warn!(
                code = Reason::EndpointBehind.code(),
                block = head.number,
                "the endpoint has fallen behind, nothing is sent"
            );
        }
        (Ok(look), Some(code)) => {
            tracing::warn!(code, block = look.head().number, "the newest block is too old, nothing is sent");
        }
        (Ok(look), None) => {
            tracing::info!(code = "XK-053", block = look.head().number, "the chain can be followed again");
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;
    use xenon_protocol::chain::{ChainError, Endpoint, Head};

    use super::*;

    fn head() -> Head {
        Head { number: 1, hash: B256::ZERO, parent_hash: B256::ZERO, timestamp: 0, base_fee: 0 }
    }

    fn down() -> Result<Progress, KeeperError> {
        let endpoint = Endpoint::local("nowhere");
        Err(ChainError::Unreachable { endpoint, reason: String::from("test") }.into())
    }

    #[test]
    fn each_change_of_state_is_told_once() {
        let (well, behind) = (Ok(Progress::Unchanged(head())), Ok(Progress::Stale(head())));
        let mut health = Health::default();
        let looks = [&well, &down(), &down(), &behind, &behind, &well];
        assert_eq!(looks.map(|look| health.note(look, false)), [false, true, false, true, false, true]);
        assert_eq!(
            (health.note(&well, true), health.note(&well, true), health.note(&well, false)),
            (true, false, true)
        );
    }

    #[test]
    fn failures_are_counted_until_a_look_succeeds() {
        let mut health = Health::default();
        for failures in 1..4 {
            health.note(&down(), false);
            assert_eq!(health.failures(), failures);
        }
        health.note(&Ok(Progress::Stale(head())), false);
        assert_eq!(health.failures(), 0);
    }
}
