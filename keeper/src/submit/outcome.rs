use xenon_protocol::chain::{ChainError, Receipt, Revert};

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in a block and succeeded.
    Done(Receipt),
    /// The contracts would refuse it: somebody else was faster, or it is too early. Nothing was sent.
    Refused(Revert),
    /// It would change nothing. Nothing was sent.
    NoEffect,
    /// It failed lately and is not tried again before a block.
    Held {
        /// That block.
        until: u64,
    },
    /// The keeper is stopping. Nothing was sent.
    Stopped,
    /// It was not sent, or failed, or its fate is unknown; the error says which.
    Failed(ChainError),
}

impl Outcome {
    /// The stable code of this outcome, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Done(_) => "XK-030",
            Self::Refused(_) => "XK-031",
            Self::NoEffect => "XK-032",
            Self::Held { .. } => "XK-033",
            Self::Stopped => "XK-034",
            Self::Failed(error) => error.code(),
        }
    }

    /// The block the transaction is in, if it is in one.
    pub const fn block(&self) -> Option<u64> {
        match self {
            Self::Done(receipt) => Some(receipt.block_number),
            Self::Failed(ChainError::Failed { block_number, .. }) => Some(*block_number),
            _ => None,
        }
    }

    /// What was done is worth a line, what went wrong a warning; what was not needed is for those who search.
    pub(super) fn log(&self) {
        let code = self.code();
        match self {
            Self::Done(receipt) => {
                let (transaction, block) = (receipt.transaction_hash, receipt.block_number);
                tracing::info!(code, %transaction, block, gas = receipt.gas_used, wei = %receipt.fee(), "done");
            }
            Self::Refused(reason) => tracing::debug!(code, %reason, "skipped: the contracts would refuse it"),
            Self::NoEffect => tracing::debug!(code, "skipped: it would change nothing"),
            Self::Held { until } => tracing::debug!(code, until, "skipped: it failed lately"),
            Self::Stopped => tracing::debug!(code, "skipped: the keeper is stopping"),
            Self::Failed(error) => tracing::warn!(code, %error, "failed"),
        }
    }
}

impl From<ChainError> for Outcome {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Reverted { revert, .. } => Self::Refused(revert),
            error => Self::Failed(error),
        }
    }
}
