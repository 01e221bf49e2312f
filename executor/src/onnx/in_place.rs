//! Loading a graph without reading its weights.
//!
//! The runtime takes weights that lie in another file from there, page by page as it packs them for its kernels. Weights
//! within the graph's own file it first reads into memory, so that loading takes almost twice their size. To the runtime
//! it makes no difference whether the other file is the graph's own: so the graph is given to it without its large
//! weights, and with where in its file each of them lies.

use std::{fs::File, io, path::Path};

use ort::session::{Session, builder::SessionBuilder};

use super::{
    edited::FOLDER_KEY,
    wire::{Field, Wire, put_bytes, put_number},
};
use crate::error::ExecutorError;

/// Weights of fewer bytes stay in the graph: the runtime looks at the values of small ones while it rewrites a graph.
const LARGE: u64 = 64 << 10;

/// Numbers of the fields that are looked into, from the schema in `proto.rs`.
mod number {
    pub(super) const GRAPH: u64 = 7;
    pub(super) const INITIALIZER: u64 = 5;
    pub(super) const RAW_DATA: u64 = 9;
    pub(super) const EXTERNAL_DATA: u64 = 13;
    pub(super) const DATA_LOCATION: u64 = 14;
    pub(super) const KEY: u64 = 1;
    pub(super) const VALUE: u64 = 2;
}

/// Loads a graph; of weights that its file holds, no copy is made. The results are those of reading all of the file.
///
/// # Errors
/// [`ExecutorError::FileInvalid`] if the runtime does not load it, [`ExecutorError::OutOfMemory`] if it cannot.
pub fn load_graph(mut builder: SessionBuilder, path: &Path) -> Result<Session, ExecutorError> {
    let session = match Slim::read(path) {
        Some(slim) => {
            let mut builder = builder.with_config_entry(FOLDER_KEY, &slim.folder)?;
            builder.commit_from_memory(&slim.graph)
        }
        None => builder.commit_from_file(path),
    };
    session.map_err(|error| load_error(path, error))
}

/// A graph that does not load is a damaged file, unless the machine is out of memory.
pub(super) fn load_error(path: &Path, error: ort::Error) -> ExecutorError {
    match ExecutorError::from(error) {
        ExecutorError::Runtime { reason } => ExecutorError::invalid(path, &reason),
        other => other,
    }
}

/// A graph without its large weights.
#[derive(Debug)]
struct Slim {
    /// What the file says, with the places of the weights that were left out.
    graph: Vec<u8>,
    /// The folder of the file that they are in.
    folder: String,
}

impl Slim {
    /// None for a graph that the runtime is better given whole: one without large weights, one with weights in other
    /// files, and one that cannot be read, about which the runtime's own words say most.
    fn read(path: &Path) -> Option<Self> {
        // The weights have to be beside the graph: a link leads to where both are.
        let path = path.canonicalize().ok()?;
        let (folder, name) = (path.parent()?.to_str()?, path.file_name()?.to_str()?);
        let file = File::open(&path).ok()?;
        let length = file.metadata().ok()?.len();
        let mut left_out = LeftOut { file: name, weights: 0, elsewhere: false };
        let graph = left_out.model(&mut Wire::new(file), length).ok()?;
        let is_of_use = left_out.weights > 0 && !left_out.elsewhere;
        is_of_use.then(|| Self { graph, folder: folder.to_owned() })
    }
}

/// Copies a model without its large weights.
struct LeftOut<'a> {
    /// The name of the model's file.
    file: &'a str,
    /// How many weights were left out.
    weights: usize,
    /// Whether some are in other files already.
    elsewhere: bool,
}

impl LeftOut<'_> {
    fn model(&mut self, wire: &mut Wire<File>, end: u64) -> io::Result<Vec<u8>> {
        let mut model = Vec::new();
        while let Some(field) = wire.next(end)? {
            match field {
                Field::Bytes { length, .. } if field.number() == number::GRAPH => {
                    let graph = self.graph(wire, wire.at() + length)?;
                    put_bytes(&mut model, number::GRAPH, &graph);
                }
                other => wire.copy(other, &mut model)?,
            }
        }
        Ok(model)
    }

    fn graph(&mut self, wire: &mut Wire<File>, end: u64) -> io::Result<Vec<u8>> {
        let mut graph = Vec::new();
        while let Some(field) = wire.next(end)? {
            match field {
                Field::Bytes { length, .. } if field.number() == number::INITIALIZER => {
                    let tensor = self.tensor(wire, wire.at() + length)?;
                    put_bytes(&mut graph, number::INITIALIZER, &tensor);
                }
                other => wire.copy(other, &mut graph)?,
            }
        }
        Ok(graph)
    }

    fn tensor(&mut self, wire: &mut Wire<File>, end: u64) -> io::Result<Vec<u8>> {
        let mut tensor = Vec::new();
        while let Some(field) = wire.next(end)? {
            match field {
                Field::Bytes { length, .. } if field.number() == number::RAW_DATA && length >= LARGE => {
                    self.weights += 1;
                    put_place(&mut tensor, self.file, wire.at(), length);
                    wire.skip(length)?;
                }
                other => {
                    self.elsewhere |= [number::EXTERNAL_DATA, number::DATA_LOCATION].contains(&other.number());
                    wire.copy(other, &mut tensor)?;
                }
            }
        }
        Ok(tensor)
    }
}

/// Says of a tensor that its bytes lie in a file, as ONNX says it.
fn put_place(tensor: &mut Vec<u8>, file: &str, offset: u64, length: u64) {
    /// `DataLocation.EXTERNAL`.
    const EXTERNAL: u64 = 1;
    for (key, value) in [("location", file), ("offset", &offset.to_string()), ("length", &length.to_string())] {
        let mut entry = Vec::new();
        put_bytes(&mut entry, number::KEY, key.as_bytes());
        put_bytes(&mut entry, number::VALUE, value.as_bytes());
        put_bytes(tensor, number::EXTERNAL_DATA, &entry);
    }
    put_number(tensor, number::DATA_LOCATION, EXTERNAL);
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ort::value::{DynValue, Tensor};
    use prost::Message;

    use super::*;
    use crate::{
        onnx::{OnnxModel, proto::ModelProto},
        runtime,
    };

    const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/sum-chat/model.onnx");

    fn slim(bytes: &[u8]) -> (tempfile::TempDir, Option<Slim>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any name.onnx");
        fs::write(&path, bytes).unwrap();
        let slim = Slim::read(&path);
        (folder, slim)
    }

    #[test]
    fn what_is_no_graph_is_left_to_the_runtime() {
        for bytes in [&b""[..], b"not protobuf", &[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0x3a, 2, 0x2a, 9]] {
            assert!(slim(bytes).1.is_none());
        }
        assert!(Slim::read(Path::new("/no/such.onnx")).is_none());
    }

    #[test]
    fn a_file_cut_anywhere_is_left_to_the_runtime() {
        let bytes = fs::read(MODEL).unwrap();
        for part in 1..20 {
            assert!(slim(&bytes[..bytes.len() * part / 20]).1.is_none(), "{part} of 20 parts");
        }
    }

    #[test]
    fn a_graph_with_weights_in_other_files_is_left_to_the_runtime() {
        let mut model = OnnxModel::read(Path::new(MODEL)).unwrap();
        let graph = model.proto.graph.as_mut().unwrap();
        let small = graph.initializer.iter_mut().find(|tensor| tensor.raw_data().len() < 1000).unwrap();
        small.data_location = Some(1);
        assert!(slim(&model.to_bytes()).1.is_none());
    }

    #[test]
    fn nothing_but_the_bytes_of_large_weights_is_left_out() {
        let bytes = fs::read(MODEL).unwrap();
        let (_folder, slim) = slim(&bytes);
        let mut slim = ModelProto::decode(slim.unwrap().graph.as_slice()).unwrap();
        let whole = ModelProto::decode(bytes.as_slice()).unwrap();
        let mut left_out = 0;
        for tensor in &mut slim.graph.as_mut().unwrap().initializer {
            if tensor.data_location.take().is_some() {
                let value = |key: &str| tensor.external_data.iter().find(|entry| entry.key() == key).unwrap().value();
                let (offset, length): (usize, usize) =
                    (value("offset").parse().unwrap(), value("length").parse().unwrap());
                assert_eq!(value("location"), "any name.onnx");
                assert!(length as u64 >= LARGE);
                left_out += length;
                tensor.raw_data = Some(bytes[offset..offset + length].to_vec());
                tensor.external_data.clear();
            }
            assert!(tensor.raw_data().len() as u64 >= LARGE || tensor.data_location.is_none());
        }
        assert_eq!(slim, whole);
        assert!(left_out > bytes.len() / 2, "{left_out} of {} bytes", bytes.len());
    }

    #[test]
    #[cfg(unix)]
    fn a_link_leads_to_the_weights() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("model.onnx");
        std::os::unix::fs::symlink(MODEL, &link).unwrap();
        let slim = Slim::read(&link).unwrap();
        assert_eq!(Path::new(&slim.folder), Path::new(MODEL).canonicalize().unwrap().parent().unwrap());
    }

    /// The bits of a graph's only output for fixed inputs, loaded in place and as the runtime loads it by itself.
    fn both(graph: &str, inputs: &[(&str, DynValue)]) -> [Vec<u32>; 2] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shapes-sd").join(graph);
        assert!(Slim::read(&path).is_some(), "{graph} has large weights");
        let builder = || Session::builder(runtime::load(None).unwrap().environment()).unwrap();
        [load_graph(builder(), &path).unwrap(), builder().commit_from_file(&path).unwrap()].map(|mut session| {
            let outputs = session.run(inputs.iter().map(|(name, value)| (*name, value)).collect::<Vec<_>>()).unwrap();
            let (_, numbers) = outputs[0].try_extract_tensor::<f32>().unwrap();
            numbers.iter().map(|number| number.to_bits()).collect()
        })
    }

    fn waves<const RANK: usize>(shape: [i64; RANK]) -> DynValue {
        let count = u16::try_from(shape.iter().product::<i64>()).unwrap();
        let numbers: Vec<_> = (0..count).map(|at| (f32::from(at) * 0.37).sin()).collect();
        Tensor::from_array((shape, numbers)).unwrap().into_dyn()
    }

    #[test]
    fn weights_in_place_compute_the_same_bits() {
        // Tensors cannot be made before it.
        runtime::load(None).unwrap();
        let tokens: Vec<i64> = (0..16).collect();
        let [in_place, whole] = both(
            "text_encoder/model.onnx",
            &[("input_ids", Tensor::from_array(([1, 16], tokens)).unwrap().into_dyn())],
        );
        assert!(in_place == whole && in_place.iter().any(|bits| *bits != in_place[0]));
        let timestep = Tensor::from_array(([0_i64; 0], vec![500.0_f32])).unwrap().into_dyn();
        let [in_place, whole] = both(
            "unet/model.onnx",
            &[("sample", waves([1, 4, 16, 16])), ("timestep", timestep), ("encoder_hidden_states", waves([1, 16, 48]))],
        );
        assert!(in_place == whole && in_place.iter().any(|bits| *bits != in_place[0]));
    }
}
