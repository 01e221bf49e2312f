//! Where a model grows: parts while they come, then the folder as it will be, which becomes a model in one step.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{
    ModelCache, Record,
    layout::{create_parent, sync_folder},
    record::now,
};
use crate::{
    digest::sha256_of,
    model::{
        FileRecord, Manifest, StoreError,
        fetch::{FileHash, Plan, PlannedFile},
    },
};

impl ModelCache {
    /// The folder for the parts of a plan's files, with what an earlier fetch left and is still wanted.
    pub(in crate::model) fn parts(&self, plan: &Plan) -> Result<PathBuf, StoreError> {
        let target = self.layout.model(&plan.model);
        if fs::symlink_metadata(&target).is_ok() {
            return Err(StoreError::NotOurs { path: target });
        }
        let staging = self.layout.staging(&plan.model);
        let parts = staging.join("parts");
        fs::create_dir_all(&parts).map_err(|error| StoreError::disk(&parts, &error))?;
        take_back(plan, &staging, &parts)?;
        let wanted: BTreeSet<OsString> = plan.files.iter().flat_map(part_names).collect();
        let drop_others = || -> io::Result<()> {
            for entry in fs::read_dir(&parts)? {
                let entry = entry?;
                // Whatever is no plain file is not ours; a link would lead elsewhere.
                if !wanted.contains(&entry.file_name()) || !entry.file_type()?.is_file() {
                    remove(&entry.path())?;
                }
            }
            Ok(())
        };
        drop_others().map_err(|error| StoreError::disk(&parts, &error))?;
        Ok(parts)
    }

    /// Makes a model of a plan whose parts are all there and checked. Until the last step there is no such model.
    pub(in crate::model) fn install(&self, plan: &Plan, folder: &str, asked: &str) -> Result<Manifest, StoreError> {
        let staging = self.layout.staging(&plan.model);
        let (parts, files, target) = (staging.join("parts"), staging.join("files"), self.layout.model(&plan.model));
        assemble(plan, &parts, &files)?;
        let manifest = describe(plan, &files)?;
        self.pins()?.check(&manifest)?;
        manifest.write(&files).map_err(|error| StoreError::file(&files, &error))?;
        sync_tree(&files).map_err(|error| StoreError::disk(&files, &error))?;
        let (model, source) = (plan.model.clone(), plan.source.clone());
        Record { model, source, folder: folder.to_owned(), asked: asked.to_owned(), used: now() }
            .write(&self.layout)?;
        create_parent(&target)?;
        if let Err(error) = fs::rename(&files, &target) {
            // Whatever is there must not pass for the store's own.
            remove(&self.layout.record(&plan.model)).map_err(|error| StoreError::disk(&target, &error))?;
            return Err(occupied(&target, &error));
        }
        sync_folder(target.parent().unwrap_or(&target)).map_err(|error| StoreError::disk(&target, &error))?;
        fs::remove_dir_all(&staging).map_err(|error| StoreError::disk(&staging, &error))?;
        Ok(manifest)
    }
}

fn part_names(file: &PlannedFile) -> [OsString; 2] {
    ["part", "etag"].map(|kind| format!("{}.{kind}", file.hash.hex()).into())
}

fn part(parts: &Path, file: &PlannedFile) -> PathBuf {
    parts.join(format!("{}.part", file.hash.hex()))
}

/// A crash while the folder was put together left files in it: they are parts again.
fn take_back(plan: &Plan, staging: &Path, parts: &Path) -> Result<(), StoreError> {
    let files = staging.join("files");
    for file in &plan.files {
        let (from, to) = (files.join(file.path.as_str()), part(parts, file));
        if fs::symlink_metadata(&from).is_ok_and(|found| found.is_file()) && fs::symlink_metadata(&to).is_err() {
            fs::rename(&from, &to).map_err(|error| StoreError::disk(&from, &error))?;
        }
    }
    remove(&files).map_err(|error| StoreError::disk(&files, &error))
}

fn assemble(plan: &Plan, parts: &Path, files: &Path) -> Result<(), StoreError> {
    remove(files).map_err(|error| StoreError::disk(files, &error))?;
    fs::create_dir_all(files).map_err(|error| StoreError::disk(files, &error))?;
    let mut places: BTreeMap<&str, PathBuf> = BTreeMap::new();
    for file in &plan.files {
        let target = files.join(file.path.as_str());
        create_parent(&target)?;
        // Two names for one content were fetched once.
        let moved = match places.get(file.hash.hex()) {
            Some(place) => fs::copy(place, &target).map(|_| ()),
            None => fs::rename(part(parts, file), &target),
        };
        moved.map_err(|error| StoreError::disk(&target, &error))?;
        places.entry(file.hash.hex()).or_insert(target);
    }
    Ok(())
}

/// The manifest of what was fetched. Hashes that were checked need not be computed again.
fn describe(plan: &Plan, files: &Path) -> Result<Manifest, StoreError> {
    let record = |file: &PlannedFile| {
        let path = files.join(file.path.as_str());
        let sha256 = match &file.hash {
            FileHash::Sha256(hash) => hash.clone(),
            FileHash::GitBlob(_) => sha256_of(&path).map_err(|error| StoreError::disk(&path, &error))?.1,
        };
        Ok((file.path.to_string(), FileRecord { size: file.size, sha256 }))
    };
    let files = plan.files.iter().map(record).collect::<Result<_, StoreError>>()?;
    Ok(Manifest { model: plan.model.clone(), files, shares_passes: plan.shares_passes.clone() })
}

fn occupied(target: &Path, error: &io::Error) -> StoreError {
    if target.is_dir() { StoreError::NotOurs { path: target.to_owned() } } else { StoreError::disk(target, error) }
}

fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(folder)
}

/// Deletes a file, a link or a folder; nothing is fine.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    }
}
