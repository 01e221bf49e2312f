//! Where the gas of a step went, summed over many lives.

use std::collections::BTreeMap;

use alloy::primitives::{Address, Bytes, U256};
use eyre::{Result, ensure};
use xenon_protocol::{
    chain::Receipt,
    contracts::{NetworkStats, Node, QoS, Task, TaskQueue},
};

use crate::{
    layout::Layout,
    life::Life,
    network::{Move, Network},
    steps::Step,
    tracer::{Cost, SlotCost, Trace, Tracer, Work},
};

/// What every transaction costs.
const TRANSACTION: u64 = 21_000;
/// The contracts with their code as compiled into this program.
fn contracts(network: &Network) -> [(&'static str, Address, &'static Bytes); 5] {
    let at = network.contracts;
    [
        ("Node", at.node, &Node::DEPLOYED_BYTECODE),
        ("Task", at.task, &Task::DEPLOYED_BYTECODE),
        ("TaskQueue", at.queue, &TaskQueue::DEPLOYED_BYTECODE),
        ("QoS", at.qos, &QoS::DEPLOYED_BYTECODE),
        ("NetworkStats", at.stats, &NetworkStats::DEPLOYED_BYTECODE),
    ]
}

/// Runtime bytes of each contract.
pub(crate) fn sizes(network: &Network) -> Result<BTreeMap<&'static str, usize>> {
    contracts(network).into_iter().map(|(name, address, _)| Ok((name, network.code(address)?.len()))).collect()
}

/// What several transactions of one step cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expense {
    pub(crate) gas: u64,
    pub(crate) transactions: Cost,
    pub(crate) calldata: u64,
    /// Refunds above the fifth of a transaction's gas that may come back.
    pub(crate) forfeited: u64,
    /// By contract and name.
    pub(crate) slots: BTreeMap<String, SlotCost>,
    /// By contract.
    pub(crate) work: BTreeMap<&'static str, Work>,
}

impl Expense {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.gas += other.gas;
        self.transactions.merge(other.transactions);
        self.calldata += other.calldata;
        self.forfeited += other.forfeited;
        for (name, cost) in &other.slots {
            self.slots.entry(name.clone()).or_default().merge(cost);
        }
        for (contract, work) in &other.work {
            self.work.entry(contract).or_default().merge(work);
        }
    }

    /// All slots as one.
    pub(crate) fn storage(&self) -> SlotCost {
        let mut all = SlotCost::default();
        self.slots.values().for_each(|cost| all.merge(cost));
        all
    }

    /// All contracts as one.
    pub(crate) fn all_work(&self) -> Work {
        let mut all = Work::default();
        self.work.values().for_each(|work| all.merge(work));
        all
    }
}

/// The contracts of a network by address, with what their slots are called.
pub(crate) struct Names {
    contracts: BTreeMap<Address, (&'static str, Layout)>,
}

impl Names {
    pub(crate) fn of(network: &Network) -> Result<Self> {
        let named = |(name, address, code)| Ok((address, (name, Layout::read(name, code)?)));
        Ok(Self { contracts: contracts(network).into_iter().map(named).collect::<Result<_>>()? })
    }

    /// The slot of the element `key` of the mapping at `path` in a contract.
    pub(crate) fn element_slot(&self, contract: Address, path: &[&str], key: U256) -> Option<U256> {
        self.contracts.get(&contract)?.1.element_slot(path, key)
    }

    fn contract(&self, address: Address) -> &'static str {
        self.contracts.get(&address).map_or("elsewhere", |(name, _)| name)
    }

    fn slot(&self, address: Address, slot: U256, tracer: &Tracer) -> String {
        match self.contracts.get(&address) {
            Some((name, layout)) => format!("{name}.{}", layout.name(slot, tracer.preimages())),
            None => format!("{address}.{slot:#x}"),
        }
    }
}

/// Records the steps of lives until there are enough of each.
pub(crate) struct Recorder<'a> {
    names: &'a Names,
    lives: u64,
    pub(crate) tracer: Tracer,
    pub(crate) expenses: BTreeMap<Step, Expense>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(names: &'a Names, lives: u64, steps: &[Step]) -> Self {
        let expenses = steps.iter().map(|step| (*step, Expense::default())).collect();
        Self { names, lives, tracer: Tracer::default(), expenses }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.expenses.values().all(|expense| expense.transactions.times == self.lives)
    }

    /// Files what a block's transactions cost. Those of nodes that serve for the first time do not count: they fill
    /// slots that no later task fills again.
    pub(crate) fn file(&mut self, moves: &[Move], receipts: &[Receipt]) -> Result<()> {
        let traces = self.tracer.take();
        ensure!(traces.len() == moves.len(), "{} transactions left {} traces", moves.len(), traces.len());
        for ((it, receipt), trace) in moves.iter().zip(receipts).zip(traces) {
            let calldata = it.calldata_gas();
            let (sum, forfeited) = trace.gas_used(TRANSACTION + calldata);
            let used = receipt.gas_used;
            ensure!(sum == used, "{}: the trace adds up to {sum} gas, the receipt says {used}", it.step);
            let Some(expense) = self.expenses.get_mut(&it.step) else { continue };
            if it.seasoned && expense.transactions.times < self.lives {
                expense.gas += used;
                expense.transactions.merge(Cost { times: 1, gas: TRANSACTION });
                expense.calldata += calldata;
                expense.forfeited += forfeited;
                add(expense, &trace, self.names, &self.tracer);
            }
        }
        Ok(())
    }

    pub(crate) fn into_life(self) -> Life {
        Life::new(self.lives, self.expenses)
    }
}

fn add(expense: &mut Expense, trace: &Trace, names: &Names, tracer: &Tracer) {
    for ((contract, slot), cost) in &trace.slots {
        expense.slots.entry(names.slot(*contract, *slot, tracer)).or_default().merge(cost);
    }
    for (contract, work) in &trace.work {
        expense.work.entry(names.contract(*contract)).or_default().merge(work);
    }
}
