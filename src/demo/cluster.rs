//! The demo's network: anvil, the contracts, a relay, a keeper and nodes, all in this process but anvil.

use std::{num::NonZeroUsize, path::PathBuf, pin::pin, time::Duration};

use alloy::primitives::{Address, B256};
use eyre::{Result, WrapErr as _};
use indicatif::ProgressBar;
use tempfile::TempDir;
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};
use xenon_executor::{
    Executor, ExecutorConfig,
    agent::{AgentConfig, Applicant, LazyRunner, NodeAgent, TaskRunner, join_network},
};
use xenon_gateway::relay::{Relay, RelayConfig, StoreConfig};
use xenon_keeper::{Keeper, KeeperConfig, Policy, Wallet};
use xenon_protocol::{
    chain::{Account as _, RpcAccount, RpcChain},
    deployment::{DeployParams, Deployment, deploy},
    devnet::{Anvil, AnvilConfig},
    relay::RelayClient,
};

use super::plan;
use crate::{
    cli::DemoArgs, error::CliError, network::keeper_journal, serve, settings::Settings, task::PICTURE_MODEL, wallet,
};

/// Seconds between blocks.
const BLOCK_TIME: u64 = 1;

/// Pause of the agents and the keeper between two looks at the chain.
const POLL_MS: u64 = 200;

/// Longest time the nodes finish their work in when the demo ends; all tasks are over by then.
const DRAIN_MS: u64 = 3_000;

/// Longest wait for a service to end.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Pause between two looks at the services while the network is left running.
const SERVICE_CHECK: Duration = Duration::from_secs(1);

/// Roles with a key of their own before the nodes: deployer, creator, keeper.
const ROLES: usize = 3;

/// A running network.
pub(super) struct Cluster {
    pub(super) chain: RpcChain,
    pub(super) contracts: Deployment,
    pub(super) relay: RelayClient,
    pub(super) creator: RpcAccount,
    pub(super) keeper: Address,
    pub(super) nodes: Vec<u32>,
    pub(super) lazy: Vec<u32>,
    anvil: Anvil,
    services: Vec<Service>,
    stop: watch::Sender<bool>,
    folder: TempDir,
}

/// A part of the network that runs until it is told to stop.
struct Service {
    name: String,
    handle: JoinHandle<Result<()>>,
}

impl Cluster {
    /// Starts everything.
    pub(super) async fn start(args: &DemoArgs) -> Result<Self> {
        let bar = ProgressBar::new_spinner();
        bar.set_message("loading the models");
        let executors = load(args, args.nodes - args.lazy.min(args.nodes)).await?;
        bar.set_message("starting the chain");
        let accounts = ROLES + 2 * args.nodes as usize;
        let config = AnvilConfig { block_time: Some(BLOCK_TIME), accounts, ..AnvilConfig::default() };
        let anvil = Anvil::start(&config).await?;
        let chain = anvil.connect().await?;
        let account = |index: usize| RpcAccount::new(chain.clone(), anvil.signers()[index].clone());
        bar.set_message("deploying the contracts");
        let contracts = deploy(&account(0), &DeployParams::default()).await?;

        let folder = tempfile::tempdir().wrap_err("the demo needs a temporary folder")?;
        let (stop, _) = watch::channel(false);
        let relay = Relay::bind(&RelayConfig::new(([127, 0, 0, 1], 0).into(), StoreConfig::Memory {})).await?;
        let mut cluster = Self {
            relay: RelayClient::new(relay.url())?,
            creator: account(1),
            keeper: account(2).address(),
            nodes: Vec::new(),
            lazy: Vec::new(),
            services: Vec::new(),
            chain: chain.clone(),
            contracts,
            anvil,
            stop,
            folder,
        };
        let stopped = cluster.stopped();
        cluster.spawn("relay", async move {
            relay.serve(stopped).await;
            Ok(())
        });
        bar.set_message("joining the nodes");
        cluster.start_nodes(args, executors).await?;
        cluster.start_keeper().await?;
        bar.finish_and_clear();
        Ok(cluster)
    }

    /// An error, with its cause, if a service has ended, which none does by itself.
    pub(super) async fn check_services(&mut self) -> Result<()> {
        let Some(index) = self.services.iter().position(|service| service.handle.is_finished()) else { return Ok(()) };
        let Service { name, handle } = self.services.swap_remove(index);
        handle.await?.wrap_err_with(|| format!("the {name} failed"))?;
        Err(CliError::DemoFailed(format!("the {name} has ended")).into())
    }

    /// Leaves the network running until it is interrupted, and says how to use it.
    #[allow(clippy::print_stderr, reason = "the last line of standard output may be JSON")]
    pub(super) async fn stay(&mut self) -> Result<()> {
        let config = self.folder.path().join("xenon.toml");
        let key = self.folder.path().join("creator.key");
        wallet::save(&key, &self.anvil.signers()[1])?;
        std::fs::write(&config, self.settings(&key)?).map_err(|error| CliError::unwritable(&config, &error))?;
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("xenon"));
        let command = format!("{} --config {}", program.display(), config.display());
        eprintln!("\nThe network runs until you press Ctrl-C. In another terminal:");
        eprintln!("  {command} task submit --prompt \"What is 20 + 22?\" --price 2");
        eprintln!("  {command} task status 1");
        eprintln!("  {command} task result 1");
        let interrupted = serve::interrupted();
        let mut interrupted = pin!(interrupted);
        loop {
            tokio::select! {
                () = &mut interrupted => return Ok(()),
                () = sleep(SERVICE_CHECK) => self.check_services().await?,
            }
        }
    }

    /// Stops all services, then the chain.
    pub(super) async fn stop(self) {
        // Nobody is listening when every service has ended already.
        let _ = self.stop.send(true);
        for Service { mut handle, .. } in self.services {
            // A service that failed was reported by `check_services`; one that does not end is ended.
            if timeout(STOP_LIMIT, &mut handle).await.is_err() {
                handle.abort();
            }
        }
    }

    fn settings(&self, key: &std::path::Path) -> Result<String> {
        let (rpc, relay) = (self.anvil.url(), self.relay.url().clone());
        let mut settings = Settings::default();
        settings.chain.rpc = rpc;
        settings.chain.id = Some(self.contracts.chain_id);
        settings.chain.task = Some(self.contracts.task);
        settings.relay.url = Some(relay);
        settings.wallet.key_file = Some(key.to_owned());
        Ok(toml::to_string(&settings)?)
    }

    async fn start_nodes(&mut self, args: &DemoArgs, mut executors: Vec<Executor>) -> Result<()> {
        let Some(first) = executors.first() else { return Ok(()) };
        // A node says to which class it belongs; these are all of one.
        let class = tokio::task::block_in_place(|| first.class())?.fingerprint();
        for index in 0..args.nodes {
            // Lazy nodes join last and claim the class of the others; their seats are as random as everybody's.
            if let Some(executor) = executors.pop() {
                self.start_node(index, class, executor).await?;
            } else {
                self.start_node(index, class, LazyRunner::seeded(u64::from(index))).await?;
                self.lazy.extend(self.nodes.last());
            }
        }
        Ok(())
    }

    async fn start_node(&mut self, index: u32, class: B256, runner: impl TaskRunner) -> Result<()> {
        let operator = self.account(ROLES + 2 * index as usize);
        let key = self.account(ROLES + 2 * index as usize + 1);
        let applicant = Applicant { key: key.address(), class_hash: class, vram_gb: 0, gpu: String::from("CPU") };
        let node = join_network(&operator, &self.contracts, &applicant).await?;
        self.nodes.push(node);
        let mut config = AgentConfig::new(self.relay.url().clone(), self.folder.path().join(format!("node-{node}")));
        config.poll_ms = POLL_MS;
        config.drain_limit_ms = DRAIN_MS;
        let mut agent = NodeAgent::new(config, key, self.contracts, runner).await?;
        let stopped = self.stopped();
        self.spawn(&format!("node {node}"), async move {
            agent.run(stopped).await?;
            Ok(())
        });
        Ok(())
    }

    async fn start_keeper(&mut self) -> Result<()> {
        let config = KeeperConfig { poll_ms: POLL_MS, ..KeeperConfig::default() };
        let key = self.anvil.signers()[2].clone();
        let folder = self.folder.path().join("keeper");
        let journal = keeper_journal(&self.chain, &self.contracts, &folder, key.address()).await?;
        let wallet = Wallet::new(self.chain.clone(), key, journal);
        let keeper = Keeper::new(wallet, self.contracts, Policy::default(), config);
        let stopped = self.stopped();
        self.spawn("keeper", async move { Ok(keeper.run(stopped).await?) });
        Ok(())
    }

    fn account(&self, index: usize) -> RpcAccount {
        RpcAccount::new(self.chain.clone(), self.anvil.signers()[index].clone())
    }

    /// Resolves when the cluster stops.
    fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut signal = self.stop.subscribe();
        async move {
            // The sender is dropped only with the cluster: that is a stop too.
            let _ = signal.wait_for(|stop| *stop).await;
        }
    }

    fn spawn(&mut self, name: &str, service: impl Future<Output = Result<()>> + Send + 'static) {
        self.services.push(Service { name: name.to_owned(), handle: tokio::spawn(service) });
    }
}

/// Loads the models for every honest node; each has an executor of its own, with one thread.
async fn load(args: &DemoArgs, count: u32) -> Result<Vec<Executor>> {
    let config = ExecutorConfig { intra_threads: Some(NonZeroUsize::MIN), ..ExecutorConfig::new(&args.models) };
    let models: &'static [&'static str] =
        if plan::pictures(args) > 0 { &[plan::MODEL, PICTURE_MODEL] } else { &[plan::MODEL] };
    spawn_blocking(move || (0..count).map(|_| load_one(&config, models)).collect()).await?
}

fn load_one(config: &ExecutorConfig, models: &[&str]) -> Result<Executor> {
    let mut executor = Executor::open(config)?;
    for model in models {
        executor.preload(&model.parse()?)?;
    }
    Ok(executor)
}
