//! The node agent: watches the chain for a seat, fetches the task, has it run, commits, reveals and delivers.
//!
//! [`NodeAgent::step`] is one round. It reads what the chain says of each task in which the node has a part, decides
//! with the pure function [`next`] what is due, and does it. What the agent knows beyond the chain, the answer and the
//! secret salt, is in the [`journal`] before it is used:
//!
//! | the chain says | the journal holds | the agent |
//! |---|---|---|
//! | commitments are open, ours is missing | nothing | fetches, checks, runs, writes result, salt and reply |
//! | commitments are open, ours is missing | the answer | commits to it |
//! | a seat is given to another node, ours has committed | the answer | waits |
//! | reveals are open, ours is missing | the answer | reveals it |
//! | agreed, and it is our turn to deliver | the reply | brings it to the relay, tells the chain |
//! | ended | the answer | drops the reply, remembers the answer for a while |
//!
//! A crash anywhere therefore comes back to the same row, and to the same commitment. An error is an answer like any
//! other ([`ErrorCode`](xenon_protocol::error_code::ErrorCode)): committed and revealed, never slashed.

mod config;
mod drive;
mod error;
mod event;
mod fetch;
mod join;
pub mod journal;
mod lazy;
mod network;
mod node_agent;
mod runner;
mod salt;
mod seat;
mod standing;
mod step;
mod worker;

pub use self::{
    config::AgentConfig,
    drive::Stopped,
    error::AgentError,
    event::{Event, Observer},
    join::{Applicant, check_class, join_network, joined_node},
    lazy::LazyRunner,
    node_agent::NodeAgent,
    runner::TaskRunner,
    salt::{OsSalts, SaltSource},
    standing::{Case, Standing, standing},
    step::{Facts, Step, Vote, Wait, next},
};
