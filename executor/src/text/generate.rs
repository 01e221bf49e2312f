//! The generation loop.

use xenon_protocol::{result::FinishReason, task::GptTask};

use super::{KvCache, Logits, Sampler, SamplerSettings, StopFilter, TextSession, TextStream, TextTokenizer};
use crate::{error::ExecutorError, model::ModelConfig};

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

/// Continues a prompt as often as the task asks for. The prompt is read once and all sequences start from its cache.
/// `on_text` is called with the index of the sequence and each piece of its text.
pub fn generate(
    session: &mut TextSession,
    tokenizer: &TextTokenizer,
    config: &ModelConfig,
    task: &GptTask,
    prompt: &[u32],
    mut on_text: impl FnMut(u32, &str),
) -> Result<Vec<Generated>, ExecutorError> {
    let settings = SamplerSettings::resolve(&task.generation_config, &config.defaults);
    let mut cache = session.empty_cache(1, prompt.len() + task.generation_config.max_new_tokens as usize)?;
    let mut logits = Logits::default();
    session.forward(&[prompt], &mut cache, &mut logits)?;
    let mut sequences = Vec::new();
    for index in 0..task.generation_config.num_return_sequences {
        let sequence = Sequence {
            sampler: Sampler::new(settings, task.seed, index, prompt),
            end_tokens: &config.end_tokens,
            most_tokens: task.generation_config.max_new_tokens as usize,
            tokens: Vec::new(),
            answer: Answer::new(tokenizer, task, |text: &str| on_text(index, text)),
        };
        sequences.push(sequence.run(session, logits.clone(), session.fork(&cache)?)?);
    }
    Ok(sequences)
}

/// A sequence while it grows.
struct Sequence<'a, F> {
    sampler: Sampler,
    end_tokens: &'a [u32],
    most_tokens: usize,
    tokens: Vec<u32>,
    answer: Answer<'a, F>,
}

impl<F: FnMut(&str)> Sequence<'_, F> {
    /// Adds tokens until one ends the sequence. `logits` and `prompt` are the state after the prompt.
    fn run(
        mut self,
        session: &mut TextSession,
        mut logits: Logits,
        mut cache: KvCache,
    ) -> Result<Generated, ExecutorError> {
        loop {
            let token = self.sampler.choose(logits.row(0))?;
            if let Some(reason) = self.push(token)? {
                return self.answer.finish(self.tokens, reason);
            }
            session.forward(&[&[token]], &mut cache, &mut logits)?;
        }
    }

    /// Adds a token; returns the reason if it was the last.
    fn push(&mut self, token: u32) -> Result<Option<FinishReason>, ExecutorError> {
        self.tokens.push(token);
        if self.end_tokens.contains(&token) {
            return Ok(Some(FinishReason::Stop));
        }
        self.answer.push(token)?;
        if self.answer.filter.stopped() {
            return Ok(Some(FinishReason::Stop));
        }
        Ok((self.tokens.len() >= self.most_tokens).then_some(FinishReason::Length))
    }
}

/// The text of a sequence while it grows: tokens become text, and text is given out once it is certain.
struct Answer<'a, F> {
    stream: TextStream<'a>,
    filter: StopFilter,
    text: String,
    on_text: F,
}

impl<'a, F: FnMut(&str)> Answer<'a, F> {
    fn new(tokenizer: &'a TextTokenizer, task: &GptTask, on_text: F) -> Self {
        let stops = task.generation_config.stop_strings.as_deref().unwrap_or_default();
        Self { stream: TextStream::new(tokenizer), filter: StopFilter::new(stops), text: String::new(), on_text }
    }

    fn push(&mut self, token: u32) -> Result<(), ExecutorError> {
        let text = self.stream.push(token)?;
        let text = self.filter.push(&text);
        self.give(&text);
        Ok(())
    }

    /// Gives out what was held back. A stop string may be completed by it.
    fn finish(mut self, tokens: Vec<u32>, reason: FinishReason) -> Result<Generated, ExecutorError> {
        let text = self.stream.finish()?;
        let text = self.filter.push(&text);
        self.give(&text);
        let reason = if self.filter.stopped() { FinishReason::Stop } else { reason };
        let text = self.filter.finish();
        self.give(&text);
        Ok(Generated { text: self.text, tokens, finish_reason: reason })
    }

    fn give(&mut self, text: &str) {
        if !text.is_empty() {
            self.text.push_str(text);
            (self.on_text)(text);
        }
    }
}
