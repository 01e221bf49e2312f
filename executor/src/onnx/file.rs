//! An ONNX file with the weights that lie beside it.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Component, Path, PathBuf},
};

use prost::Message;

use super::{
    Element,
    proto::{EXTERNAL, ModelProto, StringStringEntryProto, TensorProto},
    tensor::{listed, listed_bytes},
};
use crate::error::ExecutorError;

/// An ONNX file, read. Weights in other files stay there until they are asked for.
#[derive(Clone, Debug)]
pub struct OnnxModel {
    path: PathBuf,
    /// What the file says.
    pub proto: ModelProto,
}

impl OnnxModel {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ExecutorError> {
        let bytes = fs::read(path).map_err(|error| ExecutorError::invalid(path, &error))?;
        let proto = ModelProto::decode(bytes.as_slice()).map_err(|error| ExecutorError::invalid(path, &error))?;
        if proto.graph.is_none() {
            return Err(ExecutorError::invalid(path, "it holds no graph"));
        }
        Ok(Self { path: path.to_owned(), proto })
    }

    /// The file as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.proto.encode_to_vec()
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The constant of a name.
    pub fn initializer(&self, name: &str) -> Option<&TensorProto> {
        self.proto.graph.as_ref()?.initializer.iter().find(|tensor| tensor.name() == name)
    }

    /// The numbers of a constant, wherever they lie; an error if they are not weights or not there.
    pub fn numbers(&self, tensor: &TensorProto) -> Result<Vec<f32>, ExecutorError> {
        let invalid = |reason: String| ExecutorError::invalid(&self.path, &format!("{}: {reason}", tensor.name()));
        let element = Element::of(tensor).ok_or_else(|| invalid("its numbers are not floating point".to_owned()))?;
        let count = count(tensor).ok_or_else(|| invalid("its dimensions make no sense".to_owned()))?;
        let numbers = if tensor.data_location() == EXTERNAL {
            let length = count.checked_mul(element.size()).ok_or_else(|| invalid("it is too large".to_owned()))?;
            element.decode(&self.external(tensor, length).map_err(|error| invalid(error.to_string()))?)
        } else if let Some(bytes) = &tensor.raw_data {
            element.decode(bytes)
        } else {
            listed(tensor, element).unwrap_or_default()
        };
        if numbers.len() == count { Ok(numbers) } else { Err(invalid(format!("{} of {count} numbers", numbers.len()))) }
    }

    /// The bytes of a constant as they lie in the file or beside it; `None` if its numbers are listed one by one.
    pub fn bytes(&self, tensor: &TensorProto) -> Result<Option<Vec<u8>>, ExecutorError> {
        if tensor.data_location() != EXTERNAL {
            return Ok(tensor.raw_data.clone());
        }
        let read = || -> io::Result<Vec<u8>> {
            let place = Place::of(&self.path, tensor)?;
            let length = place.length.map_or_else(|| place.rest(), Ok)?;
            place.read(usize::try_from(length).map_err(io::Error::other)?)
        };
        let invalid = |error| ExecutorError::invalid(&self.path, &format!("{}: {error}", tensor.name()));
        read().map(Some).map_err(invalid)
    }

    /// How many bytes the numbers of a constant take, wherever they lie.
    pub fn size(&self, tensor: &TensorProto) -> Result<u64, ExecutorError> {
        if tensor.data_location() == EXTERNAL {
            let size = Place::of(&self.path, tensor).and_then(|place| place.length.map_or_else(|| place.rest(), Ok));
            return size.map_err(|error| ExecutorError::invalid(&self.path, &format!("{}: {error}", tensor.name())));
        }
        Ok(tensor.raw_data.as_ref().map_or_else(|| listed_bytes(tensor), Vec::len) as u64)
    }

    fn external(&self, tensor: &TensorProto, length: usize) -> io::Result<Vec<u8>> {
        let place = Place::of(&self.path, tensor)?;
        match place.length {
            Some(stated) if stated != length as u64 => {
                Err(io::Error::other(format!("it has {stated} bytes, not {length}")))
            }
            _ => place.read(length),
        }
    }
}

/// Where the numbers of a constant lie that are not in the graph's file.
struct Place {
    path: PathBuf,
    offset: u64,
    length: Option<u64>,
}

impl Place {
    fn of(graph: &Path, tensor: &TensorProto) -> io::Result<Self> {
        let entry =
            |key: &str| tensor.external_data.iter().find(|entry| entry.key() == key).map(StringStringEntryProto::value);
        let number = |key: &str| entry(key).map(str::parse).transpose().map_err(io::Error::other);
        let location = entry("location").ok_or_else(|| io::Error::other("it names no file"))?;
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        Ok(Self { path: beside(graph, location)?, offset, length })
    }

    /// Bytes from the offset to the end of the file.
    fn rest(&self) -> io::Result<u64> {
        let all = fs::metadata(&self.path)?.len();
        all.checked_sub(self.offset).ok_or_else(|| io::Error::other("it begins after the end of its file"))
    }

    fn read(&self, length: usize) -> io::Result<Vec<u8>> {
        if length as u64 > self.rest()? {
            return Err(io::Error::other("it goes on after the end of its file"));
        }
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// Files of weights lie in the graph's folder or below, nowhere else.
fn beside(graph: &Path, location: &str) -> io::Result<PathBuf> {
    let location = Path::new(location);
    if location.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(io::Error::other(format!("{} is outside of its folder", location.display())));
    }
    Ok(graph.parent().unwrap_or_else(|| Path::new("")).join(location))
}

fn count(tensor: &TensorProto) -> Option<usize> {
    tensor.dims.iter().try_fold(1_usize, |count, length| count.checked_mul(usize::try_from(*length).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::GraphProto;

    fn external(location: &str, offset: &str, length: &str) -> TensorProto {
        let entry = |(key, value): (&str, &str)| StringStringEntryProto {
            key: Some(key.to_owned()),
            value: Some(value.to_owned()),
        };
        TensorProto {
            dims: vec![2],
            data_type: Some(1),
            name: Some("w".to_owned()),
            data_location: Some(EXTERNAL),
            external_data: [("location", location), ("offset", offset), ("length", length)].map(entry).to_vec(),
            ..TensorProto::default()
        }
    }

    fn model(folder: &Path) -> OnnxModel {
        let path = folder.join("model.onnx");
        let proto = ModelProto { graph: Some(GraphProto::default()), ..ModelProto::default() };
        fs::write(&path, proto.encode_to_vec()).unwrap();
        OnnxModel::read(&path).unwrap()
    }

    #[test]
    fn what_is_no_model_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        assert_eq!(OnnxModel::read(&path).unwrap_err().code(), "XE-025");
        for bytes in [&b"not protobuf"[..], b""] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(OnnxModel::read(&path).unwrap_err().code(), "XE-025");
        }
    }

    #[test]
    fn weights_outside_of_the_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("inside");
        fs::create_dir(&inside).unwrap();
        fs::write(folder.path().join("secret"), [0; 8]).unwrap();
        for location in ["../secret", "/etc/passwd", "a/../../secret"] {
            let error = model(&inside).numbers(&external(location, "0", "8")).unwrap_err();
            assert!(error.to_string().contains("outside"), "{error}");
        }
    }

    #[test]
    fn damaged_references_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("w.bin"), [0; 12]).unwrap();
        for (location, offset, length) in
            [("w.bin", "8", "8"), ("w.bin", "x", "8"), ("w.bin", "0", "4"), ("no.bin", "0", "8")]
        {
            let error = model(folder.path()).numbers(&external(location, offset, length)).unwrap_err();
            assert_eq!(error.code(), "XE-025");
        }
        let negative = TensorProto { dims: vec![-1], data_type: Some(1), ..TensorProto::default() };
        assert!(model(folder.path()).numbers(&negative).is_err());
        let strings = TensorProto { dims: vec![1], data_type: Some(8), ..TensorProto::default() };
        assert!(model(folder.path()).numbers(&strings).is_err());
    }

    /// Dimensions whose product no memory holds: what is there is compared first, so that nothing is allocated.
    #[test]
    fn weights_larger_than_their_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("w.bin"), [0; 12]).unwrap();
        for (count, stated) in [(1_i64 << 60, "4611686018427387904"), (1 << 62, "0"), (i64::MAX, "0")] {
            let tensor = TensorProto { dims: vec![count], ..external("w.bin", "0", stated) };
            assert_eq!(model(folder.path()).numbers(&tensor).unwrap_err().code(), "XE-025", "{count}");
        }
        let error = model(folder.path()).numbers(&external("w.bin", &u64::MAX.to_string(), "8")).unwrap_err();
        assert!(error.to_string().contains("after the end of its file"), "{error}");
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "the numbers are copied")]
    fn weights_beside_the_graph_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = [0.0_f32, 1.5, -2.0].iter().flat_map(|number| number.to_le_bytes()).collect();
        fs::write(folder.path().join("w.bin"), bytes).unwrap();
        assert_eq!(model(folder.path()).numbers(&external("w.bin", "4", "8")).unwrap(), [1.5, -2.0]);
    }

    #[test]
    fn bytes_without_a_length_go_to_the_end_and_no_further() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("w.bin"), [1, 2, 3, 4, 5]).unwrap();
        let mut tensor = external("w.bin", "2", "4");
        assert!(model(folder.path()).bytes(&tensor).unwrap_err().to_string().contains("after the end"));
        tensor.external_data.retain(|entry| entry.key() != "length");
        assert_eq!(model(folder.path()).bytes(&tensor).unwrap().unwrap(), [3, 4, 5]);
        assert_eq!(model(folder.path()).size(&tensor).unwrap(), 3);
        tensor.external_data[1].value = Some("6".to_owned());
        assert_eq!(model(folder.path()).size(&tensor).unwrap_err().code(), "XE-025");
    }

    /// The repository's own models are files that other programs wrote: reading and writing loses no byte's meaning.
    #[test]
    fn a_file_survives_being_read_and_written() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/sum-chat/model.onnx");
        let model = OnnxModel::read(&path).unwrap();
        let bytes = model.to_bytes();
        assert_eq!(bytes.len() as u64, fs::metadata(&path).unwrap().len(), "no field was dropped");
        assert_eq!(ModelProto::decode(bytes.as_slice()).unwrap(), model.proto);
    }
}
