//! Why a task JSON is refused.

use thiserror::Error;

use super::{MAX_TASK_BYTES, limits::NESTING};
use crate::error_code::ErrorCode;

/// Why a task JSON is refused. Every variant names what to change.
#[derive(Debug, Error)]
pub enum TaskError {
    /// The JSON is longer than [`MAX_TASK_BYTES`].
    #[error("XP-101: the task JSON has {bytes} bytes and may have {MAX_TASK_BYTES}; shorten the messages")]
    TooLarge {
        /// Length of the JSON.
        bytes: usize,
    },
    /// Not JSON, or not of the form that the schema describes.
    #[error("XP-102: the task JSON does not have the form of protocol/schema/task.schema.json: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A value is outside its bounds.
    #[error("XP-103: {field} is {value}; give a value from {min} to {max}")]
    OutOfRange {
        /// The field, as a path in the JSON.
        field: &'static str,
        /// What the task says.
        value: f64,
        /// The smallest value accepted.
        min: f64,
        /// The largest value accepted.
        max: f64,
    },
    /// A list or text has a length outside its bounds.
    #[error("XP-104: {field} has length {length}; it must have from {min} to {max}")]
    Length {
        /// The field, as a path in the JSON.
        field: &'static str,
        /// Elements of the list, or characters of the text.
        length: usize,
        /// The smallest length accepted.
        min: usize,
        /// The largest length accepted.
        max: usize,
    },
    /// A setting that would have no effect.
    #[error("XP-105: {field} has an effect only when do_sample is true; leave it out or set do_sample")]
    NeedsSampling {
        /// The field, as a path in the JSON.
        field: &'static str,
    },
    /// Not the name of a model.
    #[error("XP-106: {name:?} does not name a model; write org/name or org/name@revision")]
    ModelId {
        /// What the task says.
        name: String,
    },
    /// More answers than the search gives.
    #[error(
        "XP-120: num_return_sequences is {sequences} and num_beams {beams}; set do_sample, or num_beams to at least as many"
    )]
    TooManySequences {
        /// Answers asked for.
        sequences: u32,
        /// Beams of the search.
        beams: u32,
    },
    /// A beam search that draws.
    #[error("XP-121: num_beams is {beams} and do_sample is true, and a beam search does not draw; leave one out")]
    BeamSampling {
        /// Beams of the search.
        beams: u32,
    },
    /// A number that JSON implementations do not agree on.
    #[error("XP-122: {number} is a number beyond 2^53-1, which not every program keeps exactly; write it as a string")]
    Number {
        /// What the task says.
        number: String,
    },
    /// Free-form JSON that is too deep.
    #[error("XP-123: more than {} objects and lists are within each other; flatten them", NESTING)]
    Nesting,
    /// A message of the assistant without anything in it.
    #[error("XP-124: a message of the assistant has neither content nor tool_calls; give one, or leave it out")]
    AssistantSilent,
}

impl TaskError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "XP-101",
            Self::Malformed(_) => "XP-102",
            Self::OutOfRange { .. } => "XP-103",
            Self::Length { .. } => "XP-104",
            Self::NeedsSampling { .. } => "XP-105",
            Self::ModelId { .. } => "XP-106",
            Self::TooManySequences { .. } => "XP-120",
            Self::BeamSampling { .. } => "XP-121",
            Self::Number { .. } => "XP-122",
            Self::Nesting => "XP-123",
            Self::AssistantSilent => "XP-124",
        }
    }

    /// What a node that was given this task commits to.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. } => ErrorCode::TaskTooLarge,
            _ => ErrorCode::InvalidArguments,
        }
    }
}
