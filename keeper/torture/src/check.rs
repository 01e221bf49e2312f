//! What must hold, whatever went wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use alloy::primitives::{Address, B256, U256};
use xenon_keeper::{Action, Collector, Policy, View, plan};
use xenon_protocol::{
    chain::{Chain as _, Head, Inclusion, Mempool as _},
    contracts::{Node, Task},
};

use crate::{
    fault::Fault,
    link::short,
    network::{CREATOR, DEPLOYER, KEEPER_FUNDS, NODES, Network, block_on, id, keeper_key, node_key, operator},
    run::config,
    scenario::Scenario,
    story::Story,
};

/// Blocks for which something may be due once the faults have stopped, before it is done.
pub const LONGEST_WAIT: u64 = 40;

/// Something that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// Tasks are alive, or transactions wait, long after the faults stopped.
    Unfinished {
        /// Blocks since the faults stopped.
        blocks: u64,
        /// The tasks.
        tasks: String,
    },
    /// Something was due for too long after the faults stopped.
    Waited {
        /// What.
        action: Action,
        /// For how many blocks.
        blocks: u64,
    },
    /// More was spent on transactions that changed nothing than can be explained.
    Wasted {
        /// Transactions without effect.
        transactions: u64,
        /// How many there may be.
        limit: u64,
    },
    /// Contracts or keepers have more or less money than they should have.
    Money {
        /// Whose.
        of: String,
        /// Wei there should be.
        expected: U256,
        /// Wei there are.
        actual: U256,
    },
    /// A keeper's view is not that of one who has just begun to look.
    View {
        /// Where the first difference is.
        difference: String,
    },
    /// A keeper stopped for good.
    GaveUp {
        /// Its reason.
        error: String,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfinished { blocks, tasks } => {
                write!(f, "{blocks} blocks after the faults stopped, transactions wait or tasks are alive: {tasks}")
            }
            Self::Waited { action, blocks } => write!(f, "due for {blocks} blocks without faults: {action}"),
            Self::Wasted { transactions, limit } => {
                write!(f, "{transactions} transactions changed nothing, and there may be {limit}")
            }
            Self::Money { of, expected, actual } => {
                write!(f, "{of} should have {expected} wei and has {actual}")
            }
            Self::View { difference } => {
                write!(f, "a keeper's view is not that of one who has just begun to look: {difference}")
            }
            Self::GaveUp { error } => write!(f, "a keeper stopped for good: {error}"),
        }
    }
}

/// Keeps the account of a run.
#[derive(Debug)]
pub(crate) struct Ledger {
    breaches: Vec<Breach>,
    /// Since how many blocks each action has been due without a fault.
    due: BTreeMap<Action, u64>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { breaches: Vec::new(), due: BTreeMap::new() }
    }

    pub(crate) fn breach(&mut self, breach: Breach) {
        if !self.breaches.contains(&breach) {
            self.breaches.push(breach);
        }
    }

    pub(crate) fn into_breaches(self) -> Vec<Breach> {
        self.breaches
    }

    /// Counts for how long each thing has been due in the eyes of who sees everything.
    pub(crate) fn note_calm_block(&mut self, truth: &View, head: &Head) {
        let wanted = plan(truth, head, &Policy::default());
        let due = wanted.into_iter().map(subject).map(|action| (action, self.due.get(&action).map_or(1, |n| n + 1)));
        self.due = due.collect();
        let late: Vec<_> = self.due.iter().filter(|(_, blocks)| **blocks == LONGEST_WAIT + 1).collect();
        let late: Vec<_> = late.into_iter().map(|(action, blocks)| (*action, *blocks)).collect();
        for (action, blocks) in late {
            self.breach(Breach::Waited { action, blocks });
        }
    }

    /// Every view must be that of a keeper that has just been started.
    pub(crate) fn compare_views(&mut self, network: &Network, views: &[&View]) {
        let mut fresh = Collector::new(network.chain.clone(), network.contracts, config());
        block_on(fresh.collect()).unwrap();
        let fresh = settled(fresh.view());
        for view in views.iter().map(|view| settled(view)).filter(|view| *view != fresh) {
            self.breach(Breach::View { difference: difference(&view, &fresh) });
        }
    }

    /// Of the transactions of the keepers, few may have changed nothing, and they cost what the keepers are short of.
    pub(crate) fn account(&mut self, network: &Network, limit: u64, sent: &[(Address, BTreeSet<B256>)], story: &Story) {
        let included: BTreeMap<B256, (Address, Inclusion)> =
            sent.iter().flat_map(|(of, sent)| sent.iter().filter_map(|hash| included(network, *of, *hash))).collect();
        let in_vain: Vec<_> = included.values().filter(|(_, included)| changed_nothing(included)).collect();
        for (_, Inclusion { transaction_hash, block_number, succeeded, gas_used, .. }) in &in_vain {
            let how = if *succeeded { "changed nothing" } else { "failed" };
            let hash = short(*transaction_hash);
            story.tell(format!("{hash} {how} in block {block_number} and cost {gas_used} gas"));
        }
        let wasted = in_vain.len() as u64;
        if wasted > limit {
            self.breach(Breach::Wasted { transactions: wasted, limit });
        }
        for keeper in sent.iter().map(|(keeper, _)| *keeper).collect::<BTreeSet<_>>() {
            let own = included.values().filter(|(of, _)| *of == keeper);
            let paid: U256 = own.map(|(_, included)| included.fee()).sum();
            self.compare(&format!("keeper {keeper}"), KEEPER_FUNDS - paid, balance(network, keeper));
        }
    }

    /// What the contracts hold is what they owe, to the wei.
    pub(crate) fn balance(&mut self, network: &Network, view: &View) {
        let (task, node) = (network.contracts.task, network.contracts.node);
        self.compare("the Task contract", owed_by_task(network, view), balance(network, task));
        self.compare("the Node contract", owed_by_node(network, view), balance(network, node));
    }

    fn compare(&mut self, of: &str, expected: U256, actual: U256) {
        if expected != actual {
            self.breach(Breach::Money { of: of.to_owned(), expected, actual });
        }
    }
}

fn included(network: &Network, of: Address, hash: B256) -> Option<(B256, (Address, Inclusion))> {
    block_on(network.chain.inclusion(hash)).unwrap().map(|included| (hash, (of, included)))
}

/// A view without the line of tasks with seats to give away, of which none is alive: who was there when one of them moved
/// on may know of it still.
fn settled(view: &View) -> View {
    let mut view = view.clone();
    view.note_vacancies([]);
    view
}

/// Where two views begin to differ, as they are shown.
fn difference(known: &View, fresh: &View) -> String {
    let [known, fresh] = [known, fresh].map(|view| format!("{view:#?}"));
    let mut section = "";
    for (known, fresh) in known.lines().zip(fresh.lines()) {
        if known.starts_with("    ") && !known.starts_with("     ") {
            section = known.trim();
        }
        if known != fresh {
            return format!("in {section} {} and not {}", known.trim(), fresh.trim());
        }
    }
    String::from("one ends before the other")
}

/// Whoever changes something says so. A plain transfer, by which a nonce is used up, is cheap and no waste.
fn changed_nothing(included: &Inclusion) -> bool {
    const TRANSFER: u64 = 21_000;
    !included.succeeded || (included.logs.is_empty() && included.gas_used > TRANSFER)
}

/// Transactions that may change nothing. One keeper that sees its own blocks has no excuse; where blocks are replaced, a
/// journal is lost or others work as well, each such event may cost something. A node that shows the past hides a block.
pub(crate) fn waste_limit(scenario: &Scenario, reorganisations: u64) -> u64 {
    let cost = |fault, transactions| if scenario.has(fault) { transactions } else { 0 };
    let unseen = cost(Fault::StaleHead, 1);
    unseen + 4 * reorganisations + cost(Fault::LostJournal, 6) + cost(Fault::Rivals, 12) + cost(Fault::SharedKey, 6)
}

/// Two dispatches are the same thing to wait for.
const fn subject(action: Action) -> Action {
    match action {
        Action::Dispatch { .. } => Action::Dispatch { max_tasks: 0, seats: 0 },
        Action::Absorb { .. } => Action::Absorb { limit: 0 },
        action => action,
    }
}

fn balance(network: &Network, of: Address) -> U256 {
    block_on(network.chain.balance(of)).unwrap()
}

/// All who can have a credit.
fn people() -> impl Iterator<Item = Address> {
    let nodes = (1..=NODES).flat_map(|node| [operator(node), node_key(node)]);
    nodes.chain([CREATOR, DEPLOYER]).chain((1..=crate::network::KEEPERS).map(|number| keeper_key(number).address()))
}

/// Escrows, credits, and what nodes have earned and not collected.
fn owed_by_task(network: &Network, view: &View) -> U256 {
    let at = network.contracts.task;
    let escrow = |(task, _)| U256::from(network.read(at, &Task::taskOfCall { task: id(task) }).escrow);
    let escrows: U256 = view.tasks().iter().map(escrow).sum();
    let credits: U256 = people().map(|account| network.read(at, &Task::creditOfCall { account })).sum();
    let earned: U256 = (1..=NODES).map(|node| U256::from(network.read(at, &Task::earnedByCall { node }))).sum();
    escrows + credits + earned
}

/// Stakes, and what was taken from them and not yet withdrawn.
fn owed_by_node(network: &Network, view: &View) -> U256 {
    let at = network.contracts.node;
    let stakes: U256 = view.nodes().iter().map(|(_, node)| U256::from(node.stake)).sum();
    stakes + U256::from(network.read(at, &Node::slashedCall {}))
}
