//! Many runs side by side: each world on one thread, and the same results however many threads there are.

use rayon::prelude::*;

use crate::{Run, SimError, run, scenario::Scenario};

/// Runs each scenario with the seeds `0` up to `seeds` (its own number of them if none), and gives the runs in that order.
/// `progress` is told, from any thread, how many more of the scenarios' seconds have passed.
///
/// # Errors
/// The first of the runs, in that order, that failed; all others are finished all the same.
pub fn run_all(
    scenarios: &[Scenario],
    seeds: &Seeds,
    progress: impl Fn(u64) + Sync,
) -> Result<Vec<Vec<Run>>, SimError> {
    let jobs: Vec<_> =
        scenarios.iter().flat_map(|scenario| seeds.of(scenario).map(move |seed| (scenario, seed))).collect();
    let one = |(scenario, seed): (&Scenario, u64)| {
        let mut told = 0;
        run(scenario, seed, |passed| {
            progress(passed - told);
            told = passed;
        })
    };
    let results: Vec<Result<Run, SimError>> = jobs.into_par_iter().map(one).collect();
    let mut runs = results.into_iter();
    scenarios.iter().map(|scenario| runs.by_ref().take(seeds.of(scenario).count()).collect()).collect()
}

/// Which seeds to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeds {
    /// As many as the scenario says.
    Own,
    /// So many, from 0.
    Count(u64),
    /// This one.
    Only(u64),
}

impl Seeds {
    /// The seeds for a scenario.
    pub fn of(&self, scenario: &Scenario) -> std::ops::Range<u64> {
        match *self {
            Self::Own => 0..scenario.seeds,
            Self::Count(count) => 0..count,
            Self::Only(seed) => seed..seed.saturating_add(1),
        }
    }
}
