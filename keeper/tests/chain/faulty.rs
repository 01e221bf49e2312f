//! A chain that fails as told, and an account on it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use alloy::primitives::{Address, B256, Bytes, U256};
use tokio::sync::Semaphore;
use xenon_protocol::chain::{Account, Call, Chain, ChainError, Endpoint, EventLog, Head, LogFilter, Receipt};
use xenon_sim::RevmChain;

use crate::world::KEEPER;

/// What happens to a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadFault {
    Fine,
    /// No answer.
    Down,
    /// A head that many blocks old.
    Behind(u64),
    /// The last log is left out.
    MissingLog,
    /// The logs are those of other blocks of the same numbers.
    ForeignLogs,
}

/// What happens to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendFault {
    Fine,
    /// Not sent, no answer.
    Down,
    /// Sent and included, no answer, and nobody knows that there was one to lose.
    Lost,
    /// Sent and included, and nobody knows.
    Unconfirmed,
    /// Not sent, and nobody knows.
    Dropped,
    /// Sent and included, and the receipt is not found in time.
    TimedOut,
    /// The node does not take it.
    Rejected,
    /// The account cannot pay.
    Poor,
}

/// A chain with faults. Each call uses up one of those queued for its sort; then all is well.
#[derive(Clone, Debug)]
pub(crate) struct Faulty {
    state: Arc<Mutex<State>>,
    /// A transaction needs a permit to be sent.
    gate: Arc<Semaphore>,
    chain_id: u64,
}

#[derive(Debug)]
struct State {
    chain: RevmChain,
    reads: VecDeque<ReadFault>,
    sends: VecDeque<SendFault>,
    reads_done: usize,
    begun: usize,
    landed: Vec<(Call, Receipt)>,
}

impl Faulty {
    pub(crate) fn new(chain: &RevmChain) -> Self {
        let state = State {
            chain: chain.clone(),
            reads: VecDeque::new(),
            sends: VecDeque::new(),
            reads_done: 0,
            begun: 0,
            landed: Vec::new(),
        };
        Self {
            chain_id: chain.chain_id(),
            state: Arc::new(Mutex::new(state)),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }

    /// Says that it is another chain than it is.
    pub(crate) fn with_chain_id(self, chain_id: u64) -> Self {
        Self { chain_id, ..self }
    }

    /// Sends nothing until [`Self::release`].
    pub(crate) fn hold_sends(self) -> Self {
        Self { gate: Arc::new(Semaphore::new(0)), ..self }
    }

    pub(crate) fn release(&self) {
        self.gate.add_permits(1);
    }

    pub(crate) fn fail_reads(&self, faults: impl IntoIterator<Item = ReadFault>) {
        self.state().reads.extend(faults);
    }

    pub(crate) fn fail_sends(&self, faults: impl IntoIterator<Item = SendFault>) {
        self.state().sends.extend(faults);
    }

    /// The chain turns out to be another one.
    pub(crate) fn reorganise(&self, chain: &RevmChain) {
        self.state().chain = chain.clone();
    }

    pub(crate) fn reads_done(&self) -> usize {
        self.state().reads_done
    }

    /// Transactions that somebody tried to send.
    pub(crate) fn begun(&self) -> usize {
        self.state().begun
    }

    /// Calls that are in a block.
    pub(crate) fn landed(&self) -> Vec<(Call, Receipt)> {
        self.state().landed.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn read(&self) -> Result<(RevmChain, ReadFault), ChainError> {
        let mut state = self.state();
        state.reads_done += 1;
        match state.reads.pop_front() {
            Some(ReadFault::Down) => Err(unreachable()),
            fault => Ok((state.chain.clone(), fault.unwrap_or(ReadFault::Fine))),
        }
    }

    /// Includes the transaction, or says why the chain refuses it.
    async fn include(&self, call: Call) -> Result<Receipt, ChainError> {
        let chain = self.state().chain.clone();
        let receipt = chain.account(KEEPER).send(call.clone()).await?;
        self.state().landed.push((call, receipt.clone()));
        Ok(receipt)
    }
}

impl Chain for Faulty {
    fn chain_id(&self) -> u64 {
        self.chain_id
    }

    async fn head(&self) -> Result<Head, ChainError> {
        let (chain, fault) = self.read()?;
        let head = chain.head().await?;
        match fault {
            ReadFault::Behind(blocks) => Ok(chain.block(head.number.saturating_sub(blocks)).await?.unwrap()),
            _ => Ok(head),
        }
    }

    async fn block(&self, number: u64) -> Result<Option<Head>, ChainError> {
        self.read()?.0.block(number).await
    }

    async fn logs(&self, filter: &LogFilter) -> Result<Vec<EventLog>, ChainError> {
        let (chain, fault) = self.read()?;
        let mut logs = chain.logs(filter).await?;
        match fault {
            ReadFault::MissingLog => drop(logs.pop()),
            ReadFault::ForeignLogs => logs.iter_mut().for_each(|log| log.block_hash = B256::repeat_byte(7)),
            _ => {}
        }
        Ok(logs)
    }

    async fn call(&self, from: Address, call: &Call) -> Result<Bytes, ChainError> {
        self.read()?.0.call(from, call).await
    }

    async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        self.read()?.0.code(address).await
    }

    async fn balance(&self, address: Address) -> Result<U256, ChainError> {
        self.read()?.0.balance(address).await
    }
}

impl Account for Faulty {
    type Chain = Self;

    fn address(&self) -> Address {
        KEEPER
    }

    fn chain(&self) -> &Self {
        self
    }

    async fn send(&self, call: Call) -> Result<Receipt, ChainError> {
        let fault = {
            let mut state = self.state();
            state.begun += 1;
            state.sends.pop_front().unwrap_or(SendFault::Fine)
        };
        self.gate.acquire().await.unwrap().forget();
        match fault {
            SendFault::Fine => self.include(call).await,
            SendFault::Lost => self.include(call).await.and(Err(unreachable())),
            SendFault::Unconfirmed => {
                let receipt = self.include(call).await?;
                Err(unconfirmed(receipt.transaction_hash))
            }
            SendFault::TimedOut => {
                let transaction_hash = self.include(call).await?.transaction_hash;
                Err(ChainError::ReceiptTimeout { transaction_hash, waited_seconds: 180 })
            }
            SendFault::Down => Err(unreachable()),
            SendFault::Dropped => Err(unconfirmed(B256::repeat_byte(1))),
            SendFault::Rejected => {
                Err(ChainError::Rejected { endpoint: here(), method: "eth_sendRawTransaction", reason: why() })
            }
            SendFault::Poor => Err(ChainError::InsufficientFunds { account: KEEPER, reason: why() }),
        }
    }
}

fn here() -> Endpoint {
    Endpoint::local("the faulty chain")
}

fn why() -> String {
    String::from("the test says so")
}

fn unreachable() -> ChainError {
    ChainError::Unreachable { endpoint: here(), reason: why() }
}

fn unconfirmed(transaction_hash: B256) -> ChainError {
    ChainError::Unconfirmed { transaction_hash, reason: why() }
}
