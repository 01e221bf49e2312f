//! A chain that can turn out to be another one.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use alloy::primitives::{Address, Bytes, U256};
use xenon_protocol::chain::{Call, Chain, ChainError, EventLog, Head, LogFilter};
use xenon_sim::RevmChain;

/// A chain that says from which block on its logs were asked for, and that can turn out to be another one.
#[derive(Clone)]
pub(crate) struct Watched {
    chain: Arc<Mutex<RevmChain>>,
    first_asked: Arc<AtomicU64>,
    /// Answers from which the last log is left out.
    incomplete: Arc<AtomicU64>,
}

impl Watched {
    pub(crate) fn new(chain: &RevmChain) -> Self {
        let first_asked = Arc::new(AtomicU64::new(u64::MAX));
        Self { chain: Arc::new(Mutex::new(chain.clone())), first_asked, incomplete: Arc::default() }
    }

    pub(crate) fn becomes(&self, chain: &RevmChain) {
        *self.chain.lock().unwrap() = chain.clone();
    }

    /// Leaves the last log out of so many answers.
    pub(crate) fn leave_out(&self, answers: u64) {
        self.incomplete.store(answers, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> RevmChain {
        self.chain.lock().unwrap().clone()
    }

    /// The first block whose logs were asked for since the last time this was.
    pub(crate) fn first_asked(&self) -> u64 {
        self.first_asked.swap(u64::MAX, Ordering::Relaxed)
    }
}

impl Chain for Watched {
    fn chain_id(&self) -> u64 {
        self.now().chain_id()
    }

    async fn head(&self) -> Result<Head, ChainError> {
        self.now().head().await
    }

    async fn block(&self, number: u64) -> Result<Option<Head>, ChainError> {
        self.now().block(number).await
    }

    async fn logs(&self, filter: &LogFilter) -> Result<Vec<EventLog>, ChainError> {
        self.first_asked.fetch_min(filter.from_block, Ordering::Relaxed);
        let mut logs = self.now().logs(filter).await?;
        let left = self.incomplete.load(Ordering::Relaxed);
        if left > 0 && logs.pop().is_some() {
            self.incomplete.store(left - 1, Ordering::Relaxed);
        }
        Ok(logs)
    }

    async fn call(&self, from: Address, call: &Call) -> Result<Bytes, ChainError> {
        self.now().call(from, call).await
    }

    async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        self.now().code(address).await
    }

    async fn balance(&self, address: Address) -> Result<U256, ChainError> {
        self.now().balance(address).await
    }
}
