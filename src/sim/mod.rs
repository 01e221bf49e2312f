//! `xenon sim`: networks of modelled parties on the real contracts.

mod safety;
mod scenarios;

use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use eyre::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// What to simulate.
#[derive(Debug, Subcommand)]
pub(crate) enum SimCommand {
    /// List the scenarios that come with the program.
    List,
    /// Run scenarios; fails if one of their assertions does not hold.
    Run(RunArgs),
    /// Print the table of what an attacker gains, published, computed and drawn from the real contracts.
    Safety(SafetyArgs),
}

/// Options of `sim run`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// Names from `sim list`, or TOML files; all that come with the program if none is given.
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<String>,
    /// Run this seed only.
    #[arg(long, conflicts_with = "seeds")]
    pub(crate) seed: Option<u64>,
    /// Run so many seeds of each scenario, from 0; as many as it says if not given.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: Option<u64>,
    /// Also print the metrics whose name begins like this; "" for all.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) metrics: Option<String>,
    /// Print one JSON object for each run instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `sim safety`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SafetyArgs {
    /// How many tasks to draw for each row; 0 draws none.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) draws: u64,
    /// Leave out rows of more nodes than this.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) nodes: u64,
    /// The seed of the drawing.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

/// Carries a command out.
pub(crate) fn run(command: SimCommand) -> Result<()> {
    match command {
        SimCommand::List => {
            scenarios::list();
            Ok(())
        }
        SimCommand::Run(args) => scenarios::run(&args),
        SimCommand::Safety(args) => safety::run(&args),
    }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    table
}

/// A bar that counts to `length` and shows the time that is left.
fn progress(length: u64) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg} {bar:40} {percent} %, {eta} left")?;
    Ok(ProgressBar::new(length).with_style(style))
}
