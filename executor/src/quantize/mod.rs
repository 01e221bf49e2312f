//! Makes quantised models of models in 32 bits.
//!
//! [`quantize_graph`] replaces the products of a graph with constant matrices by ONNX Runtime's `MatMulNBits`, with weights of four
//! or eight bits in the [`Format`] that [`blocks`] defines to the byte. [`Job`] does so with the graphs of a
//! model's folder. Whatever is not such a product stays as it is, and the [`GraphReport`] counts it.

pub mod blocks;
mod error;
mod folder;
mod format;
mod graph;
mod report;
mod rewrite;
mod store;
mod weights;

pub use self::{
    error::QuantizeError,
    folder::{FolderReport, Job},
    format::{BlockSize, Format},
    graph::quantize_graph,
    report::{GraphReport, Outcome, QuantizeEvent},
};
