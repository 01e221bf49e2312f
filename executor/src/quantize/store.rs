//! Where the constants of a new graph go: into its file, or into another one beside it when they are large.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::QuantizeError;
use crate::onnx::proto::{EXTERNAL, StringStringEntryProto, TensorProto};

/// More bytes than this are written beside the graph. A protobuf file ends at 2 GiB.
pub(super) const INLINE_LIMIT: u64 = 1 << 30;
/// Smaller constants, such as dimensions, stay in the graph: the runtime wants to see them while it loads it.
const SMALL: usize = 1 << 10;
/// Constants in another file begin at a page, so that it can be mapped.
const PAGE: u64 = 1 << 12;

/// Takes the constants of a new graph, one after the other.
#[derive(Debug)]
pub(super) struct Store {
    target: PathBuf,
    beside: Option<Beside>,
}

#[derive(Debug)]
struct Beside {
    file: NamedTempFile,
    length: u64,
}

impl Store {
    /// For the graph at `target`, with so many bytes of constants. More than `limit` of them go beside it.
    pub(super) fn new(target: &Path, bytes: u64, limit: u64) -> Result<Self, QuantizeError> {
        let beside = (bytes > limit).then(|| temporary(target).map(|file| Beside { file, length: 0 })).transpose()?;
        Ok(Self { target: target.to_owned(), beside })
    }

    /// True if constants are written beside the graph.
    pub(super) fn is_beside(&self) -> bool {
        self.beside.is_some()
    }

    /// A constant with these bytes.
    pub(super) fn put(&mut self, tensor: &TensorProto, bytes: Vec<u8>) -> Result<TensorProto, QuantizeError> {
        let bare = TensorProto {
            dims: tensor.dims.clone(),
            data_type: tensor.data_type,
            name: tensor.name.clone(),
            doc_string: tensor.doc_string.clone(),
            metadata_props: tensor.metadata_props.clone(),
            ..TensorProto::default()
        };
        match &mut self.beside {
            Some(beside) if bytes.len() >= SMALL => {
                let offset = beside.append(&bytes).map_err(|error| QuantizeError::unwritable(&self.target, &error))?;
                let entries = [
                    ("location", data_name(&self.target)),
                    ("offset", offset.to_string()),
                    ("length", bytes.len().to_string()),
                ];
                let entry =
                    |(key, value): (&str, _)| StringStringEntryProto { key: Some(key.to_owned()), value: Some(value) };
                let external_data = entries.map(entry).to_vec();
                Ok(TensorProto { data_location: Some(EXTERNAL), external_data, ..bare })
            }
            _ => Ok(TensorProto { raw_data: Some(bytes), ..bare }),
        }
    }

    /// Puts the files in place, the graph last: without it nobody reads the other.
    pub(super) fn finish(self, graph: &[u8]) -> Result<(), QuantizeError> {
        if let Some(beside) = self.beside {
            persist(beside.file, &self.target.with_file_name(data_name(&self.target)))?;
        }
        let mut file = temporary(&self.target)?;
        file.write_all(graph).map_err(|error| QuantizeError::unwritable(&self.target, &error))?;
        persist(file, &self.target)
    }
}

impl Beside {
    /// Writes bytes at the next page, and says where that is.
    fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let offset = self.length.next_multiple_of(PAGE);
        let gap = usize::try_from(offset - self.length).map_err(io::Error::other)?;
        self.file.write_all(&vec![0; gap])?;
        self.file.write_all(bytes)?;
        self.length = offset + bytes.len() as u64;
        Ok(offset)
    }
}

/// The name of the file with a graph's constants.
fn data_name(graph: &Path) -> String {
    graph.file_name().map_or_else(String::new, |name| format!("{}_data", name.to_string_lossy()))
}

/// A file in the folder of another that is gone if it is not kept, readable as any other.
fn temporary(target: &Path) -> Result<NamedTempFile, QuantizeError> {
    let folder = target.parent().unwrap_or_else(|| Path::new(""));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".quantize-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder).map_err(|error| QuantizeError::unwritable(target, &error))
}

fn persist(file: NamedTempFile, target: &Path) -> Result<(), QuantizeError> {
    let write = || -> io::Result<()> {
        file.as_file().sync_all()?;
        file.persist(target)?;
        sync_parent(target)
    };
    write().map_err(|error| QuantizeError::unwritable(target, &error))
}

/// Makes a rename survive a power cut, where the system has folders that can be synced.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    if cfg!(unix) { File::open(parent)?.sync_all() } else { Ok(()) }
}

/// Copies a file as it is.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), QuantizeError> {
    let write = || -> io::Result<()> {
        fs::create_dir_all(to.parent().unwrap_or(to))?;
        fs::copy(from, to)?;
        File::open(to)?.sync_all()
    };
    write().map_err(|error| QuantizeError::unwritable(to, &error))
}
