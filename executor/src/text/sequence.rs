//! One sequence whose tokens are chosen one at a time.

use xenon_protocol::result::FinishReason;

use super::{Sampler, answer::Answer};
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
    /// Why it ended, once it did.
    pub(super) ended: Option<FinishReason>,
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
        self.ended = self.end_with(token, end_tokens, on_text)?;
        Ok(self.ended.is_none().then_some(token))
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
