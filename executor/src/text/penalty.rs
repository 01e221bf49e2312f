//! The repetition penalty.

use super::candidates::Candidate;

/// More tokens than any vocabulary has.
const MOST_TOKENS: usize = 1 << 24;

/// The penalty on tokens that occurred, and which did.
#[derive(Clone, Debug)]
pub(super) struct Penalty {
    factor: f64,
    occurred: Vec<bool>,
}

impl Penalty {
    /// A penalty with this factor; 1 has no effect.
    pub(super) const fn new(factor: f64) -> Self {
        Self { factor, occurred: Vec::new() }
    }

    /// True if it has no effect.
    #[expect(clippy::float_cmp, reason = "exactly 1 changes nothing")]
    pub(super) fn is_idle(&self) -> bool {
        self.factor == 1.0
    }

    /// These tokens occurred.
    pub(super) fn mark(&mut self, tokens: &[u32]) {
        if self.is_idle() {
            return;
        }
        // No vocabulary is larger, and a number beyond it is no token of the model's.
        for token in tokens.iter().map(|token| *token as usize).filter(|token| *token < MOST_TOKENS) {
            if self.occurred.len() <= token {
                self.occurred.resize(token + 1, false);
            }
            self.occurred[token] = true;
        }
    }

    /// Every token with its logit after the penalty, divided by the temperature.
    pub(super) fn apply(&self, logits: &[f32], temperature: f64) -> impl Iterator<Item = Candidate> {
        (0_u32..).zip(logits).map(move |(token, logit)| {
            let logit = self.penalised(token, f64::from(*logit)) / temperature;
            Candidate { token, logit }
        })
    }

    /// The logit of a token after the penalty.
    pub(super) fn penalised(&self, token: u32, logit: f64) -> f64 {
        match self.occurred.get(token as usize) {
            Some(true) if logit > 0.0 => logit / self.factor,
            Some(true) => logit * self.factor,
            _ => logit,
        }
    }
}
