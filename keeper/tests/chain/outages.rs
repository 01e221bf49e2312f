//! What the keeper sees of a chain that fails, lags, leaves logs out or is reorganised, and that it does not act on it.

use xenon_keeper::{
    Collector, Keeper, KeeperConfig, KeeperError, Outcome, Policy, Progress, Round, View, journal::Stage,
};
use xenon_sim::RevmChain;

use crate::{
    faulty::{Faulty, Pen, ReadFault, SendFault, wallet},
    world::{CREATOR, World, block_on, config},
};

const FEE: u128 = 1_000_000_000_000_000_000;

/// A world in which one task waits to be drawn, and a keeper that has not looked yet.
fn one_task() -> (World, Faulty, Keeper<Faulty, Pen>) {
    let world = World::with_nodes(3);
    create(&world, &world.chain, FEE);
    let chain = Faulty::new(&world.chain);
    let keeper = Keeper::new(wallet(chain.clone()), world.contracts, Policy::default(), config());
    (world, chain, keeper)
}

fn create(world: &World, chain: &RevmChain, fee: u128) {
    chain.mine_with(1, &[(CREATOR, world.create(0, 100, 0, 0, fee, 1_000))]).remove(0).unwrap();
}

/// Rounds, each after one more block, until the keeper's transaction is in one.
fn until_landed(world: &World, chain: &Faulty, keeper: &mut Keeper<Faulty, Pen>) {
    for _ in 0..9 {
        if !chain.landed().is_empty() {
            return;
        }
        world.chain.mine(1);
        block_on(keeper.step()).unwrap();
    }
    panic!("it is never made good");
}

#[test]
fn read_that_fails_never_causes_an_act_and_is_made_good_by_later_rounds() {
    let (_, chain, mut keeper) = one_task();
    block_on(keeper.step()).unwrap();
    let whole = chain.reads_done();
    let mut unsent = 0;
    for failing in 0..whole {
        let (world, chain, mut keeper) = one_task();
        chain.fail_reads((0..failing).map(|_| ReadFault::Fine).chain([ReadFault::Down]));
        match block_on(keeper.step()) {
            Err(error) => {
                assert_eq!((error.code(), error.is_permanent()), ("XP-302", false), "read {failing}");
                assert_eq!(chain.begun(), 0, "read {failing}");
                let round = block_on(keeper.step()).unwrap();
                assert!(matches!(round.outcomes[..], [(_, Outcome::Done(_))]), "read {failing}: {round:?}");
            }
            Ok(round) => match &round.outcomes[..] {
                [(_, Outcome::Failed(_))] => assert_eq!(chain.begun(), 0, "read {failing}"),
                [(_, Outcome::Done(_) | Outcome::Sent { .. })] => assert_eq!(chain.begun(), 1, "read {failing}"),
                other => panic!("read {failing}: {other:?}"),
            },
        }
        unsent += usize::from(chain.begun() == 0);
        until_landed(&world, &chain, &mut keeper);
        assert_eq!(chain.landed().len(), 1, "read {failing}");
    }
    assert!(unsent > 4, "only {unsent} reads of {whole} kept it from sending");
}

#[test]
fn head_that_was_left_behind_is_not_acted_on() {
    let world = World::with_nodes(3);
    let chain = Faulty::new(&world.chain);
    let mut keeper = Keeper::new(wallet(chain.clone()), world.contracts, Policy::default(), config());
    create(&world, &world.chain, FEE);
    world.chain.mine(2_000);
    chain.fail_sends([SendFault::Rejected; 2]);
    assert_eq!(block_on(keeper.step()).unwrap().outcomes.len(), 1, "there is something to expire");
    for blocks in 1..8 {
        chain.fail_reads([ReadFault::Behind(blocks)]);
        assert_eq!(block_on(keeper.step()).unwrap(), Round::default(), "{blocks}");
    }
    assert_eq!(chain.begun(), 1);
}

#[test]
fn head_from_before_our_own_transaction_is_not_acted_on() {
    let (_, chain, mut keeper) = one_task();
    assert_eq!(block_on(keeper.step()).unwrap().outcomes.len(), 1);
    // As if the endpoint had not seen yet what it sent.
    chain.fail_reads([ReadFault::Behind(1)]);
    assert_eq!(block_on(keeper.step()).unwrap().head, None);
    assert_eq!(chain.begun(), 1);
}

#[test]
fn log_left_out_is_noticed_and_nothing_is_sent_until_it_is_there() {
    let (_, chain, mut keeper) = one_task();
    chain.fail_reads([ReadFault::MissingLog; 100]);
    let error = block_on(keeper.step()).unwrap_err();
    assert!(matches!(error, KeeperError::View(_)), "{error}");
    assert_eq!(chain.begun(), 0);
    let mut rounds = (0..20).map(|_| block_on(keeper.step()));
    assert!(rounds.any(|round| round.is_ok_and(|round| !round.outcomes.is_empty())));
}

#[test]
fn logs_of_other_blocks_are_not_believed() {
    let (_, chain, mut keeper) = one_task();
    chain.fail_reads([ReadFault::ForeignLogs; 100]);
    assert_eq!(block_on(keeper.step()).unwrap_err().code(), "XK-004");
    assert_eq!((chain.begun(), keeper.view()), (0, &View::new()));
    let mut rounds = (0..20).map(|_| block_on(keeper.step()));
    assert!(rounds.any(|round| round.is_ok_and(|round| !round.outcomes.is_empty())));
}

fn mine(chain: &RevmChain, blocks: u64) {
    for _ in 0..blocks {
        chain.mine(1);
    }
}

/// Two futures of one world that part after its newest block, each `blocks` long and with another task.
fn futures_of(world: &World, blocks: u64) -> [RevmChain; 2] {
    [2, 3].map(|coins| {
        let future = world.chain.fork();
        create(world, &future, coins * FEE);
        mine(&future, blocks - 1);
        future
    })
}

/// Looks until something new was read to its end.
fn catch_up(collector: &mut Collector<Faulty>) {
    for _ in 0..3 {
        if matches!(block_on(collector.collect()), Ok(Progress::Fresh(_))) {
            return;
        }
    }
    panic!("the new chain is never seen");
}

/// A collector sees one future, then the other, and must know what the contracts of the other know.
fn assert_reorganisation_is_followed(blocks: u64, more: u64, linked_blocks: u64) {
    let world = World::with_nodes(3);
    let [first, second] = futures_of(&world, blocks);
    mine(&second, more);
    let chain = Faulty::new(&first);
    let config = KeeperConfig { linked_blocks, log_range: 7, ..config() };
    let mut collector = Collector::new(chain.clone(), world.contracts, config);
    catch_up(&mut collector);
    chain.reorganise(&second);
    catch_up(&mut collector);
    World { chain: second, ..world }.assert_agrees_with(collector.view());
    let seen = collector.reading();
    let depth = if blocks <= linked_blocks { blocks } else { seen.last_depth };
    assert_eq!((seen.reorgs, seen.last_depth), (1, depth), "{blocks} blocks, {more} more, {linked_blocks} linked");
    assert!((1..=blocks).contains(&seen.last_depth), "{seen:?}");
}

#[test]
fn reorganisation_of_any_depth_is_followed() {
    for linked_blocks in [1, 4, 64] {
        for blocks in [1, 2, 12, 40] {
            for more in [0, 1, 30] {
                assert_reorganisation_is_followed(blocks, more, linked_blocks);
            }
        }
    }
}

#[test]
fn shorter_chain_with_other_blocks_is_a_reorganisation_and_one_with_the_same_is_not() {
    let world = World::with_nodes(3);
    let [first, second] = futures_of(&world, 5);
    let chain = Faulty::new(&first);
    let mut collector = Collector::new(chain.clone(), world.contracts, config());
    mine(&first, 5);
    catch_up(&mut collector);
    chain.fail_reads([ReadFault::Behind(3)]);
    assert!(matches!(block_on(collector.collect()), Ok(Progress::Stale(_))));
    chain.reorganise(&second);
    catch_up(&mut collector);
    let mut fresh = Collector::new(second, world.contracts, config());
    block_on(fresh.collect()).unwrap();
    assert_eq!(collector.view(), fresh.view());
}

#[test]
fn start_after_the_deployment_is_named_and_mended_by_nothing_but_the_configuration() {
    let (world, chain, _) = one_task();
    let from_block = block_on(xenon_protocol::chain::Chain::head(&world.chain)).unwrap().number;
    let late = KeeperConfig { from_block: from_block + 1, ..config() };
    let mut keeper = Keeper::new(wallet(chain.clone()), world.contracts, Policy::default(), late);
    for _ in 0..2 {
        assert_eq!(block_on(keeper.step()).unwrap_err().code(), "XK-003");
    }
    let late = KeeperConfig { from_block, ..config() };
    let mut keeper = Keeper::new(wallet(chain.clone()), world.contracts, Policy::default(), late);
    assert_eq!(block_on(keeper.step()).unwrap_err().code(), "XK-013");
    assert_eq!(chain.begun(), 0);
}

#[test]
fn transaction_that_a_node_does_not_take_is_handed_over_again_with_the_same_nonce() {
    for fault in [SendFault::Down, SendFault::Rejected, SendFault::Poor] {
        let (world, chain, mut keeper) = one_task();
        chain.fail_sends([fault; 2]);
        let round = block_on(keeper.step()).unwrap();
        assert!(matches!(round.outcomes[..], [(_, Outcome::Sent { nonce: 0, .. })]), "{fault:?}: {round:?}");
        assert_eq!(block_on(keeper.step()).unwrap(), Round::default(), "{fault:?}: no new block, nothing to plan");
        assert_eq!((chain.begun(), chain.landed().len()), (2, 0), "{fault:?}");
        block_on(keeper.step()).unwrap();
        world.chain.mine(1);
        let round = block_on(keeper.step()).unwrap();
        assert!(matches!(round.outcomes[0], (_, Outcome::Done(_))), "{fault:?}: {round:?}");
        assert_eq!(chain.landed()[0].0.data, chain.landed()[0].0.data);
    }
}

#[test]
fn transaction_that_was_taken_and_forgotten_is_replaced_by_one_that_pays_more() {
    let (world, chain, mut keeper) = one_task();
    chain.fail_sends([SendFault::Dropped]);
    let round = block_on(keeper.step()).unwrap();
    assert!(matches!(round.outcomes[..], [(_, Outcome::Sent { nonce: 0, .. })]), "{round:?}");
    for _ in 0..config().send.replace_after {
        world.chain.mine(1);
        let round = block_on(keeper.step()).unwrap();
        assert!(matches!(round.outcomes[..], [(_, Outcome::InFlight { nonce: 0 })]), "{round:?}");
    }
    assert_eq!((chain.begun(), chain.landed().len()), (2, 1));
    let attempts = keeper.wallet().journal.live().unwrap().remove(0).attempts;
    assert!(attempts[1].max_fee * 100 >= attempts[0].max_fee * 110, "{attempts:?}");
}

#[test]
fn what_a_node_says_of_a_transaction_decides_nothing() {
    for fault in [SendFault::Lost, SendFault::AlreadyKnown, SendFault::NonceTooLow] {
        let (world, chain, mut keeper) = one_task();
        chain.fail_sends([fault]);
        let round = block_on(keeper.step()).unwrap();
        assert!(matches!(round.outcomes[..], [(_, Outcome::Done(_))]), "{fault:?}: {round:?}");
        for _ in 0..4 {
            world.chain.mine(1);
            block_on(keeper.step()).unwrap();
        }
        let dispatched = chain.landed().len();
        assert_eq!((chain.begun(), dispatched), (2, 2), "{fault:?}: the draw, and the seating after it");
    }
}

#[test]
fn keeper_that_starts_anew_with_the_journal_does_nothing_twice() {
    let (world, chain, mut keeper) = one_task();
    chain.fail_sends([SendFault::Lost]);
    block_on(keeper.step()).unwrap();
    let wallet = keeper.wallet().clone();
    drop(keeper);
    let mut keeper = Keeper::new(wallet, world.contracts, Policy::default(), config());
    for _ in 0..20 {
        world.chain.mine(1);
        block_on(keeper.step()).unwrap();
    }
    assert_eq!(chain.landed().len(), 2, "the draw, and the seating after it");
    assert_eq!(keeper.wallet().journal.live().unwrap(), []);
    let over = keeper.wallet().journal.over().unwrap();
    assert!(over.iter().all(|intent| matches!(intent.stage, Stage::Final(_))), "{over:?}");
}
