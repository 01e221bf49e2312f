//! Would it change anything? Asked before anything is signed.

use alloy::primitives::Bytes;
use xenon_protocol::{
    chain::{ChainError, Mempool, Signer, TypedChain as _},
    contracts::TaskQueue,
};

use super::Submitter;
use crate::Action;

impl<C: Mempool, S: Signer> Submitter<C, S> {
    /// Simulates the action. A revert is an error.
    pub(super) async fn would_change(&self, action: Action) -> Result<bool, ChainError> {
        let chain = &self.wallet.chain;
        let returned: Bytes = chain.call(self.wallet.address(), &self.call_of(action)).await?;
        if action.shows_effect(&returned) {
            return Ok(true);
        }
        match action {
            // A round that waits is drawn again, or all of its tasks go back to the queue.
            Action::Dispatch { seats, .. } if seats > 0 => {
                let round = chain.view(self.contracts.queue, &TaskQueue::roundCall {}).await?;
                Ok(!round.drawBlock.is_zero())
            }
            _ => Ok(false),
        }
    }

    /// The same, where a revert means that there is nothing to be done.
    pub(super) async fn is_needed(&self, action: Action) -> Result<bool, ChainError> {
        match self.would_change(action).await {
            Err(ChainError::Reverted { .. }) => Ok(false),
            other => other,
        }
    }
}
