//! The small interface through which every service sees a chain.
//!
//! [`Chain`] reads, [`Account`] signs and waits. [`Mempool`] and [`Signer`] are the two apart, for who has many transactions in flight. Two implementations exist: [`RpcChain`] with [`RpcAccount`] over JSON-RPC, and
//! the in-memory world of the simulator, which runs the same bytecode. Code written against the traits runs on both.

mod advice;
mod call;
mod endpoint;
mod error;
mod fault;
mod head;
mod heads;
mod inclusion;
mod log;
mod mempool;
mod receipt;
mod remote_signer;
mod revert;
mod rpc;
mod rpc_account;
mod rpc_mempool;
mod send_error;
mod signer;
mod transport;
mod typed;

use std::future::Future;

use alloy::primitives::{Address, Bytes, U256};

pub use call::Call;
pub use endpoint::Endpoint;
pub use error::ChainError;
pub use head::Head;
pub use heads::HeadSubscription;
pub use inclusion::Inclusion;
pub use log::{EventLog, LogFilter};
pub use mempool::{At, Fees, Mempool};
pub use receipt::Receipt;
pub use remote_signer::RemoteSigner;
pub use revert::Revert;
pub use rpc::{RpcChain, RpcSettings};
pub use rpc_account::RpcAccount;
pub use send_error::SendError;
pub use signer::{Signed, Signer, SignerError};
pub use typed::TypedChain;

/// Reads of one chain, always at its newest block unless a block is named.
///
/// Implementations are handles: cloning one is cheap and the clone sees the same chain.
pub trait Chain: Clone + Send + Sync + 'static {
    /// The EIP-155 chain id, checked or fixed when the handle was made.
    fn chain_id(&self) -> u64;

    /// The newest block.
    fn head(&self) -> impl Future<Output = Result<Head, ChainError>> + Send;

    /// The block of that number, or `None` if the chain is not that long.
    fn block(&self, number: u64) -> impl Future<Output = Result<Option<Head>, ChainError>> + Send;

    /// Event logs in chain order: by block, then by position in the block.
    fn logs(&self, filter: &LogFilter) -> impl Future<Output = Result<Vec<EventLog>, ChainError>> + Send;

    /// Runs a call as `from` without changing anything. A revert is [`ChainError::Reverted`].
    fn call(&self, from: Address, call: &Call) -> impl Future<Output = Result<Bytes, ChainError>> + Send;

    /// The code at an address, empty for accounts without any.
    fn code(&self, address: Address) -> impl Future<Output = Result<Bytes, ChainError>> + Send;

    /// The balance of an address, in wei.
    fn balance(&self, address: Address) -> impl Future<Output = Result<U256, ChainError>> + Send;
}

/// An address that can sign. One key has one owner: two processes sending from the same key would race for nonces.
pub trait Account: Clone + Send + Sync + 'static {
    /// The chain it lives on.
    type Chain: Chain;

    /// The address transactions are sent from.
    fn address(&self) -> Address;

    /// That chain, for reading.
    fn chain(&self) -> &Self::Chain;

    /// Sends a transaction and waits until it is in a block.
    ///
    /// The call is simulated first: one that would revert is refused with [`ChainError::Reverted`] and costs nothing.
    /// A returned receipt is that of a transaction that succeeded; one that was included and failed all the same
    /// (another transaction came before it) is [`ChainError::Failed`].
    fn send(&self, call: Call) -> impl Future<Output = Result<Receipt, ChainError>> + Send;
}
