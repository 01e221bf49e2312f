//! One row of the journal as text: a checksum, a space, and JSON.
//!
//! The database trusts its pages. A nonce in which the disk flipped a bit would still be a nonce; with the checksum it is
//! a damaged journal.

use alloy::primitives::{B256, keccak256};
use serde::{Serialize, de::DeserializeOwned};

/// The text of a value.
pub(super) fn encode(value: &impl Serialize) -> Result<String, redb::Error> {
    let json = serde_json::to_string(value).map_err(|error| damaged(&error.to_string()))?;
    Ok(format!("{} {json}", keccak256(&json)))
}

/// The value of a text.
pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Result<T, redb::Error> {
    let (sum, json) = text.split_once(' ').ok_or_else(|| damaged("a row has no checksum"))?;
    if sum.parse() != Ok::<B256, _>(keccak256(json)) {
        return Err(damaged("a row does not match its checksum"));
    }
    serde_json::from_str(json).map_err(|error| damaged(&format!("a row is not of this version's form: {error}")))
}

fn damaged(reason: &str) -> redb::Error {
    redb::Error::Corrupted(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_that_was_changed_is_refused() {
        let text = encode(&(7u64, "seven")).unwrap();
        assert_eq!(decode::<(u64, String)>(&text).unwrap(), (7, "seven".to_owned()));
        assert!(decode::<(u64, String)>(&text.replace('7', "8")).is_err());
        assert!(decode::<u64>("8").is_err());
        assert!(decode::<String>(&text).is_err());
    }
}
