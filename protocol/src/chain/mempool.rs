//! Transactions that wait: counted, priced, handed over, looked up.

use std::future::Future;

use alloy::primitives::{Address, B256, Bytes};

use super::{Call, Chain, ChainError, Inclusion, SendError};

/// Which transactions of an account are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Those in blocks up to the newest.
    Latest,
    /// Those, and the ones that wait without a gap after them.
    Pending,
}

/// What gas costs, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// The base fee of the next block (EIP-1559), which is burnt.
    pub base_fee: u128,
    /// What has lately been enough for the block's builder.
    pub priority_fee: u128,
}

/// A chain together with the transactions that wait for it.
///
/// Everything here is what one node says, and a node may lag, forget or lie. Whether a transaction took effect is told by
/// [`Mempool::inclusion`] in a block that is deep enough, and by the state of the contracts; never by an error.
pub trait Mempool: Chain {
    /// How many transactions the account has sent, which is the next nonce.
    fn transaction_count(&self, account: Address, at: At) -> impl Future<Output = Result<u64, ChainError>> + Send;

    /// What gas costs in the next block.
    fn fees(&self) -> impl Future<Output = Result<Fees, ChainError>> + Send;

    /// Gas that the call needs in the block being built. A revert is [`ChainError::Reverted`].
    fn estimate_gas(&self, from: Address, call: &Call) -> impl Future<Output = Result<u64, ChainError>> + Send;

    /// Hands over a signed transaction in the encoding of EIP-2718, once. Its hash if the node took it.
    ///
    /// # Errors
    /// What the node said instead. It may have the transaction all the same.
    fn send_raw(&self, raw: &Bytes) -> impl Future<Output = Result<B256, SendError>> + Send;

    /// Where the transaction is, or `None` if it is in no block of the chain.
    fn inclusion(&self, transaction: B256) -> impl Future<Output = Result<Option<Inclusion>, ChainError>> + Send;
}
