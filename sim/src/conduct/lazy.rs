use serde::Deserialize;

use super::{Conduct, Pace, Plan, Seat};
use crate::{random::Random, truth};

/// Answers at once, without work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lazy {
    /// How fast it is.
    pub pace: Pace,
    /// Probability that it guesses right.
    pub luck: f64,
}

impl Conduct for Lazy {
    fn plan(&self, seat: &Seat<'_>, random: &mut Random) -> Plan {
        let is_lucky = random.chance(self.luck);
        let plan = self.pace.diligent(seat, random);
        let guess = truth::fake(seat.task, seat.kind, seat.size, random.bits());
        Plan { commit: Some(self.pace.reaction_ms), result: if is_lucky { plan.result } else { guess }, ..plan }
    }
}
