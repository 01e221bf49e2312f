//! Hashes of files.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use alloy::hex;
use sha2::{Digest, Sha256};

/// Length of a file in bytes, and its SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256_of(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((size, hex::encode(hasher.finalize())));
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.3: a million times the letter a. It takes the buffer only partly.
    #[test]
    fn the_hash_is_the_published_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'a'; 1_000_000]).unwrap();
        let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        assert_eq!(sha256_of(file.path()).unwrap(), (1_000_000, expected.to_owned()));
    }

    #[test]
    fn a_file_longer_than_the_buffer_is_read_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut content = vec![0_u8; (1 << 20) + 1];
        let hash = |content: &[u8]| {
            std::fs::write(file.path(), content).unwrap();
            sha256_of(file.path()).unwrap()
        };
        let (size, first) = hash(&content);
        assert_eq!(size, content.len() as u64);
        content[1 << 20] = 1;
        assert_ne!(hash(&content).1, first);
    }
}
