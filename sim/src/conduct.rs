//! How a node behaves once it has a seat. A new way to behave is one file here and one line in [`Conducts`].

mod absent;
mod colluding;
mod copying;
mod crashing;
mod honest;
mod late;
mod lazy;

use std::fmt::Debug;

use alloy::primitives::B256;
use serde::Deserialize;
use xenon_keeper::{ClassId, Kind, TaskId};

pub use self::{
    absent::Absent, colluding::Colluding, copying::Copying, crashing::Crashing, honest::Honest, late::Late, lazy::Lazy,
};
use crate::{agenda::Millis, random::Random, truth};

/// A seat that a node has taken.
#[derive(Clone, Copy, Debug)]
pub struct Seat<'a> {
    /// The task.
    pub task: TaskId,
    /// Its kind.
    pub kind: &'a Kind,
    /// Units asked for.
    pub size: u32,
    /// The class that the three nodes share, if they do.
    pub class: Option<ClassId>,
    /// How long the network expects the work to take, in milliseconds.
    pub estimate: Millis,
    /// How long there is to commit, in milliseconds.
    pub time: Millis,
    /// How many of the two other nodes are of the same group.
    pub fellows: u8,
    /// The same number for all nodes of the group, and no other.
    pub group: u64,
}

/// What a node does with its seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// When it commits, in milliseconds from now; never if none.
    pub commit: Option<Millis>,
    /// To what.
    pub result: B256,
    /// When it opens its commitment.
    pub reveal: Reveal,
    /// When it delivers once it is its turn, in milliseconds; never if none.
    pub deliver: Option<Millis>,
    /// It does not commit to its result, but to whatever another node of the task commits to.
    pub copies: bool,
}

/// When a node opens its commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reveal {
    /// So many milliseconds after all have committed.
    After(Millis),
    /// As soon as another has shown the same result, and not at all if none does.
    WhenShared,
    /// Never.
    Never,
}

/// A way to behave.
pub trait Conduct: Debug {
    /// What to do with a seat. Draws nothing but from `random`, which is the seat's own.
    fn plan(&self, seat: &Seat<'_>, random: &mut Random) -> Plan;

    /// How long a node that was suspended waits before it resumes, in milliseconds; it stays away if none.
    fn resumes(&self) -> Option<Millis> {
        Some(60_000)
    }

    /// Mean seconds that its machine is up, and then down; always up if none.
    fn outages(&self) -> Option<[f64; 2]> {
        None
    }

    /// Whether it appeals when it is frozen although its answer was right.
    fn appeals(&self) -> bool {
        true
    }
}

/// The ways there are, as a scenario names them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is documented where it is defined")]
pub enum Conducts {
    Honest(Honest),
    Lazy(Lazy),
    Copying(Copying),
    Colluding(Colluding),
    Absent(Absent),
    Late(Late),
    Crashing(Crashing),
}

impl Conducts {
    /// The behaviour itself.
    pub fn conduct(&self) -> &dyn Conduct {
        match self {
            Self::Honest(conduct) => conduct,
            Self::Lazy(conduct) => conduct,
            Self::Copying(conduct) => conduct,
            Self::Colluding(conduct) => conduct,
            Self::Absent(conduct) => conduct,
            Self::Late(conduct) => conduct,
            Self::Crashing(conduct) => conduct,
        }
    }
}

/// How fast a machine works, against what the network expects.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// Median of the time a task takes, as a share of its estimate.
    pub median: f64,
    /// Standard deviation of the logarithm of that share.
    pub spread: f64,
    /// Bits of a picture's hash in which machines differ at most.
    pub noise_bits: u64,
    /// Milliseconds to see an event and send a transaction.
    pub reaction_ms: Millis,
}

impl Default for Pace {
    fn default() -> Self {
        Self { median: 0.8, spread: 0.25, noise_bits: 2, reaction_ms: 500 }
    }
}

impl Pace {
    /// How long a task takes, in milliseconds.
    pub fn work(&self, seat: &Seat<'_>, random: &mut Random) -> Millis {
        let estimate = crate::ledger::as_float(seat.estimate.into());
        self.reaction_ms.saturating_add(millis(estimate * random.log_normal(self.median, self.spread)))
    }

    /// The plan of a node that does its work.
    pub fn diligent(&self, seat: &Seat<'_>, random: &mut Random) -> Plan {
        let right = truth::right(seat.task, seat.kind, seat.size, seat.class);
        let result = if seat.kind.exact { right } else { truth::with_noise(right, seat.size, self.noise_bits, random) };
        Plan {
            commit: Some(self.work(seat, random)),
            result,
            reveal: Reveal::After(self.reaction_ms),
            deliver: Some(self.reaction_ms),
            copies: false,
        }
    }
}

/// A number of milliseconds from a computed one; what cannot be expressed is the longest time.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, and NaN gives 0"
)]
pub(crate) const fn millis(computed: f64) -> Millis {
    computed as Millis
}
