//! The text of a sequence while it grows.

use xenon_protocol::result::FinishReason;

use super::{StopFilter, TextStream, TextTokenizer};
use crate::error::ExecutorError;

/// One generated sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Its text, without special tokens and without the stop string.
    pub text: String,
    /// Every token that was chosen, an end token and those of a stop string included.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// The text of a sequence while it grows: tokens become text, and text is given out once it is certain.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    stream: TextStream<'a>,
    filter: StopFilter,
    text: String,
}

impl<'a> Answer<'a> {
    pub(super) fn new(tokenizer: &'a TextTokenizer, stops: &[String]) -> Self {
        Self { stream: TextStream::new(tokenizer), filter: StopFilter::new(stops), text: String::new() }
    }

    /// Adds a token that is part of the text. `on_text` gets what is certain now.
    pub(super) fn push(&mut self, token: u32, on_text: &mut dyn FnMut(&str)) -> Result<(), ExecutorError> {
        let text = self.stream.push(token)?;
        let text = self.filter.push(&text);
        self.give(&text, on_text);
        Ok(())
    }

    /// True once a stop string was complete.
    pub(super) fn stopped(&self) -> bool {
        self.filter.stopped()
    }

    /// Gives out what was held back, in which a stop string may be complete after all.
    pub(super) fn finish(
        &mut self,
        tokens: Vec<u32>,
        reason: FinishReason,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Generated, ExecutorError> {
        let text = self.stream.finish()?;
        let text = self.filter.push(&text);
        self.give(&text, on_text);
        let finish_reason = if self.filter.stopped() { FinishReason::Stop } else { reason };
        let text = self.filter.finish();
        self.give(&text, on_text);
        Ok(Generated { text: std::mem::take(&mut self.text), tokens, finish_reason })
    }

    fn give(&mut self, text: &str, on_text: &mut dyn FnMut(&str)) {
        if !text.is_empty() {
            self.text.push_str(text);
            on_text(text);
        }
    }
}
