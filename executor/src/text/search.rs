//! What a request's rows are for: sequences that are drawn, or the beams of a search.

use super::{
    Generated, Logits, Sampler, SamplerSettings, TextTokenizer,
    answer::Answer,
    beam::{BeamSearch, BeamSettings},
    generate::{Next, Request},
    sequence::Sequence,
    watch::Watch,
};
use crate::{error::ExecutorError, model::ModelConfig};

/// The sequences of a request while they grow.
pub(super) enum Search<'a> {
    /// Each chooses its own tokens.
    Sequences { sequences: Vec<Sequence<'a>>, end_tokens: &'a [u32] },
    /// They compete.
    Beams(Box<BeamsOf<'a>>),
}

/// A beam search, and what its sequences become in the end.
pub(super) struct BeamsOf<'a> {
    search: BeamSearch<'a>,
    wanted: usize,
    stops: &'a [String],
    tokenizer: &'a TextTokenizer,
}

impl<'a> Search<'a> {
    pub(super) fn new(tokenizer: &'a TextTokenizer, config: &'a ModelConfig, request: Request<'a>) -> Self {
        let generation = &request.task.generation_config;
        let stops = generation.stop_strings.as_deref().unwrap_or_default();
        if generation.num_beams > 1 {
            let search = BeamSearch::new(beam_settings(config, request), request.prompt, Watch::new(tokenizer, stops));
            let wanted = generation.num_return_sequences as usize;
            return Self::Beams(Box::new(BeamsOf { search, wanted, stops, tokenizer }));
        }
        let settings = SamplerSettings::resolve(generation, &config.defaults);
        let sequences = (0..generation.num_return_sequences).map(|index| Sequence {
            sampler: Sampler::new(settings, request.task.seed, index, request.prompt),
            answer: Answer::new(tokenizer, stops),
            most_tokens: generation.max_new_tokens as usize,
            tokens: Vec::new(),
            row: 0,
            ended: None,
        });
        Self::Sequences { sequences: sequences.collect(), end_tokens: &config.end_tokens }
    }

    /// Chooses the next tokens from the request's rows, which begin at `first_row`, and says with `next` which rows go
    /// on.
    pub(super) fn advance(
        &mut self,
        logits: &Logits,
        first_row: usize,
        next: &mut Next,
        on_text: &mut dyn FnMut(u32, &str),
    ) -> Result<(), ExecutorError> {
        match self {
            Self::Sequences { sequences, end_tokens } => {
                advance_sequences(sequences, end_tokens, logits, first_row, next, on_text)
            }
            Self::Beams(beams) => {
                // A search that is over has no beams, and takes no more logits.
                if beams.search.is_running() {
                    beams.search.advance(logits, first_row)?;
                }
                beams.search.running().for_each(|(row, token)| next.push(first_row + row, token));
                Ok(())
            }
        }
    }

    pub(super) fn finish(self, on_text: &mut dyn FnMut(u32, &str)) -> Result<Vec<Generated>, ExecutorError> {
        match self {
            Self::Sequences { sequences, .. } => {
                Ok(sequences.into_iter().filter_map(|sequence| sequence.ended).collect())
            }
            Self::Beams(beams) => beams.finish(on_text),
        }
    }
}

fn advance_sequences(
    sequences: &mut [Sequence<'_>],
    end_tokens: &[u32],
    logits: &Logits,
    first_row: usize,
    next: &mut Next,
    on_text: &mut dyn FnMut(u32, &str),
) -> Result<(), ExecutorError> {
    let start = next.rows.len();
    for (index, sequence) in (0..).zip(sequences).filter(|(_, sequence)| sequence.ended.is_none()) {
        let row = first_row + sequence.row;
        let token = sequence.advance(logits.row(row)?, end_tokens, &mut |text| on_text(index, text))?;
        if let Some(token) = token {
            sequence.row = next.rows.len() - start;
            next.push(row, token);
        }
    }
    Ok(())
}

fn beam_settings(config: &ModelConfig, request: Request<'_>) -> BeamSettings {
    let (generation, defaults) = (&request.task.generation_config, &config.defaults);
    BeamSettings {
        beams: generation.num_beams as usize,
        most_tokens: generation.max_new_tokens as usize,
        length_penalty: defaults.length_penalty.unwrap_or(1.0),
        early_stopping: defaults.early_stopping.unwrap_or_default(),
        repetition_penalty: SamplerSettings::resolve(generation, defaults).repetition_penalty,
        end_tokens: config.end_tokens.clone(),
    }
}

impl BeamsOf<'_> {
    fn finish(self, on_text: &mut dyn FnMut(u32, &str)) -> Result<Vec<Generated>, ExecutorError> {
        let (tokenizer, stops, end_tokens) = (self.tokenizer, self.stops, self.search.end_tokens().to_vec());
        let best = (0..).zip(self.search.into_ended().into_iter().take(self.wanted));
        best.map(|(index, beam)| {
            let mut answer = Answer::new(tokenizer, stops);
            let on_text = &mut |text: &str| on_text(index, text);
            for token in beam.tokens.iter().filter(|token| !end_tokens.contains(token)) {
                answer.push(*token, on_text)?;
            }
            answer.finish(beam.tokens, beam.reason, on_text)
        })
        .collect()
    }
}
