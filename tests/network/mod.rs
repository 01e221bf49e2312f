//! A network of real processes: anvil, and the `xenon` binary for everything else.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(dead_code, reason = "each test program uses its own part")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use alloy::signers::local::PrivateKeySigner;
use tempfile::TempDir;
use xenon_protocol::devnet::{Anvil, AnvilConfig};

/// Longest wait for something a network does by itself.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);

/// The `xenon` binary, without the environment's own settings.
pub(crate) fn xenon() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xenon"));
    let own = std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("XENON_"));
    for name in own.filter(|name| name != "XENON_ANVIL") {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).current_dir(root());
    command
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What a program wrote to standard output, which must have succeeded.
pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a program that must fail wrote to standard error.
pub(crate) fn failure(output: &Output) -> String {
    assert!(!output.status.success(), "it succeeded: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A process that is killed when dropped.
pub(crate) struct Service(Child);

impl Service {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("the binary runs"))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to end, and waits until it has.
    #[cfg(unix)]
    pub(crate) fn terminate(mut self) -> std::process::ExitStatus {
        let kill = format!("kill -TERM {}", self.pid());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        eventually("it ends when it is asked to", || self.0.try_wait().unwrap())
    }

    /// Ends it without warning, as a power cut does.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A chain with the contracts on it, and a configuration file that names both.
pub(crate) struct Network {
    pub(crate) folder: TempDir,
    pub(crate) anvil: Anvil,
    pub(crate) config: PathBuf,
    /// What `xenon deploy` printed.
    pub(crate) printed: String,
}

impl Network {
    /// Starts anvil with one block a second and deploys through the binary.
    pub(crate) async fn deployed() -> Self {
        let config = AnvilConfig { block_time: Some(1), accounts: 20, ..AnvilConfig::default() };
        let anvil = Anvil::start(&config).await.expect("make setup brings anvil");
        let folder = tempfile::tempdir().unwrap();
        let deployer = key_file(folder.path(), "deployer", &anvil.signers()[0]);
        let output = xenon().args(["deploy", "--rpc", &anvil.url(), "--key-file"]).arg(deployer).output().unwrap();
        let creator = key_file(folder.path(), "creator", &anvil.signers()[1]);
        let network = Self { config: folder.path().join("xenon.toml"), folder, anvil, printed: stdout(&output) };
        fs::write(&network.config, &network.printed).unwrap();
        network.set("wallet", "key_file", &creator.display().to_string());
        network
    }

    /// Sets one value of the configuration file.
    fn set(&self, section: &str, name: &str, value: &str) {
        let mut settings: toml::Table = fs::read_to_string(&self.config).unwrap().parse().unwrap();
        let section = settings.entry(section).or_insert_with(|| toml::Table::new().into());
        section.as_table_mut().unwrap().insert(name.into(), value.into());
        fs::write(&self.config, settings.to_string()).unwrap();
    }

    /// The binary with this network's configuration.
    pub(crate) fn xenon(&self) -> Command {
        let mut command = xenon();
        command.arg("--config").arg(&self.config);
        command
    }

    /// A file with the key of anvil's account `index`.
    pub(crate) fn key(&self, index: usize) -> PathBuf {
        key_file(self.folder.path(), &format!("key-{index}"), &self.anvil.signers()[index])
    }

    /// Starts a relay and adds it to the configuration.
    pub(crate) fn relay(&self) -> Service {
        self.listening(xenon().args(["gateway", "--listen", "127.0.0.1:0"]))
    }

    /// The same, of a relay that keeps content in a folder and signs for it with the key of anvil's account `index`.
    pub(crate) fn signing_relay(&self, index: usize) -> Service {
        let mut command = self.xenon();
        command.args(["gateway", "--listen", "127.0.0.1:0", "--store"]).arg(self.folder.path().join("content"));
        command.env("XENON_RELAY_KEY", self.anvil.signers()[index].to_bytes().to_string());
        self.listening(&mut command)
    }

    fn listening(&self, command: &mut Command) -> Service {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        self.set("relay", "url", url.trim());
        Service(child)
    }

    /// Starts a keeper with anvil's account 2.
    pub(crate) fn keeper(&self) -> Service {
        Service::start(&mut self.keeper_command())
    }

    /// A keeper with anvil's account 2 and a journal of its own.
    pub(crate) fn keeper_command(&self) -> Command {
        let mut command = self.xenon();
        command.args(["keeper", "--data"]).arg(self.folder.path().join("keeper"));
        command.arg("--key-file").arg(self.key(2));
        command
    }

    /// Starts node `number` (from 0) with keys of its own; it joins when it has not.
    pub(crate) fn node(&self, number: usize) -> Service {
        let mut command = self.node_command(number);
        Service::start(command.arg("--key-file").arg(self.key(4 + 2 * number)))
    }

    /// Starts node `number`, without its key.
    pub(crate) fn node_command(&self, number: usize) -> Command {
        let mut command = self.xenon();
        command.arg("node").arg("--join-with").arg(self.key(3 + 2 * number)).arg("--data").arg(self.data(number));
        command
    }

    /// The folder of node `number`.
    pub(crate) fn data(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("node-{number}"))
    }
}

fn key_file(folder: &Path, name: &str, key: &PrivateKeySigner) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, key.to_bytes().to_string()).unwrap();
    path
}

/// Tries again until `ready` gives something; fails after [`LIMIT`].
pub(crate) fn eventually<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
