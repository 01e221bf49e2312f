//! Which of a folder's ONNX files are a decoder, in the layouts that are in use.
//!
//! | layout | graphs |
//! |---|---|
//! | Optimum | `model.onnx`, with `model.onnx_data` where weights are kept apart |
//! | Optimum, older | `decoder_model_merged.onnx`, or `decoder_model.onnx` with `decoder_with_past_model.onnx` |
//! | transformers.js, onnx-community | the same below `onnx/`, and `model_fp16.onnx`, `model_q4.onnx` and so on beside it |
//! | onnxruntime-genai | what `genai_config.json` names |

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _},
    path::{Component, Path},
};

use xenon_protocol::task::{Dtype, QuantizeBits};

use super::{MANIFEST, precision};
use crate::{
    error::ExecutorError,
    text::{CacheShape, DecoderFiles, PortNames, Variant},
};

/// Folders that hold graphs.
const FOLDERS: [&str; 2] = ["", "onnx/"];
const EXTENSION: &str = ".onnx";

/// What graphs are called, the preferred one first; with the name of the graph that reads prompts, where that is another.
const STEMS: [(&str, Option<&str>); 3] =
    [("model", None), ("decoder_model_merged", None), ("decoder_with_past_model", Some("decoder_model"))];

/// What is appended to the name of a graph in another precision.
const SUFFIXES: [(&str, Dtype, Option<QuantizeBits>); 9] = [
    ("", Dtype::Fp32, None),
    ("_fp16", Dtype::Fp16, None),
    ("_quantized", Dtype::Fp32, Some(QuantizeBits::Eight)),
    ("_int8", Dtype::Fp32, Some(QuantizeBits::Eight)),
    ("_uint8", Dtype::Fp32, Some(QuantizeBits::Eight)),
    ("_q8", Dtype::Fp32, Some(QuantizeBits::Eight)),
    ("_q4", Dtype::Fp32, Some(QuantizeBits::Four)),
    ("_bnb4", Dtype::Fp32, Some(QuantizeBits::Four)),
    ("_q4f16", Dtype::Fp16, Some(QuantizeBits::Four)),
];

/// The files of a decoder in one precision, as paths below the model's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphFiles {
    /// The precision.
    pub variant: Variant,
    /// The graph.
    pub graph: String,
    /// The graph that reads prompts, where that is another.
    pub first: Option<String>,
    /// Files with their weights.
    pub data: Vec<String>,
    /// What the graph calls its inputs and outputs.
    pub names: PortNames,
    /// The dimensions of its cache, as far as the configuration says.
    pub cache: CacheShape,
}

impl GraphFiles {
    /// All of the files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.data.iter().chain(&self.first).chain([&self.graph]).map(String::as_str)
    }

    /// The same for a session.
    pub fn below(&self, folder: &Path) -> DecoderFiles {
        DecoderFiles {
            first: self.first.as_ref().map(|first| folder.join(first)),
            graph: folder.join(&self.graph),
            names: self.names.clone(),
            cache: self.cache,
        }
    }
}

/// The decoders in a folder, one for each precision, the one that tasks get that ask for none first: single precision, or
/// else the order above.
pub(super) fn find(path: &Path) -> Result<Vec<GraphFiles>, ExecutorError> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        files.extend(names(path, folder)?);
    }
    let graphs: Vec<_> = files.iter().filter(|name| name.ends_with(EXTENSION)).map(String::as_str).collect();
    let mut found: Vec<GraphFiles> = Vec::new();
    for (suffix, dtype, quantize_bits) in SUFFIXES {
        let variant = Variant { dtype, quantize_bits };
        if found.iter().all(|known| known.variant != variant)
            && let Some((graph, first)) = named(&graphs, suffix)
        {
            let told = (!suffix.is_empty()).then_some(variant);
            let variant = precision(&path.join(&graph), told)?;
            if found.iter().all(|known| known.variant != variant) {
                found.push(with_data(variant, graph, first, &files));
            }
        }
    }
    match (found.is_empty(), graphs.as_slice()) {
        (false, _) => Ok(found),
        (true, []) => Err(ExecutorError::FileMissing { folder: path.to_owned(), file: "model.onnx".to_owned() }),
        (true, [graph]) => {
            let variant = precision(&path.join(graph), named_variant(graph))?;
            Ok(vec![with_data(variant, (*graph).to_owned(), None, &files)])
        }
        (true, several) => {
            let reason = format!("several ONNX files and none is called model.onnx: {}", several.join(", "));
            Err(ExecutorError::invalid(path, &reason))
        }
    }
}

/// True if a graph is called so that others may lie beside it in other precisions.
pub(crate) fn is_usual(graph: &str) -> bool {
    let name = FOLDERS.iter().rev().find_map(|folder| graph.strip_prefix(folder)).unwrap_or(graph);
    let is_called = |stem: &str| name.strip_suffix(EXTENSION) == Some(stem);
    STEMS.iter().any(|(stem, first)| is_called(stem) || first.is_some_and(is_called))
}

/// One decoder by the name of its graph.
pub(super) fn one(path: &Path, graph: &str, variant: Variant, names: PortNames) -> Result<GraphFiles, ExecutorError> {
    let stays_inside = Path::new(graph).components().all(|part| matches!(part, Component::Normal(_)));
    if !stays_inside {
        return Err(ExecutorError::invalid(path, &format!("it names a graph outside of itself, {graph}")));
    }
    if !path.join(graph).is_file() {
        return Err(ExecutorError::FileMissing { folder: path.to_owned(), file: graph.to_owned() });
    }
    let folder = graph.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let files = self::names(path, &folder)?;
    Ok(GraphFiles { names, ..with_data(variant, graph.to_owned(), None, &files) })
}

/// Adds the files that the graphs say their weights are in, whatever these are called.
pub(super) fn with_named_data(path: &Path, files: GraphFiles) -> Result<GraphFiles, ExecutorError> {
    let mut data: BTreeSet<String> = files.data.iter().cloned().collect();
    for graph in files.first.iter().chain([&files.graph]) {
        let folder = graph.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        for location in locations(&path.join(graph))? {
            let stays_inside = Path::new(&location).components().all(|part| matches!(part, Component::Normal(_)));
            if !stays_inside {
                let reason = format!("its weights are outside of the model's folder, in {location}");
                return Err(ExecutorError::invalid(&path.join(graph), &reason));
            }
            data.insert(format!("{folder}{location}"));
        }
    }
    if let Some(missing) = data.iter().find(|file| !path.join(file).is_file()) {
        return Err(ExecutorError::FileMissing { folder: path.to_owned(), file: missing.clone() });
    }
    Ok(GraphFiles { data: data.into_iter().collect(), ..files })
}

/// Where the weights of an ONNX file are kept outside of it: the values of `location` in its tensors' `external_data`, which
/// are pairs of a key (field 1) and a value (field 2).
fn locations(path: &Path) -> Result<BTreeSet<String>, ExecutorError> {
    const KEY: &[u8] = b"\x0a\x08location\x12";
    /// Names are shorter, so that their length is one byte.
    const LONGEST: usize = 128;
    let unreadable = |error: io::Error| ExecutorError::invalid(path, &error);
    let mut file = File::open(path).map_err(unreadable)?;
    let (mut found, mut chunk) = (BTreeSet::new(), Vec::new());
    loop {
        let read = file.by_ref().take(1 << 20).read_to_end(&mut chunk).map_err(unreadable)?;
        for place in memchr::memmem::find_iter(&chunk, KEY) {
            let value = &chunk[place + KEY.len()..];
            let name = value.split_first().and_then(|(length, rest)| rest.get(..usize::from(*length)));
            found.extend(name.and_then(|name| std::str::from_utf8(name).ok()).map(ToOwned::to_owned));
        }
        if read == 0 {
            return Ok(found);
        }
        // What begins near the end is read again with what follows.
        chunk.drain(..chunk.len().saturating_sub(KEY.len() + LONGEST));
    }
}

/// The graph with this suffix, and the one that reads its prompts.
fn named(graphs: &[&str], suffix: &str) -> Option<(String, Option<String>)> {
    STEMS.iter().find_map(|(stem, first)| {
        FOLDERS.iter().find_map(|folder| {
            let file = |stem: &str| format!("{folder}{stem}{suffix}{EXTENSION}");
            let present = |name: String| graphs.contains(&name.as_str()).then_some(name);
            let graph = present(file(stem))?;
            match first {
                Some(first) => Some((graph, Some(present(file(first))?))),
                None => Some((graph, None)),
            }
        })
    })
}

/// The precision that the end of a graph's name tells, whatever it begins with.
fn named_variant(graph: &str) -> Option<Variant> {
    let stem = graph.strip_suffix(EXTENSION).unwrap_or(graph);
    let told = SUFFIXES.iter().skip(1).find(|(suffix, ..)| stem.ends_with(suffix));
    told.map(|(_, dtype, quantize_bits)| Variant { dtype: *dtype, quantize_bits: *quantize_bits })
}

/// The precision of a graph: that of its weights. A name that tells another is refused, because who reads it believes it. Of
/// a file that is no graph the name is believed, until the runtime says what is wrong with it.
fn precision(graph: &Path, told: Option<Variant>) -> Result<Variant, ExecutorError> {
    match (precision::of_graph(graph), told) {
        (Some(found), Some(told)) if found != told => {
            Err(ExecutorError::PrecisionContradicted { path: graph.to_owned(), told, found })
        }
        (found, told) => Ok(found.or(told).unwrap_or(Variant::FP32)),
    }
}

/// Files with a graph's weights are called like the graph with something appended.
fn with_data(variant: Variant, graph: String, first: Option<String>, files: &[String]) -> GraphFiles {
    let is_of = |name: &str, graph: &str| name.starts_with(graph) && name != graph;
    let is_data = |name: &&String| is_of(name, &graph) || first.as_deref().is_some_and(|first| is_of(name, first));
    let data = files.iter().filter(is_data).cloned().collect();
    GraphFiles { variant, graph, first, data, names: PortNames::default(), cache: CacheShape::default() }
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

/// Whether an ONNX file holds these bytes, such as the name of an operator.
pub(crate) fn mentions(path: &Path, wanted: &[u8]) -> Result<bool, ExecutorError> {
    let unreadable = |error: io::Error| ExecutorError::invalid(path, &error);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut chunk = Vec::new();
    loop {
        // The end of the last chunk stays: what is wanted may lie across the border.
        chunk.drain(..chunk.len().saturating_sub(wanted.len()));
        let read = file.by_ref().take(1 << 20).read_to_end(&mut chunk).map_err(unreadable)?;
        if memchr::memmem::find(&chunk, wanted).is_some() {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = mentions(Path::new("/no/such.onnx"), b"x").unwrap_err();
        assert!(error.code() == "XE-025" && error.to_string().contains("/no/such.onnx"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn words_are_found_across_the_borders_of_chunks(shift in 0..40_usize, there: bool) {
            let file = tempfile::NamedTempFile::new().unwrap();
            let mut bytes = vec![b'G'; (1 << 20) - shift];
            bytes.extend_from_slice(if there { b"GroupQueryAttention" } else { b"GroupQueryAttentio" });
            bytes.extend_from_slice(&[b'-'; 100]);
            fs::write(file.path(), bytes).unwrap();
            prop_assert_eq!(mentions(file.path(), b"GroupQueryAttention").unwrap(), there);
        }
    }
}
