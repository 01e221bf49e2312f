//! Choosing the next token from the model's logits.
//!
//! All arithmetic is in `f64` in the order written here, with the exponential of the `libm` crate, so that a seed gives
//! the same tokens on every platform. The steps and their order are those of transformers:
//!
//! 1. *Repetition penalty*: the logit of every token that occurred in the prompt or the answer is divided by the
//!    penalty if it is positive and multiplied by it otherwise.
//! 2. Without sampling: the token with the largest logit; of equal ones the one with the lowest number.
//! 3. *Temperature*: every logit is divided by it.
//! 4. *Top k*: tokens whose logit is below the k-th largest are dropped; those equal to it stay.
//! 5. *Top p*: in the order of falling logits (equal ones by rising number), a token is dropped if those before it hold
//!    at least the probability p. The first always stays.
//! 6. *Draw*: u is the next number of the generator in [0, 1). Going through the remaining tokens by rising number and
//!    adding up exp(logit - largest logit), the first token at which the sum exceeds u times the whole sum is chosen.
//!
//! The generator is `ChaCha20` with the key `seed` (64 bits, little-endian, then 24 zero bytes) and the sequence's
//! index as stream; a number is the upper 53 bits of the next 64 bits, times 2^-53. One number is used per token.

use std::cmp::Ordering;

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use xenon_protocol::task::GenerationConfig;

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
    /// Penalty on tokens that occurred before; 1 has no effect.
    pub repetition_penalty: f64,
}

impl SamplerSettings {
    /// What the task says, or else the model, or else what has no effect.
    pub fn resolve(task: &GenerationConfig, model: &GenerationDefaults) -> Self {
        Self {
            do_sample: task.do_sample,
            temperature: task.temperature.or(model.temperature).unwrap_or(1.0),
            top_k: task.top_k.or(model.top_k).unwrap_or(0),
            top_p: task.top_p.or(model.top_p).unwrap_or(1.0),
            repetition_penalty: task.repetition_penalty.or(model.repetition_penalty).unwrap_or(1.0),
        }
    }
}

/// A token that may be chosen, with its logit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    token: u32,
    logit: f64,
}

/// Chooses the tokens of one sequence.
#[derive(Clone, Debug)]
pub struct Sampler {
    settings: SamplerSettings,
    generator: ChaCha20Rng,
    occurred: Vec<bool>,
    candidates: Vec<Candidate>,
}

impl Sampler {
    /// A sampler for the sequence with this index, after a prompt.
    pub fn new(settings: SamplerSettings, seed: u64, sequence: u32, prompt: &[u32]) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha20Rng::from_seed(key);
        generator.set_stream(sequence.into());
        let mut sampler = Self { settings, generator, occurred: Vec::new(), candidates: Vec::new() };
        for token in prompt {
            sampler.mark(*token);
        }
        sampler
    }

    /// Chooses the next token; `logits` has one number per token of the vocabulary.
    pub fn choose(&mut self, logits: &[f32]) -> Result<u32, ExecutorError> {
        check(logits)?;
        self.fill(logits);
        let token = if self.settings.do_sample { self.draw() } else { most_probable(&self.candidates).token };
        self.mark(token);
        Ok(token)
    }

    fn mark(&mut self, token: u32) {
        let token = token as usize;
        if self.occurred.len() <= token {
            self.occurred.resize(token + 1, false);
        }
        self.occurred[token] = true;
    }

    fn fill(&mut self, logits: &[f32]) {
        let (penalty, occurred) = (self.settings.repetition_penalty, &self.occurred);
        let penalised = |token: usize, logit: f64| match occurred.get(token) {
            Some(true) if logit > 0.0 => logit / penalty,
            Some(true) => logit * penalty,
            _ => logit,
        };
        self.candidates.clear();
        self.candidates.extend((0_u32..).zip(logits).map(|(token, logit)| {
            let logit = penalised(token as usize, f64::from(*logit));
            Candidate { token, logit }
        }));
    }

    fn draw(&mut self) -> u32 {
        for candidate in &mut self.candidates {
            candidate.logit /= self.settings.temperature;
        }
        keep_top_k(&mut self.candidates, self.settings.top_k as usize);
        keep_top_p(&mut self.candidates, self.settings.top_p);
        pick(&self.candidates, uniform(&mut self.generator))
    }
}

/// Logits are numbers or minus infinity, and at least one is a number.
fn check(logits: &[f32]) -> Result<(), ExecutorError> {
    let invalid = logits.iter().any(|logit| logit.is_nan() || *logit == f32::INFINITY);
    let possible = logits.iter().any(|logit| logit.is_finite());
    if possible && !invalid { Ok(()) } else { Err(ExecutorError::LogitsInvalid) }
}

/// The candidate with the largest logit, of equal ones the first.
fn most_probable(candidates: &[Candidate]) -> Candidate {
    let first = candidates[0];
    candidates.iter().fold(first, |best, candidate| if candidate.logit > best.logit { *candidate } else { best })
}

/// Falling logits, then rising numbers.
fn by_rank(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.partial_cmp(&a.logit).unwrap_or(Ordering::Equal).then(a.token.cmp(&b.token))
}

fn keep_top_k(candidates: &mut Vec<Candidate>, k: usize) {
    if k == 0 || k >= candidates.len() {
        return;
    }
    let mut ranked = candidates.clone();
    let (_, least, _) = ranked.select_nth_unstable_by(k - 1, by_rank);
    let least = least.logit;
    candidates.retain(|candidate| candidate.logit >= least);
}

fn keep_top_p(candidates: &mut Vec<Candidate>, p: f64) {
    if p >= 1.0 {
        return;
    }
    let mut ranked = candidates.clone();
    ranked.sort_unstable_by(by_rank);
    let weights = weights(&ranked);
    let total: f64 = weights.iter().sum();
    let mut before = 0.0;
    let kept = weights.iter().take_while(|weight| {
        let keep = before < p * total;
        before += **weight;
        keep
    });
    let last = ranked[kept.count().max(1) - 1];
    candidates.retain(|candidate| by_rank(candidate, &last) != Ordering::Greater);
}

fn pick(candidates: &[Candidate], u: f64) -> u32 {
    let weights = weights(candidates);
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    let chosen = weights.iter().position(|weight| {
        sum += weight;
        sum > u * total
    });
    // u is below 1 and both sums are formed alike, so there is always one.
    candidates[chosen.unwrap_or(candidates.len() - 1)].token
}

/// The candidates' probabilities, but for a common factor.
fn weights(candidates: &[Candidate]) -> Vec<f64> {
    let largest = most_probable(candidates).logit;
    candidates.iter().map(|candidate| libm::exp(candidate.logit - largest)).collect()
}

/// The next number of the generator in [0, 1).
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn uniform(generator: &mut ChaCha20Rng) -> f64 {
    (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
#[allow(clippy::float_cmp, clippy::cast_precision_loss, reason = "the numbers are chosen to be exact")]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const GREEDY: SamplerSettings =
        SamplerSettings { do_sample: false, temperature: 1.0, top_k: 0, top_p: 1.0, repetition_penalty: 1.0 };
    const DRAW: SamplerSettings = SamplerSettings { do_sample: true, ..GREEDY };

    fn candidates(logits: &[f64]) -> Vec<Candidate> {
        (0_u32..).zip(logits).map(|(token, logit)| Candidate { token, logit: *logit }).collect()
    }

    fn tokens(candidates: &[Candidate]) -> Vec<u32> {
        candidates.iter().map(|candidate| candidate.token).collect()
    }

    fn draws(settings: SamplerSettings, logits: &[f32], count: usize) -> Vec<u32> {
        let mut sampler = Sampler::new(settings, 7, 0, &[]);
        (0..count).map(|_| sampler.choose(logits).unwrap()).collect()
    }

    #[test]
    fn logits_that_are_no_distribution_are_refused() {
        let infinite = f32::INFINITY;
        let cases: [&[f32]; 4] = [&[], &[0.0, f32::NAN], &[0.0, infinite], &[-infinite, -infinite]];
        for logits in cases {
            for settings in [GREEDY, DRAW] {
                let error = Sampler::new(settings, 0, 0, &[]).choose(logits).unwrap_err();
                assert_eq!(error.code(), "XE-042");
            }
        }
    }

    #[test]
    fn an_impossible_token_is_never_drawn() {
        assert_eq!(draws(DRAW, &[f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY], 50), [1; 50]);
    }

    #[test]
    fn of_equal_logits_the_lowest_number_wins() {
        assert_eq!(draws(GREEDY, &[0.0, 3.0, 3.0, -1.0], 1), [1]);
        assert_eq!(draws(GREEDY, &[0.0, -0.0], 1), [0]);
        assert_eq!(draws(GREEDY, &[-0.0, 0.0], 1), [0]);
    }

    /// Block 0 of `ChaCha20` with key and nonce zero begins with 76 b8 e0 ad a0 f1 3d 90 (RFC 8439, A.1, vector 1).
    #[test]
    fn the_generator_is_the_documented_one() {
        let sampler = &mut Sampler::new(DRAW, 0, 0, &[]);
        let expected = (0x903d_f1a0_ade0_b876_u64 >> 11) as f64 * 2.0_f64.powi(-53);
        assert_eq!(uniform(&mut sampler.generator), expected);
    }

    #[test]
    fn every_seed_and_every_sequence_has_its_own_numbers() {
        let numbers = |seed, sequence| {
            let mut sampler = Sampler::new(DRAW, seed, sequence, &[]);
            [uniform(&mut sampler.generator), uniform(&mut sampler.generator)]
        };
        assert_eq!(numbers(1, 0), numbers(1, 0));
        assert_ne!(numbers(1, 0), numbers(2, 0));
        assert_ne!(numbers(1, 0), numbers(1, 1));
    }

    #[test]
    fn a_token_that_occurred_is_penalised_once_however_often_it_did() {
        let settings = SamplerSettings { repetition_penalty: 2.0, ..GREEDY };
        for prompt in [&[0][..], &[0, 0, 0]] {
            let mut sampler = Sampler::new(settings, 0, 0, prompt);
            sampler.fill(&[3.0, 2.0, -1.0]);
            assert_eq!(sampler.candidates, candidates(&[1.5, 2.0, -1.0]));
        }
        let mut sampler = Sampler::new(settings, 0, 0, &[2, 900]);
        assert_eq!(sampler.choose(&[3.0, 2.9, -1.0]).unwrap(), 0);
        assert_eq!(sampler.choose(&[3.0, 2.9, -1.0]).unwrap(), 1);
        sampler.fill(&[3.0, 2.0, -1.0]);
        assert_eq!(sampler.candidates, candidates(&[1.5, 1.0, -2.0]));
    }

    #[test]
    fn settings_come_from_the_task_then_the_model_then_have_no_effect() {
        let model = GenerationDefaults { temperature: Some(0.7), top_k: Some(20), ..GenerationDefaults::default() };
        let task = GenerationConfig { do_sample: true, temperature: Some(0.5), ..GenerationConfig::greedy(1) };
        let settings = SamplerSettings::resolve(&task, &model);
        assert_eq!(settings, SamplerSettings { temperature: 0.5, top_k: 20, ..DRAW });
    }

    /// Frequencies of 20,000 draws against softmax probabilities: χ² with 4 degrees of freedom, 0.1 % level.
    #[test]
    fn frequencies_match_probabilities() {
        let logits = [0.0_f32, 1.0, -1.0, 0.5, 2.0];
        let settings = SamplerSettings { temperature: 1.5, ..DRAW };
        let drawn = draws(settings, &logits, 20_000);
        let weights: Vec<f64> = logits.iter().map(|logit| (f64::from(*logit) / 1.5).exp()).collect();
        let total: f64 = weights.iter().sum();
        let chi_squared: f64 = (0_u32..)
            .zip(&weights)
            .map(|(token, weight)| {
                let expected = 20_000.0 * weight / total;
                let found = drawn.iter().filter(|drawn| **drawn == token).count() as f64;
                (found - expected).powi(2) / expected
            })
            .sum();
        assert!(chi_squared < 18.47, "{chi_squared}");
    }

    /// Top p by its definition: rank, and drop each token before which there is at least p.
    fn plain_top_p(logits: &[f64], p: f64) -> Vec<u32> {
        let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
        let before = |token: usize| -> f64 {
            let ahead =
                |other: &usize| logits[*other] > logits[token] || (logits[*other] == logits[token] && *other < token);
            (0..logits.len()).filter(ahead).map(|other| logits[other].exp() / total).sum()
        };
        let ahead_of_all = |token: &usize| before(*token) == 0.0;
        let kept = (0..logits.len()).filter(|token| ahead_of_all(token) || before(*token) < p);
        kept.map(|token| u32::try_from(token).unwrap()).collect()
    }

    fn grid() -> impl Strategy<Value = Vec<f64>> {
        vec((-20..=20_i32).prop_map(|n| f64::from(n) / 4.0), 1..12)
    }

    proptest! {
        #[test]
        fn greedy_takes_a_largest_logit(logits in vec(-50.0..50.0_f32, 1..40)) {
            let token = draws(GREEDY, &logits, 1)[0] as usize;
            prop_assert!(logits.iter().all(|logit| *logit <= logits[token]));
            prop_assert!(logits[..token].iter().all(|logit| *logit < logits[token]));
        }

        #[test]
        fn top_k_keeps_what_is_not_below_the_kth_largest(logits in grid(), k in 0..14_usize) {
            let mut kept = candidates(&logits);
            keep_top_k(&mut kept, k);
            let mut sorted = logits.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let least = if k == 0 { f64::NEG_INFINITY } else { sorted[k.min(sorted.len()) - 1] };
            let expected: Vec<_> = candidates(&logits).into_iter().filter(|candidate| candidate.logit >= least).collect();
            prop_assert_eq!(kept, expected);
        }

        #[test]
        fn top_p_follows_its_definition(logits in grid(), p in 0.0..=1.0) {
            let mut kept = candidates(&logits);
            keep_top_p(&mut kept, p);
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
            let (low, high) = (plain_top_p(&logits, p - 1e-9), plain_top_p(&logits, p + 1e-9));
            let kept = tokens(&kept);
            prop_assert!(kept == low || kept == high || near(p, 1.0), "{:?} {:?} {:?}", kept, low, high);
        }

        #[test]
        fn a_draw_inverts_the_distribution(logits in grid(), u in 0.0..1.0) {
            let candidates = candidates(&logits);
            let chosen = pick(&candidates, u) as usize;
            let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
            let below = |end: usize| -> f64 { logits[..end].iter().map(|logit| logit.exp() / total).sum() };
            prop_assert!(below(chosen) <= u + 1e-9 && u - 1e-9 <= below(chosen + 1));
        }

        #[test]
        fn a_temperature_near_zero_is_greedy(logits in vec(-50.0..50.0_f32, 1..40)) {
            let mut sorted = logits.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            prop_assume!(sorted.len() == 1 || sorted[0] - sorted[1] > 0.5);
            let cold = SamplerSettings { temperature: 0.01, ..DRAW };
            prop_assert_eq!(draws(cold, &logits, 3), [draws(GREEDY, &logits, 1)[0]; 3]);
        }

        #[test]
        fn top_k_of_one_is_greedy(logits in vec(-50.0..50.0_f32, 1..40)) {
            let settings = SamplerSettings { top_k: 1, ..DRAW };
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for token in draws(settings, &logits, 3) {
                prop_assert_eq!(logits[token as usize], largest);
            }
        }
    }
}
