//! A model folder with something missing or damaged: each a typed error that names the file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sum_chat;

use std::{fs, path::Path};

use sum_chat::MODEL;
use tempfile::TempDir;
use xenon_executor::{
    Executor, ExecutorConfig, ExecutorError,
    model::{MANIFEST, Manifest, ModelFolder},
};
use xenon_protocol::error_code::ErrorCode;

/// A models folder with a copy of the model, after a change to the copy.
fn changed(change: impl FnOnce(&Path)) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let copy = root.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(sum_chat::folder()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    change(&copy);
    root
}

/// Makes the manifest agree with what is in the folder.
fn adopt(folder: &Path) {
    let files = ModelFolder::open(folder).unwrap();
    Manifest::describe(&files, format!("{MODEL}@1").parse().unwrap()).unwrap().write(folder).unwrap();
}

fn load(root: &TempDir) -> Result<(), ExecutorError> {
    Executor::open(&ExecutorConfig::new(root.path()))?.preload(&MODEL.parse().unwrap())
}

fn refusal(change: impl FnOnce(&Path)) -> ExecutorError {
    let error = load(&changed(change)).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::ModelUnavailable);
    error
}

fn flip_a_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn an_untouched_copy_loads() {
    load(&changed(|_| ())).unwrap();
}

#[test]
fn every_file_that_is_missing_is_named() {
    let files = Manifest::read(&sum_chat::folder()).unwrap().files;
    assert!(files.len() >= 5);
    for name in files.keys() {
        let error = refusal(|folder| fs::remove_file(folder.join(name)).unwrap());
        assert_eq!(error.code(), "XE-024", "{name}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn every_file_that_is_changed_is_named() {
    for name in Manifest::read(&sum_chat::folder()).unwrap().files.keys() {
        let error = refusal(|folder| flip_a_byte(&folder.join(name)));
        assert_eq!(error.code(), "XE-026", "{name}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_file_that_is_not_in_the_manifest_is_refused() {
    let error = refusal(|folder| fs::write(folder.join("model.onnx_data"), "x").unwrap());
    assert_eq!(error.code(), "XE-026");
    assert!(error.to_string().contains("model.onnx_data"));
}

#[test]
fn a_folder_without_a_manifest_is_not_a_model() {
    let error = refusal(|folder| fs::remove_file(folder.join(MANIFEST)).unwrap());
    assert_eq!(error.code(), "XE-021");
}

#[test]
fn a_folder_without_a_chat_template_is_refused_even_if_its_manifest_agrees() {
    let error = refusal(|folder| {
        fs::remove_file(folder.join("chat_template.jinja")).unwrap();
        adopt(folder);
    });
    assert_eq!(error.code(), "XE-024");
    assert!(error.to_string().contains("chat template"));
}

#[test]
fn nonsense_is_refused_even_if_the_manifest_agrees() {
    for (name, content) in [
        ("config.json", "{"),
        ("generation_config.json", "[1]"),
        ("tokenizer.json", "{}"),
        ("tokenizer_config.json", "\"x\""),
        ("chat_template.jinja", "{% for %}"),
        ("model.onnx", ""),
        ("model.onnx", "not a graph"),
    ] {
        let error = refusal(|folder| {
            fs::write(folder.join(name), content).unwrap();
            adopt(folder);
        });
        assert_eq!(error.code(), "XE-025", "{name}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_graph_that_is_cut_short_is_refused_wherever_it_is_cut() {
    for part in [1, 2, 3, 9] {
        let error = refusal(|folder| {
            let path = folder.join("model.onnx");
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() * part / 10]).unwrap();
            adopt(folder);
        });
        assert_eq!(error.code(), "XE-025");
    }
}

#[test]
fn a_graph_that_is_no_language_model_is_refused() {
    let error = refusal(|folder| {
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe.onnx"), folder.join("model.onnx")).unwrap();
        adopt(folder);
    });
    assert_eq!(error.code(), "XE-027");
}

#[test]
fn the_template_may_be_in_the_tokenizer_config() {
    let root = changed(|folder| {
        let template = fs::read_to_string(folder.join("chat_template.jinja")).unwrap();
        fs::remove_file(folder.join("chat_template.jinja")).unwrap();
        let path = folder.join("tokenizer_config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        config["chat_template"] = template.into();
        fs::write(&path, config.to_string()).unwrap();
        adopt(folder);
    });
    load(&root).unwrap();
}

#[test]
fn the_graph_may_be_in_the_folder_onnx() {
    let root = changed(|folder| {
        fs::create_dir(folder.join("onnx")).unwrap();
        fs::rename(folder.join("model.onnx"), folder.join("onnx/model.onnx")).unwrap();
        adopt(folder);
    });
    load(&root).unwrap();
}
