//! Keys that sign transactions.

use std::future::Future;

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::eip2718::Encodable2718,
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, Signature},
    signers::local::PrivateKeySigner,
};

use super::Endpoint;

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Its hash, by which it is found.
    pub hash: B256,
    /// Its encoding of EIP-2718, for [`super::Mempool::send_raw`].
    pub raw: Bytes,
}

impl Signed {
    /// A transaction with its signature.
    pub fn new(transaction: TxEip1559, signature: Signature) -> Self {
        let signed = transaction.into_signed(signature);
        Self { hash: *signed.hash(), raw: signed.encoded_2718().into() }
    }
}

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// The key cannot or does not want to sign this.
    #[error("XP-341: the key of {account} did not sign ({reason}): check the key, and what the signer allows")]
    Refused {
        /// Whose key.
        account: Address,
        /// What the signer said.
        reason: String,
    },
    /// The signer is elsewhere and does not answer. Trying again later may help.
    #[error("XP-342: cannot reach the signer at {endpoint} ({reason}): check that it runs and the URL is right")]
    Unreachable {
        /// Where.
        endpoint: Endpoint,
        /// What the transport said.
        reason: String,
    },
    /// What came back is not what was asked for, signed by whom it was asked of.
    #[error("XP-343: the signer at {endpoint} did not sign what it was asked to ({reason}): do not use it")]
    Dishonest {
        /// Where.
        endpoint: Endpoint,
        /// In what the answer differs.
        reason: String,
    },
}

impl SignerError {
    /// The stable code of this error, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "XP-341",
            Self::Unreachable { .. } => "XP-342",
            Self::Dishonest { .. } => "XP-343",
        }
    }
}

/// A key. Implementations are handles: a clone signs with the same key.
pub trait Signer: Clone + Send + Sync + 'static {
    /// The address whose key it is.
    fn address(&self) -> Address;

    /// Signs exactly this transaction.
    fn sign(&self, transaction: TxEip1559) -> impl Future<Output = Result<Signed, SignerError>> + Send;
}

/// Signatures of RFC 6979: the same transaction always gets the same bytes.
impl Signer for PrivateKeySigner {
    fn address(&self) -> Address {
        Self::address(self)
    }

    async fn sign(&self, mut transaction: TxEip1559) -> Result<Signed, SignerError> {
        let refused = |reason| SignerError::Refused { account: Self::address(self), reason };
        let signature = self.sign_transaction_sync(&mut transaction).map_err(|error| refused(error.to_string()))?;
        Ok(Signed::new(transaction, signature))
    }
}

#[cfg(test)]
mod tests {
    use alloy::{
        consensus::{Transaction as _, TxEnvelope},
        eips::eip2718::Decodable2718,
        primitives::{TxKind, U256},
    };

    use super::*;

    #[tokio::test]
    async fn signed_transaction_decodes_to_what_was_signed_by_whom() {
        let key = PrivateKeySigner::random();
        let to = Address::repeat_byte(7);
        let transaction = TxEip1559 {
            chain_id: 31_337,
            nonce: 5,
            gas_limit: 21_000,
            max_fee_per_gas: 30,
            max_priority_fee_per_gas: 2,
            to: TxKind::Call(to),
            value: U256::from(9),
            ..TxEip1559::default()
        };
        let signed = Signer::sign(&key, transaction.clone()).await.unwrap();
        let decoded = TxEnvelope::decode_2718(&mut signed.raw.as_ref()).unwrap();
        let by = decoded.signature().recover_address_from_prehash(&decoded.signature_hash()).unwrap();
        assert_eq!((by, *decoded.tx_hash()), (key.address(), signed.hash));
        assert_eq!((decoded.nonce(), decoded.to(), decoded.value()), (5, Some(to), U256::from(9)));
        assert_eq!(Signer::sign(&key, transaction).await.unwrap(), signed, "signing twice gives the same bytes");
    }
}
