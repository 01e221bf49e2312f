//! Runs a graph of the self-test.

use std::io::Write as _;

use ort::{
    session::{Session, builder::GraphOptimizationLevel},
    value::Tensor,
};

use super::{Kind, builder::Sequence};
use crate::{
    device::Provider,
    error::ExecutorError,
    runtime::Runtime,
    text::{DecoderFiles, Logits, SessionSettings, TextSession},
};

/// Tokens that a decoder reads in one pass.
pub(super) const PROMPT: u32 = 48;
/// Tokens that it reads one by one after them.
pub(super) const STEPS: u32 = 16;
/// Token i of the test is i times this number, modulo the least vocabulary of the decoders.
const STRIDE: u32 = 37;
/// The least vocabulary of the decoders.
pub(super) const VOCABULARY: u32 = 512;

/// Where the sequence of an input begins: elsewhere than that of the weights.
const INPUT: u64 = 1 << 63;

/// Where the test is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host {
    pub(super) runtime: &'static Runtime,
    pub(super) provider: Provider,
    /// Threads within an operation; the runtime chooses if it is left out.
    pub(super) threads: Option<usize>,
}

impl Host {
    /// Hands on what comes out of a graph, pass by pass.
    pub(super) fn numbers(&self, kind: &Kind, hand_on: &mut dyn FnMut(&[f32])) -> Result<(), ExecutorError> {
        match kind {
            Kind::Decoder(graph) => self.decode(&graph(), hand_on).map(|_| ()),
            Kind::Operators { build, shapes } => self.operate(&super::built(*build), shapes, hand_on),
        }
    }

    /// Reads a prompt and continues it: logits of each pass. Returns whether the cache stayed where it was.
    pub(super) fn decode(&self, graph: &[u8], hand_on: &mut dyn FnMut(&[f32])) -> Result<bool, ExecutorError> {
        // Graphs are loaded from files here as they are for tasks.
        let failed = |error: std::io::Error| ExecutorError::Runtime {
            reason: format!("the self-test's graph cannot be written to a temporary file: {error}"),
        };
        let mut file = tempfile::Builder::new().suffix(".onnx").tempfile().map_err(failed)?;
        file.write_all(graph).map_err(failed)?;
        let (files, settings) = (DecoderFiles::single(file.path()), SessionSettings::on_threads(self.threads));
        let mut session = TextSession::open(self.runtime, self.provider, settings, &files)?;
        let mut cache = session.empty_cache(1, (PROMPT + STEPS) as usize)?;
        let mut logits = Logits::default();
        let prompt: Vec<_> = (0..PROMPT).map(token).collect();
        let steps = (PROMPT..PROMPT + STEPS).map(|index| vec![token(index)]);
        for tokens in std::iter::once(prompt).chain(steps) {
            session.forward(&[&tokens], &mut cache, &mut logits)?;
            hand_on(&logits.values);
        }
        Ok(session.has_shared_buffers())
    }

    /// Runs a graph once for each shape of its input `x`: its outputs in their order.
    pub(super) fn operate(
        &self,
        graph: &[u8],
        shapes: &[&[i64]],
        hand_on: &mut dyn FnMut(&[f32]),
    ) -> Result<(), ExecutorError> {
        let mut session = self.load(graph)?;
        for shape in shapes {
            let mut sequence = Sequence::from(INPUT);
            let numbers: Vec<f32> = (0..shape.iter().product()).map(|_: i64| sequence.number()).collect();
            let outputs = session.run(ort::inputs!["x" => Tensor::from_array((shape.to_vec(), numbers))?])?;
            for value in outputs.values() {
                hand_on(value.try_extract_tensor::<f32>()?.1);
            }
        }
        Ok(())
    }

    fn load(&self, graph: &[u8]) -> Result<Session, ExecutorError> {
        let mut builder = self.provider.register(Session::builder(self.runtime.environment())?)?;
        builder = builder.with_optimization_level(GraphOptimizationLevel::All)?;
        if let Some(threads) = self.threads {
            builder = builder.with_intra_threads(threads)?;
        }
        Ok(builder.commit_from_memory(graph)?)
    }
}

pub(super) const fn token(index: u32) -> u32 {
    index * STRIDE % VOCABULARY
}
