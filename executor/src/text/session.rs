//! Running a decoder graph.

use std::path::Path;

use ort::{
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::{IoBinding, Session, builder::GraphOptimizationLevel},
    value::{DynTensor, DynValue, Tensor},
};

use super::graph::{CachePort, GraphRoles, Port};
use crate::{device::Provider, error::ExecutorError, runtime::Runtime};

/// A decoder graph, loaded.
#[derive(Debug)]
pub struct TextSession {
    session: Session,
    roles: GraphRoles,
    cache_memory: MemoryInfo<'static>,
    host_memory: MemoryInfo<'static>,
}

/// Keys and values of the tokens seen so far. They stay where the runtime put them, on its device, and are handed
/// back to it as they are. A cache is not changed by being used: several sequences can continue from one.
#[derive(Debug)]
pub struct KvCache {
    tokens: usize,
    values: Vec<DynValue>,
}

impl KvCache {
    /// Tokens seen so far.
    pub fn tokens(&self) -> usize {
        self.tokens
    }
}

impl TextSession {
    /// Loads a graph. `threads` is the number of threads within an operation, or the runtime's choice.
    pub fn open(
        runtime: &Runtime,
        provider: Provider,
        threads: Option<usize>,
        path: &Path,
    ) -> Result<Self, ExecutorError> {
        let builder = provider.register(Session::builder(runtime.environment())?)?;
        let builder = builder.with_optimization_level(GraphOptimizationLevel::All)?;
        let mut builder = builder.with_intra_threads(threads.unwrap_or(0))?;
        let session = builder.commit_from_file(path).map_err(|error| load_error(path, error))?;
        let inputs: Vec<_> = session.inputs().iter().map(Port::of).collect();
        let outputs: Vec<_> = session.outputs().iter().map(Port::of).collect();
        let roles = GraphRoles::find(&inputs, &outputs, path)?;
        let host = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::CPUOutput)?;
        Ok(Self { session, roles, cache_memory: provider.memory()?, host_memory: host })
    }

    /// The cache before the first token.
    pub fn empty_cache(&self) -> Result<KvCache, ExecutorError> {
        let empty = |cache: &CachePort| -> Result<DynValue, ExecutorError> {
            let shape = [1, cache.heads, 0, cache.head_size];
            Ok(DynTensor::new(&Allocator::default(), cache.element, shape)?.into_dyn())
        };
        Ok(KvCache { tokens: 0, values: self.roles.caches.iter().map(empty).collect::<Result<_, _>>()? })
    }

    /// Reads tokens after those of the cache. Returns the logits after the last of them and the longer cache.
    pub fn forward(&mut self, tokens: &[u32], past: &KvCache) -> Result<(Vec<f32>, KvCache), ExecutorError> {
        let binding = self.bind(tokens, past)?;
        let mut outputs = self.session.run_binding(&binding)?;
        let logits = last_row(&outputs["logits"])?;
        let values = self.roles.caches.iter().map(|cache| {
            let missing = || ExecutorError::Runtime { reason: format!("it returned no {}", cache.present) };
            outputs.remove(&cache.present).ok_or_else(missing)
        });
        let values = values.collect::<Result<_, _>>()?;
        Ok((logits, KvCache { tokens: past.tokens + tokens.len(), values }))
    }

    fn bind(&self, tokens: &[u32], past: &KvCache) -> Result<IoBinding, ExecutorError> {
        let mut binding = self.session.create_binding()?;
        let (start, end) = (past.tokens, past.tokens + tokens.len());
        binding.bind_input("input_ids", &row(tokens.iter().map(|token| i64::from(*token)))?)?;
        if self.roles.attention_mask {
            binding.bind_input("attention_mask", &row((0..end).map(|_| 1))?)?;
        }
        if self.roles.position_ids {
            binding.bind_input("position_ids", &row((start..end).map(|position| position.cast_signed() as i64))?)?;
        }
        binding.bind_output_to_device("logits", &self.host_memory)?;
        for (cache, value) in self.roles.caches.iter().zip(&past.values) {
            binding.bind_input(&cache.past, value)?;
            binding.bind_output_to_device(&cache.present, &self.cache_memory)?;
        }
        Ok(binding)
    }
}

/// Numbers as a tensor of shape `[1, n]`.
fn row(numbers: impl Iterator<Item = i64>) -> Result<Tensor<i64>, ExecutorError> {
    let numbers: Vec<i64> = numbers.collect();
    Ok(Tensor::from_array(([1, numbers.len()], numbers))?)
}

/// The logits after the last token, from `[1, tokens, vocabulary]`.
fn last_row(logits: &DynValue) -> Result<Vec<f32>, ExecutorError> {
    let (shape, numbers) = logits.try_extract_tensor::<f32>()?;
    let vocabulary = shape.last().copied().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
    Ok(numbers[numbers.len().saturating_sub(vocabulary)..].to_vec())
}

/// A graph that does not load is a damaged file, unless the machine is out of memory.
fn load_error(path: &Path, error: ort::Error) -> ExecutorError {
    match ExecutorError::from(error) {
        ExecutorError::Runtime { reason } => ExecutorError::invalid(path, &reason),
        other => other,
    }
}
