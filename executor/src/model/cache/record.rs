//! What the store remembers of a model that it fetched.

use std::{
    fs, io,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use xenon_protocol::task::ModelId;

use super::layout::{Layout, write_json};
use crate::model::StoreError;

/// What the store remembers of a model that it fetched. A model without a record was put there by somebody else, and
/// is nobody's to evict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its name.
    pub model: ModelId,
    /// Where it can be fetched again, to the byte.
    pub source: String,
    /// The folder of the source that holds it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub folder: String,
    /// What was asked for, such as a branch.
    pub asked: String,
    /// When it was last used, in seconds since 1970.
    pub used: u64,
}

impl Record {
    pub(super) fn read(layout: &Layout, model: &ModelId) -> Result<Option<Self>, StoreError> {
        let path = layout.record(model);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::disk(&path, &error)),
        };
        let record: Self = serde_json::from_slice(&text).map_err(|error| StoreError::file(&path, &error))?;
        if record.model == *model { Ok(Some(record)) } else { Err(StoreError::file(&path, "it is of another model")) }
    }

    pub(super) fn write(&self, layout: &Layout) -> Result<(), StoreError> {
        write_json(&layout.record(&self.model), self)
    }
}

/// Seconds since 1970. It decides which model is evicted first, and nothing else.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
