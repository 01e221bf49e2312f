//! The models that a node has.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use xenon_protocol::task::ModelId;

use super::{MANIFEST, Manifest, ModelFolder};
use crate::{error::ExecutorError, image::ImageFolder, lora::LoraFile};

/// How deep below the models folder a model may lie: `models/name` or `models/org/name`.
const DEPTH: usize = 2;

/// One installed model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledModel {
    /// Its folder.
    pub folder: PathBuf,
    /// What its manifest says.
    pub manifest: Manifest,
}

/// The models below one folder, by name and revision. A folder is a model if it has a manifest.
#[derive(Clone, Debug)]
pub struct ModelStore {
    root: PathBuf,
    models: BTreeMap<ModelId, InstalledModel>,
}

impl InstalledModel {
    /// Reads every file of the model and compares it with the manifest, whatever kind it is: a text model, an image
    /// pipeline, or an adaptation of one.
    ///
    /// # Errors
    /// [`ExecutorError::FileMissing`] and [`ExecutorError::FileChanged`], or those of reading the folder.
    pub fn verify(&self) -> Result<(), ExecutorError> {
        let Self { folder, manifest } = self;
        if ImageFolder::is_one(folder) {
            return manifest.verify_files(folder, ImageFolder::open(folder)?.files());
        }
        if self.is_adaptation() {
            let file = LoraFile::find(folder)?;
            return manifest.verify_files(folder, file.file_name().and_then(|name| name.to_str()).into_iter());
        }
        manifest.verify(&ModelFolder::open(folder)?)
    }

    /// Whether it changes an image model and is none itself: it has weights and no graph.
    pub fn is_adaptation(&self) -> bool {
        let ends = |end: &str| self.manifest.files.keys().any(|name| name.ends_with(end));
        ends(".safetensors") && !ends(".onnx")
    }
}

impl ModelStore {
    /// Finds the models below a folder. A manifest that makes no sense is an error: a node must not quietly offer less
    /// than its operator installed.
    pub fn open(root: &Path) -> Result<Self, ExecutorError> {
        let folders = model_folders(root, DEPTH)
            .map_err(|error| ExecutorError::ModelsFolder { path: root.to_owned(), reason: error.to_string() })?;
        let mut models: BTreeMap<ModelId, InstalledModel> = BTreeMap::new();
        for folder in folders {
            let manifest = Manifest::read(&folder)?;
            let model = manifest.model.clone();
            if let Some(first) = models.get(&model) {
                return Err(ExecutorError::ModelTwice { model, first: first.folder.clone(), second: folder });
            }
            models.insert(model, InstalledModel { folder, manifest });
        }
        Ok(Self { root: root.to_owned(), models })
    }

    /// The folder below which the models are.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Names of the installed models, with revisions, in order.
    pub fn models(&self) -> impl Iterator<Item = &ModelId> {
        self.models.keys()
    }

    /// The installed models, in the order of their names.
    pub fn installed(&self) -> impl Iterator<Item = &InstalledModel> {
        self.models.values()
    }

    /// The model that a task asks for. A name without a revision means the one revision that is installed.
    pub fn find(&self, wanted: &ModelId) -> Result<&InstalledModel, ExecutorError> {
        if let Some(model) = self.models.get(wanted) {
            return Ok(model);
        }
        let same_name = |id: &&ModelId| wanted.revision().is_none() && id.repository() == wanted.as_str();
        let revisions: Vec<_> = self.models().filter(same_name).cloned().collect();
        match revisions.as_slice() {
            [one] => Ok(&self.models[one]),
            [] => Err(ExecutorError::ModelUnavailable {
                model: wanted.clone(),
                installed: self.models().cloned().collect(),
            }),
            _ => Err(ExecutorError::RevisionAmbiguous { model: wanted.clone(), installed: revisions }),
        }
    }
}

/// Folders with a manifest, in the order of their paths.
fn model_folders(folder: &Path, depth: usize) -> io::Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort_unstable();
    let mut found = Vec::new();
    for path in entries.into_iter().filter(|path| path.is_dir() && !is_hidden(path)) {
        if path.join(MANIFEST).is_file() {
            found.push(path);
        } else if depth > 1 {
            found.extend(model_folders(&path, depth - 1)?);
        }
    }
    Ok(found)
}

/// The store keeps what is no model, such as half of one, in a folder that begins with a dot.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(root: &Path, folder: &str, manifest: &str) {
        fs::create_dir_all(root.join(folder)).unwrap();
        fs::write(root.join(folder).join(MANIFEST), manifest).unwrap();
    }

    fn manifest(model: &str) -> String {
        format!(r#"{{"model": "{model}", "files": {{}}}}"#)
    }

    fn store(models: &[(&str, &str)]) -> Result<ModelStore, ExecutorError> {
        let root = tempfile::tempdir().unwrap();
        for (folder, model) in models {
            install(root.path(), folder, &manifest(model));
        }
        ModelStore::open(root.path())
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = ModelStore::open(Path::new("/no/such/models")).unwrap_err();
        assert_eq!(error.code(), "XE-020");
        assert!(error.to_string().contains("/no/such/models"));
    }

    #[test]
    fn a_manifest_that_makes_no_sense_is_refused() {
        for text in ["", "{}", r#"{"model": "a/b", "files": {}}"#, r#"{"model": "a/b@1", "files": {}, "x": 1}"#] {
            let root = tempfile::tempdir().unwrap();
            install(root.path(), "m", text);
            assert_eq!(ModelStore::open(root.path()).unwrap_err().code(), "XE-025", "{text}");
        }
    }

    #[test]
    fn one_model_in_two_folders_is_refused() {
        assert_eq!(store(&[("x", "a/b@1"), ("y", "a/b@1")]).unwrap_err().code(), "XE-023");
    }

    #[test]
    fn what_lies_in_a_hidden_folder_is_no_model() {
        let store = store(&[("x", "a/b@1"), (".store/m", "a/b@2"), (".trash", "a/b@3")]).unwrap();
        assert_eq!(store.models().map(ModelId::as_str).collect::<Vec<_>>(), ["a/b@1"]);
    }

    #[test]
    fn models_are_found_by_name_whatever_their_folder() {
        let store = store(&[("x", "a/b@1"), ("org/y", "a/c@1"), ("z", "a/c@2")]).unwrap();
        let find = |name: &str| store.find(&name.parse().unwrap()).map(|model| model.manifest.model.to_string());
        assert_eq!(find("a/b").unwrap(), "a/b@1");
        assert_eq!(find("a/b@1").unwrap(), "a/b@1");
        assert_eq!(find("a/c@2").unwrap(), "a/c@2");
        assert_eq!(find("a/c").unwrap_err().code(), "XE-022");
        for absent in ["a/b@2", "a/x", "b/b"] {
            let error = find(absent).unwrap_err();
            assert_eq!(error.code(), "XE-021");
            assert!(error.to_string().contains("a/b@1, a/c@1, a/c@2"));
        }
    }
}
