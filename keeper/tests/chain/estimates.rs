//! What the keeper learns from real seats, and that the contract takes what follows from it.

use alloy::primitives::keccak256;
use xenon_keeper::{
    Action, Collector, KeeperConfig, KindId, TaskId,
    estimate::{Effect, Refusal},
};
use xenon_protocol::contracts::Task;
use xenon_sim::RevmChain;

use crate::world::{CREATOR, KEEPER, OWNER, World, block_on, config};

const KIND: KindId = KindId(0);

/// What tasks take here, where the table says five seconds and a twentieth of one for a unit.
const OVERHEAD_S: u64 = 8;
const UNITS_A_SECOND: u64 = 10;

const DEPTH: u64 = 4;

fn collector(world: &World) -> Collector<RevmChain> {
    let config = KeeperConfig { linked_blocks: DEPTH, ..config() };
    let mut collector = Collector::new(world.chain.clone(), world.contracts, config);
    block_on(collector.collect()).unwrap();
    collector
}

fn dispatch(world: &World, collector: &mut Collector<RevmChain>) {
    world.send(KEEPER, Action::Dispatch { max_tasks: 1, seats: 0 }.call(&world.contracts)).unwrap();
    block_on(collector.collect()).unwrap();
}

/// One task from its creation to its delivery, whose nodes take their time.
fn live(world: &World, collector: &mut Collector<RevmChain>, units: u32) {
    world.send(CREATOR, world.create(0, units, 0, 0, 1_000_000_000_000_000_000, 10_000)).unwrap();
    block_on(collector.collect()).unwrap();
    dispatch(world, collector);
    dispatch(world, collector);
    let task = collector.view().tasks().last();
    let seats = *collector.view().tasks().get(task).unwrap().seats().unwrap();
    let holders = seats.nodes.map(|node| (node, collector.view().nodes().get(node).unwrap().key));
    let result = keccak256("the result");
    let commits = holders.map(|(node, key)| (key, world.commit(task, node, key, result)));
    let mined = world.chain.mine_with(OVERHEAD_S + u64::from(units) / UNITS_A_SECOND, &commits);
    assert!(mined.iter().all(Result::is_ok));
    block_on(collector.collect()).unwrap();
    let reveals = holders.map(|(node, key)| (key, world.reveal(task, node, result)));
    assert!(world.chain.mine_with(1, &reveals).iter().all(Result::is_ok));
    block_on(collector.collect()).unwrap();
    deliver(world, collector, task);
}

fn deliver(world: &World, collector: &mut Collector<RevmChain>, task: TaskId) {
    let seats = *collector.view().tasks().get(task).unwrap().seats().unwrap();
    let node = seats.nodes[usize::from(seats.deliverer)];
    let key = collector.view().nodes().get(node).unwrap().key;
    world.send(key, world.deliver(task, node)).unwrap();
    block_on(collector.collect()).unwrap();
}

#[test]
fn owner_makes_the_changes_that_the_keeper_proposes_one_a_day() {
    let world = World::with_classes(&[(0, 24, 7)]);
    let mut collector = collector(&world);
    let refusal = collector.estimator().proposal(collector.view(), KIND, world.now());
    assert_eq!(refusal, Err(Refusal::TooFew { seen: 0 }));
    for task in 0..30 {
        live(&world, &mut collector, 10 * (1 + task % 7));
    }
    // As observed to the second: what takes 8 s and a tenth of one for a unit.
    let report = collector.estimator().reports()[0];
    let line = report.line.unwrap();
    assert_eq!((line.overhead_ms, line.ms_per_unit()), (8_000, 100), "{report:?}");
    let proposal = collector.estimator().proposal(collector.view(), KIND, world.now()).unwrap();
    assert_eq!((proposal.overhead_ms, proposal.ms_per_unit.get()), (8_000, 100));
    world.send(CREATOR, world.create(0, 10, 0, 0, 1_000_000_000_000_000_000, 10_000)).unwrap();
    block_on(collector.collect()).unwrap();
    assert_eq!(Effect::of(&proposal, collector.view()).to_string(), "0 of 1 places change");

    world.send(KEEPER, proposal.call(&world.contracts)).unwrap_err();
    world.send(OWNER, proposal.call(&world.contracts)).unwrap();
    block_on(collector.collect()).unwrap();
    let stored = world.read(world.contracts.task, &Task::kindOfCall { kind: KIND.0 });
    assert_eq!((stored.overheadMs, stored.msPerUnit), (8_000, 100));
    let next = collector.estimator().proposal(collector.view(), KIND, world.now());
    assert_eq!(next, Err(Refusal::NotSure), "it is what is observed");
}
