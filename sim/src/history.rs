//! What is needed to undo the newest blocks, and where signed transactions are.

use std::collections::{BTreeMap, VecDeque};

use alloy::primitives::{Address, B256};
use revm::database::InMemoryDB;
use xenon_protocol::chain::{Call, ChainError, Head, Inclusion, Receipt};

use crate::pool::Pooled;

/// What was in blocks that were left, besides signed transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Senders and calls, in the order of the chain.
    pub calls: Vec<(Address, Call)>,
}

/// The transactions of a block.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) number: u64,
    pub(crate) calls: Vec<(Address, Call)>,
    pub(crate) pooled: Vec<Pooled>,
}

/// The state before a block.
#[derive(Clone, Debug)]
struct Before {
    db: InMemoryDB,
    /// Gas used by the block before it.
    gas_used: u64,
}

/// The newest blocks' bodies and the states before them, and all inclusions.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    limit: usize,
    before: VecDeque<Before>,
    bodies: VecDeque<Body>,
    inclusions: BTreeMap<B256, Inclusion>,
}

impl History {
    /// Keeps as many blocks from now on.
    pub(crate) fn limit(&mut self, blocks: usize) {
        self.limit = blocks;
        self.trim();
    }

    /// Keeps the state before the next block, if it is to be kept.
    pub(crate) fn keep(&mut self, db: &InMemoryDB, gas_used: u64) {
        if self.limit > 0 {
            self.before.push_back(Before { db: db.clone(), gas_used });
        }
    }

    /// Files the block that follows the state kept last.
    pub(crate) fn file(&mut self, body: Body) {
        if self.limit > 0 {
            self.bodies.push_back(body);
        }
        self.trim();
    }

    /// The state before the newest `depth` blocks.
    pub(crate) fn state(&self, depth: usize) -> Option<&InMemoryDB> {
        let at = self.before.len().checked_sub(depth)?;
        self.before.get(at).map(|before| &before.db)
    }

    /// Takes the newest blocks back: the state before them, the gas used by the block before it, and the bodies.
    pub(crate) fn rewind(&mut self, depth: usize) -> Option<(InMemoryDB, u64, Vec<Body>)> {
        let at = self.before.len().checked_sub(depth).filter(|_| depth > 0)?;
        let Before { db, gas_used } = self.before.split_off(at).pop_front()?;
        let bodies: Vec<_> = self.bodies.split_off(at).into();
        let first = bodies.first()?.number;
        self.inclusions.retain(|_, included| included.block_number < first);
        Some((db, gas_used, bodies))
    }

    /// Notes where signed transactions are.
    pub(crate) fn include<'a>(
        &mut self,
        block: Head,
        transactions: impl Iterator<Item = (&'a Pooled, &'a Result<Receipt, ChainError>)>,
    ) {
        for (pooled, outcome) in transactions {
            if let Some(included) = inclusion(block, pooled, outcome) {
                self.inclusions.insert(pooled.hash, included);
            }
        }
    }

    /// Where a signed transaction is.
    pub(crate) fn inclusion(&self, transaction: B256) -> Option<&Inclusion> {
        self.inclusions.get(&transaction)
    }

    fn trim(&mut self) {
        while self.before.len() > self.limit {
            self.before.pop_front();
            self.bodies.pop_front();
        }
    }
}

fn inclusion(block: Head, pooled: &Pooled, outcome: &Result<Receipt, ChainError>) -> Option<Inclusion> {
    let gas_price = u128::from(block.base_fee) + pooled.tip(block.base_fee)?;
    let (succeeded, gas_used, logs) = match outcome {
        Ok(receipt) => (true, receipt.gas_used, receipt.logs.clone()),
        Err(ChainError::Failed { gas_used, .. }) => (false, *gas_used, Vec::new()),
        Err(_) => return None,
    };
    let (transaction_hash, block_number, block_hash) = (pooled.hash, block.number, block.hash);
    Some(Inclusion { transaction_hash, block_number, block_hash, succeeded, gas_used, gas_price, logs })
}
