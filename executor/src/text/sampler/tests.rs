//! The sampler as a whole: its generator, its greedy choice, and its steps in transformers' order.
#![allow(clippy::float_cmp, clippy::cast_precision_loss, reason = "the numbers are chosen to be exact")]

use std::{fs, path::Path};

use proptest::{collection::vec, prelude::*};
use serde::Deserialize;

use super::*;

const GREEDY: SamplerSettings = SamplerSettings::GREEDY;
const DRAW: SamplerSettings = SamplerSettings { do_sample: true, ..GREEDY };

fn draws(settings: SamplerSettings, logits: &[f32], count: usize) -> Vec<u32> {
    let mut sampler = Sampler::new(settings, 7, 0, &[]);
    (0..count).map(|_| sampler.choose(logits).unwrap()).collect()
}

#[test]
fn logits_that_are_no_distribution_are_refused() {
    let infinite = f32::INFINITY;
    let cases: [&[f32]; 4] = [&[], &[0.0, f32::NAN], &[0.0, infinite], &[-infinite, -infinite]];
    let penalised = SamplerSettings { repetition_penalty: 2.0, ..GREEDY };
    for logits in cases {
        for settings in [GREEDY, DRAW, penalised] {
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
    let penalised = SamplerSettings { repetition_penalty: 2.0, ..GREEDY };
    for settings in [GREEDY, penalised] {
        assert_eq!(draws(settings, &[0.0, 3.0, 3.0, -1.0], 1), [1]);
        assert_eq!(draws(settings, &[0.0, -0.0], 1), [0]);
        assert_eq!(draws(settings, &[-0.0, 0.0], 1), [0]);
    }
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

/// The logits after the penalty.
fn penalised(sampler: &Sampler, logits: &[f32]) -> Vec<f64> {
    sampler.penalty.apply(logits, 1.0).map(|candidate| candidate.logit).collect()
}

#[test]
fn a_token_that_occurred_is_penalised_once_however_often_it_did() {
    let settings = SamplerSettings { repetition_penalty: 2.0, ..GREEDY };
    for prompt in [&[0][..], &[0, 0, 0]] {
        assert_eq!(penalised(&Sampler::new(settings, 0, 0, prompt), &[3.0, 2.0, -1.0]), [1.5, 2.0, -1.0]);
    }
    let mut sampler = Sampler::new(settings, 0, 0, &[2, 900]);
    assert_eq!(sampler.choose(&[3.0, 2.9, -1.0]).unwrap(), 0);
    assert_eq!(sampler.choose(&[3.0, 2.9, -1.0]).unwrap(), 1);
    assert_eq!(penalised(&sampler, &[3.0, 2.0, -1.0]), [1.5, 1.0, -2.0]);
}

#[test]
fn settings_come_from_the_task_then_the_model_then_have_no_effect() {
    let model = GenerationDefaults {
        temperature: Some(0.7),
        top_k: Some(20),
        min_p: Some(0.1),
        typical_p: Some(0.9),
        ..GenerationDefaults::default()
    };
    let task =
        GenerationConfig { do_sample: true, temperature: Some(0.5), min_p: Some(0.2), ..GenerationConfig::greedy(1) };
    let settings = SamplerSettings::resolve(&task, &model);
    let expected = SamplerSettings { temperature: 0.5, top_k: 20, min_p: 0.2, typical_p: 0.9, ..DRAW };
    assert_eq!(settings, expected);
    let silent = SamplerSettings::resolve(&GenerationConfig::greedy(1), &GenerationDefaults::default());
    assert_eq!(silent, GREEDY);
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

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Narrowed>,
}

/// What transformers' logits processors leave of logits; none where a token is dropped.
#[derive(Deserialize)]
struct Narrowed {
    settings: GenerationDefaults,
    prompt: Vec<u32>,
    logits: Vec<Option<f32>>,
    kept: Vec<Option<f64>>,
}

#[test]
fn what_is_kept_is_what_transformers_keeps() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/text/narrowed.json");
    let vectors: Vectors = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(vectors.cases.len() > 30);
    for case in vectors.cases {
        let task = GenerationConfig { do_sample: true, ..GenerationConfig::greedy(1) };
        let settings = SamplerSettings::resolve(&task, &case.settings);
        let mut sampler = Sampler::new(settings, 0, 0, &case.prompt);
        let logits: Vec<f32> = case.logits.iter().map(|logit| logit.unwrap_or(f32::NEG_INFINITY)).collect();
        sampler.narrow(&logits).unwrap();
        let ours: Vec<_> =
            sampler.candidates.kept().iter().map(|candidate| (candidate.token, candidate.logit)).collect();
        let theirs: Vec<_> = (0_u32..).zip(case.kept).filter_map(|(token, logit)| Some((token, logit?))).collect();
        assert_eq!(ours.len(), theirs.len(), "{settings:?} {ours:?} {theirs:?}");
        for ((token, logit), (other, expected)) in ours.iter().zip(&theirs) {
            assert_eq!(token, other, "{settings:?}");
            assert!((logit - expected).abs() <= 1e-12 * expected.abs(), "{settings:?} {logit} {expected}");
        }
    }
}

proptest! {
    #[test]
    fn greedy_takes_a_largest_logit(logits in vec(-50.0..50.0_f32, 1..40)) {
        let token = draws(GREEDY, &logits, 1)[0] as usize;
        prop_assert!(logits.iter().all(|logit| *logit <= logits[token]));
        prop_assert!(logits[..token].iter().all(|logit| *logit < logits[token]));
    }

    #[test]
    fn a_penalised_greedy_choice_is_a_largest_penalised_logit(
        logits in vec(-5.0..5.0_f32, 1..40),
        prompt in vec(0..50_u32, 0..9),
        repetition_penalty in 0.1..10.0,
    ) {
        let settings = SamplerSettings { repetition_penalty, ..GREEDY };
        let mut sampler = Sampler::new(settings, 0, 0, &prompt);
        let plain: Vec<f64> = (0_u32..).zip(&logits).map(|(token, logit)| {
            let logit = f64::from(*logit);
            let penalised = if logit > 0.0 { logit / repetition_penalty } else { logit * repetition_penalty };
            if prompt.contains(&token) { penalised } else { logit }
        }).collect();
        let token = sampler.choose(&logits).unwrap() as usize;
        prop_assert!(plain.iter().all(|logit| *logit <= plain[token]));
        prop_assert!(plain[..token].iter().all(|logit| *logit < plain[token]));
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
    fn top_k_of_one_and_min_p_of_one_are_greedy(logits in vec(-50.0..50.0_f32, 1..40)) {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for settings in [SamplerSettings { top_k: 1, ..DRAW }, SamplerSettings { min_p: 1.0, ..DRAW }] {
            for token in draws(settings, &logits, 3) {
                prop_assert_eq!(logits[token as usize], largest);
            }
        }
    }
}
