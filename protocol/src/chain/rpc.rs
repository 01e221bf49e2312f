use std::{future::IntoFuture, sync::Arc, time::Duration};

use alloy::{
    consensus::BlockHeader,
    eips::BlockId,
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, U256},
    providers::{Provider, RootProvider},
    rpc::types::{Block, Filter, Log, TransactionReceipt, TransactionRequest},
    transports::{TransportError, TransportResult},
};
use backon::{ExponentialBuilder, Retryable};

use super::{Call, Chain, ChainError, Endpoint, EventLog, Head, LogFilter, Receipt, Revert, fault::fault, transport};

/// Blocks asked for in one log query; many public nodes refuse wider ranges.
const LOG_RANGE: u64 = 2_000;

/// How patient an [`RpcChain`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcSettings {
    /// Longest wait for one answer.
    pub request_timeout: Duration,
    /// How often a read is tried again when the node does not answer.
    pub retries: usize,
    /// Pause before the first retry; it doubles with each.
    pub retry_pause: Duration,
    /// Pause between two looks for a receipt.
    pub receipt_poll: Duration,
    /// Longest wait for a receipt.
    pub receipt_timeout: Duration,
}

impl Default for RpcSettings {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(20),
            retries: 4,
            retry_pause: Duration::from_millis(200),
            receipt_poll: Duration::from_millis(250),
            receipt_timeout: Duration::from_mins(3),
        }
    }
}

/// A chain behind a JSON-RPC node over HTTP or WebSocket. Reads are tried again when the node does not answer, and a
/// connection that broke is made anew.
#[derive(Clone, Debug)]
pub struct RpcChain {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    provider: RootProvider,
    endpoint: Endpoint,
    chain_id: u64,
    settings: RpcSettings,
}

impl RpcChain {
    /// Connects and learns the chain id, which must be `expected_chain_id` if one is given.
    pub async fn connect(url: &str, expected_chain_id: Option<u64>) -> Result<Self, ChainError> {
        Self::connect_with(url, expected_chain_id, RpcSettings::default()).await
    }

    /// [`RpcChain::connect`] with other settings than the usual.
    pub async fn connect_with(
        url: &str,
        expected_chain_id: Option<u64>,
        settings: RpcSettings,
    ) -> Result<Self, ChainError> {
        let url = transport::parse(url)?;
        let endpoint = Endpoint::from(&url);
        let provider = RootProvider::new(transport::client(url, settings).await?);
        let unchecked = Shared { provider, endpoint, chain_id: 0, settings };
        let chain_id = unchecked.read("eth_chainId", || unchecked.provider.get_chain_id()).await?;
        match expected_chain_id {
            Some(expected) if expected != chain_id => {
                Err(ChainError::WrongChain { endpoint: unchecked.endpoint, expected, actual: chain_id })
            }
            _ => Ok(Self { shared: Arc::new(Shared { chain_id, ..unchecked }) }),
        }
    }

    /// Where the node is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    pub(super) fn settings(&self) -> RpcSettings {
        self.shared.settings
    }

    pub(super) fn fault(&self, method: &'static str, error: &TransportError) -> ChainError {
        fault(&self.shared.endpoint, method, error)
    }

    pub(super) fn provider(&self) -> &RootProvider {
        &self.shared.provider
    }

    pub(super) async fn read<T, F>(&self, method: &'static str, ask: impl FnMut() -> F) -> Result<T, ChainError>
    where
        F: IntoFuture<Output = TransportResult<T>>,
    {
        self.shared.read(method, ask).await
    }

    /// Gas the call needs in the block being built, or why it would revert.
    pub(super) async fn gas(&self, from: Address, call: &Call) -> Result<u64, ChainError> {
        let request = request(from, call);
        self.execute("eth_estimateGas", from, call.to, || self.shared.provider.estimate_gas(request.clone())).await
    }

    /// Whether the node knows the transaction, in a block or waiting.
    pub(super) async fn knows(&self, transaction: B256) -> Result<bool, ChainError> {
        let found = self
            .shared
            .read("eth_getTransactionByHash", || self.shared.provider.get_transaction_by_hash(transaction))
            .await?;
        Ok(found.is_some())
    }

    pub(super) async fn receipt(&self, transaction: B256) -> Result<Option<TransactionReceipt>, ChainError> {
        self.shared
            .read("eth_getTransactionReceipt", || self.shared.provider.get_transaction_receipt(transaction))
            .await
    }

    /// Runs a call on the state after a block.
    pub(super) async fn call_at(&self, from: Address, call: &Call, block: BlockId) -> Result<Bytes, ChainError> {
        let request = request(from, call);
        self.execute("eth_call", from, call.to, || self.shared.provider.call(request.clone()).block(block)).await
    }

    /// A read whose refusal may be a contract's.
    async fn execute<T, F>(
        &self,
        method: &'static str,
        from: Address,
        to: Address,
        ask: impl FnMut() -> F,
    ) -> Result<T, ChainError>
    where
        F: IntoFuture<Output = TransportResult<T>>,
    {
        let classify = |error: TransportError| execution_fault(&self.shared.endpoint, method, from, to, &error);
        self.shared.retrying(ask, classify).await
    }

    async fn block_at(&self, block: BlockId) -> Result<Option<Head>, ChainError> {
        let found = self.shared.read("eth_getBlockByNumber", || self.shared.provider.get_block(block)).await?;
        Ok(found.as_ref().map(head))
    }
}

impl Chain for RpcChain {
    fn chain_id(&self) -> u64 {
        self.shared.chain_id
    }

    async fn head(&self) -> Result<Head, ChainError> {
        let missing = || ChainError::Malformed {
            method: "eth_getBlockByNumber",
            reason: String::from("the node has no newest block"),
        };
        self.block_at(BlockId::latest()).await?.ok_or_else(missing)
    }

    async fn block(&self, number: u64) -> Result<Option<Head>, ChainError> {
        self.block_at(BlockId::number(number)).await
    }

    async fn logs(&self, filter: &LogFilter) -> Result<Vec<EventLog>, ChainError> {
        let mut logs = Vec::new();
        let mut first = filter.from_block;
        while first <= filter.to_block {
            let last = filter.to_block.min(first.saturating_add(LOG_RANGE - 1));
            let query = query(filter, first, last);
            let found = self.shared.read("eth_getLogs", || self.shared.provider.get_logs(&query)).await?;
            for log in found {
                logs.push(event_log("eth_getLogs", &log)?);
            }
            first = last.saturating_add(1);
        }
        Ok(logs)
    }

    async fn call(&self, from: Address, call: &Call) -> Result<Bytes, ChainError> {
        self.call_at(from, call, BlockId::latest()).await
    }

    async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        self.shared.read("eth_getCode", || self.shared.provider.get_code_at(address)).await
    }

    async fn balance(&self, address: Address) -> Result<U256, ChainError> {
        self.shared.read("eth_getBalance", || self.shared.provider.get_balance(address)).await
    }
}

impl Shared {
    async fn read<T, F>(&self, method: &'static str, ask: impl FnMut() -> F) -> Result<T, ChainError>
    where
        F: IntoFuture<Output = TransportResult<T>>,
    {
        self.retrying(ask, |error| fault(&self.endpoint, method, &error)).await
    }

    async fn retrying<T, F>(
        &self,
        mut ask: impl FnMut() -> F,
        classify: impl Fn(TransportError) -> ChainError,
    ) -> Result<T, ChainError>
    where
        F: IntoFuture<Output = TransportResult<T>>,
    {
        let attempt = || {
            let answer = transport::bounded(ask().into_future(), self.settings);
            async { answer.await.map_err(&classify) }
        };
        let pauses =
            ExponentialBuilder::new().with_min_delay(self.settings.retry_pause).with_max_times(self.settings.retries);
        attempt.retry(pauses).when(ChainError::is_transient).notify(|error, _| tracing::debug!(%error, "retry")).await
    }
}

fn request(from: Address, call: &Call) -> TransactionRequest {
    TransactionRequest::default().with_from(from).with_to(call.to).with_input(call.data.clone()).with_value(call.value)
}

fn execution_fault(
    endpoint: &Endpoint,
    method: &'static str,
    from: Address,
    to: Address,
    error: &TransportError,
) -> ChainError {
    let Some(payload) = error.as_error_resp() else { return fault(endpoint, method, error) };
    let message = payload.message.to_lowercase();
    if let Some(data) = payload.as_revert_data() {
        return ChainError::Reverted { to, revert: Revert::new(data) };
    }
    if message.contains("insufficient funds") {
        return ChainError::InsufficientFunds { account: from, reason: payload.message.to_string() };
    }
    if message.contains("revert") {
        return ChainError::Reverted { to, revert: Revert::new(Bytes::new()) };
    }
    fault(endpoint, method, error)
}

fn query(filter: &LogFilter, first: u64, last: u64) -> Filter {
    let query = Filter::new().address(filter.addresses.clone()).from_block(first).to_block(last);
    let query = if filter.topic0.is_empty() { query } else { query.event_signature(filter.topic0.clone()) };
    if filter.topic1.is_empty() { query } else { query.topic1(filter.topic1.clone()) }
}

fn head(block: &Block) -> Head {
    let header = &block.header;
    Head {
        number: header.number(),
        hash: header.hash,
        parent_hash: header.parent_hash(),
        timestamp: header.timestamp(),
        base_fee: header.base_fee_per_gas().unwrap_or_default(),
    }
}

fn event_log(method: &'static str, log: &Log) -> Result<EventLog, ChainError> {
    let unmined = || ChainError::Malformed { method, reason: String::from("a log does not say where it is") };
    Ok(EventLog {
        address: log.address(),
        topics: log.topics().to_vec(),
        data: log.data().data.clone(),
        block_number: log.block_number.ok_or_else(unmined)?,
        block_hash: log.block_hash.ok_or_else(unmined)?,
        transaction_hash: log.transaction_hash.ok_or_else(unmined)?,
        log_index: log.log_index.ok_or_else(unmined)?,
    })
}

/// The receipt of a transaction that is in a block.
pub(super) fn receipt(found: &TransactionReceipt) -> Result<Receipt, ChainError> {
    const METHOD: &str = "eth_getTransactionReceipt";
    let unmined = || ChainError::Malformed { method: METHOD, reason: String::from("a receipt names no block") };
    Ok(Receipt {
        transaction_hash: found.transaction_hash,
        block_number: found.block_number.ok_or_else(unmined)?,
        block_hash: found.block_hash.ok_or_else(unmined)?,
        gas_used: found.gas_used,
        gas_price: found.effective_gas_price,
        logs: found.logs().iter().map(|log| event_log(METHOD, log)).collect::<Result<_, _>>()?,
    })
}
