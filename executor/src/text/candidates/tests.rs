//! Each step against its definition, done plainly.
#![allow(clippy::float_cmp, reason = "equal ones are equal to the bit")]

use proptest::{collection::vec, prelude::*};

use super::*;

fn all(logits: &[f64]) -> Vec<Candidate> {
    (0_u32..).zip(logits).map(|(token, logit)| Candidate { token, logit: *logit }).collect()
}

fn filled(logits: &[f64], k: usize) -> Candidates {
    let mut candidates = Candidates::default();
    candidates.fill(all(logits).into_iter(), k);
    candidates
}

fn tokens(candidates: &Candidates) -> Vec<u32> {
    candidates.kept.iter().map(|candidate| candidate.token).collect()
}

fn probabilities(logits: &[f64]) -> Vec<f64> {
    let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
    logits.iter().map(|logit| logit.exp() / total).collect()
}

fn numbers(kept: impl Iterator<Item = usize>) -> Vec<u32> {
    kept.map(|token| u32::try_from(token).unwrap()).collect()
}

/// Rank, and drop each token before which there is at least p.
fn plain_top_p(logits: &[f64], p: f64) -> Vec<u32> {
    let probabilities = probabilities(logits);
    let before = |token: usize| -> f64 {
        let ahead =
            |other: &usize| logits[*other] > logits[token] || (logits[*other] == logits[token] && *other < token);
        (0..logits.len()).filter(ahead).map(|other| probabilities[other]).sum()
    };
    numbers((0..logits.len()).filter(|token| before(*token) == 0.0 || before(*token) < p))
}

fn plain_min_p(logits: &[f64], share: f64) -> Vec<u32> {
    let probabilities = probabilities(logits);
    let largest = probabilities.iter().copied().fold(0.0, f64::max);
    numbers((0..logits.len()).filter(|token| probabilities[*token] >= share * largest))
}

/// Distances from the entropy, and which tokens hold `mass` by rising distance.
fn plain_typical(logits: &[f64], mass: f64) -> (Vec<f64>, f64) {
    let probabilities = probabilities(logits);
    let entropy: f64 = probabilities.iter().map(|p| -p * p.ln()).sum();
    let distances: Vec<f64> = probabilities.iter().map(|p| (-p.ln() - entropy).abs()).collect();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| distances[*a].total_cmp(&distances[*b]));
    let mut held = 0.0;
    let last = order.iter().find(|token| {
        held += probabilities[**token];
        held >= mass
    });
    let farthest = distances[*last.or(order.last()).unwrap()];
    (distances, farthest)
}

fn grid() -> impl Strategy<Value = Vec<f64>> {
    vec((-20..=20_i32).prop_map(|n| f64::from(n) / 4.0), 1..12)
}

/// More than the first ranking and the first collection take.
fn many() -> impl Strategy<Value = Vec<f64>> {
    vec((-4000..=4000_i32).prop_map(|n| f64::from(n) / 1000.0), 1..5000)
}

#[test]
fn impossible_tokens_are_no_candidates() {
    for k in [0, 1, 2, 9] {
        assert_eq!(tokens(&filled(&[f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY], k)), [1]);
    }
}

#[test]
fn many_equal_logits_are_all_kept() {
    assert_eq!(tokens(&filled(&vec![1.0; 5000], 3)).len(), 5000);
}

#[test]
fn of_no_candidates_none_is_picked() {
    let mut none = filled(&[], 5);
    none.keep_top_p(0.5);
    none.keep_min_p(0.5);
    none.keep_typical(0.5);
    assert_eq!(none.pick(0.5), None);
}

/// The most probable token is not the most typical one: p = 0.5, 0.25, 0.125, 0.125 has the entropy of 0.297.
#[test]
fn the_most_typical_token_need_not_be_the_most_probable() {
    let logits = [0.5_f64, 0.25, 0.125, 0.125].map(f64::ln);
    let mut candidates = filled(&logits, 0);
    candidates.keep_typical(0.2);
    assert_eq!(tokens(&candidates), [1]);
}

proptest! {
    #[test]
    fn top_k_keeps_what_is_not_below_the_kth_largest(logits in prop_oneof![grid(), many()], k in 0..40_usize) {
        let mut sorted = logits.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let least = if k == 0 { f64::NEG_INFINITY } else { sorted[k.min(sorted.len()) - 1] };
        let expected: Vec<_> = all(&logits).into_iter().filter(|candidate| candidate.logit >= least).collect();
        prop_assert_eq!(filled(&logits, k).kept, expected);
    }

    #[test]
    fn top_p_follows_its_definition(logits in grid(), p in 0.0..=1.0) {
        let mut kept = filled(&logits, 0);
        kept.keep_top_p(p);
        let (low, high) = (plain_top_p(&logits, p - 1e-9), plain_top_p(&logits, p + 1e-9));
        let kept = tokens(&kept);
        prop_assert!(kept == low || kept == high || p > 1.0 - 1e-9, "{:?} {:?} {:?}", kept, low, high);
    }

    #[test]
    fn top_p_is_the_same_however_many_are_ranked_at_once(logits in many(), p in 0.0..1.0) {
        let mut kept = filled(&logits, 0);
        kept.keep_top_p(p);
        let mut ranked = all(&logits);
        ranked.sort_by(by_rank);
        let largest = ranked[0].logit;
        let bound = p * all(&logits).iter().map(|candidate| weight(candidate, largest)).sum::<f64>();
        let mut before = 0.0;
        let count = ranked.iter().take_while(|candidate| {
            let keep = before < bound;
            before += weight(candidate, largest);
            keep
        }).count().max(1);
        let mut expected: Vec<_> = ranked[..count].iter().map(|candidate| candidate.token).collect();
        expected.sort_unstable();
        prop_assert_eq!(tokens(&kept), expected);
    }

    #[test]
    fn min_p_follows_its_definition(logits in grid(), share in 0.0..=1.0) {
        let mut kept = filled(&logits, 0);
        kept.keep_min_p(share);
        let (low, high) = (plain_min_p(&logits, share + 1e-9), plain_min_p(&logits, share - 1e-9));
        let kept = tokens(&kept);
        prop_assert!(kept == low || kept == high, "{:?} {:?} {:?}", kept, low, high);
    }

    #[test]
    fn typical_p_follows_its_definition(logits in grid(), mass in 0.01..0.999) {
        let mut kept = filled(&logits, 0);
        kept.keep_typical(mass);
        let kept = tokens(&kept);
        let fits = |mass: f64| {
            let (distances, farthest) = plain_typical(&logits, mass);
            (0..logits.len()).all(|token| {
                let is_kept = kept.contains(&u32::try_from(token).unwrap());
                let near = (distances[token] - farthest).abs() < 1e-9;
                near || is_kept == (distances[token] < farthest)
            })
        };
        prop_assert!(!kept.is_empty());
        prop_assert!(fits(mass) || fits(mass - 1e-9) || fits(mass + 1e-9), "{:?} {:?}", kept, plain_typical(&logits, mass));
    }

    #[test]
    fn no_step_drops_everything(logits in grid(), p in 0.0..=1.0) {
        let mut kept = filled(&logits, 1);
        kept.keep_top_p(p);
        kept.keep_min_p(p);
        kept.keep_typical(p.max(0.01));
        prop_assert!(!tokens(&kept).is_empty());
    }

    #[test]
    fn a_draw_inverts_the_distribution(logits in grid(), u in 0.0..1.0) {
        let chosen = filled(&logits, 0).pick(u).unwrap() as usize;
        let probabilities = probabilities(&logits);
        let below = |end: usize| -> f64 { probabilities[..end].iter().sum() };
        prop_assert!(below(chosen) <= u + 1e-9 && u - 1e-9 <= below(chosen + 1));
    }

    #[test]
    fn the_ranking_is_by_logit_then_number(logits in grid(), k in 1..14_usize) {
        let mut candidates = filled(&logits, k);
        let mut expected = all(&logits);
        expected.sort_by(|a, b| b.logit.total_cmp(&a.logit).then(a.token.cmp(&b.token)));
        expected.truncate(k);
        prop_assert_eq!(candidates.ranked(k), expected);
    }
}
