use serde::Deserialize;

use super::{Conduct, Pace, Plan, Reveal, Seat, millis};
use crate::random::Random;

/// Works on a machine that fails now and then, comes back, and goes on: what was committed to is revealed, what was not is
/// computed again.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Crashing {
    /// How fast it is.
    pub pace: Pace,
    /// Mean seconds from one failure to the next.
    pub uptime_s: f64,
    /// Mean seconds until it is back.
    pub repair_s: f64,
}

impl Default for Crashing {
    fn default() -> Self {
        Self { pace: Pace::default(), uptime_s: 3600.0, repair_s: 120.0 }
    }
}

impl Conduct for Crashing {
    fn plan(&self, seat: &Seat<'_>, random: &mut Random) -> Plan {
        let plan = self.pace.diligent(seat, random);
        let failure = millis(1000.0 * random.exponential(self.uptime_s));
        let repair = millis(1000.0 * random.exponential(self.repair_s));
        let Some(work) = plan.commit else { return plan };
        if failure < work {
            let commit = failure.saturating_add(repair).saturating_add(work);
            return Plan { commit: Some(commit), ..plan };
        }
        let is_down_at_reveal = failure < work.saturating_add(2 * self.pace.reaction_ms);
        let reveal = if is_down_at_reveal { Reveal::After(repair) } else { plan.reveal };
        Plan { reveal, ..plan }
    }
}
