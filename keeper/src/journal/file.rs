//! The journal's file: made whole or not at all, opened by one keeper at a time.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    panic::catch_unwind,
    path::{Path, PathBuf},
};

use redb::{Database, ReadableDatabase, ReadableTable, backends::InMemoryBackend};
use tempfile::NamedTempFile;

use super::{COUNTERS, DAYS, Identity, Intent, JournalError, LIVE, META, OVER, cell};

/// Memory for pages of the file, in bytes. A journal is small.
const CACHE_BYTES: usize = 8 << 20;

const IDENTITY: &str = "identity";

/// Where a key's journal is kept. A key may serve several chains, and has nonces of its own on each.
pub(super) fn path(dir: &Path, identity: &Identity) -> PathBuf {
    dir.join(format!("keeper-{}-{:#x}.redb", identity.chain_id(), identity.key()))
}

/// Opens the journal, making it if there is none, and reads it through, so that damage is found before anything is sent.
pub(super) fn open(path: &Path, identity: &Identity) -> Result<Database, JournalError> {
    if !path.try_exists().map_err(|error| unusable(path, &error))? {
        create(path, identity)?;
    }
    // The database checks itself with assertions: damage may show as a panic.
    catch_unwind(|| open_existing(path, identity)).unwrap_or_else(|_| {
        let reason = String::from("the database library gave up on it");
        Err(JournalError::Damaged { path: path.to_owned(), reason })
    })
}

/// A journal without a file.
pub(super) fn in_memory(path: &Path, identity: &Identity) -> Result<Database, JournalError> {
    let made = redb::Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(InMemoryBackend::new());
    let db = made.map_err(|error| failure(path, error.into()))?;
    initialise(&db, identity).map_err(|error| failure(path, error))?;
    Ok(db)
}

fn open_existing(path: &Path, identity: &Identity) -> Result<Database, JournalError> {
    let opened = redb::Builder::new().set_cache_size(CACHE_BYTES).open(path);
    let db = opened.map_err(|error| failure(path, error.into()))?;
    verify(path, &db, identity)?;
    read_through(&db).map_err(|error| failure(path, error))?;
    Ok(db)
}

fn read_through(db: &Database) -> Result<(), redb::Error> {
    let transaction = db.begin_read()?;
    for table in [LIVE, OVER] {
        for row in transaction.open_table(table)?.iter()? {
            cell::decode::<Intent>(row?.1.value())?;
        }
    }
    transaction.open_table(COUNTERS)?;
    transaction.open_table(DAYS)?;
    Ok(())
}

/// A journal appears under its name only when it is complete: one found incomplete was damaged, not interrupted. Only its
/// owner can read it, as the temporary file.
fn create(path: &Path, identity: &Identity) -> Result<(), JournalError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(|error| unusable(dir, &error))?;
    let file = NamedTempFile::new_in(dir).map_err(|error| unusable(dir, &error))?;
    let db = redb::Builder::new().create(file.path()).map_err(|error| failure(path, error.into()))?;
    initialise(&db, identity).map_err(|error| failure(path, error))?;
    drop(db);
    match file.persist_noclobber(path) {
        // Another keeper was faster: its file is as good, and its lock decides.
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(unusable(path, &error.error)),
        Ok(_) => sync_directory(dir),
    }
}

/// Writes whose journal it is, and the tables, so that reading never finds one missing.
fn initialise(db: &Database, identity: &Identity) -> Result<(), redb::Error> {
    let transaction = db.begin_write()?;
    transaction.open_table(META)?.insert(IDENTITY, cell::encode(identity)?.as_str())?;
    transaction.open_table(LIVE)?;
    transaction.open_table(OVER)?;
    transaction.open_table(COUNTERS)?;
    transaction.open_table(DAYS)?;
    Ok(transaction.commit()?)
}

fn verify(path: &Path, db: &Database, expected: &Identity) -> Result<(), JournalError> {
    let found = identity(db).map_err(|error| failure(path, error))?;
    if found == *expected {
        return Ok(());
    }
    let (expected, found) = (expected.to_string(), found.to_string());
    Err(JournalError::OfAnother { path: path.to_owned(), expected, found })
}

fn identity(db: &Database) -> Result<Identity, redb::Error> {
    let table = db.begin_read()?.open_table(META)?;
    let text = table.get(IDENTITY)?.ok_or_else(|| redb::Error::Corrupted("it does not say whose it is".to_owned()))?;
    cell::decode(text.value())
}

/// Makes the new name durable.
#[cfg(unix)]
fn sync_directory(dir: &Path) -> Result<(), JournalError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| unusable(dir, &error))
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> Result<(), JournalError> {
    Ok(())
}

fn unusable(path: &Path, error: &io::Error) -> JournalError {
    JournalError::Unusable { path: path.to_owned(), reason: error.to_string() }
}

/// What an error of the database means to the operator.
pub(super) fn failure(path: &Path, error: redb::Error) -> JournalError {
    let path = path.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen => JournalError::InUse { path },
        redb::Error::Corrupted(reason) => JournalError::Damaged { path, reason },
        redb::Error::Io(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            JournalError::Damaged { path, reason: error.to_string() }
        }
        redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::UpgradeRequired(_) => JournalError::Damaged { path, reason: error.to_string() },
        other => JournalError::Unusable { path, reason: other.to_string() },
    }
}
