//! `xenon sim list` and `xenon sim run`.

use comfy_table::Cell;
use eyre::Result;
use serde_json::{Map, Value, json};
use xenon_sim::{
    Run, SimError,
    campaign::{Seeds, run_all},
    scenario::{SHIPPED, Scenario, load},
};

use super::{RunArgs, progress, table};

/// Prints the scenarios that come with the program.
pub(super) fn list() {
    let mut table = table(["scenario", "what it shows"]);
    for (name, _) in SHIPPED {
        // Each was parsed by the tests.
        let about = load(name).map_or_else(|error| error.to_string(), |scenario| scenario.about);
        table.add_row([(*name).to_owned(), about]);
    }
    println!("{table}");
}

/// Runs scenarios and judges them.
pub(super) fn run(args: &RunArgs) -> Result<()> {
    let names = names(args);
    let scenarios: Vec<Scenario> = names.iter().map(|name| load(name)).collect::<Result<_, _>>()?;
    let seeds = seeds(args);
    let seconds = |scenario: &Scenario| (scenario.warmup_s + scenario.duration_s) * seeds.of(scenario).count() as u64;
    let bar = progress(scenarios.iter().map(seconds).sum())?.with_message("simulating");
    let runs = run_all(&scenarios, &seeds, |passed| bar.inc(passed))?;
    bar.finish_and_clear();
    for ((name, scenario), runs) in names.iter().zip(&scenarios).zip(&runs) {
        if args.json {
            for run in runs {
                println!("{}", as_json(name, run));
            }
        } else {
            print(name, scenario, runs, args.metrics.as_deref());
        }
    }
    verdict(&runs)
}

fn names(args: &RunArgs) -> Vec<String> {
    if args.scenarios.is_empty() {
        SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect()
    } else {
        args.scenarios.clone()
    }
}

fn seeds(args: &RunArgs) -> Seeds {
    match (args.seed, args.seeds) {
        (Some(seed), _) => Seeds::Only(seed),
        (None, Some(count)) => Seeds::Count(count),
        (None, None) => Seeds::Own,
    }
}

fn verdict(runs: &[Vec<Run>]) -> Result<()> {
    let verdicts = || runs.iter().flatten().flat_map(|run| &run.verdicts);
    let broken = verdicts().filter(|verdict| !verdict.holds).count();
    if broken == 0 { Ok(()) } else { Err(SimError::Broken { broken, all: verdicts().count() }.into()) }
}

fn print(name: &str, scenario: &Scenario, runs: &[Run], metrics: Option<&str>) {
    println!("{name}: {}", scenario.about);
    let mut assertions = table(["must hold", "in the runs", "", "because"]);
    for (place, assertion) in scenario.assertions.iter().enumerate() {
        let verdicts = || runs.iter().filter_map(|run| run.verdicts.get(place));
        let holds = if verdicts().all(|verdict| verdict.holds) { "yes" } else { "NO" };
        let values = spread(verdicts().map(|verdict| verdict.value));
        assertions.add_row([assertion.to_string(), values, holds.to_owned(), assertion.because.clone()]);
    }
    println!("{assertions}");
    if let Some(prefix) = metrics {
        print_metrics(runs, prefix);
    }
    for run in runs {
        println!("seed {}: {} blocks, the last {}", run.seed, run.blocks, run.digest);
    }
    println!();
}

fn print_metrics(runs: &[Run], prefix: &str) {
    let Some(first) = runs.first() else { return };
    let mut metrics = table(["metric", "in the runs"]);
    for (name, _) in first.figures.iter().filter(|(name, _)| name.starts_with(prefix)) {
        let values = runs.iter().filter_map(|run| run.figures.get(name).ok());
        metrics.add_row([Cell::new(name), Cell::new(spread(values))]);
    }
    println!("{metrics}");
}

/// The smallest and the largest of some values; one number if they are the same.
fn spread(values: impl Iterator<Item = f64>) -> String {
    let (least, most) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    let (least, most) = (short(least), short(most));
    if least == most { least } else { format!("{least} to {most}") }
}

/// Digits after the point that are shown at most.
const MOST_DIGITS: u16 = 9;

/// A number with four significant digits.
fn short(value: f64) -> String {
    let has_four = |digits: &u16| value.abs() * 10_f64.powi((*digits).into()) >= 1000.0;
    let digits = usize::from((0..MOST_DIGITS).find(has_four).unwrap_or(MOST_DIGITS));
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn as_json(name: &str, run: &Run) -> Value {
    let figures: Map<String, Value> = run.figures.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let verdicts: Vec<_> = run
        .verdicts
        .iter()
        .map(|verdict| json!({"assertion": verdict.assertion.to_string(), "value": verdict.value, "holds": verdict.holds}))
        .collect();
    json!({
        "scenario": name, "seed": run.seed, "digest": run.digest, "blocks": run.blocks, "holds": run.holds(),
        "assertions": verdicts, "metrics": figures,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_ranges_are_shown_once() {
        assert_eq!(
            ["0", "12", "0.01234", "1234567"].map(str::to_owned),
            [0.0, 12.0, 0.012_341, 1_234_567.0].map(short)
        );
        assert_eq!(
            (spread([1.0, 1.0].into_iter()), spread([2.5, 1.0].into_iter())),
            ("1".to_owned(), "1 to 2.5".to_owned())
        );
    }
}
