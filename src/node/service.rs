//! Running a node until it is interrupted; it then finishes what it has in hand.

use std::{fs, future, path::Path, sync::mpsc::SyncSender, thread, time::Duration};

use alloy::primitives::B256;
use eyre::{Report, Result};
use tokio::{
    net::TcpListener,
    select,
    sync::{oneshot, watch},
};
use xenon_executor::{
    agent::{AgentConfig, Applicant, NodeAgent, Stopped, check_class, join_network, joined_node},
    memory::DeviceMemory,
    model::ModelLease,
    process::ProcessRunner,
};
use xenon_protocol::{
    chain::{Account as _, RpcAccount},
    relay::RelayClient,
};

use super::{
    metrics::{Metrics, router},
    pending::pending,
    report::{Publisher, Reporter},
};
use crate::{
    beside::end,
    cli::NodeRunArgs,
    error::CliError,
    executor, metrics, model,
    network::{self, Network},
    serve::interrupted,
    settings::Settings,
    wallet,
};

/// Longest time for loading one model before the node begins to work.
const LOAD_LIMIT: Duration = Duration::from_mins(15);

/// A node with what it does beside its tasks.
type Agent = NodeAgent<RpcAccount>;

/// What a node needs before it can answer a task.
struct Prepared {
    runner: ProcessRunner,
    class: B256,
    /// Keep the models from being evicted.
    leases: Vec<ModelLease>,
}

/// Runs a node, joining the network first if it was given an operator's key and the node is not known yet.
///
/// A node that has not joined prepares everything first: nobody may give it a task for a model that is still on its way.
/// One that has joined may hold a seat, with a deadline, so it goes on with what its journal says at once, and prepares
/// its models meanwhile.
pub(crate) async fn run(args: &NodeRunArgs, settings: &Settings) -> Result<()> {
    let network = Network::connect(settings).await?;
    let key = network.account(settings)?;
    let relay = network::relay(settings)?;
    let operator = operator(args, &network)?;
    let listener = listener(args).await?;
    let prepared = match &operator {
        Some(operator) => join_unless_joined(args, settings, &network, &key, operator, &relay).await?,
        None => None,
    };
    fs::create_dir_all(&args.data).map_err(|error| CliError::unwritable(&args.data, &error))?;
    let numbers = Metrics::default();
    let reporter = Reporter::new(key.address(), numbers.clone());
    let (place, runner) = pending();
    let config = AgentConfig::new(relay.url().clone(), &args.data);
    let mut agent = NodeAgent::new(config, key, network.contracts, runner).await?;
    reporter.is_node(agent.node());
    agent.observe(reporter.clone());
    let preparing = hand_in(args, settings, network.clone(), agent.node(), prepared, reporter.clone(), place);
    let publisher = Publisher::new(reporter, network, operator, &args.data, agent.node());
    beside(listener, publisher, numbers, work(&mut agent, Box::pin(preparing))).await
}

async fn listener(args: &NodeRunArgs) -> Result<Option<TcpListener>> {
    Ok(match args.metrics {
        Some(address) => Some(metrics::bind(address).await?),
        None => None,
    })
}

/// Everything that can be checked is, before an operator pays the stake.
async fn join_unless_joined(
    args: &NodeRunArgs,
    settings: &Settings,
    network: &Network,
    key: &RpcAccount,
    operator: &RpcAccount,
    relay: &RelayClient,
) -> Result<Option<Prepared>> {
    if joined_node(operator, &network.contracts, key.address()).await?.is_some() {
        return Ok(None);
    }
    relay.health().await?;
    let prepared = prepare(args, settings).await?;
    join(args, network, key, operator, prepared.class).await?;
    Ok(Some(prepared))
}

/// Fetches, checks and loads the models, and proves the device.
async fn prepare(args: &NodeRunArgs, settings: &Settings) -> Result<Prepared> {
    let mut leases = model::prefetch(&args.models, settings).await?;
    leases.extend(model::offer(&args.models)?);
    let class = executor::class(args).await?;
    Ok(Prepared { runner: load(args).await?, class, leases })
}

/// Hands the runner in as soon as there is one, unless it would not compute as the node's class does.
async fn hand_in(
    args: &NodeRunArgs,
    settings: &Settings,
    network: Network,
    node: u32,
    prepared: Option<Prepared>,
    reporter: Reporter,
    place: SyncSender<ProcessRunner>,
) -> Result<Vec<ModelLease>> {
    let Prepared { runner, class, leases } = match prepared {
        Some(prepared) => prepared,
        None => prepare(args, settings).await?,
    };
    check_class(&network.chain, &network.contracts, node, class).await?;
    reporter.follow(runner.monitor());
    // An agent that has ended takes no runner.
    let _ = place.send(runner);
    Ok(leases)
}

/// Works until the interruption, or until it is known that the node cannot answer; what is in hand is finished then too.
async fn work(agent: &mut Agent, preparing: impl Future<Output = Result<Vec<ModelLease>>>) -> Result<Stopped> {
    let (fail, failed) = oneshot::channel();
    let preparing = async move {
        let _leases = match preparing.await {
            Ok(leases) => leases,
            Err(error) => {
                tracing::error!(%error, "the node cannot answer tasks: it finishes what it has in hand and ends");
                let _ = fail.send(error);
                Vec::new()
            }
        };
        future::pending::<()>().await;
    };
    let mut failure = None;
    let stop = async { failure = stop(failed).await };
    let outcome = select! {
        outcome = agent.run(stop) => outcome?,
        () = preparing => Stopped::CutOff,
    };
    failure.map_or(Ok(outcome), Err)
}

/// Completes at the interruption, or with the reason why the node must stop.
async fn stop(failed: oneshot::Receiver<Report>) -> Option<Report> {
    let failed = async {
        match failed.await {
            Ok(error) => error,
            Err(_) => future::pending().await,
        }
    };
    select! {
        () = interrupted() => None,
        error = failed => Some(error),
    }
}

/// Serves metrics and writes the report while the agent works.
async fn beside(
    listener: Option<TcpListener>,
    mut publisher: Publisher,
    numbers: Metrics,
    agent: impl Future<Output = Result<Stopped>>,
) -> Result<()> {
    let (stop, stopped) = watch::channel(false);
    let server = listener.map(|listener| tokio::spawn(metrics::serve(listener, router(numbers), stopped.clone())));
    let publishing = tokio::spawn(async move { publisher.run(stopped).await });
    let outcome = agent.await;
    // Both end with the agent; what they still had to say is not worth an error.
    let _ = stop.send(true);
    end(publishing).await;
    if let Some(server) = server {
        end(server).await;
    }
    if outcome? == Stopped::CutOff {
        tracing::warn!("the work in hand was not finished in time: start the node again to go on with it");
    }
    Ok(())
}

/// Finds the models, and loads those that fit. The thread is not waited for when the node ends meanwhile.
async fn load(args: &NodeRunArgs) -> Result<ProcessRunner> {
    let config = executor::config(args)?;
    let memory = DeviceMemory::of(args.device.parse()?);
    let (sender, loaded) = oneshot::channel();
    let load = move || {
        let mut runner = ProcessRunner::with_memory(config, memory)?;
        runner.preload(LOAD_LIMIT);
        Ok(runner)
    };
    thread::Builder::new().name("xenon-load".to_owned()).spawn(move || drop(sender.send(load())))?;
    loaded.await?
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
