//! The tokens that may be chosen, and what narrows them down.
//!
//! The steps are those of transformers' logits warpers. Vectors are kept from token to token, so that nothing is
//! allocated once they have grown.

use std::cmp::Ordering;

/// Candidates at least collected before the first are dropped again.
const LEAST_ROOM: usize = 1024;
/// Candidates ranked at first when it is not known how many are needed.
const FIRST_RANKED: usize = 256;

/// A token that may be chosen, with its logit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) token: u32,
    pub(super) logit: f64,
}

/// The tokens that may be chosen, by rising number.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidates {
    kept: Vec<Candidate>,
    /// The same in another order, while a step needs it.
    ranked: Vec<Candidate>,
}

impl Candidates {
    /// Takes the k best of all, those equal to the k-th included; 0 means all. Impossible tokens are left out. Goes
    /// through the tokens once, and drops what cannot be among the k best as it goes.
    pub(super) fn fill(&mut self, all: impl Iterator<Item = Candidate>, k: usize) {
        let k = if k == 0 { usize::MAX } else { k };
        let (mut least, mut room) = (f64::NEG_INFINITY, k.saturating_mul(2).max(LEAST_ROOM));
        self.kept.clear();
        for candidate in all {
            if candidate.logit < least || candidate.logit == f64::NEG_INFINITY {
                continue;
            }
            self.kept.push(candidate);
            if self.kept.len() >= room && self.kept.len() > k {
                least = self.drop_below(k);
                room = room.max(2 * self.kept.len());
            }
        }
        if self.kept.len() > k {
            self.drop_below(k);
        }
    }

    /// Drops what is below the k-th best, and returns its logit. There are more than k.
    fn drop_below(&mut self, k: usize) -> f64 {
        self.ranked.clone_from(&self.kept);
        let (_, least, _) = self.ranked.select_nth_unstable_by(k - 1, by_rank);
        let least = least.logit;
        self.kept.retain(|candidate| candidate.logit >= least);
        least
    }

    /// Keeps a token if those ranked before it hold less than the probability p. The first always stays.
    pub(super) fn keep_top_p(&mut self, p: f64) {
        if p >= 1.0 || self.kept.is_empty() {
            return;
        }
        let largest = self.largest();
        let bound = p * self.kept.iter().map(|candidate| weight(candidate, largest)).sum::<f64>();
        self.ranked.clone_from(&self.kept);
        if let Some(last) = last_within(&mut self.ranked, largest, bound) {
            self.kept.retain(|candidate| by_rank(candidate, &last) != Ordering::Greater);
        }
    }

    /// Keeps the tokens that have at least this share of the most probable one's probability.
    pub(super) fn keep_min_p(&mut self, share: f64) {
        if share > 0.0 {
            let largest = self.largest();
            self.kept.retain(|candidate| weight(candidate, largest) >= share);
        }
    }

    /// Keeps the tokens whose surprise is nearest to the distribution's entropy, as many as hold the probability
    /// `mass`, with all that are as near as the last of them.
    pub(super) fn keep_typical(&mut self, mass: f64) {
        if mass >= 1.0 || self.kept.is_empty() {
            return;
        }
        let largest = self.largest();
        let total: f64 = self.kept.iter().map(|candidate| weight(candidate, largest)).sum();
        let logarithm = libm::log(total);
        let surprise = |candidate: &Candidate| logarithm - (candidate.logit - largest);
        let entropy: f64 =
            self.kept.iter().map(|candidate| weight(candidate, largest) / total * surprise(candidate)).sum();
        let distance = |candidate: &Candidate| (surprise(candidate) - entropy).abs();
        self.ranked.clone_from(&self.kept);
        self.ranked.sort_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.token.cmp(&b.token)));
        let mut held = 0.0;
        let last = self.ranked.iter().find(|candidate| {
            held += weight(candidate, largest);
            held >= mass * total
        });
        if let Some(farthest) = last.map(distance) {
            self.kept.retain(|candidate| distance(candidate) <= farthest);
        }
    }

    /// The first token, by rising number, at which the running sum of probabilities exceeds u.
    pub(super) fn pick(&self, u: f64) -> Option<u32> {
        let largest = self.largest();
        let total: f64 = self.kept.iter().map(|candidate| weight(candidate, largest)).sum();
        let mut sum = 0.0;
        let chosen = self.kept.iter().find(|candidate| {
            sum += weight(candidate, largest);
            sum > u * total
        });
        // u is below 1 and both sums are formed alike, so one is found if there is any.
        chosen.or(self.kept.last()).map(|candidate| candidate.token)
    }

    /// The k best by falling logit, equal ones by rising number.
    pub(super) fn ranked(&mut self, k: usize) -> &[Candidate] {
        self.ranked.clone_from(&self.kept);
        self.ranked.sort_unstable_by(by_rank);
        self.ranked.truncate(k);
        &self.ranked
    }

    /// What is left, by rising number.
    #[cfg(test)]
    pub(super) fn kept(&self) -> &[Candidate] {
        &self.kept
    }

    fn largest(&self) -> f64 {
        self.kept.iter().fold(
            f64::NEG_INFINITY,
            |largest, candidate| {
                if candidate.logit > largest { candidate.logit } else { largest }
            },
        )
    }
}

/// The last candidate, by rank, before which there is less than `bound`; none if all are kept. Ranks no more of them
/// than needed, to twice as many each time.
fn last_within(candidates: &mut [Candidate], largest: f64, bound: f64) -> Option<Candidate> {
    let (mut start, mut before, mut last) = (0, 0.0, None);
    while start < candidates.len() {
        let end = (2 * start).max(FIRST_RANKED).min(candidates.len());
        let rest = &mut candidates[start..];
        if start + rest.len() > end {
            rest.select_nth_unstable_by(end - start - 1, by_rank);
        }
        rest[..end - start].sort_unstable_by(by_rank);
        for candidate in &rest[..end - start] {
            if last.is_some() && before >= bound {
                return last;
            }
            before += weight(candidate, largest);
            last = Some(*candidate);
        }
        start = end;
    }
    None
}

/// Falling logits, then rising numbers.
fn by_rank(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.partial_cmp(&a.logit).unwrap_or(Ordering::Equal).then(a.token.cmp(&b.token))
}

/// A candidate's probability, but for a common factor.
fn weight(candidate: &Candidate, largest: f64) -> f64 {
    libm::exp(candidate.logit - largest)
}

#[cfg(test)]
mod tests;
