//! What is in a model folder, found by what the files are, whatever the folder is called.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::MANIFEST;
use crate::{error::ExecutorError, text::DecoderFiles};

const CONFIG: &str = "config.json";
const GENERATION_CONFIG: &str = "generation_config.json";
const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const TEMPLATE: &str = "chat_template.jinja";
/// Folders that hold the graph, in the layouts of Optimum and of onnx-community.
const GRAPH_FOLDERS: [&str; 2] = ["", "onnx/"];
const GRAPH: &str = "model.onnx";

/// The files of a language model in the layout that Optimum exports and hubs serve.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    path: PathBuf,
    graph: String,
    graph_data: Vec<String>,
    optional: Vec<&'static str>,
}

impl ModelFolder {
    /// Finds the files; the error names what is missing.
    pub fn open(path: &Path) -> Result<Self, ExecutorError> {
        for file in [CONFIG, TOKENIZER] {
            if !path.join(file).is_file() {
                return Err(missing(path, file));
            }
        }
        let graph = find_graph(path)?;
        let graph_data = find_graph_data(path, &graph)?;
        let optional = [GENERATION_CONFIG, TOKENIZER_CONFIG, TEMPLATE];
        let optional = optional.into_iter().filter(|file| path.join(file).is_file()).collect();
        Ok(Self { path: path.to_owned(), graph, graph_data, optional })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every file that decides the model's answers, as paths below the folder.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let graph = self.graph_data.iter().chain([&self.graph]).map(String::as_str);
        [CONFIG, TOKENIZER].into_iter().chain(self.optional.iter().copied()).chain(graph)
    }

    /// The ONNX graph of the decoder.
    pub fn graph(&self) -> PathBuf {
        self.path.join(&self.graph)
    }

    /// The graphs of the decoder.
    pub fn decoder(&self) -> DecoderFiles {
        DecoderFiles::single(self.graph())
    }

    /// `config.json`.
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// `tokenizer.json`.
    pub fn tokenizer(&self) -> PathBuf {
        self.path.join(TOKENIZER)
    }

    /// `generation_config.json`, where there is one.
    pub fn generation_config(&self) -> Option<PathBuf> {
        self.optional_file(GENERATION_CONFIG)
    }

    /// `tokenizer_config.json`, where there is one.
    pub fn tokenizer_config(&self) -> Option<PathBuf> {
        self.optional_file(TOKENIZER_CONFIG)
    }

    /// `chat_template.jinja`, where there is one; otherwise the template is in `tokenizer_config.json`.
    pub fn template(&self) -> Option<PathBuf> {
        self.optional_file(TEMPLATE)
    }

    fn optional_file(&self, file: &str) -> Option<PathBuf> {
        self.optional.contains(&file).then(|| self.path.join(file))
    }
}

fn missing(folder: &Path, file: &str) -> ExecutorError {
    ExecutorError::FileMissing { folder: folder.to_owned(), file: file.to_owned() }
}

/// `model.onnx`, or else the only ONNX file.
fn find_graph(path: &Path) -> Result<String, ExecutorError> {
    let named = GRAPH_FOLDERS.iter().map(|folder| format!("{folder}{GRAPH}")).find(|file| path.join(file).is_file());
    if let Some(graph) = named {
        return Ok(graph);
    }
    let mut graphs = Vec::new();
    for folder in GRAPH_FOLDERS {
        graphs.extend(
            names(path, folder)?
                .into_iter()
                .filter(|name| Path::new(name).extension().is_some_and(|kind| kind == "onnx")),
        );
    }
    match graphs.as_slice() {
        [] => Err(missing(path, GRAPH)),
        [graph] => Ok(graph.clone()),
        several => {
            let reason = format!("several ONNX files and none is called {GRAPH}: {}", several.join(", "));
            Err(ExecutorError::invalid(path, &reason))
        }
    }
}

/// Files with the graph's weights: they are called like the graph with something appended.
fn find_graph_data(path: &Path, graph: &str) -> Result<Vec<String>, ExecutorError> {
    let folder = graph.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let names = names(path, &folder)?;
    Ok(names.into_iter().filter(|name| name.starts_with(graph) && name != graph).collect())
}

/// Names of the files in a subfolder, sorted; none if it is not there.
fn names(path: &Path, folder: &str) -> Result<Vec<String>, ExecutorError> {
    let read = |folder_path: &Path| -> io::Result<Vec<String>> {
        let entries = fs::read_dir(folder_path)?.collect::<io::Result<Vec<_>>>()?;
        let files = entries.iter().filter(|entry| entry.path().is_file());
        let names = files.filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter(|name| name != MANIFEST).map(|name| format!("{folder}{name}")).collect())
    };
    let folder_path = path.join(folder);
    if !folder_path.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = read(&folder_path).map_err(|error| ExecutorError::invalid(&folder_path, &error))?;
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    #[test]
    fn what_is_missing_is_named() {
        let all = [CONFIG, TOKENIZER, GRAPH];
        for absent in all {
            let files: Vec<_> = all.into_iter().filter(|file| *file != absent).collect();
            let error = ModelFolder::open(folder(&files).path()).unwrap_err();
            assert_eq!(error.code(), "XE-024");
            assert!(error.to_string().contains(absent), "{error}");
        }
    }

    #[test]
    fn a_graph_is_found_in_every_layout() {
        for graph in ["model.onnx", "onnx/model.onnx", "decoder.onnx", "onnx/decoder_q4.onnx"] {
            let root = folder(&[CONFIG, TOKENIZER, graph]);
            assert_eq!(ModelFolder::open(root.path()).unwrap().graph(), root.path().join(graph));
        }
    }

    #[test]
    fn a_choice_among_graphs_is_left_to_the_operator() {
        let root = folder(&[CONFIG, TOKENIZER, "onnx/a.onnx", "onnx/b.onnx"]);
        let error = ModelFolder::open(root.path()).unwrap_err();
        assert_eq!(error.code(), "XE-025");
        assert!(error.to_string().contains("onnx/a.onnx, onnx/b.onnx"));
    }

    #[test]
    fn the_files_are_those_that_decide_answers() {
        let root = folder(&[
            CONFIG,
            TOKENIZER,
            TOKENIZER_CONFIG,
            TEMPLATE,
            "onnx/model.onnx",
            "onnx/model.onnx_data",
            "onnx/model_q4.onnx",
            "README.md",
            MANIFEST,
        ]);
        let folder = ModelFolder::open(root.path()).unwrap();
        let files: Vec<_> = folder.files().collect();
        assert_eq!(files, [CONFIG, TOKENIZER, TOKENIZER_CONFIG, TEMPLATE, "onnx/model.onnx_data", "onnx/model.onnx"]);
        assert_eq!(folder.generation_config(), None);
    }
}
