//! The layouts that real models come in: one model in each of them, with the logits of torch.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::PathBuf};

use serde::Deserialize;
use xenon_executor::{
    Device,
    model::ModelFolder,
    runtime,
    text::{Decoder as _, Logits, RowDecoder, SessionSettings, TextSession, Variant},
};
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

#[derive(Deserialize)]
struct Vectors {
    prompt: Vec<u32>,
    continuation: Vec<u32>,
    llama: Vec<Vec<f32>>,
    gpt2: Vec<Vec<f32>>,
}

fn models() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/models")
}

fn vectors() -> Vectors {
    serde_json::from_slice(&fs::read(models().join("logits.json")).unwrap()).unwrap()
}

/// A folder as a user has it: the graphs of a layout with what all share.
fn folder(layout: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("onnx")).unwrap();
    for part in ["common", layout, &format!("{layout}/onnx")] {
        let Ok(entries) = fs::read_dir(models().join(part)) else { continue };
        let below = if part.ends_with("onnx") { "onnx/" } else { "" };
        for entry in entries.map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            fs::copy(entry.path(), root.path().join(below).join(entry.file_name())).unwrap();
        }
    }
    root
}

fn open(layout: &str, variant: Variant) -> TextSession {
    let root = folder(layout);
    let folder = ModelFolder::open(root.path()).unwrap();
    let files = folder.graph(variant).unwrap().below(folder.path());
    let runtime = runtime::load(None).unwrap();
    let provider = Device::Cpu.provider(runtime).unwrap();
    TextSession::open(runtime, provider, SessionSettings::on_threads(Some(1)), &files).unwrap()
}

/// Logits after the prompt and after each token of the continuation.
fn logits(session: &mut TextSession, vectors: &Vectors) -> Vec<Vec<f32>> {
    let mut logits = Logits::default();
    let mut cache = session.empty_cache(1, 32).unwrap();
    session.forward(&[&vectors.prompt], &mut cache, &mut logits).unwrap();
    let mut all = vec![logits.values.clone()];
    for token in &vectors.continuation {
        session.forward(&[&[*token]], &mut cache, &mut logits).unwrap();
        all.push(logits.values.clone());
    }
    assert_eq!(cache.tokens(), vectors.prompt.len() + vectors.continuation.len());
    all
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// 1 for vectors of one direction, about 0 for unrelated ones.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
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
