//! The long-running services: node, keeper, relay. Each runs until it is interrupted, then finishes what it has in hand.

use std::{fs, path::Path};

use alloy::{primitives::B256, signers::local::PrivateKeySigner};
use eyre::{Result, WrapErr as _};
use tokio::{signal, task::spawn_blocking};
use xenon_executor::{
    agent::{AgentConfig, Applicant, NodeAgent, Stopped, join_network},
    process::ProcessRunner,
};
use xenon_gateway::relay::{Relay, RelayConfig, RelaySigner, StoreConfig};
use xenon_keeper::{Keeper, KeeperConfig, Policy};
use xenon_protocol::chain::{Account as _, RpcAccount};

use crate::{
    cli::{GatewayArgs, KeeperArgs, NodeRunArgs},
    error::CliError,
    executor, model,
    network::{self, Network},
    settings::Settings,
    wallet,
};

/// Runs a node, joining the network first if it was given an operator's key and the node is not known yet.
pub(crate) async fn node(args: &NodeRunArgs, settings: &Settings) -> Result<()> {
    let network = Network::connect(settings).await?;
    let key = network.account(settings)?;
    let relay = network::relay(settings)?;
    relay.health().await?;
    // Nobody may give this node a task for a model that is still on its way.
    model::prefetch(&args.models, settings).await?;
    let _offered = model::offer(&args.models)?;
    let class = executor::class(args).await?;
    let config = executor::config(args);
    let runner = spawn_blocking(move || ProcessRunner::open(config)).await??;
    if let Some(file) = &args.join_with {
        join(args, &network, &key, file, class).await?;
    }
    fs::create_dir_all(&args.data).map_err(|error| CliError::unwritable(&args.data, &error))?;
    let config = AgentConfig::new(relay.url().clone(), &args.data);
    let mut agent = NodeAgent::new(config, key, network.contracts, runner).await?;
    if agent.run(interrupted()).await? == Stopped::CutOff {
        tracing::warn!("the work in hand was not finished in time: start the node again to go on with it");
    }
    Ok(())
}

/// Runs a keeper.
pub(crate) async fn keeper(args: &KeeperArgs, settings: &Settings) -> Result<()> {
    let network = Network::connect(settings).await?;
    let account = network.account(settings)?;
    let policy = Policy { max_tasks: args.max_tasks, cases: args.end_cases, ..Policy::default() };
    let config = KeeperConfig { from_block: network.from_block, ..KeeperConfig::default() };
    Ok(Keeper::new(account, network.contracts, policy, config).run(interrupted()).await?)
}

/// Runs a relay, which signs for what it stores if it is given a key.
pub(crate) async fn gateway(args: &GatewayArgs, settings: &Settings) -> Result<()> {
    let store = match &args.store {
        Some(path) => StoreConfig::Directory { path: path.clone() },
        None => StoreConfig::Memory {},
    };
    let config = RelayConfig::new(args.listen, store);
    let relay = match wallet::relay_key(args.signing_key_file.as_deref())? {
        Some(key) => Relay::bind_signing(&config, signer(key, settings)?).await?,
        None => Relay::bind(&config).await?,
    };
    println!("{}", relay.url());
    relay.serve(interrupted()).await;
    Ok(())
}

/// A signature is for the tasks of one network.
fn signer(key: PrivateKeySigner, settings: &Settings) -> Result<RelaySigner, CliError> {
    let missing = |name, flag| CliError::MissingSetting { name, flag };
    let chain_id = settings.chain.id.ok_or(missing("chain.id", "--chain-id ID"))?;
    let contract = settings.chain.task.ok_or(missing("chain.task", "--task-contract ADDRESS"))?;
    Ok(RelaySigner::new(key, chain_id, contract))
}

async fn join(args: &NodeRunArgs, network: &Network, key: &RpcAccount, file: &Path, class_hash: B256) -> Result<()> {
    let operator = RpcAccount::new(network.chain.clone(), wallet::read(file)?);
    let applicant = Applicant { key: key.address(), class_hash, vram_gb: args.vram, gpu: args.device.clone() };
    let node = join_network(&operator, &network.contracts, &applicant).await?;
    tracing::info!(node, operator = %operator.address(), "joined the network");
    Ok(())
}

/// Resolves at the first Ctrl-C or termination signal.
pub(crate) async fn interrupted() {
    let outcome = wait_for_signal().await;
    if let Err(error) = outcome {
        tracing::error!(%error, "cannot listen for signals: stopping");
    }
}

#[cfg(unix)]
async fn wait_for_signal() -> Result<()> {
    use signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).wrap_err("SIGTERM")?;
    tokio::select! {
        outcome = signal::ctrl_c() => outcome.wrap_err("Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() -> Result<()> {
    signal::ctrl_c().await.wrap_err("Ctrl-C")
}
