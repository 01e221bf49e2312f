//! The layouts that real models come in: one model in each of them, with the logits of torch.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tiny_models;

use tiny_models::{cosine, farthest, folder, logits, open_folder, vectors};
use xenon_executor::text::{Decoder as _, Logits, RowDecoder, TextSession, Variant};
use xenon_protocol::task::{Dtype, QuantizeBits};

const FP32: Variant = Variant::FP32;
const FP16: Variant = Variant { dtype: Dtype::Fp16, quantize_bits: None };
const INT8: Variant = Variant { dtype: Dtype::Fp32, quantize_bits: Some(QuantizeBits::Eight) };
const INT4: Variant = Variant { dtype: Dtype::Fp32, quantize_bits: Some(QuantizeBits::Four) };
const INT4_FP16: Variant = Variant { dtype: Dtype::Fp16, quantize_bits: Some(QuantizeBits::Four) };

/// Layout, precision, largest difference from torch's logits (which reach 6), and whether it writes into one buffer.
const MODELS: [(&str, Variant, f32, bool); 11] = [
    ("optimum", FP32, 1e-4, false),
    ("gpt2", FP32, 1e-4, false),
    ("merged", FP32, 1e-4, false),
    ("separate", FP32, 1e-4, false),
    ("hub", FP32, 1e-4, false),
    ("hub", FP16, 0.1, false),
    ("hub", INT8, 0.6, false),
    ("hub", INT4, 4.0, false),
    ("hub", INT4_FP16, 4.0, false),
    ("genai-fp32", FP32, 1e-4, true),
    ("genai-int4", INT4, 4.0, true),
];

fn open(layout: &str, variant: Variant) -> TextSession {
    open_folder(folder(layout).path(), variant)
}

#[test]
fn every_layout_gives_the_logits_of_torch() {
    let vectors = vectors();
    for (layout, variant, tolerance, shares_buffers) in MODELS {
        let mut session = open(layout, variant);
        assert_eq!(session.has_shared_buffers(), shares_buffers, "{layout} {variant}");
        let expected = if layout == "gpt2" { &vectors.gpt2 } else { &vectors.llama };
        let found = logits(&mut session, &vectors);
        let differences: Vec<_> = found.iter().zip(expected).map(|(ours, torch)| farthest(ours, torch)).collect();
        assert_eq!(differences.len(), vectors.continuation.len() + 1);
        assert!(differences.iter().all(|difference| *difference < tolerance), "{layout} {variant}: {differences:?}");
        let likeness: Vec<_> = found.iter().zip(expected).map(|(ours, torch)| cosine(ours, torch)).collect();
        assert!(likeness.iter().all(|cosine| *cosine > 0.75), "{layout} {variant}: {likeness:?}");
    }
}

#[test]
fn rows_give_what_each_gives_alone() {
    let vectors = vectors();
    let other: Vec<u32> = vectors.prompt.iter().map(|token| (token + 7) % 512).collect();
    for (layout, variant, ..) in MODELS {
        let mut session = open(layout, variant);
        for shares_passes in [false, true] {
            let mut rows = RowDecoder::new(&mut session, shares_passes);
            let mut alone = Vec::new();
            for prompt in [&vectors.prompt, &other] {
                let mut logits = Logits::default();
                let mut cache = rows.prefill(&[prompt], 3, &mut logits).unwrap();
                let first = logits.values.clone();
                rows.step(&[9], &mut cache, &mut logits).unwrap();
                alone.push([first, logits.values]);
            }
            let mut logits = Logits::default();
            let mut cache = rows.prefill(&[&vectors.prompt, &other], 3, &mut logits).unwrap();
            // What is quantised while it runs sees all rows of a pass.
            let tolerance = if shares_passes && variant != FP32 { 2.0 } else { 1e-4 };
            for (row, alone) in alone.iter().enumerate() {
                assert!(farthest(logits.row(row).unwrap(), &alone[0]) < tolerance, "{layout} {variant}");
            }
            // The second twice, then the first.
            cache = rows.select(cache, &[1, 1, 0]).unwrap();
            rows.step(&[9, 9, 9], &mut cache, &mut logits).unwrap();
            for (row, source) in [1, 1, 0].into_iter().enumerate() {
                assert!(farthest(logits.row(row).unwrap(), &alone[source][1]) < tolerance, "{layout} {variant} {row}");
            }
            cache = rows.select(cache, &[2]).unwrap();
            rows.step(&[11], &mut cache, &mut logits).unwrap();
            assert_eq!(logits.values.len(), logits.vocabulary);
        }
    }
}

/// More tokens than are read in one pass: the logits are those of one pass, and those of a prompt alone.
#[test]
fn a_long_prompt_gives_the_logits_of_reading_it_at_once() {
    let prompt: Vec<u32> = (0..200).map(|at| (at * 37 + 5) % 512).collect();
    let other: Vec<u32> = prompt.iter().rev().copied().collect();
    let mut in_parts = 0;
    for (layout, variant, ..) in MODELS {
        let mut session = open(layout, variant);
        in_parts += usize::from(session.reads_in_parts());
        let (mut at_once, mut alone, mut both) = <(Logits, Logits, Logits)>::default();
        let mut cache = session.empty_cache(1, 201).unwrap();
        session.forward(&[&prompt], &mut cache, &mut at_once).unwrap();
        session.forward(&[&[9]], &mut cache, &mut at_once).unwrap();
        let mut rows = RowDecoder::new(&mut session, true);
        let mut cache = rows.prefill(&[&prompt], 1, &mut alone).unwrap();
        rows.step(&[9], &mut cache, &mut alone).unwrap();
        // What is quantised while it runs sees all tokens of a pass.
        let tolerance = if variant == FP32 { 1e-3 } else { 2.0 };
        let difference = farthest(&at_once.values, &alone.values);
        assert!(difference < tolerance, "{layout} {variant}: {difference}");
        let mut cache = rows.prefill(&[&prompt, &other], 1, &mut both).unwrap();
        rows.step(&[9, 9], &mut cache, &mut both).unwrap();
        assert!(farthest(both.row(0).unwrap(), &alone.values) < tolerance, "{layout} {variant}");
    }
    assert!(0 < in_parts && in_parts < MODELS.len(), "{in_parts} layouts read in parts");
}

#[test]
fn a_fork_does_not_see_what_the_other_reads() {
    let vectors = vectors();
    for (layout, variant, ..) in MODELS {
        let mut session = open(layout, variant);
        let mut logits = Logits::default();
        let mut cache = session.empty_cache(1, 32).unwrap();
        session.forward(&[&vectors.prompt], &mut cache, &mut logits).unwrap();
        let mut fork = session.fork(&cache).unwrap();
        session.forward(&[&[5]], &mut cache, &mut logits).unwrap();
        let five = logits.values.clone();
        session.forward(&[&[6]], &mut fork, &mut logits).unwrap();
        assert!(farthest(&five, &logits.values) > 1e-2, "{layout}");
        let mut fork = session.fork(&cache).unwrap();
        session.forward(&[&[6]], &mut fork, &mut logits).unwrap();
        let forked = logits.values.clone();
        session.forward(&[&[6]], &mut cache, &mut logits).unwrap();
        assert_eq!(forked, logits.values, "{layout} {variant}");
    }
}

#[test]
fn a_buffer_that_is_full_is_an_error() {
    let vectors = vectors();
    let mut session = open("genai-fp32", FP32);
    let mut logits = Logits::default();
    let mut cache = session.empty_cache(1, vectors.prompt.len()).unwrap();
    session.forward(&[&vectors.prompt], &mut cache, &mut logits).unwrap();
    let error = session.forward(&[&[5]], &mut cache, &mut logits).unwrap_err();
    assert_eq!(error.code(), "XE-040");
    assert!(error.to_string().contains("room for 12"), "{error}");
}

#[test]
fn buffers_are_read_and_written_in_place() {
    let vectors = vectors();
    let mut session = open("genai-fp32", FP32);
    let mut logits = Logits::default();
    let mut cache = session.empty_cache(1, 32).unwrap();
    let places = cache.places();
    assert_eq!(places.len(), 4);
    session.forward(&[&vectors.prompt], &mut cache, &mut logits).unwrap();
    session.forward(&[&[5]], &mut cache, &mut logits).unwrap();
    assert_eq!(cache.places(), places);
    assert_eq!(session.roles().cache_bytes_per_token(), 4 * 2 * 16 * 4);
}
