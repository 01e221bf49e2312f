//! What is to be fetched: files with their addresses, lengths and hashes, all known before the first byte.

use std::{collections::BTreeSet, fs::File, io, path::Path};

use alloy::hex;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use url::Url;
use xenon_protocol::task::ModelId;

use super::FilePath;
use crate::model::{MANIFEST, StoreError};

/// A model and the files that it is to consist of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The name under which it will be installed.
    pub model: ModelId,
    /// Where it comes from, as it can be fetched again.
    pub source: String,
    /// Its files, by path.
    pub files: Vec<PlannedFile>,
    /// Graphs with which rows may share passes, as [`Manifest`](crate::model::Manifest) lists them.
    pub shares_passes: BTreeSet<String>,
}

/// One file to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFile {
    /// Its path below the model's folder.
    pub path: FilePath,
    /// Its address.
    pub url: Url,
    /// Its length in bytes.
    pub size: u64,
    /// What its content must hash to.
    pub hash: FileHash,
}

/// The hash by which a source names a content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileHash {
    /// SHA-256 of the content, in lower-case hexadecimal: large files of a hub, and every file of a manifest.
    Sha256(String),
    /// The object name that git gives a file: SHA-1 of `blob `, the length, a zero byte and the content. Hubs give no
    /// other for small files.
    GitBlob(String),
}

impl Plan {
    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).fold(0, u64::saturating_add)
    }

    /// Puts the files in order, and refuses two files that are one on some system, and files of the store's own name.
    pub(super) fn checked(mut self) -> Result<Self, StoreError> {
        self.files.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        let mut seen = BTreeSet::new();
        for file in &self.files {
            let refused = |reason| StoreError::PathRefused { path: file.path.to_string(), reason };
            let name = file.path.as_str().to_lowercase();
            if name == MANIFEST {
                return Err(refused("the store writes this file itself"));
            }
            if !seen.insert(name) {
                return Err(refused("two files have this name, up to upper and lower case"));
            }
        }
        Ok(self)
    }
}

impl FileHash {
    /// The hash in hexadecimal.
    pub fn hex(&self) -> &str {
        match self {
            Self::Sha256(hash) | Self::GitBlob(hash) => hash,
        }
    }

    /// What the hash is called.
    pub const fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA-256",
            Self::GitBlob(_) => "git blob hash",
        }
    }

    /// Whether it is a hash at all: lower-case hexadecimal of the right length. It becomes part of a file's name.
    pub(super) fn is_well_formed(&self) -> bool {
        let length = match self {
            Self::Sha256(_) => 64,
            Self::GitBlob(_) => 40,
        };
        self.hex().len() == length && self.hex().bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// The same hash of a file on disk.
    pub(super) fn of_file(&self, path: &Path) -> io::Result<String> {
        let mut file = File::open(path)?;
        match self {
            Self::Sha256(_) => {
                let mut hasher = Sha256::new();
                io::copy(&mut file, &mut HashWriter(&mut hasher))?;
                Ok(hex::encode(hasher.finalize()))
            }
            Self::GitBlob(_) => {
                let mut hasher = Sha1::new();
                hasher.update(format!("blob {}\0", file.metadata()?.len()));
                io::copy(&mut file, &mut HashWriter(&mut hasher))?;
                Ok(hex::encode(hasher.finalize()))
            }
        }
    }
}

struct HashWriter<'a, D>(&'a mut D);

impl<D: sha2::Digest> io::Write for HashWriter<'_, D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(paths: &[&str]) -> Result<Plan, StoreError> {
        let file = |path: &&str| PlannedFile {
            path: FilePath::try_from((*path).to_owned()).unwrap(),
            url: "http://x".parse().unwrap(),
            size: u64::MAX,
            hash: FileHash::Sha256(String::new()),
        };
        let files = paths.iter().map(file).collect();
        Plan { model: "a/b@1".parse().unwrap(), source: String::new(), files, shares_passes: BTreeSet::new() }.checked()
    }

    #[test]
    fn files_that_are_one_on_some_system_are_refused() {
        for paths in [&["a", "A"][..], &["x/y", "x/y"], &["xenon.json"], &["Xenon.JSON"]] {
            assert_eq!(plan(paths).unwrap_err().code(), "XE-110", "{paths:?}");
        }
        assert_eq!(plan(&["b", "a"]).unwrap().files[0].path.as_str(), "a");
    }

    #[test]
    fn sizes_do_not_wrap_around() {
        assert_eq!(plan(&["b", "a"]).unwrap().size(), u64::MAX);
    }

    #[test]
    fn what_is_no_hash_is_told_apart() {
        let hash = "0".repeat(40);
        assert!(FileHash::GitBlob(hash.clone()).is_well_formed());
        for bad in [hash[1..].to_owned(), hash.replacen('0', "A", 1), hash.replacen('0', "/", 1)] {
            assert!(!FileHash::GitBlob(bad).is_well_formed());
        }
        assert!(!FileHash::Sha256(hash).is_well_formed());
    }

    /// `printf hello | git hash-object --stdin` and `printf hello | sha256sum`.
    #[test]
    fn hashes_are_those_of_git_and_sha256sum() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello").unwrap();
        let hash = |kind: FileHash| kind.of_file(file.path()).unwrap();
        assert_eq!(hash(FileHash::GitBlob(String::new())), "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(hash(FileHash::Sha256(String::new())), sha256);
    }
}
