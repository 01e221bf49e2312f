//! How soon a keeper acts on what it sees, on a real chain: from the block of an event to that of the transaction.

use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    signers::local::PrivateKeySigner,
    sol_types::SolEvent,
};
use eyre::{Result, ensure, eyre};
use futures::future::try_join_all;
use tokio::time::sleep;
use xenon_keeper::{
    Keeper, KeeperConfig, Policy, Wallet,
    journal::{Identity, Journal},
};
use xenon_protocol::{
    chain::{Account as _, Call, Chain as _, LogFilter, RpcAccount, RpcChain},
    contracts::{Node, Task, TaskQueue},
    deployment::{DeployParams, Deployment, deploy},
    devnet::{Anvil, AnvilConfig},
};

/// Rounds of one task each. A round is drawn and seated: two transactions that answer an event.
const ROUNDS: usize = 20;

/// Nodes: three for each round, which stay busy, and more than the floor below which nothing is drawn.
const NODES: usize = 3 * ROUNDS + 9;

/// Everybody else: who deploys, creates and turns the crank.
const ROLES: usize = 3;

/// Wei of a stake, and of a fee.
const STAKE: u128 = 400_000_000_000_000_000_000;
const FEE: u128 = 1_000_000_000_000_000_000;

/// Looks for what has not come yet, a second apart.
const PATIENCE: usize = 120;

/// Pause between two looks of the keeper, in milliseconds.
const POLL_MS: u64 = 100;

/// From events to transactions, in blocks, the shortest first.
pub(crate) struct Sent(Vec<u64>);

impl Sent {
    /// What nineteen of twenty do not exceed.
    pub(crate) fn p95(&self) -> u64 {
        let rank = (self.0.len() * 95).div_ceil(100);
        rank.checked_sub(1).and_then(|at| self.0.get(at)).copied().unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = BTreeMap::new();
        for blocks in &self.0 {
            *counts.entry(blocks).or_insert(0) += 1;
        }
        let counts: Vec<_> = counts.iter().map(|(blocks, count)| format!("{count} in block +{blocks}")).collect();
        write!(f, "{} of {} transactions", counts.join(", "), self.0.len())
    }
}

struct Devnet {
    anvil: Anvil,
    chain: RpcChain,
    contracts: Deployment,
}

/// Runs a keeper on anvil with one block a second.
pub(crate) fn measure() -> Result<Sent> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(watch())
}

async fn watch() -> Result<Sent> {
    let devnet = Devnet::start().await?;
    devnet.join().await?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let folder = tempfile::tempdir()?;
    let keeper = tokio::spawn(devnet.keeper(folder.path()).await?.run(async {
        let _ = stopped.await;
    }));
    let first = devnet.chain.head().await?.number;
    for round in 1..=ROUNDS {
        let creator = devnet.account(1);
        creator.send(devnet.create()).await?;
        devnet.until_seated(first, round).await?;
    }
    let _ = stop.send(());
    keeper.await??;
    devnet.latencies(first).await
}

impl Devnet {
    async fn start() -> Result<Self> {
        let accounts = ROLES + 2 * NODES;
        let config = AnvilConfig { block_time: Some(1), accounts, ..AnvilConfig::default() };
        let anvil = Anvil::start(&config).await?;
        let chain = anvil.connect().await?;
        let deployer = RpcAccount::new(chain.clone(), anvil.signers()[0].clone());
        let contracts = deploy(&deployer, &DeployParams::default()).await?;
        Ok(Self { anvil, chain, contracts })
    }

    fn account(&self, index: usize) -> RpcAccount {
        RpcAccount::new(self.chain.clone(), self.anvil.signers()[index].clone())
    }

    /// A keeper as a foundation runs it, with its journal on disk.
    async fn keeper(&self, folder: &Path) -> Result<Keeper<RpcChain, PrivateKeySigner>> {
        let config = KeeperConfig { poll_ms: POLL_MS, ..KeeperConfig::default() };
        let key = self.anvil.signers()[2].clone();
        let genesis = self.chain.block(0).await?.map_or(B256::ZERO, |block| block.hash);
        let identity = Identity::new(self.chain.chain_id(), genesis, self.contracts.task, key.address());
        let wallet = Wallet::new(self.chain.clone(), key, Journal::open(folder, &identity)?);
        Ok(Keeper::new(wallet, self.contracts, Policy::default(), config))
    }

    /// All nodes join, each of an operator of its own.
    async fn join(&self) -> Result<()> {
        let operators = (0..NODES).map(|node| self.account(ROLES + 2 * node));
        let joins: Vec<_> = operators.enumerate().map(|(node, operator)| self.join_one(node, operator)).collect();
        try_join_all(joins).await.map(drop)
    }

    async fn join_one(&self, node: usize, operator: RpcAccount) -> Result<()> {
        let key: Address = self.anvil.signers()[ROLES + 2 * node + 1].address();
        let call = Node::joinCall { key, classHash: keccak256("a class"), vramGb: 24, gpu: String::from("a GPU") };
        operator.send(Call::new(self.contracts.node, &call).with_value(U256::from(STAKE))).await?;
        Ok(())
    }

    fn create(&self) -> Call {
        let hash = keccak256("a task");
        let call =
            Task::createCall { kind: 0, taskHash: hash, size: 100, minVram: 0, requiredClass: 0, maxWait: 3_600 };
        Call::new(self.contracts.task, &call).with_value(U256::from(FEE))
    }

    async fn until_seated(&self, first: u64, tasks: usize) -> Result<()> {
        for _ in 0..PATIENCE {
            if self.blocks_of::<Task::TaskSeated>(self.contracts.task, first).await?.len() >= tasks {
                return Ok(());
            }
            sleep(Duration::from_secs(1)).await;
        }
        Err(eyre!("task {tasks} is never seated"))
    }

    /// The block in which each task's event is.
    async fn blocks_of<E: SolEvent>(&self, contract: Address, first: u64) -> Result<BTreeMap<B256, u64>> {
        let head = self.chain.head().await?.number;
        let logs = self.chain.logs(&LogFilter::of([contract], first, head).event::<E>()).await?;
        Ok(logs.iter().filter_map(|log| Some((*log.topics.get(1)?, log.block_number))).collect())
    }

    /// From creation to draw, and to seating from the block after the draw: a round can be seated, and the call be tried,
    /// once a block follows the draw.
    async fn latencies(&self, first: u64) -> Result<Sent> {
        let created = self.blocks_of::<Task::TaskCreated>(self.contracts.task, first).await?;
        let drawn = self.blocks_of::<TaskQueue::TaskDrawn>(self.contracts.queue, first).await?;
        let seated = self.blocks_of::<Task::TaskSeated>(self.contracts.task, first).await?;
        let since = |from: &BTreeMap<B256, u64>, later: u64, to: &BTreeMap<B256, u64>| -> Vec<u64> {
            from.iter().filter_map(|(task, block)| to.get(task)?.checked_sub(block + later)).collect()
        };
        let mut blocks = [since(&created, 0, &drawn), since(&drawn, 1, &seated)].concat();
        ensure!(blocks.len() == 2 * ROUNDS, "{} of {} transactions were seen", blocks.len(), 2 * ROUNDS);
        blocks.sort_unstable();
        Ok(Sent(blocks))
    }
}
