use alloy::primitives::Address;
use xenon_protocol::chain::{Account, Call, ChainError, Receipt};

use crate::RevmChain;

/// An address on a simulated chain. Each transaction it sends is mined at once, in a block of its own.
#[derive(Clone, Debug)]
pub struct RevmAccount {
    chain: RevmChain,
    address: Address,
}

impl RevmAccount {
    pub(crate) fn new(chain: RevmChain, address: Address) -> Self {
        Self { chain, address }
    }
}

impl Account for RevmAccount {
    type Chain = RevmChain;

    fn address(&self) -> Address {
        self.address
    }

    fn chain(&self) -> &RevmChain {
        &self.chain
    }

    async fn send(&self, call: Call) -> Result<Receipt, ChainError> {
        self.chain.send(self.address, call)
    }
}
