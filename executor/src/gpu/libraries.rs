//! The libraries that compute on a GPU, as they are loaded in this process.

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

use crate::digest::sha256_of;

/// How the files begin that hold kernels, or choose among them: the provider, and the parts of CUDA that it uses.
const KERNELS: [&str; 7] =
    ["libonnxruntime_providers_cuda", "libcudart", "libcublas", "libcudnn", "libcufft", "libcurand", "libnvrtc"];

/// Without it nothing computes on the GPU.
const PROVIDER: &str = KERNELS[0];

/// A library's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Library {
    /// What it is called, which often says the version.
    pub(crate) name: String,
    /// SHA-256 of it.
    pub(crate) sha256: String,
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.sha256)
    }
}

/// Those of this process, by their names.
pub(super) fn loaded() -> Result<Vec<Library>, String> {
    let maps = fs::read_to_string("/proc/self/maps")
        .map_err(|error| format!("the system does not say which libraries are loaded ({error})"))?;
    let files = kernels(&maps);
    if !files.iter().any(|file| name(file).starts_with(PROVIDER)) {
        return Err(format!("{PROVIDER} is not loaded"));
    }
    files.iter().map(|file| library(file)).collect()
}

fn library(file: &Path) -> Result<Library, String> {
    let (_, sha256) = sha256_of(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    Ok(Library { name: name(file).to_owned(), sha256 })
}

fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The files with kernels among the mapped ones, each once, by name. A line is `address permissions offset device inode
/// path` (proc(5)).
fn kernels(maps: &str) -> Vec<PathBuf> {
    let paths = maps.lines().filter_map(|line| line.find('/').map(|start| Path::new(&line[start..])));
    let files: BTreeSet<_> = paths.filter(|path| KERNELS.iter().any(|kernel| name(path).starts_with(kernel))).collect();
    let mut files: Vec<_> = files.into_iter().map(Path::to_path_buf).collect();
    files.sort_by(|one, other| name(one).cmp(name(other)));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
        7f00-7f10 r-xp 00000000 08:01 11 /usr/lib/libcudnn.so.9.1.0\n\
        7f10-7f20 r--p 00010000 08:01 11 /usr/lib/libcudnn.so.9.1.0\n\
        7f20-7f30 r-xp 00000000 08:01 12 /opt/my models/libcublasLt.so.12\n\
        7f30-7f40 r-xp 00000000 08:01 13 /usr/lib/libcuda.so.550.54.15\n\
        7f40-7f50 rw-p 00000000 00:00 0\n\
        7f50-7f60 rw-p 00000000 00:00 0 [heap]\n\
        7f60-7f70 r-xp 00000000 08:01 14 /data/libcudnn/weights.bin\n\
        7f70-7f80 r-xp 00000000 08:01 15 /a/libonnxruntime_providers_cuda.so\n";

    #[test]
    fn only_files_with_kernels_count_and_each_once() {
        let found: Vec<_> = kernels(MAPS).iter().map(|file| file.display().to_string()).collect();
        assert_eq!(
            found,
            ["/opt/my models/libcublasLt.so.12", "/usr/lib/libcudnn.so.9.1.0", "/a/libonnxruntime_providers_cuda.so"]
        );
    }

    #[test]
    fn a_process_without_the_provider_computes_on_no_gpu() {
        assert!(loaded().unwrap_err().contains("libonnxruntime_providers_cuda"));
    }
}
