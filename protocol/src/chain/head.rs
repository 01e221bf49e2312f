use alloy::primitives::B256;
use serde::{Deserialize, Serialize};

/// What the services need to know of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Height of the block.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block before it; a mismatch with the block held for it means the chain was reorganised.
    pub parent_hash: B256,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// Wei per gas burnt by every transaction in the block (EIP-1559).
    pub base_fee: u64,
}
