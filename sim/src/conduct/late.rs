use serde::Deserialize;

use super::{Conduct, Pace, Plan, Seat};
use crate::{agenda::Millis, random::Random};

/// Does its work and sends it after the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Late {
    /// How fast it is.
    pub pace: Pace,
    /// Milliseconds after the deadline.
    pub by_ms: Millis,
    /// Share of its tasks that are late.
    pub share: f64,
}

impl Default for Late {
    fn default() -> Self {
        Self { pace: Pace::default(), by_ms: 5_000, share: 1.0 }
    }
}

impl Conduct for Late {
    fn plan(&self, seat: &Seat<'_>, random: &mut Random) -> Plan {
        let is_late = random.chance(self.share);
        let plan = self.pace.diligent(seat, random);
        let commit = if is_late { Some(seat.time.saturating_add(self.by_ms)) } else { plan.commit };
        Plan { commit, ..plan }
    }
}
