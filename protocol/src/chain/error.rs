use alloy::primitives::{Address, B256};

use super::{Endpoint, Revert};

/// Why a chain could not be read or a transaction did not take effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The text given as endpoint is not a URL a JSON-RPC node can have.
    #[error("XP-301: the endpoint is not a usable URL ({reason}): give one such as http://127.0.0.1:8545")]
    InvalidEndpoint {
        /// What is wrong with it; the text itself may hold secrets and is not repeated.
        reason: String,
    },
    /// Nothing usable answered at the endpoint. Trying again later may help.
    #[error("XP-302: cannot reach the chain at {endpoint} ({reason}): check that the node runs and the URL is right")]
    Unreachable {
        /// Where.
        endpoint: Endpoint,
        /// What the transport said.
        reason: String,
    },
    /// The endpoint serves another chain than the one asked for.
    #[error("XP-303: {endpoint} serves chain {actual}, not {expected}: use an endpoint of chain {expected}")]
    WrongChain {
        /// Where.
        endpoint: Endpoint,
        /// The chain id asked for.
        expected: u64,
        /// The chain id the endpoint reports.
        actual: u64,
    },
    /// An address that should hold a contract holds no code.
    #[error("XP-304: there is no contract at {address} on chain {chain_id}: check the address and the chain")]
    NoContract {
        /// The address without code.
        address: Address,
        /// The chain looked at.
        chain_id: u64,
    },
    /// The contract refuses the call. Nothing was sent.
    #[error("XP-305: {to} refuses the call with {revert}; nothing was sent{}", revert.advice_clause())]
    Reverted {
        /// The contract called.
        to: Address,
        /// Its reason.
        revert: Revert,
    },
    /// The transaction was included but failed, because something else came before it. Its gas is spent.
    #[error(
        "XP-306: transaction {transaction_hash} to {to} failed in block {block_number} with {revert}: read the state again"
    )]
    Failed {
        /// The transaction.
        transaction_hash: B256,
        /// The contract called.
        to: Address,
        /// The block it is in.
        block_number: u64,
        /// Gas it used.
        gas_used: u64,
        /// The contract's reason, as the same call gives it after that block.
        revert: Revert,
    },
    /// The transaction was accepted by the node but is in no block yet. It may still be included.
    #[error(
        "XP-307: transaction {transaction_hash} was sent and is in no block after {waited_seconds} s: it may still be included, look it up before sending again"
    )]
    ReceiptTimeout {
        /// The transaction.
        transaction_hash: B256,
        /// How long its receipt was awaited.
        waited_seconds: u64,
    },
    /// The account cannot pay for the value and the gas.
    #[error("XP-308: {account} cannot pay for this transaction ({reason}): send funds to it")]
    InsufficientFunds {
        /// The account that should pay.
        account: Address,
        /// What the node said.
        reason: String,
    },
    /// The endpoint answered, and refused.
    #[error(
        "XP-309: {endpoint} refused {method} ({reason}): check that the node supports it and accepts the transaction"
    )]
    Rejected {
        /// Where.
        endpoint: Endpoint,
        /// The JSON-RPC method.
        method: &'static str,
        /// What the node said.
        reason: String,
    },
    /// An answer is not what the interface promises.
    #[error(
        "XP-310: the answer to {method} cannot be understood ({reason}): the endpoint or the contract is not of a supported kind"
    )]
    Malformed {
        /// The JSON-RPC method or contract function.
        method: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The key could not sign.
    #[error("XP-311: {account} could not sign the transaction ({reason}): check its key")]
    Signing {
        /// The account.
        account: Address,
        /// What the signer said.
        reason: String,
    },
    /// The connection broke while the transaction was handed over: the node may have it or not.
    #[error(
        "XP-312: it is unknown whether transaction {transaction_hash} was sent ({reason}): look it up before sending again"
    )]
    Unconfirmed {
        /// The transaction.
        transaction_hash: B256,
        /// What happened last.
        reason: String,
    },
    /// Two endpoints tell different things about one block or transaction. Neither is believed.
    #[error("XP-313: {first} and {second} contradict each other about {what}: nothing is done until they agree")]
    Contradiction {
        /// One of them.
        first: Endpoint,
        /// The other.
        second: Endpoint,
        /// What about.
        what: String,
    },
}

impl ChainError {
    /// The stable code of this error, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidEndpoint { .. } => "XP-301",
            Self::Unreachable { .. } => "XP-302",
            Self::WrongChain { .. } => "XP-303",
            Self::NoContract { .. } => "XP-304",
            Self::Reverted { .. } => "XP-305",
            Self::Failed { .. } => "XP-306",
            Self::ReceiptTimeout { .. } => "XP-307",
            Self::InsufficientFunds { .. } => "XP-308",
            Self::Rejected { .. } => "XP-309",
            Self::Malformed { .. } => "XP-310",
            Self::Signing { .. } => "XP-311",
            Self::Unconfirmed { .. } => "XP-312",
            Self::Contradiction { .. } => "XP-313",
        }
    }

    /// Whether doing the very same thing again later may work, and cannot do harm.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// The contract's reason, if a contract refused.
    pub const fn revert(&self) -> Option<&Revert> {
        match self {
            Self::Reverted { revert, .. } | Self::Failed { revert, .. } => Some(revert),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Bytes;

    use super::*;

    fn one_of_each() -> Vec<ChainError> {
        let endpoint = Endpoint::from(&"http://user:swordfish@localhost:1".parse::<url::Url>().unwrap());
        let revert = Revert::new(Bytes::new());
        let (account, hash) = (Address::ZERO, B256::ZERO);
        let reason = String::from("why");
        vec![
            ChainError::InvalidEndpoint { reason: reason.clone() },
            ChainError::Unreachable { endpoint: endpoint.clone(), reason: reason.clone() },
            ChainError::WrongChain { endpoint: endpoint.clone(), expected: 1, actual: 2 },
            ChainError::NoContract { address: account, chain_id: 1 },
            ChainError::Reverted { to: account, revert: revert.clone() },
            ChainError::Failed { transaction_hash: hash, to: account, block_number: 1, gas_used: 1, revert },
            ChainError::ReceiptTimeout { transaction_hash: hash, waited_seconds: 1 },
            ChainError::InsufficientFunds { account, reason: reason.clone() },
            ChainError::Rejected { endpoint: endpoint.clone(), method: "eth_call", reason: reason.clone() },
            ChainError::Contradiction { first: endpoint.clone(), second: endpoint, what: reason.clone() },
            ChainError::Malformed { method: "eth_call", reason: reason.clone() },
            ChainError::Signing { account, reason: reason.clone() },
            ChainError::Unconfirmed { transaction_hash: hash, reason },
        ]
    }

    #[test]
    fn every_message_starts_with_its_code_and_hides_credentials() {
        for error in one_of_each() {
            let text = error.to_string();
            assert!(text.starts_with(&format!("{}: ", error.code())), "{text}");
            assert!(!format!("{text} {error:?}").contains("swordfish"), "{text}");
        }
    }

    #[test]
    fn codes_are_unique() {
        let mut codes: Vec<_> = one_of_each().iter().map(ChainError::code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), one_of_each().len());
    }
}
