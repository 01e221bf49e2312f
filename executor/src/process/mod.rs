//! Models in processes of their own.
//!
//! A node runs each model in a child process, so that running out of memory, or a crash of the runtime, is an error of
//! one task and not the end of the node with its key and journal. [`ProcessRunner`] is the node's side: it starts a child
//! when a model is first needed, ends the longest unused ones for room, and turns every way in which a child can end into
//! an error code. [`serve`] is the child's side.
//!
//! Both talk over the child's standard input and output, in frames of JSON. The child ends when its input does,
//! whatever it is doing: no child outlives its node. It gets no key and no journal: its environment is made of the
//! variables in [`environment`], and no file of the node is open in it.

pub mod environment;

mod backoff;
mod child;
mod ending;
mod error;
mod estimate;
mod frame;
mod logs;
mod message;
mod monitor;
mod runner;
mod serve;

pub use self::{
    child::ChildCommand,
    error::ProcessError,
    monitor::{ChildStatus, Monitor, RunnerStatus, Running},
    runner::{ProcessRunner, RunnerConfig},
    serve::{ChildConfig, report_pipe, serve},
};
