use std::{
    fmt,
    num::{NonZeroU32, NonZeroU64},
};

use xenon_protocol::{chain::Call, contracts::Task, deployment::Deployment};

use super::{EPOCH, Line};
use crate::{Kind, KindId};

/// Seconds between two changes of a kind's durations. Mirrors `KindTable.DURATION_INTERVAL`.
const INTERVAL: u64 = EPOCH;

/// The factor by which one change may raise or lower a duration. Mirrors `KindTable.DURATION_FACTOR`.
const FACTOR: u32 = 2;

/// What a duration below it counts as when it is raised, in milliseconds. Mirrors `KindTable.LEAST_MS`.
const LEAST_MS: u32 = 5;

/// The longest estimate a kind may lead to, in milliseconds. Mirrors `Duration.MAX_MS`.
const MOST_MS: u64 = 24 * 3600 * 1_000;

/// Observations without which nothing is proposed.
const ENOUGH: usize = 64;

/// A change is worth it if a typical task's estimate moves by at least one part in so many.
const WORTH: i64 = 20;

/// The square of how far, in standard deviations, the table's line may be from halving the observations. By Hoeffding's
/// bound two halves are as far off by chance in less than 4 e^(-20/2), two in ten thousand cases.
const SURE: i64 = 20;

/// A change of a kind's durations that observations call for and the contract takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proposal {
    /// The kind.
    pub kind: KindId,
    /// Milliseconds before the first unit.
    pub overhead_ms: u32,
    /// Milliseconds a unit.
    pub ms_per_unit: NonZeroU32,
}

/// Why no change of a kind's durations is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such kind.
    #[error("there is no such kind")]
    UnknownKind,
    /// Too little was seen.
    #[error("{seen} observations are too few: {ENOUGH} are enough")]
    TooFew {
        /// How much.
        seen: usize,
    },
    /// All tasks had one size, so that overhead and time a unit cannot be told apart.
    #[error("all tasks had one size, which tells overhead and time a unit not apart")]
    OneSize,
    /// The durations in force may be right.
    #[error("the durations in force halve the observations as well as chance lets one expect")]
    NotSure,
    /// The durations in force are nearly right.
    #[error("the durations in force are off by less than one part in {WORTH}")]
    NotWorth,
    /// The contract takes no second change so soon.
    #[error("the durations changed lately and may change again at {from} (Unix seconds)")]
    TooSoon {
        /// When it will take one.
        from: u64,
    },
    /// What is allowed is what is in force.
    #[error("the contract's bounds leave nothing to change")]
    AtBound,
}

impl Proposal {
    /// The call by which the owner of the contracts makes the change.
    pub fn call(&self, contracts: &Deployment) -> Call {
        let Self { kind, overhead_ms, ms_per_unit } = *self;
        let call = Task::setDurationsCall { kind: kind.0, overheadMs: overhead_ms, msPerUnit: ms_per_unit.get() };
        Call::new(contracts.task, &call)
    }

    /// The kind after the change.
    #[must_use]
    pub const fn applied_to(&self, kind: Kind) -> Kind {
        kind.lasting(self.overhead_ms, self.ms_per_unit)
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, overhead_ms, ms_per_unit } = self;
        write!(f, "kind {kind}: {overhead_ms} ms and {ms_per_unit} ms a unit")
    }
}

/// The change that sizes and milliseconds of tasks call for.
pub(super) fn propose(
    kind: KindId,
    present: &Kind,
    points: &[(u32, u32)],
    changed_at: Option<u64>,
    now: u64,
) -> Result<Proposal, Refusal> {
    if points.len() < ENOUGH {
        return Err(Refusal::TooFew { seen: points.len() });
    }
    let line = Line::through(points).ok_or(Refusal::OneSize)?;
    let in_force = Line::new(present.overhead_ms, present.ms_per_unit.get());
    if !is_significant(&in_force, points) {
        return Err(Refusal::NotSure);
    }
    let proposal = bounded(kind, present, &line);
    let proposed = Line::new(proposal.overhead_ms, proposal.ms_per_unit.get());
    if !is_worth(&in_force, &line, points) {
        return Err(Refusal::NotWorth);
    }
    match changed_at.map(|at| at.saturating_add(INTERVAL)).filter(|from| now < *from) {
        Some(from) => Err(Refusal::TooSoon { from }),
        None if proposed == in_force => Err(Refusal::AtBound),
        None => Ok(proposal),
    }
}

/// Whether a line fails to halve the observations of the smaller or of the larger tasks, beyond what chance explains.
fn is_significant(line: &Line, points: &[(u32, u32)]) -> bool {
    let mut points = points.to_vec();
    points.sort_unstable();
    let (smaller, larger) = points.split_at(points.len() / 2);
    [smaller, larger].into_iter().any(|half| is_off(line, half))
}

/// With `above` of `n` points above the line, whether `(2 above - n)^2 > n z^2`. A point on the line is on neither side.
fn is_off(line: &Line, points: &[(u32, u32)]) -> bool {
    let side = |(size, ms): &(u32, u32)| (i64::from(*ms) - line.at(*size)).signum();
    let excess: i64 = points.iter().map(side).sum();
    let n = i64::try_from(points.len()).unwrap_or(i64::MAX);
    excess * excess > n * SURE
}

/// Whether the estimate of a task of the first, the middle or the last quarter moves by one part in [`WORTH`].
fn is_worth(from: &Line, to: &Line, points: &[(u32, u32)]) -> bool {
    let mut sizes: Vec<_> = points.iter().map(|(size, _)| *size).collect();
    sizes.sort_unstable();
    let typical = [1, 2, 3].into_iter().filter_map(|quarter| sizes.get(sizes.len() * quarter / 4));
    typical.into_iter().any(|size| (to.at(*size) - from.at(*size)).abs() * WORTH >= from.at(*size).abs())
}

/// As near to the line as the contract lets one step go.
fn bounded(kind: KindId, present: &Kind, line: &Line) -> Proposal {
    let overhead_ms = step(present.overhead_ms, line.overhead_ms);
    let unit = step(present.ms_per_unit.get(), line.ms_per_unit());
    let ms_per_unit = NonZeroU32::new(unit).unwrap_or(NonZeroU32::MIN);
    let proposal = Proposal { kind, overhead_ms, ms_per_unit };
    let longest = proposal.applied_to(*present).duration_ms(present.max_size).map_or(0, NonZeroU64::get);
    if longest <= MOST_MS {
        proposal
    } else {
        Proposal { kind, overhead_ms: present.overhead_ms, ms_per_unit: present.ms_per_unit }
    }
}

/// The nearest to what is wanted that one change reaches.
fn step(present: u32, wanted: i64) -> u32 {
    let (least, most) = (present.div_ceil(FACTOR), present.max(LEAST_MS).saturating_mul(FACTOR));
    u32::try_from(wanted.clamp(least.into(), most.into())).unwrap_or(most)
}
