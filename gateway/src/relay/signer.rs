//! The relay's word that it holds a reply.

use std::fmt;

use alloy::{
    primitives::{Address, B256, Bytes},
    signers::{SignerSync, local::PrivateKeySigner},
};
use xenon_protocol::stored::stored_digest;

use super::refusal::Refusal;

/// Signs for the tasks of one network that name this relay. Its key shows nowhere.
#[derive(Clone)]
pub struct RelaySigner {
    key: PrivateKeySigner,
    chain_id: u64,
    contract: Address,
}

impl RelaySigner {
    /// Signs with `key` for tasks of the Task contract at `contract` on that chain.
    pub const fn new(key: PrivateKeySigner, chain_id: u64, contract: Address) -> Self {
        Self { key, chain_id, contract }
    }

    /// Whom a task names that wants this signature.
    pub const fn address(&self) -> Address {
        self.key.address()
    }

    /// Only for content that is stored.
    pub(super) fn sign(&self, task: u64, content: B256) -> Result<Bytes, Refusal> {
        let digest = stored_digest(self.chain_id, self.contract, task, content);
        let signature = self.key.sign_hash_sync(&digest).map_err(|error| Refusal::Signing(error.to_string()))?;
        Ok(signature.as_bytes().into())
    }
}

impl fmt::Debug for RelaySigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelaySigner({}, chain {}, {})", self.address(), self.chain_id, self.contract)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_not_shown() {
        let key = PrivateKeySigner::random();
        let secret = key.to_bytes().to_string();
        let shown = format!("{:?}", RelaySigner::new(key, 1, Address::ZERO));
        assert!(!shown.contains(&secret[2..]) && shown.starts_with("RelaySigner(0x"), "{shown}");
    }
}
