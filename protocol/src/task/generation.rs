//! How an answer is generated.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    TaskError,
    bounds::{integer, length, number, widen},
    limits,
};

/// How to generate. What is left out of temperature, `top_k`, `top_p`, `min_p`, `typical_p` and `repetition_penalty` is
/// taken from the model's own `generation_config.json`, and where that is silent too, has no effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = rules_between_fields)]
pub struct GenerationConfig {
    /// The most tokens to generate for each sequence.
    #[schemars(range(min = limits::MAX_NEW_TOKENS.0, max = limits::MAX_NEW_TOKENS.1))]
    pub max_new_tokens: u32,
    /// Draw tokens at random with the seed; otherwise the most probable token or, with beams, sequence is taken.
    #[serde(default)]
    pub do_sample: bool,
    /// Beams of a beam search; 1 is no search. More than one only without `do_sample`.
    #[serde(default = "one")]
    #[schemars(range(min = limits::NUM_BEAMS.0, max = limits::NUM_BEAMS.1))]
    pub num_beams: u32,
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
    /// Draw among the tokens that have at least this share of the most probable one's probability. Only with
    /// `do_sample`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = limits::MIN_P.0, max = limits::MIN_P.1))]
    pub min_p: Option<f64>,
    /// Draw among the tokens whose surprise is nearest to the expected one and that hold this probability. Only with
    /// `do_sample`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = limits::TYPICAL_P.0, max = limits::TYPICAL_P.1))]
    pub typical_p: Option<f64>,
    /// Above 1 makes tokens that occurred in the conversation or the answer less probable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = limits::REPETITION_PENALTY.0, max = limits::REPETITION_PENALTY.1))]
    pub repetition_penalty: Option<f64>,
    /// Texts that end the answer; they are not part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = limits::STOP_STRINGS.0, max = limits::STOP_STRINGS.1))]
    #[schemars(inner(length(min = limits::STOP_STRING_CHARACTERS.0, max = limits::STOP_STRING_CHARACTERS.1)))]
    pub stop_strings: Option<Vec<String>>,
    /// How many answers to give. More than one only with `do_sample`, or up to `num_beams` of a beam search.
    #[serde(default = "one")]
    #[schemars(range(min = limits::NUM_RETURN_SEQUENCES.0, max = limits::NUM_RETURN_SEQUENCES.1))]
    pub num_return_sequences: u32,
}

/// Settings that have an effect only when tokens are drawn.
const SAMPLING: [&str; 5] = ["temperature", "top_k", "top_p", "min_p", "typical_p"];

fn one() -> u32 {
    1
}

impl GenerationConfig {
    /// Greedy generation of one answer of at most `max_new_tokens` tokens.
    pub const fn greedy(max_new_tokens: u32) -> Self {
        Self {
            max_new_tokens,
            do_sample: false,
            num_beams: 1,
            temperature: None,
            top_k: None,
            top_p: None,
            min_p: None,
            typical_p: None,
            repetition_penalty: None,
            stop_strings: None,
            num_return_sequences: 1,
        }
    }

    /// The most tokens that can be generated over all sequences; with a beam search, over all beams.
    pub fn declared_size(&self) -> u32 {
        self.max_new_tokens.saturating_mul(self.num_return_sequences.max(self.num_beams))
    }

    pub(super) fn validate(&self) -> Result<(), TaskError> {
        integer("max_new_tokens", self.max_new_tokens.into(), widen(limits::MAX_NEW_TOKENS))?;
        integer("num_return_sequences", self.num_return_sequences.into(), widen(limits::NUM_RETURN_SEQUENCES))?;
        integer("num_beams", self.num_beams.into(), widen(limits::NUM_BEAMS))?;
        self.top_k.map_or(Ok(()), |k| integer("top_k", k.into(), widen(limits::TOP_K)))?;
        number("temperature", self.temperature, limits::TEMPERATURE)?;
        number("top_p", self.top_p, limits::TOP_P)?;
        number("min_p", self.min_p, limits::MIN_P)?;
        number("typical_p", self.typical_p, limits::TYPICAL_P)?;
        number("repetition_penalty", self.repetition_penalty, limits::REPETITION_PENALTY)?;
        self.validate_stop_strings()?;
        self.validate_sampling()?;
        self.validate_sequences()
    }

    fn validate_stop_strings(&self) -> Result<(), TaskError> {
        let Some(stops) = &self.stop_strings else { return Ok(()) };
        length("stop_strings", stops.len(), limits::STOP_STRINGS)?;
        stops.iter().try_for_each(|s| length("stop_strings[]", s.chars().count(), limits::STOP_STRING_CHARACTERS))
    }

    fn validate_sampling(&self) -> Result<(), TaskError> {
        let given = [
            self.temperature.is_some(),
            self.top_k.is_some(),
            self.top_p.is_some(),
            self.min_p.is_some(),
            self.typical_p.is_some(),
        ];
        let idle = SAMPLING.into_iter().zip(given).find(|&(_, given)| given && !self.do_sample);
        idle.map_or(Ok(()), |(field, _)| Err(TaskError::NeedsSampling { field }))
    }

    fn validate_sequences(&self) -> Result<(), TaskError> {
        let (sequences, beams) = (self.num_return_sequences, self.num_beams);
        match self.do_sample {
            true if beams > 1 => Err(TaskError::BeamSampling { beams }),
            false if sequences > beams => Err(TaskError::TooManySequences { sequences, beams }),
            _ => Ok(()),
        }
    }
}

/// The rules of `validate_sampling` and `validate_sequences`, for the schema.
fn rules_between_fields(schema: &mut Schema) {
    let idle: serde_json::Map<String, Value> =
        SAMPLING.into_iter().map(|field| (field.to_owned(), json!({ "type": "null" }))).collect();
    let beams: Vec<Value> = (limits::NUM_BEAMS.0..=limits::NUM_BEAMS.1).map(up_to_beams).collect();
    schema.insert(
        "if".to_owned(),
        json!({ "properties": { "do_sample": { "const": true } }, "required": ["do_sample"] }),
    );
    schema.insert("then".to_owned(), json!({ "properties": { "num_beams": { "const": 1 } } }));
    schema.insert("else".to_owned(), json!({ "properties": idle, "anyOf": beams }));
}

/// That many beams and at most as many sequences. One beam is what a task has that does not name a number.
fn up_to_beams(beams: u32) -> Value {
    let required: &[&str] = if beams > 1 { &["num_beams"] } else { &[] };
    json!({
        "properties": { "num_beams": { "const": beams }, "num_return_sequences": { "maximum": beams } },
        "required": required,
    })
}
