//! The submitter on a chain that does as it is told.

mod fake;

use std::{
    pin::pin,
    sync::atomic::AtomicBool,
    task::{Context, Poll},
};

use alloy::{
    primitives::{Address, B256},
    signers::local::PrivateKeySigner,
};
use futures::{executor::block_on, task::noop_waker_ref};
use proptest::prelude::*;
use xenon_protocol::deployment::Deployment;

use self::fake::{Fake, Node, TASK};
use super::*;
use crate::{
    TaskId,
    journal::{Identity, Purpose, Stage},
};

const GWEI: u128 = 1_000_000_000;

struct Bench {
    chain: Fake,
    submitter: Submitter<Fake, PrivateKeySigner>,
}

fn config() -> KeeperConfig {
    let send = SendConfig { final_depth: 4, replace_after: 2, max_fee_gwei: 1, ..SendConfig::default() };
    KeeperConfig { send, max_hold: 2, ..KeeperConfig::default() }
}

fn start(chain: &Fake, journal: Journal) -> Submitter<Fake, PrivateKeySigner> {
    let key = PrivateKeySigner::from_bytes(&B256::repeat_byte(1)).unwrap();
    let contracts = Deployment {
        chain_id: 1,
        node: Address::ZERO,
        task: TASK,
        queue: Address::ZERO,
        qos: Address::ZERO,
        stats: Address::ZERO,
    };
    Submitter::new(Wallet::new(chain.clone(), key, journal), contracts, config())
}

fn journal() -> Journal {
    let key = PrivateKeySigner::from_bytes(&B256::repeat_byte(1)).unwrap();
    Journal::in_memory(&Identity::new(1, B256::ZERO, TASK, key.address())).unwrap()
}

impl Bench {
    fn new() -> Self {
        let chain = Fake::new();
        Self { submitter: start(&chain, journal()), chain }
    }

    /// One round of a keeper that wants these tasks done as long as they are not.
    fn round(&mut self, tasks: &[u64]) -> Vec<(Action, Outcome)> {
        self.round_until(tasks, usize::MAX).unwrap()
    }

    /// The same, dropped after so many polls; `None` if that was before its end.
    fn round_until(&mut self, tasks: &[u64], polls: usize) -> Option<Vec<(Action, Outcome)>> {
        let head = self.chain.newest();
        let open = tasks.iter().copied().map(TaskId).filter(|task| !self.chain.is_done(*task));
        let wanted: Vec<Wanted> = open.map(|task| Action::Advance(task).into()).collect();
        let submitter = &mut self.submitter;
        let mut work = pin!(async move {
            let mut outcomes = submitter.tend(&head).await.unwrap();
            outcomes.extend(submitter.submit(&wanted, &head, &AtomicBool::new(false)).await.unwrap());
            outcomes
        });
        for _ in 0..polls {
            if let Poll::Ready(outcomes) = work.as_mut().poll(&mut Context::from_waker(noop_waker_ref())) {
                return Some(outcomes);
            }
        }
        None
    }

    /// A new keeper with the same journal, or with none.
    fn restart(&mut self, keeps_journal: bool) {
        let journal = if keeps_journal { self.submitter.journal().clone() } else { journal() };
        self.submitter = start(&self.chain, journal);
    }

    fn live(&self) -> Vec<Intent> {
        self.submitter.journal().live().unwrap()
    }

    fn over(&self) -> Vec<Intent> {
        self.submitter.journal().over().unwrap()
    }

    /// Blocks and rounds until nothing is in hand.
    fn settle(&mut self, tasks: &[u64]) {
        for _ in 0..60 {
            self.chain.mine();
            self.round(tasks);
            if self.live().is_empty() && tasks.iter().all(|task| self.chain.is_done(TaskId(*task))) {
                return;
            }
        }
        panic!("it never settles: {:?}", self.live());
    }
}

fn codes(outcomes: &[(Action, Outcome)]) -> Vec<&'static str> {
    outcomes.iter().map(|(_, outcome)| outcome.code()).collect()
}

#[test]
fn what_others_did_first_is_called_back_before_it_fails() {
    let mut bench = Bench::new();
    bench.chain.set_base_fee(GWEI / 4);
    assert_eq!(codes(&bench.round(&[1])), ["XK-110"]);
    bench.chain.set_base_fee(GWEI * 3 / 4);
    bench.chain.mine_other(1);
    bench.round(&[1]);
    let attempts = bench.live().remove(0).attempts;
    assert_eq!(attempts.iter().map(|attempt| attempt.acts).collect::<Vec<_>>(), [true, false]);
    bench.settle(&[1]);
    assert_eq!((bench.chain.transactions(), bench.chain.failures()), (1, 0));
}

#[test]
fn nothing_is_sent_or_replaced_above_the_ceiling() {
    let mut bench = Bench::new();
    bench.chain.set_base_fee(GWEI * 2);
    assert_eq!(codes(&bench.round(&[1])), ["XK-114"]);
    bench.chain.set_base_fee(GWEI / 4);
    assert_eq!(codes(&bench.round(&[1])), ["XK-110"]);
    bench.chain.set_base_fee(GWEI * 2);
    for _ in 0..20 {
        bench.chain.mine();
        bench.round(&[1]);
    }
    assert!(bench.chain.dearest() <= GWEI, "{}", bench.chain.dearest());
    bench.chain.set_base_fee(GWEI / 4);
    bench.settle(&[1]);
    assert_eq!(bench.chain.transactions(), 1);
}

#[test]
fn action_that_costs_more_than_it_pays_is_left() {
    let mut bench = Bench::new();
    let head = bench.chain.newest();
    let mut codes_for = |reward| {
        let wanted = [Wanted { action: Action::Advance(TaskId(1)), reward: Some(reward) }];
        codes(&block_on(bench.submitter.submit(&wanted, &head, &AtomicBool::new(false))).unwrap())
    };
    // 50,000 gas at 100 wei burnt and 10 wei for the builder.
    assert_eq!(codes_for(5_499_999), ["XK-115"]);
    assert_eq!(codes_for(5_500_000), ["XK-110"]);
}

#[test]
fn limits_of_spending_hold_across_restarts() {
    let mut bench = Bench::new();
    bench.chain.set_base_fee(GWEI / 10);
    // An offer of about 0.2 gwei for 65,000 gas is about 13 millionths of a coin.
    bench.submitter.config.send.max_action_micros = 10;
    assert_eq!(codes(&bench.round(&[1])), ["XK-116"]);
    bench.restart(true);
    bench.submitter.config.send.max_day_micros = 30;
    assert_eq!(codes(&bench.round(&[1, 2, 3])), ["XK-110", "XK-110", "XK-117"]);
    bench.restart(true);
    bench.submitter.config.send.max_day_micros = 30;
    bench.chain.mine();
    assert_eq!(codes(&bench.round(&[3])), ["XK-030", "XK-030", "XK-110"], "what they cost is less than the most");
}

#[test]
fn what_may_not_be_replaced_is_handed_over_again_when_the_pool_has_lost_it() {
    let mut bench = Bench::new();
    bench.chain.set_base_fee(GWEI / 10);
    bench.submitter.config.send.max_action_micros = 14;
    assert_eq!(codes(&bench.round(&[1])), ["XK-110"]);
    bench.chain.forget_pool();
    bench.settle(&[1]);
    assert_eq!(bench.over().remove(0).attempts.len(), 1, "a second one could cost more than may be");
}

#[test]
fn node_that_simulates_nothing_does_not_keep_back_what_was_signed() {
    let mut bench = Bench::new();
    assert_eq!(codes(&bench.round(&[1, 2])), ["XK-110", "XK-110"]);
    bench.chain.forget_pool();
    bench.chain.refuse_calls();
    bench.settle(&[1, 2]);
    assert!(bench.over().iter().all(|intent| intent.attempts.len() == 1), "neither raised nor called back");
}

#[test]
fn nonce_that_is_free_again_is_not_missed_since_an_earlier_block() {
    let mut bench = Bench::new();
    bench.round(&[1]);
    let intent = Intent { missing_since: Some(0), ..bench.live().remove(0) };
    bench.submitter.note(intent, &bench.chain.newest()).unwrap();
    bench.round(&[1]);
    assert_eq!(bench.live()[0].missing_since, None);
}

#[test]
fn nothing_is_signed_behind_waiting_transactions_that_the_journal_does_not_know() {
    let mut bench = Bench::new();
    bench.round(&[1]);
    bench.restart(false);
    let (head, wanted) = (bench.chain.newest(), [Action::Advance(TaskId(2)).into()]);
    let outcomes = block_on(bench.submitter.submit(&wanted, &head, &AtomicBool::new(false))).unwrap();
    assert_eq!((codes(&outcomes), bench.live().len()), (vec!["XK-113"], 0));
}

#[test]
fn no_more_wait_than_may() {
    let mut bench = Bench::new();
    bench.submitter.config.send.max_in_flight = 2;
    assert_eq!(codes(&bench.round(&[1, 2, 3])), ["XK-110", "XK-110", "XK-112"]);
    bench.settle(&[1, 2, 3]);
}

#[test]
fn breaker_stops_what_starts_something_and_nothing_that_settles() {
    let mut bench = Bench::new();
    let failure = Outcome::Replaced { nonce: 1 };
    for _ in 0..config().send.breaker_failures {
        bench.submitter.conclude(Action::Slash(crate::NodeId(1)), &failure, 0);
    }
    let head = bench.chain.newest();
    let wanted = [Action::Dispatch { max_tasks: 1, seats: 0 }.into(), Action::Advance(TaskId(1)).into()];
    let outcomes = block_on(bench.submitter.submit(&wanted, &head, &AtomicBool::new(false))).unwrap();
    assert_eq!(codes(&outcomes), ["XK-118", "XK-110"]);
}

#[test]
fn lost_journal_is_survived_and_nothing_is_begun_before_the_unknown_is_settled() {
    let mut bench = Bench::new();
    bench.round(&[1, 2]);
    bench.restart(false);
    assert_eq!(codes(&bench.round(&[1, 2])), ["XK-113", "XK-113"]);
    assert!(bench.live().iter().all(|intent| intent.purpose == Purpose::Fill));
    bench.settle(&[1, 2]);
    assert_eq!((bench.chain.transactions(), bench.chain.failures()), (2, 0));
}

#[test]
fn unknown_transaction_that_never_moves_is_replaced_by_one_that_does_nothing() {
    let mut bench = Bench::new();
    bench.chain.set_base_fee(GWEI / 10);
    bench.round(&[1]);
    bench.restart(false);
    bench.chain.set_base_fee(GWEI / 2);
    bench.settle(&[1]);
    let over = bench.over();
    assert!(over.iter().any(|intent| intent.purpose == Purpose::Fill && matches!(intent.stage, Stage::Final(_))));
    assert_eq!((bench.chain.transactions(), bench.chain.failures()), (2, 0));
}

#[test]
fn transaction_that_a_reorganisation_loses_is_sent_again_with_its_nonce() {
    for depth in 1..=3 {
        for are_lost in [false, true] {
            let mut bench = Bench::new();
            bench.round(&[1]);
            for _ in 0..depth {
                bench.chain.mine();
                bench.round(&[1]);
            }
            assert!(matches!(bench.live()[0].stage, Stage::Mined(_)));
            bench.chain.reorganise(depth, are_lost);
            bench.settle(&[1]);
            assert_eq!(bench.chain.transactions(), 1, "depth {depth}, lost: {are_lost}");
            assert_eq!(bench.over().len(), 1, "depth {depth}, lost: {are_lost}");
        }
    }
}

/// How many points there are at which to crash in the round after so many whole ones.
fn crash_points(rounds: usize) -> usize {
    for polls in 1.. {
        let mut bench = Bench::new();
        for _ in 0..rounds {
            bench.round(&[1, 2]);
            bench.chain.mine();
        }
        let is_whole = bench.round_until(&[1, 2], polls).is_some();
        bench.restart(true);
        bench.settle(&[1, 2]);
        let done = (bench.chain.transactions(), bench.chain.failures());
        assert_eq!(done, (2, 0), "after {rounds} rounds and {polls} polls");
        if is_whole {
            return polls;
        }
    }
    0
}

#[test]
fn crash_at_any_point_loses_and_doubles_nothing() {
    // Sending, finding it in a block, seeing that it stays, calling it final.
    assert!(crash_points(0) >= 10);
    for rounds in 1..=5 {
        assert!(crash_points(rounds) >= 3, "after {rounds} rounds");
    }
}

/// What may happen to a keeper.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Round,
    Mine,
    Other(u64),
    Reorganise(usize, bool),
    ForgetPool,
    Node(Node),
    Fee(u128),
    Crash(usize),
    LoseJournal,
}

fn any_blow() -> impl Strategy<Value = Blow> {
    let node = prop::sample::select(vec![Node::Fine, Node::Fine, Node::Mute, Node::Deaf, Node::Liar]);
    prop_oneof![
        8 => Just(Blow::Round),
        8 => Just(Blow::Mine),
        2 => (1..4u64).prop_map(Blow::Other),
        2 => (1..4usize, any::<bool>()).prop_map(|(depth, lost)| Blow::Reorganise(depth, lost)),
        1 => Just(Blow::ForgetPool),
        2 => node.prop_map(Blow::Node),
        2 => (50..2 * GWEI).prop_map(Blow::Fee),
        4 => (1..40usize).prop_map(Blow::Crash),
        1 => Just(Blow::LoseJournal),
    ]
}

fn strike(bench: &mut Bench, blow: Blow, tasks: &[u64]) {
    match blow {
        Blow::Round => drop(bench.round(tasks)),
        Blow::Mine => bench.chain.mine(),
        Blow::Other(task) => bench.chain.mine_other(task),
        Blow::Reorganise(depth, are_lost) => bench.chain.reorganise(depth, are_lost),
        Blow::ForgetPool => bench.chain.forget_pool(),
        Blow::Node(node) => bench.chain.set_node(node),
        Blow::Fee(fee) => bench.chain.set_base_fee(fee),
        Blow::Crash(polls) => {
            bench.round_until(tasks, polls);
            bench.restart(true);
        }
        Blow::LoseJournal => bench.restart(false),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever happens, once it stops everything is done, nothing is in hand, and no number or nonce ended twice.
    #[test]
    fn blows_delay_and_neither_lose_nor_double(blows in prop::collection::vec(any_blow(), 0..80)) {
        let tasks = [1, 2, 3];
        let mut bench = Bench::new();
        for blow in blows {
            strike(&mut bench, blow, &tasks);
        }
        bench.chain.set_node(Node::Fine);
        bench.chain.set_base_fee(100);
        bench.settle(&tasks);
        prop_assert!(bench.chain.dearest() <= GWEI);
        let over = bench.over();
        let mut nonces: Vec<_> = over.iter().filter(|intent| matches!(intent.stage, Stage::Final(_))).map(|intent| intent.nonce).collect();
        let finals = nonces.len();
        nonces.sort_unstable();
        nonces.dedup();
        prop_assert_eq!(nonces.len(), finals, "a nonce is final twice");
        let acted = |task: u64| over.iter().filter(|intent| {
            intent.action() == Some(Action::Advance(TaskId(task)))
                && matches!(&intent.stage, Stage::Final(landing) if intent.took_effect(landing))
        }).count();
        prop_assert!(tasks.iter().all(|task| acted(*task) <= 1), "an action took effect twice");
    }
}
