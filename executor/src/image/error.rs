//! What can go wrong between an image task and its pictures.

use std::path::PathBuf;

use thiserror::Error;
use xenon_protocol::error_code::ErrorCode;

/// What can go wrong between an image task and its pictures. The text says what to do.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The pipeline needs something that this executor does not do.
    #[error("XE-060: cannot run the image pipeline {}: {reason}; use a text-to-image pipeline in diffusers' ONNX layout", folder.display())]
    PipelineUnsupported {
        /// The model's folder.
        folder: PathBuf,
        /// What it needs.
        reason: String,
    },
    /// The scheduler's settings ask for something that this executor does not do.
    #[error(
        "XE-061: the scheduler cannot be used: {reason}; name another scheduler in the task, or change scheduler_config.json"
    )]
    SchedulerUnsupported {
        /// The setting.
        reason: String,
    },
    /// The scheduler cannot take so many steps.
    #[error("XE-062: the scheduler takes from 1 to {most} steps, not {steps}; change the task's steps")]
    TooManySteps {
        /// What the task asks for.
        steps: u32,
        /// The most that it takes.
        most: u32,
    },
    /// The model cannot make pictures of this size.
    #[error(
        "XE-063: the model makes pictures whose sides are multiples of {multiple}, not {width} x {height}; change the task's size"
    )]
    SizeUnsupported {
        /// What the task asks for.
        width: u32,
        /// What the task asks for.
        height: u32,
        /// What divides the sides that it can make.
        multiple: u32,
    },
    /// A prompt does not fit the model.
    #[error("XE-064: the prompt has {tokens} tokens and the model reads {most}; shorten it")]
    PromptTooLong {
        /// Tokens of the prompt, start and end included.
        tokens: usize,
        /// Tokens that the model reads.
        most: usize,
    },
    /// A graph of the pipeline needs an input, or lacks an output, that this executor does not know.
    #[error("XE-065: cannot run {}: {reason}; export the pipeline again with Optimum", path.display())]
    GraphUnsupported {
        /// The ONNX file.
        path: PathBuf,
        /// What it needs.
        reason: String,
    },
    /// The model's output is not a picture.
    #[error(
        "XE-066: the model's {stage} gave values that are not numbers; its weights are damaged or its precision is too low"
    )]
    NotNumbers {
        /// Which graph gave them.
        stage: &'static str,
    },
    /// Not a picture.
    #[error("XE-067: not a usable PNG picture: {reason}; fetch it again, or report the node that delivered it")]
    Picture {
        /// What is wrong.
        reason: String,
    },
    /// The task asks for weights of another precision than the model's.
    #[error(
        "XE-068: the task asks for {wanted} and the model's weights are {found}; name a model of that precision, or leave dtype out"
    )]
    OtherPrecision {
        /// What the task asks for.
        wanted: &'static str,
        /// What the model has.
        found: &'static str,
    },
    /// The task needs a guidance that the model has not.
    #[error("XE-069: {setting} has no effect with this model or guidance_scale; leave it out")]
    NoEffect {
        /// The setting.
        setting: &'static str,
    },
    /// The model made a picture of another size than the task's.
    #[error(
        "XE-070: the model made a picture of {found_width} x {found_height}, not {width} x {height}; its vae_decoder and config.json do not belong together, so download it again"
    )]
    OtherSize {
        /// What the task asks for.
        width: u32,
        /// What the task asks for.
        height: u32,
        /// What the model made.
        found_width: usize,
        /// What the model made.
        found_height: usize,
    },
}

impl ImageError {
    /// The stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PipelineUnsupported { .. } => "XE-060",
            Self::SchedulerUnsupported { .. } => "XE-061",
            Self::TooManySteps { .. } => "XE-062",
            Self::SizeUnsupported { .. } => "XE-063",
            Self::PromptTooLong { .. } => "XE-064",
            Self::GraphUnsupported { .. } => "XE-065",
            Self::NotNumbers { .. } => "XE-066",
            Self::Picture { .. } => "XE-067",
            Self::OtherPrecision { .. } => "XE-068",
            Self::NoEffect { .. } => "XE-069",
            Self::OtherSize { .. } => "XE-070",
        }
    }

    /// What a node commits to when this error ends a task.
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            Self::TooManySteps { .. } | Self::SizeUnsupported { .. } | Self::NoEffect { .. } => {
                ErrorCode::InvalidArguments
            }
            Self::PromptTooLong { .. } => ErrorCode::TaskTooLarge,
            Self::NotNumbers { .. } | Self::Picture { .. } => ErrorCode::ExecutionFailed,
            Self::PipelineUnsupported { .. }
            | Self::SchedulerUnsupported { .. }
            | Self::GraphUnsupported { .. }
            | Self::OtherPrecision { .. }
            | Self::OtherSize { .. } => ErrorCode::ModelUnavailable,
        }
    }
}
