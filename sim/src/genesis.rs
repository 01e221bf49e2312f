use alloy::primitives::{Address, U256};

/// How a simulated chain begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Seconds since the Unix epoch at block 0.
    pub timestamp: u64,
    /// Seconds from one block to the next when a transaction makes its own block.
    pub block_interval: u64,
    /// Wei every gas costs, in all blocks. It is burnt.
    pub base_fee: u64,
    /// Gas a transaction may use at most.
    pub gas_limit: u64,
    /// Distinguishes worlds that are otherwise alike: it enters the hash of block 0 and so every later one.
    pub seed: u64,
    /// Accounts with money, in wei.
    pub balances: Vec<(Address, U256)>,
}

impl Default for Genesis {
    fn default() -> Self {
        Self {
            chain_id: 31337,
            timestamp: 1_700_000_000,
            block_interval: 1,
            base_fee: 1_000_000_000,
            gas_limit: 30_000_000,
            seed: 0,
            balances: Vec::new(),
        }
    }
}

impl Genesis {
    /// The same beginning with one more account that has money.
    #[must_use]
    pub fn fund(mut self, account: Address, wei: U256) -> Self {
        self.balances.push((account, wei));
        self
    }
}
