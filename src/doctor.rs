//! `xenon doctor`: what this machine and the network have, and what to do about what is missing.

use std::{env, fmt::Display, path::Path};

use comfy_table::{Cell, Color, ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use eyre::{Result, eyre};
use tokio::task::spawn_blocking;
use xenon_executor::{Device, ExecutionClass, ExecutorError, model::ModelStore, runtime};
use xenon_protocol::{
    chain::{Chain as _, RpcChain},
    pinned,
};

use crate::{cli::DoctorArgs, error::CliError, network, network::Network, settings::Settings};

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

/// Runs all checks and prints them; fails if one did.
pub(crate) async fn run(args: DoctorArgs, settings: &Settings) -> Result<()> {
    let mut checks = spawn_blocking(move || machine(&args.models)).await?;
    checks.push(Check::new("chain", chain(settings).await));
    checks.push(Check::new("contracts", contracts(settings).await));
    checks.push(Check::new("relay", relay(settings).await));
    println!("{}", table(&checks));
    let count = checks.iter().filter(|check| check.outcome.is_err()).count();
    if count == 0 { Ok(()) } else { Err(CliError::DoctorFailed { count }.into()) }
}

/// What needs no network. Loading the runtime blocks, so this runs on its own thread.
fn machine(models_dir: &Path) -> Vec<Check> {
    vec![
        Check::new("anvil (demo and tests only)", program("anvil")),
        Check::new("ONNX Runtime", library()),
        Check::new("execution class", class()),
        Check::new("models", models(models_dir)),
    ]
}

fn program(name: &str) -> Result<String> {
    let found = pinned::find(name, &env::current_dir()?);
    found
        .map(|path| path.display().to_string())
        .ok_or_else(|| eyre!("{name} {} not found: run `make setup`", pinned::FOUNDRY_VERSION))
}

fn library() -> Result<String, ExecutorError> {
    let runtime = runtime::load(None)?;
    Ok(format!("{}, {}", runtime.build(), runtime.library().display()))
}

fn class() -> Result<String, ExecutorError> {
    let runtime = runtime::load(None)?;
    let class = ExecutionClass::detect(runtime, Device::Cpu.provider(runtime)?);
    let ingredients = class.ingredients().iter().map(|(name, value)| format!("{name}: {value}"));
    Ok(format!("{}\n{}", class.fingerprint(), ingredients.collect::<Vec<_>>().join("\n")))
}

fn models(folder: &Path) -> Result<String, ExecutorError> {
    let store = ModelStore::open(folder)?;
    Ok(store.models().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
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
