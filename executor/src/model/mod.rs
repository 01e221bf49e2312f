//! Models on disk: which folder holds which model, what is in it, and whether it is the right one.

mod config;
mod folder;
mod genai;
pub mod layout;
mod manifest;
mod store;

pub(crate) use self::{config::read_json, layout::mentions};
pub use self::{
    config::{EarlyStopping, GenerationDefaults, ModelConfig},
    folder::ModelFolder,
    layout::GraphFiles,
    manifest::{FileRecord, MANIFEST, Manifest},
    store::{InstalledModel, ModelStore},
};
