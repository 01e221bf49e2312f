use super::ChainError;

/// What a node said instead of taking a transaction.
///
/// None of these decides what becomes of the transaction: a node that says "nonce too low" may have included that very
/// transaction, and one that did not answer may have it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The node has this very transaction.
    #[error("XP-331: the node has the transaction already ({reason}): nothing needs to be done")]
    AlreadyKnown {
        /// What the node said.
        reason: String,
    },
    /// A transaction with that nonce is in a block: this one or another.
    #[error("XP-332: the nonce is used up ({reason}): look up which transaction used it")]
    NonceTooLow {
        /// What the node said.
        reason: String,
    },
    /// Another transaction with that nonce waits, and this one does not pay enough more.
    #[error("XP-333: another transaction of that nonce waits and pays too much to be replaced ({reason}): offer more")]
    ReplacementUnderpriced {
        /// What the node said.
        reason: String,
    },
    /// The fees are below what the node keeps.
    #[error("XP-334: the fees are below what the node accepts ({reason}): offer more, or wait until gas is cheaper")]
    Underpriced {
        /// What the node said.
        reason: String,
    },
    /// The account cannot pay for value and gas of this and what waits before it.
    #[error("XP-335: the account cannot pay for the transaction ({reason}): send funds to it")]
    InsufficientFunds {
        /// What the node said.
        reason: String,
    },
    /// The node did not answer, or refused for a reason of its own.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl SendError {
    /// What a refusal means, by the words that geth, and the others after it, say it with.
    pub fn classify(refusal: ChainError) -> Self {
        let ChainError::Rejected { reason, .. } = &refusal else { return Self::Chain(refusal) };
        let (reason, said) = (reason.clone(), reason.to_lowercase());
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| said.contains(phrase));
        if says(&["already known", "already imported", "known transaction", "already in mempool"]) {
            Self::AlreadyKnown { reason }
        } else if says(&["nonce too low", "nonce is too low", "oldnonce", "invalid nonce"]) {
            Self::NonceTooLow { reason }
        } else if says(&[
            "replacement transaction underpriced",
            "replacement underpriced",
            "gas price too low to replace",
        ]) {
            Self::ReplacementUnderpriced { reason }
        } else if says(&["underpriced", "max fee per gas less than block base fee", "feetoolow", "tip too low"]) {
            Self::Underpriced { reason }
        } else if says(&["insufficient funds", "insufficient balance"]) {
            Self::InsufficientFunds { reason }
        } else {
            Self::Chain(refusal)
        }
    }

    /// The stable code of this error, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyKnown { .. } => "XP-331",
            Self::NonceTooLow { .. } => "XP-332",
            Self::ReplacementUnderpriced { .. } => "XP-333",
            Self::Underpriced { .. } => "XP-334",
            Self::InsufficientFunds { .. } => "XP-335",
            Self::Chain(error) => error.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Endpoint;

    fn said(words: &str) -> SendError {
        let endpoint = Endpoint::local("a node");
        SendError::classify(ChainError::Rejected {
            endpoint,
            method: "eth_sendRawTransaction",
            reason: words.to_owned(),
        })
    }

    #[test]
    fn what_no_node_says_is_passed_on_as_it_is() {
        assert_eq!(said("the moon is full").code(), "XP-309");
        let silence =
            ChainError::Unreachable { endpoint: Endpoint::local("a node"), reason: "already known".to_owned() };
        assert_eq!(SendError::classify(silence.clone()), SendError::Chain(silence));
    }

    #[test]
    fn words_of_the_nodes_are_understood() {
        let words = [
            ("already known (code -32000)", "XP-331"),
            ("transaction already imported (code -32003)", "XP-331"),
            ("nonce too low: next nonce 5, tx nonce 4 (code -32000)", "XP-332"),
            ("replacement transaction underpriced (code -32000)", "XP-333"),
            ("transaction underpriced: tip needed 1, tip permitted 0 (code -32000)", "XP-334"),
            ("max fee per gas less than block base fee (code -32003)", "XP-334"),
            ("insufficient funds for gas * price + value: balance 0 (code -32000)", "XP-335"),
        ];
        for (words, code) in words {
            let error = said(words);
            assert_eq!(error.code(), code, "{words}");
            assert!(error.to_string().starts_with(code), "{error}");
        }
    }
}
