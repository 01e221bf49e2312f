//! A decoder whose logits are a function of each row's own tokens.

use xenon_executor::{
    ExecutorError,
    text::{Decoder, Logits},
};

/// A decoder without a model. It checks that it is used as the trait says.
#[derive(Debug)]
pub(crate) struct FakeDecoder {
    pub(crate) vocabulary: usize,
    /// Rows of each pass.
    pub(crate) passes: Vec<usize>,
    /// The pass that fails if it has several rows.
    pub(crate) failing_pass: Option<usize>,
    /// Rows that there is memory for: a pass of more fails, always.
    pub(crate) most_rows: usize,
    /// The first token of prompts whose logits are not numbers.
    pub(crate) damaged: Option<u32>,
}

/// The tokens of each row, and how many it may have.
#[derive(Debug)]
pub(crate) struct FakeCache {
    rows: Vec<Vec<u32>>,
    most: usize,
}

impl FakeDecoder {
    pub(crate) fn new(vocabulary: usize) -> Self {
        Self { vocabulary, passes: Vec::new(), failing_pass: None, most_rows: usize::MAX, damaged: None }
    }

    fn pass(&mut self, cache: &FakeCache, logits: &mut Logits) -> Result<(), ExecutorError> {
        let length = cache.rows.first().map_or(0, Vec::len);
        assert!(cache.rows.iter().all(|row| row.len() == length), "rows are of different lengths");
        assert!(length <= cache.most, "a row has {length} tokens, and there was room for {}", cache.most);
        let fails_here = self.failing_pass == Some(self.passes.len()) && cache.rows.len() > 1;
        if fails_here || cache.rows.len() > self.most_rows {
            return Err(ExecutorError::OutOfMemory { reason: "too many rows".to_owned() });
        }
        self.passes.push(cache.rows.len());
        logits.vocabulary = self.vocabulary;
        logits.values = cache.rows.iter().flat_map(|row| self.logits(row)).collect();
        Ok(())
    }

    fn logits(&self, row: &[u32]) -> Vec<f32> {
        if row.first().copied() == self.damaged {
            return vec![f32::NAN; self.vocabulary];
        }
        let mut state = row.iter().fold(0x9e37_79b9_7f4a_7c15, |state, token| mix(state ^ u64::from(*token)));
        let logit = |_| {
            state = mix(state);
            f32::from(u16::try_from(state >> 48).unwrap()) / 8192.0
        };
        (0..self.vocabulary).map(logit).collect()
    }
}

/// One step of the generator `SplitMix64`.
fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Decoder for FakeDecoder {
    type Cache = FakeCache;

    fn prefill(&mut self, prompts: &[&[u32]], room: usize, logits: &mut Logits) -> Result<FakeCache, ExecutorError> {
        let rows: Vec<Vec<u32>> = prompts.iter().map(|prompt| prompt.to_vec()).collect();
        let most = rows.first().map_or(0, Vec::len) + room;
        let cache = FakeCache { rows, most };
        self.pass(&cache, logits)?;
        Ok(cache)
    }

    fn step(&mut self, tokens: &[u32], cache: &mut FakeCache, logits: &mut Logits) -> Result<(), ExecutorError> {
        assert_eq!(tokens.len(), cache.rows.len());
        for (row, token) in cache.rows.iter_mut().zip(tokens) {
            row.push(*token);
        }
        self.pass(cache, logits)
    }

    fn select(&mut self, cache: FakeCache, rows: &[usize]) -> Result<FakeCache, ExecutorError> {
        Ok(FakeCache { rows: rows.iter().map(|row| cache.rows[*row].clone()).collect(), most: cache.most })
    }
}
