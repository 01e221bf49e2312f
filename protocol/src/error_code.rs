//! The closed list of errors that a node may commit to instead of an answer.
//!
//! An error is a result like any other: 32 bytes, committed, revealed and compared. Nodes that fail for the same
//! reason must produce the same 32 bytes, so the list is closed and a code says why, never where or when.

use std::fmt;

use alloy::primitives::{B256, b256};
use serde::{Deserialize, Serialize};

/// The upper 31 bytes of every error result: keccak256("xenon.error") with its lowest byte zeroed.
pub const ERROR_PREFIX: B256 = b256!("8907751a9888f68bd8face46e57abc61b92401bd1781e8ade3fb7400d9658600");

/// Why a node has no answer to a task. The numbers are part of the protocol and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ErrorCode {
    /// The size in the task JSON is not the size that was paid for on chain.
    SizeMismatch = 1,
    /// The task JSON is malformed, has an unknown field, or a value outside its bounds.
    InvalidArguments = 2,
    /// The node does not have the model, or its copy is damaged.
    ModelUnavailable = 3,
    /// The task is well formed and exceeds a limit: the JSON's length, or the model's context.
    TaskTooLarge = 4,
    /// The machine ran out of memory.
    OutOfMemory = 5,
    /// The runtime failed while the model was running.
    ExecutionFailed = 6,
    /// The relay has no content under the task's hash, or content with another hash.
    TaskUnavailable = 7,
}

impl ErrorCode {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 7] = [
        Self::SizeMismatch,
        Self::InvalidArguments,
        Self::ModelUnavailable,
        Self::TaskTooLarge,
        Self::OutOfMemory,
        Self::ExecutionFailed,
        Self::TaskUnavailable,
    ];

    /// The code's number, the lowest byte of its result.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The code with this number, if the list has one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    /// The code's name as it appears in JSON and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SizeMismatch => "size_mismatch",
            Self::InvalidArguments => "invalid_arguments",
            Self::ModelUnavailable => "model_unavailable",
            Self::TaskTooLarge => "task_too_large",
            Self::OutOfMemory => "out_of_memory",
            Self::ExecutionFailed => "execution_failed",
            Self::TaskUnavailable => "task_unavailable",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The 32 bytes that a node commits to for this error: [`ERROR_PREFIX`] with the code as lowest byte.
pub fn error_result(code: ErrorCode) -> B256 {
    let mut result = ERROR_PREFIX;
    result[31] = code.number();
    result
}

/// True if the contracts take this result for an error, whether or not the list has its code.
pub fn is_error(result: B256) -> bool {
    result[..31] == ERROR_PREFIX[..31] && result[31] != 0
}

/// The error that a result stands for; `None` for an answer, and for a code that is not in the list.
pub fn decode(result: B256) -> Option<ErrorCode> {
    is_error(result).then(|| ErrorCode::from_number(result[31])).flatten()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::keccak256;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefix_is_the_hash_of_its_name_with_the_lowest_byte_zeroed() {
        let mut expected = keccak256("xenon.error");
        expected[31] = 0;
        assert_eq!(ERROR_PREFIX, expected);
    }

    #[test]
    fn every_code_survives_the_round_trip_through_its_result() {
        for code in ErrorCode::ALL {
            assert_eq!(decode(error_result(code)), Some(code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
    }

    #[test]
    fn a_number_outside_the_list_is_an_error_without_a_code() {
        for number in [8, 255] {
            let mut result = ERROR_PREFIX;
            result[31] = number;
            assert!(is_error(result));
            assert_eq!(decode(result), None);
        }
    }

    #[test]
    fn the_prefix_alone_is_not_an_error() {
        assert!(!is_error(ERROR_PREFIX));
        assert_eq!(decode(ERROR_PREFIX), None);
    }

    #[test]
    fn the_numbers_are_the_published_ones() {
        let numbers: Vec<u8> = ErrorCode::ALL.into_iter().map(ErrorCode::number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
    }

    proptest! {
        #[test]
        fn an_answer_is_never_taken_for_an_error(text in ".*") {
            prop_assert!(!is_error(keccak256(text)));
        }
    }
}
