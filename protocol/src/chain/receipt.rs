use alloy::{
    primitives::{B256, U256},
    sol_types::SolEvent,
};

use super::EventLog;

/// A transaction that is in a block and succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub transaction_hash: B256,
    /// The block it is in.
    pub block_number: u64,
    /// That block's hash.
    pub block_hash: B256,
    /// Gas it used.
    pub gas_used: u64,
    /// Wei it paid per gas.
    pub gas_price: u128,
    /// The events it emitted, in order.
    pub logs: Vec<EventLog>,
}

impl Receipt {
    /// What the transaction cost its sender besides the value it carried, in wei.
    pub fn fee(&self) -> U256 {
        U256::from(self.gas_used) * U256::from(self.gas_price)
    }

    /// The first event of type `E` in the receipt.
    pub fn event<E: SolEvent>(&self) -> Option<E> {
        self.logs.iter().find_map(EventLog::decode)
    }
}
