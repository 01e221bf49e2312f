use serde::Deserialize;

use super::{Conduct, Pace, Plan, Seat};
use crate::random::Random;

/// Commits to what another node of its task has committed to, and reveals what that one reveals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Copying {
    /// How fast it is.
    pub pace: Pace,
}

impl Conduct for Copying {
    fn plan(&self, seat: &Seat<'_>, random: &mut Random) -> Plan {
        Plan { commit: None, copies: true, ..self.pace.diligent(seat, random) }
    }
}
