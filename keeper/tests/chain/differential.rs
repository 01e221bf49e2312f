//! The view against the contracts' storage, and the predicted draws against the real ones, over random lives.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    io::Write as _,
};

use alloy::primitives::keccak256;
use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use xenon_keeper::{
    Action, Collector, Event, Logged, Policy, Progress, TaskId, View,
    order::{Draw, next_draw},
    plan,
    view::{ClassKey, Stage, Task},
};
use xenon_protocol::{
    chain::{Chain, ChainError, Receipt},
    contracts::Ending,
};
use xenon_sim::RevmChain;

use crate::{
    operation::{Block, DEEPEST, Operation, Votes, any_block, any_life},
    watched::Watched,
    world::{CREATOR, KEEPER, World, block_on, config},
};

/// Every run sees the same lives, unless `XENON_SEED` asks for others.
pub(crate) fn fixed(cases: u32) -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(std::env::var("XENON_SEED").map_or(0x58_45_4e_4f_4e, |seed| seed.parse().unwrap())),
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

/// Whether an event of a `dispatch` is part of its draw, given the view before. Nothing else follows in the same call.
fn is_of_a_draw(view: &View, event: &Event) -> bool {
    let is_queued = |task: &Task| matches!(task.stage, Stage::Queued(_));
    match event {
        Event::TaskDrawn { .. } | Event::TaskWithdrawn { .. } | Event::ClassBookParked { .. } => true,
        // That of a task that was drawn ends when it has been seated.
        Event::ReservationEnded { task, .. } => view.tasks().get(*task).is_some_and(is_queued),
        _ => false,
    }
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

/// Compares the draw of a successful `dispatch` with the prediction from the view just before it, and leaves the view as
/// it is afterwards. Returns the prediction, if there was a draw.
fn check_draw(view: &mut View, world: &World, receipt: &Receipt, limit: u64) -> Option<Draw> {
    let logs = events(world, receipt);
    let start = logs.iter().position(|log| is_of_a_draw(view, &log.event)).unwrap_or(logs.len());
    apply(view, &logs[..start]);
    let (round, block) = (view.round(), receipt.block_number);
    if round.closes_sets_in(block) || logs.iter().any(|log| matches!(log.event, Event::RoundRedrawn { .. })) {
        assert_eq!(draw_of(&logs), Draw::default(), "a round that waits keeps others from being drawn");
        apply(view, &logs[start..]);
        return None;
    }
    let predicted = next_draw(view, usize::try_from(limit).unwrap(), world.now());
    assert_eq!(Draw { vacancies: VecDeque::new(), ..predicted.clone() }, draw_of(&logs));
    apply(view, &logs[start..]);
    // What moves inside the line says no event; the whole line is compared after the block.
    view.note_vacancies(predicted.vacancies.clone());
    Some(predicted)
}

fn apply(view: &mut View, logs: &[Logged]) {
    for log in logs {
        view.apply(log).unwrap();
    }
}

/// What the draws of random lives had to do with.
#[derive(Debug, Default)]
struct Covered {
    drawn: usize,
    /// Vacant tasks among those drawn.
    refills: usize,
    /// Draws that kept the nodes of a class for one task.
    held: usize,
    /// Draws while the floor of some class was above that of a small network.
    floors: usize,
    /// Actions of plans that the contracts took.
    planned: BTreeMap<&'static str, usize>,
    /// Moves of all parties, those that the contracts refused included.
    operations: usize,
    /// Reorganisations, and the blocks they undid.
    reorganisations: usize,
    undone: usize,
}

/// Replays the transactions of the newest block on a view of the block before.
fn check_draws(
    view: &mut View,
    world: &World,
    block: &Block,
    outcomes: &[Result<Receipt, ChainError>],
    covered: &mut Covered,
) {
    for (operation, outcome) in block.operations.iter().zip(outcomes) {
        let Ok(receipt) = outcome else { continue };
        let Operation::Dispatch(limit) = operation else {
            apply(view, &events(world, receipt));
            continue;
        };
        let before = view.clone();
        let Some(draw) = check_draw(view, world, receipt, *limit) else { continue };
        let is_vacant = |task: &&TaskId| before.vacancies().contains(task);
        covered.drawn += draw.drawn.len();
        covered.refills += draw.drawn.iter().filter(is_vacant).count();
        covered.held += usize::from(before.reservation().is_some());
        covered.floors += usize::from(before.nodes().classes().any(|(_, class)| class.floor > 3));
    }
    assert_eq!(view.vacancies(), &world.vacancies());
}

/// Every action of a plan is one that the contracts take in the next block.
fn check_plan(view: &View, world: &World, covered: &mut Covered) {
    let head = block_on(world.chain.head()).unwrap();
    let policy = Policy { cases: true, max_actions: u32::MAX, ..Policy::default() };
    let mut actions = plan(view, &head, &policy);
    actions.dedup_by_key(|action| action.name());
    for action in actions {
        let outcome = world.chain.fork().mine_with(1, &[(KEEPER, action.call(&world.contracts))]).remove(0);
        assert!(outcome.is_ok(), "{action}: {outcome:?}");
        *covered.planned.entry(action.name()).or_default() += 1;
    }
}

/// How often each event happened.
type Seen = BTreeMap<&'static str, usize>;

fn count(seen: &mut Seen, world: &World, outcomes: &[Result<Receipt, ChainError>]) {
    for log in outcomes.iter().flatten().flat_map(|receipt| events(world, receipt)) {
        *seen.entry(log.event.name()).or_default() += 1;
    }
}

/// The newest states of a world and of what was known of it, to go back to.
struct Past {
    shown: Watched,
    states: VecDeque<(RevmChain, View)>,
}

impl Past {
    fn of(world: &World) -> Self {
        Self { shown: Watched::new(&world.chain), states: VecDeque::new() }
    }

    /// Remembers the state after a block.
    fn note(&mut self, world: &World, view: &View) {
        self.states.push_back((world.chain.fork(), view.clone()));
        if self.states.len() > DEEPEST + 1 {
            self.states.pop_front();
        }
    }

    /// The last blocks did not happen, unless they are final. Returns what was known before them.
    fn undo(&mut self, world: &mut World, blocks: usize, covered: &mut Covered) -> Option<View> {
        let left = self.states.len().checked_sub(blocks).filter(|left| blocks > 0 && *left > 0)?;
        let height = |chain: &RevmChain| block_on(chain.head()).unwrap().number;
        let is_final = |state: &(RevmChain, View)| height(&state.0) + config().linked_blocks < height(&world.chain);
        if self.states.get(left - 1).is_none_or(is_final) {
            return None;
        }
        self.states.truncate(left);
        let (chain, view) = self.states.back()?;
        world.chain = chain.fork();
        self.shown.becomes(&world.chain);
        covered.reorganisations += 1;
        covered.undone += blocks;
        Some(view.clone())
    }
}

/// Lives one random life, parts of which turn out not to have happened.
fn live(classes: &[(u8, u16, usize)], blocks: &[Block], seen: &mut Seen, covered: &mut Covered) {
    let mut world = World::with_classes(classes);
    let (mut past, mut votes) = (Past::of(&world), Votes::new());
    let mut collector = Collector::new(past.shown.clone(), world.contracts, config());
    block_on(collector.collect()).unwrap();
    past.note(&world, collector.view());
    for (number, block) in blocks.iter().enumerate() {
        let gone_back = past.undo(&mut world, block.undone, covered);
        // A time of its own, or it might be the very block that did not happen.
        let seconds = block.seconds + 13 * u64::from(gone_back.is_some());
        let block = &Block { seconds, ..block.clone() };
        let mut view = gone_back.unwrap_or_else(|| collector.view().clone());
        view.note_vacancies(world.vacancies());
        covered.operations += block.operations.len();
        let outcomes = mine(&world, &view, &mut votes, block);
        count(seen, &world, &outcomes);
        check_draws(&mut view, &world, block, &outcomes, covered);
        assert!(matches!(block_on(collector.collect()), Ok(Progress::Fresh(_))));
        past.note(&world, collector.view());
        check_plan(collector.view(), &world, covered);
        if number % looks_every() == 0 || number + 1 == blocks.len() {
            world.assert_agrees_with(collector.view());
            world.assert_sets_agree_with(collector.view());
            world.assert_waits_agree_with(collector.view());
        }
    }
}

/// Class, GB and number of nodes: scarce, many of few classes, and so many that floors rise and small classes are closed.
fn any_classes() -> impl Strategy<Value = Vec<(u8, u16, usize)>> {
    prop_oneof![
        4 => Just(vec![(0, 24, 7), (1, 24, 3), (2, 8, 4)]),
        2 => Just(vec![(0, 24, 4), (1, 8, 4)]),
        2 => Just(vec![(0, 24, 22), (1, 24, 3), (2, 8, 4), (3, 24, 1)]),
        1 => Just(vec![(0, 24, 60), (1, 8, 40), (2, 24, 3)]),
    ]
}

/// Events that random lives must have for their test to mean anything.
const LIVED: [&str; 38] = [
    "Advanced",
    "Appealed",
    "CaseDecided",
    "CaseOpened",
    "ClassBookParked",
    "ClassBookWoken",
    "ClassOpened",
    "ClassReserved",
    "ClassReviewed",
    "Collected",
    "Committed",
    "Delivered",
    "DeliveryPassed",
    "DurationsChanged",
    "EvidenceAdded",
    "IntentChanged",
    "NodeAbsorbed",
    "NodeJoined",
    "Penalized",
    "ReservationEnded",
    "RevealOpened",
    "Revealed",
    "RoundRedrawn",
    "Scored",
    "SeatsRefilled",
    "SeatsVacated",
    "StakeAdded",
    "StakeWithdrawn",
    "StatusChanged",
    "TaskCreated",
    "TaskDrawn",
    "TaskEvicted",
    "TaskRequeued",
    "TaskSeated",
    "TaskSettled",
    "TaskVacant",
    "TaskWithdrawn",
    "Undelivered",
];

/// How many lives are lived: more when `XENON_LIVES` asks for it.
fn lives() -> u32 {
    std::env::var("XENON_LIVES").map_or(32, |lives| lives.parse().unwrap())
}

/// Blocks between two comparisons of the whole view with storage: each block when many lives are lived. Draws and plans
/// are compared after each block in any case.
fn looks_every() -> usize {
    if std::env::var_os("XENON_LIVES").is_some() { 1 } else { 4 }
}

#[test]
fn view_equals_storage_draws_are_as_predicted_and_plans_are_taken() {
    let (seen, covered) = (RefCell::new(Seen::new()), RefCell::new(Covered::default()));
    let run = TestRunner::new(fixed(lives())).run(&(any_classes(), any_life()), |(classes, blocks)| {
        live(&classes, &blocks, &mut seen.borrow_mut(), &mut covered.borrow_mut());
        Ok(())
    });
    run.unwrap();
    let covered = covered.into_inner();
    let Covered { operations, reorganisations, undone, .. } = covered;
    let sum = format!("{operations} operations, {reorganisations} reorganisations that undid {undone} blocks");
    writeln!(std::io::stdout(), "{sum}").unwrap();
    assert!(operations > 300 * lives() as usize && undone > lives() as usize, "{sum}");
    assert!(covered.drawn > 100 && covered.refills > 5 && covered.held > 5 && covered.floors > 20, "{covered:?}");
    let planned = ["advance", "dispatch", "expire", "reserve", "wake"];
    assert!(planned.iter().all(|action| covered.planned.contains_key(action)), "{covered:?}");
    for event in LIVED {
        assert!(seen.borrow().contains_key(event), "{event} never happened: {:?}", seen.borrow());
    }
}

/// Dispatches, checks the prediction and returns what was drawn.
fn dispatch(world: &World, collector: &mut Collector<RevmChain>) -> Vec<TaskId> {
    let mut view = collector.view().clone();
    view.note_vacancies(world.vacancies());
    let call = Action::Dispatch { max_tasks: 16, seats: 0 }.call(&world.contracts);
    let receipt = world.send(KEEPER, call).unwrap();
    check_draw(&mut view, world, &receipt, 16);
    block_on(collector.collect()).unwrap();
    draw_of(&events(world, &receipt)).drawn
}

#[test]
fn seat_is_given_away_only_while_the_floor_of_the_tiers_allows_it() {
    let first = TaskId(1);
    let world = World::with_nodes(35);
    let mut collector = world.collector();
    for _ in 0..11 {
        world.send(CREATOR, world.create(1, 1, 0, 0, 1_000_000_000_000_000_000, 1_000)).unwrap();
    }
    block_on(collector.collect()).unwrap();
    for _ in 0..3 {
        dispatch(&world, &mut collector);
    }
    assert_eq!(collector.view().nodes().counts().busy, 33, "a draw leaves two of five");

    let task = collector.view().tasks().get(first).unwrap().clone();
    for node in &task.seats().unwrap().nodes[..2] {
        let key = collector.view().nodes().get(*node).unwrap().key;
        world.send(key, world.commit(first, *node, key, keccak256("a picture"))).unwrap();
    }
    world.chain.mine(task.deadline + 1 - world.now());
    let mut free_after = |task| {
        world.send(KEEPER, Action::Advance(task).call(&world.contracts)).unwrap();
        block_on(collector.collect()).unwrap();
        let free = collector.view().nodes().counts().free;
        (free, dispatch(&world, &mut collector))
    };
    assert_eq!(free_after(first), (3, vec![]), "the floor of 35 is two above three, and the one let go is passed over");
    assert_eq!(free_after(TaskId(2)), (6, vec![first]));
}

proptest! {
    #![proptest_config(fixed(8))]

    #[test]
    fn view_of_a_collector_that_looks_rarely_equals_storage(
        blocks in prop::collection::vec((any_block(), prop::bool::weighted(0.2)), 60..100),
    ) {
        let world = World::with_classes(&[(0, 24, 7), (1, 24, 3), (2, 8, 4)]);
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
