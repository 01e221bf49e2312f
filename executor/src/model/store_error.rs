//! What can go wrong between a model's name and its files in the store.

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;
use xenon_protocol::task::ModelId;

/// What can go wrong between a model's name and its files in the store. The text says what to do.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Neither a model of a hub nor the address of one.
    #[error(
        "XE-100: {source_text:?} is no source of a model ({reason}); give org/name, org/name@revision or an https:// URL of a folder with a xenon.json"
    )]
    SourceInvalid {
        /// What was given.
        source_text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer from the server.
    #[error("XE-101: {url} does not answer ({reason}); check the network and models.endpoint, then fetch again")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What the network says.
        reason: String,
    },
    /// The server has no such thing.
    #[error("XE-102: {url} does not exist; check the name, the revision and models.endpoint")]
    NotFound {
        /// What was asked.
        url: String,
    },
    /// The server does not let this node have it.
    #[error("XE-103: {url} needs permission (status {status}); set HF_TOKEN to a token that may read it")]
    Forbidden {
        /// What was asked.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// The server asks for patience, longer than this program has or again and again.
    #[error("XE-104: {url} asks to come back later (Retry-After: {}); fetch again then, what has arrived is kept", seconds(*retry_after))]
    RateLimited {
        /// What was asked.
        url: String,
        /// Seconds to wait, if the server said so.
        retry_after: Option<u64>,
    },
    /// The server fails.
    #[error("XE-105: {url} answers with status {status}; fetch again later, what has arrived is kept")]
    ServerFailed {
        /// What was asked.
        url: String,
        /// The status of its last answer.
        status: u16,
    },
    /// An answer that makes no sense.
    #[error("XE-106: the answer of {url} makes no sense ({reason}); use another models.endpoint")]
    AnswerInvalid {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of another length than the listing says.
    #[error(
        "XE-107: {url} has {found} bytes and should have {expected}; use another models.endpoint, or another revision"
    )]
    WrongLength {
        /// What was asked.
        url: String,
        /// Bytes by the listing or the pin.
        expected: u64,
        /// Bytes announced or received; at least so many.
        found: u64,
    },
    /// Other bytes than the listing says.
    #[error(
        "XE-108: {url} is not the file that was asked for: its {algorithm} is {found}, not {expected}; use another models.endpoint"
    )]
    WrongContent {
        /// What was asked.
        url: String,
        /// `SHA-256` or `git blob hash`.
        algorithm: &'static str,
        /// The hash by the listing or the pin.
        expected: String,
        /// The hash of what came.
        found: String,
    },
    /// The line breaks again and again.
    #[error(
        "XE-109: the line to {url} keeps breaking after {have} of {size} bytes ({reason}); fetch again, it goes on from there"
    )]
    Interrupted {
        /// What was asked.
        url: String,
        /// Bytes on disk.
        have: u64,
        /// Bytes of the file.
        size: u64,
        /// What the network says.
        reason: String,
    },
    /// A file name that could leave the folder or mean different things on different systems.
    #[error("XE-110: the source names a file {path:?}, which is refused ({reason}); use another source")]
    PathRefused {
        /// The name.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The source has no such variant of the model.
    #[error("XE-111: {source_text} has no variant {wanted}; it has: {}", list(offered))]
    VariantMissing {
        /// Where it was looked for.
        source_text: String,
        /// What was asked for.
        wanted: String,
        /// What there is.
        offered: Vec<String>,
    },
    /// The source lacks a file that every model needs.
    #[error(
        "XE-112: {source_text} is no model that this program can run: it has no {file}; choose an ONNX export, or name its folder with --folder"
    )]
    LayoutIncomplete {
        /// Where it was looked for.
        source_text: String,
        /// What is missing.
        file: String,
    },
    /// Something is missing and the network may not be used.
    #[error(
        "XE-113: {missing} is not in the store and models.offline is set; fetch it while online, or copy the folder here"
    )]
    Offline {
        /// What is missing.
        missing: String,
    },
    /// The model alone is larger than all that the store may hold.
    #[error(
        "XE-114: {model} has {size} bytes and the store may hold {budget}; raise models.budget, or choose a smaller variant"
    )]
    LargerThanBudget {
        /// The model.
        model: ModelId,
        /// Bytes of its files.
        size: u64,
        /// `models.budget`, in bytes.
        budget: u64,
    },
    /// What may be evicted does not make room enough.
    #[error(
        "XE-115: no room for {size} bytes: {used} of {budget} are in use and only {evictable} may be evicted; unpin or remove a model, stop what uses one, or raise models.budget"
    )]
    BudgetFull {
        /// Bytes still to come.
        size: u64,
        /// Bytes below the models folder, promised ones included.
        used: u64,
        /// Bytes of models that are neither pinned nor in use and were put there by the store.
        evictable: u64,
        /// `models.budget`, in bytes.
        budget: u64,
    },
    /// The disk is full, or would be.
    #[error("XE-116: {} has {free} bytes free and {needed} are needed; free some, or put the models folder on another disk", path.display())]
    DiskFull {
        /// The models folder.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that are needed, with a margin.
        needed: u64,
    },
    /// The system refuses to read or write.
    #[error("XE-117: {}: {reason}; check its permissions and the disk", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Somebody runs the model.
    #[error("XE-118: {model} is in use by a running node; stop the node first")]
    InUse {
        /// The model.
        model: ModelId,
    },
    /// The model is pinned.
    #[error("XE-119: {model} is pinned; undo that first with `xenon model pin --undo {model}`")]
    Pinned {
        /// The model.
        model: ModelId,
    },
    /// The model is not what it was when it was pinned.
    #[error(
        "XE-120: {model} is not as it was pinned ({reason}); remove it and fetch it again, or pin it anew if the change was meant"
    )]
    PinDiffers {
        /// The model.
        model: ModelId,
        /// How it differs.
        reason: String,
    },
    /// The store has no such model.
    #[error("XE-121: the store has no {model}; `xenon model list` shows what it has")]
    NotInstalled {
        /// The model.
        model: ModelId,
    },
    /// The model is installed in another form than the one asked for.
    #[error(
        "XE-122: {model} is installed {how}; remove it and fetch it again with every variant that is wanted, or fetch under another name"
    )]
    OtherFiles {
        /// The model.
        model: ModelId,
        /// How it differs: without a file, with another one, or from another source.
        how: String,
    },
    /// The folder holds what the store did not put there.
    #[error("XE-123: {} was not put there by the store; delete the folder yourself if it is not needed", path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// A file of the store's own makes no sense.
    #[error("XE-124: {}: {reason}; correct the file, or delete it", path.display())]
    FileInvalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The address may not be used so.
    #[error("XE-125: {url} is refused: {reason}")]
    AddressRefused {
        /// The address.
        url: String,
        /// Why.
        reason: &'static str,
    },
}

impl StoreError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SourceInvalid { .. } => "XE-100",
            Self::Unreachable { .. } => "XE-101",
            Self::NotFound { .. } => "XE-102",
            Self::Forbidden { .. } => "XE-103",
            Self::RateLimited { .. } => "XE-104",
            Self::ServerFailed { .. } => "XE-105",
            Self::AnswerInvalid { .. } => "XE-106",
            Self::WrongLength { .. } => "XE-107",
            Self::WrongContent { .. } => "XE-108",
            Self::Interrupted { .. } => "XE-109",
            Self::PathRefused { .. } => "XE-110",
            Self::VariantMissing { .. } => "XE-111",
            Self::LayoutIncomplete { .. } => "XE-112",
            Self::Offline { .. } => "XE-113",
            Self::LargerThanBudget { .. } => "XE-114",
            Self::BudgetFull { .. } => "XE-115",
            Self::DiskFull { .. } => "XE-116",
            Self::Disk { .. } => "XE-117",
            Self::InUse { .. } => "XE-118",
            Self::Pinned { .. } => "XE-119",
            Self::PinDiffers { .. } => "XE-120",
            Self::NotInstalled { .. } => "XE-121",
            Self::OtherFiles { .. } => "XE-122",
            Self::NotOurs { .. } => "XE-123",
            Self::FileInvalid { .. } => "XE-124",
            Self::AddressRefused { .. } => "XE-125",
        }
    }

    pub(super) fn disk(path: &Path, error: &io::Error) -> Self {
        Self::Disk { path: path.to_owned(), reason: error.to_string() }
    }

    pub(super) fn file(path: &Path, reason: &(impl Display + ?Sized)) -> Self {
        Self::FileInvalid { path: path.to_owned(), reason: reason.to_string() }
    }
}

fn seconds(retry_after: Option<u64>) -> String {
    retry_after.map_or_else(|| String::from("not said"), |seconds| format!("{seconds} s"))
}

fn list(names: &[String]) -> String {
    if names.is_empty() { String::from("none") } else { names.join(", ") }
}
