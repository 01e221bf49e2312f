//! The state of a simulated chain: accounts, blocks and logs.

use alloy::{
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
    Genesis,
    evm::{EvmContext, block_env, inspect, output, transact, transaction},
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
        let mut world = Self { db, blocks: Vec::new(), logs: Vec::new(), genesis };
        world.seal(world.first(), &[]);
        world
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
        let mut outcomes: Vec<_> =
            transactions.iter().map(|(from, call)| self.include(&block, *from, call, &mut run)).collect();
        let sealed = self.seal(block, &outcomes);
        let first = self.logs.len();
        for receipt in outcomes.iter_mut().flatten() {
            self.place(receipt, &sealed, first);
        }
        outcomes
    }

    fn include(&mut self, block: &Head, from: Address, call: &Call, run: impl Run) -> Inclusion {
        let hash = transaction_hash(self.genesis.chain_id, from, self.account(from).nonce, call);
        let outcome = self.execute(block, from, call, run)?;
        self.db.commit(outcome.state);
        receipt(block, hash, call.to, outcome.result)
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
        let sealed = Head { hash: block_hash(&block, outcomes), ..block };
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
            base_fee: head.base_fee,
        }
    }

    fn account(&self, address: Address) -> AccountInfo {
        self.db.basic_ref(address).unwrap_or_default().unwrap_or_default()
    }
}

/// The receipt of an included transaction, as yet without the block's hash.
fn receipt(block: &Head, transaction_hash: B256, to: Address, result: ExecutionResult) -> Inclusion {
    let gas_used = result.tx_gas_used();
    match result {
        ExecutionResult::Success { logs, .. } => Ok(Receipt {
            transaction_hash,
            block_number: block.number,
            block_hash: B256::ZERO,
            gas_used,
            gas_price: block.base_fee.into(),
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

fn block_hash(block: &Head, outcomes: &[Inclusion]) -> B256 {
    let content: Vec<_> = outcomes.iter().map(outcome_digest).collect();
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
