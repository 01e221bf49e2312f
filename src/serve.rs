//! The long-running services besides the node: keeper and relay. Each runs until it is interrupted, then finishes what it has in hand.

use alloy::signers::local::PrivateKeySigner;
use eyre::{Result, WrapErr as _};
use tokio::signal;
use xenon_gateway::relay::{Relay, RelayConfig, RelaySigner, StoreConfig};
use xenon_keeper::{Keeper, KeeperConfig, Policy};

use crate::{
    cli::{GatewayArgs, KeeperArgs},
    error::CliError,
    keeper_wallet,
    network::Network,
    settings::Settings,
    wallet,
};

/// Runs a keeper.
pub(crate) async fn keeper(args: &KeeperArgs, settings: &Settings) -> Result<()> {
    let network = Network::connect(settings).await?;
    let sender = keeper_wallet::open(&network, settings, &args.data).await?;
    let policy = Policy {
        max_tasks: args.max_tasks.unwrap_or(settings.keeper.policy.max_tasks),
        cases: args.end_cases || settings.keeper.policy.cases,
        ..settings.keeper.policy.clone()
    };
    let config = KeeperConfig { from_block: network.from_block, ..settings.keeper.config.clone() };
    let keeper = Keeper::new(sender.wallet.clone(), network.contracts, policy, config).woken_by(sender.wake.clone());
    Ok(keeper.run(interrupted()).await?)
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
