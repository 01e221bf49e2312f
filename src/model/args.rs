//! The commands about models, and their options.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args, Subcommand};
use xenon_executor::{model::fetch::Precision, quantize::BlockSize};
use xenon_protocol::task::{ModelId, QuantizeBits};

/// What to do with models.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Fetch models from the hub or a web server; goes on where an earlier attempt broke off.
    Fetch(FetchArgs),
    /// Show the models that are there.
    List(ListArgs),
    /// Read every file of models and compare it with what it should be; all models if none is named.
    Verify(IdsArgs),
    /// Remove models that were fetched.
    Remove(IdsArgs),
    /// Make models stay as they are: never evicted, and fetched elsewhere to the byte from the same pins.json.
    Pin(PinArgs),
    /// Delete what is left of broken fetches, and evict models until the rest fits the budget.
    Prune(PruneArgs),
    /// Make a model with 4 or 8 bits per weight of one in 32 bits.
    Quantize(QuantizeArgs),
}

/// Which folder.
#[derive(Clone, Debug, Args)]
pub(crate) struct FolderArgs {
    /// Folder of the model folders.
    #[arg(long, default_value = "models", value_name = "FOLDER")]
    pub(crate) models: PathBuf,
}

/// Options of `model fetch`.
#[derive(Clone, Debug, Args)]
pub(crate) struct FetchArgs {
    /// org/name or org/name@revision of the hub, or the URL of a folder with a xenon.json.
    #[arg(value_name = "SOURCE", required_unless_present = "pinned")]
    pub(crate) sources: Vec<String>,
    /// The precision of the weights; may be given several times. fp32, or the only one there is, without it.
    #[arg(long = "variant", value_name = "VARIANT")]
    pub(crate) variants: Vec<Precision>,
    /// The folder of the source that holds the model.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "PATH")]
    pub(crate) folder: String,
    /// Further files, such as 'onnx/*.txt'; may be given several times. A pattern that takes a graph replaces the choice.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) include: Vec<String>,
    /// Install it under this name instead of org/name@commit.
    #[arg(long = "as", value_name = "ORG/NAME@REVISION")]
    pub(crate) name: Option<ModelId>,
    /// Every model that is pinned.
    #[arg(long, conflicts_with_all = ["sources", "variants", "folder", "include", "name"])]
    pub(crate) pinned: bool,
    /// Use no network: fail if something is not there.
    #[arg(long)]
    pub(crate) offline: bool,
    /// Print one JSON object per model.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) models: FolderArgs,
}

/// Options of `model list`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ListArgs {
    /// Folder of the model folders.
    #[arg(long, default_value = "models", value_name = "FOLDER")]
    pub(crate) models: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Models by name.
#[derive(Clone, Debug, Args)]
pub(crate) struct IdsArgs {
    /// Names as `xenon model list` shows them.
    #[arg(value_name = "MODEL")]
    pub(crate) ids: Vec<ModelId>,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
}

/// Options of `model pin`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PinArgs {
    #[command(flatten)]
    pub(crate) ids: IdsArgs,
    /// Let the models go again.
    #[arg(long)]
    pub(crate) undo: bool,
}

/// Options of `model prune`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PruneArgs {
    /// How much may stay, such as 50GB; the budget of the configuration without it.
    #[arg(long, value_name = "SIZE")]
    pub(crate) to: Option<ByteSize>,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
}

/// Options of `model quantize`.
#[derive(Clone, Debug, Args)]
pub(crate) struct QuantizeArgs {
    /// Folder of the model in 32 bits.
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Bits of a weight: 4 or 8.
    #[arg(long, value_name = "BITS", value_parser = bits)]
    pub(crate) bits: QuantizeBits,
    /// How many weights share a scale: 16, 32, 64, 128 or 256.
    #[arg(long, default_value_t, value_name = "WEIGHTS")]
    pub(crate) block: BlockSize,
    /// Make a new folder with the quantised model alone; without it the graph is written beside the others.
    #[arg(long, value_name = "FOLDER", requires = "model")]
    pub(crate) out: Option<PathBuf>,
    /// The name of the new model, for its manifest.
    #[arg(long, value_name = "ORG/NAME@REVISION")]
    pub(crate) model: Option<ModelId>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn bits(text: &str) -> Result<QuantizeBits, String> {
    let wrong = || format!("{text:?} is not 4 or 8");
    text.parse::<u8>().ok().and_then(|bits| bits.try_into().ok()).ok_or_else(wrong)
}
