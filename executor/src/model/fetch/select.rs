//! Which files of a source a model consists of: those that a layout needs, in the variant that was chosen.

use std::{collections::BTreeMap, fmt, str::FromStr};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::{PlannedFile, Source};
use crate::model::StoreError;

/// Small files that a language model may have beside its graph.
const TEXT_FILES: [&str; 7] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "genai_config.json",
];
/// Where the graph of a language model may lie.
const TEXT_GRAPHS: [&str; 2] = ["", "onnx"];
/// What tells an image model.
const IMAGE_INDEX: &str = "model_index.json";
/// Folders of an image model that hold graphs, those that it cannot do without first.
const IMAGE_GRAPHS: [&str; 4] = ["text_encoder", "unet", "vae_decoder", "text_encoder_2"];
const IMAGE_GRAPHS_NEEDED: usize = 3;
/// Folders of an image model that hold small files alone.
const IMAGE_FOLDERS: [&str; 3] = ["scheduler", "tokenizer", "tokenizer_2"];
/// What the names of graphs end with.
const GRAPH: &str = ".onnx";
/// What the names of graphs begin with, the preferred ones first.
const GRAPH_NAMES: [&str; 3] = ["model", "decoder_model_merged", "decoder_with_past_model"];
/// The graph that reads prompts, beside the last of those.
const FIRST_GRAPH: (&str, &str) = ("decoder_with_past_model", "decoder_model");
/// Weights beside a graph that are not called like it, from older exports.
const OLD_WEIGHTS: &str = "weights.pb";

/// The precision of a graph, as its file's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Precision {
    /// 32-bit floating point: no suffix.
    Fp32,
    /// 16-bit floating point.
    Fp16,
    /// 4-bit weights.
    Q4,
    /// 4-bit weights, 16-bit activations.
    Q4F16,
    /// 8-bit weights, also called `quantized`.
    Int8,
    /// 8-bit weights without a sign.
    Uint8,
    /// 4-bit weights as bitsandbytes stores them.
    Bnb4,
}

/// Variants by the suffix of the graph's name.
const SUFFIXES: [(&str, Precision); 8] = [
    ("_fp16", Precision::Fp16),
    ("_q4", Precision::Q4),
    ("_q4f16", Precision::Q4F16),
    ("_int8", Precision::Int8),
    ("_quantized", Precision::Int8),
    ("_q8", Precision::Int8),
    ("_uint8", Precision::Uint8),
    ("_bnb4", Precision::Bnb4),
];

impl Precision {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Fp32, "fp32"),
        (Self::Fp16, "fp16"),
        (Self::Q4, "q4"),
        (Self::Q4F16, "q4f16"),
        (Self::Int8, "int8"),
        (Self::Uint8, "uint8"),
        (Self::Bnb4, "bnb4"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(variant, _)| *variant == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(_, known)| *known == name);
        let names = || Self::ALL.map(|(_, name)| name).join(", ");
        known.map(|(variant, _)| *variant).ok_or_else(|| format!("{name:?} is not a variant; use one of {}", names()))
    }
}

/// What to take from a source.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The precisions; the only one there is, or fp32, if none is named.
    pub variants: Vec<Precision>,
    /// The folder of the source that holds the model; the whole source if it is empty.
    pub folder: String,
    /// Patterns of further files, such as `*.txt`. If one of them takes a graph, no other is taken.
    pub include: GlobSet,
}

impl Selection {
    /// A set of patterns in which `*` does not match `/`.
    pub fn patterns<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<GlobSet, StoreError> {
        let invalid = |pattern: &str, error: globset::Error| StoreError::SourceInvalid {
            source_text: pattern.to_owned(),
            reason: format!("it is no pattern: {}", error.kind()),
        };
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let mut glob = GlobBuilder::new(pattern);
            set.add(glob.literal_separator(true).build().map_err(|error| invalid(pattern, error))?);
        }
        set.build().map_err(|error| invalid("", error))
    }

    /// The files to take, with their paths below the model's folder.
    pub(super) fn choose(&self, source: &Source, files: Vec<PlannedFile>) -> Result<Vec<PlannedFile>, StoreError> {
        let below = |mut file: PlannedFile| {
            file.path = file.path.below(self.folder.trim_matches('/'))?;
            (!file.path.is_hidden()).then_some(file)
        };
        let offer = Offer { source, files: files.into_iter().filter_map(below).collect() };
        let chosen = if offer.has(IMAGE_INDEX) { self.image(&offer)? } else { self.text(&offer)? };
        let chosen =
            |file: &PlannedFile| chosen.contains(&file.path.as_str()) || self.include.is_match(file.path.as_str());
        let files = offer.files.iter();
        Ok(files.filter(|file| chosen(file)).cloned().collect())
    }

    fn text<'a>(&self, offer: &'a Offer<'_>) -> Result<Vec<&'a str>, StoreError> {
        let named: Vec<_> = TEXT_FILES.into_iter().filter_map(|file| offer.path(file)).collect();
        if !offer.has("config.json") && !offer.has("genai_config.json") {
            return Err(offer.lacks("config.json"));
        }
        if !offer.has("tokenizer.json") {
            return Err(offer.lacks("tokenizer.json"));
        }
        let graphs = if self.included_graph(offer) { Vec::new() } else { self.graphs(offer, &TEXT_GRAPHS)? };
        Ok([named, graphs].concat())
    }

    fn image<'a>(&self, offer: &'a Offer<'_>) -> Result<Vec<&'a str>, StoreError> {
        let small = |file: &&str| {
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            let of_folder = IMAGE_FOLDERS.contains(&folder) || IMAGE_GRAPHS.contains(&folder);
            *file == IMAGE_INDEX || (of_folder && [".json", ".txt"].iter().any(|kind| file.ends_with(kind)))
        };
        let mut chosen: Vec<_> = offer.paths().filter(small).collect();
        if !self.included_graph(offer) {
            for (index, folder) in IMAGE_GRAPHS.iter().enumerate() {
                let there = offer.paths().any(|file| file.starts_with(&format!("{folder}/")));
                if there || index < IMAGE_GRAPHS_NEEDED {
                    chosen.extend(self.graphs(offer, &[folder])?);
                }
            }
        }
        Ok(chosen)
    }

    fn included_graph(&self, offer: &Offer<'_>) -> bool {
        offer.paths().any(|path| path.ends_with(GRAPH) && self.include.is_match(path))
    }

    /// The graphs of the chosen variants in the first of the folders that has any, with their weights.
    fn graphs<'a>(&self, offer: &'a Offer<'_>, folders: &[&str]) -> Result<Vec<&'a str>, StoreError> {
        let offered = folders.iter().map(|folder| offer.graphs(folder)).find(|graphs| !graphs.is_empty());
        let offered = offered.ok_or_else(|| offer.lacks(&below(folders[0], "model.onnx")))?;
        let mut chosen = Vec::new();
        for variant in self.wanted(offer, &offered)? {
            let graph = offered.get(&variant).ok_or_else(|| offer.has_no(variant, &offered))?;
            chosen.extend(offer.with_weights(graph));
            if let Some(first) = offer.first_graph(graph)? {
                chosen.extend(offer.with_weights(&first));
            }
        }
        Ok(chosen)
    }

    fn wanted(&self, offer: &Offer<'_>, offered: &BTreeMap<Precision, &str>) -> Result<Vec<Precision>, StoreError> {
        let mut variants = self.variants.clone();
        variants.sort_unstable();
        variants.dedup();
        match (variants.is_empty(), offered.len()) {
            (false, _) => Ok(variants),
            (true, 1) => Ok(offered.keys().copied().collect()),
            (true, _) if offered.contains_key(&Precision::Fp32) => Ok(vec![Precision::Fp32]),
            (true, _) => Err(offer.has_no(Precision::Fp32, offered)),
        }
    }
}

/// The files of a source.
struct Offer<'a> {
    source: &'a Source,
    files: Vec<PlannedFile>,
}

impl Offer<'_> {
    fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.path.as_str())
    }

    fn path(&self, path: &str) -> Option<&str> {
        self.paths().find(|file| *file == path)
    }

    fn has(&self, path: &str) -> bool {
        self.path(path).is_some()
    }

    fn lacks(&self, file: &str) -> StoreError {
        StoreError::LayoutIncomplete { source_text: self.source.to_string(), file: file.to_owned() }
    }

    fn has_no(&self, variant: Precision, offered: &BTreeMap<Precision, &str>) -> StoreError {
        StoreError::VariantMissing {
            source_text: self.source.to_string(),
            wanted: variant.to_string(),
            offered: offered.keys().map(ToString::to_string).collect(),
        }
    }

    /// The graphs of a folder, by variant.
    fn graphs(&self, folder: &str) -> BTreeMap<Precision, &str> {
        let prefix = below(folder, "");
        let names = || {
            let names = self.paths().filter_map(|path| path.strip_prefix(&prefix).map(|name| (path, name)));
            names
                .filter(|(_, name)| !name.contains('/'))
                .filter_map(|(path, name)| Some((path, name.strip_suffix(GRAPH)?)))
        };
        for base in GRAPH_NAMES {
            let found: BTreeMap<_, _> =
                names().filter_map(|(path, name)| Some((variant_of(name, base)?, path))).collect();
            if !found.is_empty() {
                return found;
            }
        }
        match names().collect::<Vec<_>>().as_slice() {
            [(path, name)] => {
                let suffix = SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix));
                BTreeMap::from([(suffix.map_or(Precision::Fp32, |(_, variant)| *variant), *path)])
            }
            _ => BTreeMap::new(),
        }
    }

    /// The graph that reads prompts for one that only continues them.
    fn first_graph(&self, graph: &str) -> Result<Option<String>, StoreError> {
        let (folder, name) = graph.rsplit_once('/').unwrap_or(("", graph));
        let Some(suffix) = name.strip_prefix(FIRST_GRAPH.0) else { return Ok(None) };
        let first = below(folder, &format!("{}{suffix}", FIRST_GRAPH.1));
        if self.has(&first) { Ok(Some(first)) } else { Err(self.lacks(&first)) }
    }

    fn with_weights<'a>(&'a self, graph: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let graph = graph.to_owned();
        let old =
            graph.rsplit_once('/').map_or_else(|| OLD_WEIGHTS.to_owned(), |(folder, _)| below(folder, OLD_WEIGHTS));
        self.paths().filter(move |path| path.starts_with(&graph) || *path == old)
    }
}

fn variant_of(name: &str, base: &str) -> Option<Precision> {
    let suffix = name.strip_prefix(base)?;
    if suffix.is_empty() {
        return Some(Precision::Fp32);
    }
    SUFFIXES.iter().find(|(known, _)| *known == suffix).map(|(_, variant)| *variant)
}

fn below(folder: &str, file: &str) -> String {
    if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") }
}

#[cfg(test)]
mod tests {
    use super::{super::FileHash, super::FilePath, *};

    fn file(path: &str) -> PlannedFile {
        PlannedFile {
            path: FilePath::try_from(path.to_owned()).unwrap(),
            url: "http://h".parse().unwrap(),
            size: 1,
            hash: FileHash::Sha256(String::new()),
        }
    }

    fn choose(selection: &Selection, files: &[&str]) -> Result<Vec<String>, StoreError> {
        let files = files.iter().map(|path| file(path)).collect();
        let chosen = selection.choose(&"a/b".parse().unwrap(), files)?;
        Ok(chosen.into_iter().map(|file| file.path.to_string()).collect())
    }

    fn variants(variants: &[Precision]) -> Selection {
        Selection { variants: variants.to_vec(), ..Selection::default() }
    }

    const HUB: [&str; 14] = [
        ".gitattributes",
        "README.md",
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "onnx/model.onnx",
        "onnx/model.onnx_data",
        "onnx/model_fp16.onnx",
        "onnx/model_fp16.onnx_data_1",
        "onnx/model_q4.onnx",
        "onnx/model_q4f16.onnx",
        "onnx/model_quantized.onnx",
        "onnx/other.txt",
        "runs/x.json",
    ];

    #[test]
    fn what_is_missing_is_named() {
        for (files, missing) in [
            (&["tokenizer.json", "model.onnx"][..], "config.json"),
            (&["config.json", "model.onnx"], "tokenizer.json"),
            (&["config.json", "tokenizer.json", "model.safetensors"], "model.onnx"),
            (&["model_index.json", "text_encoder/model.onnx", "vae_decoder/model.onnx"], "unet/model.onnx"),
        ] {
            let error = choose(&Selection::default(), files).unwrap_err();
            assert_eq!(error.code(), "XE-112");
            assert!(error.to_string().contains(missing), "{error}");
        }
    }

    #[test]
    fn a_variant_that_is_not_there_is_refused_with_those_that_are() {
        let error = choose(&variants(&[Precision::Bnb4]), &HUB).unwrap_err();
        assert_eq!(error.code(), "XE-111");
        assert!(error.to_string().ends_with("it has: fp32, fp16, q4, q4f16, int8"), "{error}");
        let two = ["config.json", "tokenizer.json", "model_q4.onnx", "model_fp16.onnx"];
        assert_eq!(choose(&Selection::default(), &two).unwrap_err().code(), "XE-111");
    }

    #[test]
    fn the_graph_of_the_variant_is_taken_with_its_weights_and_no_other() {
        let small = ["config.json", "tokenizer.json"];
        for (variant, graphs) in [
            (vec![], &["onnx/model.onnx", "onnx/model.onnx_data"][..]),
            (vec![Precision::Fp16], &["onnx/model_fp16.onnx", "onnx/model_fp16.onnx_data_1"]),
            (vec![Precision::Q4], &["onnx/model_q4.onnx"]),
            (vec![Precision::Int8, Precision::Q4F16], &["onnx/model_q4f16.onnx", "onnx/model_quantized.onnx"]),
        ] {
            assert_eq!(choose(&variants(&variant), &HUB).unwrap(), [&small[..], graphs].concat());
        }
    }

    #[test]
    fn the_only_variant_needs_no_choice() {
        for graph in ["model_q4.onnx", "onnx/decoder_model_merged_int8.onnx", "onnx/anything.onnx"] {
            let files = ["config.json", "tokenizer.json", graph];
            assert_eq!(choose(&Selection::default(), &files).unwrap(), files);
        }
    }

    #[test]
    fn a_graph_that_only_continues_is_taken_with_the_one_that_begins() {
        let mut files = vec!["config.json", "decoder_model.onnx", "decoder_with_past_model.onnx", "tokenizer.json"];
        assert_eq!(choose(&Selection::default(), &files).unwrap(), files);
        files.remove(1);
        assert_eq!(choose(&Selection::default(), &files).unwrap_err().code(), "XE-112");
    }

    #[test]
    fn a_folder_of_the_source_can_be_the_model() {
        let files = [
            "config.json",
            "cpu/int4/config.json",
            "cpu/int4/genai_config.json",
            "cpu/int4/model.onnx",
            "cpu/int4/model.onnx.data",
            "cpu/int4/tokenizer.json",
            "gpu/model.onnx",
        ];
        let selection = Selection { folder: String::from("cpu/int4"), ..Selection::default() };
        let chosen = choose(&selection, &files).unwrap();
        assert_eq!(chosen, ["config.json", "genai_config.json", "model.onnx", "model.onnx.data", "tokenizer.json"]);
    }

    #[test]
    fn patterns_add_files_and_replace_the_graph() {
        let include = |pattern| Selection { include: Selection::patterns([pattern]).unwrap(), ..Selection::default() };
        let chosen = choose(&include("*.md"), &HUB).unwrap();
        assert!(chosen.contains(&String::from("README.md")) && chosen.contains(&String::from("onnx/model.onnx")));
        let chosen = choose(&include("onnx/model_q4*.onnx"), &HUB).unwrap();
        assert_eq!(chosen, ["config.json", "tokenizer.json", "onnx/model_q4.onnx", "onnx/model_q4f16.onnx"]);
        assert_eq!(Selection::patterns(["["]).unwrap_err().code(), "XE-100");
    }

    #[test]
    fn an_image_model_is_its_index_and_the_folders_it_needs() {
        let files = [
            "model_index.json",
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model.onnx",
            "tokenizer/merges.txt",
            "tokenizer/vocab.json",
            "unet/model.onnx",
            "unet/weights.pb",
            "vae_decoder/model.onnx",
            "vae_encoder/model.onnx",
            "unet/diffusion.safetensors",
        ];
        let chosen = choose(&Selection::default(), &files).unwrap();
        assert_eq!(chosen, files[..9]);
    }
}
