//! The manifest of a model folder, `xenon.json`: which model it is, and the hash of every file that decides its
//! answers. Two nodes with the same manifest run the same model, to the byte.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde::{Deserialize, Serialize};
use xenon_protocol::task::ModelId;

use super::ModelFolder;
use crate::{digest::sha256_of, error::ExecutorError};

/// The manifest's file name.
pub const MANIFEST: &str = "xenon.json";

/// What `xenon.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The model's name with its revision, as tasks ask for it.
    pub model: ModelId,
    /// Every file that decides the model's answers, by its path below the folder.
    pub files: BTreeMap<String, FileRecord>,
    /// Graphs for which it was measured that the number of rows in a pass does not change a bit of a row's result. Only
    /// with these do sequences and requests share passes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub shares_passes: BTreeSet<String>,
}

/// One file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal, as `sha256sum` prints it and hubs publish it.
    pub sha256: String,
}

impl Manifest {
    /// Reads a folder's manifest.
    pub fn read(folder: &Path) -> Result<Self, ExecutorError> {
        let path = folder.join(MANIFEST);
        let text = fs::read(&path).map_err(|error| ExecutorError::invalid(&path, &error))?;
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| ExecutorError::invalid(&path, &error))?;
        match manifest.model.revision() {
            Some(_) => Ok(manifest),
            None => Err(ExecutorError::invalid(&path, "the model has no revision; write org/name@revision")),
        }
    }

    /// Makes the manifest of a folder from what is in it.
    pub fn describe(folder: &ModelFolder, model: ModelId) -> Result<Self, ExecutorError> {
        Self::describe_files(folder.path(), folder.files(), model)
    }

    /// Makes the manifest of a folder in which `files` decide answers.
    pub fn describe_files<'a>(
        folder: &Path,
        files: impl Iterator<Item = &'a str>,
        model: ModelId,
    ) -> Result<Self, ExecutorError> {
        let files = files.map(|name| Ok((name.to_owned(), FileRecord::of(&folder.join(name))?)));
        Ok(Self { model, files: files.collect::<Result<_, ExecutorError>>()?, shares_passes: BTreeSet::new() })
    }

    /// Writes the manifest into a folder.
    pub fn write(&self, folder: &Path) -> Result<(), ExecutorError> {
        let path = folder.join(MANIFEST);
        let text = serde_json::to_string_pretty(self).map_err(|error| ExecutorError::invalid(&path, &error))?;
        fs::write(&path, text + "\n").map_err(|error| ExecutorError::invalid(&path, &error))
    }

    /// Checks that every file of the folder is listed and every listed file is unchanged. Reads all of them.
    pub fn verify(&self, folder: &ModelFolder) -> Result<(), ExecutorError> {
        self.verify_files(folder.path(), folder.files())
    }

    /// Checks that every one of `files` below a folder is listed and every listed file is unchanged.
    pub fn verify_files<'a>(
        &self,
        folder: &Path,
        mut files: impl Iterator<Item = &'a str>,
    ) -> Result<(), ExecutorError> {
        if let Some(name) = files.find(|name| !self.files.contains_key(*name)) {
            let reason = format!("it is not listed in {MANIFEST}");
            return Err(ExecutorError::FileChanged { path: folder.join(name), reason });
        }
        self.files.iter().try_for_each(|(name, record)| record.check(folder, name))
    }
}

impl FileRecord {
    fn of(path: &Path) -> Result<Self, ExecutorError> {
        let (size, sha256) = sha256_of(path).map_err(|error| ExecutorError::invalid(path, &error))?;
        Ok(Self { size, sha256 })
    }

    fn check(&self, folder: &Path, name: &str) -> Result<(), ExecutorError> {
        let path = folder.join(name);
        if !path.is_file() {
            return Err(ExecutorError::FileMissing { folder: folder.to_owned(), file: name.to_owned() });
        }
        let found = Self::of(&path)?;
        if found == *self {
            return Ok(());
        }
        let reason =
            format!("{} bytes, SHA-256 {}, not {} bytes, {}", found.size, found.sha256, self.size, self.sha256);
        Err(ExecutorError::FileChanged { path, reason })
    }
}
