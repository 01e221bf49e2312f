//! Signed transactions on a simulated chain.

use alloy::primitives::{Address, B256, Bytes};
use xenon_protocol::chain::{At, Call, ChainError, Fees, Inclusion, Mempool, SendError};

use crate::{
    RevmChain,
    evm::endpoint,
    pool::{Rules, Sender},
    world::World,
};

/// What a block's builder is content with, in wei per gas.
const PRIORITY_FEE: u128 = 1_000_000;

impl Mempool for RevmChain {
    async fn transaction_count(&self, account: Address, at: At) -> Result<u64, ChainError> {
        let world = self.world();
        let nonce = world.nonce(account);
        Ok(match at {
            At::Latest => nonce,
            At::Pending => nonce + world.pool.executable(account, nonce),
        })
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        Ok(Fees { base_fee: self.world().next_base_fee().into(), priority_fee: PRIORITY_FEE })
    }

    async fn estimate_gas(&self, from: Address, call: &Call) -> Result<u64, ChainError> {
        self.world().estimate_gas(from, call)
    }

    async fn send_raw(&self, raw: &Bytes) -> Result<B256, SendError> {
        self.world().take(raw).map_err(|reason| {
            SendError::classify(ChainError::Rejected { endpoint: endpoint(), method: "eth_sendRawTransaction", reason })
        })
    }

    async fn inclusion(&self, transaction: B256) -> Result<Option<Inclusion>, ChainError> {
        Ok(self.world().history.inclusion(transaction).cloned())
    }
}

impl World {
    /// Lets a signed transaction wait, or says in geth's words why not.
    fn take(&mut self, raw: &Bytes) -> Result<B256, String> {
        let genesis = self.genesis();
        let rules = Rules { chain_id: genesis.chain_id, gas_limit: genesis.gas_limit };
        let mut pool = std::mem::take(&mut self.pool);
        let taken = pool.add(raw, rules, |account| Sender { nonce: self.nonce(account), balance: self.balance(account) });
        self.pool = pool;
        taken
    }
}
