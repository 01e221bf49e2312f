//! What can go wrong in the program itself; errors of the services carry their own codes.

use std::path::PathBuf;

use alloy::primitives::{Address, B256};

/// An error of the command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The configuration cannot be used.
    #[error("XC-001: the configuration is not usable ({0}): correct the setting, or remove it to get the default")]
    Settings(Box<figment::Error>),
    /// A setting that this command needs is missing.
    #[error("XC-002: {name} is not set: give {flag}, or set it in the configuration file")]
    MissingSetting {
        /// Its name in the configuration file.
        name: &'static str,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// No key to sign with.
    #[error(
        "XC-003: no key to sign with: set XENON_PRIVATE_KEY, or wallet.key_file to a file that holds the key, or wallet.keystore"
    )]
    NoKey,
    /// A keystore, and nothing that opens it.
    #[error("XC-050: the keystore needs a password: set {variable}, or wallet.password_file to a file that holds it")]
    NoPassword {
        /// The environment variable.
        variable: &'static str,
    },
    /// The keystore is not one, or the password is not its. Neither is repeated.
    #[error("XC-051: cannot open the keystore {path}: check the password, and that it is a keystore of version 3", path = path.display())]
    BadKeystore {
        /// The file.
        path: PathBuf,
    },
    /// More than one key is configured.
    #[error(
        "XC-052: several keys are set: keep one of XENON_PRIVATE_KEY, wallet.key_file, wallet.keystore and wallet.signer"
    )]
    SeveralKeys,
    /// The key is not usable. Its text is not repeated.
    #[error("XC-004: the key from {origin} is not a private key: it must be 64 hexadecimal digits")]
    BadKey {
        /// Where it was read.
        origin: String,
    },
    /// A file cannot be read.
    #[error("XC-005: cannot read {path} ({reason}): check the path and its permissions", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A file or folder cannot be written.
    #[error("XC-006: cannot write {path} ({reason}): check the path, its permissions and the space left", path = path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// An amount of money that is not one.
    #[error("XC-007: {text:?} is not an amount: give a number of CNX such as 2.5")]
    BadAmount {
        /// What was given.
        text: String,
    },
    /// Neither a file nor a prompt, or both.
    #[error("XC-008: give either a task file or --prompt")]
    NoTask,
    /// The chain does not know the task.
    #[error("XC-009: there is no task {id} at {contract}: `xenon task status` takes the number that submit printed")]
    UnknownTask {
        /// The number asked for.
        id: u64,
        /// The Task contract.
        contract: Address,
    },
    /// The task is not delivered, and perhaps never will be.
    #[error("XC-010: task {id} has no result, it is {status}: `xenon task status {id}` shows how it goes on")]
    NoResult {
        /// The task.
        id: u64,
        /// Its status.
        status: String,
    },
    /// What was delivered is not what the nodes agreed on.
    #[error("XC-011: task {id} was delivered as {content}, but the nodes agreed on {result}: do not use the content")]
    WrongDelivery {
        /// The task.
        id: u64,
        /// What the deliverer named.
        content: B256,
        /// The agreed result.
        result: B256,
    },
    /// What was delivered are not the pictures that were voted on.
    #[error("XC-027: node {node} delivered something else for task {id} than it was paid for: {reason}; do not use it")]
    WrongPictures {
        /// The task.
        id: u64,
        /// Who delivered.
        node: u32,
        /// How they differ.
        reason: String,
    },
    /// Options that do not go together.
    #[error("XC-028: {option} is for {kind} tasks: leave it out, or give --kind {kind}")]
    OtherKind {
        /// The option.
        option: &'static str,
        /// The kind that it is for.
        kind: &'static str,
    },
    /// The task did not end as it was meant to.
    #[error("XC-012: task {id} ended without an answer: {reason}; {refund} of {fee} CNX went back to the creator")]
    Aborted {
        /// The task.
        id: u64,
        /// Why.
        reason: String,
        /// What went back, in CNX.
        refund: String,
        /// The fee, in CNX.
        fee: String,
    },
    /// The task was not delivered within the wait.
    #[error("XC-013: task {id} is {status} after {seconds} s: `xenon task status {id}` shows how it goes on")]
    StillRunning {
        /// The task.
        id: u64,
        /// Its status.
        status: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The relay does not take content of this size.
    #[error("XC-014: the task has {bytes} bytes, the relay takes {limit}: shorten it or use another relay")]
    TooLargeForRelay {
        /// Size of the task.
        bytes: u64,
        /// The relay's limit.
        limit: u64,
    },
    /// A demo's options contradict each other.
    #[error("XC-015: {0}")]
    DemoOptions(String),
    /// The demo did not end as it must.
    #[error("XC-016: the demo did not end as it must: {0}; XENON_LOG=info shows what its services do")]
    DemoFailed(String),
    /// Something that must be there for a service is not.
    #[error("XC-017: {count} of the checks failed; each says what to do")]
    DoctorFailed {
        /// How many.
        count: usize,
    },
    /// The reply is not of a form that this version knows.
    #[error(
        "XC-019: the reply {content} is not in a form this version reads ({reason}): update xenon, or take the bytes from the relay"
    )]
    UnknownReply {
        /// Its hash at the relay.
        content: B256,
        /// What is wrong.
        reason: String,
    },
    /// Two keys, and no way to tell which is meant.
    #[error("XC-020: both {variable} and a key file are given: give one, so that nothing is signed with the wrong key")]
    TwoKeys {
        /// The environment variable.
        variable: &'static str,
    },
    /// The network does not know the node.
    #[error("XC-021: there is no node {id} at {contract}: `xenon node` logs the number when it joins")]
    UnknownNode {
        /// The number asked for.
        id: u32,
        /// The Node contract.
        contract: Address,
    },
    /// The relay of the configuration does not sign as the one that the task would name.
    #[error(
        "XC-022: the relay {url} {signs}, not as {wanted}: nodes could not deliver; use the relay that signs so, or leave --relay-signer out"
    )]
    OtherSigner {
        /// The relay.
        url: String,
        /// What it says about its signature.
        signs: String,
        /// Whom the task would name.
        wanted: Address,
    },
    /// Models that are not as they should be.
    #[error("XC-024: {count} of the models are not as they should be: the table says which and what to do")]
    ModelsDamaged {
        /// How many.
        count: usize,
    },
    /// An address in the environment that is none.
    #[error("XC-025: {variable} is not an address ({reason}): correct it, or set models.endpoint")]
    BadAddress {
        /// The environment variable.
        variable: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Not one of the names that are known.
    #[error("XC-026: {0}")]
    BadVariant(String),
    /// The process that runs models does not work on this machine.
    #[error("XC-023: models cannot be run on this machine: {reason}")]
    NoExecutor {
        /// What it says, with what to do.
        reason: String,
    },
    /// No node writes its report in this folder.
    #[error("XC-029: no report of a node at {path} ({reason}): start the node, or give its folder with --data", path = path.display())]
    NoReport {
        /// The report's file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The address for metrics cannot be used.
    #[error("XC-030: cannot serve metrics on {address} ({reason}): give another address with --metrics")]
    Metrics {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        reason: String,
    },
    /// More memory than can be counted in bytes.
    #[error("XC-031: {gigabytes} GB is more memory than any machine has: --memory is in GB")]
    TooMuchMemory {
        /// What was given.
        gigabytes: u64,
    },
    /// A chain's answer misses something the contracts always give.
    #[error("XC-018: the chain's answer to {what} misses {missing}: is the endpoint of the right network?")]
    Incomplete {
        /// What was asked.
        what: &'static str,
        /// What is not there.
        missing: &'static str,
    },
}

impl CliError {
    /// Maps a failed read of `path`.
    pub(crate) fn unreadable(path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        Self::Unreadable { path: path.into(), reason: error.to_string() }
    }

    /// Maps a failed write of `path`.
    pub(crate) fn unwritable(path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        Self::Unwritable { path: path.into(), reason: error.to_string() }
    }
}
