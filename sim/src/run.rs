//! One run of a scenario.

use alloy::primitives::B256;

use crate::{
    Engine, SimError,
    scenario::{Figures, Scenario, Verdict},
};

/// What came out of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// The hash of the last block: two runs with the same had the same history.
    pub digest: B256,
    /// How many blocks there were.
    pub blocks: u64,
    /// The metrics.
    pub figures: Figures,
    /// Whether each assertion holds.
    pub verdicts: Vec<Verdict>,
}

impl Run {
    /// Whether all assertions hold.
    pub fn holds(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.holds)
    }
}

/// Runs a scenario with a seed to its end. `progress` is told how many of the scenario's seconds have passed.
///
/// # Errors
/// An agent did what it should not, money was made or lost, or the view does not follow the contracts.
pub fn run(scenario: &Scenario, seed: u64, mut progress: impl FnMut(u64)) -> Result<Run, SimError> {
    let mut engine = scenario.build(seed)?;
    let start = engine.head().timestamp;
    let begin = start + scenario.warmup_s;
    pass(&mut engine, begin, start, &mut progress)?;
    engine.begin();
    pass(&mut engine, begin + scenario.duration_s, start, &mut progress)?;
    engine.close();
    let has_ended = engine.drain(scenario.drain_s)?;
    engine.audit()?;
    let figures = Figures::of(scenario, &engine, has_ended);
    let verdicts = scenario.assertions.iter().map(|assertion| assertion.judge(&figures)).collect::<Result<_, _>>()?;
    Ok(Run { seed, digest: engine.head().hash, blocks: engine.head().number, figures, verdicts })
}

/// Seconds of the scenario between two reports of progress.
const REPORT_S: u64 = 60;

fn pass(engine: &mut Engine, end: u64, start: u64, progress: &mut impl FnMut(u64)) -> Result<(), SimError> {
    while engine.head().timestamp < end {
        let next = end.min(engine.head().timestamp + REPORT_S);
        engine.run_until(next)?;
        progress(engine.head().timestamp - start);
    }
    Ok(())
}
