//! One seed from its first block to its verdict.

use std::{future::poll_fn, pin::pin, task::Poll};

use alloy::primitives::{B256, keccak256};
use xenon_keeper::{Collector, Defect, KeeperConfig, KeeperError, View, plant};
use xenon_protocol::chain::{Chain as _, Head, Signer as _};
use xenon_sim::RevmChain;

use crate::{
    check::{Breach, Ledger, waste_limit},
    crowd::Crowd,
    dice::Dice,
    fault::Fault,
    link::{Key, Link, short},
    network::{DEEPEST, NODES, Network, block_on, keeper_key},
    scenario::Scenario,
    story::Story,
    subject::Subject,
};

/// Blocks without faults after which everything must be done.
const CALM_BLOCKS: u64 = 600;

/// Streams of a seed: 0 is the scenario's.
const CROWD: u64 = 1;
const WEATHER: u64 = 2;
const KEEPERS: u64 = 8;

/// What became of a seed.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The scenario.
    pub scenario: Scenario,
    /// What did not hold; empty if the seed passed.
    pub breaches: Vec<Breach>,
    /// What happened.
    pub story: Vec<String>,
}

/// Runs a scenario with keepers of one sort.
pub fn run<S: Subject>(scenario: &Scenario) -> Verdict {
    run_with::<S>(scenario, None)
}

/// The same, with a defect planted in the keepers.
pub fn run_with<S: Subject>(scenario: &Scenario, defect: Option<Defect>) -> Verdict {
    let mut run = Run::<S>::new(scenario.clone());
    run.defect = defect;
    run.live();
    Verdict { scenario: scenario.clone(), breaches: run.ledger.into_breaches(), story: run.story.told() }
}

/// A collector of a chain that lives in its own time.
pub(crate) fn config() -> KeeperConfig {
    KeeperConfig { poll_ms: 1, max_pause_ms: 4, max_head_age_s: 0, max_hold: 8, ..KeeperConfig::default() }
}

struct Run<S: Subject> {
    scenario: Scenario,
    network: Network,
    crowd: Crowd,
    weather: Dice,
    story: Story,
    /// What there is to see for who sees everything.
    truth: Collector<RevmChain>,
    seats: Vec<Seat<S>>,
    ledger: Ledger,
    /// Blocks for which gas stays as dear as it is.
    spike_left: u64,
    /// How often blocks were replaced.
    reorganisations: u64,
    /// What the keepers do wrong; who sees everything does not.
    defect: Option<Defect>,
}

/// A keeper's place: its key, its line to the chain and its journal outlive it.
struct Seat<S: Subject> {
    key: Key,
    link: Link,
    journal: S::Journal,
    keeper: Option<S>,
    /// Dead for good.
    is_dead: bool,
    /// Rounds that it sleeps through.
    deaf: u64,
}

impl<S: Subject> Run<S> {
    fn new(scenario: Scenario) -> Self {
        let (network, story) = (Network::new(), Story::default());
        let seed = scenario.seed;
        let seat = |(place, number): (u64, &u8)| {
            let name = format!("keeper {} with key {number}", place + 1);
            let link = Link::new(network.chain.clone(), Dice::new(seed, KEEPERS + place), name, story.clone());
            let key = Key::new(keeper_key(*number), link.clone());
            Seat { journal: S::journal(&key, &network.contracts), key, link, keeper: None, is_dead: false, deaf: 0 }
        };
        Self {
            crowd: Crowd::new(Dice::new(seed, CROWD)),
            weather: Dice::new(seed, WEATHER),
            truth: Collector::new(network.chain.clone(), network.contracts, config()),
            seats: (0..).zip(&scenario.keys).map(seat).collect(),
            ledger: Ledger::new(),
            spike_left: 0,
            reorganisations: 0,
            defect: None,
            network,
            story,
            scenario,
        }
    }

    fn live(&mut self) {
        let faults: Vec<_> = self.scenario.faults.iter().map(ToString::to_string).collect();
        self.story.tell(format!("seed {}: {}", self.scenario.seed, faults.join(", ")));
        self.seats.iter().for_each(|seat| seat.link.suffer(self.scenario.faults.clone()));
        for _ in 0..self.scenario.faulty_blocks {
            self.strike();
            self.pass_block();
        }
        self.calm();
        for _ in 0..CALM_BLOCKS {
            self.pass_block();
            self.ledger.note_calm_block(self.truth.view(), &self.head());
            if self.is_done() {
                return self.settle();
            }
        }
        let tasks: Vec<_> = self.truth.view().tasks().iter().map(|(task, _)| task.to_string()).collect();
        self.ledger.breach(Breach::Unfinished { blocks: CALM_BLOCKS, tasks: tasks.join(", ") });
    }

    /// From here on nothing goes wrong. Who is dead stays dead, and gas may stay dear.
    fn calm(&mut self) {
        let gwei = if self.scenario.has(Fault::GasSpike) { self.weather.within(1..=8) } else { 1 };
        self.story.tell(format!("the faults stop, and gas costs {gwei} gwei"));
        self.seats.iter().for_each(|seat| seat.link.suffer(Vec::new()));
        self.network.chain.set_base_fee(gwei * 1_000_000_000);
    }

    fn is_done(&self) -> bool {
        let is_idle = self.seats.iter().all(|seat| seat.link.is_idle());
        is_idle
            && self.crowd.is_done()
            && self.truth.view().tasks().iter().next().is_none()
            && self.network.chain.waiting().is_empty()
    }

    /// What befalls the chain and the keepers' machines before a block.
    fn strike(&mut self) {
        if self.scenario.has(Fault::Reorg) && self.weather.chance(8) {
            self.reorganise();
        }
        if self.scenario.has(Fault::GasSpike) {
            self.move_base_fee();
        }
        let are_several = self.scenario.has(Fault::Rivals) || self.scenario.has(Fault::SharedKey);
        if are_several && self.weather.chance(2) {
            self.lose_a_keeper();
        }
        for place in 0..self.seats.len() {
            self.strike_keeper(place);
        }
    }

    fn strike_keeper(&mut self, place: usize) {
        if self.scenario.has(Fault::Deaf) && self.weather.chance(10) {
            self.seats[place].deaf = self.weather.within(1..=6);
        }
        let loses_journal = self.scenario.has(Fault::LostJournal) && self.weather.chance(8);
        let is_killed = self.scenario.has(Fault::Crash) && self.weather.chance(20);
        if is_killed && self.weather.chance(50) {
            self.seats[place].link.kill_at_send();
        } else if loses_journal || is_killed {
            // A round has some dozens of await points.
            let points = self.weather.within(1..=60);
            self.seats[place].link.kill_in(points);
        }
        if loses_journal {
            self.story.tell(format!("the journal of keeper {} is deleted", place + 1));
            let seat = &mut self.seats[place];
            (seat.keeper, seat.journal) = (None, S::journal(&seat.key, &self.network.contracts));
        }
    }

    fn lose_a_keeper(&mut self) {
        let alive: Vec<_> = (0..self.seats.len()).filter(|place| !self.seats[*place].is_dead).collect();
        if alive.len() > 1 {
            let place = alive[self.weather.index(alive.len())];
            self.story.tell(format!("keeper {} dies for good", place + 1));
            let seat = &mut self.seats[place];
            (seat.keeper, seat.is_dead) = (None, true);
        }
    }

    fn reorganise(&mut self) {
        let depth = 1 + self.weather.index(DEEPEST);
        let Some(undone) = self.network.chain.reorganise(depth) else { return };
        self.story.tell(format!("the newest {depth} blocks are replaced"));
        self.reorganisations += 1;
        // The other branch is as long; what was in the blocks is in its first one again, or comes later.
        let is_again = self.weather.chance(70);
        let first: &[_] = if is_again { &undone.calls } else { &[] };
        self.network.chain.mine_with(self.scenario.interval, first);
        for _ in 1..depth {
            self.network.chain.mine(self.scenario.interval);
        }
        if !is_again {
            self.crowd.undone(&self.network, undone.calls);
        }
    }

    fn move_base_fee(&mut self) {
        self.spike_left = self.spike_left.saturating_sub(1);
        if self.spike_left == 0 && self.weather.chance(10) {
            self.spike_left = self.weather.within(2..=12);
            let gwei = self.weather.within(2..=60);
            self.story.tell(format!("gas costs {gwei} gwei"));
            self.network.chain.set_base_fee(gwei * 1_000_000_000);
        } else if self.spike_left == 1 {
            self.story.tell(String::from("gas costs 1 gwei again"));
            self.network.chain.set_base_fee(1_000_000_000);
        }
    }

    /// A block, and a round of each keeper after it.
    fn pass_block(&mut self) {
        self.look();
        let calls = self.crowd.act(&self.network, self.truth.view());
        for seat in &self.seats {
            block_on(seat.link.pass_block());
        }
        self.network.chain.mine_with(self.scenario.interval, &calls);
        self.look();
        let head = self.head();
        self.story.tell(format!("block {} {}", head.number, short(head.hash)));
        for place in 0..self.seats.len() {
            self.step(place);
        }
    }

    fn look(&mut self) {
        block_on(self.truth.collect()).unwrap();
    }

    fn head(&self) -> Head {
        block_on(self.network.chain.head()).unwrap()
    }

    /// One round of a keeper, unless it sleeps, is dead, or is killed in the middle of it.
    fn step(&mut self, place: usize) {
        let seat = &mut self.seats[place];
        seat.deaf = seat.deaf.saturating_sub(1);
        if seat.is_dead || seat.deaf > 0 {
            return;
        }
        let contracts = self.network.contracts;
        let Seat { key, link, journal, keeper, .. } = seat;
        let keeper = keeper.get_or_insert_with(|| S::start(key.clone(), link.clone(), contracts, journal));
        plant(self.defect);
        let survived = block_on(unless_killed(keeper.step(), link));
        plant(None);
        if link.take_killed() {
            link.tell("killed");
            seat.keeper = None;
        } else if let Some(Err(error)) = survived {
            seat.link.tell(&format!("round came to nothing: {}", error.code()));
            if error.is_permanent() {
                self.ledger.breach(Breach::GaveUp { error: error.to_string() });
            }
        }
    }

    /// The last looks, and what must hold after all.
    fn settle(&mut self) {
        // Every keeper sees what its transactions did, and has compared each node with the contracts.
        for _ in 0..=NODES {
            self.pass_block();
        }
        let views: Vec<&View> = self.seats.iter().filter_map(|seat| seat.keeper.as_ref()).map(S::view).collect();
        self.ledger.compare_views(&self.network, &views);
        let sent: Vec<_> = self.seats.iter().map(|seat| (seat.key.address(), seat.link.sent())).collect();
        let limit = waste_limit(&self.scenario, self.reorganisations);
        self.ledger.account(&self.network, limit, &sent, &self.story);
        self.ledger.balance(&self.network, self.truth.view());
    }
}

/// The outcome of a round, or nothing if the keeper was killed in the middle of it.
async fn unless_killed(
    round: impl Future<Output = Result<(), KeeperError>>,
    link: &Link,
) -> Option<Result<(), KeeperError>> {
    let mut round = pin!(round);
    poll_fn(|context| match round.as_mut().poll(context) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending if link.is_killed() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// A number that is equal for equal stories.
pub fn digest(story: &[String]) -> B256 {
    keccak256(story.join("\n"))
}
