//! A chain of one contract that does each task once, with a pool, reorganisations, and a node before it that fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard},
    task::Poll,
};

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::eip2718::Decodable2718 as _,
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolCall as _,
};
use xenon_protocol::{
    chain::{
        At, Call, Chain, ChainError, Endpoint, EventLog, Fees, Head, Inclusion, LogFilter, Mempool, Revert, SendError,
    },
    contracts::Task,
};

use crate::TaskId;

pub(super) const TASK: Address = Address::repeat_byte(0x7a);

/// What the node does with a transaction that it is handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Fine,
    /// Takes it, and the answer is lost.
    Mute,
    /// Does not get it.
    Deaf,
    /// Takes it and says that the nonce is used.
    Liar,
}

#[derive(Clone, Debug)]
pub(super) struct Fake(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    blocks: Vec<Block>,
    /// Told apart from blocks of the same numbers.
    forks: u64,
    pool: Vec<TxEnvelope>,
    node: Node,
    /// Whether it refuses to simulate anything.
    refuses_calls: bool,
    base_fee: u128,
    /// The highest fee that was ever offered.
    dearest: u128,
}

#[derive(Clone, Debug)]
struct Block {
    head: Head,
    transactions: Vec<(TxEnvelope, bool)>,
    /// Tasks that others did in it.
    others: BTreeSet<u64>,
}

/// Lets a future be dropped here.
async fn pause() {
    let mut is_second = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_second, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn unreachable() -> ChainError {
    ChainError::Unreachable { endpoint: Endpoint::local("the fake"), reason: String::from("told so") }
}

/// The task that a call is about, if it is about one.
fn task_of(data: &[u8]) -> Option<u64> {
    Task::advanceCall::abi_decode(data).ok().map(|call| call.task.to())
}

impl State {
    fn done(&self) -> BTreeMap<u64, u32> {
        let mut done = BTreeMap::new();
        for block in &self.blocks {
            let ours = block.transactions.iter().filter(|(_, succeeded)| *succeeded);
            for task in ours.filter_map(|(tx, _)| task_of(tx.input())).chain(block.others.iter().copied()) {
                *done.entry(task).or_default() += 1;
            }
        }
        done
    }

    fn count(&self) -> u64 {
        self.blocks.iter().map(|block| block.transactions.len() as u64).sum()
    }

    fn head(&self) -> Head {
        self.blocks[self.blocks.len() - 1].head
    }

    fn push(&mut self, transactions: Vec<(TxEnvelope, bool)>, others: BTreeSet<u64>) {
        let (parent, number) = (self.head().hash, self.blocks.len() as u64);
        let hash = B256::from(U256::from(number) + (U256::from(self.forks) << 64));
        let head = Head { number, hash, parent_hash: parent, timestamp: number, base_fee: 0 };
        self.blocks.push(Block { head, transactions, others });
    }

    /// Of transactions with one nonce the dearest, in the order of nonces, as far as they pay.
    fn mine(&mut self, others: BTreeSet<u64>) {
        let (mut next, mut done, mut chosen) = (self.count(), self.done(), Vec::new());
        done.extend(others.iter().map(|task| (*task, 1)));
        while let Some(tx) = self.best(next) {
            let succeeded = task_of(tx.input()).is_none_or(|task| done.insert(task, 1).is_none());
            chosen.push((tx, succeeded));
            next += 1;
        }
        self.pool.retain(|tx| tx.nonce() >= next);
        self.push(chosen, others);
    }

    fn best(&self, nonce: u64) -> Option<TxEnvelope> {
        let pays = |tx: &&TxEnvelope| (**tx).nonce() == nonce && (**tx).max_fee_per_gas() >= self.base_fee;
        self.pool.iter().filter(pays).max_by_key(|tx| (**tx).max_fee_per_gas()).cloned()
    }

    /// As geth's pool does.
    fn take(&mut self, tx: TxEnvelope) -> Result<B256, SendError> {
        let (hash, reason) = (*tx.tx_hash(), String::new());
        self.dearest = self.dearest.max(tx.max_fee_per_gas());
        if self.pool.iter().any(|other| *other.tx_hash() == hash) {
            return Err(SendError::AlreadyKnown { reason });
        }
        if tx.nonce() < self.count() {
            return Err(SendError::NonceTooLow { reason });
        }
        let blocks = |other: &TxEnvelope| {
            other.nonce() == tx.nonce() && tx.max_fee_per_gas() * 100 < other.max_fee_per_gas() * 110
        };
        if self.pool.iter().any(blocks) {
            return Err(SendError::ReplacementUnderpriced { reason });
        }
        self.pool.push(tx);
        Ok(hash)
    }
}

impl Fake {
    pub(super) fn new() -> Self {
        let head = Head { number: 0, hash: B256::ZERO, parent_hash: B256::ZERO, timestamp: 0, base_fee: 0 };
        let first = Block { head, transactions: vec![], others: BTreeSet::new() };
        let (blocks, pool) = (vec![first], vec![]);
        let (node, refuses_calls) = (Node::Fine, false);
        Self(Arc::new(Mutex::new(State { blocks, forks: 0, pool, node, refuses_calls, base_fee: 100, dearest: 0 })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn newest(&self) -> Head {
        self.state().head()
    }

    pub(super) fn mine(&self) {
        self.state().mine(BTreeSet::new());
    }

    /// A block in which somebody else does a task first.
    pub(super) fn mine_other(&self, task: u64) {
        let is_done = self.state().done().contains_key(&task);
        self.state().mine(if is_done { BTreeSet::new() } else { BTreeSet::from([task]) });
    }

    /// Other blocks take the place of the newest ones; transactions go back to the pool, or are lost.
    pub(super) fn reorganise(&self, depth: usize, are_lost: bool) {
        let mut state = self.state();
        let keep = state.blocks.len().saturating_sub(depth).max(1);
        let gone = state.blocks.split_off(keep);
        state.forks += 1;
        if !are_lost {
            let back: Vec<_> =
                gone.iter().flat_map(|block| block.transactions.iter().map(|(tx, _)| tx.clone())).collect();
            state.pool.extend(back);
        }
        for _ in &gone {
            state.push(vec![], BTreeSet::new());
        }
    }

    pub(super) fn forget_pool(&self) {
        self.state().pool.clear();
    }

    pub(super) fn set_node(&self, node: Node) {
        self.state().node = node;
    }

    pub(super) fn refuse_calls(&self) {
        self.state().refuses_calls = true;
    }

    pub(super) fn set_base_fee(&self, fee: u128) {
        self.state().base_fee = fee;
    }

    pub(super) fn is_done(&self, task: TaskId) -> bool {
        self.state().done().contains_key(&task.0)
    }

    /// How often each task was done, which the contract sees to, and transactions of ours that failed in a block.
    pub(super) fn failures(&self) -> usize {
        self.state().blocks.iter().flat_map(|block| &block.transactions).filter(|(_, succeeded)| !succeeded).count()
    }

    pub(super) fn transactions(&self) -> usize {
        usize::try_from(self.state().count()).unwrap()
    }

    pub(super) fn dearest(&self) -> u128 {
        self.state().dearest
    }
}

impl Chain for Fake {
    fn chain_id(&self) -> u64 {
        1
    }

    async fn head(&self) -> Result<Head, ChainError> {
        pause().await;
        Ok(self.newest())
    }

    async fn block(&self, number: u64) -> Result<Option<Head>, ChainError> {
        pause().await;
        Ok(self.state().blocks.get(usize::try_from(number).unwrap()).map(|block| block.head))
    }

    async fn logs(&self, _: &LogFilter) -> Result<Vec<EventLog>, ChainError> {
        Ok(vec![])
    }

    async fn call(&self, _: Address, call: &Call) -> Result<Bytes, ChainError> {
        pause().await;
        if self.state().refuses_calls {
            let (endpoint, reason) = (Endpoint::local("the fake"), String::from("told so"));
            return Err(ChainError::Rejected { endpoint, method: "eth_call", reason });
        }
        match task_of(&call.data).filter(|task| self.state().done().contains_key(task)) {
            Some(_) => Err(ChainError::Reverted { to: call.to, revert: Revert::new(Bytes::new()) }),
            None => Ok(Bytes::new()),
        }
    }

    async fn code(&self, _: Address) -> Result<Bytes, ChainError> {
        Ok(Bytes::new())
    }

    async fn balance(&self, _: Address) -> Result<U256, ChainError> {
        Ok(U256::MAX)
    }
}

impl Mempool for Fake {
    async fn transaction_count(&self, _: Address, at: At) -> Result<u64, ChainError> {
        pause().await;
        let state = self.state();
        let mut count = state.count();
        while at == At::Pending && state.pool.iter().any(|tx| tx.nonce() == count) {
            count += 1;
        }
        Ok(count)
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        pause().await;
        Ok(Fees { base_fee: self.state().base_fee, priority_fee: 10 })
    }

    async fn estimate_gas(&self, from: Address, call: &Call) -> Result<u64, ChainError> {
        self.call(from, call).await.map(|_| 50_000)
    }

    async fn send_raw(&self, raw: &Bytes) -> Result<B256, SendError> {
        pause().await;
        let tx = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
        let node = self.state().node;
        let answer = if node == Node::Deaf { Ok(B256::ZERO) } else { self.state().take(tx) };
        pause().await;
        match node {
            Node::Fine => answer,
            Node::Mute | Node::Deaf => Err(unreachable().into()),
            Node::Liar => Err(SendError::NonceTooLow { reason: String::new() }),
        }
    }

    async fn inclusion(&self, transaction: B256) -> Result<Option<Inclusion>, ChainError> {
        pause().await;
        let state = self.state();
        let in_block = |block: &Block| {
            let (_, succeeded) = block.transactions.iter().find(|(tx, _)| *tx.tx_hash() == transaction)?;
            Some((block.head, *succeeded))
        };
        Ok(state.blocks.iter().find_map(in_block).map(|(head, succeeded)| Inclusion {
            transaction_hash: transaction,
            block_number: head.number,
            block_hash: head.hash,
            succeeded,
            gas_used: 40_000,
            gas_price: 100,
            logs: vec![],
        }))
    }
}
