//! What was quantised, and what was left.

use std::{collections::BTreeMap, fmt, path::PathBuf};

/// What became of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphReport {
    /// The graph in 32 bits.
    pub source: PathBuf,
    /// The quantised one.
    pub target: PathBuf,
    /// Bytes of all constants before.
    pub bytes_before: u64,
    /// Bytes of all constants after.
    pub bytes_after: u64,
    /// Matrices that were quantised; several products may share one.
    pub matrices: usize,
    /// Products by their operator and what became of them.
    pub products: BTreeMap<(String, Outcome), usize>,
}

impl GraphReport {
    /// Products that were quantised.
    pub fn quantised(&self) -> usize {
        let quantised = self.products.iter().filter(|((_, outcome), _)| outcome.is_quantised());
        quantised.map(|(_, count)| count).sum()
    }
}

/// What became of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Its matrix is quantised.
    Quantised,
    /// Its matrix is quantised, and stays in 32 bits for others that read it too, such as the lookup of tokens.
    QuantisedAndKept,
    /// Left: the right side is computed, as in attention.
    Computed,
    /// Left: the constant is no matrix.
    NotMatrix,
    /// Left: the numbers of the matrix are of another type.
    OtherElement(&'static str),
    /// Left: `alpha`, `beta` or `transA` of a Gemm say that it is more than a product and a sum.
    Scaled,
}

impl Outcome {
    /// True if the product runs on quantised weights.
    pub fn is_quantised(self) -> bool {
        matches!(self, Self::Quantised | Self::QuantisedAndKept)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantised => f.write_str("quantised"),
            Self::QuantisedAndKept => f.write_str("quantised, and kept in 32 bits for others that read the matrix"),
            Self::Computed => f.write_str("left: the right side is computed"),
            Self::NotMatrix => f.write_str("left: the right side is no matrix"),
            Self::OtherElement(element) => write!(f, "left: the matrix is of {element}"),
            Self::Scaled => f.write_str("left: alpha, beta or transA is set"),
        }
    }
}

/// What happens while models are quantised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantizeEvent<'a> {
    /// A graph was read, and this many bytes of weights will be quantised.
    Begin {
        /// The graph, as a path below the model's folder.
        graph: &'a str,
        /// Bytes of weights in 32 bits.
        bytes: u64,
    },
    /// A matrix is quantised.
    Packed {
        /// The matrix.
        name: &'a str,
        /// Its bytes in 32 bits.
        bytes: u64,
    },
}
