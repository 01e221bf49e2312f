//! The layouts that real models come in: one model in each of them, with the logits of
//! torch and of Python's onnxruntime.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tiny_models;

use tiny_models::{farthest, folder, logits, open_folder, reduced, vectors};
use xenon_executor::text::{Decoder as _, Logits, RowDecoder, TextSession, Variant};
use xenon_protocol::task::{Dtype, QuantizeBits};

const FP32: Variant = Variant::FP32;
const FP16: Variant = Variant { dtype: Dtype::Fp16, quantize_bits: None };
const INT8: Variant = Variant { dtype: Dtype::Fp32, quantize_bits: Some(QuantizeBits::Eight) };
const INT4: Variant = Variant { dtype: Dtype::Fp32, quantize_bits: Some(QuantizeBits::Four) };
const INT4_FP16: Variant = Variant { dtype: Dtype::Fp16, quantize_bits: Some(QuantizeBits::Four) };

/// The largest differences from another implementation's logits, which reach 6: sums in another order, and in fewer bits,
/// where a rounding that falls otherwise is seen. The second is of the same library: on the processor that
/// `tests/models/reduced.json` was made on it was below 1e-6.
const SINGLE: f32 = 1e-4;
const REDUCED: f32 = 0.02;

/// A graph of `tests/models`.
struct Model {
    layout: &'static str,
    variant: Variant,
    /// Its file, if it is not in single precision.
    reduced: Option<&'static str>,
    /// Whether it writes into one buffer.
    shares_buffers: bool,
    /// The largest difference between the logits of a row alone and with others in a pass, which reach 6.
    shared: f32,
}

const fn single(layout: &'static str) -> Model {
    Model { layout, variant: FP32, reduced: None, shares_buffers: false, shared: 1e-4 }
}

const fn hub(variant: Variant, file: &'static str, shared: f32) -> Model {
    Model { variant, reduced: Some(file), shared, ..single("hub") }
}

const MODELS: [Model; 11] = [
    single("optimum"),
    single("gpt2"),
    single("merged"),
    single("separate"),
    single("hub"),
    hub(FP16, "hub/onnx/model_fp16.onnx", 1e-4),
    // What is quantised while it runs sees all rows of a pass.
    hub(INT8, "hub/onnx/model_quantized.onnx", 0.6),
    hub(INT4, "hub/onnx/model_q4.onnx", 1e-4),
    hub(INT4_FP16, "hub/onnx/model_q4f16.onnx", 1e-4),
    Model { shares_buffers: true, ..single("genai-fp32") },
    Model { variant: INT4, reduced: Some("genai-int4/model.onnx"), shares_buffers: true, ..single("genai-int4") },
];

fn open(layout: &str, variant: Variant) -> TextSession {
    open_folder(folder(layout).path(), variant)
}

/// Graphs in single precision compute what torch does, others what Python's onnxruntime does with the same file.
#[test]
fn every_layout_gives_the_logits_of_another_implementation() {
    let (vectors, reduced) = (vectors(), reduced());
    for Model { layout, variant, reduced: file, shares_buffers, .. } in MODELS {
        let mut session = open(layout, variant);
        assert_eq!(session.has_shared_buffers(), shares_buffers, "{layout} {variant}");
        let expected = match file {
            Some(file) => &reduced[file],
            None if layout == "gpt2" => &vectors.gpt2,
            None => &vectors.llama,
        };
        let found = logits(&mut session, &vectors);
        let differences: Vec<_> = found.iter().zip(expected).map(|(ours, other)| farthest(ours, other)).collect();
        assert_eq!(differences.len(), vectors.continuation.len() + 1);
        let tolerance = if file.is_some() { REDUCED } else { SINGLE };
        assert!(differences.iter().all(|difference| *difference < tolerance), "{layout} {variant}: {differences:?}");
    }
}

#[test]
fn rows_give_what_each_gives_alone() {
    let vectors = vectors();
    let other: Vec<u32> = vectors.prompt.iter().map(|token| (token + 7) % 512).collect();
    for Model { layout, variant, shared, .. } in MODELS {
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
            let tolerance = if shares_passes { shared } else { 0.0 };
            let mut far = 0.0_f32;
            for (row, alone) in alone.iter().enumerate() {
                far = far.max(farthest(logits.row(row).unwrap(), &alone[0]));
            }
            // The second twice, then the first.
            cache = rows.select(cache, &[1, 1, 0]).unwrap();
            rows.step(&[9, 9, 9], &mut cache, &mut logits).unwrap();
            for (row, source) in [1, 1, 0].into_iter().enumerate() {
                far = far.max(farthest(logits.row(row).unwrap(), &alone[source][1]));
            }
            assert!(far <= tolerance, "{layout} {variant}, {shares_passes}: {far}");
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
    for Model { layout, variant, .. } in MODELS {
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
    for Model { layout, variant, .. } in MODELS {
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
