//! The keeper on the real bytecode in revm.

#![allow(clippy::unwrap_used, missing_docs)]

mod differential;
mod estimates;
mod faulty;
mod life;
mod operation;
mod outages;
mod people;
mod seeing;
mod service;
mod storage;
mod undo;
mod watched;
mod world;
