//! Why an adaptation of low rank cannot be used.

use std::path::PathBuf;

use thiserror::Error;

/// Why an adaptation of low rank cannot be used. The text says what to do.
#[derive(Debug, Error)]
pub enum LoraError {
    /// The file is not one of safetensors.
    #[error("XE-080: {}: {reason}; download the LoRA again", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder has no such file, or several.
    #[error("XE-081: the LoRA folder {} has {found} .safetensors files; leave one", folder.display())]
    NotOneFile {
        /// The folder.
        folder: PathBuf,
        /// How many there are.
        found: usize,
    },
    /// A tensor belongs to nothing that the model's graphs have.
    #[error("XE-082: {}: {key} changes nothing that the model's graphs have ({reason}); use a LoRA for this model, or a model exported with the names of its modules", path.display())]
    NoPlace {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// Why not.
        reason: String,
    },
    /// A tensor of another kind of adaptation.
    #[error("XE-083: {}: {key} is of a kind that is not supported; use a plain LoRA", path.display())]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
    },
    /// Two tensors are the same matrix of the same module.
    #[error("XE-084: {}: {module} has two tensors for its {role}; use a LoRA in one spelling", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// The module.
        module: String,
        /// What both are.
        role: &'static str,
    },
    /// Nothing says how strong an adaptation in PEFT's layout is.
    #[error("XE-085: {}: nothing says how strong {module} is; put the adapter_config.json of the LoRA beside it", path.display())]
    StrengthUnknown {
        /// The file.
        path: PathBuf,
        /// The module.
        module: String,
    },
}

impl LoraError {
    /// The stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "XE-080",
            Self::NotOneFile { .. } => "XE-081",
            Self::NoPlace { .. } => "XE-082",
            Self::OtherKind { .. } => "XE-083",
            Self::Twice { .. } => "XE-084",
            Self::StrengthUnknown { .. } => "XE-085",
        }
    }
}
