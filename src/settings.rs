//! The configuration in force: defaults, then a TOML file, then the environment, then flags.
//!
//! A setting `section.name` is `[section] name = ...` in the file and `XENON_SECTION__NAME` in the environment. Keys are
//! no settings: see [`crate::wallet`].

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use bytesize::ByteSize;
use figment::{
    Figment,
    providers::{Env, Format as _, Serialized, Toml},
};
use serde::{Deserialize, Serialize};
use url::Url;
use xenon_keeper::{EndpointConfig, KeeperConfig, Policy};
use xenon_protocol::chain::Endpoint;

use crate::{cli::NetworkFlags, error::CliError};

/// The configuration file that is used when it exists and none is named.
pub(crate) const DEFAULT_FILE: &str = "xenon.toml";

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) chain: ChainSettings,
    pub(crate) relay: RelaySettings,
    pub(crate) wallet: WalletSettings,
    pub(crate) models: ModelsSettings,
    pub(crate) keeper: KeeperSettings,
}

/// How a keeper works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KeeperSettings {
    /// Further JSON-RPC nodes besides `chain.rpc`, by HTTP or WebSocket. One by WebSocket also says when there is a block.
    pub(crate) rpc_urls: Vec<String>,
    /// When a node is believed to be healthy.
    pub(crate) endpoints: EndpointConfig,
    /// How it follows the chain and sends; the first block is `chain.from_block`.
    pub(crate) config: KeeperConfig,
    /// What it does.
    pub(crate) policy: Policy,
}

/// Which chain, and which contracts on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ChainSettings {
    /// URL of a JSON-RPC node.
    pub(crate) rpc: String,
    /// The chain id the node must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<u64>,
    /// Address of the Task contract; it names the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<Address>,
    /// The block of the deployment: logs are read from here on.
    pub(crate) from_block: u64,
}

impl Default for ChainSettings {
    fn default() -> Self {
        Self { rpc: String::from("http://127.0.0.1:8545"), id: None, task: None, from_block: 0 }
    }
}

/// Where content is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RelaySettings {
    /// URL of the relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<Url>,
}

/// What transactions are signed with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WalletSettings {
    /// A file that holds a private key in hexadecimal. `XENON_PRIVATE_KEY` takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_file: Option<PathBuf>,
    /// A file that holds an encrypted key (a keystore of version 3, as geth and others write it).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keystore: Option<PathBuf>,
    /// A file that holds the keystore's password. `XENON_KEYSTORE_PASSWORD` takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password_file: Option<PathBuf>,
    /// URL of a remote signer, such as web3signer, for the keeper; it has the key of `address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signer: Option<Url>,
    /// Whose key the remote signer is to use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<Address>,
}

/// Where models come from, and how much room they may take. A token of the hub is no setting: see [`crate::model`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ModelsSettings {
    /// Address of the hub; `HF_ENDPOINT` or the public one if it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<Url>,
    /// Fetch nothing: what is not installed is an error.
    pub(crate) offline: bool,
    /// The most that may lie below the models folder, such as `200 GB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<ByteSize>,
    /// Models that a node fetches and checks before it works.
    pub(crate) prefetch: Vec<Prefetch>,
}

/// A model that a node fetches before it works: its source, or a table that says more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Prefetch {
    /// The source alone.
    Source(String),
    /// More than the source.
    Chosen(ChosenModel),
}

/// A model and what of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChosenModel {
    /// As `xenon model fetch` takes it.
    pub(crate) source: String,
    /// Its variants.
    #[serde(default)]
    pub(crate) variants: Vec<String>,
    /// The folder of the source that holds it.
    #[serde(default)]
    pub(crate) folder: String,
    /// Patterns of further files.
    #[serde(default)]
    pub(crate) include: Vec<String>,
    /// The name under which it is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

impl Settings {
    /// Reads the configuration; a file that was named must exist.
    pub(crate) fn load(file: Option<&Path>, flags: &NetworkFlags) -> Result<Self, CliError> {
        if let Some(path) = file {
            std::fs::metadata(path).map_err(|error| CliError::unreadable(path, &error))?;
        }
        let default = Path::new(DEFAULT_FILE);
        let toml = file.or(default.is_file().then_some(default)).map(Toml::file_exact);
        let environment = Env::prefixed("XENON_").filter(|key| key.as_str().contains("__")).split("__");
        let defaults = Figment::from(Serialized::defaults(Self::default()));
        let with_file = toml.into_iter().fold(defaults, Figment::merge);
        with_file
            .merge(environment)
            .merge(flags.provider())
            .extract()
            .map_err(|error| CliError::Settings(Box::new(error)))
    }
}

/// `xenon config`: prints the configuration in force, in the form of a configuration file. What of the endpoint's URL may be
/// a key is left out.
pub(crate) fn print(settings: &Settings) -> eyre::Result<()> {
    let mut shown = settings.clone();
    if let Ok(url) = settings.chain.rpc.parse::<Url>() {
        shown.chain.rpc = Endpoint::from(&url).to_string();
    }
    for shown in &mut shown.keeper.rpc_urls {
        *shown = shown.parse::<Url>().map(|url| Endpoint::from(&url).to_string()).unwrap_or_default();
    }
    shown.wallet.signer = shown.wallet.signer.and_then(|url| Endpoint::from(&url).to_string().parse().ok());
    print!("{}", toml::to_string_pretty(&shown)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use figment::Jail;

    use super::*;

    fn load(file: Option<&str>, flags: &NetworkFlags) -> Result<Settings, String> {
        Settings::load(file.map(Path::new), flags).map_err(|error| error.to_string())
    }

    #[test]
    #[allow(clippy::result_large_err, reason = "figment's own signature")]
    fn flags_beat_the_environment_which_beats_the_file() {
        Jail::expect_with(|jail| {
            jail.create_file("xenon.toml", "[chain]\nrpc = \"http://file\"\nid = 1\nfrom_block = 7")?;
            jail.set_env("XENON_CHAIN__ID", "2");
            let flags = NetworkFlags { rpc: Some("http://flag".into()), ..NetworkFlags::default() };
            let settings = load(None, &flags).map_err(figment::Error::from)?;
            assert_eq!(settings.chain.rpc, "http://flag");
            assert_eq!(settings.chain.id, Some(2));
            assert_eq!(settings.chain.from_block, 7);
            Ok(())
        });
    }

    #[test]
    fn the_configuration_in_force_can_be_printed() {
        toml::to_string_pretty(&Settings::default()).unwrap();
    }

    #[test]
    #[allow(clippy::result_large_err, reason = "figment's own signature")]
    fn keeper_is_configured_in_its_own_section() {
        Jail::expect_with(|jail| {
            jail.create_file(
                "xenon.toml",
                "[keeper]\nrpc_urls = [\"ws://other\"]\n[keeper.config]\npoll_ms = 7\n[keeper.config.send]\nfinal_depth = 5",
            )?;
            jail.set_env("XENON_KEEPER__POLICY__MAX_TASKS", "3");
            let keeper = load(None, &NetworkFlags::default()).map_err(figment::Error::from)?.keeper;
            assert_eq!((keeper.config.poll_ms, keeper.config.send.final_depth, keeper.policy.max_tasks), (7, 5, 3));
            assert_eq!(keeper.rpc_urls, ["ws://other"]);
            Ok(())
        });
    }

    #[test]
    #[allow(clippy::result_large_err, reason = "figment's own signature")]
    fn an_unknown_setting_is_refused_by_name() {
        Jail::expect_with(|jail| {
            jail.create_file("xenon.toml", "[chain]\nrcp = \"http://file\"")?;
            let error = load(None, &NetworkFlags::default()).unwrap_err();
            assert!(error.starts_with("XC-001") && error.contains("rcp"), "{error}");
            Ok(())
        });
    }

    #[test]
    #[allow(clippy::result_large_err, reason = "figment's own signature")]
    fn models_are_named_by_source_or_in_full() {
        Jail::expect_with(|jail| {
            let chosen = "{ source = \"c/d\", variants = [\"q4\"] }";
            jail.create_file("xenon.toml", &format!("[models]\nbudget = \"2 GB\"\nprefetch = [\"a/b\", {chosen}]"))?;
            jail.set_env("XENON_MODELS__OFFLINE", "true");
            let models = load(None, &NetworkFlags::default()).map_err(figment::Error::from)?.models;
            assert_eq!((models.budget, models.offline), (Some(ByteSize::gb(2)), true));
            assert_eq!(models.prefetch[0], Prefetch::Source(String::from("a/b")));
            assert!(matches!(&models.prefetch[1], Prefetch::Chosen(model) if model.variants == ["q4"]));
            Ok(())
        });
    }

    #[test]
    fn a_file_that_was_named_must_exist() {
        let error = load(Some("no-such.toml"), &NetworkFlags::default()).unwrap_err();
        assert!(error.starts_with("XC-005") && error.contains("no-such.toml"), "{error}");
    }

    #[test]
    #[allow(clippy::result_large_err, reason = "figment's own signature")]
    fn other_variables_of_the_program_are_no_settings() {
        Jail::expect_with(|jail| {
            jail.set_env("XENON_ANVIL", "/somewhere");
            assert_eq!(load(None, &NetworkFlags::default()).unwrap(), Settings::default());
            Ok(())
        });
    }
}
