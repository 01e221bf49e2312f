//! The contracts as one node sees and calls them.

use alloy::{
    primitives::{Address, B256, Bytes, aliases::U40},
    sol_types::SolCall,
};
use xenon_protocol::{
    chain::{Account, Call, Chain, ChainError, Head, Receipt, Revert, TypedChain},
    commitment::commitment,
    contracts::{Node, State, Status, Task},
    deployment::Deployment,
    stored::stored_digest,
};

use super::{
    AgentError, Facts, Standing, Vote,
    journal::{Entry, Identity},
    seat::{self, Seat},
    standing::standing,
};

/// One node's view of the contracts, and its voice.
#[derive(Clone, Debug)]
pub(super) struct Network<A> {
    account: A,
    at: Deployment,
    node: u32,
}

/// Whether a transaction took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is in a block.
    Included,
    /// The contract refused it because the task has moved on, or it had been done: the next look at the chain tells.
    Overtaken,
}

impl<A: Account> Network<A> {
    /// The node whose key the account is.
    pub(super) async fn join(account: A, at: Deployment) -> Result<Self, AgentError> {
        let key = account.address();
        match node_of(account.chain(), &at, key).await? {
            Some(node) => Ok(Self { account, at, node }),
            None => Err(AgentError::NotJoined { key }),
        }
    }

    pub(super) const fn node(&self) -> u32 {
        self.node
    }

    /// What tells this node's journal from others.
    pub(super) async fn identity(&self) -> Result<Identity, AgentError> {
        let chain = self.account.chain();
        let genesis = chain.block(0).await?.map_or(B256::ZERO, |block| block.hash);
        Ok(Identity::new(chain.chain_id(), genesis, self.at.task, self.account.address(), self.node))
    }

    pub(super) async fn head(&self) -> Result<Head, AgentError> {
        Ok(self.account.chain().head().await?)
    }

    /// Whether a block that was seen is still part of the chain.
    pub(super) async fn still_holds(&self, seen: &Head) -> Result<bool, AgentError> {
        Ok(self.account.chain().block(seen.number).await?.is_some_and(|block| block.hash == seen.hash))
    }

    pub(super) async fn status(&self) -> Result<Status, AgentError> {
        let view = self.account.chain().view(self.at.node, &Node::nodeOfCall { node: self.node }).await?;
        Ok(Status::try_from(view.status).map_err(|_| malformed(Node::nodeOfCall::SIGNATURE, view.status))?)
    }

    /// Where the node stands, and why.
    pub(super) async fn standing(&self) -> Result<Standing, AgentError> {
        Ok(standing(self.account.chain(), &self.at, self.node).await?)
    }

    /// The newest seat of the node, which must have one.
    pub(super) async fn find_seat(&self, head: &Head) -> Result<Seat, AgentError> {
        seat::find(self.account.chain(), self.at.task, self.node, head).await
    }

    /// Seconds that the network reckons a task takes.
    pub(super) async fn estimate(&self, seat: &Seat) -> Result<u64, AgentError> {
        let kind = self.account.chain().view(self.at.task, &Task::kindOfCall { kind: seat.kind }).await?;
        let milliseconds = u64::from(kind.overheadMs) + u64::from(kind.msPerUnit) * u64::from(seat.size);
        Ok(milliseconds.div_ceil(1000))
    }

    pub(super) async fn facts(&self, task: u64) -> Result<Facts, AgentError> {
        let view = self.account.chain().view(self.at.task, &Task::taskOfCall { task: U40::from(task) }).await?;
        let state = State::try_from(view.state).map_err(|_| malformed(Task::taskOfCall::SIGNATURE, view.state))?;
        // A seat that was taken from its holder still names it until another has it.
        let seat = (0..3).find(|index| view.nodes[*index] == self.node && !view.vacated[*index]);
        let seat = seat.map(|index| vote(&view, index));
        Ok(Facts { state, deadline: view.deadline.to(), seat })
    }

    pub(super) async fn commit(&self, entry: &Entry) -> Result<Sent, AgentError> {
        let commitment = commitment(entry.task, self.account.address(), entry.result, &entry.salt);
        self.send(&Task::commitCall { node: self.node, task: U40::from(entry.task), commitment }).await
    }

    pub(super) async fn reveal(&self, entry: &Entry) -> Result<Sent, AgentError> {
        let (task, result, salt) = (U40::from(entry.task), entry.result, entry.salt.reveal());
        match self.send(&Task::revealCall { node: self.node, task, result, salt }).await {
            Err(AgentError::Chain(error)) if error.revert().is_some_and(Revert::is::<Task::WrongReveal>) => {
                Err(AgentError::ForeignCommitment { node: self.node, task: entry.task })
            }
            other => other,
        }
    }

    pub(super) async fn deliver(&self, task: u64, content: B256) -> Result<Sent, AgentError> {
        self.send(&Task::deliverCall { node: self.node, task: U40::from(task), content }).await
    }

    /// The relay whose signature the delivery needs, if the task names one.
    pub(super) async fn relay_of(&self, task: u64) -> Result<Option<Address>, AgentError> {
        let relay = self.account.chain().view(self.at.task, &Task::relayOfCall { task: U40::from(task) }).await?;
        Ok(Some(relay).filter(|relay| !relay.is_zero()))
    }

    /// What the relay of a task signs for `content`.
    pub(super) fn stored_digest(&self, task: u64, content: B256) -> B256 {
        stored_digest(self.at.chain_id, self.at.task, task, content)
    }

    pub(super) async fn deliver_signed(&self, task: u64, content: B256, signature: Bytes) -> Result<Sent, AgentError> {
        self.send(&Task::deliverSignedCall { node: self.node, task: U40::from(task), content, signature }).await
    }

    async fn send(&self, call: &impl SolCall) -> Result<Sent, AgentError> {
        match self.account.send(Call::new(self.at.task, call)).await {
            Ok(Receipt { .. }) => Ok(Sent::Included),
            Err(error) if error.revert().is_some_and(is_overtaken) => {
                tracing::debug!(%error, "the task has moved on");
                Ok(Sent::Overtaken)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The node of a key, if it has joined.
pub(super) async fn node_of<C: Chain>(chain: &C, at: &Deployment, key: Address) -> Result<Option<u32>, ChainError> {
    let node = chain.view(at.node, &Node::idOfCall { key }).await?;
    Ok((node != 0).then_some(node))
}

fn vote(view: &Task::TaskView, index: usize) -> Vote {
    Vote {
        committed: view.commitRanks[index] != 0,
        revealed: view.revealRanks[index] != 0,
        delivers: view.agreeing[index] && usize::from(view.deliverer) == index,
        agreed: view.agreeing[index],
    }
}

/// Refusals that say no more than that somebody, perhaps this node, was faster than the look at the chain.
fn is_overtaken(revert: &Revert) -> bool {
    revert.is::<Task::AlreadyCommitted>()
        || revert.is::<Task::AlreadyRevealed>()
        || revert.is::<Task::WrongState>()
        || revert.is::<Task::TooLate>()
        || revert.is::<Task::NotSeated>()
        || revert.is::<Task::NotDeliverer>()
}

fn malformed(method: &'static str, number: u8) -> ChainError {
    ChainError::Malformed { method, reason: format!("{number} is not a state that this version knows") }
}
