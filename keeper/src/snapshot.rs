//! A view on disk, from which a keeper goes on after a restart without reading its past again.
//!
//! ```text
//! magic, version, origin (chain, contracts, block), view, keccak256 of all that
//! ```
//!
//! A snapshot saves time and is never trusted: it is of use only for the same contracts, and only while its block is
//! part of the chain. Whatever is wrong with one, the keeper reads the chain from the start instead.

use std::{
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, B256, keccak256};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use xenon_protocol::{chain::Head, deployment::Deployment};

use crate::View;

/// What every snapshot begins with.
const MAGIC: [u8; 8] = *b"XNVIEW\r\n";

/// The form of what follows, which changes whenever that of a view does.
const VERSION: u16 = 1;

/// Bytes before the origin.
const PREFIX: usize = MAGIC.len() + size_of::<u16>();

/// Why a snapshot is not used, or could not be written. The keeper goes on without it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages name the fields")]
pub enum SnapshotError {
    /// Some of its bytes are not those that were written.
    #[error("XK-060: the snapshot {path} is damaged ({reason}): delete it; the chain is read from the start instead")]
    Damaged { path: PathBuf, reason: &'static str },
    /// It is of another version of this program.
    #[error(
        "XK-061: the snapshot {path} has form {found}, not {VERSION}: nothing to do; the chain is read from the start and the next snapshot replaces it"
    )]
    OtherForm { path: PathBuf, found: u16 },
    /// It is of another network.
    #[error(
        "XK-062: the snapshot {path} is of the network of {task} on chain {chain_id}: give each network a file of its own"
    )]
    Foreign { path: PathBuf, task: Address, chain_id: u64 },
    /// Its block is not, or no more, part of the chain.
    #[error("XK-063: block {block} of the snapshot {path} is not part of the chain: the chain is read from the start")]
    Left { path: PathBuf, block: u64 },
    /// The disk does not do what it should.
    #[error("XK-064: the snapshot {path} cannot be read or written: {error}; check the folder's rights and free space")]
    File { path: PathBuf, error: io::Error },
}

impl SnapshotError {
    /// The stable code of this error, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => "XK-060",
            Self::OtherForm { .. } => "XK-061",
            Self::Foreign { .. } => "XK-062",
            Self::Left { .. } => "XK-063",
            Self::File { .. } => "XK-064",
        }
    }
}

/// What a view is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    contracts: Deployment,
    block: Head,
}

/// A view in few bytes, and the block after which it is the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The block.
    pub block: Head,
    view: Vec<u8>,
}

impl Snapshot {
    /// Writes a view down.
    pub fn of(view: &View, block: Head) -> Self {
        Self { block, view: encoded(view) }
    }

    /// The view, unless the bytes are none.
    pub fn view(&self) -> Option<View> {
        decoded(&self.view)
    }

    /// Bytes of the view.
    pub fn size(&self) -> usize {
        self.view.len()
    }
}

/// The file in which a network's last snapshot is kept.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    path: PathBuf,
    contracts: Deployment,
}

impl SnapshotFile {
    /// A file for a network, whether it is there or not.
    pub fn new(path: impl Into<PathBuf>, contracts: Deployment) -> Self {
        Self { path: path.into(), contracts }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The snapshot, or `None` if there is no file.
    ///
    /// # Errors
    /// The file is no undamaged snapshot of this network in the present form.
    pub fn read(&self) -> Result<Option<Snapshot>, SnapshotError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => self.parse(&bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Replaces the file. Whoever reads it meanwhile, or after a crash, finds the old or the new one, whole.
    ///
    /// # Errors
    /// [`SnapshotError::File`]; the old file stays.
    pub fn write(&self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let origin = Origin { contracts: self.contracts, block: snapshot.block };
        let mut bytes = [&MAGIC[..], &VERSION.to_le_bytes(), &encoded(&origin), &snapshot.view].concat();
        bytes.extend(keccak256(&bytes));
        self.replace(&bytes).map_err(|error| self.failed(error))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }

    fn parse(&self, bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
        let content = self.checked(bytes)?;
        let (origin, view) =
            postcard::take_from_bytes::<Origin>(content).map_err(|_| self.damaged("it does not say what it is of"))?;
        if origin.contracts != self.contracts {
            let Deployment { task, chain_id, .. } = origin.contracts;
            return Err(SnapshotError::Foreign { path: self.path.clone(), task, chain_id });
        }
        Ok(Snapshot { block: origin.block, view: view.to_vec() })
    }

    /// What stands between the form and the digest, both of which must be right.
    fn checked<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], SnapshotError> {
        let Some((content, digest)) = bytes.split_last_chunk::<32>() else {
            return Err(self.damaged("it is too short"));
        };
        let Some((prefix, rest)) = content.split_at_checked(PREFIX).filter(|(prefix, _)| prefix.starts_with(&MAGIC))
        else {
            return Err(self.damaged("it does not begin as a snapshot does"));
        };
        if keccak256(content) != B256::from(*digest) {
            return Err(self.damaged("its digest is another"));
        }
        match prefix[MAGIC.len()..] {
            [low, high] if u16::from_le_bytes([low, high]) == VERSION => Ok(rest),
            [low, high] => {
                Err(SnapshotError::OtherForm { path: self.path.clone(), found: u16::from_le_bytes([low, high]) })
            }
            _ => Err(self.damaged("it does not say which form it has")),
        }
    }

    /// Its block is not part of the chain.
    pub(crate) fn left(&self, block: u64) -> SnapshotError {
        SnapshotError::Left { path: self.path.clone(), block }
    }

    /// Its digest is right and its view is none all the same.
    pub(crate) fn damaged(&self, reason: &'static str) -> SnapshotError {
        SnapshotError::Damaged { path: self.path.clone(), reason }
    }

    fn failed(&self, error: io::Error) -> SnapshotError {
        SnapshotError::File { path: self.path.clone(), error }
    }
}

#[expect(clippy::expect_used, reason = "postcard refuses only sequences of unknown length, and there are none")]
fn encoded(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("every view has a form on disk")
}

fn decoded(bytes: &[u8]) -> Option<View> {
    postcard::take_from_bytes(bytes).ok().filter(|(_, rest)| rest.is_empty()).map(|(view, _)| view)
}

#[cfg(test)]
mod tests;
