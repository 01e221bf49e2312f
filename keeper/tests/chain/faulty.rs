//! A chain that fails as told, and the pool before it, which includes what it takes at once.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use alloy::{
    consensus::{Transaction as _, TxEip1559, TxEnvelope},
    eips::eip2718::Decodable2718 as _,
    primitives::{Address, B256, Bytes, Signature, U256},
};
use futures::FutureExt as _;
use tokio::sync::Semaphore;
use xenon_keeper::{
    Wallet,
    journal::{Identity, Journal},
};
use xenon_protocol::chain::{
    At, Call, Chain, ChainError, Endpoint, EventLog, Fees, Head, Inclusion, LogFilter, Mempool, Receipt, SendError,
    Signed, Signer, SignerError,
};
use xenon_sim::RevmChain;

use crate::world::KEEPER;

/// Wei per gas.
const PRICE: u128 = 1_000_000_000;
/// What every action is said to need.
const GAS: u64 = 3_000_000;

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

/// What happens to a transaction that is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendFault {
    Fine,
    /// Not taken, no answer.
    Down,
    /// Included, no answer.
    Lost,
    /// Taken, and forgotten.
    Dropped,
    /// The node does not take it.
    Rejected,
    /// The account cannot pay.
    Poor,
    /// Included, and the node says that it had it.
    AlreadyKnown,
    /// Included, and the node says that the nonce is used, which is true by then.
    NonceTooLow,
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
    included: BTreeMap<B256, Inclusion>,
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
            included: BTreeMap::new(),
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

    /// Includes the transaction in a block of its own, unless its nonce is used.
    fn include(&self, signed: &TxEnvelope) {
        let mut state = self.state();
        if signed.nonce() != state.included.len() as u64 {
            return;
        }
        let call = Call::raw(signed.to().unwrap(), signed.input().clone());
        let mined = state.chain.mine_with(1, &[(KEEPER, call.clone())]).remove(0);
        let hash = *signed.tx_hash();
        if let Ok(receipt) = &mined {
            state.landed.push((call, receipt.clone()));
        }
        let found = inclusion(hash, mined, &state.chain);
        state.included.insert(hash, found);
    }
}

fn inclusion(hash: B256, mined: Result<Receipt, ChainError>, chain: &RevmChain) -> Inclusion {
    let (block_number, gas_used, logs, succeeded) = match mined {
        Ok(receipt) => (receipt.block_number, receipt.gas_used, receipt.logs, true),
        Err(ChainError::Failed { block_number, gas_used, .. }) => (block_number, gas_used, vec![], false),
        Err(other) => panic!("{other}"),
    };
    let block_hash = block_on_now(chain.block(block_number)).unwrap().unwrap().hash;
    let gas_price = PRICE;
    Inclusion { transaction_hash: hash, block_number, block_hash, succeeded, gas_used, gas_price, logs }
}

/// The simulated chain answers at once.
fn block_on_now<F: Future>(future: F) -> F::Output {
    future.now_or_never().unwrap()
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

impl Mempool for Faulty {
    async fn transaction_count(&self, _: Address, _: At) -> Result<u64, ChainError> {
        self.read()?;
        Ok(self.state().included.len() as u64)
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        self.read()?;
        Ok(Fees { base_fee: PRICE, priority_fee: 1 })
    }

    async fn estimate_gas(&self, from: Address, call: &Call) -> Result<u64, ChainError> {
        self.read()?.0.call(from, call).await.map(|_| GAS)
    }

    async fn send_raw(&self, raw: &Bytes) -> Result<B256, SendError> {
        let fault = {
            let mut state = self.state();
            state.begun += 1;
            state.sends.pop_front().unwrap_or(SendFault::Fine)
        };
        self.gate.acquire().await.unwrap().forget();
        let signed = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
        let takes = [SendFault::Fine, SendFault::Lost, SendFault::AlreadyKnown, SendFault::NonceTooLow];
        if takes.contains(&fault) {
            self.include(&signed);
        }
        match fault {
            SendFault::Fine | SendFault::Dropped => Ok(*signed.tx_hash()),
            SendFault::Down | SendFault::Lost => Err(unreachable().into()),
            SendFault::AlreadyKnown => Err(SendError::AlreadyKnown { reason: why() }),
            SendFault::NonceTooLow => Err(SendError::NonceTooLow { reason: why() }),
            SendFault::Poor => Err(SendError::InsufficientFunds { reason: why() }),
            SendFault::Rejected => {
                let (endpoint, method) = (here(), "eth_sendRawTransaction");
                Err(ChainError::Rejected { endpoint, method, reason: why() }.into())
            }
        }
    }

    async fn inclusion(&self, transaction: B256) -> Result<Option<Inclusion>, ChainError> {
        self.read()?;
        Ok(self.state().included.get(&transaction).cloned())
    }
}

/// Signs for an account that has no key: who signed what is not what is tested here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pen;

impl Signer for Pen {
    fn address(&self) -> Address {
        KEEPER
    }

    async fn sign(&self, transaction: TxEip1559) -> Result<Signed, SignerError> {
        Ok(Signed::new(transaction, Signature::test_signature()))
    }
}

/// A wallet with a journal of its own.
pub(crate) fn wallet(chain: Faulty) -> Wallet<Faulty, Pen> {
    let identity = Identity::new(chain.chain_id(), B256::ZERO, Address::ZERO, KEEPER);
    Wallet::new(chain, Pen, Journal::in_memory(&identity).unwrap())
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
