//! Choosing the next token from the model's logits.
//!
//! All arithmetic is in `f64` in the order written here, with the exponential and the logarithm of the `libm` crate, so
//! that a seed gives the same tokens on every platform. The steps and their order are those of transformers:
//!
//! 1. *Repetition penalty*: the logit of every token that occurred in the prompt or the answer is divided by the
//!    penalty if it is positive and multiplied by it otherwise.
//! 2. Without sampling: the token with the largest logit; of equal ones the one with the lowest number.
//! 3. *Temperature*: every logit is divided by it.
//! 4. *Top k*: tokens whose logit is below the k-th largest are dropped; those equal to it stay.
//! 5. *Top p*: in the order of falling logits (equal ones by rising number), a token is dropped if those before it hold
//!    at least the probability p. The first always stays.
//! 6. *Min p*: tokens with less than this share of the most probable one's probability are dropped.
//! 7. *Typical p*: with q the probabilities of what is left and H their entropy, tokens are taken by rising
//!    |−ln q − H| (equal ones by rising number) until they hold the probability p; as near ones stay.
//! 8. *Draw*: u is the next number of the generator in [0, 1). Going through the remaining tokens by rising number and
//!    adding up exp(logit - largest logit), the first token at which the sum exceeds u times the whole sum is chosen.
//!
//! The generator is `ChaCha20` with the key `seed` (64 bits, little-endian, then 24 zero bytes) and the sequence's
//! index as stream; a number is the upper 53 bits of the next 64 bits, times 2^-53. One number is used per token.

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use xenon_protocol::task::GenerationConfig;

use super::{argmax, candidates::Candidates, penalty::Penalty};
use crate::{error::ExecutorError, model::GenerationDefaults};

/// How tokens are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplerSettings {
    /// Draw at random, or take the most probable token.
    pub do_sample: bool,
    /// Divides the logits; 1 has no effect.
    pub temperature: f64,
    /// Tokens to choose among; 0 means all.
    pub top_k: u32,
    /// Probability to choose within; 1 means all.
    pub top_p: f64,
    /// Least share of the most probable token's probability; 0 means all.
    pub min_p: f64,
    /// Probability of locally typical tokens to choose within; 1 means all.
    pub typical_p: f64,
    /// Penalty on tokens that occurred before; 1 has no effect.
    pub repetition_penalty: f64,
}

impl SamplerSettings {
    /// The most probable token each time.
    pub const GREEDY: Self = Self {
        do_sample: false,
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        typical_p: 1.0,
        repetition_penalty: 1.0,
    };

    /// What the task says, or else the model, or else what has no effect.
    pub fn resolve(task: &GenerationConfig, model: &GenerationDefaults) -> Self {
        let none = Self::GREEDY;
        Self {
            do_sample: task.do_sample,
            temperature: task.temperature.or(model.temperature).unwrap_or(none.temperature),
            top_k: task.top_k.or(model.top_k).unwrap_or(none.top_k),
            top_p: task.top_p.or(model.top_p).unwrap_or(none.top_p),
            min_p: task.min_p.or(model.min_p).unwrap_or(none.min_p),
            typical_p: task.typical_p.or(model.typical_p).unwrap_or(none.typical_p),
            repetition_penalty: task.repetition_penalty.or(model.repetition_penalty).unwrap_or(none.repetition_penalty),
        }
    }
}

/// Chooses the tokens of one sequence.
#[derive(Clone, Debug)]
pub struct Sampler {
    settings: SamplerSettings,
    generator: ChaCha20Rng,
    penalty: Penalty,
    candidates: Candidates,
}

impl Sampler {
    /// A sampler for the sequence with this index, after a prompt.
    pub fn new(settings: SamplerSettings, seed: u64, sequence: u32, prompt: &[u32]) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha20Rng::from_seed(key);
        generator.set_stream(sequence.into());
        let mut penalty = Penalty::new(settings.repetition_penalty);
        penalty.mark(prompt);
        Self { settings, generator, penalty, candidates: Candidates::default() }
    }

    /// Chooses the next token; `logits` has one number per token of the vocabulary.
    pub fn choose(&mut self, logits: &[f32]) -> Result<u32, ExecutorError> {
        let token = match self.settings.do_sample {
            false if self.penalty.is_idle() => argmax::largest(logits).and_then(|token| u32::try_from(token).ok()),
            false => self.penalised_best(logits),
            true => self.draw(logits),
        };
        let token = token.ok_or(ExecutorError::LogitsInvalid)?;
        self.penalty.mark(&[token]);
        Ok(token)
    }

    /// The token with the largest penalised logit, of equal ones the first.
    fn penalised_best(&self, logits: &[f32]) -> Option<u32> {
        let valid = argmax::is_valid(logits);
        let all = self.penalty.apply(logits, 1.0);
        let best = all.reduce(|best, candidate| if candidate.logit > best.logit { candidate } else { best });
        best.filter(|_| valid).map(|best| best.token)
    }

    fn draw(&mut self, logits: &[f32]) -> Option<u32> {
        self.narrow(logits)?;
        self.candidates.pick(uniform(&mut self.generator))
    }

    /// Leaves the tokens that may be drawn. None if the logits are no distribution.
    fn narrow(&mut self, logits: &[f32]) -> Option<()> {
        let settings = self.settings;
        argmax::is_valid(logits).then_some(())?;
        self.candidates.fill(self.penalty.apply(logits, settings.temperature), settings.top_k as usize);
        self.candidates.keep_top_p(settings.top_p);
        self.candidates.keep_min_p(settings.min_p);
        self.candidates.keep_typical(settings.typical_p);
        Some(())
    }
}

/// The next number of the generator in [0, 1).
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn uniform(generator: &mut ChaCha20Rng) -> f64 {
    (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;
