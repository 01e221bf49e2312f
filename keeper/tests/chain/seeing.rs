//! What can be seen of a network from chain data alone, and what a keeper tells of itself.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use alloy::primitives::{Address, B256, Bytes, U256};
use proptest::prelude::*;
use xenon_keeper::{
    Action, Collector, Keeper, Logged, NodeId, Observer, Outcome, Policy, Reason, Rehearsal, Round, Sight, Skip,
    TaskId, View,
    explain::{self, Explanation},
    forecast::{Wait, forecast},
    why_not::{self, Verdict, WhyNot},
};
use xenon_protocol::{
    chain::{At, Call, Chain, ChainError, EventLog, Fees, Head, Inclusion, LogFilter, Mempool, SendError},
    contracts::{Node, Task},
};
use xenon_sim::RevmChain;

use crate::{
    differential::fixed,
    faulty::{Faulty, Pen, wallet},
    people::People,
    world::{CREATOR, KEEPER, World, block_on, config, key, operator},
};

/// A coin in wei.
const COIN: u128 = 1_000_000_000_000_000_000;

/// Events whose first argument is the number of something else than a task.
const OF_OTHERS: [&str; 6] =
    ["KindAdded", "DurationsChanged", "ClassBookParked", "ClassBookWoken", "Collected", "RoundRedrawn"];

/// A world with a keeper and nodes at work.
struct Story {
    world: World,
    people: People,
    truth: Collector<RevmChain>,
    keeper: Keeper<Faulty, Pen>,
}

impl Story {
    fn new(world: World, people: People) -> Self {
        let wallet = wallet(Faulty::new(&world.chain));
        let keeper = Keeper::new(wallet, world.contracts, Policy::default(), config());
        Self { truth: world.collector(), world, people, keeper }
    }

    fn create(&self, kind: u8, gb: u16, class: u32, fee: u128) {
        let size = if kind == 0 { 100 } else { 2 };
        self.world.send(CREATOR, self.world.create(kind, size, gb, class, fee, 100_000)).unwrap();
    }

    /// The nodes act in one block, then the keeper has its turn.
    fn tick(&mut self, seconds: u64) -> Round {
        block_on(self.truth.collect()).unwrap();
        let transactions = self.people.act(&self.world, self.truth.view());
        self.world.chain.mine_with(seconds, &transactions);
        block_on(self.keeper.step()).unwrap()
    }

    /// Lives until no task is alive.
    fn live(&mut self, seconds: u64) {
        for _ in 0..200 {
            self.tick(seconds);
            block_on(self.truth.collect()).unwrap();
            if self.view().tasks().iter().next().is_none() {
                return;
            }
        }
        panic!("tasks are still alive: {:?}", self.view().tasks());
    }

    fn view(&self) -> &View {
        self.truth.view()
    }

    fn explain(&self, task: u64) -> Option<Explanation> {
        let World { chain, contracts } = &self.world;
        block_on(explain::explain(chain, contracts, &config(), TaskId(task))).unwrap()
    }

    fn why_not(&self, node: u32, task: u64) -> WhyNot {
        let World { chain, contracts } = &self.world;
        block_on(why_not::why_not(chain, contracts, &config(), NodeId(node), TaskId(task))).unwrap().unwrap()
    }

    /// What each choice of the task's nodes meant for a node.
    fn verdicts(&self, node: u32, task: u64) -> Vec<Verdict> {
        self.why_not(node, task).turns.into_iter().map(|turn| turn.verdict).collect()
    }

    fn by_operator_of(&self, node: u32, call: &impl alloy::sol_types::SolCall) {
        let owner = self.view().nodes().get(NodeId(node)).unwrap().operator;
        self.world.send(owner, Call::new(self.world.contracts.node, call)).unwrap();
    }

    /// The logs of the contracts about a task.
    fn logs_about(&self, task: u64) -> Vec<EventLog> {
        let contracts = [self.world.contracts.task, self.world.contracts.queue];
        let last = block_on(self.world.chain.head()).unwrap().number;
        let about = LogFilter::of(contracts, 0, last).about(B256::from(U256::from(task)));
        let logs = block_on(self.world.chain.logs(&about)).unwrap().into_iter();
        let is_of_task = |log: &EventLog| {
            let name = Logged::decode(log, &self.world.contracts).unwrap().event.name();
            !OF_OTHERS.contains(&name)
        };
        logs.filter(is_of_task).collect()
    }
}

fn events(told: &Explanation) -> Vec<&'static str> {
    told.entries.iter().map(|entry| entry.event).collect()
}

fn text_of<'a>(told: &'a Explanation, event: &str) -> &'a str {
    let entry = told.entries.iter().find(|entry| entry.event == event);
    &entry.unwrap_or_else(|| panic!("no {event} in {:?}", events(told))).text
}

fn nodes(numbers: &[u32]) -> Vec<NodeId> {
    numbers.iter().copied().map(NodeId).collect()
}

#[test]
fn a_task_that_was_never_created_has_no_history_and_no_reasons() {
    let story = Story::new(World::with_nodes(3), People::default());
    assert_eq!(story.explain(1), None);
    let World { chain, contracts } = &story.world;
    for task in [0, 1] {
        assert_eq!(block_on(why_not::why_not(chain, contracts, &config(), NodeId(1), TaskId(task))), Ok(None));
    }
}

#[test]
fn the_history_of_a_task_is_told_in_order_with_who_and_why() {
    let people = People { lazy: nodes(&[2]), ..People::default() };
    let mut story = Story::new(World::with_nodes(3), people);
    story.create(0, 0, 0, COIN);
    story.live(1);
    let told = story.explain(1).unwrap();
    let about: Vec<_> = events(&told).into_iter().filter(|event| *event != "Scored").collect();
    let votes = |name| std::iter::repeat_n(name, 3);
    let order: Vec<_> = ["TaskCreated", "TaskDrawn", "TaskSeated"]
        .into_iter()
        .chain(votes("Committed"))
        .chain(["RevealOpened"])
        .chain(votes("Revealed"))
        .collect();
    assert_eq!(about[..order.len()], order);
    assert_eq!(about.last(), Some(&"Delivered"));
    assert!(told.entries.is_sorted_by_key(|entry| (entry.block, entry.time)));
    assert!(told.entries.iter().all(|entry| entry.time > 0 && !entry.transaction.is_zero()));
    let created = text_of(&told, "TaskCreated");
    assert!(created.contains(&format!("created by {CREATOR}: kind 0, 100 units")), "{created}");
    assert!(created.contains("1 CNX escrowed") && created.ends_with("0 of 1 queued tasks are before it"), "{created}");
    let seated = text_of(&told, "TaskSeated");
    assert!(seated.contains(&format!("keeper {KEEPER} is credited 0.01 CNX")), "{seated}");
    let settled = text_of(&told, "TaskSettled");
    assert!(settled.starts_with("agreed on 0x") && settled.contains("of 50 parts"), "{settled}");
    assert!(settled.contains("node 2 revealed 0x") && settled.contains("earns nothing"), "{settled}");
    let frozen = text_of(&told, "CaseOpened");
    assert_eq!(
        frozen,
        "node 2 is frozen: its result is not that of two who agree; unless somebody appeals its stake is slashed"
    );
    assert_eq!(told.standing, "delivered");
}

#[test]
fn who_lets_its_time_pass_and_who_takes_its_seat_is_told() {
    let people = People { absent: nodes(&[1, 2]), ..People::default() };
    let mut story = Story::new(World::with_nodes(8), people);
    for _ in 0..6 {
        story.create(0, 0, 0, COIN);
    }
    story.live(40);
    let told: Vec<_> = (1..=6).map(|task| story.explain(task).unwrap()).collect();
    let vacated: Vec<_> = told.iter().filter(|told| events(told).contains(&"SeatsVacated")).collect();
    assert!(!vacated.is_empty());
    for told in vacated {
        let text = text_of(told, "SeatsVacated");
        assert!(text.contains("node 1") || text.contains("node 2") || text.contains("nodes "), "{text}");
        assert!(text_of(told, "Advanced").contains(&KEEPER.to_string()));
        assert!(text_of(told, "SeatsRefilled").contains("are to run it now"));
        let missed = told.entries.iter().filter(|entry| entry.event == "Scored" && entry.text.contains("gets 0 of 20"));
        assert!(missed.count() >= 1, "{:?}", told.entries);
    }
}

#[test]
fn a_task_in_the_queue_says_where_it_stands() {
    let story = Story::new(World::with_nodes(2), People::default());
    for fee in [3, 2] {
        story.create(0, 0, 0, fee * COIN);
    }
    let told = story.explain(2).unwrap();
    assert_eq!((events(&told), told.standing.as_str()), (vec!["TaskCreated"], "queued, 1 of 2 tasks are before it"));
    let waits = story.why_not(1, 2);
    assert_eq!(
        (waits.turns.len(), waits.now),
        (0, Some(Verdict::ClassShort { class: xenon_keeper::ClassId(1), free: 2, floor: 3 }))
    );
    assert!(waits.standing.starts_with("queued: 1 tasks are before it, and 0 open classes"), "{}", waits.standing);
}

#[test]
fn a_node_learns_what_kept_it_from_a_task() {
    let mut story = Story::new(World::with_nodes(6), People::default());
    block_on(story.truth.collect()).unwrap();
    story.by_operator_of(6, &Node::pauseCall { node: 6 });
    story.create(0, 0, 0, COIN);
    story.tick(1);
    // Drawn: node 7 comes too late.
    story.world.send(operator(7), story.world.join(7, 0, 24)).unwrap();
    story.live(1);
    assert_eq!(story.verdicts(6, 1), [Verdict::Paused]);
    assert_eq!(story.verdicts(7, 1), [Verdict::NotJoined]);
    let of_all: Vec<_> = (1..=5).flat_map(|node| story.verdicts(node, 1)).collect();
    let seats = of_all.iter().filter(|verdict| matches!(verdict, Verdict::Chosen { .. })).count();
    let lot = |verdict: &&Verdict| matches!(verdict, Verdict::NotDrawn { weight: 128, total: 640, nodes: 5 });
    assert_eq!((seats, of_all.iter().filter(lot).count()), (3, 2), "{of_all:?}");
}

#[test]
fn a_busy_node_and_one_of_the_same_operator_and_one_of_too_little_memory_are_told_apart() {
    // Nodes 1 to 4 have 24 GB, 5 has 8, and 6 is of node 1's operator.
    let world = World::new();
    for (node, owner, gb) in [(1, 1, 24), (2, 2, 24), (3, 3, 24), (4, 4, 24), (5, 5, 8), (6, 1, 24)] {
        world.send(operator(owner), world.join(node, 0, gb)).unwrap();
    }
    let mut story = Story::new(world, People { absent: nodes(&[1, 2, 3, 4, 5, 6]), ..People::default() });
    story.create(1, 24, 0, COIN);
    for _ in 0..4 {
        story.tick(1);
    }
    let seated: Vec<_> = story.view().tasks().get(TaskId(1)).and_then(|task| task.seats()).unwrap().nodes.into();
    let wants = xenon_keeper::Tier::at_least(24).unwrap();
    let has = xenon_keeper::Tier::at_least(8).unwrap();
    assert_eq!(story.verdicts(5, 1), [Verdict::TooLittleMemory { has, wants }]);
    for (node, twin) in [(1, 6), (6, 1)] {
        if seated.contains(&NodeId(twin)) {
            assert_eq!(story.verdicts(node, 1), [Verdict::SameOperator { node: NodeId(twin) }]);
        }
    }
    story.create(1, 24, 0, COIN);
    let busy = story.why_not(seated[0].0, 2);
    assert_eq!(busy.now, Some(Verdict::Busy { task: Some(TaskId(1)) }));
    story.create(0, 0, 1, COIN);
    assert!(matches!(story.why_not(5, 3).now, Some(Verdict::OtherClass { .. })), "{:?}", story.why_not(5, 3));
}

proptest! {
    #![proptest_config(fixed(12))]

    /// Whatever the nodes do, the history has every event about the task, in order; exactly those who hold seats were
    /// chosen; and whoever the contract chose is among those that could have been.
    #[test]
    fn histories_are_whole_and_verdicts_agree_with_the_contract(
        absent in prop::collection::vec(1..9u32, 0..3), lazy in prop::collection::vec(1..9u32, 0..2),
        tasks in prop::collection::vec((0..2u8, 1..9u128), 1..5), seconds in 20..60u64,
    ) {
        let people = People { absent: nodes(&absent), lazy: nodes(&lazy), ..People::default() };
        let mut story = Story::new(World::with_classes(&[(0, 24, 5), (1, 24, 4)]), people);
        for (kind, fee) in &tasks {
            story.create(*kind, 0, 0, fee * COIN);
        }
        story.live(seconds);
        for task in 1..=tasks.len() as u64 {
            let told = story.explain(task).unwrap();
            let logs = story.logs_about(task);
            let of_task: Vec<_> = told.entries.iter().map(|entry| (entry.block, entry.transaction)).collect();
            let expected: Vec<_> = logs.iter().map(|log| (log.block_number, log.transaction_hash)).collect();
            let mut rest = of_task.iter();
            prop_assert!(expected.iter().all(|log| rest.any(|entry| entry == log)), "{expected:?} in {of_task:?}");
            let mut holders = BTreeMap::new();
            for log in &logs {
                if let Some(seated) = log.decode::<Task::TaskSeated>() {
                    holders.insert(log.block_number, seated.nodes);
                } else if let Some(refilled) = log.decode::<Task::SeatsRefilled>() {
                    holders.insert(log.block_number, refilled.nodes);
                }
            }
            for node in 1..=9 {
                let turns = story.why_not(node, task).turns;
                for turn in &turns {
                    let seats = holders.get(&turn.chosen);
                    let holds = seats.is_some_and(|nodes| nodes.contains(&node));
                    prop_assert_eq!(matches!(turn.verdict, Verdict::Chosen { .. }), holds, "node {} {:?}", node, turn);
                    if let Verdict::NotDrawn { nodes, weight, total } = turn.verdict {
                        prop_assert!(nodes >= 2 && weight < total, "{turn:?}");
                    }
                }
                let chosen = turns.iter().filter(|turn| turn.verdict != Verdict::NobodyFound).count();
                prop_assert_eq!(chosen, holders.len());
            }
        }
    }
}

#[test]
fn the_queue_tells_ranks_values_and_waits_from_the_seats_freed_lately() {
    let mut story = Story::new(World::with_nodes(4), People::default());
    story.create(0, 0, 0, COIN);
    story.live(1);
    let begun = story.world.now();
    for fee in [2, 5, 3] {
        story.create(0, 0, 0, fee * COIN);
    }
    story.create(0, 128, 0, COIN);
    let told = block_on(forecast(&story.world.chain, &story.world.contracts, &config(), 3_600)).unwrap();
    assert_eq!((told.free, told.active, told.seats_freed), (4, 4, 3));
    let order: Vec<_> = told.tasks.iter().map(|task| (task.rank, task.task.0, task.since - begun)).collect();
    assert_eq!(order, [(1, 3, 2), (2, 4, 3), (3, 2, 1), (4, 5, 4)]);
    let waits: Vec<_> = told.tasks.iter().map(|task| task.wait).collect();
    let after = |seats: u64| Wait::Expected { seconds: (seats * told.window_s).div_ceil(3) };
    assert_eq!(waits, [after(0), after(2), after(5), Wait::TooFewNodes { active: 0 }]);
    let narrow = block_on(forecast(&story.world.chain, &story.world.contracts, &config(), 1)).unwrap();
    assert_eq!((narrow.seats_freed, narrow.tasks[1].wait), (0, Wait::Unknown));
}

/// A chain that counts what is handed to it to be sent.
#[derive(Clone, Debug)]
struct Watched {
    chain: RevmChain,
    sent: Arc<AtomicUsize>,
}

impl Chain for Watched {
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
        self.chain.call(from, call).await
    }

    async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        self.chain.code(address).await
    }

    async fn balance(&self, address: Address) -> Result<U256, ChainError> {
        self.chain.balance(address).await
    }
}

impl Mempool for Watched {
    async fn transaction_count(&self, _: Address, _: At) -> Result<u64, ChainError> {
        Ok(0)
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        Ok(Fees { base_fee: 7, priority_fee: 3 })
    }

    async fn estimate_gas(&self, _: Address, _: &Call) -> Result<u64, ChainError> {
        Ok(100_000)
    }

    async fn send_raw(&self, _: &Bytes) -> Result<B256, SendError> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(B256::ZERO)
    }

    async fn inclusion(&self, _: B256) -> Result<Option<Inclusion>, ChainError> {
        Ok(None)
    }
}

#[test]
fn a_rehearsal_says_what_a_keeper_then_does_and_sends_nothing() {
    let people = People { absent: nodes(&[1]), silent: nodes(&[2]), ..People::default() };
    let mut story = Story::new(World::with_nodes(7), people);
    let chain = Watched { chain: story.world.chain.clone(), sent: Arc::default() };
    let mut rehearsal = Rehearsal::new(chain.clone(), story.world.contracts, Policy::default(), config(), KEEPER);
    for fee in 1..=3 {
        story.create(0, 0, 0, fee * COIN);
    }
    let (mut proposals, mut rewards) = (0, 0);
    for _ in 0..60 {
        block_on(story.truth.collect()).unwrap();
        let transactions = story.people.act(&story.world, story.truth.view());
        story.world.chain.mine_with(30, &transactions);
        let before = block_on(story.world.chain.head()).unwrap();
        let told = block_on(rehearsal.step()).unwrap().unwrap();
        assert_eq!(block_on(story.world.chain.head()).unwrap(), before, "not even a block was asked for");
        let round = block_on(story.keeper.step()).unwrap();
        // What became of earlier actions stands before.
        let outcomes = &round.outcomes[round.outcomes.len() - told.proposals.len()..];
        let planned: Vec<_> = outcomes.iter().map(|(action, _)| *action).collect();
        assert_eq!(told.proposals.iter().map(|proposal| proposal.action).collect::<Vec<_>>(), planned);
        for (proposal, (action, outcome)) in told.proposals.iter().zip(outcomes).take(1) {
            let sent = matches!(outcome, Outcome::Sent { .. } | Outcome::Done(_));
            assert_eq!(proposal.cost.is_ok(), sent, "{action}: {proposal} and {outcome:?}");
            rewards += proposal.reward;
        }
        proposals += told.proposals.len();
        assert!(told.to_string().starts_with(&format!("block {}: ", before.number)));
    }
    assert!(proposals > 6 && rewards > 0, "{proposals} {rewards}");
    assert_eq!(chain.sent.load(Ordering::Relaxed), 0);
    story.world.chain.mine(1);
    assert!(block_on(rehearsal.step()).unwrap().is_some());
    assert_eq!(block_on(rehearsal.step()), Ok(None), "nothing new, nothing said");
}

#[test]
fn a_proposal_reckons_reward_gas_and_profit() {
    let mut story = Story::new(World::with_nodes(3), People::default());
    let chain = Watched { chain: story.world.chain.clone(), sent: Arc::default() };
    let mut rehearsal = Rehearsal::new(chain, story.world.contracts, Policy::default(), config(), KEEPER);
    story.create(0, 0, 0, COIN);
    story.tick(1);
    story.world.chain.mine(1);
    let told = block_on(rehearsal.step()).unwrap().unwrap();
    let [proposal] = &told.proposals[..] else { panic!("{told}") };
    assert_eq!((proposal.reward, proposal.cost.as_ref().unwrap().wei()), (COIN / 100, U256::from(1_000_000)));
    let expected = "dispatch up to 16 tasks, 1 drawn: reward 0.01 CNX, gas 100000 for 0.000000000001 CNX, profit 0.009999999999 CNX";
    assert_eq!(proposal.to_string(), expected);
    let refused =
        Skip::from(ChainError::Reverted { to: KEEPER, revert: xenon_protocol::chain::Revert::new(Bytes::new()) });
    assert_eq!(refused, Skip::Decided(Reason::Refused));
}

/// What was seen of a keeper.
#[derive(Clone, Debug, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Observer for Diary {
    fn observe(&mut self, sight: Sight<'_>) {
        let line = match sight {
            Sight::Decided { decision, .. } => format!("decided {}", decision.actions.len()),
            Sight::Acted { action, outcome, reward, .. } => format!("{} {} {reward}", action.name(), outcome.code()),
            Sight::Looked { .. } | Sight::Ended { .. } => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

#[test]
fn whoever_looks_on_sees_what_is_decided_and_done_and_paid() {
    let mut story = Story::new(World::with_nodes(3), People::default());
    let diary = Diary::default();
    story.keeper.observe(diary.clone());
    story.create(0, 0, 0, COIN);
    story.live(1);
    let seen = diary.0.lock().unwrap().clone();
    assert_eq!(seen[..2], ["decided 1", "dispatch XK-030 0"], "the draw is not paid");
    assert!(seen.contains(&format!("dispatch XK-030 {}", COIN / 100)), "the seating is: {seen:?}");
    assert!(seen.iter().any(|line| line == "decided 0"), "nothing to do is told, too");
}

#[test]
fn keys_of_nodes_lead_to_their_numbers() {
    let story = Story::new(World::with_nodes(3), People::default());
    let id = story.world.read(story.world.contracts.node, &Node::idOfCall { key: key(2) });
    assert_eq!(id, 2);
    assert_eq!(Action::Advance(TaskId(1)).reward(story.keeper.view()), 0);
}
