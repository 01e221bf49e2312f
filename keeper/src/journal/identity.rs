use std::fmt;

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// The form of the rows. A journal of another form is not read.
const FORMAT: u32 = 1;

/// Whose journal it is. Nonces are of one key on one chain, intents of one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    format: u32,
    chain_id: u64,
    genesis: B256,
    contract: Address,
    key: Address,
}

impl Identity {
    /// The keeper with `key` of the network whose Task contract is `contract`, on the chain with that id whose first block
    /// has the hash `genesis`.
    pub const fn new(chain_id: u64, genesis: B256, contract: Address, key: Address) -> Self {
        Self { format: FORMAT, chain_id, genesis, contract, key }
    }

    /// The key that signs.
    pub const fn key(&self) -> Address {
        self.key
    }

    /// The chain the nonces are of.
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, chain_id, genesis, contract, key } = self;
        write!(f, "key {key} in the network {contract} on chain {chain_id} (genesis {genesis}, format {format})")
    }
}
