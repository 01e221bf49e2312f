//! ONNX files as data: to look into a graph and to change its weights before the runtime loads it.
//!
//! [`proto`] is the whole schema, so that what is read and written again loses nothing; [`OnnxModel`] is a file with the
//! weights that lie beside it; [`EditedModel`] is a model with other weights, ready to be loaded.

mod edited;
mod file;
pub mod proto;
mod tensor;

pub use self::{edited::EditedModel, file::OnnxModel, tensor::Element};
