//! `xenon deploy`: the five contracts, at the same addresses on every chain.

use eyre::Result;
use xenon_protocol::{
    chain::{Chain, RpcAccount, RpcChain},
    deployment::{DeployParams, deploy},
};

use crate::{cli::DeployArgs, settings::Settings, wallet};

/// Runs the command and prints what a configuration file needs.
pub(crate) async fn run(args: &DeployArgs, settings: &Settings) -> Result<()> {
    let key = wallet::load(settings.wallet.key_file.as_deref())?;
    let chain = RpcChain::connect(&settings.chain.rpc, settings.chain.id).await?;
    let from_block = chain.head().await?.number;
    let params = DeployParams { owner: args.owner, treasury: args.treasury, ..DeployParams::default() };
    let contracts = deploy(&RpcAccount::new(chain, key), &params).await?;
    println!("# The network on chain {}. Node {}, TaskQueue {},", contracts.chain_id, contracts.node, contracts.queue);
    println!("# QoS {}, NetworkStats {}.", contracts.qos, contracts.stats);
    println!("[chain]\nrpc = {:?}\nid = {}", settings.chain.rpc, contracts.chain_id);
    println!("task = \"{}\"\nfrom_block = {from_block}", contracts.task);
    Ok(())
}
