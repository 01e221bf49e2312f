use serde::Deserialize;

use super::{Conduct, Pace, Plan, Reveal, Seat};
use crate::{agenda::Millis, random::Random};

/// Takes seats and leaves them empty, at the commitment or at the reveal.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Absent {
    /// How fast it is in what it does.
    pub pace: Pace,
    /// Share of its seats that it leaves empty.
    pub share: f64,
    /// It does commit, and then never reveals.
    pub commits: bool,
    /// It does its part, and then never delivers.
    pub reveals: bool,
    /// Seconds after which it resumes when it was suspended; it stays away if none.
    pub resumes_s: Option<u64>,
}

impl Default for Absent {
    fn default() -> Self {
        Self { pace: Pace::default(), share: 1.0, commits: false, reveals: false, resumes_s: None }
    }
}

impl Conduct for Absent {
    fn plan(&self, seat: &Seat<'_>, random: &mut Random) -> Plan {
        let is_absent = random.chance(self.share);
        let plan = self.pace.diligent(seat, random);
        match (is_absent, self.commits, self.reveals) {
            (false, ..) => plan,
            (true, _, true) => Plan { deliver: None, ..plan },
            (true, true, false) => Plan { reveal: Reveal::Never, deliver: None, ..plan },
            (true, false, false) => Plan { commit: None, deliver: None, ..plan },
        }
    }

    fn resumes(&self) -> Option<Millis> {
        self.resumes_s.map(|seconds| seconds.saturating_mul(1000))
    }
}
