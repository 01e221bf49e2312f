use alloy::primitives::{Address, U256};

/// How the base fee changes from block to block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BaseFeeRule {
    /// Not at all, but when it is [set](crate::RevmChain::set_base_fee).
    #[default]
    Constant,
    /// By EIP-1559: up to an eighth up or down, as the block before used more or less than half of its gas.
    Market,
}

/// How a simulated chain begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Seconds since the Unix epoch at block 0.
    pub timestamp: u64,
    /// Seconds from one block to the next when a transaction makes its own block.
    pub block_interval: u64,
    /// Wei every gas costs in the first block. It is burnt.
    pub base_fee: u64,
    /// How it changes from block to block.
    pub base_fee_rule: BaseFeeRule,
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
            base_fee_rule: BaseFeeRule::Constant,
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
