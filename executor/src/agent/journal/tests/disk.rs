//! A disk in memory that stops at a chosen moment.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use redb::StorageBackend;

/// A disk that keeps what was synced, and of what was not only some, as the power fails.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What a read sees.
    current: Vec<u8>,
    /// What survives for certain.
    synced: Vec<u8>,
    /// What was done since the last sync.
    unsynced: Vec<Change>,
    /// Changes and syncs that still succeed; `None` for no limit.
    left: Option<u64>,
}

#[derive(Clone, Debug)]
enum Change {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Write(at, data) => {
                bytes.resize(bytes.len().max(at + data.len()), 0);
                bytes[*at..at + data.len()].copy_from_slice(data);
            }
        }
    }
}

impl Disk {
    /// Lets this many changes and syncs succeed, and no more.
    pub(super) fn fail_after(&self, operations: u64) {
        self.state().left = Some(operations);
    }

    /// Whether it has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.state().left == Some(0)
    }

    /// The disk as it is found afterwards: of the changes that were not synced, `kept` says which were written.
    pub(super) fn after_failure(&self, kept: impl Fn(usize) -> bool) -> Self {
        let state = self.state();
        let mut bytes = state.synced.clone();
        let survivors = state.unsynced.iter().enumerate().filter(|(index, _)| kept(*index));
        survivors.for_each(|(_, change)| change.apply(&mut bytes));
        Self(Arc::new(Mutex::new(State { current: bytes.clone(), synced: bytes, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn spend(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        match &mut state.left {
            Some(0) => return Err(io::Error::other("the disk has failed")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(state)
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.spend()?;
        change.apply(&mut state.current);
        state.unsynced.push(change);
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a journal in a test is small")]
impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let range = offset as usize..offset as usize + out.len();
        let bytes = state.current.get(range).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Change::Length(length as usize))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.spend()?;
        state.synced = state.current.clone();
        state.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write(offset as usize, data.to_vec()))
    }
}
