//! Tortures keepers: the real contracts on a simulated chain, a bad line between it and each keeper, and faults of every
//! kind, drawn from a seed.
//!
//! A seed names a [`Scenario`]. Faults last for some dozens of blocks, then nothing goes wrong any more, and what must hold
//! is checked ([`Breach`]). There is no clock and no other randomness than the seed's, so a seed tells the same story each
//! time it is run. `docs/torture.md` says more.

#![allow(clippy::unwrap_used, reason = "what fails here is the harness, and a panic says where")]

mod calls;
mod check;
mod crowd;
mod dice;
mod fault;
mod link;
mod naive;
mod network;
mod planted;
mod real;
mod run;
mod scenario;
mod story;
mod subject;

pub use self::{
    calls::Calls,
    check::{Breach, LONGEST_WAIT},
    dice::Dice,
    fault::Fault,
    link::{Key, Link},
    naive::Naive,
    planted::{BUDGET, PLANTED, Planted},
    real::{Real, journal_in_memory},
    run::{Verdict, digest, run, run_with},
    scenario::Scenario,
    story::Story,
    subject::Subject,
};

/// The keeper that is tortured.
pub type Tortured = Real;
