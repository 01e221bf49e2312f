//! Deleting folders so that a half-deleted one never counts as a model.

use std::{fs, io, path::Path};

use super::layout::{Layout, sync_folder};
use crate::model::StoreError;

/// Takes a folder away in one step, then deletes it. A crash in between leaves it in the trash. Links are deleted, not
/// followed. The store's lock must be held.
pub(super) fn delete(layout: &Layout, folder: &Path) -> Result<(), StoreError> {
    let trash = layout.trash();
    fs::create_dir_all(&trash).map_err(|error| StoreError::disk(&trash, &error))?;
    let place = tempfile::Builder::new().prefix("").tempdir_in(&trash);
    let place = place.map_err(|error| StoreError::disk(&trash, &error))?.keep();
    fs::rename(folder, place.join("folder")).map_err(|error| StoreError::disk(folder, &error))?;
    if let Some(parent) = folder.parent() {
        sync_folder(parent).map_err(|error| StoreError::disk(parent, &error))?;
    }
    fs::remove_dir_all(&place).map_err(|error| StoreError::disk(&place, &error))
}

/// Deletes what a crash left in the trash. The store's lock must be held.
pub(super) fn empty(layout: &Layout) -> Result<(), StoreError> {
    let trash = layout.trash();
    match fs::remove_dir_all(&trash) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::disk(&trash, &error)),
        _ => Ok(()),
    }
}
