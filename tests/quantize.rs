//! `xenon model quantize` through the binary: a variant beside the model, a model of its own, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod network;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use network::{failure, stdout};
use serde_json::Value;

/// A model as a user has it: 32 bits, without a manifest.
fn model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in ["common", "optimum"] {
        for entry in fs::read_dir(network::root().join("tests/models").join(part)).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    folder
}

fn quantize(folder: &Path, words: &[&str]) -> Output {
    let mut command: Command = network::xenon();
    command.args(["model", "quantize"]).arg(folder).args(words).output().unwrap()
}

#[test]
fn what_cannot_be_done_is_refused_with_the_reason() {
    let (folder, root) = (model(), tempfile::tempdir().unwrap());
    let out = root.path().join("new");
    let out = out.to_str().unwrap();
    for (words, says) in [
        (&["--bits", "3"][..], "is not 4 or 8"),
        (&["--bits", "4", "--block", "20"], "16, 32, 64, 128, 256"),
        (&["--bits", "4", "--out", out], "--model"),
        (&["--bits", "4", "--out", out, "--model", "a/b"], "XE-138"),
    ] {
        let error = failure(&quantize(folder.path(), words));
        assert!(error.contains(says), "{error}");
    }
    let installed = network::root().join("models/sum-chat");
    assert!(failure(&quantize(&installed, &["--bits", "8"])).contains("XE-135"));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_variant_is_made_once_and_found() {
    let folder = model();
    let table = stdout(&quantize(folder.path(), &["--bits", "4"]));
    assert!(table.contains("model_q4.onnx") && table.contains("left: the right side is computed"), "{table}");
    assert!(failure(&quantize(folder.path(), &["--bits", "4"])).contains("XE-134"));
    let report = network::xenon().args(["doctor", "model"]).arg(folder.path()).output().unwrap();
    assert!(stdout(&report).contains("fp32 with quantize_bits 4"), "{report:?}");
}

#[test]
fn a_model_of_its_own_is_complete() {
    let (folder, root) = (model(), tempfile::tempdir().unwrap());
    let out = root.path().join("org/new");
    let words = ["--bits", "8", "--block", "64", "--model", "org/new@1-q8", "--json", "--out", out.to_str().unwrap()];
    let report: Value = serde_json::from_str(&stdout(&quantize(folder.path(), &words))).unwrap();
    assert_eq!(report["model"], "org/new@1-q8");
    let graph = &report["graphs"][0];
    assert_eq!((graph["graph"].as_str(), graph["matrices"].as_u64()), (Some("model_q8.onnx"), Some(15)));
    assert!(graph["bytes_after"].as_u64() < graph["bytes_before"].as_u64());
    let verified = network::xenon().args(["model", "verify", "--models"]).arg(root.path()).output().unwrap();
    assert!(stdout(&verified).contains("org/new@1-q8"));
    assert!(!out.join("model.onnx").exists() && out.join("tokenizer.json").is_file());
}
