//! The small models of `tests/models`, one in each layout, with the logits of
//! torch and of Python's onnxruntime.
#![allow(dead_code, reason = "every test binary uses a part")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use xenon_executor::{
    Device,
    model::ModelFolder,
    runtime,
    text::{Logits, SessionSettings, TextSession, Variant},
};

#[derive(Deserialize)]
pub(crate) struct Vectors {
    pub(crate) prompt: Vec<u32>,
    pub(crate) continuation: Vec<u32>,
    pub(crate) llama: Vec<Vec<f32>>,
    pub(crate) gpt2: Vec<Vec<f32>>,
}

fn models() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/models")
}

pub(crate) fn vectors() -> Vectors {
    serde_json::from_slice(&fs::read(models().join("logits.json")).unwrap()).unwrap()
}

/// The logits of Python's onnxruntime for graphs that are not in single precision, by their files.
pub(crate) fn reduced() -> BTreeMap<String, Vec<Vec<f32>>> {
    serde_json::from_slice(&fs::read(models().join("reduced.json")).unwrap()).unwrap()
}

/// A folder as a user has it: the graphs of a layout with what all share.
pub(crate) fn folder(layout: &str) -> tempfile::TempDir {
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

/// The decoder of a folder, loaded.
pub(crate) fn open_folder(path: &Path, variant: Variant) -> TextSession {
    let folder = ModelFolder::open(path).unwrap();
    let files = folder.graph(variant).unwrap().below(folder.path());
    let runtime = runtime::load(None).unwrap();
    let provider = Device::Cpu.provider(runtime).unwrap();
    TextSession::open(runtime, provider, SessionSettings::on_threads(Some(1)), &files).unwrap()
}

/// Logits after the prompt and after each token of the continuation.
pub(crate) fn logits(session: &mut TextSession, vectors: &Vectors) -> Vec<Vec<f32>> {
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

pub(crate) fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// 1 for vectors of one direction, about 0 for unrelated ones.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}
