//! Tasks of the GPT kind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ModelId, TaskError};

/// Bounds of the values of a GPT task; both ends are accepted.
pub mod limits {
    /// Messages in a conversation.
    pub const MESSAGES: (usize, usize) = (1, 1024);
    /// Tokens to generate for each sequence.
    pub const MAX_NEW_TOKENS: (u32, u32) = (1, 65_536);
    /// Sequences to generate.
    pub const NUM_RETURN_SEQUENCES: (u32, u32) = (1, 16);
    /// Sampling temperature.
    pub const TEMPERATURE: (f64, f64) = (0.01, 10.0);
    /// Most probable tokens to choose among; 0 means all.
    pub const TOP_K: (u32, u32) = (0, 1_000_000);
    /// Probability mass to choose within.
    pub const TOP_P: (f64, f64) = (0.0, 1.0);
    /// Penalty on tokens that occurred before.
    pub const REPETITION_PENALTY: (f64, f64) = (0.1, 10.0);
    /// Stop strings in a task.
    pub const STOP_STRINGS: (usize, usize) = (1, 16);
    /// Characters in a stop string.
    pub const STOP_STRING_CHARACTERS: (usize, usize) = (1, 256);
    /// Seeds. The largest is the largest integer that every JSON implementation keeps exactly.
    pub const SEED: (u64, u64) = (0, (1 << 53) - 1);
    /// Times, in seconds since 1970: the years 1970 to 2999.
    pub const TIME: (u64, u64) = (0, 32_503_679_999);
}

/// A conversation to continue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GptTask {
    /// The model to run.
    pub model: ModelId,
    /// The conversation so far, oldest message first.
    #[schemars(length(min = limits::MESSAGES.0, max = limits::MESSAGES.1))]
    pub messages: Vec<Message>,
    /// How to generate.
    pub generation_config: GenerationConfig,
    /// Seed of the sampling. The same seed gives the same answer.
    #[serde(default)]
    #[schemars(range(max = limits::SEED.1))]
    pub seed: u64,
    /// The time that the model's chat template sees, in seconds since 1970 (UTC). Without it a template sees no
    /// clock, so that every node renders the same prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = limits::TIME.1))]
    pub time: Option<u64>,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message of the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into() }
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions to the model.
    System,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
}

/// How to generate. What is left out of temperature, `top_k`, `top_p` and `repetition_penalty` is taken from the
/// model's own `generation_config.json`, and where that is silent too, has no effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerationConfig {
    /// The most tokens to generate for each sequence.
    #[schemars(range(min = limits::MAX_NEW_TOKENS.0, max = limits::MAX_NEW_TOKENS.1))]
    pub max_new_tokens: u32,
    /// Draw tokens at random with the seed; otherwise the most probable token is taken each time.
    #[serde(default)]
    pub do_sample: bool,
    /// Divides the logits before drawing: below 1 sharper, above 1 flatter. Only with `do_sample`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = limits::TEMPERATURE.0, max = limits::TEMPERATURE.1))]
    pub temperature: Option<f64>,
    /// Draw among this many most probable tokens; 0 means all. Only with `do_sample`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = limits::TOP_K.1))]
    pub top_k: Option<u32>,
    /// Draw among the fewest most probable tokens that hold this probability. Only with `do_sample`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = limits::TOP_P.0, max = limits::TOP_P.1))]
    pub top_p: Option<f64>,
    /// Above 1 makes tokens that occurred in the conversation or the answer less probable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = limits::REPETITION_PENALTY.0, max = limits::REPETITION_PENALTY.1))]
    pub repetition_penalty: Option<f64>,
    /// Texts that end the answer; they are not part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = limits::STOP_STRINGS.0, max = limits::STOP_STRINGS.1))]
    #[schemars(inner(length(min = limits::STOP_STRING_CHARACTERS.0, max = limits::STOP_STRING_CHARACTERS.1)))]
    pub stop_strings: Option<Vec<String>>,
    /// How many answers to draw. More than one only with `do_sample`.
    #[serde(default = "one")]
    #[schemars(range(min = limits::NUM_RETURN_SEQUENCES.0, max = limits::NUM_RETURN_SEQUENCES.1))]
    pub num_return_sequences: u32,
}

fn one() -> u32 {
    1
}

impl GptTask {
    /// Checks every value against its bounds.
    pub fn validate(&self) -> Result<(), TaskError> {
        length("messages", self.messages.len(), limits::MESSAGES)?;
        integer("seed", self.seed, limits::SEED)?;
        self.time.map_or(Ok(()), |time| integer("time", time, limits::TIME))?;
        self.generation_config.validate()
    }
}

impl GenerationConfig {
    /// Greedy generation of one answer of at most `max_new_tokens` tokens.
    pub const fn greedy(max_new_tokens: u32) -> Self {
        Self {
            max_new_tokens,
            do_sample: false,
            temperature: None,
            top_k: None,
            top_p: None,
            repetition_penalty: None,
            stop_strings: None,
            num_return_sequences: 1,
        }
    }

    /// The most tokens that can be generated over all sequences.
    pub fn declared_size(&self) -> u32 {
        self.max_new_tokens.saturating_mul(self.num_return_sequences)
    }

    fn validate(&self) -> Result<(), TaskError> {
        integer("max_new_tokens", self.max_new_tokens.into(), widen(limits::MAX_NEW_TOKENS))?;
        integer("num_return_sequences", self.num_return_sequences.into(), widen(limits::NUM_RETURN_SEQUENCES))?;
        self.top_k.map_or(Ok(()), |k| integer("top_k", k.into(), widen(limits::TOP_K)))?;
        number("temperature", self.temperature, limits::TEMPERATURE)?;
        number("top_p", self.top_p, limits::TOP_P)?;
        number("repetition_penalty", self.repetition_penalty, limits::REPETITION_PENALTY)?;
        self.validate_stop_strings()?;
        self.validate_sampling()
    }

    fn validate_stop_strings(&self) -> Result<(), TaskError> {
        let Some(stops) = &self.stop_strings else { return Ok(()) };
        length("stop_strings", stops.len(), limits::STOP_STRINGS)?;
        stops.iter().try_for_each(|s| length("stop_strings[]", s.chars().count(), limits::STOP_STRING_CHARACTERS))
    }

    fn validate_sampling(&self) -> Result<(), TaskError> {
        let settings = [
            ("temperature", self.temperature.is_some()),
            ("top_k", self.top_k.is_some()),
            ("top_p", self.top_p.is_some()),
            ("num_return_sequences", self.num_return_sequences > 1),
        ];
        let idle = settings.into_iter().find(|&(_, given)| given && !self.do_sample);
        idle.map_or(Ok(()), |(field, _)| Err(TaskError::NeedsSampling { field }))
    }
}

pub(super) fn widen((min, max): (u32, u32)) -> (u64, u64) {
    (min.into(), max.into())
}

#[expect(clippy::cast_precision_loss, reason = "the numbers are only shown in the error's text")]
pub(super) fn integer(field: &'static str, value: u64, (min, max): (u64, u64)) -> Result<(), TaskError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(TaskError::OutOfRange { field, value: value as f64, min: min as f64, max: max as f64 })
}

pub(super) fn number(field: &'static str, value: Option<f64>, (min, max): (f64, f64)) -> Result<(), TaskError> {
    match value {
        Some(value) if !(min..=max).contains(&value) => Err(TaskError::OutOfRange { field, value, min, max }),
        _ => Ok(()),
    }
}

pub(super) fn length(field: &'static str, length: usize, (min, max): (usize, usize)) -> Result<(), TaskError> {
    if (min..=max).contains(&length) { Ok(()) } else { Err(TaskError::Length { field, length, min, max }) }
}
