//! The journal: what a keeper has signed and what became of it, so that a crash loses nothing and doubles nothing.
//!
//! One file for each key, locked by the keeper that has it open. Every change is on disk when the call returns.

mod cell;
mod error;
mod file;
mod identity;
mod intent;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::primitives::U256;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

pub use self::{
    error::JournalError,
    identity::Identity,
    intent::{Abandonment, Attempt, Intent, Landing, Purpose, Stage},
};

/// Whose journal it is.
const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
/// Intents that are not over, by nonce.
const LIVE: TableDefinition<'_, u64, &str> = TableDefinition::new("live");
/// Intents that are over, by number.
const OVER: TableDefinition<'_, u64, &str> = TableDefinition::new("over");
/// Counters: the next number and the nonce after the last that was found used.
const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
/// Wei spent, by day of the chain's clock.
const DAYS: TableDefinition<'_, u64, &str> = TableDefinition::new("days");

const NEXT_ID: &str = "next_id";
const NEXT_NONCE: &str = "next_nonce";

/// Intents that are over and are kept for whoever asks what happened.
const KEPT: u64 = 4_096;

/// What a keeper has in hand, on disk. Clones are handles on the same journal.
#[derive(Clone, Debug)]
pub struct Journal {
    path: PathBuf,
    db: Arc<Database>,
}

impl Journal {
    /// Opens the journal of `identity` in `dir`, making both if there are none, and locks it against other keepers.
    ///
    /// # Errors
    /// [`JournalError::InUse`], [`JournalError::OfAnother`], [`JournalError::Damaged`] (the file is left as it is),
    /// [`JournalError::Unusable`].
    pub fn open(dir: &Path, identity: &Identity) -> Result<Self, JournalError> {
        let path = file::path(dir, identity);
        let db = Arc::new(file::open(&path, identity)?);
        Ok(Self { path, db })
    }

    /// A journal that ends with its last handle, for simulated chains.
    ///
    /// # Errors
    /// [`JournalError::Unusable`] without memory.
    pub fn in_memory(identity: &Identity) -> Result<Self, JournalError> {
        let path = PathBuf::from("in memory");
        let db = Arc::new(file::in_memory(&path, identity)?);
        Ok(Self { path, db })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The intents that are not over, by nonce.
    pub fn live(&self) -> Result<Vec<Intent>, JournalError> {
        self.read(|transaction| intents(&transaction.open_table(LIVE)?))
    }

    /// The last intents that are over, oldest first.
    pub fn over(&self) -> Result<Vec<Intent>, JournalError> {
        self.read(|transaction| intents(&transaction.open_table(OVER)?))
    }

    /// The nonce after all that this journal has found used; a node that says less lags.
    pub fn next_nonce(&self) -> Result<u64, JournalError> {
        self.read(|transaction| counter(&transaction.open_table(COUNTERS)?, NEXT_NONCE))
    }

    /// Wei that intents which are over have cost on a day since the Unix epoch.
    pub fn spent(&self, day: u64) -> Result<U256, JournalError> {
        self.read(|transaction| spent(&transaction.open_table(DAYS)?, day))
    }

    /// New intents on consecutive nonces from `nonce` on, in this order.
    pub fn intend(&self, nonce: u64, purposes: &[Purpose], block: u64) -> Result<Vec<Intent>, JournalError> {
        self.write(|transaction| {
            let mut counters = transaction.open_table(COUNTERS)?;
            let mut live = transaction.open_table(LIVE)?;
            let mut id = counter(&counters, NEXT_ID)?;
            let mut intents = Vec::with_capacity(purposes.len());
            for (nonce, purpose) in (nonce..).zip(purposes) {
                let intent = Intent::new(id, nonce, *purpose, block);
                live.insert(nonce, cell::encode(&intent)?.as_str())?;
                intents.push(intent);
                id += 1;
            }
            counters.insert(NEXT_ID, id)?;
            Ok(intents)
        })
    }

    /// Notes how far intents have come, all or none. Those that are over are put aside, and what they cost is counted for
    /// the day.
    pub fn note(&self, intents: &[Intent], day: u64) -> Result<(), JournalError> {
        if intents.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            for intent in intents {
                if intent.stage.is_over() {
                    put_aside(transaction, intent, day)?;
                } else {
                    transaction.open_table(LIVE)?.insert(intent.nonce, cell::encode(intent)?.as_str())?;
                }
            }
            Ok(())
        })
    }

    fn write<T>(&self, change: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>) -> Result<T, JournalError> {
        let run = || {
            let transaction = self.db.begin_write()?;
            let outcome = change(&transaction)?;
            transaction.commit()?;
            Ok(outcome)
        };
        run().map_err(|error| file::failure(&self.path, error))
    }

    fn read<T>(&self, query: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>) -> Result<T, JournalError> {
        let run = || query(&self.db.begin_read()?);
        run().map_err(|error| file::failure(&self.path, error))
    }
}

/// Moves an intent from those that live to those that are over. Does nothing if it is there already.
fn put_aside(transaction: &WriteTransaction, intent: &Intent, day: u64) -> Result<(), redb::Error> {
    let mut live = transaction.open_table(LIVE)?;
    let held = live.get(intent.nonce)?.map(|row| cell::decode::<Intent>(row.value())).transpose()?;
    if held.is_none_or(|held| held.id != intent.id) {
        return Ok(());
    }
    live.remove(intent.nonce)?;
    let mut over = transaction.open_table(OVER)?;
    over.insert(intent.id, cell::encode(intent)?.as_str())?;
    over.retain(|id, _| id.saturating_add(KEPT) > intent.id)?;
    if !matches!(intent.stage, Stage::Abandoned(_)) {
        let mut counters = transaction.open_table(COUNTERS)?;
        let next = counter(&counters, NEXT_NONCE)?.max(intent.nonce + 1);
        counters.insert(NEXT_NONCE, next)?;
    }
    if let Stage::Final(landing) = &intent.stage {
        let mut days = transaction.open_table(DAYS)?;
        let total = spent(&days, day)?.saturating_add(landing.fee);
        days.insert(day, cell::encode(&total)?.as_str())?;
        days.retain(|kept, _| kept.saturating_add(31) > day)?;
    }
    Ok(())
}

fn intents(table: &impl ReadableTable<u64, &'static str>) -> Result<Vec<Intent>, redb::Error> {
    table.iter()?.map(|row| cell::decode(row?.1.value())).collect()
}

fn counter(table: &impl ReadableTable<&'static str, u64>, name: &str) -> Result<u64, redb::Error> {
    Ok(table.get(name)?.map_or(0, |value| value.value()))
}

fn spent(table: &impl ReadableTable<u64, &'static str>, day: u64) -> Result<U256, redb::Error> {
    table.get(day)?.map_or(Ok(U256::ZERO), |row| cell::decode(row.value()))
}
