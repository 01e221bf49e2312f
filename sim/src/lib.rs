//! The simulated world: the real bytecode in revm behind the same Chain trait the services use.
//!
//! [`RevmChain`] is a chain in memory. It has no clock and no randomness: time passes when a block is mined, and equal
//! histories have equal hashes, down to what the `BLOCKHASH` instruction returns.

mod account;
mod chain;
mod evm;
mod genesis;
mod world;

pub use account::RevmAccount;
pub use chain::RevmChain;
pub use evm::EvmContext;
pub use genesis::Genesis;
