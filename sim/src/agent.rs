//! What a modelled party is, and what it can do.

use std::fmt::Debug;

use alloy::primitives::Address;
use xenon_keeper::{Event, TaskId, View};
use xenon_protocol::{
    chain::{Call, ChainError, Head, Receipt},
    deployment::Deployment,
};

use crate::{
    SimError,
    agenda::{Agenda, Millis},
    random::Random,
};

/// A party of the simulated network.
///
/// It is told the events that concern it and the alarms it set, and acts by sending transactions, which the next block
/// includes. It has no other way to learn or to do anything.
pub trait Agent: Debug {
    /// Who it is, for messages: its group and its number there.
    fn name(&self) -> String;

    /// The addresses whose events it is told.
    fn addresses(&self) -> Vec<Address>;

    /// The simulation begins, or it enters later.
    ///
    /// # Errors
    /// The model contradicts itself: the run fails.
    fn start(&mut self, desk: &mut Desk<'_>) -> Result<(), SimError>;

    /// A time it asked for has come.
    ///
    /// # Errors
    /// As [`Agent::start`].
    fn wake(&mut self, alarm: Alarm, desk: &mut Desk<'_>) -> Result<(), SimError>;

    /// An event that concerns it happened in the block that was just mined.
    ///
    /// # Errors
    /// As [`Agent::start`].
    fn see(&mut self, event: &Event, desk: &mut Desk<'_>) -> Result<(), SimError>;

    /// What became of a transaction it sent. The default allows no refusal.
    ///
    /// # Errors
    /// It was refused and should not have been.
    fn hear(&mut self, sent: &Sent, outcome: &Outcome, desk: &mut Desk<'_>) -> Result<(), SimError> {
        match outcome {
            Ok(_) => Ok(()),
            Err(error) => Err(sent.refused(self.name(), desk.head.number, error)),
        }
    }

    /// Whether it looks at every block, as a keeper does.
    fn watches_blocks(&self) -> bool {
        false
    }

    /// A block was mined.
    ///
    /// # Errors
    /// As [`Agent::start`].
    fn look(&mut self, _desk: &mut Desk<'_>) -> Result<(), SimError> {
        Ok(())
    }
}

/// What became of a transaction.
pub type Outcome = Result<Receipt, ChainError>;

/// Which agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgentId(pub(crate) u32);

/// Why an agent wanted to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// It enters.
    Enter,
    /// It is time for the next of a row of acts: a task to create, a look around.
    Next,
    /// An answer is ready to be committed to.
    Commit(TaskId),
    /// A commitment is to be opened.
    Reveal(TaskId),
    /// A result is stored.
    Deliver(TaskId),
    /// A pause is over.
    Resume,
    /// A case of that node is decided.
    Decide(TaskId, u32),
    /// A task is given up.
    Cancel(TaskId),
}

/// A transaction that an agent sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Who sent it.
    pub agent: AgentId,
    /// The address it comes from.
    pub from: Address,
    /// The call.
    pub call: Call,
    /// Its name: the contract's function.
    pub what: &'static str,
    /// The task it is about, if one.
    pub task: Option<TaskId>,
}

impl Sent {
    /// The error of a refusal that should not have been.
    pub fn refused(&self, agent: String, block: u64, error: &ChainError) -> SimError {
        SimError::Refused { agent, call: self.what, block, reason: error.to_string() }
    }
}

/// What an agent sees of the world, and its means.
#[derive(Debug)]
pub struct Desk<'a> {
    /// The time, in milliseconds since the Unix epoch.
    pub now: Millis,
    /// The newest block.
    pub head: Head,
    /// The network, as the logs up to that block tell it.
    pub view: &'a View,
    /// Where the contracts are.
    pub contracts: &'a Deployment,
    /// Whether the run is coming to its end and no more tasks are wanted.
    pub is_closing: bool,
    pub(crate) seed: u64,
    pub(crate) stream: u64,
    pub(crate) agent: AgentId,
    pub(crate) agenda: &'a mut Agenda<(AgentId, Alarm)>,
    pub(crate) outbox: &'a mut Vec<Sent>,
}

impl Desk<'_> {
    /// This agent's random numbers for a subject: the same in every world of the seed, whoever else is there.
    pub fn random(&self, subject: u64) -> Random {
        Random::of(self.seed, self.stream, subject)
    }

    /// Sets an alarm `delay` milliseconds from now.
    pub fn alarm(&mut self, delay: Millis, alarm: Alarm) {
        self.agenda.enter(self.now.saturating_add(delay), (self.agent, alarm));
    }

    /// Sends a transaction. It is in the next block, after those sent before it.
    pub fn send(&mut self, from: Address, what: &'static str, task: Option<TaskId>, call: Call) {
        self.outbox.push(Sent { agent: self.agent, from, call, what, task });
    }
}

/// An address that belongs to a name in a simulation, and whose key nobody has.
pub fn address_of(role: &str, group: &str, number: u32) -> Address {
    Address::from_word(alloy::primitives::keccak256(format!("{role} {number} of {group}")))
}
