//! Fetching models: from a hub or any web server, only the files that are needed, over as many broken lines as it takes.
//!
//! Every length and hash is known before the first byte of a file: from the hub's listing of a commit, from a manifest,
//! or from a pin. So a server is not believed, and a model is either installed to the byte or not at all.

mod address;
mod download;
mod http;
mod hub;
mod path;
mod plan;
mod select;
mod source;

use std::{collections::BTreeSet, num::NonZeroUsize, path::PathBuf};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::task::spawn_blocking;
use url::Url;
use xenon_protocol::task::ModelId;

use self::{download::Partial, http::Http, hub::Offered};
pub use self::{
    http::{HubToken, RetryPolicy},
    path::FilePath,
    plan::{FileHash, Plan, PlannedFile},
    select::{Precision, Selection},
    source::Source,
};
use super::{
    InstalledModel, ModelCache, ModelStore, Pin, StoreError,
    cache::{FileLock, touch},
};
use crate::error::ExecutorError;

/// The hub that is asked if no other is configured.
pub const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// How to fetch.
#[derive(Clone, Debug)]
pub struct FetchConfig {
    /// Address of the hub.
    pub endpoint: Url,
    /// Token for models that not everybody may read. It is shown to the hub alone.
    pub token: Option<HubToken>,
    /// Use no network: what is not installed is an error.
    pub offline: bool,
    /// What to do about failures that may pass by themselves.
    pub policy: RetryPolicy,
    /// Files that are fetched at the same time.
    pub parallel: NonZeroUsize,
}

impl FetchConfig {
    /// A hub without a token, with the usual patience, four files at a time.
    pub fn new(endpoint: Url) -> Self {
        let parallel = NonZeroUsize::MIN.saturating_add(3);
        Self { endpoint, token: None, offline: false, policy: RetryPolicy::default(), parallel }
    }
}

/// A model to fetch.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// Where it comes from.
    pub source: Source,
    /// What of it.
    pub selection: Selection,
    /// The name under which it is installed. Without one, a model of a hub is called by its commit, and that of a
    /// manifest as the manifest says.
    pub name: Option<ModelId>,
}

impl From<Source> for FetchRequest {
    fn from(source: Source) -> Self {
        Self { source, selection: Selection::default(), name: None }
    }
}

/// What a fetch came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The model's name.
    pub model: ModelId,
    /// Its folder.
    pub folder: PathBuf,
    /// Whether it was there already.
    pub present: bool,
}

/// What happens during a fetch.
#[derive(Clone, Copy, Debug)]
pub enum FetchEvent<'a> {
    /// Another process fetches the same model; this one waits for it.
    Waiting {
        /// The model.
        model: &'a ModelId,
    },
    /// Bytes are about to come.
    Begin {
        /// The model and its files.
        plan: &'a Plan,
        /// Bytes that an earlier fetch left.
        have: u64,
    },
    /// Bytes of a file came.
    Received {
        /// The file.
        file: &'a FilePath,
        /// How many came.
        bytes: u64,
    },
    /// A file begins anew.
    Restarted {
        /// The file.
        file: &'a FilePath,
        /// Bytes of it that do not count any more.
        lost: u64,
    },
    /// Something went wrong that may pass by itself.
    Pausing {
        /// The file.
        file: &'a FilePath,
        /// What went wrong.
        error: &'a StoreError,
    },
    /// A file is complete and is hashed.
    Verifying {
        /// The file.
        file: &'a FilePath,
    },
}

/// Is told what happens, from several tasks at once.
pub type Report<'a> = &'a (dyn Fn(FetchEvent<'_>) + Send + Sync);

/// Fetches models into a store.
#[derive(Clone, Debug)]
pub struct Fetcher {
    cache: ModelCache,
    config: FetchConfig,
    http: Http,
}

/// A plan, and what the store is to remember with it.
struct Order {
    plan: Plan,
    folder: String,
    asked: String,
}

impl Fetcher {
    /// Fetches into this store.
    pub fn new(cache: ModelCache, config: FetchConfig) -> Result<Self, StoreError> {
        let http = Http::new(config.endpoint.clone(), config.token.clone(), config.policy)?;
        Ok(Self { cache, config, http })
    }

    /// Brings a model into the store unless it is there. What arrives before an error is kept, and the next fetch goes
    /// on from there. Fetches of one model by several processes wait for each other.
    pub async fn fetch(&self, request: &FetchRequest, report: Report<'_>) -> Result<Fetched, ExecutorError> {
        if let Some(fetched) = self.already(request).await? {
            return Ok(fetched);
        }
        let order = self.order(request).await?;
        let _fetching = self.lock(&order.plan.model, report).await?;
        if let Some(installed) = self.find(&order.plan.model).await? {
            return Ok(self.present(&installed, Some(&order.plan))?);
        }
        let (cache, plan) = (self.cache.clone(), order.plan.clone());
        let parts = blocking(move || {
            let parts = cache.parts(&plan)?;
            cache.reserve(&plan)?;
            Ok(parts)
        });
        self.download(&order.plan, parts.await?, report).await?;
        let (cache, model) = (self.cache.clone(), order.plan.model.clone());
        blocking(move || cache.install(&order.plan, &order.folder, &order.asked)).await?;
        let folder = self.cache.layout.model(&model);
        tracing::info!(%model, folder = %folder.display(), "fetched");
        Ok(Fetched { model, folder, present: false })
    }

    /// Whether it can be told without the network that the model is there. Offline, what is not there is an error.
    async fn already(&self, request: &FetchRequest) -> Result<Option<Fetched>, ExecutorError> {
        let cache = self.cache.clone();
        let store = blocking(move || Ok(ModelStore::open(cache.root()))).await??;
        let exact = exact_name(request).and_then(|name| store.find(&name).ok());
        let known = if self.config.offline { exact.or_else(|| self.asked_before(request, &store)) } else { exact };
        match known {
            // Which files a choice means, and whether two sources give the same, cannot be told without the listing.
            Some(installed) if self.config.offline => {
                self.came_from(installed, request)?.map_or(Ok(()), |other| Err(differs(installed, other)))?;
                Ok(Some(self.present(installed, None)?))
            }
            Some(installed) if is_default(&request.selection) && self.came_from(installed, request)?.is_none() => {
                Ok(Some(self.present(installed, None)?))
            }
            _ if self.config.offline => Err(StoreError::Offline { missing: missing(request) }.into()),
            _ => Ok(None),
        }
    }

    /// What came of the same words before, or the one revision that there is of a name without one.
    fn asked_before<'a>(&self, request: &FetchRequest, store: &'a ModelStore) -> Option<&'a InstalledModel> {
        let text = request.source.to_string();
        let asked = |installed: &&InstalledModel| {
            self.cache.record(installed).ok().flatten().is_some_and(|record| record.asked == text)
        };
        let unnamed = || match &request.source {
            Source::Hub { repository, revision: None } => store.find(repository).ok(),
            _ => None,
        };
        store.installed().find(asked).or_else(unnamed)
    }

    async fn find(&self, model: &ModelId) -> Result<Option<InstalledModel>, ExecutorError> {
        let (cache, model) = (self.cache.clone(), model.clone());
        let store = blocking(move || Ok(ModelStore::open(cache.root()))).await??;
        Ok(store.find(&model).ok().cloned())
    }

    /// A model that is installed, which must have what is wanted and be as it was pinned.
    fn present(&self, installed: &InstalledModel, plan: Option<&Plan>) -> Result<Fetched, StoreError> {
        let manifest = &installed.manifest;
        self.cache.pins()?.check(manifest)?;
        for file in plan.into_iter().flat_map(|plan| &plan.files) {
            compare(installed, file)?;
        }
        if self.cache.record(installed)?.is_some() {
            touch(&self.cache.layout, &manifest.model)?;
        }
        Ok(Fetched { model: manifest.model.clone(), folder: installed.folder.clone(), present: true })
    }

    /// The source that an installed model came from, if it is not the one that is asked for. What was put there by hand, or
    /// is pinned, comes from wherever it does.
    fn came_from(&self, installed: &InstalledModel, request: &FetchRequest) -> Result<Option<String>, StoreError> {
        let Some(record) = self.cache.record(installed)? else { return Ok(None) };
        let asked = request.source.to_string();
        let is_pinned = self.cache.pins()?.models.contains_key(&installed.manifest.model);
        let is_other = !is_pinned && record.asked != asked && !is_of_source(&record.source, &request.source);
        Ok(is_other.then(|| format!("from {}", record.source)))
    }

    /// What to fetch: as the pin says, or else as the source says now.
    async fn order(&self, request: &FetchRequest) -> Result<Order, StoreError> {
        let pinned = exact_name(request).and_then(|name| {
            let pins = self.cache.pins().map(|mut pins| pins.models.remove(&name)).transpose()?;
            Some(pins.map(|pin| (name, pin)))
        });
        if let Some((name, pin)) = pinned.transpose()? {
            return self.pinned(name, pin);
        }
        let Offered { model, source, files, shares_passes } = self.offered(&request.source).await?;
        let files = match &request.source {
            // A manifest lists what belongs to the model and nothing else.
            Source::Url(_) if is_default(&request.selection) => files,
            source => request.selection.choose(source, files)?,
        };
        let model = request.name.clone().unwrap_or(model);
        let plan = Plan { model, source, files, shares_passes }.checked()?;
        if plan.model.revision().is_none() {
            let reason = String::from("a name to install under has a revision, org/name@revision");
            return Err(StoreError::SourceInvalid { source_text: plan.model.to_string(), reason });
        }
        let folder = request.selection.folder.trim_matches('/').to_owned();
        Ok(Order { plan, folder, asked: request.source.to_string() })
    }

    async fn offered(&self, source: &Source) -> Result<Offered, StoreError> {
        let (http, endpoint) = (&self.http, &self.config.endpoint);
        match source {
            Source::Url(folder) => hub::manifest(http, folder).await,
            Source::Hub { repository, revision } => {
                let commit = hub::commit(http, endpoint, repository, revision.as_deref()).await?;
                let files = hub::files(http, endpoint, repository, &commit).await?;
                let name = format!("{repository}@{commit}");
                let invalid =
                    || StoreError::SourceInvalid { source_text: name.clone(), reason: String::from("it is no name") };
                let model = name.parse().map_err(|_| invalid())?;
                Ok(Offered { model, source: name, files, shares_passes: BTreeSet::new() })
            }
        }
    }

    /// The order for a pinned model. Nothing is asked: the pin says everything.
    fn pinned(&self, model: ModelId, pin: Pin) -> Result<Order, StoreError> {
        let missing = || StoreError::SourceInvalid {
            source_text: model.to_string(),
            reason: String::from("its pin names no source, because it was put there by hand: copy the folder here"),
        };
        let asked = pin.source.ok_or_else(missing)?;
        let source: Source = asked.parse()?;
        let mut files = Vec::new();
        for (path, record) in pin.files {
            let path = FilePath::try_from(path)?;
            let hash = FileHash::Sha256(record.sha256);
            if !hash.is_well_formed() {
                let reason = format!("the pinned hash of {path} is none");
                return Err(StoreError::SourceInvalid { source_text: model.to_string(), reason });
            }
            let url = self.address(&source, &pin.folder, &path)?;
            files.push(PlannedFile { path, url, size: record.size, hash });
        }
        let plan = Plan { model, source: asked.clone(), files, shares_passes: pin.shares_passes }.checked()?;
        Ok(Order { plan, folder: pin.folder, asked })
    }

    fn address(&self, source: &Source, folder: &str, path: &FilePath) -> Result<Url, StoreError> {
        let whole = if folder.is_empty() { path.clone() } else { FilePath::try_from(format!("{folder}/{path}"))? };
        match source {
            Source::Url(url) => hub::extend(url, whole.as_str().split('/')),
            Source::Hub { repository, revision } => {
                let commit = revision.as_deref().filter(|revision| hub::is_commit(revision));
                let commit = commit.ok_or_else(|| StoreError::SourceInvalid {
                    source_text: source.to_string(),
                    reason: String::from("a pin's source names a commit"),
                })?;
                hub::file_address(&self.config.endpoint, repository, commit, &whole)
            }
        }
    }

    async fn lock(&self, model: &ModelId, report: Report<'_>) -> Result<FileLock, StoreError> {
        let path = self.cache.layout.fetch_lock(model);
        if let Some(lock) = FileLock::try_exclusive(&path)? {
            return Ok(lock);
        }
        report(FetchEvent::Waiting { model });
        blocking(move || FileLock::exclusive(&path)).await
    }

    async fn download(&self, plan: &Plan, parts: PathBuf, report: Report<'_>) -> Result<(), StoreError> {
        let mut seen = BTreeSet::new();
        let files = plan.files.iter().filter(|file| seen.insert(file.hash.hex()));
        let partials: Vec<_> = files.map(|file| Partial::new(&parts, file)).collect();
        let have: u64 = stream::iter(&partials).then(Partial::length).fold(0, async |sum, have| sum + have).await;
        report(FetchEvent::Begin { plan, have });
        stream::iter(partials.iter().map(Ok))
            .try_for_each_concurrent(self.config.parallel.get(), |partial| partial.complete(&self.http, report))
            .await
    }
}

/// Whether a source that names a commit is one of what was asked for. Without a revision any commit will do.
fn is_of_source(source: &str, asked: &Source) -> bool {
    match asked {
        Source::Hub { repository, revision: None } => {
            source.strip_prefix(repository.as_str()).is_some_and(|rest| rest.starts_with('@'))
        }
        asked => source == asked.to_string(),
    }
}

/// Checks that a file of a plan is installed with the content that the plan says.
fn compare(installed: &InstalledModel, file: &PlannedFile) -> Result<(), StoreError> {
    let Some(record) = installed.manifest.files.get(file.path.as_str()) else {
        return Err(differs(installed, format!("without {}", file.path)));
    };
    let found = match &file.hash {
        FileHash::Sha256(_) => record.sha256.clone(),
        // Only small files have such a hash, and no manifest holds it.
        git @ FileHash::GitBlob(_) => {
            let path = installed.folder.join(file.path.as_str());
            git.of_file(&path).map_err(|error| StoreError::disk(&path, &error))?
        }
    };
    if record.size == file.size && found == file.hash.hex() {
        return Ok(());
    }
    Err(differs(installed, format!("with another {}", file.path)))
}

fn differs(installed: &InstalledModel, how: String) -> StoreError {
    StoreError::OtherFiles { model: installed.manifest.model.clone(), how }
}

/// The name of the one content that a request can mean, if it names one.
fn exact_name(request: &FetchRequest) -> Option<ModelId> {
    match (&request.name, &request.source) {
        (Some(name), _) => Some(name.clone()),
        (None, Source::Hub { revision: Some(_), .. }) => request.source.to_string().parse().ok(),
        _ => None,
    }
}

fn is_default(selection: &Selection) -> bool {
    selection.variants.is_empty() && selection.include.is_empty() && selection.folder.is_empty()
}

fn missing(request: &FetchRequest) -> String {
    match &request.name {
        Some(name) => format!("{name} (from {})", request.source),
        None => request.source.to_string(),
    }
}

/// Runs what waits for a disk or a lock.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let stopped = |error: tokio::task::JoinError| StoreError::Disk { path: PathBuf::new(), reason: error.to_string() };
    spawn_blocking(work).await.map_err(stopped)?
}
