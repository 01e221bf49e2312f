//! What is in a model folder, found by what the files are, whatever the folder is called.

use std::path::{Path, PathBuf};

use super::{
    config::cache_shape,
    genai::{self, GENAI_CONFIG},
    layout::{self, GraphFiles},
};
use crate::{error::ExecutorError, text::Variant};

const CONFIG: &str = "config.json";
const GENERATION_CONFIG: &str = "generation_config.json";
const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const TEMPLATE: &str = "chat_template.jinja";

/// The files of a language model in one of the [layouts](super::layout) that are in use.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    path: PathBuf,
    config: &'static str,
    graphs: Vec<GraphFiles>,
    optional: Vec<&'static str>,
}

impl ModelFolder {
    /// Finds the files; the error names what is missing.
    pub fn open(path: &Path) -> Result<Self, ExecutorError> {
        let has = |file: &str| path.join(file).is_file();
        let config = if has(GENAI_CONFIG) { GENAI_CONFIG } else { CONFIG };
        for file in [config, TOKENIZER] {
            if !has(file) {
                return Err(missing(path, file));
            }
        }
        let graphs = if config == GENAI_CONFIG { vec![genai::graphs(path)?] } else { with_cache(path)? };
        let graphs = graphs.into_iter().map(|files| layout::with_named_data(path, files)).collect::<Result<_, _>>()?;
        let optional = [CONFIG, GENERATION_CONFIG, TOKENIZER_CONFIG, TEMPLATE];
        let optional = optional.into_iter().filter(|file| *file != config && has(file)).collect();
        Ok(Self { path: path.to_owned(), config, graphs, optional })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every file that decides the model's answers, as paths below the folder.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.side_files().chain(self.graphs.iter().flat_map(GraphFiles::files))
    }

    /// Those of them that are no part of a decoder.
    pub fn side_files(&self) -> impl Iterator<Item = &str> {
        [self.config, TOKENIZER].into_iter().chain(self.optional.iter().copied())
    }

    /// The decoder in each precision that is there, the one for tasks that ask for none first.
    pub fn graphs(&self) -> &[GraphFiles] {
        &self.graphs
    }

    /// The decoder in this precision.
    pub fn graph(&self, variant: Variant) -> Option<&GraphFiles> {
        self.graphs.iter().find(|graph| graph.variant == variant)
    }

    /// The precisions that are there, the one for tasks that ask for none first.
    pub fn variants(&self) -> Vec<Variant> {
        self.graphs.iter().map(|graph| graph.variant).collect()
    }

    /// `genai_config.json` in a folder of onnxruntime-genai, otherwise `config.json`.
    pub fn config(&self) -> PathBuf {
        self.path.join(self.config)
    }

    /// True for a folder of onnxruntime-genai.
    pub fn is_genai(&self) -> bool {
        self.config == GENAI_CONFIG
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

/// Graphs that do not say how their cache is shaped get it from the configuration.
fn with_cache(path: &Path) -> Result<Vec<GraphFiles>, ExecutorError> {
    let mut graphs = layout::find(path)?;
    let cache = cache_shape(&path.join(CONFIG));
    for graph in &mut graphs {
        graph.cache = cache;
    }
    Ok(graphs)
}

fn missing(folder: &Path, file: &str) -> ExecutorError {
    ExecutorError::FileMissing { folder: folder.to_owned(), file: file.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use xenon_protocol::task::{Dtype, QuantizeBits};

    use super::*;
    use crate::model::MANIFEST;

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
        let all = [CONFIG, TOKENIZER, "model.onnx"];
        for absent in all {
            let files: Vec<_> = all.into_iter().filter(|file| *file != absent).collect();
            let error = ModelFolder::open(folder(&files).path()).unwrap_err();
            assert_eq!(error.code(), "XE-024");
            assert!(error.to_string().contains(absent), "{error}");
        }
    }

    fn graphs(files: &[&str]) -> Vec<(String, Vec<String>)> {
        let root = folder(&[&[CONFIG, TOKENIZER], files].concat());
        let folder = ModelFolder::open(root.path()).unwrap();
        let described = folder
            .graphs()
            .iter()
            .map(|graph| (graph.variant.to_string(), graph.files().map(ToOwned::to_owned).collect()));
        described.collect()
    }

    #[test]
    fn a_graph_is_found_in_every_layout() {
        for graph in ["model.onnx", "onnx/model.onnx", "decoder.onnx", "decoder_model_merged.onnx"] {
            assert_eq!(graphs(&[graph]), [("fp32".to_owned(), vec![graph.to_owned()])]);
        }
        let q4 = "onnx/decoder_q4.onnx";
        assert_eq!(graphs(&[q4]), [("fp32 with quantize_bits 4".to_owned(), vec![q4.to_owned()])]);
        let pair = ["onnx/decoder_model.onnx", "onnx/decoder_with_past_model.onnx"];
        assert_eq!(graphs(&pair), [("fp32".to_owned(), pair.map(ToOwned::to_owned).to_vec())]);
        assert_eq!(
            graphs(&[&pair[..], &["onnx/decoder_model_merged.onnx"]].concat())[0].1,
            ["onnx/decoder_model_merged.onnx"]
        );
    }

    #[test]
    fn a_graph_that_continues_prompts_needs_the_one_that_reads_them() {
        let root = folder(&[CONFIG, TOKENIZER, "decoder_with_past_model.onnx", "other.onnx"]);
        assert_eq!(ModelFolder::open(root.path()).unwrap_err().code(), "XE-025");
    }

    #[test]
    fn precisions_are_read_from_names_and_single_precision_comes_first() {
        let files = ["onnx/model_q4.onnx", "onnx/model_fp16.onnx", "onnx/model.onnx", "onnx/model_q4.onnx_data"];
        let found = graphs(&files);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["fp32", "fp16", "fp32 with quantize_bits 4"]);
        assert_eq!(found[2].1, ["onnx/model_q4.onnx_data", "onnx/model_q4.onnx"]);
        let root = folder(&[&[CONFIG, TOKENIZER], &files[..]].concat());
        let folder = ModelFolder::open(root.path()).unwrap();
        let q4f16 = Variant { dtype: Dtype::Fp16, quantize_bits: Some(QuantizeBits::Four) };
        assert_eq!(folder.variants()[0], Variant::FP32);
        assert_eq!(folder.graph(q4f16), None);
    }

    /// A folder with graphs of `tests/models` under other names.
    fn renamed(graphs: &[(&str, &str)]) -> Result<ModelFolder, ExecutorError> {
        let root = folder(&[CONFIG, TOKENIZER]);
        let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/models");
        for (graph, name) in graphs {
            fs::copy(models.join(graph), root.path().join(name)).unwrap();
        }
        ModelFolder::open(root.path())
    }

    const SINGLE: &str = "optimum/model.onnx";
    const HALF: &str = "hub/onnx/model_fp16.onnx";

    #[test]
    fn a_name_that_tells_another_precision_than_the_weights_is_refused() {
        for (graph, name) in [
            (SINGLE, "model_fp16.onnx"),
            (SINGLE, "model_q4.onnx"),
            (HALF, "model_q4f16.onnx"),
            (HALF, "other_int8.onnx"),
            ("hub/onnx/model_q4.onnx", "model_int8.onnx"),
        ] {
            let error = renamed(&[(graph, name)]).unwrap_err();
            assert_eq!(error.code(), "XE-028", "{graph} as {name}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn a_name_that_tells_nothing_leaves_the_precision_to_the_weights() {
        let half = Variant { dtype: Dtype::Fp16, quantize_bits: None };
        for name in ["model.onnx", "other.onnx"] {
            assert_eq!(renamed(&[(HALF, name)]).unwrap().variants(), [half], "{name}");
            assert_eq!(renamed(&[(SINGLE, name)]).unwrap().variants(), [Variant::FP32], "{name}");
        }
        let twice = renamed(&[(HALF, "model.onnx"), (HALF, "model_fp16.onnx")]).unwrap();
        assert_eq!(twice.graphs().iter().map(|graph| graph.graph.as_str()).collect::<Vec<_>>(), ["model.onnx"]);
    }

    #[test]
    fn weights_are_found_where_the_graph_says_they_are() {
        let root = folder(&[CONFIG, TOKENIZER, "onnx/weights.pb"]);
        let graph = |location: &str| {
            let length = u8::try_from(location.len()).unwrap();
            let bytes = [b"...\x0a\x08location\x12", &[length][..], location.as_bytes(), b"..."].concat();
            fs::write(root.path().join("onnx/model.onnx"), bytes).unwrap();
            ModelFolder::open(root.path())
        };
        let folder = graph("weights.pb").unwrap();
        assert!(folder.files().any(|file| file == "onnx/weights.pb"));
        let absent = graph("other.pb").unwrap_err();
        assert!(absent.code() == "XE-024" && absent.to_string().contains("onnx/other.pb"), "{absent}");
        for outside in ["../weights.pb", "/weights.pb"] {
            assert_eq!(graph(outside).unwrap_err().code(), "XE-025");
        }
    }

    #[test]
    fn a_configuration_of_genai_names_the_graph() {
        let root = folder(&[TOKENIZER, "decoder.onnx", "decoder.onnx.data", "other.onnx"]);
        let config = r#"{"model": {"context_length": 8, "decoder": {"filename": "decoder.onnx", "inputs":
            {"past_key_names": "past_%d_k"}, "outputs": {"logits": "scores"}}}, "search": {}}"#;
        fs::write(root.path().join(GENAI_CONFIG), config).unwrap();
        let folder = ModelFolder::open(root.path()).unwrap();
        let files: Vec<_> = folder.files().collect();
        assert_eq!(files, [GENAI_CONFIG, TOKENIZER, "decoder.onnx.data", "decoder.onnx"]);
        let names = &folder.graphs()[0].names;
        assert_eq!((names.past[0].as_str(), names.logits.as_str()), ("past_%d_k", "scores"));
        assert_eq!(names.mask, "attention_mask");
        fs::remove_file(root.path().join("decoder.onnx")).unwrap();
        assert!(ModelFolder::open(root.path()).unwrap_err().to_string().contains("decoder.onnx"));
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
        let names = [CONFIG, TOKENIZER, TOKENIZER_CONFIG, TEMPLATE, "onnx/model.onnx_data", "onnx/model.onnx"];
        assert_eq!(files, [&names[..], &["onnx/model_q4.onnx"]].concat());
        assert_eq!(folder.generation_config(), None);
    }
}
