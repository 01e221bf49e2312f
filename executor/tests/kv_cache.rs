//! The KV cache: what it may not change.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sum_chat;

use sum_chat::session;

const PROMPT: [u32; 12] = [1, 300, 20, 31, 45, 270, 5, 6, 7, 400, 2, 90];

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn reading_in_parts_gives_the_logits_of_reading_at_once() {
    let mut session = session();
    let empty = session.empty_cache().unwrap();
    let (whole, _) = session.forward(&PROMPT, &empty).unwrap();
    for split in 1..PROMPT.len() {
        let (_, cache) = session.forward(&PROMPT[..split], &empty).unwrap();
        assert_eq!(cache.tokens(), split);
        let (parts, cache) = session.forward(&PROMPT[split..], &cache).unwrap();
        assert_eq!(cache.tokens(), PROMPT.len());
        assert!(farthest(&whole, &parts) < 1e-3, "split at {split}: {}", farthest(&whole, &parts));
    }
}

#[test]
fn logits_depend_on_what_is_in_the_cache() {
    let mut session = session();
    let empty = session.empty_cache().unwrap();
    let (_, cache) = session.forward(&PROMPT, &empty).unwrap();
    let (after, _) = session.forward(&[50], &cache).unwrap();
    let (alone, _) = session.forward(&[50], &empty).unwrap();
    assert!(farthest(&after, &alone) > 1e-2);
}

#[test]
fn a_cache_is_not_changed_by_being_used() {
    let mut session = session();
    let empty = session.empty_cache().unwrap();
    let (first, cache) = session.forward(&PROMPT, &empty).unwrap();
    let (one, _) = session.forward(&[50], &cache).unwrap();
    session.forward(&[60, 61], &cache).unwrap();
    let (again, _) = session.forward(&[50], &cache).unwrap();
    assert_eq!(one, again);
    assert_eq!(session.forward(&PROMPT, &empty).unwrap().0, first);
}

#[test]
fn a_token_that_the_model_does_not_have_is_an_error() {
    let mut session = session();
    let empty = session.empty_cache().unwrap();
    assert_eq!(session.forward(&[100_000], &empty).unwrap_err().code(), "XE-040");
}
