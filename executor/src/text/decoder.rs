//! What generation needs of a language model.

use std::rc::Rc;

use super::{KvCache, TextSession};
use crate::error::ExecutorError;

/// Runs a language model over rows: sequences of equal length that go on together.
pub trait Decoder {
    /// What the model remembers of the rows' tokens.
    type Cache;

    /// Reads prompts of equal length, one per row. `room` is the most tokens that each row can still grow by. `logits`
    /// gets the row-major `[rows, vocabulary]` logits after each row's last token.
    fn prefill(&mut self, prompts: &[&[u32]], room: usize, logits: &mut Logits) -> Result<Self::Cache, ExecutorError>;

    /// Reads one more token per row.
    fn step(&mut self, tokens: &[u32], cache: &mut Self::Cache, logits: &mut Logits) -> Result<(), ExecutorError>;

    /// The cache whose row `i` is row `rows[i]` of the old one: drops rows that ended, copies rows that fork (sequences
    /// from one prompt), reorders beams.
    fn select(&mut self, cache: Self::Cache, rows: &[usize]) -> Result<Self::Cache, ExecutorError>;
}

/// Logits of several rows: `values.len() == rows * vocabulary`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logits {
    /// The logits, row after row.
    pub values: Vec<f32>,
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
}

impl Logits {
    /// The logits of one row. An error if the decoder returned fewer.
    pub fn row(&self, row: usize) -> Result<&[f32], ExecutorError> {
        let (start, end) = (row * self.vocabulary, (row + 1) * self.vocabulary);
        self.values.get(start..end).ok_or_else(|| ExecutorError::Runtime {
            reason: format!("it returned {} logits, too few for row {row} of {}", self.values.len(), self.vocabulary),
        })
    }
}

/// One row after the other, each with its own cache.
impl Decoder for TextSession {
    type Cache = Vec<Rc<KvCache>>;

    fn prefill(&mut self, prompts: &[&[u32]], _room: usize, logits: &mut Logits) -> Result<Self::Cache, ExecutorError> {
        let empty = self.empty_cache()?;
        logits.values.clear();
        prompts.iter().map(|prompt| read(self, prompt, &empty, logits)).collect()
    }

    fn step(&mut self, tokens: &[u32], cache: &mut Self::Cache, logits: &mut Logits) -> Result<(), ExecutorError> {
        logits.values.clear();
        for (token, past) in tokens.iter().zip(cache) {
            *past = read(self, &[*token], past, logits)?;
        }
        Ok(())
    }

    fn select(&mut self, cache: Self::Cache, rows: &[usize]) -> Result<Self::Cache, ExecutorError> {
        Ok(rows.iter().filter_map(|row| cache.get(*row).cloned()).collect())
    }
}

fn read(
    session: &mut TextSession,
    tokens: &[u32],
    past: &KvCache,
    logits: &mut Logits,
) -> Result<Rc<KvCache>, ExecutorError> {
    let (row, cache) = session.forward(tokens, past)?;
    logits.vocabulary = row.len();
    logits.values.extend(row);
    Ok(Rc::new(cache))
}
