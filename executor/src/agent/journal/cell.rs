//! One value of the journal as text: its checksum and its JSON.
//!
//! The database trusts a file that was closed in order. A salt in which the disk flipped a bit would still be a salt,
//! and its reveal would be refused for a reason nobody could guess; with the checksum it is a damaged journal.

use alloy::primitives::{B256, keccak256};
use serde::{Serialize, de::DeserializeOwned};

#[expect(clippy::expect_used, reason = "the journal's values are strings, numbers and hashes")]
pub(super) fn encode(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("a value of the journal is always expressible in JSON");
    format!("{} {json}", keccak256(&json))
}

pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Result<T, redb::Error> {
    let damaged = |reason: &str| redb::Error::Corrupted(reason.to_owned());
    let (sum, json) = text.split_once(' ').ok_or_else(|| damaged("a value has no checksum"))?;
    if sum.parse::<B256>().ok() != Some(keccak256(json)) {
        return Err(damaged("a value does not match its checksum"));
    }
    serde_json::from_str(json).map_err(|error| damaged(&format!("a value is not of this version's form: {error}")))
}
