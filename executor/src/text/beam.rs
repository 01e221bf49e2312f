//! Beam search: the most probable sequences instead of the most probable token each time.
//!
//! The search is that of transformers, in `f64` and with ties decided: of equal scores the earlier beam's comes first,
//! then the token with the lower number, and of ended sequences the one that ended earlier. With B beams and E end
//! tokens, each step
//!
//! 1. takes log-probabilities (logit − ln Σ exp) of each beam, puts the repetition penalty on them, and adds the beam's
//!    score;
//! 2. ranks the max(2, 1 + E)·B best extensions over all beams;
//! 3. lets the first B that did not end go on;
//! 4. adds those that ended and are among the first B to the ended sequences, with their score divided by
//!    length^`length_penalty`, and keeps the B best of these.
//!
//! It is over when no beam goes on, when `early_stopping` is on and B sequences ended, or when the best beam's score,
//! divided by its length^`length_penalty`, is no better than the worst of B ended sequences. With `early_stopping`
//! "never" and a positive `length_penalty` the length there is `max_new_tokens`.

use xenon_protocol::result::FinishReason;

use super::{
    Logits, argmax,
    candidates::{Candidate, Candidates},
    penalty::Penalty,
    watch::Watch,
};
use crate::{error::ExecutorError, model::EarlyStopping};

/// How a beam search goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BeamSettings {
    /// Sequences that are continued side by side.
    pub(super) beams: usize,
    /// The most tokens of a sequence.
    pub(super) most_tokens: usize,
    /// Exponent of the length by which scores are divided: above 0 prefers longer sequences.
    pub(super) length_penalty: f64,
    /// When to stop looking for better ones.
    pub(super) early_stopping: EarlyStopping,
    /// Penalty on tokens that occurred before.
    pub(super) repetition_penalty: f64,
    /// Tokens that end a sequence.
    pub(super) end_tokens: Vec<u32>,
}

/// A beam search under way.
#[derive(Debug)]
pub(super) struct BeamSearch<'a> {
    settings: BeamSettings,
    prompt: &'a [u32],
    running: Vec<Beam<'a>>,
    ended: Vec<EndedBeam>,
    /// Tokens that each running beam has.
    length: usize,
    candidates: Candidates,
}

/// A sequence that may go on.
#[derive(Clone, Debug)]
struct Beam<'a> {
    tokens: Vec<u32>,
    /// Sum of the log-probabilities.
    score: f64,
    watch: Watch<'a>,
    /// Its parent's position among the beams before it.
    parent: usize,
}

/// A sequence that ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EndedBeam {
    /// Its tokens, an end token included.
    pub(super) tokens: Vec<u32>,
    /// Sum of the log-probabilities, divided by length^`length_penalty`.
    pub(super) score: f64,
    /// Why it ended.
    pub(super) reason: FinishReason,
}

impl<'a> BeamSearch<'a> {
    /// A search after a prompt. `watch` looks for stop strings.
    pub(super) fn new(settings: BeamSettings, prompt: &'a [u32], watch: Watch<'a>) -> Self {
        let first = Beam { tokens: Vec::new(), score: 0.0, watch, parent: 0 };
        let candidates = Candidates::default();
        Self { settings, prompt, running: vec![first], ended: Vec::new(), length: 0, candidates }
    }

    /// Extends the beams by a token each. The beams' logits are in the rows from `first_row` on. Afterwards
    /// [`BeamSearch::running`] are those that go on.
    pub(super) fn advance(&mut self, logits: &Logits, first_row: usize) -> Result<(), ExecutorError> {
        let extensions = self.best_extensions(logits, first_row)?;
        let beams = self.settings.beams;
        let (mut running, mut ended) = (Vec::with_capacity(beams), Vec::new());
        for (rank, (parent, token, score)) in extensions.into_iter().enumerate() {
            if rank >= beams && running.len() == beams {
                break;
            }
            let beam = self.running[parent].extended(parent, token, score)?;
            match self.end_of(&beam) {
                Some(reason) if rank < beams => ended.push(self.ended_beam(beam, reason)),
                None if running.len() < beams => running.push(beam),
                _ => {}
            }
        }
        self.running = running;
        self.length += 1;
        self.add_ended(ended);
        if self.is_over() {
            self.running.clear();
        }
        Ok(())
    }

    /// The beams that go on: the position of each one's parent among those before, and its newest token.
    pub(super) fn running(&self) -> impl Iterator<Item = (usize, u32)> {
        self.running.iter().filter_map(|beam| Some((beam.parent, *beam.tokens.last()?)))
    }

    /// True until the search is over.
    pub(super) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Tokens that end a sequence.
    pub(super) fn end_tokens(&self) -> &[u32] {
        &self.settings.end_tokens
    }

    /// The sequences that ended, the best first.
    pub(super) fn into_ended(self) -> Vec<EndedBeam> {
        self.ended
    }

    /// The best extensions over all beams: parent, token and score, the best first.
    fn best_extensions(&mut self, logits: &Logits, first_row: usize) -> Result<Vec<(usize, u32, f64)>, ExecutorError> {
        let scores = self.running.iter().enumerate().map(|(row, beam)| self.scores(beam, logits.row(first_row + row)?));
        let scores = scores.collect::<Result<Vec<_>, _>>()?;
        let all = (0..).zip(scores.into_iter().flatten()).map(|(token, logit)| Candidate { token, logit });
        let count = self.settings.beams * (1 + self.settings.end_tokens.len()).max(2);
        self.candidates.fill(all, count);
        let vocabulary = u32::try_from(logits.vocabulary).unwrap_or(u32::MAX);
        let split = |best: &Candidate| ((best.token / vocabulary) as usize, best.token % vocabulary, best.logit);
        Ok(self.candidates.ranked(count).iter().map(split).collect())
    }

    /// The score of a beam with each token of the vocabulary after it.
    fn scores<'b>(
        &self,
        beam: &Beam<'_>,
        logits: &'b [f32],
    ) -> Result<impl Iterator<Item = f64> + use<'b>, ExecutorError> {
        let largest = argmax::largest(logits).ok_or(ExecutorError::LogitsInvalid)?;
        let largest = f64::from(logits[largest]);
        let total: f64 = logits.iter().map(|logit| libm::exp(f64::from(*logit) - largest)).sum();
        let normaliser = largest + libm::log(total);
        let mut penalty = Penalty::new(self.settings.repetition_penalty);
        penalty.mark(self.prompt);
        penalty.mark(&beam.tokens);
        let score = beam.score;
        let scores = (0_u32..).zip(logits);
        Ok(scores.map(move |(token, logit)| score + penalty.penalised(token, f64::from(*logit) - normaliser)))
    }

    fn end_of(&self, beam: &Beam<'_>) -> Option<FinishReason> {
        let ends = beam.tokens.last().is_some_and(|token| self.settings.end_tokens.contains(token));
        if ends || beam.watch.stopped() {
            return Some(FinishReason::Stop);
        }
        (beam.tokens.len() >= self.settings.most_tokens).then_some(FinishReason::Length)
    }

    fn ended_beam(&self, beam: Beam<'_>, reason: FinishReason) -> EndedBeam {
        let score = self.normalised(beam.score, beam.tokens.len());
        EndedBeam { tokens: beam.tokens, score, reason }
    }

    fn add_ended(&mut self, ended: Vec<EndedBeam>) {
        if self.settings.early_stopping == EarlyStopping::WhenFull && self.is_full() {
            return;
        }
        self.ended.extend(ended);
        self.ended.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.ended.truncate(self.settings.beams);
    }

    fn is_full(&self) -> bool {
        self.ended.len() == self.settings.beams
    }

    fn is_over(&self) -> bool {
        let Some(best) = self.running.first() else { return true };
        let Some(worst) = self.ended.last().filter(|_| self.is_full()) else { return false };
        let unbounded = self.settings.early_stopping == EarlyStopping::Never && self.settings.length_penalty > 0.0;
        let length = if unbounded { self.settings.most_tokens } else { self.length };
        let hopeless = self.normalised(best.score, length) <= worst.score;
        hopeless || self.settings.early_stopping == EarlyStopping::WhenFull
    }

    #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
    fn normalised(&self, score: f64, length: usize) -> f64 {
        score / libm::pow(length as f64, self.settings.length_penalty)
    }
}

impl Beam<'_> {
    fn extended(&self, parent: usize, token: u32, score: f64) -> Result<Self, ExecutorError> {
        let (mut tokens, mut watch) = (Vec::with_capacity(self.tokens.len() + 1), self.watch.clone());
        tokens.extend_from_slice(&self.tokens);
        tokens.push(token);
        watch.push(token)?;
        Ok(Self { tokens, score, watch, parent })
    }
}

#[cfg(test)]
mod tests;
