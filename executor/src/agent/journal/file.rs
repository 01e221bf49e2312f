//! The journal's file: made whole or not at all, opened by one agent at a time.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    panic::catch_unwind,
    path::{Path, PathBuf},
};

use alloy::primitives::Address;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tempfile::NamedTempFile;

use super::{Entry, Identity, cell};
use crate::agent::AgentError;

/// Memory for pages of the file, in bytes. A journal is small.
const CACHE_BYTES: usize = 8 << 20;

const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
const IDENTITY: &str = "identity";

/// Where the journal of `key` is kept.
pub(super) fn path(dir: &Path, key: Address) -> PathBuf {
    dir.join(format!("journal-{key:#x}.redb"))
}

/// Opens the journal at `path`, making it if there is none, takes the exclusive lock on it, and reads it through once,
/// so that damage is found before the first task and not in the middle of one.
pub(super) fn open(path: &Path, identity: &Identity) -> Result<Database, AgentError> {
    if !path.try_exists().map_err(|error| unusable(path, &error))? {
        create(path, identity)?;
    }
    // The database checks itself with assertions: damage may show as a panic.
    let opened = catch_unwind(|| open_existing(path, identity));
    opened.unwrap_or_else(|_| {
        let reason = "the database library gave up on it".to_owned();
        Err(AgentError::JournalDamaged { path: path.to_owned(), reason })
    })
}

fn open_existing(path: &Path, identity: &Identity) -> Result<Database, AgentError> {
    let mut builder = redb::Builder::new();
    let db = builder.set_cache_size(CACHE_BYTES).open(path).map_err(|error| failure(path, error.into()))?;
    verify(path, &db, identity)?;
    read_through(&db).map_err(|error| failure(path, error))?;
    Ok(db)
}

fn read_through(db: &Database) -> Result<(), redb::Error> {
    let transaction = db.begin_read()?;
    for row in transaction.open_table(super::ENTRIES)?.iter()? {
        cell::decode::<Entry>(row?.1.value())?;
    }
    for row in transaction.open_table(super::REPLIES)?.iter()? {
        row?;
    }
    Ok(())
}

/// A journal appears under its name only when it is complete, so that one found incomplete was damaged, not interrupted.
/// The temporary file is readable by its owner only, and so is the journal.
fn create(path: &Path, identity: &Identity) -> Result<(), AgentError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(|error| unusable(dir, &error))?;
    let file = NamedTempFile::new_in(dir).map_err(|error| unusable(dir, &error))?;
    write_identity(file.path(), identity)?;
    match file.persist_noclobber(path) {
        // Another agent was faster: its file is as good, and its lock decides.
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(unusable(path, &error.error)),
        Ok(_) => sync_directory(dir),
    }
}

fn write_identity(path: &Path, identity: &Identity) -> Result<(), AgentError> {
    let db = redb::Builder::new().create(path).map_err(|error| failure(path, error.into()))?;
    initialise(&db, identity).map_err(|error| failure(path, error))
}

/// Writes whose journal it is, and the tables, so that reading never finds one missing.
pub(super) fn initialise(db: &Database, identity: &Identity) -> Result<(), redb::Error> {
    let transaction = db.begin_write()?;
    transaction.open_table(META)?.insert(IDENTITY, cell::encode(identity).as_str())?;
    transaction.open_table(super::ENTRIES)?;
    transaction.open_table(super::REPLIES)?;
    Ok(transaction.commit()?)
}

fn verify(path: &Path, db: &Database, expected: &Identity) -> Result<(), AgentError> {
    let found = identity(db).map_err(|error| failure(path, error))?;
    if found == *expected {
        return Ok(());
    }
    let (expected, found) = (expected.to_string(), found.to_string());
    Err(AgentError::JournalOfAnother { path: path.to_owned(), expected, found })
}

fn identity(db: &Database) -> Result<Identity, redb::Error> {
    let table = db.begin_read()?.open_table(META)?;
    let text = table.get(IDENTITY)?.ok_or_else(|| redb::Error::Corrupted("it does not say whose it is".to_owned()))?;
    cell::decode(text.value())
}

/// Makes the new name durable.
#[cfg(unix)]
fn sync_directory(dir: &Path) -> Result<(), AgentError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| unusable(dir, &error))
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> Result<(), AgentError> {
    Ok(())
}

fn unusable(path: &Path, error: &io::Error) -> AgentError {
    AgentError::JournalUnusable { path: path.to_owned(), reason: error.to_string() }
}

/// What an error of the database means to the operator.
pub(super) fn failure(path: &Path, error: redb::Error) -> AgentError {
    let path = path.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen => AgentError::AlreadyRunning { path },
        redb::Error::Corrupted(reason) => AgentError::JournalDamaged { path, reason },
        redb::Error::Io(error) if is_about_content(&error) => {
            AgentError::JournalDamaged { path, reason: error.to_string() }
        }
        redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::UpgradeRequired(_) => AgentError::JournalDamaged { path, reason: error.to_string() },
        other => AgentError::JournalUnusable { path, reason: other.to_string() },
    }
}

fn is_about_content(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}
