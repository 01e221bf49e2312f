//! Rows of a session: in shared passes where that cannot change a result, one by one where it can.

use super::{Decoder, KvCache, Logits, TextSession};
use crate::error::ExecutorError;

/// A session that several sequences use at once.
#[derive(Debug)]
pub struct RowDecoder<'a> {
    session: &'a mut TextSession,
    shares_passes: bool,
    /// The logits of one row, where rows have passes of their own.
    one: Logits,
}

/// The caches of rows.
#[derive(Debug)]
pub enum Rows {
    /// One cache for all, read in one pass.
    Together(KvCache),
    /// A cache and a pass for each.
    Apart(Vec<KvCache>),
}

impl<'a> RowDecoder<'a> {
    /// `shares_passes` says that the model's results do not depend on how many rows a pass has: it was measured, and stands
    /// in the model's manifest.
    pub fn new(session: &'a mut TextSession, shares_passes: bool) -> Self {
        Self { session, shares_passes, one: Logits::default() }
    }

    fn forward(&mut self, rows: &[&[u32]], caches: &mut [KvCache], logits: &mut Logits) -> Result<(), ExecutorError> {
        logits.values.clear();
        for (row, cache) in rows.iter().zip(caches) {
            self.session.forward(&[row], cache, &mut self.one)?;
            logits.values.extend_from_slice(&self.one.values);
            logits.vocabulary = self.one.vocabulary;
        }
        Ok(())
    }

    /// Rows that stay keep their cache; only those that fork are copied.
    fn select_apart(&mut self, caches: Vec<KvCache>, rows: &[usize]) -> Result<Vec<KvCache>, ExecutorError> {
        let mut left: Vec<Option<KvCache>> = caches.into_iter().map(Some).collect();
        let mut chosen = Vec::with_capacity(rows.len());
        for (place, row) in rows.iter().enumerate() {
            let is_last = !rows[place + 1..].contains(row);
            let cache = if is_last { left[*row].take() } else { None };
            let cache = match (cache, &left[*row]) {
                (Some(cache), _) => cache,
                (None, Some(cache)) => self.session.fork(cache)?,
                (None, None) => return Err(ExecutorError::Runtime { reason: "a row was taken twice".to_owned() }),
            };
            chosen.push(cache);
        }
        Ok(chosen)
    }
}

impl Decoder for RowDecoder<'_> {
    type Cache = Rows;

    fn prefill(&mut self, prompts: &[&[u32]], room: usize, logits: &mut Logits) -> Result<Rows, ExecutorError> {
        let room = room + prompts.first().map_or(0, |prompt| prompt.len());
        if self.shares_passes || prompts.len() == 1 {
            let mut cache = self.session.empty_cache(prompts.len(), room)?;
            self.session.forward(prompts, &mut cache, logits)?;
            return Ok(Rows::Together(cache));
        }
        let caches = prompts.iter().map(|_| self.session.empty_cache(1, room));
        let mut caches: Vec<_> = caches.collect::<Result<_, _>>()?;
        self.forward(prompts, &mut caches, logits)?;
        Ok(Rows::Apart(caches))
    }

    fn step(&mut self, tokens: &[u32], cache: &mut Rows, logits: &mut Logits) -> Result<(), ExecutorError> {
        let rows: Vec<_> = tokens.chunks_exact(1).collect();
        match cache {
            Rows::Together(cache) => self.session.forward(&rows, cache, logits),
            Rows::Apart(caches) => self.forward(&rows, caches, logits),
        }
    }

    fn select(&mut self, cache: Rows, rows: &[usize]) -> Result<Rows, ExecutorError> {
        match cache {
            Rows::Together(cache) if rows.iter().copied().eq(0..cache.rows()) => Ok(Rows::Together(cache)),
            Rows::Together(cache) if self.shares_passes || (cache.rows() == 1 && rows.len() <= 1) => {
                Ok(Rows::Together(self.session.select(&cache, rows)?))
            }
            // One row of its own becomes several.
            Rows::Together(cache) => Ok(Rows::Apart(self.select_apart(vec![cache], rows)?)),
            Rows::Apart(caches) => Ok(Rows::Apart(self.select_apart(caches, rows)?)),
        }
    }
}
