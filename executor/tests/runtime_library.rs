//! A library that cannot be used is an error that says what to do, never a panic.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fake_library;

use std::{fs, path::Path};

use fake_library::{library, versioned};
use xenon_executor::{ExecutorError, runtime};

fn refusal(path: &Path) -> ExecutorError {
    let error = runtime::load(Some(path)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("make setup") && text.contains("ORT_DYLIB_PATH"), "{text}");
    error
}

#[test]
fn a_library_that_is_missing() {
    assert_eq!(refusal(Path::new("/no/such/libonnxruntime.so")).code(), "XE-001");
}

#[test]
fn a_file_that_is_no_library() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libonnxruntime.so");
    for content in ["", "not a library", "\x7fELF"] {
        fs::write(&path, content).unwrap();
        assert_eq!(refusal(&path).code(), "XE-002");
    }
    assert_eq!(refusal(folder.path()).code(), "XE-002");
}

#[test]
fn a_library_that_is_not_onnx_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let error = refusal(&library(folder.path(), "int answer(void) { return 42; }\n"));
    assert_eq!(error.code(), "XE-002");
    assert!(error.to_string().contains("OrtGetApiBase"));
}

#[test]
fn a_library_that_is_too_old_is_named_with_both_versions() {
    for version in ["1.17.3", "1.21.9", "0.5.0", "nonsense"] {
        let folder = tempfile::tempdir().unwrap();
        let error = refusal(&versioned(folder.path(), version));
        assert_eq!(error.code(), "XE-003");
        assert!(error.to_string().contains(version) && error.to_string().contains("1.22"), "{error}");
    }
}
