use serde::Deserialize;

use super::{Conduct, Pace, Plan, Seat};
use crate::random::Random;

/// Works on a machine that fails now and then, comes back, and goes on: what was committed to is revealed, what was not is
/// computed again.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Crashing {
    /// How fast it is.
    pub pace: Pace,
    /// Mean seconds from the end of one failure to the next.
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
        self.pace.diligent(seat, random)
    }

    fn outages(&self) -> Option<[f64; 2]> {
        Some([self.uptime_s, self.repair_s])
    }
}
