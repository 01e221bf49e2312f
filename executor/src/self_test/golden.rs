//! What machines were measured to compute in the self-test, and how this one compares.

use std::fmt;

use alloy::primitives::B256;
use serde::{Deserialize, Serialize};

use crate::error::ExecutorError;

/// Digests that were measured, by class.
const GOLDEN: &str = include_str!("../../golden-classes.toml");

/// The measured classes, as `golden-classes.toml` holds them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenClasses {
    /// One entry for each.
    pub class: Vec<GoldenClass>,
}

/// What a class was measured to compute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenClass {
    /// The processor, for readers.
    pub cpu: String,
    /// The provider, for readers.
    pub provider: String,
    /// Hash of all ingredients but the self-test.
    pub machine: B256,
    /// The digest of the self-test.
    pub self_test: B256,
}

impl GoldenClasses {
    /// Those that this program knows.
    ///
    /// # Errors
    /// [`ExecutorError::FileInvalid`] if the file in the repository was damaged.
    pub fn known() -> Result<Self, ExecutorError> {
        toml::from_str(GOLDEN).map_err(|error| ExecutorError::invalid("golden-classes.toml".as_ref(), &error))
    }

    /// Where a machine stands that computes this digest.
    pub(crate) fn standing(&self, machine: B256, self_test: B256) -> Standing {
        match self.class.iter().find(|class| class.machine == machine) {
            Some(class) if class.self_test == self_test => Standing::Reproduced,
            Some(class) => Standing::Differs { expected: class.self_test, found: self_test },
            None => Standing::Unknown,
        }
    }
}

/// How the self-test of a machine compares with what is known of machines like it. None of the three is a fault: it
/// decides with whom a node is compared, and never costs stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The machine computes what others like it were measured to compute.
    Reproduced,
    /// Other bytes than machines that are alike in every known way.
    Differs {
        /// What they compute.
        expected: B256,
        /// What this one computes.
        found: B256,
    },
    /// Nobody has measured a machine like it.
    Unknown,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reproduced => f.write_str("self-test: this machine computes the bytes that its class is known for"),
            Self::Differs { expected, found } => write!(
                f,
                "self-test: this machine computes other bytes ({found}) than the class that it would belong to \
                 ({expected}); it is registered as a class of its own and only compared with machines that compute the \
                 same. Nothing is lost by that, but a class with few nodes gets few tasks: check the memory and the \
                 ONNX Runtime library if the machine should be like the others"
            ),
            Self::Unknown => f.write_str(
                "self-test: no machine like this one has been measured; it is in one class with all machines that are \
                 alike and compute the same bytes",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn golden() -> GoldenClasses {
        let class = GoldenClass { cpu: "x".into(), provider: "y".into(), machine: hash(1), self_test: hash(2) };
        GoldenClasses { class: vec![class] }
    }

    #[test]
    fn other_bytes_are_told_and_never_called_a_fault() {
        let standing = golden().standing(hash(1), hash(3));
        assert_eq!(standing, Standing::Differs { expected: hash(2), found: hash(3) });
        let text = standing.to_string();
        assert!(text.contains("a class of its own") && !text.contains("slash"), "{text}");
        assert_eq!(golden().standing(hash(9), hash(2)), Standing::Unknown);
        assert_eq!(golden().standing(hash(1), hash(2)), Standing::Reproduced);
    }

    #[test]
    fn the_file_in_the_repository_names_each_machine_once() {
        let mut machines: Vec<_> = GoldenClasses::known().unwrap().class.iter().map(|class| class.machine).collect();
        let count = machines.len();
        machines.sort_unstable();
        machines.dedup();
        assert!(count > 0 && machines.len() == count);
    }
}
