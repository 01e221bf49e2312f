//! The self-test: what a machine computes on small graphs that every node has, because they are part of the program.
//!
//! An execution class names what is known to decide bytes. What nobody thought of still shows in the answers: the hash
//! of the self-test's logits is itself an ingredient of the class, so two machines that compute other bytes here can
//! never share one.

use std::{fmt, io::Write as _};

use alloy::primitives::{B256, Keccak256};
use serde::{Deserialize, Serialize};

use crate::{
    device::Provider,
    error::ExecutorError,
    runtime::Runtime,
    text::{DecoderFiles, Logits, SessionSettings, TextSession},
};

/// A graph of the test. What is added here changes every class.
struct Graph {
    name: &'static str,
    onnx: &'static [u8],
}

const GRAPHS: [Graph; 1] = [Graph { name: "sum-chat-1m@1", onnx: include_bytes!("../../models/sum-chat/model.onnx") }];

/// Tokens that are read in one pass.
const PROMPT: u32 = 48;
/// Tokens that are read one by one after them.
const STEPS: u32 = 16;
/// Token i of the test is i times this number, modulo the least vocabulary of the graphs.
const STRIDE: u32 = 37;
const VOCABULARY: u32 = 512;

/// Digests that were measured, by class.
const GOLDEN: &str = include_str!("../golden-classes.toml");

/// Computes the digest of this machine: keccak256 over all logits of all graphs, as little-endian 32-bit floats, those
/// after the prompt first.
///
/// # Errors
/// Those of loading and running the graphs.
pub(crate) fn run(runtime: &'static Runtime, provider: Provider) -> Result<B256, ExecutorError> {
    let mut hasher = Keccak256::new();
    for graph in &GRAPHS {
        hasher.update(graph.name);
        answer(runtime, provider, graph, &mut hasher)?;
    }
    Ok(hasher.finalize())
}

fn answer(
    runtime: &'static Runtime,
    provider: Provider,
    graph: &Graph,
    hasher: &mut Keccak256,
) -> Result<(), ExecutorError> {
    // Graphs are loaded from files here as they are for tasks.
    let failed = |error: std::io::Error| ExecutorError::Runtime {
        reason: format!("the self-test's graph cannot be written to a temporary file: {error}"),
    };
    let mut file = tempfile::Builder::new().suffix(".onnx").tempfile().map_err(failed)?;
    file.write_all(graph.onnx).map_err(failed)?;
    let files = DecoderFiles::single(file.path());
    let mut session = TextSession::open(runtime, provider, SessionSettings::default(), &files)?;
    let mut cache = session.empty_cache(1, (PROMPT + STEPS) as usize)?;
    let mut logits = Logits::default();
    let prompt: Vec<_> = (0..PROMPT).map(token).collect();
    let steps = (PROMPT..PROMPT + STEPS).map(|index| vec![token(index)]);
    for tokens in std::iter::once(prompt).chain(steps) {
        session.forward(&[&tokens], &mut cache, &mut logits)?;
        logits.values.iter().for_each(|number| hasher.update(number.to_le_bytes()));
    }
    Ok(())
}

const fn token(index: u32) -> u32 {
    index * STRIDE % VOCABULARY
}

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

    #[test]
    fn the_tokens_of_the_test_differ() {
        let tokens: std::collections::BTreeSet<_> = (0..PROMPT + STEPS).map(token).collect();
        assert_eq!(tokens.len(), (PROMPT + STEPS) as usize);
    }
}
