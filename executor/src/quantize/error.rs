//! Why a model is not quantised.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;
use xenon_protocol::task::ModelId;

/// Why a model is not quantised. The text says what to do.
#[derive(Debug, Error)]
pub enum QuantizeError {
    /// The graph computes with quantised weights.
    #[error("XE-130: {} is quantised already, it holds {operator}; quantise the export in 32 bits", path.display())]
    AlreadyQuantised {
        /// The graph.
        path: PathBuf,
        /// An operator on quantised numbers.
        operator: String,
    },
    /// No product of the graph has a constant matrix on its right side.
    #[error("XE-131: {} has nothing to quantise ({found}); only MatMul and Gemm with a constant matrix on the right side are quantised", path.display())]
    NothingToQuantise {
        /// The graph.
        path: PathBuf,
        /// The products that there are.
        found: String,
    },
    /// The weights are numbers of another type.
    #[error("XE-132: the weights of {} are {element}; quantise the export in 32 bits", path.display())]
    OtherPrecision {
        /// The graph.
        path: PathBuf,
        /// Their type.
        element: &'static str,
    },
    /// A weight is infinite or not a number.
    #[error("XE-133: {}: {weight} holds what is not a finite number; export or download the model again", path.display())]
    NotFinite {
        /// The graph.
        path: PathBuf,
        /// The constant.
        weight: String,
    },
    /// There is one already.
    #[error("XE-134: {} is there already; remove it, or give another folder with --out", path.display())]
    TargetExists {
        /// What is there.
        path: PathBuf,
    },
    /// The folder is an installed model, which must stay what its manifest says.
    #[error("XE-135: {} is the model {model}, whose files must stay as its manifest lists them; give --out FOLDER and --model with another revision", folder.display())]
    Installed {
        /// The folder.
        folder: PathBuf,
        /// What its manifest says.
        model: ModelId,
    },
    /// Another graph in the folder would make it ambiguous.
    #[error("XE-136: {} cannot hold a second graph beside {graph} ({reason}); give --out FOLDER and --model", folder.display())]
    NoPlaceBeside {
        /// The folder.
        folder: PathBuf,
        /// The graph.
        graph: String,
        /// Why not.
        reason: &'static str,
    },
    /// The folder has no graph to begin with.
    #[error("XE-137: {} has no language model in 32 bits ({found}); export or fetch the model in fp32", folder.display())]
    NoFullPrecision {
        /// The folder.
        folder: PathBuf,
        /// What it has.
        found: String,
    },
    /// Quantised bytes are another model, and need a name of their own.
    #[error("XE-138: a quantised model is another model than {}: give it a name of its own with --model org/name@revision{}", folder.display(), taken(asked.as_ref()))]
    NameNeeded {
        /// The folder of the model in 32 bits.
        folder: PathBuf,
        /// The name that was given.
        asked: Option<ModelId>,
    },
    /// A file cannot be written.
    #[error("XE-139: cannot write {}: {reason}; check the path, its permissions and the space left", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

fn taken(asked: Option<&ModelId>) -> String {
    asked.map_or_else(String::new, |asked| format!(", and not {asked}"))
}

impl QuantizeError {
    /// The stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyQuantised { .. } => "XE-130",
            Self::NothingToQuantise { .. } => "XE-131",
            Self::OtherPrecision { .. } => "XE-132",
            Self::NotFinite { .. } => "XE-133",
            Self::TargetExists { .. } => "XE-134",
            Self::Installed { .. } => "XE-135",
            Self::NoPlaceBeside { .. } => "XE-136",
            Self::NoFullPrecision { .. } => "XE-137",
            Self::NameNeeded { .. } => "XE-138",
            Self::Unwritable { .. } => "XE-139",
        }
    }

    pub(super) fn unwritable(path: &Path, error: &io::Error) -> Self {
        Self::Unwritable { path: path.to_owned(), reason: error.to_string() }
    }
}
