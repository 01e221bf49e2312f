//! What generation needs of a language model.

use crate::error::ExecutorError;

/// Runs a language model over rows: sequences of equal length that go on together.
pub trait Decoder {
    /// What the model remembers of the rows' tokens.
    type Cache;

    /// Reads prompts of equal length, one per row. `room` is the most tokens that each row can still grow by. `logits` gets
    /// those after each row's last token.
    fn prefill(&mut self, prompts: &[&[u32]], room: usize, logits: &mut Logits) -> Result<Self::Cache, ExecutorError>;

    /// Reads one more token per row. `logits` gets those after it.
    fn step(&mut self, tokens: &[u32], cache: &mut Self::Cache, logits: &mut Logits) -> Result<(), ExecutorError>;

    /// The cache whose row i is row `rows[i]` of the old one: drops rows that ended, copies rows that fork (several
    /// sequences from one prompt), reorders beams.
    fn select(&mut self, cache: Self::Cache, rows: &[usize]) -> Result<Self::Cache, ExecutorError>;
}

/// The logits of several rows, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logits {
    /// `rows * vocabulary` numbers.
    pub values: Vec<f32>,
    /// Numbers per row.
    pub vocabulary: usize,
}

impl Logits {
    /// The logits of one row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.vocabulary..][..self.vocabulary]
    }

    /// How many rows there are.
    pub const fn rows(&self) -> usize {
        match self.values.len().checked_div(self.vocabulary) {
            Some(rows) => rows,
            None => 0,
        }
    }
}
