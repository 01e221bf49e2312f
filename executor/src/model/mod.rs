//! Models on disk: where they come from, which folder holds which model, what is in it, and whether it is the right
//! one.

mod cache;
mod config;
pub mod fetch;
mod folder;
mod genai;
pub mod layout;
mod manifest;
mod precision;
mod store;
mod store_error;

pub use self::{
    cache::{CachedModel, ModelCache, ModelLease, Pin, Pins, Record},
    config::{EarlyStopping, GenerationDefaults, ModelConfig},
    folder::ModelFolder,
    layout::GraphFiles,
    manifest::{FileRecord, MANIFEST, Manifest},
    store::{InstalledModel, ModelStore},
    store_error::StoreError,
};
pub(crate) use self::{config::read_json, layout::mentions};
