//! `xenon doctor`: what this machine and the network have, and what to do about what is missing.

mod args;
mod determinism;
mod machine;
mod model;

use std::fmt::Display;

use comfy_table::{Cell, Color, ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use eyre::Result;
use tokio::task::spawn_blocking;
use xenon_protocol::chain::{Chain as _, RpcChain};

pub(crate) use self::args::DoctorArgs;
use self::args::{CheckArgs, DoctorCommand};
use crate::{error::CliError, network, network::Network, settings::Settings};

/// One line of the report.
struct Check {
    what: &'static str,
    outcome: Result<String, String>,
}

impl Check {
    fn new(what: &'static str, outcome: Result<String, impl Display>) -> Self {
        Self { what, outcome: outcome.map_err(|error| error.to_string()) }
    }
}

/// Runs one of the commands, or all checks.
pub(crate) async fn run(args: DoctorArgs, settings: &Settings) -> Result<()> {
    match args.command {
        Some(DoctorCommand::Determinism(args)) => spawn_blocking(move || determinism::run(&args)).await?,
        Some(DoctorCommand::Class(args)) => spawn_blocking(move || determinism::class(&args)).await?,
        Some(DoctorCommand::Model(args)) => conclude(&spawn_blocking(move || model::checks(&args)).await?),
        None => check(args.check, settings).await,
    }
}

/// Runs all checks and prints them; fails if one did.
async fn check(args: CheckArgs, settings: &Settings) -> Result<()> {
    let mut checks = spawn_blocking(move || machine::checks(&args)).await?;
    checks.push(Check::new("chain", chain(settings).await));
    checks.push(Check::new("contracts", contracts(settings).await));
    checks.push(Check::new("relay", relay(settings).await));
    conclude(&checks)
}

/// Prints the checks; fails if one did.
fn conclude(checks: &[Check]) -> Result<()> {
    println!("{}", table(checks));
    let count = checks.iter().filter(|check| check.outcome.is_err()).count();
    if count == 0 { Ok(()) } else { Err(CliError::DoctorFailed { count }.into()) }
}

async fn chain(settings: &Settings) -> Result<String> {
    let chain = RpcChain::connect(&settings.chain.rpc, settings.chain.id).await?;
    Ok(format!("chain {} at {}, block {}", chain.chain_id(), chain.endpoint(), chain.head().await?.number))
}

async fn contracts(settings: &Settings) -> Result<String> {
    let network = Network::connect(settings).await?;
    Ok(format!("Task {}, Node {}", network.contracts.task, network.contracts.node))
}

async fn relay(settings: &Settings) -> Result<String> {
    let relay = network::relay(settings)?;
    let info = relay.info().await?;
    let signs = info.signer.map_or_else(|| String::from("signs nothing"), |signer| format!("signs as {signer}"));
    Ok(format!("{}, content up to {} bytes, {signs}", relay.url(), info.max_bytes))
}

fn table(checks: &[Check]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["check", "", "finding"]);
    for check in checks {
        let (mark, color, text) = match &check.outcome {
            Ok(text) => ("ok", Color::Green, text),
            Err(text) => ("failed", Color::Red, text),
        };
        table.add_row([Cell::new(check.what), Cell::new(mark).fg(color), Cell::new(text)]);
    }
    table
}
