//! `make torture`: thousands of seeds, or the story of one.

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use serde_json::json;
use xenon_torture::{PLANTED, Scenario, Tortured, Verdict, digest, run};

/// Tortures the keeper: seeded faults of every kind on a simulated chain, and what must hold all the same.
#[derive(Debug, Parser)]
struct Args {
    /// How many seeds are run, from the first on.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Runs this seed alone and tells its story.
    #[arg(long)]
    seed: Option<u64>,
    /// Leaves the planted defects out.
    #[arg(long)]
    skip_planted: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.seed.map_or_else(|| campaign(&args), tell)
}

/// One seed, line by line.
fn tell(seed: u64) -> ExitCode {
    let verdict = run::<Tortured>(&Scenario::of(seed));
    verdict.story.iter().for_each(|line| println!("{line}"));
    println!("story {}", digest(&verdict.story));
    verdict.breaches.iter().for_each(|breach| println!("BREACH: {breach}"));
    let failed = if verdict.breaches.is_empty() { vec![] } else { vec![seed] };
    println!("{}", json!({ "seeds": 1, "failed": failed }));
    exit(verdict.breaches.is_empty())
}

fn campaign(args: &Args) -> ExitCode {
    let seeds = args.first..args.first.saturating_add(args.seeds);
    let bar = progress("seeds", args.seeds);
    let failed: Vec<_> = seeds
        .into_par_iter()
        .map(|seed| run::<Tortured>(&Scenario::of(seed)))
        .inspect(|_| bar.inc(1))
        .filter(|verdict| !verdict.breaches.is_empty())
        .collect();
    bar.finish_and_clear();
    failed.iter().for_each(report);
    let planted = if args.skip_planted { &[] } else { PLANTED };
    let bar = progress("planted defects", planted.len() as u64);
    let missed: Vec<_> =
        planted.par_iter().inspect(|_| bar.inc(1)).filter(|planted| planted.find::<Tortured>().is_none()).collect();
    bar.finish_and_clear();
    for missed in &missed {
        println!("not found: {missed:?}");
    }
    let numbers: Vec<_> = failed.iter().map(|verdict| verdict.scenario.seed).collect();
    let found = planted.len() - missed.len();
    println!("{}", json!({ "seeds": args.seeds, "failed": numbers, "planted_found": found, "planted": planted.len() }));
    exit(failed.is_empty() && missed.is_empty())
}

/// What failed, and how to see it again.
fn report(verdict: &Verdict) {
    let seed = verdict.scenario.seed;
    verdict.breaches.iter().for_each(|breach| println!("seed {seed}: {breach}"));
    println!("seed {seed}: replay it with make torture ARGS='--seed {seed}'");
}

fn progress(of: &'static str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos} of {len}, {eta} left");
    let bar = ProgressBar::new(total).with_message(of);
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

fn exit(is_good: bool) -> ExitCode {
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
