//! A model whose weights were changed, ready to be loaded.

use std::path::Path;

use half::f16;
use ort::{
    session::{Session, builder::SessionBuilder},
    value::{DynValue, Tensor},
};

use super::{
    Element, OnnxModel,
    in_place::load_error,
    proto::{EXTERNAL, StringStringEntryProto, TensorProto},
};
use crate::error::ExecutorError;

/// The configuration by which the runtime finds files beside a graph that it did not read from a file itself.
pub(super) const FOLDER_KEY: &str = "session.model_external_initializers_file_folder_path";
/// The file that changed weights seem to be in. It is never opened: the runtime is handed the weights.
const NOWHERE: &str = "in-memory";

/// A model with some of its constants replaced.
///
/// The graph says of each that it lies in another file, and the runtime is handed its value in the place of that file
/// before it optimises anything. So the size of the weights does not matter, and none is copied into the graph.
#[derive(Debug)]
pub struct EditedModel {
    model: OnnxModel,
    weights: Vec<(String, DynValue)>,
}

impl EditedModel {
    /// A model of which nothing is changed yet.
    pub const fn new(model: OnnxModel) -> Self {
        Self { model, weights: Vec::new() }
    }

    /// The model, as it was.
    pub const fn model(&self) -> &OnnxModel {
        &self.model
    }

    /// Replaces the numbers of a constant, of which there are as many as before.
    pub fn replace(&mut self, name: &str, numbers: Vec<f32>) -> Result<(), ExecutorError> {
        let path = self.model.path().to_owned();
        let missing = || ExecutorError::invalid(&path, &format!("it has no weights {name}"));
        let graph = self.model.proto.graph.as_mut();
        let tensor = graph.and_then(|graph| graph.initializer.iter_mut().find(|tensor| tensor.name() == name));
        let tensor = tensor.ok_or_else(missing)?;
        let other = |element| {
            ExecutorError::invalid(
                &path,
                &format!("the weights {name} are {element}, not float32 or float16, and cannot be changed"),
            )
        };
        let value = value(tensor, numbers)?.map_err(other)?;
        *tensor = elsewhere(tensor);
        self.weights.retain(|(known, _)| known != name);
        self.weights.push((name.to_owned(), value));
        Ok(())
    }

    /// Loads the model. `path` is where its graph was read from: its other weights lie beside it.
    pub fn commit(self, builder: SessionBuilder, path: &Path) -> Result<Session, ExecutorError> {
        let folder = path.parent().unwrap_or_else(|| Path::new("")).to_string_lossy().into_owned();
        let mut builder = builder.with_config_entry(FOLDER_KEY, folder)?;
        for (name, value) in self.weights {
            builder = builder.with_external_initializer(name, value)?;
        }
        builder.commit_from_memory(&self.model.to_bytes()).map_err(|error| load_error(path, error))
    }
}

/// The numbers in the tensor's element type, or the name of a type that the runtime is not handed.
fn value(tensor: &TensorProto, numbers: Vec<f32>) -> Result<Result<DynValue, &'static str>, ExecutorError> {
    let shape = tensor.dims.clone();
    Ok(match Element::of(tensor) {
        Some(Element::Float32) => Ok(Tensor::from_array((shape, numbers))?.into_dyn()),
        Some(Element::Float16) => {
            let numbers: Vec<f16> = numbers.into_iter().map(f16::from_f32).collect();
            Ok(Tensor::from_array((shape, numbers))?.into_dyn())
        }
        Some(Element::Bfloat16) => Err("bfloat16"),
        None => Err("no floating-point numbers"),
    })
}

fn elsewhere(tensor: &TensorProto) -> TensorProto {
    let size = Element::of(tensor).map_or(0, Element::size) as u64;
    let length = tensor.dims.iter().fold(size, |length, dim| length * dim.unsigned_abs());
    let entry = |key: &str, value: String| StringStringEntryProto { key: Some(key.to_owned()), value: Some(value) };
    TensorProto {
        dims: tensor.dims.clone(),
        data_type: tensor.data_type,
        name: tensor.name.clone(),
        data_location: Some(EXTERNAL),
        external_data: vec![
            entry("location", NOWHERE.to_owned()),
            entry("offset", "0".to_owned()),
            entry("length", length.to_string()),
        ],
        ..TensorProto::default()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::onnx::proto::{GraphProto, ModelProto};

    #[test]
    fn weights_of_another_type_are_refused_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        let weights = TensorProto {
            name: Some("w".to_owned()),
            dims: vec![2],
            data_type: Some(16),
            raw_data: Some(vec![0; 4]),
            ..TensorProto::default()
        };
        let graph = GraphProto { initializer: vec![weights], ..GraphProto::default() };
        let model = ModelProto { graph: Some(graph), ..ModelProto::default() };
        std::fs::write(&path, model.encode_to_vec()).unwrap();
        let mut edited = EditedModel::new(OnnxModel::read(&path).unwrap());
        let error = edited.replace("w", vec![0.0; 2]).unwrap_err();
        assert!(error.code() == "XE-025" && error.to_string().contains("bfloat16"), "{error}");
        assert!(edited.replace("v", vec![]).unwrap_err().to_string().contains("no weights v"));
    }
}
