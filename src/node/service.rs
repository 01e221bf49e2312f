//! Running a node until it is interrupted; it then finishes what it has in hand.

use std::{fs, path::Path, time::Duration};

use alloy::primitives::B256;
use eyre::Result;
use tokio::{sync::watch, task::spawn_blocking};
use xenon_executor::{
    agent::{AgentConfig, Applicant, NodeAgent, Stopped, join_network},
    process::ProcessRunner,
};
use xenon_protocol::chain::{Account as _, RpcAccount};

use super::{
    metrics::{self, Metrics},
    report::{Publisher, Reporter},
};
use crate::{
    cli::NodeRunArgs,
    error::CliError,
    executor, model,
    network::{self, Network},
    serve::interrupted,
    settings::Settings,
    wallet,
};

/// Longest time for loading one model before the node begins to work.
const LOAD_LIMIT: Duration = Duration::from_mins(15);

/// Runs a node, joining the network first if it was given an operator's key and the node is not known yet.
pub(crate) async fn run(args: &NodeRunArgs, settings: &Settings) -> Result<()> {
    let network = Network::connect(settings).await?;
    let key = network.account(settings)?;
    let relay = network::relay(settings)?;
    relay.health().await?;
    // Nobody may give this node a task for a model that is still on its way.
    model::prefetch(&args.models, settings).await?;
    let _offered = model::offer(&args.models)?;
    let class = executor::class(args).await?;
    let runner = load(args).await?;
    let operator = operator(args, &network)?;
    if let Some(operator) = &operator {
        join(args, &network, &key, operator, class).await?;
    }
    fs::create_dir_all(&args.data).map_err(|error| CliError::unwritable(&args.data, &error))?;
    let metrics = Metrics::default();
    let reporter = Reporter::new(key.address(), runner.monitor(), metrics.clone());
    let config = AgentConfig::new(relay.url().clone(), &args.data);
    let mut agent = NodeAgent::new(config, key, network.contracts, runner).await?;
    reporter.is_node(agent.node());
    agent.observe(reporter.clone());
    let publisher = Publisher::new(reporter, network, operator, &args.data, agent.node());
    beside(args, publisher, metrics, agent.run(interrupted())).await
}

/// Serves metrics and writes the report while the agent works.
async fn beside(
    args: &NodeRunArgs,
    mut publisher: Publisher,
    metrics: Metrics,
    agent: impl Future<Output = Result<Stopped, xenon_executor::agent::AgentError>>,
) -> Result<()> {
    let (stop, stopped) = watch::channel(false);
    let server = match args.metrics {
        Some(address) => Some(tokio::spawn(metrics::serve(metrics::bind(address).await?, metrics, stopped.clone()))),
        None => None,
    };
    let publishing = tokio::spawn(async move { publisher.run(stopped).await });
    let outcome = agent.await;
    // Both end with the agent; what they still had to say is not worth an error.
    let _ = stop.send(true);
    let _ = publishing.await;
    if let Some(server) = server {
        let _ = server.await;
    }
    if outcome? == Stopped::CutOff {
        tracing::warn!("the work in hand was not finished in time: start the node again to go on with it");
    }
    Ok(())
}

/// Finds the models, and loads those that fit before the node offers itself.
async fn load(args: &NodeRunArgs) -> Result<ProcessRunner> {
    let config = executor::config(args);
    let load = move || {
        let mut runner = ProcessRunner::open(config)?;
        runner.preload(LOAD_LIMIT);
        Ok(runner)
    };
    spawn_blocking(load).await?
}

fn operator(args: &NodeRunArgs, network: &Network) -> Result<Option<RpcAccount>> {
    let account = |file: &Path| Ok(RpcAccount::new(network.chain.clone(), wallet::read(file)?));
    args.join_with.as_deref().map(account).transpose()
}

async fn join(
    args: &NodeRunArgs,
    network: &Network,
    key: &RpcAccount,
    operator: &RpcAccount,
    class_hash: B256,
) -> Result<()> {
    let applicant = Applicant { key: key.address(), class_hash, vram_gb: args.vram, gpu: args.device.clone() };
    let node = join_network(operator, &network.contracts, &applicant).await?;
    tracing::info!(node, operator = %operator.address(), "joined the network");
    Ok(())
}
