//! The gas of one GPT task's life on the deployed bytecode, and where it goes.
//!
//! `make bench-gas` runs it. It fails when a life costs more than the limit, or much more or less than among ten nodes.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program prints its results")]

mod breakdown;
mod document;
mod expense;
mod layout;
mod life;
mod network;
mod report;
mod schedule;
mod steps;
mod tracer;

use std::{collections::BTreeMap, process::ExitCode, thread, time::Duration};

use clap::Parser;
use eyre::{Result, eyre};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::{
    expense::{Names, sizes},
    life::Life,
    network::Network,
    report::Report,
};

/// Numbers of free nodes, each with how often nearly every node serves before lives are measured. Fewer times than the
/// tasks that the quality of service remembers leave weights that no running network has; the largest number gets its
/// weights otherwise, since so many lives would take hours.
const FEW: (u32, u32) = (10, 150);
const MANY: (u32, u32) = (1_000, 36);
const MOST: (u32, u32) = (100_000, 1);
/// Tasks of a node that the quality of service remembers.
const REMEMBERED: u32 = 32;
/// Queue depths of the saturated network.
const DEPTHS: [u64; 3] = [0, 50, 5_000];

#[derive(Parser)]
#[command(about = "The gas of one GPT task's life on the deployed bytecode, and where it goes")]
struct Args {
    /// Write the figures into docs/gas.md.
    #[arg(long)]
    write_docs: bool,
    /// `cargo bench` says so.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Lives among a number of free nodes.
pub(crate) struct Scale {
    /// Tasks keep coming.
    pub(crate) steady: Life,
    /// One task at a time.
    pub(crate) quiet: Life,
    /// Nodes, and how many of them had served.
    pub(crate) nodes: u64,
    pub(crate) seasoned: usize,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every figure is within its limit.
fn run(args: &Args) -> Result<bool> {
    let report = measure()?;
    println!("{report}");
    if args.write_docs {
        document::write(&report)?;
    } else if !document::is_current(&report)? {
        eprintln!("docs/gas.md holds other figures: make bench-gas ARGS=--write-docs");
    }
    let breaches = report.breaches();
    for breach in &breaches {
        eprintln!("error: {breach}");
    }
    println!("{}", report.json());
    Ok(breaches.is_empty())
}

/// The largest network takes about as long as all others together, so it has a thread of its own.
fn measure() -> Result<Report> {
    let progress = MultiProgress::new();
    thread::scope(|scope| {
        let most = scope.spawn(|| Ok(among(MOST, &progress)?.1));
        let (few_network, few) = among(FEW, &progress)?;
        let (mut network, many) = among(MANY, &progress)?;
        let saturated = saturated(&mut network)?;
        let most: Result<Scale> = most.join().map_err(|_| eyre!("the largest network's thread panicked"))?;
        let scales = BTreeMap::from([(FEW.0, few), (MANY.0, many), (MOST.0, most?)]);
        Ok(Report { scales, saturated, saturated_nodes: network.nodes(), sizes: sizes(&few_network)? })
    })
}

/// A network with a number of free nodes, and what lives cost in it.
fn among((free, served): (u32, u32), progress: &MultiProgress) -> Result<(Network, Scale)> {
    let nodes = free + schedule::BUSY;
    let bar = progress.add(bar(nodes, served)?);
    let mut network = Network::with_nodes(nodes, &bar)?;
    network.serve(served, &bar)?;
    bar.finish_and_clear();
    let names = Names::of(&network)?;
    if served < REMEMBERED {
        network.settle_weights(&names)?;
    }
    let steady = schedule::steady(&mut network, &names)?;
    let quiet = schedule::quiet(&mut network, &names)?;
    let scale = Scale { steady, quiet, nodes: network.nodes(), seasoned: network.seasoned_nodes() };
    Ok((network, scale))
}

/// Lives when all nodes are busy but those that the network keeps free and those that have just ended a task.
fn saturated(network: &mut Network) -> Result<BTreeMap<u64, Life>> {
    let names = Names::of(network)?;
    let mut lives = BTreeMap::new();
    network.settle_down()?;
    for depth in DEPTHS {
        schedule::saturate(network, depth)?;
        lives.insert(depth, schedule::steady(network, &names)?);
    }
    Ok(lives)
}

/// Shows how many nodes have joined and how many tasks they have served.
fn bar(nodes: u32, served: u32) -> Result<ProgressBar> {
    let steps = u64::from(nodes) + u64::from(nodes / 3) * u64::from(served);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}")?;
    let bar = ProgressBar::new(steps).with_style(style).with_message(format!("{nodes} nodes"));
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar)
}
