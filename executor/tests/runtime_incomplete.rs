//! A library that says it is new enough and is not. It stays loaded in the process, so it has a process of its own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fake_library;

use xenon_executor::runtime;

#[test]
fn a_library_without_the_interface_is_an_error_every_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = fake_library::versioned(folder.path(), "1.99.0");
    for _ in 0..2 {
        let error = runtime::load(Some(&path)).unwrap_err();
        assert_eq!(error.code(), "XE-002");
        assert!(error.to_string().contains("1.22"), "{error}");
    }
}
