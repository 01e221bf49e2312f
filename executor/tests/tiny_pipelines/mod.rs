//! The tiny pipelines of the vectors, installed as models.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use xenon_executor::{Executor, ExecutorConfig, image::ImageFolder, lora::LoraFile, model::Manifest};
use xenon_protocol::task::SdTask;

/// Where the vectors are.
pub(crate) fn vectors() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/pipelines"))
}

/// A models folder with the pipelines of these names in it.
pub(crate) fn install(names: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in names {
        let folder = root.path().join(name);
        copy(&vectors().join(name), &folder);
        describe(&folder, name);
    }
    root
}

/// Puts an adaptation of the vectors into a models folder.
pub(crate) fn install_lora(root: &TempDir, name: &str) {
    let folder = root.path().join(name);
    let file = format!("{name}.safetensors");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(vectors().join(&file), folder.join(&file)).unwrap();
    describe_lora(&folder, name);
}

/// Writes the manifest of an adaptation.
pub(crate) fn describe_lora(folder: &Path, name: &str) {
    let (files, id) = (LoraFile::files(folder).unwrap(), format!("tiny/{name}@1").parse().unwrap());
    Manifest::describe_files(folder, files.iter().map(String::as_str), id).unwrap().write(folder).unwrap();
}

/// Writes the manifest of a pipeline.
pub(crate) fn describe(folder: &Path, name: &str) {
    let files = ImageFolder::open(folder).unwrap();
    let id = format!("tiny/{name}@1").parse().unwrap();
    Manifest::describe_files(folder, files.files(), id).unwrap().write(folder).unwrap();
}

pub(crate) fn open(root: &TempDir) -> Executor {
    Executor::open(&ExecutorConfig::new(root.path())).unwrap()
}

/// One picture of 64 by 64.
pub(crate) fn task(name: &str, prompt: &str, steps: u32) -> SdTask {
    SdTask::new(format!("tiny/{name}").parse().unwrap(), prompt, 64, steps)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
