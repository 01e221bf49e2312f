//! `xenon deploy`: the five contracts and their owner, at the same addresses on every chain.

use eyre::Result;
use xenon_protocol::{
    chain::{Chain, RpcAccount, RpcChain},
    deployment::{DeployParams, Deployment, deploy},
};

use crate::{
    cli::DeployArgs,
    settings::{self, Settings, WalletSettings},
    wallet,
};

/// Runs the command and prints the configuration file of the network.
pub(crate) async fn run(args: &DeployArgs, settings: &Settings) -> Result<()> {
    let key = wallet::load(&settings.wallet)?;
    let chain = RpcChain::connect(&settings.chain.rpc, settings.chain.id).await?;
    let from_block = first_block(&chain, &Deployment::of(key.address(), chain.chain_id())).await?;
    let (owner, governor, treasury) = (args.owner, args.governor, args.treasury);
    let params = DeployParams { owner, governor, treasury, ..DeployParams::default() };
    let owner = owner.unwrap_or_else(|| Deployment::timelock_of(key.address()));
    let contracts = deploy(&RpcAccount::new(chain, key), &params).await?;
    println!("# The network on chain {}. Node {}, TaskQueue {},", contracts.chain_id, contracts.node, contracts.queue);
    println!("# QoS {}, NetworkStats {}, owner {owner}.", contracts.qos, contracts.stats);
    let mut written = Settings { wallet: WalletSettings::default(), ..settings.clone() };
    written.chain.id = Some(contracts.chain_id);
    written.chain.task = Some(contracts.task);
    written.chain.from_block = from_block;
    settings::print(&written)
}

/// The block from which on the network's logs must be read: the newest, unless some of the contracts are there already,
/// since nobody knows which block.
async fn first_block(chain: &RpcChain, contracts: &Deployment) -> Result<u64> {
    for address in contracts.addresses() {
        if !chain.code(address).await?.is_empty() {
            return Ok(0);
        }
    }
    Ok(chain.head().await?.number)
}
