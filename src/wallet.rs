//! The key transactions are signed with. It comes from the environment or a file, encrypted or not, or stays with a remote
//! signer. Neither a key nor a password is ever an argument.

use std::{env, fs, path::Path};

use alloy::{consensus::TxEip1559, primitives::Address, signers::local::PrivateKeySigner};
use xenon_protocol::chain::{RemoteSigner, Signed, Signer, SignerError};

use crate::{error::CliError, settings::WalletSettings};

/// The environment variable that holds a private key.
pub(crate) const KEY_VARIABLE: &str = "XENON_PRIVATE_KEY";

/// The environment variable that holds the key with which a relay signs.
const RELAY_KEY_VARIABLE: &str = "XENON_RELAY_KEY";

/// The environment variable that holds the password of a keystore.
const PASSWORD_VARIABLE: &str = "XENON_KEYSTORE_PASSWORD";

/// A key that is here, or one that is elsewhere.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    /// In this process.
    Local(Box<PrivateKeySigner>),
    /// With a signer that is asked for every signature.
    Remote(RemoteSigner),
}

impl Signer for Key {
    fn address(&self) -> Address {
        match self {
            Self::Local(key) => key.address(),
            Self::Remote(signer) => signer.address(),
        }
    }

    async fn sign(&self, transaction: TxEip1559) -> Result<Signed, SignerError> {
        match self {
            Self::Local(key) => Signer::sign(key.as_ref(), transaction).await,
            Self::Remote(signer) => signer.sign(transaction).await,
        }
    }
}

/// The key of the settings, wherever it is. A signer must have the key it is to sign with.
pub(crate) async fn key(settings: &WalletSettings) -> eyre::Result<Key> {
    let Some(url) = &settings.signer else { return Ok(Key::Local(Box::new(load(settings)?))) };
    if settings.key_file.is_some() || settings.keystore.is_some() || env::var_os(KEY_VARIABLE).is_some() {
        return Err(CliError::SeveralKeys.into());
    }
    let missing = CliError::MissingSetting { name: "wallet.address", flag: "XENON_WALLET__ADDRESS" };
    let address = settings.address.ok_or(missing)?;
    Ok(Key::Remote(RemoteSigner::connect(url.clone(), address).await?))
}

/// The key from the environment, a file or a keystore; two at once are refused.
pub(crate) fn load(settings: &WalletSettings) -> Result<PrivateKeySigner, CliError> {
    let found = find(KEY_VARIABLE, settings.key_file.as_deref())?;
    match (found, &settings.keystore) {
        (Some(_), Some(_)) => Err(CliError::SeveralKeys),
        (Some(key), None) => Ok(key),
        (None, Some(keystore)) => decrypt(keystore, settings.password_file.as_deref()),
        (None, None) => Err(CliError::NoKey),
    }
}

/// The key in an encrypted file.
fn decrypt(keystore: &Path, password_file: Option<&Path>) -> Result<PrivateKeySigner, CliError> {
    fs::metadata(keystore).map_err(|error| CliError::unreadable(keystore, &error))?;
    let password = match (env::var(PASSWORD_VARIABLE), password_file) {
        (Ok(password), _) => password,
        (Err(_), Some(path)) => {
            let text = fs::read_to_string(path).map_err(|error| CliError::unreadable(path, &error))?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        (Err(_), None) => return Err(CliError::NoPassword { variable: PASSWORD_VARIABLE }),
    };
    let path = keystore.to_owned();
    PrivateKeySigner::decrypt_keystore(keystore, password).map_err(|_| CliError::BadKeystore { path })
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

    /// The example of the Web3 Secret Storage Definition, whose password is "testpassword".
    const KEYSTORE: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":{
        "c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
        "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
        "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;

    #[test]
    #[allow(clippy::result_large_err, reason = "figment's own signature")]
    fn a_keystore_opens_with_its_password_and_no_other() {
        figment::Jail::expect_with(|jail| {
            jail.create_file("keystore.json", KEYSTORE)?;
            jail.create_file("password", "testpassword\n")?;
            jail.create_file("key", "0101010101010101010101010101010101010101010101010101010101010101")?;
            let keystore = Some("keystore.json".into());
            let locked = WalletSettings { keystore, ..WalletSettings::default() };
            assert!(matches!(load(&locked), Err(CliError::NoPassword { .. })));
            let both = WalletSettings { key_file: Some("key".into()), ..locked.clone() };
            assert!(matches!(load(&both), Err(CliError::SeveralKeys)));
            let open = WalletSettings { password_file: Some("password".into()), ..locked.clone() };
            let secret = "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
            assert_eq!(load(&open).unwrap().to_bytes().to_string(), secret);
            jail.set_env(PASSWORD_VARIABLE, "swordfish");
            let error = load(&open).unwrap_err();
            assert!(
                matches!(error, CliError::BadKeystore { .. }) && !error.to_string().contains("swordfish"),
                "{error}"
            );
            Ok(())
        });
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
