//! A keeper alone brings every task to its end.

use alloy::{primitives::keccak256, sol_types::SolCall};
use proptest::prelude::*;
use xenon_keeper::{Action, Collector, Keeper, NodeId, Outcome, Policy, Round, TaskId, View};
use xenon_protocol::{
    chain::{Call, EventLog, Receipt},
    contracts::{NetworkStats, Node, Ruling, Status, Task},
};
use xenon_sim::RevmChain;

use crate::{
    differential::fixed,
    faulty::{Faulty, Pen, ReadFault, SendFault, wallet},
    people::People,
    world::{CREATOR, KEEPER, OWNER, World, block_on, config, id, operator},
};

/// A coin in wei.
const COIN: u128 = 1_000_000_000_000_000_000;

/// A world with a keeper and nodes at work.
struct Life {
    world: World,
    people: People,
    /// What the nodes see: nothing but the truth.
    truth: Collector<RevmChain>,
    chain: Faulty,
    keeper: Keeper<Faulty, Pen>,
}

impl Life {
    fn new(world: World, people: People) -> Self {
        let chain = Faulty::new(&world.chain);
        let keeper = Keeper::new(wallet(chain.clone()), world.contracts, Policy::default(), config());
        Self { truth: world.collector(), world, people, chain, keeper }
    }

    /// The nodes act in one block, then the keeper has its turn.
    fn tick(&mut self, seconds: u64) -> Option<Round> {
        block_on(self.truth.collect()).unwrap();
        let transactions = self.people.act(&self.world, self.truth.view());
        self.world.chain.mine_with(seconds, &transactions);
        block_on(self.keeper.step()).ok()
    }

    /// Lives until no task is alive; panics if that takes too long.
    fn live(&mut self, seconds: u64) -> Vec<(Action, Outcome)> {
        let mut outcomes = Vec::new();
        for _ in 0..200 {
            outcomes.extend(self.tick(seconds).unwrap_or_default().outcomes);
            block_on(self.truth.collect()).unwrap();
            if self.view().tasks().iter().next().is_none() {
                return outcomes;
            }
        }
        panic!("tasks are still alive: {:?}", self.view().tasks());
    }

    fn view(&self) -> &View {
        self.truth.view()
    }

    /// Every transaction of the keeper changed something.
    fn assert_nothing_in_vain(&self) {
        let vain: Vec<_> = self.chain.landed().into_iter().filter(changed_nothing).collect();
        assert!(vain.is_empty(), "{vain:?}");
    }

    /// The tasks that the keeper seated, in order.
    fn seated(&self) -> Vec<u64> {
        let logs = self.chain.landed().into_iter().flat_map(|(_, receipt)| receipt.logs);
        logs.filter_map(|log| log.decode::<Task::TaskSeated>()).map(|event| event.task.to()).collect()
    }

    fn create(&self, fee: u128, gb: u16, wait: u32) {
        self.world.send(CREATOR, self.world.create(0, 100, gb, 0, fee, wait)).unwrap();
    }

    fn overview(&self) -> NetworkStats::Overview {
        self.world.read(self.world.contracts.stats, &NetworkStats::overviewCall {})
    }
}

/// Whoever changes something says so, but for nodes that have left and are taken off the list of those who wait. What was
/// called back is not meant to.
fn changed_nothing((call, receipt): &(Call, Receipt)) -> bool {
    receipt.logs.is_empty() && call.to != KEEPER && !call.data.starts_with(&Node::absorbCall::SELECTOR)
}

fn nodes(numbers: &[u32]) -> Vec<NodeId> {
    numbers.iter().copied().map(NodeId).collect()
}

#[test]
fn tasks_of_honest_nodes_are_delivered_dearest_first_and_the_keeper_is_paid() {
    let mut life = Life::new(World::with_nodes(4), People::default());
    for fee in [1, 3, 2] {
        life.create(fee * COIN, 0, 100_000);
    }
    let outcomes = life.live(1);
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Done(_))), "{outcomes:?}");
    assert!(outcomes.iter().all(|(action, _)| matches!(action, Action::Dispatch { .. })), "{outcomes:?}");
    life.assert_nothing_in_vain();
    assert_eq!(life.seated(), [2, 3, 1]);
    assert_eq!(life.overview().succeeded.to::<u64>(), 3);
    let credit: u128 = life.world.read(life.world.contracts.task, &Task::creditOfCall { account: KEEPER }).to();
    assert_eq!(credit, 6 * COIN / 100, "a hundredth of each fee");
}

#[test]
fn tasks_end_whatever_their_nodes_fail_to_do() {
    let people = People {
        absent: nodes(&[1]),
        silent: nodes(&[2]),
        keepers_of_results: nodes(&[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        lazy: nodes(&[4]),
    };
    let mut life = Life::new(World::with_nodes(9), people);
    for fee in 1..=9 {
        life.create(fee * COIN, 0, 500_000);
    }
    life.create(COIN, 128, 500);
    let outcomes = life.live(40);
    let advanced = outcomes.iter().filter(|(action, _)| matches!(action, Action::Advance(_))).count();
    assert!(advanced >= 9, "nobody ever delivers: {advanced}");
    assert!(outcomes.iter().any(|(action, _)| *action == Action::Expire(TaskId(10))), "nobody has 128 GB");
    assert!(!outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_))), "{outcomes:?}");
    life.assert_nothing_in_vain();
    assert_eq!(life.overview().created.to::<u64>(), 10);
    assert_eq!(life.overview().running.to::<u64>(), 0);
}

#[test]
fn seat_of_an_absent_node_is_given_to_another_and_the_keeper_is_paid_for_it() {
    let people = People { absent: nodes(&[1, 2]), ..People::default() };
    let mut life = Life::new(World::with_nodes(8), people);
    for _ in 0..6 {
        life.create(COIN, 0, 500_000);
    }
    let outcomes = life.live(40);
    assert!(!outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_))), "{outcomes:?}");
    life.assert_nothing_in_vain();
    let landed = life.chain.landed();
    let events = || landed.iter().flat_map(|(_, receipt)| receipt.logs.iter());
    let refills = events().filter_map(EventLog::decode::<Task::SeatsRefilled>);
    let paid: Vec<u128> = refills.map(|event| event.crankReward.to()).collect();
    assert!(!paid.is_empty() && paid.iter().all(|wei| *wei > 0), "{paid:?}");
    assert!(events().filter_map(EventLog::decode::<Task::Advanced>).all(|event| event.caller == KEEPER));
    assert_eq!(life.overview().running.to::<u64>(), 0);
    assert_eq!(life.overview().succeeded.to::<u64>(), 6, "five of eight are there: each task gets three who are");
}

#[test]
fn keeper_that_wants_to_ends_the_cases_that_are_over() {
    let people = People { lazy: nodes(&[1, 2]), ..People::default() };
    let mut life = Life::new(World::with_nodes(8), people);
    let cases = Policy { cases: true, ..Policy::default() };
    life.keeper = Keeper::new(wallet(life.chain.clone()), life.world.contracts, cases, config());
    while life.view().nodes().cases().count() < 2 {
        life.create(COIN, 0, 500_000);
        life.live(1);
        block_on(life.truth.collect()).unwrap();
    }
    let [first, second] = [0, 1].map(|nth| life.view().nodes().cases().nth(nth).unwrap().0);
    let appeal = Node::appealCall { node: second.0, evidence: keccak256("a transcript") };
    life.world.send(CREATOR, Call::new(life.world.contracts.node, &appeal)).unwrap();
    let rules = life.world.read(life.world.contracts.node, &Node::rulesCall {});
    let mut outcomes = Vec::new();
    for seconds in [rules.appealSeconds, rules.arbitrationSeconds] {
        outcomes.extend(life.tick(seconds.into()).unwrap().outcomes);
    }
    assert_eq!(
        outcomes.iter().map(|(action, _)| *action).collect::<Vec<_>>(),
        [Action::Slash(first), Action::Thaw(second)]
    );
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Done(_))), "{outcomes:?}");
    life.assert_nothing_in_vain();
}

/// Appeals for a node, adds evidence and decides its case.
fn rule(life: &mut Life, node: u32, task: u64, ruling: Ruling) {
    let (at, task) = (life.world.contracts.node, id(TaskId(task)));
    let appeal = Node::appealCall { node, evidence: keccak256("a transcript") };
    let more = Node::addEvidenceCall { node, evidence: keccak256("a witness") };
    let decision = Node::arbitrateCall { node, task, ruling: ruling as u8 };
    let calls = [(CREATOR, Call::new(at, &appeal)), (KEEPER, Call::new(at, &more)), (OWNER, Call::new(at, &decision))];
    for outcome in life.world.chain.mine_with(1, &calls) {
        outcome.unwrap();
    }
    block_on(life.truth.collect()).unwrap();
    life.world.assert_agrees_with(life.view());
    life.world.assert_sets_agree_with(life.view());
}

#[test]
fn released_node_answers_for_the_next_task_and_then_goes_back_to_where_it_was() {
    let people = People { lazy: nodes(&[3, 4]), ..People::default() };
    let mut life = Life::new(World::with_classes(&[(0, 24, 3)]), people);
    life.create(COIN, 0, 500_000);
    life.live(1);
    life.world.send(operator(4), life.world.join(4, 0, 24)).unwrap();
    life.create(COIN, 0, 500_000);
    life.live(1);
    life.world.send(operator(1), Call::new(life.world.contracts.node, &Node::quitCall { node: 1 })).unwrap();
    let node = |life: &Life, node| {
        let known = life.view().nodes().get(NodeId(node)).unwrap();
        (known.status, known.case.map(|case| (case.task.0, case.appealed)))
    };

    rule(&mut life, 3, 1, Ruling::Framed);
    rule(&mut life, 4, 2, Ruling::Framed);
    assert_eq!([1, 2].map(|it| node(&life, it)), [(Status::Frozen, Some((1, false))); 2]);
    assert_eq!([3, 4].map(|it| node(&life, it)), [(Status::Paused, None); 2]);
    for accused in [1, 2] {
        rule(&mut life, accused, 1, Ruling::Innocent);
        assert_eq!(node(&life, accused), (Status::Frozen, Some((2, false))), "it answers for the second task, too");
        rule(&mut life, accused, 2, Ruling::Innocent);
    }
    assert_eq!(node(&life, 1), (Status::Unbonding, None), "it had quit");
    assert_eq!(node(&life, 2), (Status::Paused, None));
}

fn read_fault() -> impl Strategy<Value = ReadFault> {
    prop_oneof![
        12 => Just(ReadFault::Fine),
        2 => Just(ReadFault::Down),
        2 => (1..4u64).prop_map(ReadFault::Behind),
        1 => Just(ReadFault::MissingLog),
        1 => Just(ReadFault::ForeignLogs),
    ]
}

fn send_fault() -> impl Strategy<Value = SendFault> {
    use SendFault::{AlreadyKnown, Down, Dropped, Fine, Lost, NonceTooLow, Poor, Rejected};
    prop::sample::select(vec![Fine, Down, Lost, Dropped, Rejected, Poor, AlreadyKnown, NonceTooLow])
}

proptest! {
    #![proptest_config(fixed(24))]

    /// Faults of all kinds, then none: every task ends, is seated once, and no transaction was sent in vain.
    #[test]
    fn faults_delay_and_change_nothing(
        reads in prop::collection::vec(read_fault(), 0..300),
        sends in prop::collection::vec(send_fault(), 0..12),
    ) {
        let people = People { absent: nodes(&[1]), keepers_of_results: nodes(&[2, 3]), ..People::default() };
        let mut life = Life::new(World::with_nodes(7), people);
        life.chain.fail_reads(reads);
        life.chain.fail_sends(sends);
        for fee in 1..=4 {
            life.create(fee * COIN, 0, 500_000);
        }
        life.live(30);
        life.assert_nothing_in_vain();
        let mut seated = life.seated();
        seated.sort_unstable();
        prop_assert_eq!(seated, [1, 2, 3, 4]);
        prop_assert_eq!(life.overview().running.to::<u64>(), 0);
    }
}
