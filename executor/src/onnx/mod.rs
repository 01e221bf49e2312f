//! ONNX files as data: to look into a graph and to change its weights before the runtime loads it.
//!
//! [`proto`] is the whole schema, so that what is read and written again loses nothing; [`OnnxModel`] is a file with the
//! weights that lie beside it; [`EditedModel`] is a model with other weights, ready to be loaded. [`load_graph`] loads a file as
//! it is, without reading its weights into memory.

mod edited;
mod file;
mod in_place;
pub mod proto;
mod tensor;
mod wire;

pub use self::{edited::EditedModel, file::OnnxModel, in_place::load_graph, tensor::Element};
