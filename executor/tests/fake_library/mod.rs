//! Shared libraries that look like ONNX Runtime.
#![allow(dead_code, reason = "every test binary uses a part")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A shared library made from C source by the compiler that cargo links with.
pub(crate) fn library(folder: &Path, source: &str) -> PathBuf {
    let (code, output) = (folder.join("fake.c"), folder.join("libfake.so"));
    fs::write(&code, source).unwrap();
    let status = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&output, &code]).status().unwrap();
    assert!(status.success());
    output
}

/// A library that says it is ONNX Runtime of this version.
pub(crate) fn versioned(folder: &Path, version: &str) -> PathBuf {
    let source = format!(
        "static const char *version(void) {{ return \"{version}\"; }}\n\
         static const void *api(unsigned number) {{ (void)number; return 0; }}\n\
         static const struct {{ const void *(*api)(unsigned); const char *(*version)(void); }} base = {{ api, version }};\n\
         const void *OrtGetApiBase(void) {{ return &base; }}\n"
    );
    library(folder, &source)
}
