//! `xenon node`: running a node, and what its operator does besides.

mod metrics;
mod pause;
mod pending;
mod report;
mod service;
mod watch;

use std::{fs, path::Path};

use alloy::primitives::{B256, U256, keccak256};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use eyre::Result;
use xenon_executor::agent::standing;
use xenon_protocol::{
    chain::{Account as _, Call, RpcAccount, TypedChain as _},
    contracts::{Node, Status, Task},
};

use crate::{
    cli::{EvidenceArgs, NodeCommand},
    error::CliError,
    money,
    network::Network,
    settings::Settings,
};

pub(crate) use self::service::run as serve;

/// Runs one of the commands.
pub(crate) async fn run(command: NodeCommand, settings: &Settings) -> Result<()> {
    if let NodeCommand::Watch(args) = command {
        return watch::run(&args).await;
    }
    let network = Network::connect(settings).await?;
    match command {
        NodeCommand::Watch(_) => Ok(()),
        NodeCommand::Status(args) => status(&network, args.id).await,
        NodeCommand::Pause(args) => pause::pause(&network, &network.account(settings)?, &args).await,
        NodeCommand::Resume(args) => pause::resume(&network, &network.account(settings)?, args.id).await,
        NodeCommand::Collect(args) => collect(&network, &network.account(settings)?, args.id).await,
        NodeCommand::TopUp(args) => top_up(&network, &network.account(settings)?, args.id).await,
        NodeCommand::Appeal(args) => appeal(&network, &network.account(settings)?, &args).await,
        NodeCommand::Evidence(args) => add_evidence(&network, &network.account(settings)?, &args).await,
    }
}

/// The node, which must have joined.
async fn node(network: &Network, id: u32) -> Result<Node::NodeView> {
    let view = network.chain.view(network.contracts.node, &Node::nodeOfCall { node: id }).await?;
    if view.key.is_zero() {
        return Err(CliError::UnknownNode { id, contract: network.contracts.node }.into());
    }
    Ok(view)
}

async fn earned(network: &Network, id: u32) -> Result<U256> {
    Ok(U256::from(network.chain.view(network.contracts.task, &Task::earnedByCall { node: id }).await?))
}

async fn status(network: &Network, id: u32) -> Result<()> {
    let view = node(network, id).await?;
    let standing = standing(&network.chain, &network.contracts, id).await?;
    let credit = Task::creditOfCall { account: view.operator };
    let credit = network.chain.view(network.contracts.task, &credit).await?;
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["node", &id.to_string()]);
    table.add_row(["standing".to_owned(), standing.to_string()]);
    if let Some(tasks) = accusations(network, id, standing.status).await? {
        table.add_row(["accused besides for".to_owned(), tasks]);
    }
    table.add_row(["score".to_owned(), format!("{} of 640", standing.score)]);
    table.add_row(["stake".to_owned(), format!("{} CNX", money::show(U256::from(standing.stake)))]);
    table.add_row(["earned, not collected".to_owned(), format!("{} CNX", money::show(earned(network, id).await?))]);
    table.add_row(["credit of its operator".to_owned(), format!("{} CNX", money::show(credit))]);
    table.add_row(["class".to_owned(), view.class.to_string()]);
    table.add_row(["operator".to_owned(), view.operator.to_string()]);
    table.add_row(["key".to_owned(), view.key.to_string()]);
    println!("{table}");
    Ok(())
}

/// The tasks for which the node will be frozen besides, in that order; `None` if there are none.
async fn accusations(network: &Network, id: u32, status: Status) -> Result<Option<String>> {
    if status == Status::Slashed {
        return Ok(None);
    }
    let waiting = network.chain.view(network.contracts.node, &Node::accusationsOfCall { node: id }).await?;
    let tasks: Vec<_> = waiting.iter().rev().map(|case| format!("task {}", case.task)).collect();
    Ok(Some(tasks.join(", ")).filter(|tasks| !tasks.is_empty()))
}

async fn collect(network: &Network, account: &RpcAccount, id: u32) -> Result<()> {
    let (view, task) = (node(network, id).await?, network.contracts.task);
    let earned = earned(network, id).await?;
    if !earned.is_zero() {
        account.send(Call::new(task, &Task::collectCall { node: id })).await?;
    }
    println!("collected {} CNX for {}", money::show(earned), view.operator);
    if view.operator != account.address() {
        return Ok(());
    }
    let credit = network.chain.view(task, &Task::creditOfCall { account: account.address() }).await?;
    account.send(Call::new(task, &Task::withdrawCall { to: account.address() })).await?;
    println!("withdrew {} CNX", money::show(credit));
    Ok(())
}

async fn top_up(network: &Network, account: &RpcAccount, id: u32) -> Result<()> {
    let view = node(network, id).await?;
    let full = network.chain.view(network.contracts.node, &Node::minStakeCall {}).await?;
    let missing = U256::from(full).saturating_sub(U256::from(view.stake));
    if missing.is_zero() {
        println!("the stake is complete");
        return Ok(());
    }
    let call = Call::new(network.contracts.node, &Node::topUpCall { node: id }).with_value(missing);
    account.send(call).await?;
    println!("added {} CNX; a suspended node must be resumed by its operator", money::show(missing));
    Ok(())
}

async fn appeal(network: &Network, account: &RpcAccount, args: &EvidenceArgs) -> Result<()> {
    node(network, args.id).await?;
    let evidence = hash_of(&args.evidence)?;
    let call = Call::new(network.contracts.node, &Node::appealCall { node: args.id, evidence });
    let appealed: Node::Appealed =
        account.send(call).await?.event().ok_or(CliError::Incomplete { what: "appeal", missing: "Appealed" })?;
    println!("appealed with evidence {evidence}: a decision is due until {} (Unix time)", appealed.decideBy);
    Ok(())
}

async fn add_evidence(network: &Network, account: &RpcAccount, args: &EvidenceArgs) -> Result<()> {
    node(network, args.id).await?;
    let evidence = hash_of(&args.evidence)?;
    let call = Call::new(network.contracts.node, &Node::addEvidenceCall { node: args.id, evidence });
    let missing = CliError::Incomplete { what: "addEvidence", missing: "EvidenceAdded" };
    let added: Node::EvidenceAdded = account.send(call).await?.event().ok_or(missing)?;
    println!("added evidence {evidence} to the case of task {}", added.task);
    Ok(())
}

/// What stands for a file of evidence on chain.
fn hash_of(evidence: &Path) -> Result<B256, CliError> {
    fs::read(evidence).map(keccak256).map_err(|error| CliError::unreadable(evidence, &error))
}
