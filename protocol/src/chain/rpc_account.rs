use std::{fmt, sync::Arc};

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::{BlockId, eip2718::Encodable2718},
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, TxKind},
    rpc::types::TransactionReceipt,
    signers::local::PrivateKeySigner,
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{Account, At, Call, Chain, ChainError, Mempool, Receipt, Revert, RpcChain, SendError, rpc};

/// Gas given to a transaction, in percent of the estimate: the state may change until it is included.
const GAS_PERCENT: u64 = 130;

/// Base fees of now that a transaction offers: so far the fee may rise until it is included.
const BASE_FEES: u128 = 2;

/// How often the same signed transaction is handed to a node that does not answer.
const BROADCASTS: usize = 5;

/// A key that sends transactions over JSON-RPC. Sends from clones of one account are serialised; keep one per key.
#[derive(Clone)]
pub struct RpcAccount {
    chain: RpcChain,
    key: Arc<Key>,
}

struct Key {
    signer: PrivateKeySigner,
    /// The nonce after the last transaction sent, when this process has sent one that went well.
    next_nonce: Mutex<Option<u64>>,
}

impl RpcAccount {
    /// An account of `chain`.
    pub fn new(chain: RpcChain, signer: PrivateKeySigner) -> Self {
        Self { chain, key: Arc::new(Key { signer, next_nonce: Mutex::new(None) }) }
    }

    /// Simulates, signs and broadcasts; the lock makes nonces follow each other without gaps.
    async fn submit(&self, call: &Call) -> Result<B256, ChainError> {
        let mut next_nonce = self.key.next_nonce.lock().await;
        let gas = self.chain.gas(self.address(), call).await?;
        let pending = self.chain.transaction_count(self.address(), At::Pending).await?;
        let nonce = next_nonce.map_or(pending, |next| next.max(pending));
        let (hash, signed) = self.sign(self.transaction(call, gas, nonce).await?)?;
        // Until the broadcast is known to have worked, the node's own count is the better one.
        *next_nonce = None;
        self.broadcast(hash, &signed).await?;
        *next_nonce = Some(nonce + 1);
        Ok(hash)
    }

    async fn transaction(&self, call: &Call, gas: u64, nonce: u64) -> Result<TxEip1559, ChainError> {
        let fees = self.chain.fees().await?;
        Ok(TxEip1559 {
            chain_id: self.chain.chain_id(),
            nonce,
            gas_limit: gas.saturating_mul(GAS_PERCENT) / 100,
            max_fee_per_gas: fees.base_fee.saturating_mul(BASE_FEES).saturating_add(fees.priority_fee),
            max_priority_fee_per_gas: fees.priority_fee,
            to: TxKind::Call(call.to),
            value: call.value,
            input: call.data.clone(),
            ..TxEip1559::default()
        })
    }

    fn sign(&self, mut transaction: TxEip1559) -> Result<(B256, Bytes), ChainError> {
        let signature = self
            .key
            .signer
            .sign_transaction_sync(&mut transaction)
            .map_err(|error| ChainError::Signing { account: self.address(), reason: error.to_string() })?;
        let signed = transaction.into_signed(signature);
        Ok((*signed.hash(), signed.encoded_2718().into()))
    }

    /// Hands the transaction over until the node takes or refuses it. The same bytes may be handed over any number of
    /// times: they have one hash and one nonce.
    async fn broadcast(&self, hash: B256, signed: &Bytes) -> Result<(), ChainError> {
        let mut last = None;
        for _ in 0..BROADCASTS {
            let Err(error) = self.chain.send_raw(signed).await else { return Ok(()) };
            let error = self.refusal(error);
            match self.chain.knows(hash).await {
                Ok(true) => return Ok(()),
                Ok(false) if !error.is_transient() => return Err(error),
                Ok(false) | Err(_) => last = Some(error),
            }
            sleep(self.chain.settings().retry_pause).await;
        }
        let reason = last.map(|error| error.to_string()).unwrap_or_default();
        Err(ChainError::Unconfirmed { transaction_hash: hash, reason })
    }

    fn refusal(&self, error: SendError) -> ChainError {
        let account = self.address();
        match error {
            SendError::InsufficientFunds { reason } => ChainError::InsufficientFunds { account, reason },
            SendError::Chain(error) => error,
            SendError::AlreadyKnown { reason }
            | SendError::NonceTooLow { reason }
            | SendError::ReplacementUnderpriced { reason }
            | SendError::Underpriced { reason } => {
                let endpoint = self.chain.endpoint().clone();
                ChainError::Rejected { endpoint, method: "eth_sendRawTransaction", reason }
            }
        }
    }

    async fn included(&self, hash: B256) -> Result<TransactionReceipt, ChainError> {
        let settings = self.chain.settings();
        let start = Instant::now();
        while start.elapsed() < settings.receipt_timeout {
            match self.chain.receipt(hash).await {
                Ok(Some(receipt)) => return Ok(receipt),
                Err(error) if !error.is_transient() => return Err(error),
                Ok(None) | Err(_) => sleep(settings.receipt_poll).await,
            }
        }
        *self.key.next_nonce.lock().await = None;
        Err(ChainError::ReceiptTimeout { transaction_hash: hash, waited_seconds: settings.receipt_timeout.as_secs() })
    }

    /// Why an included transaction failed, as far as the state after its block tells.
    async fn failure(&self, call: &Call, receipt: &Receipt) -> ChainError {
        let block = BlockId::number(receipt.block_number);
        let revert = match self.chain.call_at(self.address(), call, block).await {
            Err(ChainError::Reverted { revert, .. }) => revert,
            _ => Revert::new(Bytes::new()),
        };
        ChainError::Failed {
            transaction_hash: receipt.transaction_hash,
            to: call.to,
            block_number: receipt.block_number,
            gas_used: receipt.gas_used,
            revert,
        }
    }
}

impl Account for RpcAccount {
    type Chain = RpcChain;

    fn address(&self) -> Address {
        self.key.signer.address()
    }

    fn chain(&self) -> &RpcChain {
        &self.chain
    }

    async fn send(&self, call: Call) -> Result<Receipt, ChainError> {
        let hash = self.submit(&call).await?;
        let found = self.included(hash).await?;
        let succeeded = found.status();
        let receipt = rpc::receipt(&found)?;
        if succeeded { Ok(receipt) } else { Err(self.failure(&call, &receipt).await) }
    }
}

impl fmt::Debug for RpcAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcAccount")
            .field("address", &self.address())
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}
