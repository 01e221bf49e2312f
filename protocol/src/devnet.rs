//! A chain of our own for demos and tests: anvil, started on a free port and stopped when it is dropped.

use std::{env, path::PathBuf, process::Stdio, time::Duration};

use alloy::{primitives::B256, signers::local::PrivateKeySigner};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{
    chain::{ChainError, RpcChain},
    pinned,
};

/// Longest wait for anvil to listen.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The hard fork the contracts are compiled for.
const HARDFORK: &str = "prague";

/// How anvil is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnvilConfig {
    /// Port on the local interface; 0 takes a free one.
    pub port: u16,
    /// The chain's id.
    pub chain_id: u64,
    /// Seconds between blocks; `None` makes a block of every transaction at once.
    pub block_time: Option<u64>,
    /// How many funded keys it has.
    pub accounts: usize,
    /// Whole coins each of them starts with.
    pub balance: u64,
}

impl Default for AnvilConfig {
    fn default() -> Self {
        Self { port: 0, chain_id: 31337, block_time: None, accounts: 10, balance: 10_000 }
    }
}

/// A running anvil. Dropping it ends the process and the chain.
#[derive(Debug)]
pub struct Anvil {
    /// Killed when dropped.
    _process: Child,
    port: u16,
    chain_id: u64,
    signers: Vec<PrivateKeySigner>,
}

/// Why anvil did not start.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// There is no anvil.
    #[error("XP-501: anvil {version} not found: run `make setup`, or name one in XENON_ANVIL", version = pinned::FOUNDRY_VERSION)]
    NotFound,
    /// The program could not be run.
    #[error("XP-502: {program} does not run ({reason}): run `make setup` again", program = program.display())]
    NotRunnable {
        /// Which.
        program: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It ended, or did not listen in time.
    #[error("XP-503: anvil did not start ({reason}): see its message; is port {port} taken?")]
    NotListening {
        /// The port asked for; 0 means any.
        port: u16,
        /// What it wrote to its error output, or that it was silent.
        reason: String,
    },
    /// It listens and does not answer as a chain should.
    #[error("XP-504: anvil listens and does not answer: {0}")]
    NotAnswering(#[from] ChainError),
}

impl DevnetError {
    /// The stable code of this error, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "XP-501",
            Self::NotRunnable { .. } => "XP-502",
            Self::NotListening { .. } => "XP-503",
            Self::NotAnswering(_) => "XP-504",
        }
    }
}

impl Anvil {
    /// Starts anvil and waits until it answers.
    pub async fn start(config: &AnvilConfig) -> Result<Self, DevnetError> {
        let start = env::current_dir().unwrap_or_default();
        Self::start_program(pinned::find("anvil", &start).ok_or(DevnetError::NotFound)?, config).await
    }

    async fn start_program(program: PathBuf, config: &AnvilConfig) -> Result<Self, DevnetError> {
        let spawned = command(&program, config).spawn();
        let mut process = spawned.map_err(|error| DevnetError::NotRunnable { program, reason: error.to_string() })?;
        let Some(banner) = read_banner(&mut process).await else {
            return Err(DevnetError::NotListening { port: config.port, reason: complaint(process).await });
        };
        drain(process.stderr.take());
        let anvil = Self { _process: process, port: banner.port, chain_id: config.chain_id, signers: banner.signers };
        anvil.connect().await?;
        Ok(anvil)
    }

    /// Where it listens, such as `http://127.0.0.1:8545`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The funded keys. They are the same in every anvil in the world: worthless anywhere else.
    pub fn signers(&self) -> &[PrivateKeySigner] {
        &self.signers
    }

    /// The chain, checked to be the one that was configured.
    pub async fn connect(&self) -> Result<RpcChain, ChainError> {
        RpcChain::connect(&self.url(), Some(self.chain_id)).await
    }
}

fn command(program: &PathBuf, config: &AnvilConfig) -> Command {
    let mut command = Command::new(program);
    command.args(["--host", "127.0.0.1", "--hardfork", HARDFORK]);
    command.args(["--port", &config.port.to_string(), "--chain-id", &config.chain_id.to_string()]);
    command.args(["--accounts", &config.accounts.to_string(), "--balance", &config.balance.to_string()]);
    if let Some(seconds) = config.block_time {
        command.args(["--block-time", &seconds.to_string()]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // Ctrl-C in a terminal goes to the whole group; the chain must outlive those who settle their work on it.
    #[cfg(unix)]
    command.process_group(0);
    command
}

/// What anvil prints before it serves.
#[derive(Debug, Default)]
struct Banner {
    signers: Vec<PrivateKeySigner>,
    port: u16,
}

/// Reads up to the line that says where anvil listens; `None` if it never comes. What follows is read and dropped for as
/// long as the process lives, because a full pipe would stop it.
async fn read_banner(process: &mut Child) -> Option<Banner> {
    let mut lines = BufReader::new(process.stdout.take()?).lines();
    let banner = timeout(START_LIMIT, banner(&mut lines)).await.ok()??;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Some(banner)
}

async fn banner(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Banner> {
    let mut banner = Banner::default();
    while let Some(line) = lines.next_line().await.ok()? {
        if let Some(address) = line.strip_prefix("Listening on ") {
            banner.port = address.rsplit(':').next()?.trim().parse().ok()?;
            return Some(banner);
        }
        banner.signers.extend(private_key(&line));
    }
    None
}

/// The key in a line such as `(0) 0xac09...`. Addresses, the other such lines, are shorter.
fn private_key(line: &str) -> Option<PrivateKeySigner> {
    let (_, key) = line.strip_prefix('(')?.split_once(") ")?;
    PrivateKeySigner::from_bytes(&key.trim().parse::<B256>().ok()?).ok()
}

/// Reads and drops what the process says from now on: a full pipe would stop it.
fn drain(pipe: Option<impl AsyncRead + Unpin + Send + 'static>) {
    if let Some(mut pipe) = pipe {
        tokio::spawn(async move { tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await });
    }
}

async fn complaint(mut process: Child) -> String {
    let _ = process.start_kill();
    let mut text = String::new();
    if let Some(mut stderr) = process.stderr.take() {
        let _ = stderr.read_to_string(&mut text).await;
    }
    if text.trim().is_empty() { String::from("it said nothing") } else { text.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::chain::Chain;

    #[tokio::test]
    async fn program_that_is_no_program_is_named() {
        let program = PathBuf::from("/nonexistent/anvil");
        let error = Anvil::start_program(program, &AnvilConfig::default()).await.unwrap_err();
        assert_eq!(error.code(), "XP-502");
        assert!(error.to_string().contains("/nonexistent/anvil"), "{error}");
    }

    #[tokio::test]
    async fn taken_port_is_reported_with_what_anvil_said() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = AnvilConfig { port: taken.local_addr().unwrap().port(), ..AnvilConfig::default() };
        let error = Anvil::start(&config).await.unwrap_err();
        assert_eq!(error.code(), "XP-503");
        assert!(error.to_string().contains("in use"), "{error}");
    }

    #[tokio::test]
    async fn two_chains_run_side_by_side_with_the_keys_and_balances_asked_for() {
        let config = AnvilConfig { accounts: 3, balance: 7, chain_id: 4242, ..AnvilConfig::default() };
        let (first, second) = (Anvil::start(&config).await.unwrap(), Anvil::start(&config).await.unwrap());
        assert_ne!(first.url(), second.url());
        assert_eq!(first.signers().len(), 3);
        let chain = second.connect().await.unwrap();
        assert_eq!(chain.chain_id(), 4242);
        let balance = chain.balance(second.signers()[2].address()).await.unwrap();
        assert_eq!(balance, alloy::primitives::utils::parse_ether("7").unwrap());
    }

    #[tokio::test]
    async fn dropping_it_ends_the_chain() {
        let anvil = Anvil::start(&AnvilConfig::default()).await.unwrap();
        let port = anvil.port;
        drop(anvil);
        // The port can be taken again once the process is gone.
        let freed = async {
            while TcpListener::bind(("127.0.0.1", port)).is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(START_LIMIT, freed).await.unwrap();
    }
}
