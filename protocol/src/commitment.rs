//! Commitments: how a node binds itself to a result before any other node can copy it.

use std::fmt;

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol_types::SolValue,
};
use serde::{Deserialize, Serialize};

/// The secret that hides a result until it is revealed. Anyone who knows it can test guesses of the result, so it is
/// never printed.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "B256", into = "B256")]
pub struct Salt(B256);

/// A salt of zero hides nothing: whoever guesses the result can verify the guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("XP-401: a salt of zero hides nothing: draw 32 random bytes")]
pub struct ZeroSalt;

impl ZeroSalt {
    /// The stable code of this error, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        "XP-401"
    }
}

impl Salt {
    /// A salt from 32 bytes of a cryptographic random number generator.
    pub fn new(bytes: B256) -> Result<Self, ZeroSalt> {
        if bytes.is_zero() { Err(ZeroSalt) } else { Ok(Self(bytes)) }
    }

    /// The bytes, to be sent with the reveal and not earlier.
    pub const fn reveal(&self) -> B256 {
        self.0
    }
}

impl TryFrom<B256> for Salt {
    type Error = ZeroSalt;

    fn try_from(bytes: B256) -> Result<Self, ZeroSalt> {
        Self::new(bytes)
    }
}

impl From<Salt> for B256 {
    fn from(salt: Salt) -> Self {
        salt.0
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(hidden)")
    }
}

/// The commitment of `node` to `result` for a task, as `Task.commitmentOf` computes it:
/// keccak256(abi.encode(uint256 taskId, address node, bytes32 result, bytes32 salt)).
///
/// The node's address is in it so that another node cannot commit to a copy and reveal it as its own.
pub fn commitment(task: u64, node: Address, result: B256, salt: &Salt) -> B256 {
    keccak256((U256::from(task), node, result, salt.0).abi_encode())
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{address, b256};
    use proptest::prelude::*;

    use super::*;

    fn salt(byte: u8) -> Salt {
        Salt::new(B256::repeat_byte(byte)).unwrap()
    }

    #[test]
    fn zero_salt_is_refused_in_memory_and_in_files() {
        assert_eq!(Salt::new(B256::ZERO), Err(ZeroSalt));
        assert!(serde_json::from_value::<Salt>(serde_json::json!(B256::ZERO)).is_err());
        assert!(ZeroSalt.to_string().starts_with(ZeroSalt.code()));
    }

    #[test]
    fn salt_is_not_printed() {
        assert_eq!(format!("{:?}", salt(0xab)), "Salt(hidden)");
    }

    #[test]
    fn salt_survives_a_file() {
        let written = serde_json::to_string(&salt(7)).unwrap();
        assert_eq!(serde_json::from_str::<Salt>(&written).unwrap(), salt(7));
    }

    /// Computed with `cast keccak $(cast abi-encode "f(uint256,address,bytes32,bytes32)" ...)`.
    #[test]
    fn commitment_equals_the_value_of_another_implementation() {
        let node = address!("0x00000000000000000000000000000000000000A1");
        let got = commitment(7, node, B256::repeat_byte(0x11), &salt(0x22));
        assert_eq!(got, b256!("0xb2c22b1af1bb71876644f47d6583c138c34ed8d0ff8c0c8ea7cd663a65f04fa9"));
    }

    proptest! {
        #[test]
        fn every_part_is_bound(task in 0..u64::MAX, node: [u8; 20], result: [u8; 32], byte in 1..u8::MAX) {
            let (node, result) = (Address::from(node), B256::from(result));
            let base = commitment(task, node, result, &salt(byte));
            prop_assert_ne!(base, commitment(task + 1, node, result, &salt(byte)));
            prop_assert_ne!(base, commitment(task, Address::from_word(node.into_word() ^ B256::with_last_byte(1)), result, &salt(byte)));
            prop_assert_ne!(base, commitment(task, node, result ^ B256::with_last_byte(1), &salt(byte)));
            prop_assert_ne!(base, commitment(task, node, result, &salt(byte + 1)));
        }
    }
}
