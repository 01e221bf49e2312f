//! The key transactions are signed with. It comes from the environment or a file, never from an argument.

use std::{env, fs, path::Path};

use alloy::signers::local::PrivateKeySigner;

use crate::error::CliError;

/// The environment variable that holds a private key.
pub(crate) const KEY_VARIABLE: &str = "XENON_PRIVATE_KEY";

/// The environment variable that holds the key with which a relay signs.
const RELAY_KEY_VARIABLE: &str = "XENON_RELAY_KEY";

/// The key from the environment or from `key_file`; both at once are refused.
pub(crate) fn load(key_file: Option<&Path>) -> Result<PrivateKeySigner, CliError> {
    find(KEY_VARIABLE, key_file)?.ok_or(CliError::NoKey)
}

/// The key with which a relay signs, if it was given one.
pub(crate) fn relay_key(key_file: Option<&Path>) -> Result<Option<PrivateKeySigner>, CliError> {
    find(RELAY_KEY_VARIABLE, key_file)
}

fn find(variable: &'static str, key_file: Option<&Path>) -> Result<Option<PrivateKeySigner>, CliError> {
    match (env::var(variable), key_file) {
        (Ok(_), Some(_)) => Err(CliError::TwoKeys { variable }),
        (Ok(text), None) => parse(&text, variable).map(Some),
        (Err(_), Some(path)) => read(path).map(Some),
        (Err(_), None) => Ok(None),
    }
}

/// The key in a file.
pub(crate) fn read(path: &Path) -> Result<PrivateKeySigner, CliError> {
    let text = fs::read_to_string(path).map_err(|error| CliError::unreadable(path, &error))?;
    parse(&text, &path.display().to_string())
}

/// Writes a key to a file that only its owner can read.
pub(crate) fn save(path: &Path, key: &PrivateKeySigner) -> Result<(), CliError> {
    write_private(path, &format!("{}\n", key.to_bytes())).map_err(|error| CliError::unwritable(path, &error))
}

fn parse(text: &str, origin: &str) -> Result<PrivateKeySigner, CliError> {
    text.trim().parse().map_err(|_| CliError::BadKey { origin: origin.to_owned() })
}

#[cfg(unix)]
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _};
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

#[cfg(not(unix))]
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_key_is_refused_without_being_repeated() {
        let error = parse("swordfish", "key.txt").unwrap_err().to_string();
        assert!(error.starts_with("XC-004: the key from key.txt"), "{error}");
        assert!(!error.contains("swordfish"), "{error}");
    }

    #[test]
    fn a_saved_key_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = PrivateKeySigner::random();
        save(&path, &key).unwrap();
        assert_eq!(read(&path).unwrap().address(), key.address());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "nobody else reads it");
        }
    }
}
