use serde::Deserialize;

use super::{Conduct, Pace, Plan, Seat};
use crate::random::Random;

/// Does its work, and misses some of it as machines do.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Honest {
    /// How fast it is.
    pub pace: Pace,
    /// Share of its tasks that it misses. The default was measured on another live network: 2,503,595 inferences.
    pub failure: f64,
}

impl Default for Honest {
    fn default() -> Self {
        Self { pace: Pace::default(), failure: 0.0325 }
    }
}

impl Conduct for Honest {
    fn plan(&self, seat: &Seat<'_>, random: &mut Random) -> Plan {
        let is_missed = random.chance(self.failure);
        let plan = self.pace.diligent(seat, random);
        Plan { commit: plan.commit.filter(|_| !is_missed), ..plan }
    }
}
