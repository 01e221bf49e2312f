//! The keeper as a service: what ends it, and what does not.

use std::sync::atomic::AtomicBool;

use tokio::{sync::oneshot, task::JoinHandle, time::sleep};
use xenon_keeper::{Action, Keeper, KeeperConfig, KeeperError, Outcome, Policy, Submitter, TaskId};
use xenon_protocol::{chain::Chain, deployment::Deployment};
use xenon_sim::{Genesis, RevmChain};

use crate::{
    faulty::{Faulty, Pen, ReadFault, wallet},
    world::{CREATOR, World, block_on, config},
};

const FEE: u128 = 1_000_000_000_000_000_000;

/// A world in which two tasks have waited too long.
fn two_to_expire() -> World {
    let world = World::with_nodes(2);
    for _ in 0..2 {
        world.send(CREATOR, world.create(0, 100, 0, 0, FEE, 60)).unwrap();
    }
    world.chain.mine(1_000);
    world
}

/// One action a round.
fn one_by_one() -> Policy {
    Policy { max_actions: 1, ..Policy::default() }
}

/// A running keeper and what stops it.
fn run(keeper: Keeper<Faulty, Pen>) -> (JoinHandle<Result<(), KeeperError>>, oneshot::Sender<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(keeper.run(async {
        let _ = stopped.await;
    }));
    (running, stop)
}

/// Waits until something has come about, for ten seconds at most.
async fn until(condition: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("it never came about");
}

async fn ends_with(chain: Faulty, contracts: Deployment, config: KeeperConfig) -> KeeperError {
    Keeper::new(wallet(chain), contracts, Policy::default(), config).run(std::future::pending()).await.unwrap_err()
}

#[test]
fn what_waiting_cannot_mend_ends_it() {
    let world = World::new();
    let (chain, contracts) = (Faulty::new(&world.chain), world.contracts);
    let empty = Faulty::new(&RevmChain::new(Genesis::default()));
    let mixed = Deployment { qos: contracts.stats, ..contracts };
    let idle = KeeperConfig { poll_ms: 0, ..config() };
    block_on(async {
        assert_eq!(ends_with(chain.clone(), contracts, idle).await.code(), "XK-001");
        assert_eq!(ends_with(chain.clone().with_chain_id(5), contracts, config()).await.code(), "XK-002");
        assert_eq!(ends_with(chain, mixed, config()).await.code(), "XK-005");
        assert_eq!(ends_with(empty, contracts, config()).await.code(), "XP-304");
    });
}

#[test]
fn endpoint_that_is_down_is_waited_out() {
    let world = two_to_expire();
    let chain = Faulty::new(&world.chain);
    chain.fail_reads([ReadFault::Down; 40]);
    let keeper = Keeper::new(wallet(chain.clone()), world.contracts, Policy::default(), config());
    block_on(async {
        let (running, stop) = run(keeper);
        until(|| chain.landed().len() == 2).await;
        stop.send(()).unwrap();
        assert_eq!(running.await.unwrap(), Ok(()));
    });
}

#[test]
fn shutdown_waits_for_what_is_in_flight_and_begins_nothing_more() {
    let world = two_to_expire();
    let chain = Faulty::new(&world.chain).hold_sends();
    let keeper = Keeper::new(wallet(chain.clone()), world.contracts, one_by_one(), config());
    block_on(async {
        let (running, stop) = run(keeper);
        until(|| chain.begun() == 1).await;
        stop.send(()).unwrap();
        tokio::task::yield_now().await;
        assert!(!running.is_finished());
        chain.release();
        assert_eq!(running.await.unwrap(), Ok(()));
        assert_eq!((chain.begun(), chain.landed().len()), (1, 1));
    });
}

#[test]
fn shutdown_does_not_wait_for_ever() {
    let world = two_to_expire();
    let chain = Faulty::new(&world.chain).hold_sends();
    let keeper =
        Keeper::new(wallet(chain.clone()), world.contracts, one_by_one(), KeeperConfig { shutdown_ms: 1, ..config() });
    block_on(async {
        let (running, stop) = run(keeper);
        until(|| chain.begun() == 1).await;
        stop.send(()).unwrap();
        assert_eq!(running.await.unwrap(), Ok(()));
        assert_eq!(chain.landed().len(), 0);
    });
}

#[test]
fn stopped_sender_sends_nothing() {
    let world = two_to_expire();
    let chain = Faulty::new(&world.chain);
    let mut submitter = Submitter::new(wallet(chain.clone()), world.contracts, config());
    let head = block_on(chain.head()).unwrap();
    let wanted = [Action::Expire(TaskId(1)).into()];
    let outcomes = block_on(submitter.submit(&wanted, &head, &AtomicBool::new(true))).unwrap();
    assert_eq!(outcomes, [(Action::Expire(TaskId(1)), Outcome::Stopped)]);
    assert_eq!(chain.begun(), 0);
}

#[test]
fn chain_that_stands_still_is_not_acted_on() {
    let world = two_to_expire();
    let chain = Faulty::new(&world.chain);
    let keeper = Keeper::new(
        wallet(chain.clone()),
        world.contracts,
        Policy::default(),
        // The simulated chain lives in the past.
        KeeperConfig { max_head_age_s: 3_600, ..config() },
    );
    block_on(async {
        let (running, stop) = run(keeper);
        let start = chain.reads_done();
        until(|| chain.reads_done() > start + 40).await;
        assert_eq!(chain.begun(), 0);
        stop.send(()).unwrap();
        assert_eq!(running.await.unwrap(), Ok(()));
    });
}

#[test]
fn what_the_contracts_would_refuse_is_skipped_with_the_reason() {
    let world = two_to_expire();
    let chain = Faulty::new(&world.chain);
    let mut submitter = Submitter::new(wallet(chain.clone()), world.contracts, config());
    let head = block_on(chain.head()).unwrap();
    let actions = [Action::Advance(TaskId(1)), Action::Expire(TaskId(1)), Action::Absorb { limit: 8 }];
    let wanted = actions.map(Into::into);
    let outcomes = block_on(submitter.submit(&wanted, &head, &AtomicBool::new(false))).unwrap();
    let codes: Vec<_> = outcomes.iter().map(|(_, outcome)| outcome.code()).collect();
    assert_eq!(codes, ["XK-031", "XK-030", "XK-032"]);
    assert!(format!("{:?}", outcomes[0].1).contains("WrongState"), "{:?}", outcomes[0]);
    assert_eq!(chain.begun(), 1);
}
