//! The simulated world: the real bytecode in revm behind the same Chain trait the services use, and a whole network on it.
//!
//! * [`scenario`]: who takes part, what they want, and what must come out, as TOML files.
//! * [`Engine`]: the network at work: [`agents`], each with a [`conduct`], one [`agenda`], one block after the other.
//! * [`run()`] and [`campaign`]: one run of a scenario, and many.
//! * [`safety`]: what an attacker can expect, by formula and by drawing from the real contracts.
//!
//! [`RevmChain`] is a chain in memory. It has no clock and no randomness: time passes when a block is mined, and equal
//! histories have equal hashes, down to what the `BLOCKHASH` instruction returns.
//!
//! Besides calls that are put into a block as they are, it takes signed transactions, which wait by the rules of geth's
//! pool ([`xenon_protocol::chain::Mempool`]), and it can leave its newest blocks for others ([`RevmChain::reorganise`]).

mod account;
pub mod agenda;
pub mod agent;
pub mod agents;
pub mod campaign;
mod chain;
pub mod conduct;
mod directory;
mod engine;
mod error;
mod evm;
mod genesis;
mod history;
pub mod ledger;
mod mempool;
mod pool;
pub mod random;
mod run;
pub mod safety;
pub mod scenario;
pub mod truth;
mod world;

pub use account::RevmAccount;
pub use chain::RevmChain;
pub use engine::Engine;
pub use error::SimError;
pub use evm::EvmContext;
pub use genesis::{BaseFeeRule, Genesis};
pub use history::Undone;
pub use run::{Run, run};
