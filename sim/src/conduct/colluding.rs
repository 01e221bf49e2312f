use serde::Deserialize;

use super::{Conduct, Pace, Plan, Reveal, Seat};
use crate::{random::Random, truth};

/// Gives the same false answer as its accomplices when enough of them have seats of the task, and works otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Colluding {
    /// How fast it is when it works.
    pub pace: Pace,
    /// Share of its tasks that it misses when it works.
    pub failure: f64,
    /// How many of the two others must be accomplices before it lies: 0, 1 or 2.
    pub accomplices: u8,
    /// It reveals a lie only once another node has revealed the same.
    pub conceals: bool,
}

impl Default for Colluding {
    fn default() -> Self {
        Self { pace: Pace::default(), failure: 0.0325, accomplices: 1, conceals: false }
    }
}

impl Conduct for Colluding {
    fn plan(&self, seat: &Seat<'_>, random: &mut Random) -> Plan {
        let is_missed = random.chance(self.failure);
        let work = self.pace.diligent(seat, random);
        if seat.fellows < self.accomplices {
            return Plan { commit: work.commit.filter(|_| !is_missed), ..work };
        }
        let result = truth::fake(seat.task, seat.kind, seat.size, seat.group);
        let reveal = if self.conceals && seat.fellows == 0 { Reveal::WhenShared } else { work.reveal };
        Plan { commit: Some(self.pace.reaction_ms), result, reveal, ..work }
    }

    fn appeals(&self) -> bool {
        false
    }
}
