//! Text to tokens and tokens to text.

use std::path::Path;

use tokenizers::{Tokenizer, models::ModelWrapper};

use crate::error::ExecutorError;

/// What incomplete characters decode to.
const REPLACEMENT: char = '\u{fffd}';
/// Tokens held back at most: far more than one character takes, so that only text that is no text is cut here.
const MAX_HELD: usize = 64;

/// A model's tokenizer.
#[derive(Debug)]
pub struct TextTokenizer {
    tokenizer: Tokenizer,
}

impl TextTokenizer {
    /// Reads `tokenizer.json`. Truncation and padding saved in it belong to training and are switched off.
    pub fn read(path: &Path) -> Result<Self, ExecutorError> {
        let mut tokenizer = Tokenizer::from_file(path).map_err(|error| ExecutorError::invalid(path, &error))?;
        tokenizer.with_truncation(None).map_err(|error| ExecutorError::invalid(path, &error))?;
        tokenizer.with_padding(None);
        match tokenizer.get_model() {
            ModelWrapper::BPE(model) if model.dropout.is_some_and(|share| share > 0.0) => {
                Err(ExecutorError::invalid(path, "it drops merges at random (dropout), so no two nodes would agree"))
            }
            _ => Ok(Self { tokenizer }),
        }
    }

    /// Tokens of a rendered conversation. The text holds its special tokens already, so none are added; those in it are
    /// recognised, as transformers does.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ExecutorError> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(|error| ExecutorError::tokenizer(&error))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Text of tokens, without special tokens.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, ExecutorError> {
        self.tokenizer.decode(tokens, true).map_err(|error| ExecutorError::tokenizer(&error))
    }
}

/// Turns tokens into text as they come, holding back what may still be part of a character.
///
/// The text that [`TextStream::push`] and [`TextStream::finish`] give, put together, is the answer's text: there is no
/// second way to compute it that could differ.
#[derive(Clone, Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a TextTokenizer,
    /// Tokens since the last but one boundary of characters.
    window: Vec<u32>,
    /// Tokens of the window whose text was given out.
    given: usize,
}

impl<'a> TextStream<'a> {
    /// A stream of no tokens.
    pub fn new(tokenizer: &'a TextTokenizer) -> Self {
        Self { tokenizer, window: Vec::new(), given: 0 }
    }

    /// Adds a token and returns the text that is certain now, often empty.
    pub fn push(&mut self, token: u32) -> Result<String, ExecutorError> {
        self.window.push(token);
        let text = self.pending()?;
        let incomplete = text.is_empty() || text.ends_with(REPLACEMENT);
        if incomplete && self.window.len() - self.given < MAX_HELD {
            return Ok(String::new());
        }
        // The next text is decoded with these tokens before it: how a token reads may depend on its neighbour.
        self.window.drain(..self.given);
        self.given = self.window.len();
        Ok(text)
    }

    /// The text held back, with incomplete characters replaced. The stream is empty afterwards.
    pub fn finish(&mut self) -> Result<String, ExecutorError> {
        let text = self.pending()?;
        self.window.clear();
        self.given = 0;
        Ok(text)
    }

    fn pending(&self) -> Result<String, ExecutorError> {
        let given = self.tokenizer.decode(&self.window[..self.given])?;
        let all = self.tokenizer.decode(&self.window)?;
        Ok(all.get(given.len()..).unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokenizer_that_draws_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let read = |dropout: &str| {
            let model =
                format!(r#"{{"type": "BPE", "dropout": {dropout}, "vocab": {{"a": 0, "b": 1}}, "merges": []}}"#);
            std::fs::write(&path, format!(r#"{{"version": "1.0", "model": {model}}}"#)).unwrap();
            TextTokenizer::read(&path)
        };
        let error = read("0.1").unwrap_err();
        assert!(error.code() == "XE-025" && error.to_string().contains("at random"), "{error}");
        assert!(read("null").is_ok() && read("0.0").is_ok());
    }
}
