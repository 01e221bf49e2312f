//! What can go wrong between a task and its answer.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use thiserror::Error;
use xenon_protocol::{
    error_code::ErrorCode,
    task::{ModelId, TaskError},
};

use crate::{
    device::Device, image::ImageError, lora::LoraError, model::StoreError, quantize::QuantizeError, text::Variant,
};

/// What can go wrong between a task and its answer. The text says what to do.
#[derive(Debug, Error)]
pub enum ExecutorError {
    /// No ONNX Runtime library was found.
    #[error(
        "XE-001: no ONNX Runtime library at {}; run `make setup`, or set ORT_DYLIB_PATH to libonnxruntime",
        list(searched)
    )]
    RuntimeMissing {
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// The file is not an ONNX Runtime library for this machine.
    #[error("XE-002: {} is not a usable ONNX Runtime library: {reason}; run `make setup`, or set ORT_DYLIB_PATH to another", path.display())]
    RuntimeUnusable {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// The library is older than the interface that this program uses.
    #[error("XE-003: ONNX Runtime {found} at {} is too old, {needed} or newer is needed; run `make setup`, or set ORT_DYLIB_PATH to a newer one", path.display())]
    RuntimeTooOld {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The oldest version that works.
        needed: String,
    },
    /// A process holds one ONNX Runtime, and it is another one.
    #[error("XE-004: this process has loaded {} and cannot load {} as well; use one library per process", loaded.display(), asked.display())]
    RuntimeAlreadyLoaded {
        /// The library in use.
        loaded: PathBuf,
        /// The library asked for.
        asked: PathBuf,
    },
    /// The device needs a part that this program was built without.
    #[error("XE-010: this build cannot use {device}; build it with `--features {feature}`, or choose the device cpu")]
    DeviceNotCompiled {
        /// The device asked for.
        device: Device,
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// The ONNX Runtime library was built without the device's provider.
    #[error("XE-011: the ONNX Runtime library at {} has no {provider}; set ORT_DYLIB_PATH to one that has, or choose the device cpu", library.display())]
    DeviceNotInRuntime {
        /// The provider's name in ONNX Runtime.
        provider: &'static str,
        /// The library in use.
        library: PathBuf,
    },
    /// The provider is there and a first computation on it failed.
    #[error("XE-012: {device} does not work: {reason}; check its driver and libraries, or choose the device cpu")]
    DeviceUnusable {
        /// The device asked for.
        device: Device,
        /// What the runtime says.
        reason: String,
    },
    /// Not the name of a device.
    #[error("XE-013: {name:?} is not a device; use cpu, cuda, cuda:N, coreml or auto")]
    DeviceUnknown {
        /// What was given.
        name: String,
    },
    /// Nothing says which GPU a number means, or what it is.
    #[error(
        "XE-014: cannot tell what {device} is: {reason}; install the whole driver (with libnvidia-ml), name one GPU in CUDA_VISIBLE_DEVICES by its GPU-… identity, or choose the device cpu"
    )]
    GpuUnknown {
        /// The device.
        device: Device,
        /// What is not known.
        reason: String,
    },
    /// The models folder cannot be read.
    #[error("XE-020: cannot read the models folder {}: {reason}; create it or point to another", path.display())]
    ModelsFolder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The model is not installed.
    #[error("XE-021: the model {model} is not installed; installed: {}", names(installed))]
    ModelUnavailable {
        /// The model asked for.
        model: ModelId,
        /// Models that are.
        installed: Vec<ModelId>,
    },
    /// Several revisions are installed and none was named.
    #[error("XE-022: several revisions of {model} are installed; name one: {}", names(installed))]
    RevisionAmbiguous {
        /// The model asked for.
        model: ModelId,
        /// The revisions that are installed.
        installed: Vec<ModelId>,
    },
    /// Two folders say that they are the same model.
    #[error("XE-023: {} and {} both hold {model}; remove one", first.display(), second.display())]
    ModelTwice {
        /// The name in both manifests.
        model: ModelId,
        /// One folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A model folder lacks a file.
    #[error("XE-024: the model folder {} has no {file}; export or download it again", folder.display())]
    FileMissing {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        file: String,
    },
    /// A file of a model cannot be read or makes no sense.
    #[error("XE-025: {}: {reason}; export or download the model again", path.display())]
    FileInvalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of a model is not the one that the manifest names.
    #[error("XE-026: {} is not the file that the manifest names ({reason}); download the model again", path.display())]
    FileChanged {
        /// The file.
        path: PathBuf,
        /// How it differs.
        reason: String,
    },
    /// The graph needs something that this executor does not do.
    #[error("XE-027: cannot run {}: {reason}; export it as text generation with past (KV cache)", path.display())]
    GraphUnsupported {
        /// The ONNX file.
        path: PathBuf,
        /// What it needs.
        reason: String,
    },
    /// The name of a graph tells another precision than its weights.
    #[error("XE-028: {} is called as if it were of {told}, and its weights are of {found}; rename it, or export it again", path.display())]
    PrecisionContradicted {
        /// The ONNX file.
        path: PathBuf,
        /// What the name tells.
        told: Variant,
        /// What is in it.
        found: Variant,
    },
    /// The store cannot bring or keep a model.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An image task came to nothing.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// An adaptation of a model's weights cannot be used.
    #[error(transparent)]
    Lora(#[from] LoraError),
    /// A model is not quantised.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// The task JSON is not acceptable.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The model's chat template refuses the conversation.
    #[error("XE-030: the model's chat template refuses the conversation: {reason}; change the messages")]
    ConversationRefused {
        /// What the template says.
        reason: String,
    },
    /// The conversation and the answer do not fit the model.
    #[error(
        "XE-031: {prompt} tokens of conversation and {new} to generate exceed the model's context of {context}; shorten one"
    )]
    ContextExceeded {
        /// Tokens of the rendered conversation.
        prompt: usize,
        /// `max_new_tokens`.
        new: u32,
        /// Tokens that the model can see.
        context: usize,
    },
    /// The conversation renders to nothing.
    #[error("XE-032: the conversation renders to no tokens at all; add a message with content")]
    PromptEmpty,
    /// The model's chat template passes over a part of the task.
    #[error("XE-033: the model's chat template has no place for {what}; leave it out, or choose another model")]
    TemplateIgnores {
        /// The part, in the words of the task JSON.
        what: &'static str,
    },
    /// The model is not installed in the precision that the task asks for.
    #[error(
        "XE-034: the model is not installed in {wanted}; leave dtype and quantize_bits out, or ask for one of: {}",
        available.join(", ")
    )]
    VariantUnavailable {
        /// What the task asks for.
        wanted: String,
        /// What is installed.
        available: Vec<String>,
    },
    /// The runtime failed.
    #[error("XE-040: ONNX Runtime failed: {reason}; check the model with another task and the log for the cause")]
    Runtime {
        /// What the runtime says.
        reason: String,
    },
    /// The runtime could not get memory.
    #[error("XE-041: out of memory: {reason}; run fewer or smaller models")]
    OutOfMemory {
        /// What the runtime says.
        reason: String,
    },
    /// The model's output is not a distribution over tokens.
    #[error("XE-042: the model's logits are not numbers; its weights are damaged or its precision is too low")]
    LogitsInvalid,
    /// The tokenizer failed on this text.
    #[error("XE-043: the tokenizer failed: {reason}; check the model's tokenizer.json")]
    Tokenizer {
        /// What the tokenizer says.
        reason: String,
    },
}

impl ExecutorError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RuntimeMissing { .. } => "XE-001",
            Self::RuntimeUnusable { .. } => "XE-002",
            Self::RuntimeTooOld { .. } => "XE-003",
            Self::RuntimeAlreadyLoaded { .. } => "XE-004",
            Self::DeviceNotCompiled { .. } => "XE-010",
            Self::DeviceNotInRuntime { .. } => "XE-011",
            Self::DeviceUnusable { .. } => "XE-012",
            Self::DeviceUnknown { .. } => "XE-013",
            Self::GpuUnknown { .. } => "XE-014",
            Self::ModelsFolder { .. } => "XE-020",
            Self::ModelUnavailable { .. } => "XE-021",
            Self::RevisionAmbiguous { .. } => "XE-022",
            Self::ModelTwice { .. } => "XE-023",
            Self::FileMissing { .. } => "XE-024",
            Self::FileInvalid { .. } => "XE-025",
            Self::FileChanged { .. } => "XE-026",
            Self::GraphUnsupported { .. } => "XE-027",
            Self::PrecisionContradicted { .. } => "XE-028",
            Self::Store(error) => error.code(),
            Self::Image(error) => error.code(),
            Self::Lora(error) => error.code(),
            Self::Quantize(error) => error.code(),
            Self::Task(error) => error.code(),
            Self::ConversationRefused { .. } => "XE-030",
            Self::ContextExceeded { .. } => "XE-031",
            Self::PromptEmpty => "XE-032",
            Self::TemplateIgnores { .. } => "XE-033",
            Self::VariantUnavailable { .. } => "XE-034",
            Self::Runtime { .. } => "XE-040",
            Self::OutOfMemory { .. } => "XE-041",
            Self::LogitsInvalid => "XE-042",
            Self::Tokenizer { .. } => "XE-043",
        }
    }

    /// What a node commits to when this error ends a task.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            Self::Image(error) => error.error_code(),
            Self::Task(error) => error.error_code(),
            Self::ConversationRefused { .. } | Self::PromptEmpty | Self::TemplateIgnores { .. } => {
                ErrorCode::InvalidArguments
            }
            Self::ContextExceeded { .. } => ErrorCode::TaskTooLarge,
            Self::OutOfMemory { .. } => ErrorCode::OutOfMemory,
            Self::Runtime { .. } | Self::LogitsInvalid | Self::Tokenizer { .. } => ErrorCode::ExecutionFailed,
            _ => ErrorCode::ModelUnavailable,
        }
    }

    pub(crate) fn invalid(path: &Path, reason: &(impl Display + ?Sized)) -> Self {
        Self::FileInvalid { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn tokenizer(error: &(impl Display + ?Sized)) -> Self {
        Self::Tokenizer { reason: error.to_string() }
    }
}

/// Words by which ONNX Runtime, its providers, Rust and the system report that memory ran out; they have no code for it.
const OUT_OF_MEMORY: [&str; 6] = [
    "Failed to allocate memory",
    "Cannot allocate memory",
    "bad_alloc",
    "out of memory",
    "bad allocation",
    "memory allocation of",
];

/// Whether these are the words of a library that got no memory.
pub(crate) fn is_out_of_memory(text: &str) -> bool {
    OUT_OF_MEMORY.iter().any(|words| text.contains(words))
}

impl<R> From<ort::Error<R>> for ExecutorError {
    fn from(error: ort::Error<R>) -> Self {
        let reason = error.message().to_owned();
        if is_out_of_memory(&reason) { Self::OutOfMemory { reason } } else { Self::Runtime { reason } }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn names(models: &[ModelId]) -> String {
    if models.is_empty() {
        return "none".to_owned();
    }
    models.iter().map(ModelId::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_begins_with_the_code() {
        let errors = [
            ExecutorError::RuntimeMissing { searched: vec!["a".into(), "b".into()] },
            ExecutorError::ModelUnavailable { model: "a/b".parse().unwrap(), installed: vec![] },
            ExecutorError::Task(TaskError::TooLarge { bytes: 1 }),
            ExecutorError::PromptEmpty,
        ];
        for error in errors {
            assert!(error.to_string().starts_with(&format!("{}: ", error.code())), "{error}");
        }
    }

    #[test]
    fn the_caller_is_not_blamed_for_the_node() {
        let error = ExecutorError::ModelUnavailable { model: "a/b".parse().unwrap(), installed: vec![] };
        assert_eq!(error.error_code(), ErrorCode::ModelUnavailable);
        assert_eq!(ExecutorError::LogitsInvalid.error_code(), ErrorCode::ExecutionFailed);
        let error = ExecutorError::ContextExceeded { prompt: 9, new: 1, context: 8 };
        assert_eq!(error.error_code(), ErrorCode::TaskTooLarge);
    }
}
