//! The journal: what a node must not forget between the commitment and the end of a task.
//!
//! One file for each key. Every change is on disk when the call returns. An answer that was recorded is never replaced
//! by another one, so a node that crashed anywhere comes back to the same commitment.

mod cell;
mod entry;
mod file;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};

pub use self::entry::{Entry, Identity, Stage};
use super::AgentError;

const ENTRIES: TableDefinition<'_, u64, &str> = TableDefinition::new("entries");

/// Replies by task, kept apart from the entries because they may be large.
const REPLIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("replies");

/// What a node has answered, on disk.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    db: Database,
}

impl Journal {
    /// Opens the journal of `identity` in `dir`, making both if there are none, and locks it against other agents.
    ///
    /// # Errors
    /// [`AgentError::AlreadyRunning`] while another agent has it, [`AgentError::JournalOfAnother`],
    /// [`AgentError::JournalDamaged`] (the file is left as it is), [`AgentError::JournalUnusable`].
    pub fn open(dir: &Path, identity: &Identity) -> Result<Self, AgentError> {
        let path = file::path(dir, identity.key());
        let db = file::open(&path, identity)?;
        Ok(Self { path, db })
    }

    /// Where the journal is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records the answer to a task, with the reply if it is one that can be delivered. An answer that is already there
    /// stays as it is; one to a task of the same number on an abandoned fork is replaced.
    ///
    /// # Errors
    /// [`AgentError::SecondAnswer`] if the journal holds another answer to the same task.
    pub fn record(&self, entry: &Entry, reply: Option<&[u8]>) -> Result<(), AgentError> {
        let recorded = self.write(|transaction| {
            let mut entries = transaction.open_table(ENTRIES)?;
            if let Some(held) = read(&entries, entry.task)?.filter(|held| held.is_of_same_task(entry)) {
                return Ok(held.is_same_answer(entry));
            }
            insert(&mut entries, entry)?;
            let mut replies = transaction.open_table(REPLIES)?;
            match reply {
                Some(reply) => replies.insert(entry.task, reply)?,
                None => replies.remove(entry.task)?,
            };
            Ok(true)
        })?;
        if recorded { Ok(()) } else { Err(AgentError::SecondAnswer { task: entry.task }) }
    }

    /// Notes the step that is about to be taken. Does nothing for a task without an entry.
    pub fn advance(&self, task: u64, stage: Stage) -> Result<(), AgentError> {
        self.write(|transaction| set_stage(transaction, task, stage))
    }

    /// Notes that a task was seen ended when `block` was the newest, and drops its reply.
    pub fn end(&self, task: u64, block: u64) -> Result<(), AgentError> {
        self.write(|transaction| {
            transaction.open_table(REPLIES)?.remove(task)?;
            set_stage(transaction, task, Stage::Ended { block })
        })
    }

    /// Forgets tasks that were seen ended before `block`.
    pub fn forget_before(&self, block: u64) -> Result<(), AgentError> {
        let old: Vec<_> = self.entries()?.into_iter().filter(|entry| ended_before(entry, block)).collect();
        if old.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            let mut entries = transaction.open_table(ENTRIES)?;
            for entry in &old {
                entries.remove(entry.task)?;
            }
            Ok(())
        })
    }

    /// The entry of a task.
    pub fn entry(&self, task: u64) -> Result<Option<Entry>, AgentError> {
        self.read(|transaction| read(&transaction.open_table(ENTRIES)?, task))
    }

    /// All entries, by task number.
    pub fn entries(&self) -> Result<Vec<Entry>, AgentError> {
        self.read(|transaction| {
            let entries = transaction.open_table(ENTRIES)?;
            entries.iter()?.map(|row| cell::decode(row?.1.value())).collect()
        })
    }

    /// The reply to a task, while it may have to be delivered.
    pub fn reply(&self, task: u64) -> Result<Option<Vec<u8>>, AgentError> {
        self.read(|transaction| Ok(transaction.open_table(REPLIES)?.get(task)?.map(|reply| reply.value().to_vec())))
    }

    fn write<T>(&self, change: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>) -> Result<T, AgentError> {
        let run = || {
            let transaction = self.db.begin_write()?;
            let outcome = change(&transaction)?;
            transaction.commit()?;
            Ok(outcome)
        };
        run().map_err(|error| file::failure(&self.path, error))
    }

    fn read<T>(&self, query: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>) -> Result<T, AgentError> {
        let run = || query(&self.db.begin_read()?);
        run().map_err(|error| file::failure(&self.path, error))
    }
}

const fn ended_before(entry: &Entry, limit: u64) -> bool {
    matches!(entry.stage, Stage::Ended { block } if block < limit)
}

fn read(entries: &impl ReadableTable<u64, &'static str>, task: u64) -> Result<Option<Entry>, redb::Error> {
    entries.get(task)?.map(|text| cell::decode(text.value())).transpose()
}

fn insert(entries: &mut Table<'_, u64, &'static str>, entry: &Entry) -> Result<(), redb::Error> {
    entries.insert(entry.task, cell::encode(entry).as_str())?;
    Ok(())
}

fn set_stage(transaction: &WriteTransaction, task: u64, stage: Stage) -> Result<(), redb::Error> {
    let mut entries = transaction.open_table(ENTRIES)?;
    match read(&entries, task)? {
        Some(entry) if entry.stage != stage => insert(&mut entries, &Entry { stage, ..entry }),
        _ => Ok(()),
    }
}
