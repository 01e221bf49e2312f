//! The state of a simulated chain: accounts, blocks and logs.

use std::collections::BTreeSet;

use alloy::{
    eips::eip1559::{BaseFeeParams, calc_next_block_base_fee},
    primitives::{Address, B256, Bytes, Log, U256, keccak256},
    sol_types::SolValue,
};
use revm::{
    DatabaseCommit, DatabaseRef, Inspector,
    context::{
        BlockEnv, TxEnv,
        result::{ExecutionResult, ResultAndState},
    },
    database::InMemoryDB,
    state::{AccountInfo, Bytecode},
};
use xenon_protocol::{
    chain::{Call, ChainError, EventLog, Head, LogFilter, Receipt, Revert},
    deployment::{DEPLOYMENT_PROXY, DEPLOYMENT_PROXY_CODE},
};

use crate::{
    BaseFeeRule, Genesis,
    evm::{EvmContext, block_env, inspect, output, signed_transaction, transact, transaction},
    history::{Body, History},
    pool::{Pool, Pooled},
};

/// What happened to a transaction of a block.
pub(crate) type Inclusion = Result<Receipt, ChainError>;

/// How a transaction is run, with an inspector or without.
trait Run: FnMut(&mut InMemoryDB, &Genesis, BlockEnv, TxEnv) -> Result<ResultAndState, ChainError> {}

impl<F: FnMut(&mut InMemoryDB, &Genesis, BlockEnv, TxEnv) -> Result<ResultAndState, ChainError>> Run for F {}

/// A whole chain. A clone is a second, independent one with the same past.
#[derive(Clone, Debug)]
pub(crate) struct World {
    genesis: Genesis,
    db: InMemoryDB,
    blocks: Vec<Head>,
    logs: Vec<EventLog>,
    /// Gas used by the newest block.
    gas_used: u64,
    /// The base fee of the next block, if it was set.
    set_base_fee: Option<u64>,
    pub(crate) pool: Pool,
    pub(crate) history: History,
    /// How often blocks were left for others; part of the hashes of the others.
    branch: u64,
}

impl World {
    pub(crate) fn new(genesis: Genesis) -> Self {
        let mut db = InMemoryDB::default();
        let proxy =
            AccountInfo::from_bytecode(Bytecode::new_raw(Bytes::from_static(DEPLOYMENT_PROXY_CODE))).with_nonce(1);
        db.insert_account_info(DEPLOYMENT_PROXY, proxy);
        for (account, wei) in &genesis.balances {
            db.insert_account_info(*account, AccountInfo::from_balance(*wei));
        }
        let mut world = Self {
            db,
            blocks: Vec::new(),
            logs: Vec::new(),
            gas_used: 0,
            set_base_fee: None,
            pool: Pool::default(),
            history: History::default(),
            branch: 0,
            genesis,
        };
        world.seal(world.first(), &[]);
        world
    }

    pub(crate) const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    pub(crate) fn nonce(&self, address: Address) -> u64 {
        self.account(address).nonce
    }

    /// Sets the base fee of the next block, from which the rule goes on.
    pub(crate) fn set_base_fee(&mut self, wei: u64) {
        self.set_base_fee = Some(wei);
    }

    pub(crate) fn chain_id(&self) -> u64 {
        self.genesis.chain_id
    }

    pub(crate) fn block_interval(&self) -> u64 {
        self.genesis.block_interval
    }

    pub(crate) fn head(&self) -> Head {
        self.blocks[self.blocks.len() - 1]
    }

    pub(crate) fn block(&self, number: u64) -> Option<Head> {
        self.blocks.get(usize::try_from(number).ok()?).copied()
    }

    pub(crate) fn logs(&self, filter: &LogFilter) -> Vec<EventLog> {
        let start = self.logs.partition_point(|log| log.block_number < filter.from_block);
        let in_range = self.logs[start..].iter().take_while(|log| log.block_number <= filter.to_block);
        in_range.filter(|log| filter.matches(log)).cloned().collect()
    }

    pub(crate) fn balance(&self, address: Address) -> U256 {
        self.account(address).balance
    }

    pub(crate) fn code(&self, address: Address) -> Bytes {
        let hash = self.account(address).code_hash;
        self.db.code_by_hash_ref(hash).map(|code| code.original_bytes()).unwrap_or_default()
    }

    pub(crate) fn storage(&self, address: Address, slot: U256) -> U256 {
        self.db.storage_ref(address, slot).unwrap_or_default()
    }

    pub(crate) fn overwrite(&mut self, address: Address, slot: U256, value: U256) {
        // The database is in memory and has nothing behind it that could fail.
        let Ok(()) = self.db.insert_account_storage(address, slot, value);
    }

    /// Runs a call in the newest block; free of charge, and nothing changes.
    pub(crate) fn call(&mut self, from: Address, call: &Call) -> Result<Bytes, ChainError> {
        let free = Head { base_fee: 0, ..self.head() };
        self.simulate(&free, from, call)
    }

    /// Runs a call as the next block would, at the chain's usual pace; the sender must be able to pay.
    pub(crate) fn rehearse(&mut self, from: Address, call: &Call) -> Result<Bytes, ChainError> {
        let next = self.next(self.genesis.block_interval);
        self.simulate(&next, from, call)
    }

    fn simulate(&mut self, block: &Head, from: Address, call: &Call) -> Result<Bytes, ChainError> {
        output(call.to, self.execute(block, from, call, transact)?.result)
    }

    /// Adds a block, `seconds` (at least one) after the newest, with these transactions in this order.
    ///
    /// A transaction whose sender cannot pay is left out; one that reverts is included and pays for its gas.
    pub(crate) fn mine(&mut self, seconds: u64, transactions: &[(Address, Call)]) -> Vec<Inclusion> {
        self.mine_by(seconds, transactions, transact)
    }

    /// The same, with an inspector that sees every instruction.
    pub(crate) fn mine_inspected<I>(
        &mut self,
        seconds: u64,
        transactions: &[(Address, Call)],
        inspector: &mut I,
    ) -> Vec<Inclusion>
    where
        I: for<'a> Inspector<EvmContext<'a>>,
    {
        self.mine_by(seconds, transactions, |db, genesis, block, transaction| {
            inspect(db, genesis, block, transaction, inspector)
        })
    }

    fn mine_by(&mut self, seconds: u64, transactions: &[(Address, Call)], mut run: impl Run) -> Vec<Inclusion> {
        let block = self.next(seconds);
        self.history.keep(&self.db, self.gas_used);
        self.set_base_fee = None;
        self.gas_used = 0;
        let mut outcomes: Vec<_> =
            transactions.iter().map(|(from, call)| self.include(&block, *from, call, &mut run)).collect();
        let pooled = self.include_waiting(&block, &mut outcomes, &mut run);
        let sealed = self.seal(block, &outcomes);
        let first = self.logs.len();
        for receipt in outcomes.iter_mut().flatten() {
            self.place(receipt, &sealed, first);
        }
        let signed = pooled.iter().zip(&outcomes[transactions.len()..]);
        self.history.include(sealed, signed);
        self.history.file(Body { number: sealed.number, calls: transactions.to_vec(), pooled });
        outcomes.truncate(transactions.len());
        outcomes
    }

    fn include(&mut self, block: &Head, from: Address, call: &Call, run: impl Run) -> Inclusion {
        let hash = transaction_hash(self.genesis.chain_id, from, self.account(from).nonce, call);
        let outcome = self.execute(block, from, call, run)?;
        self.commit(outcome, |result| receipt(block, hash, call.to, block.base_fee.into(), result))
    }

    /// Fills the block with what waits, and says what was taken.
    fn include_waiting(&mut self, block: &Head, outcomes: &mut Vec<Inclusion>, mut run: impl Run) -> Vec<Pooled> {
        let mut taken = Vec::new();
        // Whoever cannot pay or needs more gas than is left waits for another block.
        let mut passed = BTreeSet::new();
        loop {
            let next = |sender: Address| (!passed.contains(&sender)).then(|| self.nonce(sender));
            let Some(pooled) = self.pool.best(block.base_fee, next).cloned() else { break };
            let has_room = pooled.transaction.gas_limit <= self.genesis.gas_limit.saturating_sub(self.gas_used);
            let outcome = has_room.then(|| self.include_signed(block, &pooled, &mut run));
            match outcome {
                Some(outcome @ (Ok(_) | Err(ChainError::Failed { .. }))) => {
                    self.pool.forget(pooled.hash);
                    outcomes.push(outcome);
                    taken.push(pooled);
                }
                _ => drop(passed.insert(pooled.sender)),
            }
        }
        let Self { pool, db, .. } = self;
        pool.prune(|sender| db.basic_ref(sender).unwrap_or_default().unwrap_or_default().nonce);
        taken
    }

    fn include_signed(&mut self, block: &Head, pooled: &Pooled, mut run: impl Run) -> Inclusion {
        let price = u128::from(block.base_fee) + pooled.tip(block.base_fee).unwrap_or_default();
        let env = block_env(&self.genesis, block);
        let outcome = run(&mut self.db, &self.genesis, env, signed_transaction(pooled))?;
        self.commit(outcome, |result| receipt(block, pooled.hash, pooled.to(), price, result))
    }

    fn commit(&mut self, outcome: ResultAndState, receipt: impl FnOnce(ExecutionResult) -> Inclusion) -> Inclusion {
        self.gas_used += outcome.result.tx_gas_used();
        self.db.commit(outcome.state);
        receipt(outcome.result)
    }

    /// Leaves the newest blocks; `None` if their past is not kept. What was in them is returned, and what was signed
    /// waits again.
    pub(crate) fn rewind(&mut self, depth: usize) -> Option<Vec<Body>> {
        let (db, gas_used, bodies) = self.history.rewind(depth)?;
        self.db = db;
        self.gas_used = gas_used;
        self.blocks.truncate(self.blocks.len() - depth);
        let head = self.head().number;
        self.logs.truncate(self.logs.partition_point(|log| log.block_number <= head));
        self.branch += 1;
        bodies.iter().flat_map(|body| &body.pooled).for_each(|pooled| self.pool.put_back(pooled.clone()));
        Some(bodies)
    }

    /// Runs a call after a block whose state is kept; `None` if it is not.
    pub(crate) fn call_at(&mut self, number: u64, from: Address, call: &Call) -> Option<Result<Bytes, ChainError>> {
        if number == self.head().number {
            return Some(self.call(from, call));
        }
        let free = Head { base_fee: 0, ..self.block(number)? };
        let depth = usize::try_from(self.head().number.checked_sub(number)?).ok()?;
        let mut db = self.history.state(depth)?.clone();
        let nonce = db.basic_ref(from).unwrap_or_default().unwrap_or_default().nonce;
        let transaction = transaction(&self.genesis, from, call, nonce, 0);
        let outcome = transact(&mut db, &self.genesis, block_env(&self.genesis, &free), transaction);
        Some(outcome.and_then(|outcome| output(call.to, outcome.result)))
    }

    /// Gas that a call needs in the next block: what it uses and gets back, and the 64th part of it that calls of contracts
    /// keep back at each of two levels (EIP-150). Whoever needs more gets what it needs by halving.
    pub(crate) fn estimate_gas(&mut self, from: Address, call: &Call) -> Result<u64, ChainError> {
        let next = Head { base_fee: 0, ..self.next(self.genesis.block_interval) };
        let result = self.execute(&next, from, call, transact)?.result;
        let used = result.tx_gas_used() + result.gas().inner_refunded();
        output(call.to, result)?;
        let (mut low, mut high) = (used.saturating_sub(1), self.genesis.gas_limit);
        let mut guess = used.saturating_add(used / 32);
        while low + 1 < high {
            let limited = Genesis { gas_limit: guess, ..self.genesis.clone() };
            let transaction = transaction(&limited, from, call, self.nonce(from), 0);
            let runs = transact(&mut self.db, &self.genesis, block_env(&self.genesis, &next), transaction);
            if runs.is_ok_and(|outcome| outcome.result.is_success()) {
                high = guess;
                // A few percent more than needed do no harm.
                if high.saturating_sub(low) <= high / 16 {
                    break;
                }
            } else {
                low = guess;
            }
            guess = low.midpoint(high);
        }
        Ok(high)
    }

    fn execute(
        &mut self,
        block: &Head,
        from: Address,
        call: &Call,
        mut run: impl Run,
    ) -> Result<ResultAndState, ChainError> {
        let transaction = transaction(&self.genesis, from, call, self.account(from).nonce, block.base_fee);
        run(&mut self.db, &self.genesis, block_env(&self.genesis, block), transaction)
    }

    /// Fixes a block's hash, which depends on everything that happened in it.
    fn seal(&mut self, block: Head, outcomes: &[Inclusion]) -> Head {
        let sealed = Head { hash: block_hash(&block, self.branch, outcomes), ..block };
        self.db.cache.block_hashes.insert(U256::from(sealed.number), sealed.hash);
        self.blocks.push(sealed);
        sealed
    }

    /// Completes a receipt with what is only known once its block is sealed, and files its logs. The block's own begin
    /// at `first` of all logs.
    fn place(&mut self, receipt: &mut Receipt, block: &Head, first: usize) {
        receipt.block_hash = block.hash;
        let before = self.logs.len() - first;
        for (index, log) in (before as u64..).zip(&mut receipt.logs) {
            log.block_hash = block.hash;
            log.log_index = index;
            self.logs.push(log.clone());
        }
    }

    fn first(&self) -> Head {
        Head {
            number: 0,
            hash: B256::ZERO,
            parent_hash: keccak256((self.genesis.chain_id, self.genesis.seed).abi_encode()),
            timestamp: self.genesis.timestamp,
            base_fee: self.genesis.base_fee,
        }
    }

    fn next(&self, seconds: u64) -> Head {
        let head = self.head();
        Head {
            number: head.number + 1,
            hash: B256::ZERO,
            parent_hash: head.hash,
            timestamp: head.timestamp + seconds.max(1),
            base_fee: self.next_base_fee(),
        }
    }

    /// What a gas costs in the next block, in wei.
    pub(crate) fn next_base_fee(&self) -> u64 {
        let head = self.head();
        let by_rule = match self.genesis.base_fee_rule {
            BaseFeeRule::Constant => head.base_fee,
            BaseFeeRule::Market => calc_next_block_base_fee(
                self.gas_used,
                self.genesis.gas_limit,
                head.base_fee,
                BaseFeeParams::ethereum(),
            ),
        };
        self.set_base_fee.unwrap_or(by_rule)
    }

    fn account(&self, address: Address) -> AccountInfo {
        self.db.basic_ref(address).unwrap_or_default().unwrap_or_default()
    }
}

/// The receipt of an included transaction, as yet without the block's hash.
fn receipt(block: &Head, transaction_hash: B256, to: Address, gas_price: u128, result: ExecutionResult) -> Inclusion {
    let gas_used = result.tx_gas_used();
    match result {
        ExecutionResult::Success { logs, .. } => Ok(Receipt {
            transaction_hash,
            block_number: block.number,
            block_hash: B256::ZERO,
            gas_used,
            gas_price,
            logs: logs.into_iter().map(|log| event_log(block, transaction_hash, log)).collect(),
        }),
        ExecutionResult::Revert { output, .. } => Err(failed(block, transaction_hash, to, gas_used, output)),
        ExecutionResult::Halt { .. } => Err(failed(block, transaction_hash, to, gas_used, Bytes::new())),
    }
}

fn failed(block: &Head, transaction_hash: B256, to: Address, gas_used: u64, reason: Bytes) -> ChainError {
    let revert = Revert::new(reason);
    ChainError::Failed { transaction_hash, to, block_number: block.number, gas_used, revert }
}

fn event_log(block: &Head, transaction_hash: B256, log: Log) -> EventLog {
    let (topics, data) = log.data.split();
    EventLog {
        address: log.address,
        topics,
        data,
        block_number: block.number,
        block_hash: B256::ZERO,
        transaction_hash,
        log_index: 0,
    }
}

fn transaction_hash(chain_id: u64, from: Address, nonce: u64, call: &Call) -> B256 {
    keccak256((chain_id, from, nonce, call.to, call.value, call.data.clone()).abi_encode())
}

/// Branches of one chain differ in their hashes even where they agree in what they hold.
fn block_hash(block: &Head, branch: u64, outcomes: &[Inclusion]) -> B256 {
    let mut content: Vec<_> = outcomes.iter().map(outcome_digest).collect();
    if branch > 0 {
        content.push(B256::from(U256::from(branch)));
    }
    keccak256((block.parent_hash, block.number, block.timestamp, block.base_fee, content).abi_encode())
}

/// Which transaction, what it cost and what it said; nothing for one that was left out.
fn outcome_digest(outcome: &Inclusion) -> B256 {
    match outcome {
        Ok(receipt) => {
            let logs: Vec<_> = receipt.logs.iter().map(|log| (log.topics.clone(), log.data.clone())).collect();
            keccak256((receipt.transaction_hash, receipt.gas_used, logs).abi_encode())
        }
        Err(ChainError::Failed { transaction_hash, gas_used, .. }) => {
            keccak256((*transaction_hash, *gas_used).abi_encode())
        }
        Err(_) => B256::ZERO,
    }
}
