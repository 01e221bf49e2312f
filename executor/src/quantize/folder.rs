//! The graphs of a model's folder, quantised beside the others or into a folder of their own.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use xenon_protocol::task::{Dtype, ModelId};

use super::{
    Format, GraphReport, QuantizeError, QuantizeEvent, quantize_graph,
    store::{copy, sync_parent},
};
use crate::{
    error::ExecutorError,
    image::ImageFolder,
    model::{GraphFiles, MANIFEST, Manifest, ModelFolder, layout},
    text::Variant,
};

const EXTENSION: &str = ".onnx";
/// Beginnings of the names of files that say under which terms a model may be used; they go where it goes.
const TERMS: [&str; 4] = ["LICENSE", "LICENCE", "NOTICE", "USE_POLICY"];

/// What is to be quantised, and where it goes.
#[derive(Clone, Debug)]
pub struct Job {
    /// Folder of the model in 32 bits.
    pub folder: PathBuf,
    /// How weights are stored.
    pub format: Format,
    /// Folder of the new model; without it the graphs are written beside the others.
    pub out: Option<PathBuf>,
    /// The name of the new model. A folder of its own needs one.
    pub name: Option<ModelId>,
}

/// What became of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderReport {
    /// Where the new graphs are.
    pub folder: PathBuf,
    /// The graphs, as paths in `folder`.
    pub graphs: Vec<GraphReport>,
    /// The name in its manifest, if it has one.
    pub model: Option<ModelId>,
}

impl Job {
    /// Does it. A folder of its own appears when it is complete.
    pub fn run(&self, watch: &dyn Fn(QuantizeEvent<'_>)) -> Result<FolderReport, ExecutorError> {
        if ImageFolder::is_one(&self.folder) {
            return Err(self.no_full_precision("an image model; only language models are quantised").into());
        }
        let folder = ModelFolder::open(&self.folder)?;
        let found = || folder.variants().iter().map(Variant::to_string).collect::<Vec<_>>().join(", ");
        let files = folder.graph(Variant::FP32).ok_or_else(|| self.no_full_precision(&found()))?;
        match &self.out {
            Some(out) => self.apart(&folder, files, out, watch),
            None => self.beside(&folder, files, watch),
        }
    }

    fn no_full_precision(&self, found: &str) -> QuantizeError {
        QuantizeError::NoFullPrecision { folder: self.folder.clone(), found: found.to_owned() }
    }

    fn beside(
        &self,
        folder: &ModelFolder,
        files: &GraphFiles,
        watch: &dyn Fn(QuantizeEvent<'_>),
    ) -> Result<FolderReport, ExecutorError> {
        self.check_beside(folder, files)?;
        if self.name.is_some() {
            self.check_name()?;
        }
        let written = self.graphs(folder, files, folder.path(), watch)?;
        let model = self.name.clone();
        if let Some(model) = &model {
            Manifest::describe(&ModelFolder::open(folder.path())?, model.clone())?.write(folder.path())?;
        }
        Ok(FolderReport { folder: folder.path().to_owned(), graphs: written, model })
    }

    /// Refuses what would change an installed model, hide a graph or be hidden by one.
    fn check_beside(&self, folder: &ModelFolder, files: &GraphFiles) -> Result<(), ExecutorError> {
        let path = folder.path().to_owned();
        if path.join(MANIFEST).exists() {
            let model = Manifest::read(&path)?.model;
            return Err(QuantizeError::Installed { folder: path, model }.into());
        }
        let ambiguous = |reason| QuantizeError::NoPlaceBeside { folder: path, graph: files.graph.clone(), reason };
        if folder.is_genai() {
            return Err(ambiguous("its genai_config.json names one").into());
        }
        if !layout::is_usual(&files.graph) {
            return Err(ambiguous("it is found because it is the only one; call it model.onnx").into());
        }
        let wanted = Variant { dtype: Dtype::Fp32, quantize_bits: Some(self.format.bits) };
        folder.graph(wanted).map_or(Ok(()), |known| exists(&folder.path().join(&known.graph)))
    }

    fn apart(
        &self,
        folder: &ModelFolder,
        files: &GraphFiles,
        out: &Path,
        watch: &dyn Fn(QuantizeEvent<'_>),
    ) -> Result<FolderReport, ExecutorError> {
        let model = self.check_name()?;
        exists(out)?;
        let staging = staging(out)?;
        let terms = terms(folder.path()).map_err(|error| ExecutorError::invalid(folder.path(), &error))?;
        for file in folder.side_files().chain(terms.iter().map(String::as_str)) {
            copy(&folder.path().join(file), &staging.path().join(file))?;
        }
        let mut graphs = self.graphs(folder, files, staging.path(), watch)?;
        Manifest::describe(&ModelFolder::open(staging.path())?, model.clone())?.write(staging.path())?;
        for graph in &mut graphs {
            graph.target =
                graph.target.strip_prefix(staging.path()).map_or_else(|_| out.to_owned(), |file| out.join(file));
        }
        publish(staging, out).map_err(|error| QuantizeError::unwritable(out, &error))?;
        Ok(FolderReport { folder: out.to_owned(), graphs, model: Some(model) })
    }

    /// The name of the new model: with a revision, and not that of the old one.
    fn check_name(&self) -> Result<ModelId, ExecutorError> {
        let needed = || QuantizeError::NameNeeded { folder: self.folder.clone(), asked: self.name.clone() };
        let name = self.name.clone().filter(|name| name.revision().is_some()).ok_or_else(needed)?;
        let is_taken = self.folder.join(MANIFEST).exists() && Manifest::read(&self.folder)?.model == name;
        if is_taken { Err(needed().into()) } else { Ok(name) }
    }

    /// Quantises the graphs of a decoder into a folder. If one fails, none is left there.
    fn graphs(
        &self,
        folder: &ModelFolder,
        files: &GraphFiles,
        into: &Path,
        watch: &dyn Fn(QuantizeEvent<'_>),
    ) -> Result<Vec<GraphReport>, ExecutorError> {
        let mut written: Vec<GraphReport> = Vec::new();
        for graph in files.first.iter().chain([&files.graph]) {
            let name = if folder.is_genai() { graph.clone() } else { self.variant_name(graph) };
            match self.graph(&folder.path().join(graph), &into.join(name), watch) {
                Ok(report) => written.push(report),
                Err(error) => {
                    for report in &written {
                        discard(&report.target);
                    }
                    return Err(error);
                }
            }
        }
        Ok(written)
    }

    fn graph(
        &self,
        source: &Path,
        target: &Path,
        watch: &dyn Fn(QuantizeEvent<'_>),
    ) -> Result<GraphReport, ExecutorError> {
        exists(target)?;
        let parent = target.parent().unwrap_or(target);
        fs::create_dir_all(parent).map_err(|error| QuantizeError::unwritable(parent, &error))?;
        quantize_graph(source, target, self.format, watch)
    }

    /// The name of a graph in this precision, by which it is found. One that is found for being alone is called as usual.
    fn variant_name(&self, graph: &str) -> String {
        let (folder, file) = graph.rsplit_once('/').map_or(("", graph), |(folder, file)| (folder, file));
        let stem = if layout::is_usual(graph) { file.strip_suffix(EXTENSION).unwrap_or(file) } else { "model" };
        let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        format!("{below}{stem}_q{}{EXTENSION}", u8::from(self.format.bits))
    }
}

fn exists(path: &Path) -> Result<(), ExecutorError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(QuantizeError::TargetExists { path: path.to_owned() }.into()),
        Err(_) => Ok(()),
    }
}

/// A folder beside `out` that no store takes for a model, and that is gone if it is not published.
fn staging(out: &Path) -> Result<tempfile::TempDir, ExecutorError> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let make = || -> io::Result<tempfile::TempDir> {
        fs::create_dir_all(parent)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".quantize-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        builder.tempdir_in(parent)
    };
    make().map_err(|error| QuantizeError::unwritable(out, &error).into())
}

fn publish(staging: tempfile::TempDir, out: &Path) -> io::Result<()> {
    sync_parent(&staging.path().join(MANIFEST))?;
    fs::rename(staging.path(), out)?;
    let _published = staging.keep();
    sync_parent(out)
}

/// Names of the files with a model's terms of use.
fn terms(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let files = entries.iter().filter(|entry| entry.path().is_file());
    let names = files.filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| TERMS.iter().any(|beginning| name.starts_with(beginning))).collect())
}

/// Removes a graph that is of no use alone. What cannot be removed is named by the error that led here.
fn discard(graph: &Path) {
    let mut data = graph.as_os_str().to_owned();
    data.push("_data");
    for file in [graph, Path::new(&data)] {
        let _may_be_gone = fs::remove_file(file);
    }
}
