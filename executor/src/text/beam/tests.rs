//! The search against transformers', and against trying everything.

use std::{cmp::Ordering, fs, path::Path};

use proptest::{collection::vec, prelude::*};
use serde::Deserialize;
use serde_json::Value;

use super::*;

/// Runs a search over a model whose logits are a row of a table: that of the last token, moved on by `stride` rows for
/// each token before it.
fn run_with(stride: usize, settings: BeamSettings, prompt: &[u32], table: &[Vec<f32>]) -> Vec<EndedBeam> {
    let row = |token: u32, position: usize| table[(token as usize + stride * position) % table.len()].clone();
    let mut position = prompt.len() - 1;
    let mut logits = Logits { values: row(prompt[position], position), vocabulary: table.len() };
    let mut search = BeamSearch::new(settings, prompt, Watch::idle());
    loop {
        search.advance(&logits, 0).unwrap();
        position += 1;
        logits.values = search.running().flat_map(|(_, token)| row(token, position)).collect();
        if !search.is_running() {
            return search.into_ended();
        }
    }
}

/// Runs a search over a model whose logits depend on the last token only.
fn run(settings: BeamSettings, prompt: &[u32], table: &[Vec<f32>]) -> Vec<EndedBeam> {
    run_with(0, settings, prompt, table)
}

fn settings(beams: usize, most_tokens: usize, end_tokens: Vec<u32>) -> BeamSettings {
    BeamSettings {
        beams,
        most_tokens,
        length_penalty: 1.0,
        early_stopping: EarlyStopping::Never,
        repetition_penalty: 1.0,
        end_tokens,
    }
}

#[test]
fn logits_that_are_no_distribution_are_refused() {
    let logits = Logits { values: vec![0.0, f32::NAN], vocabulary: 2 };
    let mut search = BeamSearch::new(settings(2, 3, vec![]), &[0], Watch::idle());
    assert_eq!(search.advance(&logits, 0).unwrap_err().code(), "XE-042");
    let mut search = BeamSearch::new(settings(2, 3, vec![]), &[0], Watch::idle());
    assert_eq!(search.advance(&logits, 1).unwrap_err().code(), "XE-040");
}

#[test]
fn of_equal_scores_the_earlier_beam_and_the_lower_token_come_first() {
    let table = vec![vec![0.0; 4]; 4];
    let ended = run(settings(3, 2, vec![]), &[0], &table);
    let tokens: Vec<_> = ended.iter().map(|beam| beam.tokens.clone()).collect();
    assert_eq!(tokens, [vec![0, 0], vec![0, 1], vec![0, 2]]);
}

/// The stride of the golden vectors' model.
const STRIDE: usize = 5;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    prompt: Vec<u32>,
    table: Vec<Vec<f32>>,
    num_beams: usize,
    max_new_tokens: usize,
    end_tokens: Vec<u32>,
    length_penalty: f64,
    early_stopping: Value,
    repetition_penalty: f64,
    sequences: Vec<Vec<u32>>,
    scores: Vec<f64>,
}

#[test]
fn sequences_and_scores_are_those_of_transformers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/text/beams.json");
    let vectors: Vectors = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(vectors.cases.len() > 50);
    for case in vectors.cases {
        let settings = BeamSettings {
            length_penalty: case.length_penalty,
            early_stopping: case.early_stopping.try_into().unwrap(),
            repetition_penalty: case.repetition_penalty,
            ..settings(case.num_beams, case.max_new_tokens, case.end_tokens)
        };
        let ended = run_with(STRIDE, settings.clone(), &case.prompt, &case.table);
        let sequences: Vec<_> = ended.iter().map(|beam| beam.tokens.clone()).collect();
        assert_eq!(sequences, case.sequences, "{settings:?}");
        for (beam, score) in ended.iter().zip(case.scores) {
            assert!((beam.score - score).abs() < 1e-4 * score.abs().max(1.0), "{settings:?} {} {score}", beam.score);
        }
    }
}

/// Every sequence that ends with the token 0 or has the most tokens, with its score.
fn everything(table: &[Vec<f32>], start: usize, most: usize, length_penalty: f64) -> Vec<(Vec<u32>, f64)> {
    let mut open = vec![(Vec::new(), 0.0, start)];
    let mut ended = Vec::new();
    while let Some((tokens, score, last)) = open.pop() {
        let total: f64 = table[last].iter().map(|logit| f64::from(*logit).exp()).sum();
        for (token, logit) in table[last].iter().enumerate() {
            let mut longer: Vec<u32> = tokens.clone();
            longer.push(u32::try_from(token).unwrap());
            let score = score + f64::from(*logit) - total.ln();
            if token == 0 || longer.len() == most {
                let length = i32::try_from(longer.len()).unwrap();
                ended.push((longer, score / f64::from(length).powf(length_penalty)));
            } else {
                open.push((longer, score, token));
            }
        }
    }
    ended.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal));
    ended
}

proptest! {
    /// With a beam for everything nothing is lost: the best sequences are those found by trying everything.
    #[test]
    fn beams_for_everything_find_the_best(
        table in vec(vec(-3.0..3.0_f32, 3), 3),
        most in 1..5_usize,
        length_penalty in prop_oneof![Just(0.0), 0.1..2.0],
    ) {
        let best = everything(&table, 1, most, length_penalty);
        let wide = BeamSettings { length_penalty, ..settings(best.len(), most, vec![0]) };
        let found = run(wide, &[1], &table);
        prop_assert_eq!(found.len(), best.len());
        for (beam, (_, score)) in found.iter().zip(&best) {
            prop_assert!((beam.score - score).abs() < 1e-9, "{} {}", beam.score, score);
        }
        prop_assert!(best.iter().any(|(tokens, _)| *tokens == found[0].tokens));
    }

    /// Whatever the width, sequences are different, ranked, no better than the best there is, and end as they must.
    #[test]
    fn what_is_found_is_sound(
        table in vec(vec(-3.0..3.0_f32, 5), 5),
        beams in 1..5_usize,
        most in 1..5_usize,
        early_stopping in prop::sample::select(vec![EarlyStopping::Never, EarlyStopping::WhenFull, EarlyStopping::WhenUnlikely]),
    ) {
        let best = everything(&table, 1, most, 1.0);
        let found = run(BeamSettings { early_stopping, ..settings(beams, most, vec![0]) }, &[1], &table);
        prop_assert_eq!(found.len(), beams);
        prop_assert!(found.is_sorted_by(|a, b| a.score >= b.score));
        prop_assert!(found[0].score <= best[0].1 + 1e-9);
        for beam in &found {
            let alike = best.iter().filter(|(tokens, score)| *tokens == beam.tokens && (score - beam.score).abs() < 1e-9);
            prop_assert_eq!(alike.count(), 1);
            let ends = beam.tokens.last() == Some(&0);
            prop_assert_eq!(beam.reason == FinishReason::Stop, ends);
        }
        let mut tokens: Vec<_> = found.iter().map(|beam| &beam.tokens).collect();
        tokens.sort();
        tokens.dedup();
        prop_assert_eq!(tokens.len(), beams);
    }

    /// One beam is the most probable token each time.
    #[test]
    fn one_beam_is_greedy(table in vec(vec(-3.0..3.0_f32, 6), 6), most in 1..6_usize) {
        let found = run(settings(1, most, vec![]), &[1], &table);
        let mut last = 1;
        let greedy: Vec<u32> = (0..most).map(|_| {
            last = argmax::largest(&table[last]).unwrap();
            u32::try_from(last).unwrap()
        }).collect();
        prop_assert_eq!(&found[0].tokens, &greedy);
    }
}
