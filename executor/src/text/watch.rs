//! Looks for stop strings in tokens whose text is not given out yet.

use super::{StopFilter, TextStream, TextTokenizer};
use crate::error::ExecutorError;

/// Looks for stop strings; does nothing if there are none.
#[derive(Clone, Debug)]
pub(super) struct Watch<'a>(Option<(TextStream<'a>, StopFilter)>);

impl<'a> Watch<'a> {
    /// Looks for these strings.
    pub(super) fn new(tokenizer: &'a TextTokenizer, stops: &[String]) -> Self {
        Self((!stops.is_empty()).then(|| (TextStream::new(tokenizer), StopFilter::new(stops))))
    }

    /// Looks for nothing.
    #[cfg(test)]
    pub(super) const fn idle() -> Self {
        Self(None)
    }

    /// Adds a token.
    pub(super) fn push(&mut self, token: u32) -> Result<(), ExecutorError> {
        if let Some((stream, filter)) = &mut self.0 {
            filter.push(&stream.push(token)?);
        }
        Ok(())
    }

    /// True once a stop string was complete.
    pub(super) fn stopped(&self) -> bool {
        self.0.as_ref().is_some_and(|(_, filter)| filter.stopped())
    }
}
