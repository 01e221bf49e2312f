//! Joining the network.

use alloy::primitives::{Address, B256, U256};
use xenon_protocol::{
    chain::{Account, Call, Chain, ChainError, Revert, TypedChain},
    contracts::{Node, Status},
    deployment::Deployment,
};

use super::{AgentError, network::node_of};

/// What a node says of itself when it joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// The address of the hot key that will sign its commitments.
    pub key: Address,
    /// Fingerprint of everything that decides the bytes it produces; see [`ExecutionClass`](crate::ExecutionClass).
    pub class_hash: B256,
    /// Accelerator memory, in GB; 0 for none.
    pub vram_gb: u16,
    /// The device's name, at most 64 bytes.
    pub gpu: String,
}

/// Registers a node of `operator`, who pays the stake, and returns its number. A node that has joined stays as it is.
///
/// # Errors
/// [`AgentError::KeyOfAnother`], [`AgentError::KeyUsedUp`], or the chain's: a refusal names the argument, and
/// [`ChainError::InsufficientFunds`] says that the stake is missing.
pub async fn join_network<A: Account>(
    operator: &A,
    deployment: &Deployment,
    applicant: &Applicant,
) -> Result<u32, AgentError> {
    if let Some(node) = joined_node(operator, deployment, applicant.key).await? {
        return Ok(node);
    }
    match send_join(operator, deployment, applicant).await {
        Ok(node) => Ok(node),
        // Somebody, perhaps another start of this program, registered the key in the meantime.
        Err(error) if error.revert().is_some_and(Revert::is::<Node::KeyInUse>) => {
            joined_node(operator, deployment, applicant.key).await?.ok_or(AgentError::Chain(error))
        }
        Err(error) => Err(error.into()),
    }
}

async fn send_join<A: Account>(operator: &A, at: &Deployment, applicant: &Applicant) -> Result<u32, ChainError> {
    let stake = operator.chain().view(at.node, &Node::minStakeCall {}).await?;
    let call = Node::joinCall {
        key: applicant.key,
        classHash: applicant.class_hash,
        vramGb: applicant.vram_gb,
        gpu: applicant.gpu.clone(),
    };
    let receipt = operator.send(Call::new(at.node, &call).with_value(U256::from(stake))).await?;
    let joined = receipt.event::<Node::NodeJoined>().map(|event| event.node);
    joined.ok_or_else(|| ChainError::Malformed {
        method: "join",
        reason: String::from("the receipt does not say that a node joined"),
    })
}

/// The node of `key`, if it has joined, checked to be one of this operator's that can still work.
///
/// # Errors
/// [`AgentError::KeyOfAnother`], [`AgentError::KeyUsedUp`], or the chain's.
pub async fn joined_node<A: Account>(operator: &A, at: &Deployment, key: Address) -> Result<Option<u32>, AgentError> {
    let Some(node) = node_of(operator.chain(), at, key).await? else { return Ok(None) };
    let view = operator.chain().view(at.node, &Node::nodeOfCall { node }).await?;
    if view.operator != operator.address() {
        return Err(AgentError::KeyOfAnother { key, node, operator: view.operator });
    }
    if [Status::Unbonding, Status::Gone, Status::Slashed].map(|over| over as u8).contains(&view.status) {
        return Err(AgentError::KeyUsedUp { key, node });
    }
    Ok(Some(node))
}

/// Checks that a node computes in the class that it joined with: in another one its answers differ from those of the
/// other seats, for which it would lose its stake.
///
/// # Errors
/// [`AgentError::OtherClass`], or the chain's.
pub async fn check_class<C: Chain>(chain: &C, at: &Deployment, node: u32, found: B256) -> Result<(), AgentError> {
    let class = chain.view(at.node, &Node::nodeOfCall { node }).await?.class;
    let registered = chain.view(at.node, &Node::classInfoCall { class }).await?.classHash;
    if registered == found { Ok(()) } else { Err(AgentError::OtherClass { node, registered, found }) }
}
