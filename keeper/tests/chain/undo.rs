//! The view goes back when the chain does, and goes on from a snapshot after a restart: without reading the past again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use alloy::primitives::{Address, Bytes, U256};
use tempfile::TempDir;
use xenon_keeper::{Collector, KeeperConfig, KeeperError, Progress, View};
use xenon_protocol::chain::{Call, Chain, ChainError, EventLog, Head, LogFilter};
use xenon_sim::RevmChain;

use crate::{
    watched::Watched,
    world::{CREATOR, World, block_on, config},
};

/// Blocks after which one is final here.
const DEPTH: u64 = 12;

const FEE: u128 = 1_000_000_000_000_000_000;

fn head_of(chain: &RevmChain) -> u64 {
    block_on(chain.head()).unwrap().number
}

fn create(world: &World, chain: &RevmChain, fee: u128) {
    chain.mine_with(1, &[(CREATOR, world.create(0, 100, 0, 0, fee, 600_000))]).remove(0).unwrap();
}

fn look(collector: &mut Collector<Watched>) -> Result<Progress, KeeperError> {
    block_on(collector.collect())
}

/// Looks after each of `blocks` blocks, in every third of which a task is created.
fn live(world: &World, chain: &Watched, collector: &mut Collector<Watched>, blocks: u64) {
    for block in 0..blocks {
        if block.is_multiple_of(3) {
            create(world, &chain.now(), FEE + u128::from(block));
        } else {
            chain.now().mine(1);
        }
        assert!(matches!(look(collector), Ok(Progress::Fresh(_))));
    }
}

fn settings(folder: Option<&TempDir>) -> KeeperConfig {
    let snapshot = folder.map(|folder| folder.path().join("view"));
    KeeperConfig { linked_blocks: DEPTH, snapshot, ..config() }
}

/// What somebody knows who reads the chain from its start.
fn fresh(world: &World, chain: &Watched) -> View {
    let mut collector = Collector::new(chain.now(), world.contracts, KeeperConfig { linked_blocks: 1_000, ..config() });
    block_on(collector.collect()).unwrap();
    collector.view().clone()
}

#[test]
fn reorganisation_up_to_the_final_depth_is_undone_without_reading_the_past_again() {
    let world = World::with_nodes(3);
    for depth in 1..=DEPTH {
        let chain = Watched::new(&world.chain.fork());
        let mut collector = Collector::new(chain.clone(), world.contracts, settings(None));
        look(&mut collector).unwrap();
        live(&world, &chain, &mut collector, 3 * DEPTH + depth % 5);
        let other = chain.now().fork();
        let parted = head_of(&other);
        live(&world, &chain, &mut collector, depth);
        (0..depth).for_each(|block| create(&world, &other, 9 * FEE + u128::from(block)));
        chain.becomes(&other);
        chain.first_asked();
        assert!(matches!(look(&mut collector), Ok(Progress::Fresh(_))), "{depth} deep");
        assert_eq!(chain.first_asked(), parted + 1, "{depth} deep");
        assert_eq!(collector.view(), &fresh(&world, &chain), "{depth} deep");
    }
}

#[test]
fn shorter_chain_of_other_blocks_is_followed_and_longer_ones_again() {
    let world = World::with_nodes(3);
    let chain = Watched::new(&world.chain.fork());
    let mut collector = Collector::new(chain.clone(), world.contracts, settings(None));
    look(&mut collector).unwrap();
    live(&world, &chain, &mut collector, 2 * DEPTH);
    for swing in 1..6 {
        let other = chain.now().fork();
        live(&world, &chain, &mut collector, 4);
        create(&world, &other, (5 + swing) * FEE);
        chain.becomes(&other);
        assert!(matches!(look(&mut collector), Ok(Progress::Fresh(_))));
        assert_eq!(collector.view(), &fresh(&world, &chain));
    }
}

#[test]
fn log_left_out_once_is_read_again_from_a_mark_on_and_left_out_again_from_the_start() {
    let world = World::with_nodes(3);
    for (answers, from_start) in [(1, false), (2, true)] {
        let chain = Watched::new(&world.chain.fork());
        let mut collector = Collector::new(chain.clone(), world.contracts, settings(None));
        look(&mut collector).unwrap();
        live(&world, &chain, &mut collector, 4 * DEPTH);
        create(&world, &chain.now(), 7 * FEE);
        chain.leave_out(answers);
        for _ in 0..answers {
            assert!(matches!(look(&mut collector), Err(KeeperError::View(_))));
        }
        chain.first_asked();
        assert!(matches!(look(&mut collector), Ok(Progress::Fresh(_))));
        let first = chain.first_asked();
        assert_eq!(first == 0, from_start, "read from block {first} on");
        assert!(from_start || first > head_of(&chain.now()) - 2 * DEPTH - 1);
        world_agrees(&world, &chain, &collector);
    }
}

/// A collector that has written a snapshot, its chain, and the block of the snapshot at most.
fn kept(world: &World, folder: &TempDir) -> Watched {
    let chain = Watched::new(&world.chain.fork());
    let mut collector = Collector::new(chain.clone(), world.contracts, settings(Some(folder)));
    look(&mut collector).unwrap();
    live(world, &chain, &mut collector, 4 * DEPTH);
    chain.first_asked();
    chain
}

#[test]
fn restart_goes_on_from_the_snapshot() {
    let (world, folder) = (World::with_nodes(3), TempDir::new().unwrap());
    let chain = kept(&world, &folder);
    let before = head_of(&chain.now());
    let mut collector = Collector::new(chain.clone(), world.contracts, settings(Some(&folder)));
    look(&mut collector).unwrap();
    world_agrees(&world, &chain, &collector);
    let first = chain.first_asked();
    assert!((before - 2 * DEPTH..=before - DEPTH + 1).contains(&first), "read from block {first} of {before} on");
}

#[test]
fn snapshot_of_a_chain_that_went_another_way_is_not_used() {
    let (world, folder) = (World::with_nodes(3), TempDir::new().unwrap());
    for blocks in [2, 5 * DEPTH] {
        kept(&world, &folder);
        let other = Watched::new(&world.chain.fork());
        (0..blocks).for_each(|_| create(&world, &other.now(), 5 * FEE));
        let mut collector = Collector::new(other.clone(), world.contracts, settings(Some(&folder)));
        look(&mut collector).unwrap();
        assert_eq!(other.first_asked(), 0, "everything is read");
        world_agrees(&world, &other, &collector);
    }
}

#[test]
fn damaged_snapshot_is_not_used_and_replaced() {
    let (world, folder) = (World::with_nodes(3), TempDir::new().unwrap());
    let chain = kept(&world, &folder);
    let path = folder.path().join("view");
    std::fs::write(&path, "nothing").unwrap();
    let mut collector = Collector::new(chain.clone(), world.contracts, settings(Some(&folder)));
    look(&mut collector).unwrap();
    assert_eq!(chain.first_asked(), 0);
    world_agrees(&world, &chain, &collector);
    assert!(std::fs::metadata(&path).unwrap().len() > 1_000);
}

#[test]
fn snapshot_that_cannot_be_written_keeps_nobody_from_working() {
    let (world, folder) = (World::with_nodes(3), TempDir::new().unwrap());
    std::fs::create_dir(folder.path().join("view")).unwrap();
    let chain = kept(&world, &folder);
    let mut collector = Collector::new(chain.clone(), world.contracts, settings(Some(&folder)));
    look(&mut collector).unwrap();
    world_agrees(&world, &chain, &collector);
}

fn world_agrees(world: &World, chain: &Watched, collector: &Collector<Watched>) {
    World { chain: chain.now(), contracts: world.contracts }.assert_agrees_with(collector.view());
}

/// A chain that has a new block whenever a contract is read, until it comes to rest.
#[derive(Clone)]
struct Hasty {
    chain: RevmChain,
    rests: Arc<AtomicBool>,
}

impl Chain for Hasty {
    fn chain_id(&self) -> u64 {
        self.chain.chain_id()
    }

    async fn head(&self) -> Result<Head, ChainError> {
        self.chain.head().await
    }

    async fn block(&self, number: u64) -> Result<Option<Head>, ChainError> {
        self.chain.block(number).await
    }

    async fn logs(&self, filter: &LogFilter) -> Result<Vec<EventLog>, ChainError> {
        self.chain.logs(filter).await
    }

    async fn call(&self, from: Address, call: &Call) -> Result<Bytes, ChainError> {
        if !self.rests.load(Ordering::Relaxed) {
            self.chain.mine(1);
        }
        self.chain.call(from, call).await
    }

    async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        self.chain.code(address).await
    }

    async fn balance(&self, address: Address) -> Result<U256, ChainError> {
        self.chain.balance(address).await
    }
}

#[test]
fn view_that_is_never_compared_with_the_contracts_is_not_acted_on_for_long() {
    let world = World::with_nodes(3);
    let chain = Hasty { chain: world.chain.fork(), rests: Arc::default() };
    let mut collector = Collector::new(chain.clone(), world.contracts, settings(None));
    for _ in 0..2 {
        assert!(matches!(block_on(collector.collect()), Ok(Progress::Fresh(_))));
    }
    for _ in 0..2 {
        assert!(matches!(block_on(collector.collect()), Err(KeeperError::Unsettled { .. })));
    }
    chain.rests.store(true, Ordering::Relaxed);
    assert!(matches!(block_on(collector.collect()), Ok(Progress::Fresh(_))));
    assert!(matches!(block_on(collector.collect()), Ok(Progress::Unchanged(_))));
}
