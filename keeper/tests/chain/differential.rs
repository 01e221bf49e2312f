//! The view against the contracts' storage, and the predicted draws against the real ones, over random lives.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use xenon_keeper::{
    Event, Logged, Progress, View,
    order::{Draw, next_draw},
    view::ClassKey,
};
use xenon_protocol::{
    chain::{ChainError, Receipt},
    contracts::Ending,
};

use crate::{
    operation::{Block, Operation, Votes, any_block, any_life},
    world::{World, block_on},
};

/// Every run sees the same lives.
pub(crate) fn fixed(cases: u32) -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(0x58_45_4e_4f_4e),
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// Mines a block of random moves, made from what `view` knows.
fn mine(world: &World, view: &View, votes: &mut Votes, block: &Block) -> Vec<Result<Receipt, ChainError>> {
    let transactions: Vec<_> =
        block.operations.iter().map(|operation| operation.transaction(world, view, votes)).collect();
    for _ in 0..block.idle {
        world.chain.mine(1);
    }
    world.chain.mine_with(block.seconds, &transactions)
}

/// The events of a receipt, in order.
fn events(world: &World, receipt: &Receipt) -> Vec<Logged> {
    receipt.logs.iter().map(|log| Logged::decode(log, &world.contracts).unwrap()).collect()
}

/// Whether an event is part of a draw. Nothing else follows it in the same call.
fn is_of_a_draw(event: &Event) -> bool {
    matches!(event, Event::TaskDrawn { .. } | Event::TaskWithdrawn { .. } | Event::ClassBookParked { .. })
}

/// What was drawn, expired and parked.
fn draw_of(logs: &[Logged]) -> Draw {
    let mut draw = Draw::default();
    for log in logs {
        match log.event {
            Event::TaskDrawn { task, .. } => draw.drawn.push(task),
            Event::TaskWithdrawn { task, ending: Ending::Expired, .. } => draw.expired.push(task),
            Event::ClassBookParked { kind, class } => draw.parked.push(ClassKey { kind, class }),
            _ => {}
        }
    }
    draw
}

/// Compares the draw of a successful `dispatch` with the prediction from the view just before it.
fn check_draw(view: &View, world: &World, receipt: &Receipt, limit: u64) -> usize {
    let logs = events(world, receipt);
    let start = logs.iter().position(|log| is_of_a_draw(&log.event)).unwrap_or(logs.len());
    let mut view = view.clone();
    apply(&mut view, &logs[..start]);
    let (round, block) = (view.round(), receipt.block_number);
    if round.closes_sets_in(block) || logs.iter().any(|log| matches!(log.event, Event::RoundRedrawn { .. })) {
        assert_eq!(draw_of(&logs), Draw::default(), "a round that waits keeps others from being drawn");
        return 0;
    }
    let draw = draw_of(&logs);
    assert_eq!(next_draw(&view, usize::try_from(limit).unwrap(), world.now()), draw);
    draw.drawn.len()
}

fn apply(view: &mut View, logs: &[Logged]) {
    for log in logs {
        view.apply(log).unwrap();
    }
}

/// Replays the transactions of the newest block on a view of the block before; returns the number of tasks drawn.
fn check_draws(view: &View, world: &World, block: &Block, outcomes: &[Result<Receipt, ChainError>]) -> usize {
    let (mut view, mut drawn) = (view.clone(), 0);
    for (operation, outcome) in block.operations.iter().zip(outcomes) {
        let Ok(receipt) = outcome else { continue };
        if let Operation::Dispatch(limit) = operation {
            drawn += check_draw(&view, world, receipt, *limit);
        }
        apply(&mut view, &events(world, receipt));
        if let (Operation::Absorb(limit), false) = (operation, view.round().closes_sets_in(receipt.block_number)) {
            view.note_deferred(view.nodes().deferred().saturating_sub(usize::try_from(*limit).unwrap()));
        }
    }
    drawn
}

/// How often each event happened.
type Seen = BTreeMap<&'static str, usize>;

fn count(seen: &mut Seen, world: &World, outcomes: &[Result<Receipt, ChainError>]) {
    for log in outcomes.iter().flatten().flat_map(|receipt| events(world, receipt)) {
        *seen.entry(log.event.name()).or_default() += 1;
    }
}

/// Lives one random life, looking after every block; returns the number of tasks whose draw was predicted.
fn live(blocks: &[Block], seen: &mut Seen) -> usize {
    let world = World::with_classes();
    let (mut collector, mut votes, mut drawn) = (world.collector(), Votes::new(), 0);
    block_on(collector.collect()).unwrap();
    for block in blocks {
        let outcomes = mine(&world, collector.view(), &mut votes, block);
        count(seen, &world, &outcomes);
        drawn += check_draws(collector.view(), &world, block, &outcomes);
        assert!(matches!(block_on(collector.collect()), Ok(Progress::Fresh(_))));
        world.assert_agrees_with(collector.view());
        world.assert_sets_agree_with(collector.view());
    }
    drawn
}

/// Events that random lives must have for their test to mean anything.
const LIVED: [&str; 21] = [
    "ClassBookParked",
    "ClassBookWoken",
    "ClassOpened",
    "Committed",
    "Delivered",
    "DeliveryPassed",
    "IntentChanged",
    "NodeJoined",
    "RevealOpened",
    "Revealed",
    "RoundRedrawn",
    "Scored",
    "StakeWithdrawn",
    "StatusChanged",
    "TaskCreated",
    "TaskDrawn",
    "TaskRequeued",
    "TaskSeated",
    "TaskSettled",
    "TaskWithdrawn",
    "Undelivered",
];

#[test]
fn view_equals_storage_and_draws_are_as_predicted_after_every_block() {
    let (seen, drawn) = (RefCell::new(Seen::new()), Cell::new(0));
    let run = TestRunner::new(fixed(16)).run(&any_life(), |blocks| {
        drawn.set(drawn.get() + live(&blocks, &mut seen.borrow_mut()));
        Ok(())
    });
    run.unwrap();
    assert!(drawn.get() > 100, "{}", drawn.get());
    for event in LIVED {
        assert!(seen.borrow().contains_key(event), "{event} never happened: {:?}", seen.borrow());
    }
}

proptest! {
    #![proptest_config(fixed(8))]

    #[test]
    fn view_of_a_collector_that_looks_rarely_equals_storage(
        blocks in prop::collection::vec((any_block(), prop::bool::weighted(0.2)), 60..100),
    ) {
        let world = World::with_classes();
        let (mut collector, mut votes) = (world.collector(), Votes::new());
        block_on(collector.collect()).unwrap();
        for (block, looks) in &blocks {
            mine(&world, collector.view(), &mut votes, block);
            if *looks {
                prop_assert!(matches!(block_on(collector.collect()), Ok(Progress::Fresh(_))));
                world.assert_agrees_with(collector.view());
            }
        }
        let mut late = world.collector();
        block_on(late.collect()).unwrap();
        world.assert_agrees_with(late.view());
    }
}
