//! The self-test: what a machine computes on small graphs that every node has, because they are part of the program.
//!
//! An execution class names what is known to decide bytes. What nobody thought of still shows in the answers: the hash
//! of the self-test's numbers is itself an ingredient of the class, so two machines that compute other bytes here can
//! never share one. The graphs use the kernels that models of every [layout](crate::model) use:
//!
//! | graph | kernels |
//! |---|---|
//! | `sum-chat-1m@1` | a trained decoder in single precision as Optimum exports it, 48 tokens in one pass, 16 one by one |
//! | [`decoder`] | the same of a decoder as onnxruntime-genai builds it: attention in one operator that writes into the buffer that it reads, weights of 4 and 8 bits |
//! | [`quantised`] | weights of 4 and 8 bits in each form that exporters write, and 8-bit arithmetic chosen while it runs |
//! | [`half`] | 16-bit arithmetic |
//! | [`picture`] | convolutions, group normalisation, attention over pixels |
//! | [`activations`] | functions of single numbers and of rows |

mod activations;
mod builder;
mod decoder;
mod golden;
mod half;
mod picture;
mod quantised;
mod run;

use std::borrow::Cow;

use alloy::primitives::{B256, Keccak256};

pub use self::golden::{GoldenClass, GoldenClasses, Standing};
use self::{builder::GraphBuilder, run::Host};
use crate::{device::Provider, error::ExecutorError, runtime::Runtime};

/// A graph of the test. What is added here or changed gives every machine another class.
struct Graph {
    name: &'static str,
    kind: Kind,
}

/// How a graph is run.
enum Kind {
    /// As a language model, from a file.
    Decoder(fn() -> Cow<'static, [u8]>),
    /// Once for each shape of its only input.
    Operators { build: fn(&mut GraphBuilder), shapes: &'static [&'static [i64]] },
}

const GRAPHS: [Graph; 6] = [
    Graph {
        name: "sum-chat-1m@1",
        kind: Kind::Decoder(|| Cow::Borrowed(include_bytes!("../../../models/sum-chat/model.onnx"))),
    },
    Graph { name: "decoder@1", kind: Kind::Decoder(|| Cow::Owned(built(decoder::build))) },
    Graph { name: "quantised@1", kind: Kind::Operators { build: quantised::build, shapes: quantised::SHAPES } },
    Graph { name: "half@1", kind: Kind::Operators { build: half::build, shapes: half::SHAPES } },
    Graph { name: "picture@1", kind: Kind::Operators { build: picture::build, shapes: picture::SHAPES } },
    Graph { name: "activations@1", kind: Kind::Operators { build: activations::build, shapes: activations::SHAPES } },
];

/// Computes the digest of this machine: keccak256 over the names of all graphs and the numbers that come out of each, as
/// little-endian 32-bit floats, in the order in which they are computed.
///
/// # Errors
/// Those of loading and running the graphs.
pub(crate) fn run(runtime: &'static Runtime, provider: Provider) -> Result<B256, ExecutorError> {
    let host = Host { runtime, provider, threads: None };
    let mut hasher = Keccak256::new();
    for graph in &GRAPHS {
        hasher.update(graph.name);
        host.numbers(&graph.kind, &mut |numbers| {
            for number in numbers {
                hasher.update(number.to_le_bytes());
            }
        })?;
    }
    Ok(hasher.finalize())
}

fn built(build: fn(&mut GraphBuilder)) -> Vec<u8> {
    let mut builder = GraphBuilder::default();
    build(&mut builder);
    builder.finish()
}

#[cfg(test)]
mod tests;
