//! Options of `xenon doctor`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use xenon_protocol::task::ModelId;

/// Options of the doctor.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DoctorArgs {
    #[command(subcommand)]
    pub(crate) command: Option<DoctorCommand>,
    #[command(flatten)]
    pub(crate) check: CheckArgs,
}

/// What to look at instead of everything.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DoctorCommand {
    /// Measure what changes the bits of a model's answers on this machine.
    Determinism(DeterminismArgs),
    /// Say what is in a model's folder, what of it works, and what is missing.
    Model(ModelArgs),
    /// Print the execution class of this machine, and its entry for golden-classes.toml.
    Class(ClassArgs),
}

/// Options of the check of everything.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// Folder of the model folders.
    #[arg(long, default_value = "models", value_name = "FOLDER")]
    pub(crate) models: PathBuf,
    /// Device whose execution class is shown: cpu, cuda, cuda:N, coreml or auto.
    #[arg(long, default_value = "cpu")]
    pub(crate) device: String,
    /// Also load this model and say which provider runs which part of it.
    #[arg(long, value_name = "MODEL")]
    pub(crate) placement: Option<ModelId>,
}

/// Options of `doctor determinism`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DeterminismArgs {
    /// Folder of the model.
    #[arg(long, default_value = "models/sum-chat", value_name = "FOLDER")]
    pub(crate) model: PathBuf,
    /// Device to run on: cpu, cuda, cuda:N, coreml or auto.
    #[arg(long, default_value = "cpu")]
    pub(crate) device: String,
    /// Write determinism.md and determinism.json into this folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) write: Option<PathBuf>,
}

/// Options of `doctor model`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ModelArgs {
    /// Folder of the model.
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Device to run on: cpu, cuda, cuda:N, coreml or auto.
    #[arg(long, default_value = "cpu")]
    pub(crate) device: String,
}

/// Options of `doctor class`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClassArgs {
    /// Device to run on: cpu, cuda, cuda:N, coreml or auto.
    #[arg(long, default_value = "cpu")]
    pub(crate) device: String,
}
