//! What is in the folder of an image model: diffusers' layout, exported to ONNX by Optimum.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::ImageError;
use crate::{error::ExecutorError, model::read_json};

/// The file by which a folder is known for an image model.
pub const MODEL_INDEX: &str = "model_index.json";

const GRAPH: &str = "model.onnx";
/// Parts without which no picture is made, with a file that each must have.
const NEEDED: [(&str, &str); 5] = [
    ("text_encoder", GRAPH),
    ("unet", GRAPH),
    ("vae_decoder", GRAPH),
    ("scheduler", "scheduler_config.json"),
    ("tokenizer", ""),
];
/// Parts that some pipelines have besides, and that count.
const FURTHER: [&str; 2] = ["tokenizer_2", "text_encoder_2"];
/// Kinds of files that decide pictures, by the end of their names.
const DECIDING: [&str; 4] = [".json", ".txt", ".onnx", "_data"];

/// The folder of an image model. Parts that pictures from prompts do not need, such as an encoder of pictures or a
/// checker, are not looked at.
#[derive(Clone, Debug)]
pub struct ImageFolder {
    path: PathBuf,
    files: Vec<String>,
}

impl ImageFolder {
    /// Whether a folder is an image model's.
    pub fn is_one(path: &Path) -> bool {
        path.join(MODEL_INDEX).is_file()
    }

    /// Finds the parts; the error names what is missing.
    pub fn open(path: &Path) -> Result<Self, ExecutorError> {
        let missing = |file: String| ExecutorError::FileMissing { folder: path.to_owned(), file };
        if !Self::is_one(path) {
            return Err(missing(MODEL_INDEX.to_owned()));
        }
        for (part, file) in NEEDED {
            if !path.join(part).join(file).exists() {
                return Err(missing(format!("{part}/{file}")));
            }
        }
        let mut files = vec![MODEL_INDEX.to_owned()];
        for part in NEEDED.map(|(part, _)| part).into_iter().chain(FURTHER) {
            files.extend(deciding_files(path, part).map_err(|error| ExecutorError::invalid(&path.join(part), &error))?);
        }
        Ok(Self { path: path.to_owned(), files })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every file that decides pictures, as paths below the folder.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// Whether a part is there.
    pub fn has(&self, part: &str) -> bool {
        self.path.join(part).is_dir()
    }

    /// A part's folder.
    pub fn part(&self, part: &str) -> PathBuf {
        self.path.join(part)
    }

    /// A part's graph.
    pub fn graph(&self, part: &str) -> PathBuf {
        self.part(part).join(GRAPH)
    }

    /// A part's `config.json`; an empty object where it has none.
    pub fn config(&self, part: &str) -> Result<Value, ExecutorError> {
        let path = self.part(part).join("config.json");
        if path.is_file() { read_json(&path) } else { Ok(Value::Object(serde_json::Map::new())) }
    }

    /// `model_index.json`.
    pub fn index(&self) -> Result<Value, ExecutorError> {
        read_json(&self.path.join(MODEL_INDEX))
    }

    pub(super) fn unsupported(&self, reason: impl Into<String>) -> ImageError {
        ImageError::PipelineUnsupported { folder: self.path.clone(), reason: reason.into() }
    }
}

fn deciding_files(folder: &Path, part: &str) -> io::Result<Vec<String>> {
    let path = folder.join(part);
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    let names = entries.iter().filter(|entry| entry.path().is_file());
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    // Weights outside of the graph are called like the graph with something appended, or as it likes: `weights.pb`.
    let decides = |name: &String| {
        DECIDING.iter().any(|end| name.ends_with(end)) || name.contains(".onnx") || part_holds_weights(part)
    };
    let mut names: Vec<_> = names.filter(decides).map(|name| format!("{part}/{name}")).collect();
    names.sort_unstable();
    Ok(names)
}

fn part_holds_weights(part: &str) -> bool {
    !part.starts_with("tokenizer") && part != "scheduler"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        }
        root
    }

    const WHOLE: [&str; 7] = [
        MODEL_INDEX,
        "scheduler/scheduler_config.json",
        "text_encoder/model.onnx",
        "tokenizer/vocab.json",
        "unet/model.onnx",
        "unet/weights.pb",
        "vae_decoder/model.onnx",
    ];

    #[test]
    fn what_is_missing_is_named() {
        for absent in WHOLE.into_iter().filter(|file| *file != "unet/weights.pb") {
            let files: Vec<_> = WHOLE.into_iter().filter(|file| *file != absent).collect();
            let error = ImageFolder::open(folder(&files).path()).unwrap_err();
            assert_eq!(error.code(), "XE-024");
            let part = absent.split('/').next().unwrap();
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn files_that_decide_nothing_are_left_out() {
        let extra = ["README.md", "vae_encoder/model.onnx", "safety_checker/model.onnx", "tokenizer/notes.md"];
        let root = folder(&[&WHOLE[..], &extra].concat());
        let mut files: Vec<_> = ImageFolder::open(root.path()).unwrap().files().map(str::to_owned).collect();
        files.sort_unstable();
        assert_eq!(files, WHOLE);
    }
}
