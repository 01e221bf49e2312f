//! The generation loop.

use xenon_protocol::task::GptTask;

use super::{Decoder, Generated, Logits, TextTokenizer, search::Search};
use crate::{error::ExecutorError, model::ModelConfig};

/// A prompt to continue.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// How to continue it.
    pub task: &'a GptTask,
    /// The prompt's tokens.
    pub prompt: &'a [u32],
}

/// Continues prompts of equal length, each as often as its task asks for. They share passes: a prompt is read once, and
/// all its sequences start from its cache.
///
/// `on_text` is called with the index of the request, the index of the sequence and each piece of its text. Each
/// request has its own result. The outer error is one of the decoder, and ends all of them.
pub fn generate<D: Decoder>(
    decoder: &mut D,
    tokenizer: &TextTokenizer,
    config: &ModelConfig,
    requests: &[Request<'_>],
    mut on_text: impl FnMut(usize, u32, &str),
) -> Result<Vec<Result<Vec<Generated>, ExecutorError>>, ExecutorError> {
    let prompts: Vec<_> = requests.iter().map(|request| request.prompt).collect();
    let room = requests.iter().map(|request| request.task.generation_config.max_new_tokens as usize).max();
    let mut running: Vec<_> =
        requests.iter().enumerate().map(|(row, request)| Running::new(row, tokenizer, config, *request)).collect();
    let mut logits = Logits::default();
    let mut cache = decoder.prefill(&prompts, room.unwrap_or(0), &mut logits)?;
    let (mut next, mut rows) = (Next::default(), requests.len());
    loop {
        next.clear();
        for (index, request) in running.iter_mut().enumerate() {
            request.advance(&logits, &mut next, &mut |sequence, text| on_text(index, sequence, text));
        }
        if next.rows.is_empty() {
            break;
        }
        if !next.keeps(rows) {
            cache = decoder.select(cache, &next.rows)?;
        }
        rows = next.rows.len();
        decoder.step(&next.tokens, &mut cache, &mut logits)?;
    }
    let finished = running.into_iter().enumerate();
    Ok(finished.map(|(index, request)| request.finish(&mut |sequence, text| on_text(index, sequence, text))).collect())
}

/// The rows of the next pass: which row of the last pass each goes on from, and with which token.
#[derive(Default)]
pub(super) struct Next {
    pub(super) rows: Vec<usize>,
    pub(super) tokens: Vec<u32>,
}

impl Next {
    pub(super) fn push(&mut self, row: usize, token: u32) {
        self.rows.push(row);
        self.tokens.push(token);
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.tokens.clear();
    }

    /// True if these are the rows of the last pass in their order.
    fn keeps(&self, rows: usize) -> bool {
        self.rows.len() == rows && self.rows.iter().enumerate().all(|(index, row)| index == *row)
    }
}

/// A request under way.
struct Running<'a> {
    search: Result<Search<'a>, ExecutorError>,
    /// Its first row in the last pass.
    first_row: usize,
}

impl<'a> Running<'a> {
    fn new(row: usize, tokenizer: &'a TextTokenizer, config: &'a ModelConfig, request: Request<'a>) -> Self {
        Self { search: Ok(Search::new(tokenizer, config, request)), first_row: row }
    }

    fn advance(&mut self, logits: &Logits, next: &mut Next, on_text: &mut dyn FnMut(u32, &str)) {
        let (first_row, start) = (self.first_row, next.rows.len());
        let Ok(search) = &mut self.search else { return };
        if let Err(error) = search.advance(logits, first_row, next, on_text) {
            next.rows.truncate(start);
            next.tokens.truncate(start);
            self.search = Err(error);
        }
        self.first_row = start;
    }

    fn finish(self, on_text: &mut dyn FnMut(u32, &str)) -> Result<Vec<Generated>, ExecutorError> {
        self.search?.finish(on_text)
    }
}
