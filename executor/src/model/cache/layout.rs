//! Where the store keeps what: models in the models folder itself, everything else in its `.store`.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::Serialize;
use xenon_protocol::task::ModelId;

use crate::model::StoreError;

/// The store's own folder in the models folder. It begins with a dot, so that no model can be called so.
const OWN: &str = ".store";

/// The paths below one models folder.
#[derive(Clone, Debug)]
pub(in crate::model) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(in crate::model) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(in crate::model) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of an installed model.
    pub(in crate::model) fn model(&self, model: &ModelId) -> PathBuf {
        self.root.join(model.as_str())
    }

    /// The models that must stay, with their hashes.
    pub(super) fn pins(&self) -> PathBuf {
        self.root.join("pins.json")
    }

    /// What the store knows about a model that it fetched.
    pub(super) fn record(&self, model: &ModelId) -> PathBuf {
        self.own("records").join(format!("{model}.json"))
    }

    /// Held by whoever counts or changes what there is.
    pub(super) fn lock(&self) -> PathBuf {
        self.root.join(OWN).join("lock")
    }

    /// Held, shared, by whoever runs the model.
    pub(super) fn use_lock(&self, model: &ModelId) -> PathBuf {
        self.own("locks").join(format!("{model}.use"))
    }

    /// Held by whoever fetches the model.
    pub(in crate::model) fn fetch_lock(&self, model: &ModelId) -> PathBuf {
        self.own("locks").join(format!("{model}.fetch"))
    }

    /// All models that are being fetched, two folders deep.
    pub(super) fn stagings(&self) -> PathBuf {
        self.own("staging")
    }

    /// Where a model grows until it is complete.
    pub(super) fn staging(&self, model: &ModelId) -> PathBuf {
        self.stagings().join(model.as_str())
    }

    /// Where folders go to be deleted.
    pub(super) fn trash(&self) -> PathBuf {
        self.own("trash")
    }

    fn own(&self, name: &str) -> PathBuf {
        self.root.join(OWN).join(name)
    }
}

/// A lock on a file, released when it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(in crate::model) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits until nobody else holds it.
    pub(in crate::model) fn exclusive(path: &Path) -> Result<Self, StoreError> {
        let file = lock_file(path)?;
        file.lock().map_err(|error| StoreError::disk(path, &error))?;
        Ok(Self { _file: file })
    }

    /// `None` if somebody else holds it.
    pub(in crate::model) fn try_exclusive(path: &Path) -> Result<Option<Self>, StoreError> {
        let file = lock_file(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(StoreError::disk(path, &error)),
        }
    }

    /// Held together with others who share it; waits for one who does not.
    pub(super) fn shared(path: &Path) -> Result<Self, StoreError> {
        let file = lock_file(path)?;
        file.lock_shared().map_err(|error| StoreError::disk(path, &error))?;
        Ok(Self { _file: file })
    }
}

fn lock_file(path: &Path) -> Result<File, StoreError> {
    create_parent(path)?;
    let file = File::options().create(true).append(true).open(path);
    file.map_err(|error| StoreError::disk(path, &error))
}

/// Makes the folder of a file.
pub(super) fn create_parent(path: &Path) -> Result<(), StoreError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(|error| StoreError::disk(parent, &error))
}

/// Writes a file so that it is there whole or not at all, whenever the machine stops.
pub(super) fn write_json(path: &Path, content: &impl Serialize) -> Result<(), StoreError> {
    create_parent(path)?;
    let parent = path.parent().unwrap_or(path);
    let write = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        let text = serde_json::to_string_pretty(content)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync_folder(parent)
    };
    write().map_err(|error| StoreError::disk(path, &error))
}

/// Makes a rename in a folder survive a power cut, where the system has folders that can be synced.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Bytes of all files below a path. Links count as nothing and are not followed.
pub(super) fn tree_size(path: &Path) -> Result<u64, StoreError> {
    let count = |path: &Path| -> io::Result<u64> {
        let mut total: u64 = 0;
        let mut open = vec![path.to_owned()];
        while let Some(path) = open.pop() {
            total = total.saturating_add(size_or_children(&path, &mut open)?);
        }
        Ok(total)
    };
    count(path).map_err(|error| StoreError::disk(path, &error))
}

/// The size of a file, or the entries of a folder. What disappears meanwhile is nothing.
fn size_or_children(path: &Path, children: &mut Vec<PathBuf>) -> io::Result<u64> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        metadata => metadata?,
    };
    if metadata.is_dir() {
        match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            entries => {
                for entry in entries? {
                    children.push(entry?.path());
                }
            }
        }
    }
    Ok(if metadata.is_file() { metadata.len() } else { 0 })
}
