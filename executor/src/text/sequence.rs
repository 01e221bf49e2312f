//! One sequence whose tokens are chosen one at a time.

use xenon_protocol::result::FinishReason;

use super::{Generated, Sampler, answer::Answer};
use crate::error::ExecutorError;

/// A sequence while it grows.
#[derive(Debug)]
pub(super) struct Sequence<'a> {
    pub(super) sampler: Sampler,
    pub(super) answer: Answer<'a>,
    /// The most tokens of the answer.
    pub(super) most_tokens: usize,
    pub(super) tokens: Vec<u32>,
    /// Which of its request's rows holds its logits.
    pub(super) row: usize,
    /// What it became, once it ended.
    pub(super) ended: Option<Generated>,
}

impl Sequence<'_> {
    /// Chooses the next token from the logits of the sequence's row. Returns it if the sequence goes on.
    pub(super) fn advance(
        &mut self,
        logits: &[f32],
        end_tokens: &[u32],
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Option<u32>, ExecutorError> {
        let token = self.sampler.choose(logits)?;
        self.tokens.push(token);
        let Some(reason) = self.end_with(token, end_tokens, on_text)? else { return Ok(Some(token)) };
        let tokens = std::mem::take(&mut self.tokens);
        self.ended = Some(self.answer.finish(tokens, reason, on_text)?);
        Ok(None)
    }

    fn end_with(
        &mut self,
        token: u32,
        end_tokens: &[u32],
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Option<FinishReason>, ExecutorError> {
        if end_tokens.contains(&token) {
            return Ok(Some(FinishReason::Stop));
        }
        self.answer.push(token, on_text)?;
        if self.answer.stopped() {
            return Ok(Some(FinishReason::Stop));
        }
        Ok((self.tokens.len() >= self.most_tokens).then_some(FinishReason::Length))
    }
}
