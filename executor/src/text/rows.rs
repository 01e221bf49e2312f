//! Rows of a session: in shared passes where that cannot change a result, one by one where it can.

use super::{Decoder, KvCache, Logits, TextSession};
use crate::error::ExecutorError;

/// Tokens of a prompt that are read in one pass on the processor, where what a pass computes on takes memory of the
/// machine: logits of every token, and the scores of each with all before it. More make nothing faster there.
const PART: usize = 128;

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

    /// The session.
    pub const fn session(&self) -> &TextSession {
        self.session
    }

    fn forward(&mut self, rows: &[&[u32]], caches: &mut [KvCache], logits: &mut Logits) -> Result<(), ExecutorError> {
        logits.values.clear();
        for (row, cache) in rows.iter().zip(caches) {
            read(self.session, &[row], cache, &mut self.one)?;
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

/// Reads rows of one length after what is in their cache. `logits` gets those after the last token of each.
fn read(
    session: &mut TextSession,
    rows: &[&[u32]],
    cache: &mut KvCache,
    logits: &mut Logits,
) -> Result<(), ExecutorError> {
    let width = rows.first().map_or(0, |row| row.len());
    let part = part(session, width);
    for start in (0..width).step_by(part.max(1)) {
        let end = width.min(start + part);
        let parts: Vec<_> = rows.iter().map(|row| &row[start..end]).collect();
        session.forward(&parts, cache, logits)?;
    }
    Ok(())
}

/// How many tokens of so many are read in one pass.
fn part(session: &TextSession, width: usize) -> usize {
    if session.reads_in_parts() { width.min(PART) } else { width }
}

impl Decoder for RowDecoder<'_> {
    type Cache = Rows;

    fn prefill(&mut self, prompts: &[&[u32]], room: usize, logits: &mut Logits) -> Result<Rows, ExecutorError> {
        let width = prompts.first().map_or(0, |prompt| prompt.len());
        let room = room + width;
        // Fused attention reads parts of one row only.
        let shares_passes = self.shares_passes && part(self.session, width) == width;
        if shares_passes || prompts.len() == 1 {
            let mut cache = self.session.empty_cache(prompts.len(), room)?;
            read(self.session, prompts, &mut cache, logits)?;
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
