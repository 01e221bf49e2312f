//! A network as an application sees it: the chain, the contracts on it, and a relay.

use std::path::Path;

use alloy::primitives::{Address, B256};
use url::Url;
use xenon_keeper::journal::{Identity, Journal};
use xenon_protocol::{
    chain::{Chain, RpcAccount, RpcChain},
    deployment::Deployment,
    relay::RelayClient,
};

use crate::{error::CliError, settings::Settings, wallet};

/// Handles of one network.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) chain: RpcChain,
    pub(crate) contracts: Deployment,
    pub(crate) from_block: u64,
}

impl Network {
    /// Connects to the chain and the contracts of the settings, and checks that they are what they should be.
    pub(crate) async fn connect(settings: &Settings) -> eyre::Result<Self> {
        let flag = "--task-contract ADDRESS";
        let task = settings.chain.task.ok_or(CliError::MissingSetting { name: "chain.task", flag })?;
        let chain = RpcChain::connect(&settings.chain.rpc, settings.chain.id).await?;
        let contracts = Deployment::load(&chain, task).await?;
        Ok(Self { chain, contracts, from_block: settings.chain.from_block })
    }

    /// The account of the settings' key on this chain.
    pub(crate) fn account(&self, settings: &Settings) -> Result<RpcAccount, CliError> {
        Ok(RpcAccount::new(self.chain.clone(), wallet::load(&settings.wallet)?))
    }
}

/// The journal in `folder` of a keeper with a key, on a chain that is known by its first block.
pub(crate) async fn keeper_journal(
    chain: &impl Chain,
    contracts: &Deployment,
    folder: &Path,
    key: Address,
) -> eyre::Result<Journal> {
    let genesis = chain.block(0).await?.map_or(B256::ZERO, |block| block.hash);
    Ok(Journal::open(folder, &Identity::new(chain.chain_id(), genesis, contracts.task, key))?)
}

/// The relay of the settings.
pub(crate) fn relay(settings: &Settings) -> eyre::Result<RelayClient> {
    let url: &Url =
        settings.relay.url.as_ref().ok_or(CliError::MissingSetting { name: "relay.url", flag: "--relay URL" })?;
    Ok(RelayClient::new(url.clone())?)
}
