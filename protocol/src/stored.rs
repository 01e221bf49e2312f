//! A relay's word that it holds the reply to a task: what it signs, and who has signed.
//!
//! EIP-712, name "Xenon", version "1", for one Task contract on one chain. Mirrors `storedDigest` of `contracts/Task.sol`.

use alloy::{
    primitives::{Address, B256, Signature, U256},
    sol,
    sol_types::{SolStruct as _, eip712_domain},
};

sol! {
    /// What is signed.
    struct Stored {
        uint256 task;
        bytes32 content;
    }
}

/// What a relay signs once it holds `content` (its keccak256) for a task of `contract`.
pub fn stored_digest(chain_id: u64, contract: Address, task: u64, content: B256) -> B256 {
    let domain = eip712_domain! { name: "Xenon", version: "1", chain_id: chain_id, verifying_contract: contract, };
    Stored { task: U256::from(task), content }.eip712_signing_hash(&domain)
}

/// Who made a signature of 65 bytes, or `None` if it is none.
pub fn signer_of(digest: &B256, signature: &[u8]) -> Option<Address> {
    Signature::from_raw(signature).ok()?.recover_address_from_prehash(digest).ok()
}

#[cfg(test)]
mod tests {
    use alloy::signers::{SignerSync as _, local::PrivateKeySigner};

    use super::*;

    #[test]
    fn signer_is_found_and_bytes_that_are_no_signature_have_none() {
        let key = PrivateKeySigner::random();
        let digest = stored_digest(1, Address::repeat_byte(2), 3, B256::repeat_byte(4));
        let signature = key.sign_hash_sync(&digest).unwrap().as_bytes();
        assert_eq!(signer_of(&digest, &signature), Some(key.address()));
        for nothing in [&signature[..64], &[], &[0; 65]] {
            assert_eq!(signer_of(&digest, nothing), None);
        }
    }

    #[test]
    fn signature_is_for_one_task_of_one_network_only() {
        let key = PrivateKeySigner::random();
        let digest = |chain, contract, task, content| {
            stored_digest(chain, Address::repeat_byte(contract), task, B256::repeat_byte(content))
        };
        let signature = key.sign_hash_sync(&digest(1, 2, 3, 4)).unwrap().as_bytes();
        for other in [digest(9, 2, 3, 4), digest(1, 9, 3, 4), digest(1, 2, 9, 4), digest(1, 2, 3, 9)] {
            assert_ne!(signer_of(&other, &signature), Some(key.address()));
        }
    }
}
