use std::fmt;

use alloy::primitives::{B256, U256};
use xenon_protocol::chain::{ChainError, Receipt, Revert, SignerError};

use crate::Reason;

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in a block and succeeded. A reorganisation may still take it out; it is then sent again.
    Done(Receipt),
    /// It was handed over, and is in no block yet.
    Sent {
        /// The transaction.
        transaction: B256,
        /// Its nonce.
        nonce: u64,
    },
    /// The contracts would refuse it: somebody else was faster, or it is too early. Nothing was sent.
    Refused(Revert),
    /// It would change nothing. Nothing was sent.
    NoEffect,
    /// It failed lately and is not tried again before a block.
    Held {
        /// That block.
        until: u64,
    },
    /// Nothing more is begun: the keeper is stopping, or an action before it in the plan could not be signed. Nothing was sent.
    Stopped,
    /// It was sent before, and waits to be included.
    InFlight {
        /// The nonce of its transactions.
        nonce: u64,
    },
    /// As many transactions wait as may. Nothing was sent.
    Full,
    /// Transactions of this key wait that the journal does not know; until their fate is known nothing is sent.
    Unsettled,
    /// Gas costs more than may be paid. Nothing was sent.
    TooDear {
        /// What the next block costs per gas, in wei.
        fee: u128,
        /// What may be paid.
        ceiling: u128,
    },
    /// The reward is below what the gas costs now. Nothing was sent.
    Unprofitable {
        /// In wei.
        reward: u128,
        /// In wei.
        cost: U256,
    },
    /// It could cost more than one action may. Nothing was sent.
    OverActionLimit {
        /// In wei.
        cost: U256,
    },
    /// It could cost more than is left of what a day may. Nothing was sent.
    OverDayLimit {
        /// In wei.
        cost: U256,
    },
    /// Too much has failed lately, and this would start something. Nothing was sent.
    Paused {
        /// The block from which on it is tried again.
        until: u64,
    },
    /// It was sent, was not needed any more, and was called back before it was included.
    Cancelled(Receipt),
    /// A transaction that this keeper does not know used its nonce.
    Replaced {
        /// The nonce.
        nonce: u64,
    },
    /// There is no signature for it. Nothing was sent.
    Unsigned(SignerError),
    /// It failed in a block, or could not be checked and was not sent; the error says which.
    Failed(ChainError),
}

impl Outcome {
    /// The stable code of this outcome, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        if let Some(reason) = self.reason() {
            return reason.code();
        }
        match self {
            Self::Sent { .. } => "XK-110",
            Self::Cancelled(_) => "XK-119",
            Self::Replaced { .. } => "XK-120",
            Self::Unsigned(error) => error.code(),
            Self::Failed(error) => error.code(),
            _ => "XK-030",
        }
    }

    /// Why nothing was sent, if the keeper decided so.
    pub const fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::Refused(_) => Reason::Refused,
            Self::NoEffect => Reason::NoEffect,
            Self::Held { .. } => Reason::Held,
            Self::Stopped => Reason::Stopping,
            Self::InFlight { .. } => Reason::InFlight,
            Self::Full => Reason::Full,
            Self::Unsettled => Reason::Unsettled,
            Self::TooDear { .. } => Reason::TooDear,
            Self::Unprofitable { .. } => Reason::Unprofitable,
            Self::OverActionLimit { .. } => Reason::OverActionLimit,
            Self::OverDayLimit { .. } => Reason::OverDayLimit,
            Self::Paused { .. } => Reason::BreakerOpen,
            Self::Done(_)
            | Self::Sent { .. }
            | Self::Cancelled(_)
            | Self::Replaced { .. }
            | Self::Unsigned(_)
            | Self::Failed(_) => return None,
        })
    }

    /// The transaction, if one is known to have left.
    pub const fn transaction(&self) -> Option<B256> {
        match self {
            Self::Sent { transaction, .. } => Some(*transaction),
            Self::Done(Receipt { transaction_hash, .. })
            | Self::Cancelled(Receipt { transaction_hash, .. })
            | Self::Failed(
                ChainError::Failed { transaction_hash, .. }
                | ChainError::ReceiptTimeout { transaction_hash, .. }
                | ChainError::Unconfirmed { transaction_hash, .. },
            ) => Some(*transaction_hash),
            _ => None,
        }
    }

    /// The block the transaction is in, if it is in one.
    pub const fn block(&self) -> Option<u64> {
        match self {
            Self::Done(receipt) | Self::Cancelled(receipt) => Some(receipt.block_number),
            Self::Failed(ChainError::Failed { block_number, .. }) => Some(*block_number),
            _ => None,
        }
    }

    /// Whether a transaction failed; `None` if that cannot be said of it.
    pub(super) const fn has_failed(&self) -> Option<bool> {
        match self {
            Self::Done(_) => Some(false),
            Self::Replaced { .. } | Self::Unsigned(_) | Self::Failed(ChainError::Failed { .. }) => Some(true),
            _ => None,
        }
    }

    /// What was done is worth a line, what went wrong a warning; what was not needed is for those who search.
    pub(super) fn log(&self) {
        let code = self.code();
        match self {
            Self::Done(receipt) => tell_receipt(code, receipt, "done"),
            Self::Cancelled(receipt) => tell_receipt(code, receipt, "called back: it was not needed any more"),
            Self::Sent { transaction, nonce } => tracing::info!(code, %transaction, nonce, "sent"),
            Self::Refused(reason) => tracing::debug!(code, %reason, "skipped: the contracts would refuse it"),
            Self::NoEffect => tracing::debug!(code, "skipped: it would change nothing"),
            Self::Held { until } => tracing::debug!(code, until, "skipped: it failed lately"),
            Self::Stopped => tracing::debug!(code, "skipped: nothing more is begun in this round"),
            Self::InFlight { nonce } => tracing::debug!(code, nonce, "skipped: it is in flight"),
            Self::Full => tracing::debug!(code, "skipped: as much is in flight as may be"),
            Self::Unsettled => tracing::info!(code, "skipped: unknown transactions of this key are in flight"),
            Self::TooDear { fee, ceiling } => tracing::warn!(code, fee, ceiling, "skipped: gas is too dear"),
            Self::Unprofitable { reward, cost } => {
                tracing::debug!(code, reward, %cost, "skipped: it costs more than it pays");
            }
            Self::OverActionLimit { cost } => tracing::warn!(code, %cost, "skipped: more than one action may cost"),
            Self::OverDayLimit { cost } => tracing::warn!(code, %cost, "skipped: more than is left for today"),
            Self::Paused { until } => tracing::debug!(code, until, "skipped: too much has failed lately"),
            Self::Replaced { nonce } => {
                tracing::warn!(code, nonce, "another sender used the nonce: does something else use this key?");
            }
            Self::Unsigned(error) => tracing::warn!(code, %error, "not signed"),
            Self::Failed(error) => tracing::warn!(code, %error, "failed"),
        }
    }
}

fn tell_receipt(code: &'static str, receipt: &Receipt, what: &'static str) {
    let (transaction, block) = (receipt.transaction_hash, receipt.block_number);
    tracing::info!(code, %transaction, block, gas = receipt.gas_used, wei = %receipt.fee(), "{what}");
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reason) = self.reason() {
            write!(f, "skipped: {reason}")?;
        }
        match self {
            Self::Done(receipt) => write!(f, "done in block {}", receipt.block_number),
            Self::Sent { nonce, .. } => write!(f, "sent with nonce {nonce}"),
            Self::Refused(revert) => write!(f, ": {revert}"),
            Self::Held { until } | Self::Paused { until } => write!(f, ", not before block {until}"),
            Self::InFlight { nonce } => write!(f, " with nonce {nonce}"),
            Self::TooDear { fee, ceiling } => write!(f, ": {fee} wei, and at most {ceiling} are paid"),
            Self::Unprofitable { reward, cost } => write!(f, ": {reward} wei for gas of {cost}"),
            Self::OverActionLimit { cost } | Self::OverDayLimit { cost } => write!(f, ": it could cost {cost} wei"),
            Self::Cancelled(receipt) => write!(f, "called back in block {}", receipt.block_number),
            Self::Replaced { nonce } => write!(f, "another sender used nonce {nonce}"),
            Self::Unsigned(error) => write!(f, "not signed: {error}"),
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::NoEffect | Self::Stopped | Self::Full | Self::Unsettled => Ok(()),
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
