use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy::primitives::{Address, B256, Bytes, U256};
use revm::Inspector;
use xenon_protocol::chain::{Call, Chain, ChainError, EventLog, Head, LogFilter, Receipt};

use crate::{EvmContext, Genesis, RevmAccount, Undone, world::World};

/// A handle on a chain in memory. Clones see the same chain; [`RevmChain::fork`] makes another one.
#[derive(Clone, Debug)]
pub struct RevmChain {
    world: Arc<Mutex<World>>,
}

impl RevmChain {
    /// A chain that consists of its first block.
    pub fn new(genesis: Genesis) -> Self {
        Self::holding(World::new(genesis))
    }

    /// An independent chain with the same past: what happens on one is not seen on the other.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::holding(self.world().clone())
    }

    /// An account that sends from `address`. No key is needed: nothing here is signed.
    pub fn account(&self, address: Address) -> RevmAccount {
        RevmAccount::new(self.clone(), address)
    }

    /// Adds an empty block `seconds` (at least one) after the newest.
    pub fn mine(&self, seconds: u64) -> Head {
        self.mine_with(seconds, &[]);
        self.world().head()
    }

    /// Adds a block `seconds` (at least one) after the newest, with these transactions in this order.
    ///
    /// The outcomes come in the same order. A transaction that reverts is [`ChainError::Failed`] and pays for its gas;
    /// one whose sender cannot pay is left out.
    pub fn mine_with(&self, seconds: u64, transactions: &[(Address, Call)]) -> Vec<Result<Receipt, ChainError>> {
        self.world().mine(seconds, transactions)
    }

    /// Adds a block as [`RevmChain::mine_with`] does, with an inspector that sees every instruction of its transactions.
    pub fn mine_inspected<I>(
        &self,
        seconds: u64,
        transactions: &[(Address, Call)],
        inspector: &mut I,
    ) -> Vec<Result<Receipt, ChainError>>
    where
        I: for<'a> Inspector<EvmContext<'a>>,
    {
        self.world().mine_inspected(seconds, transactions, inspector)
    }

    /// Keeps what is needed to leave the newest `depth` blocks. It costs a copy of the state for each block.
    pub fn keep_history(&self, depth: usize) {
        self.world().history.limit(depth);
    }

    /// Leaves the newest `depth` blocks, for others that are yet to be mined. Their hashes will differ from those left.
    ///
    /// Signed transactions wait again; what else was in the blocks is returned. `None`, and nothing happens, if the
    /// history [kept](Self::keep_history) is shorter.
    pub fn reorganise(&self, depth: usize) -> Option<Undone> {
        let bodies = self.world().rewind(depth)?;
        Some(Undone { calls: bodies.into_iter().flat_map(|body| body.calls).collect() })
    }

    /// Sets the base fee of the next block, in wei per gas; the rule goes on from there.
    pub fn set_base_fee(&self, wei: u64) {
        self.world().set_base_fee(wei);
    }

    /// The signed transactions that wait, by sender and nonce.
    pub fn waiting(&self) -> Vec<B256> {
        self.world().pool.all().map(|pooled| pooled.hash).collect()
    }

    /// Forgets a waiting transaction, as nodes do that are short of memory.
    pub fn forget(&self, transaction: B256) {
        self.world().pool.forget(transaction);
    }

    /// Runs a call after a block whose state is kept; `None` if it is not.
    pub fn call_at(&self, number: u64, from: Address, call: &Call) -> Option<Result<Bytes, ChainError>> {
        self.world().call_at(number, from, call)
    }

    /// A word of an account's storage.
    pub fn storage(&self, address: Address, slot: U256) -> U256 {
        self.world().storage(address, slot)
    }

    /// Overwrites a word of an account's storage between two blocks, as no transaction could: for a state that would
    /// take too many transactions to reach.
    pub fn overwrite(&self, address: Address, slot: U256, value: U256) {
        self.world().overwrite(address, slot, value);
    }

    /// Refuses a call that would revert, otherwise mines a block with it alone.
    pub(crate) fn send(&self, from: Address, call: Call) -> Result<Receipt, ChainError> {
        let mut world = self.world();
        world.rehearse(from, &call)?;
        let seconds = world.block_interval();
        world.mine(seconds, &[(from, call)]).remove(0)
    }

    fn holding(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// A panic in another thread leaves whole blocks behind, so the lock's poison says nothing.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chain for RevmChain {
    fn chain_id(&self) -> u64 {
        self.world().chain_id()
    }

    async fn head(&self) -> Result<Head, ChainError> {
        Ok(self.world().head())
    }

    async fn block(&self, number: u64) -> Result<Option<Head>, ChainError> {
        Ok(self.world().block(number))
    }

    async fn logs(&self, filter: &LogFilter) -> Result<Vec<EventLog>, ChainError> {
        Ok(self.world().logs(filter))
    }

    async fn call(&self, from: Address, call: &Call) -> Result<Bytes, ChainError> {
        self.world().call(from, call)
    }

    async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        Ok(self.world().code(address))
    }

    async fn balance(&self, address: Address) -> Result<U256, ChainError> {
        Ok(self.world().balance(address))
    }
}
