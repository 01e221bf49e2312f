//! The simulated world: the real bytecode in revm behind the same Chain trait the services use.
//!
//! [`RevmChain`] is a chain in memory. It has no clock and no randomness: time passes when a block is mined, and equal
//! histories have equal hashes, down to what the `BLOCKHASH` instruction returns.
//!
//! Besides calls that are put into a block as they are, it takes signed transactions, which wait by the rules of geth's
//! pool ([`xenon_protocol::chain::Mempool`]), and it can leave its newest blocks for others ([`RevmChain::reorganise`]).

mod account;
mod chain;
mod evm;
mod genesis;
mod history;
mod mempool;
mod pool;
mod world;

pub use account::RevmAccount;
pub use chain::RevmChain;
pub use evm::EvmContext;
pub use genesis::{BaseFeeRule, Genesis};
pub use history::Undone;
