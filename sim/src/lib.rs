//! The simulated world: the real bytecode in revm behind the same Chain trait the services use.
//!
//! [`RevmChain`] is a chain in memory. It has no clock and no randomness: time passes when a block is mined, and equal
//! histories have equal hashes, down to what the `BLOCKHASH` instruction returns.

pub mod agenda;
pub mod agent;
pub mod agents;
mod account;
mod chain;
pub mod conduct;
mod directory;
mod engine;
mod error;
mod evm;
mod genesis;
pub mod ledger;
pub mod random;
mod run;
pub mod scenario;
pub mod truth;
mod world;

pub use account::RevmAccount;
pub use chain::RevmChain;
pub use engine::Engine;
pub use error::SimError;
pub use run::{Run, run};
pub use evm::EvmContext;
pub use genesis::Genesis;
