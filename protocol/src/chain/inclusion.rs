use alloy::primitives::{B256, U256};

use super::EventLog;

/// A transaction that is in a block, whether it succeeded or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The transaction.
    pub transaction_hash: B256,
    /// The block it is in.
    pub block_number: u64,
    /// That block's hash.
    pub block_hash: B256,
    /// Whether it took effect; one that did not has paid for its gas all the same.
    pub succeeded: bool,
    /// Gas it used.
    pub gas_used: u64,
    /// Wei it paid per gas.
    pub gas_price: u128,
    /// The events it emitted, in order; none if it failed.
    pub logs: Vec<EventLog>,
}

impl Inclusion {
    /// What the transaction cost its sender besides the value it carried, in wei.
    pub fn fee(&self) -> U256 {
        U256::from(self.gas_used) * U256::from(self.gas_price)
    }
}
