//! The KV cache: what it may not change.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sum_chat;

use sum_chat::session;
use xenon_executor::text::{KvCache, Logits, TextSession};

const PROMPT: [u32; 12] = [1, 300, 20, 31, 45, 270, 5, 6, 7, 400, 2, 90];

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn read(session: &mut TextSession, tokens: &[u32], cache: &mut KvCache) -> Vec<f32> {
    let mut logits = Logits::default();
    session.forward(&[tokens], cache, &mut logits).unwrap();
    logits.values
}

/// The cache after these tokens, and the logits.
fn after(session: &mut TextSession, tokens: &[u32]) -> (KvCache, Vec<f32>) {
    let mut cache = session.empty_cache(1, 64).unwrap();
    let logits = read(session, tokens, &mut cache);
    (cache, logits)
}

#[test]
fn reading_in_parts_gives_the_logits_of_reading_at_once() {
    let mut session = session();
    let (_, whole) = after(&mut session, &PROMPT);
    for split in 1..PROMPT.len() {
        let (mut cache, _) = after(&mut session, &PROMPT[..split]);
        assert_eq!(cache.tokens(), split);
        let parts = read(&mut session, &PROMPT[split..], &mut cache);
        assert_eq!(cache.tokens(), PROMPT.len());
        assert!(farthest(&whole, &parts) < 1e-3, "split at {split}: {}", farthest(&whole, &parts));
    }
}

#[test]
fn logits_depend_on_what_is_in_the_cache() {
    let mut session = session();
    let (mut cache, _) = after(&mut session, &PROMPT);
    let (_, alone) = after(&mut session, &[50]);
    assert!(farthest(&read(&mut session, &[50], &mut cache), &alone) > 1e-2);
}

#[test]
fn a_fork_is_not_changed_by_the_other() {
    let mut session = session();
    let (cache, first) = after(&mut session, &PROMPT);
    let mut forks: Vec<_> = (0..3).map(|_| session.fork(&cache).unwrap()).collect();
    let one = read(&mut session, &[50], &mut forks[0]);
    read(&mut session, &[60, 61], &mut forks[1]);
    assert_eq!(read(&mut session, &[50], &mut forks[2]), one);
    assert_eq!(after(&mut session, &PROMPT).1, first);
}

#[test]
fn a_token_that_the_model_does_not_have_is_an_error() {
    let mut session = session();
    let mut cache = session.empty_cache(1, 8).unwrap();
    let error = session.forward(&[&[100_000]], &mut cache, &mut Logits::default()).unwrap_err();
    assert_eq!(error.code(), "XE-040");
}
