//! What all parties of a Xenon network agree on: contract bindings, task JSON, results, commitments, values, the Chain trait.

pub mod chain;
pub mod commitment;
pub mod contracts;
pub mod deployment;
pub mod devnet;
pub mod error_code;
pub mod pinned;
pub mod relay;
pub mod result;
pub mod stored;
pub mod task;
pub mod value;
