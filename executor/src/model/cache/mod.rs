//! The models folder as a store with a budget: what was fetched, from where, when it was used, what must stay.
//!
//! Models that somebody else put into the folder are counted and never touched. Every step that others can see is one
//! rename, so that a crash leaves a model or none; locks are the system's, so that a crash releases them.

mod budget;
mod layout;
mod pins;
mod record;
mod staging;
mod trash;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use xenon_protocol::task::ModelId;

pub(super) use self::layout::FileLock;
use self::{
    layout::{Layout, tree_size},
    record::now,
};
pub use self::{
    pins::{Pin, Pins},
    record::Record,
};
use super::{InstalledModel, MANIFEST, Manifest, ModelStore, StoreError};
use crate::error::ExecutorError;

/// How often the use of a model in use is recorded.
const USE_RECORDED_EVERY: Duration = Duration::from_mins(5);

/// The models folder as a store with a budget.
#[derive(Clone, Debug)]
pub struct ModelCache {
    pub(super) layout: Layout,
    budget: Option<u64>,
}

/// A model in the store.
#[derive(Clone, Debug)]
pub struct CachedModel {
    /// What it is and where it lies.
    pub installed: InstalledModel,
    /// What the store remembers of it; nothing if somebody else put it there.
    pub record: Option<Record>,
    /// Bytes of its folder.
    pub size: u64,
    /// Whether it must stay.
    pub pinned: bool,
    /// Whether a node runs it now.
    pub in_use: bool,
}

/// Says that a model is in use for as long as it lives: it will not be evicted.
#[derive(Debug)]
pub struct ModelLease {
    layout: Layout,
    model: ModelId,
    recorded: Instant,
    _lock: FileLock,
}

impl ModelCache {
    /// The store of a models folder, which is made if it is not there. `budget` is the most bytes that may lie below it.
    pub fn open(root: &Path, budget: Option<u64>) -> Result<Self, StoreError> {
        fs::create_dir_all(root).map_err(|error| StoreError::disk(root, &error))?;
        // One folder has one path, whatever the current directory becomes.
        let root = root.canonicalize().map_err(|error| StoreError::disk(root, &error))?;
        Ok(Self { layout: Layout::new(&root), budget })
    }

    /// The models folder.
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// The most bytes that may lie below the models folder.
    pub const fn budget(&self) -> Option<u64> {
        self.budget
    }

    /// Bytes below the models folder, of whatever they are.
    pub fn used(&self) -> Result<u64, StoreError> {
        tree_size(self.layout.root())
    }

    /// All models, in the order of their names.
    pub fn list(&self) -> Result<Vec<CachedModel>, ExecutorError> {
        let store = ModelStore::open(self.layout.root())?;
        let pins = self.pins()?;
        store.installed().map(|installed| Ok(self.describe(installed, &pins)?)).collect()
    }

    fn describe(&self, installed: &InstalledModel, pins: &Pins) -> Result<CachedModel, StoreError> {
        let model = &installed.manifest.model;
        let record = self.record(installed)?;
        // Only models of the store's own are ever leased.
        let leased = || FileLock::try_exclusive(&self.layout.use_lock(model)).map(|lock| lock.is_none());
        Ok(CachedModel {
            in_use: if record.is_some() { leased()? } else { false },
            record,
            size: tree_size(&installed.folder)?,
            pinned: pins.models.contains_key(model),
            installed: installed.clone(),
        })
    }

    /// What the store remembers of a model, if it lies where the store puts models.
    pub(super) fn record(&self, installed: &InstalledModel) -> Result<Option<Record>, StoreError> {
        let model = &installed.manifest.model;
        if installed.folder.ends_with(model.as_str()) { Record::read(&self.layout, model) } else { Ok(None) }
    }

    /// Reads every file of a model and compares it with the manifest, and the manifest with the pin.
    pub fn verify(&self, model: &ModelId) -> Result<(), ExecutorError> {
        let store = ModelStore::open(self.layout.root())?;
        let installed = store.find(model)?;
        installed.verify()?;
        Ok(self.pins()?.check(&installed.manifest)?)
    }

    /// The pinned models.
    pub fn pins(&self) -> Result<Pins, StoreError> {
        Pins::read(&self.layout)
    }

    /// Pins a model as it is now, after reading every file of it.
    pub fn pin(&self, model: &ModelId) -> Result<Pin, ExecutorError> {
        let store = ModelStore::open(self.layout.root())?;
        let installed = store.find(model)?;
        installed.verify()?;
        let record = self.record(installed)?;
        let (source, folder) = record.map_or_else(Default::default, |record| (Some(record.source), record.folder));
        let Manifest { files, shares_passes, .. } = installed.manifest.clone();
        let pin = Pin { source, folder, files, shares_passes };
        let _lock = FileLock::exclusive(&self.layout.lock())?;
        let mut pins = self.pins()?;
        pins.models.insert(installed.manifest.model.clone(), pin.clone());
        pins.write(&self.layout)?;
        Ok(pin)
    }

    /// Lets a pinned model go, whether it is installed or not.
    pub fn unpin(&self, model: &ModelId) -> Result<(), StoreError> {
        let _lock = FileLock::exclusive(&self.layout.lock())?;
        let mut pins = self.pins()?;
        match pins.models.remove(model) {
            Some(_) => pins.write(&self.layout),
            None => Err(StoreError::NotInstalled { model: model.clone() }),
        }
    }

    /// Removes a model that the store fetched, unless it is pinned or in use.
    pub fn remove(&self, model: &ModelId) -> Result<(), ExecutorError> {
        let _lock = FileLock::exclusive(&self.layout.lock())?;
        let store = ModelStore::open(self.layout.root())?;
        let installed = store.find(model).map_err(|_| StoreError::NotInstalled { model: model.clone() })?;
        let model = &installed.manifest.model;
        if self.pins()?.models.contains_key(model) {
            return Err(StoreError::Pinned { model: model.clone() }.into());
        }
        if self.record(installed)?.is_none() {
            return Err(StoreError::NotOurs { path: installed.folder.clone() }.into());
        }
        Ok(self.evict(model)?)
    }

    /// Deletes a model. The store's lock must be held.
    fn evict(&self, model: &ModelId) -> Result<(), StoreError> {
        let unused = FileLock::try_exclusive(&self.layout.use_lock(model))?;
        let _unused = unused.ok_or_else(|| StoreError::InUse { model: model.clone() })?;
        trash::delete(&self.layout, &self.layout.model(model))?;
        let record = self.layout.record(model);
        fs::remove_file(&record).map_err(|error| StoreError::disk(&record, &error))?;
        tracing::info!(%model, "evicted");
        Ok(())
    }
}

impl ModelLease {
    /// Takes a lease on an installed model and records its use. `None` for one that the store did not fetch: nobody
    /// evicts that. An error if it was evicted in the meantime.
    pub fn take(root: &Path, installed: &InstalledModel) -> Result<Option<Self>, StoreError> {
        let mut lease = Self::hold(root, installed)?;
        lease.iter_mut().try_for_each(Self::record)?;
        Ok(lease)
    }

    /// The same without recording a use: for a node that offers a model and has not loaded it.
    pub fn hold(root: &Path, installed: &InstalledModel) -> Result<Option<Self>, StoreError> {
        let cache = ModelCache { layout: Layout::new(root), budget: None };
        let model = installed.manifest.model.clone();
        if cache.record(installed)?.is_none() {
            return Ok(None);
        }
        let lock = FileLock::shared(&cache.layout.use_lock(&model))?;
        if !installed.folder.join(MANIFEST).is_file() {
            return Err(StoreError::NotInstalled { model });
        }
        Ok(Some(Self { layout: cache.layout, model, recorded: Instant::now(), _lock: lock }))
    }

    /// Says that the model was used just now. Costs something every few minutes only.
    pub fn touch(&mut self) {
        if self.recorded.elapsed() >= USE_RECORDED_EVERY
            && let Err(error) = self.record()
        {
            tracing::warn!(%error, model = %self.model, "the use of a model could not be recorded");
        }
    }

    fn record(&mut self) -> Result<(), StoreError> {
        self.recorded = Instant::now();
        touch(&self.layout, &self.model)
    }
}

/// Records that a model was used just now.
pub(super) fn touch(layout: &Layout, model: &ModelId) -> Result<(), StoreError> {
    match Record::read(layout, model)? {
        Some(record) => Record { used: now(), ..record }.write(layout),
        None => Ok(()),
    }
}
