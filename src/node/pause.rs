//! `xenon node pause` and `resume`.

use std::time::Duration;

use eyre::Result;
use tokio::time::sleep;
use xenon_protocol::{
    chain::{Account as _, Call, RpcAccount},
    contracts::{Node, Status},
};

use super::node;
use crate::{cli::PauseArgs, network::Network};

/// Pause between two looks at a node that finishes its task.
const LOOK: Duration = Duration::from_secs(1);

/// Takes a node out of the draws. A node that holds a seat keeps it to the end.
pub(super) async fn pause(network: &Network, account: &RpcAccount, args: &PauseArgs) -> Result<()> {
    let id = args.id;
    if status(network, id).await? == Status::Paused {
        println!("node {id} is paused already");
        return Ok(());
    }
    account.send(Call::new(network.contracts.node, &Node::pauseCall { node: id })).await?;
    if status(network, id).await? == Status::Paused {
        println!("node {id} is paused");
        return Ok(());
    }
    println!("node {id} gets no more tasks, and is paused as soon as it has finished what it has in hand");
    while args.wait && status(network, id).await? != Status::Paused {
        sleep(LOOK).await;
    }
    if args.wait {
        println!("node {id} is paused");
    }
    Ok(())
}

/// Puts a node back that was paused or suspended, or takes a pause back that has not begun.
pub(super) async fn resume(network: &Network, account: &RpcAccount, id: u32) -> Result<()> {
    node(network, id).await?;
    account.send(Call::new(network.contracts.node, &Node::resumeCall { node: id })).await?;
    println!("node {id} takes part in the draws again");
    Ok(())
}

async fn status(network: &Network, id: u32) -> Result<Status> {
    Ok(Status::try_from(node(network, id).await?.status).unwrap_or(Status::None))
}
