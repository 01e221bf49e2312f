//! Measures what changes the bits of a model's logits on this machine: threads, optimisation, prepacking, rows that share
//! passes, prompts that are read in chunks.
//!
//! Every variation reads the same tokens as the reference, which runs as tasks do, and the logits are compared bit for
//! bit: those after the prompt, and those after each further token.

use std::ops::Range;

use ort::session::builder::GraphOptimizationLevel as Level;
use serde::Serialize;

use crate::{
    device::Provider,
    error::ExecutorError,
    runtime::Runtime,
    text::{DecoderFiles, Logits, SessionSettings, TextSession},
};

/// Tokens of the prompt.
const PROMPT: u32 = 64;
/// Tokens that are read one by one after it.
const STEPS: u32 = 32;
/// The most rows of a pass that are measured; no pass of a task has more.
pub(crate) const MOST_ROWS: usize = 16;

/// How one variation compares with the reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Variation {
    /// What was varied, such as `threads`.
    pub setting: &'static str,
    /// What it was set to.
    pub value: &'static str,
    /// Whether the logits after the prompt are the same, bit for bit.
    pub same_prefill: bool,
    /// Whether the logits after every further token are.
    pub same_decode: bool,
    /// The largest difference between two logits, of whatever token.
    pub largest_difference: f32,
}

/// How the tokens are read.
#[derive(Clone, Copy)]
struct Way {
    settings: SessionSettings,
    rows: usize,
    chunk: usize,
}

const REFERENCE: Way = Way { settings: settings(1, Level::All, true), rows: 1, chunk: PROMPT as usize };

const fn settings(threads: usize, optimization: Level, prepacking: bool) -> SessionSettings {
    SessionSettings { threads: Some(threads), optimization, prepacking }
}

const fn on_threads(threads: usize) -> Way {
    Way { settings: settings(threads, Level::All, true), ..REFERENCE }
}

const fn optimized(level: Level) -> Way {
    Way { settings: settings(1, level, true), ..REFERENCE }
}

const fn with_rows(rows: usize, threads: usize) -> Way {
    Way { rows, ..on_threads(threads) }
}

/// The matrix: setting, value, way.
const VARIATIONS: [(&str, &str, Way); 20] = [
    ("session", "a new one", REFERENCE),
    ("threads", "2", on_threads(2)),
    ("threads", "4", on_threads(4)),
    ("optimisation", "none", optimized(Level::Disable)),
    ("optimisation", "basic", optimized(Level::Level1)),
    ("optimisation", "extended", optimized(Level::Level2)),
    ("optimisation", "layout", optimized(Level::Level3)),
    ("prepacking", "off", Way { settings: settings(1, Level::All, false), ..REFERENCE }),
    ("different rows", "2", with_rows(2, 1)),
    ("different rows", "3", with_rows(3, 1)),
    ("different rows", "4", with_rows(4, 1)),
    ("different rows", "8", with_rows(8, 1)),
    ("different rows", "16", with_rows(MOST_ROWS, 1)),
    ("different rows", "16 on 2 threads", with_rows(MOST_ROWS, 2)),
    ("prompt in chunks of", "48", Way { chunk: 48, ..REFERENCE }),
    ("prompt in chunks of", "32", Way { chunk: 32, ..REFERENCE }),
    ("prompt in chunks of", "16", Way { chunk: 16, ..REFERENCE }),
    ("prompt in chunks of", "4", Way { chunk: 4, ..REFERENCE }),
    ("prompt in chunks of", "2", Way { chunk: 2, ..REFERENCE }),
    ("prompt in chunks of", "1", Way { chunk: 1, ..REFERENCE }),
];

/// Measures the whole matrix of a decoder. It is loaded once for each variation.
///
/// # Errors
/// Those of loading and running the model.
pub fn measure(
    runtime: &'static Runtime,
    provider: Provider,
    files: &DecoderFiles,
) -> Result<Vec<Variation>, ExecutorError> {
    let mut session = TextSession::open(runtime, provider, REFERENCE.settings, files)?;
    let alone: Vec<_> =
        (0..MOST_ROWS).map(|row| read(&mut session, row..row + 1, REFERENCE.chunk)).collect::<Result<_, _>>()?;
    let variation = |(setting, value, way): &(&'static str, &'static str, Way)| {
        let mut session = TextSession::open(runtime, provider, way.settings, files)?;
        let other = read(&mut session, 0..way.rows, way.chunk)?;
        Ok(compare(setting, value, &alone, &other))
    };
    VARIATIONS.iter().map(variation).collect()
}

/// The logits of these rows after the prompt and after each further token. Every row has tokens of its own.
fn read(session: &mut TextSession, rows: Range<usize>, chunk: usize) -> Result<Vec<Logits>, ExecutorError> {
    let mut logits = Logits::default();
    // What follows needs to know how many tokens there are.
    let mut cache = session.empty_cache(1, 1)?;
    session.forward(&[&[0]], &mut cache, &mut logits)?;
    let tokens: Vec<_> = rows.map(|row| tokens(row, logits.vocabulary)).collect();
    let part = |range: Range<usize>| tokens.iter().map(|row| &row[range.clone()]).collect::<Vec<_>>();
    let (prompt, end) = (PROMPT as usize, (PROMPT + STEPS) as usize);
    let mut cache = session.empty_cache(tokens.len(), end)?;
    for start in (0..prompt).step_by(chunk) {
        session.forward(&part(start..prompt.min(start + chunk)), &mut cache, &mut logits)?;
    }
    let mut all = vec![logits.clone()];
    for place in prompt..end {
        session.forward(&part(place..place + 1), &mut cache, &mut logits)?;
        all.push(logits.clone());
    }
    Ok(all)
}

/// The tokens of a row.
fn tokens(row: usize, vocabulary: usize) -> Vec<u32> {
    let vocabulary = u32::try_from(vocabulary).unwrap_or(u32::MAX).max(1);
    let row = u32::try_from(row).unwrap_or(0).wrapping_mul(101);
    (0..PROMPT + STEPS).map(|index| index.wrapping_mul(37).wrapping_add(row) % vocabulary).collect()
}

/// Compares every row with the same row read alone.
fn compare(setting: &'static str, value: &'static str, alone: &[Vec<Logits>], other: &[Logits]) -> Variation {
    let pairs = |step: usize| rows(&other[step]).zip(alone).map(move |(row, alone)| (row, &alone[step].values));
    let same = |step: usize| pairs(step).all(|(row, alone)| bits(alone).eq(bits(row)));
    let steps = 0..other.len();
    Variation {
        setting,
        value,
        same_prefill: steps.clone().take(1).all(same),
        same_decode: steps.clone().skip(1).all(same),
        largest_difference: steps.flat_map(pairs).map(|(row, alone)| largest(alone, row)).fold(0.0, f32::max),
    }
}

fn rows(logits: &Logits) -> impl Iterator<Item = &[f32]> {
    logits.values.chunks(logits.vocabulary.max(1))
}

fn bits(logits: &[f32]) -> impl Iterator<Item = u32> {
    logits.iter().map(|number| number.to_bits())
}

fn largest(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits(rows: &[&[f32]]) -> Logits {
        Logits { values: rows.concat(), vocabulary: rows[0].len() }
    }

    #[test]
    fn one_bit_of_one_row_is_a_difference() {
        let alone = || vec![logits(&[&[1.0, 0.0]]), logits(&[&[2.0, 3.0]])];
        let reference = [alone(), alone()];
        let next = f32::from_bits(3.0_f32.to_bits() + 1);
        let other = [logits(&[&[1.0, 0.0], &[1.0, 0.0]]), logits(&[&[2.0, 3.0], &[2.0, next]])];
        let found = compare("rows", "2", &reference, &other);
        assert_eq!((found.same_prefill, found.same_decode), (true, false));
        assert!(found.largest_difference > 0.0 && found.largest_difference < 1e-6);
        let negative_zero = [logits(&[&[1.0, -0.0]]), reference[0][1].clone()];
        assert!(!compare("x", "y", &reference, &negative_zero).same_prefill);
    }
}
