//! How fast the keeper is, how much memory it takes, and how soon it sends.
//!
//! `make bench-keeper` runs it. It fails when a figure misses its limit; its last line is one JSON object.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program prints its results")]
#![allow(clippy::cast_precision_loss, reason = "counts and bytes are far below 2^52")]

mod figures;
mod latency;
mod network;
mod speed;

use std::{alloc::System, process::ExitCode};

use cap::Cap;
use eyre::Result;

use crate::{
    figures::Figures,
    network::{Network, QUEUED},
};

/// Counts the bytes that are asked for; it limits nothing.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Events of the history.
const EVENTS: usize = 1_000_000;

fn main() -> ExitCode {
    match run() {
        Ok(figures) => {
            println!("{figures}");
            println!("{}", figures.json());
            if figures.are_within_limits() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Figures> {
    eprintln!("{QUEUED} tasks that wait ...");
    let bytes_per_task = speed::memory(&ALLOCATOR)?;
    eprintln!("{EVENTS} events ...");
    let mut network = Network::idle(true)?;
    network.fill()?;
    network.live(EVENTS)?;
    let history = network.into_history();
    eprintln!("folding them ...");
    let (view, fold_events_per_s) = speed::fold(&history)?;
    eprintln!("planning ...");
    let plans = speed::plans(&view, &history)?;
    eprintln!("restarting ...");
    let restart = speed::restart(&view, &history)?;
    drop((view, history));
    eprintln!("sending, on anvil with one block a second ...");
    let send = latency::measure()?;
    Ok(Figures { fold_events_per_s, plans, restart, bytes_per_task, send })
}
