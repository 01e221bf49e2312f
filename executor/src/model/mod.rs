//! Models on disk: which folder holds which model, what is in it, and whether it is the right one.

mod config;
mod folder;
mod manifest;
mod store;

pub(crate) use self::config::read_json;
pub use self::{
    config::{EarlyStopping, GenerationDefaults, ModelConfig},
    folder::ModelFolder,
    manifest::{FileRecord, MANIFEST, Manifest},
    store::{InstalledModel, ModelStore},
};
