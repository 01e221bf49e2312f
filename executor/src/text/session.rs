//! Running a decoder graph.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use half::f16;
use ort::{
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::{IoBinding, Session, SessionOutputs, builder::GraphOptimizationLevel},
    value::{DynTensor, DynTensorValueType, DynValue, Tensor, TensorElementType},
};

use super::{
    Logits,
    cache::{CacheValues, KvCache, RowGather, SharedBuffers},
    graph::{CachePort, DecoderFiles, GraphRoles, IntPort, Port},
};
use crate::{device::Provider, error::ExecutorError, model::mentions, onnx::load_graph, runtime::Runtime};

/// The operator that can write new keys and values into the buffer of the old ones.
const SHARING_OPERATOR: &[u8] = b"GroupQueryAttention";

/// How a graph is run. Only `threads` is known not to change a bit of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Threads within an operation; the runtime chooses if it is left out.
    pub threads: Option<usize>,
    /// How much the runtime rewrites the graph.
    pub optimization: GraphOptimizationLevel,
    /// Whether weights are stored again in the order in which the kernels read them.
    pub prepacking: bool,
}

impl Default for SessionSettings {
    /// What every node of a class uses.
    fn default() -> Self {
        Self { threads: None, optimization: GraphOptimizationLevel::All, prepacking: true }
    }
}

impl SessionSettings {
    /// The settings of the execution class on this many threads.
    pub fn on_threads(threads: Option<usize>) -> Self {
        Self { threads, ..Self::default() }
    }
}

/// A decoder graph, loaded.
#[derive(Debug)]
pub struct TextSession {
    runtime: &'static Runtime,
    provider: Provider,
    first: Option<Loaded>,
    main: Loaded,
    shared_buffers: bool,
    gathers: Vec<(TensorElementType, RowGather)>,
    cache_memory: MemoryInfo<'static>,
    host_memory: MemoryInfo<'static>,
    in_runtime: Duration,
}

/// One graph with its roles.
#[derive(Debug)]
struct Loaded {
    session: Session,
    roles: GraphRoles,
    /// Not if it only reads prompts.
    reads_cache: bool,
}

impl TextSession {
    /// Loads the graphs.
    pub fn open(
        runtime: &'static Runtime,
        provider: Provider,
        settings: SessionSettings,
        files: &DecoderFiles,
    ) -> Result<Self, ExecutorError> {
        let (session, inputs, outputs) = load(runtime, provider, settings, &files.graph)?;
        let roles = GraphRoles::find(files, &inputs, &outputs)?;
        let first = match &files.first {
            Some(path) => Some(load_first(runtime, provider, settings, files, &roles, path)?),
            None => None,
        };
        let host = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::CPUOutput)?;
        let mut opened = Self {
            runtime,
            provider,
            first,
            main: Loaded { session, roles, reads_cache: true },
            shared_buffers: false,
            gathers: Vec::new(),
            cache_memory: provider.memory()?,
            host_memory: host,
            in_runtime: Duration::ZERO,
        };
        opened.shared_buffers =
            opened.first.is_none() && mentions(&files.graph, SHARING_OPERATOR)? && opened.shares_buffers()?;
        opened.in_runtime = Duration::ZERO;
        Ok(opened)
    }

    /// The roles of the graph's inputs and outputs.
    pub const fn roles(&self) -> &GraphRoles {
        &self.main.roles
    }

    /// Whether the graph writes new keys and values into the buffers from which it reads the old ones.
    pub const fn has_shared_buffers(&self) -> bool {
        self.shared_buffers
    }

    /// Whether a prompt is read in several passes if it is long: on the processor, by a graph that has no part of its own
    /// for tokens without any before them, since the other part may know single tokens only.
    pub const fn reads_in_parts(&self) -> bool {
        matches!(self.provider, Provider::Cpu) && self.first.is_none() && self.main.roles.branch.is_none()
    }

    /// Time spent in the runtime's passes so far; what a pass takes beyond it is ours.
    pub const fn time_in_runtime(&self) -> Duration {
        self.in_runtime
    }

    /// The cache of rows before their first token, with room for this many tokens each.
    pub fn empty_cache(&self, rows: usize, room: usize) -> Result<KvCache, ExecutorError> {
        let values = if self.shared_buffers {
            self.bind_buffers(room, self.cache_tensors(rows, room)?)?
        } else {
            CacheValues::Grown(Arc::new(self.cache_tensors(rows, 0)?))
        };
        Ok(KvCache { rows, tokens: 0, values })
    }

    /// Reads the same number of tokens in every row, after those of the cache. `logits` gets those after the last token of
    /// each.
    ///
    /// # Panics
    /// If there are not as many rows as in the cache, or they differ in length.
    pub fn forward(&mut self, rows: &[&[u32]], cache: &mut KvCache, logits: &mut Logits) -> Result<(), ExecutorError> {
        assert_eq!(rows.len(), cache.rows, "one list of tokens for each row of the cache");
        let width = rows.first().map_or(0, |row| row.len());
        assert!(rows.iter().all(|row| row.len() == width), "rows of one length");
        let grown = match &mut cache.values {
            CacheValues::Grown(values) => Some(self.grow(rows, cache.tokens, values, logits)?),
            CacheValues::Shared(buffers) => {
                self.write(rows, cache.tokens, buffers, logits)?;
                None
            }
        };
        if let Some(values) = grown {
            cache.values = CacheValues::Grown(Arc::new(values));
        }
        cache.tokens += width;
        Ok(())
    }

    /// The cache whose row i is row `rows[i]` of this one.
    pub fn select(&mut self, cache: &KvCache, rows: &[usize]) -> Result<KvCache, ExecutorError> {
        let is_same = rows.iter().copied().eq(0..cache.rows);
        let values = match &cache.values {
            CacheValues::Grown(values) if is_same => CacheValues::Grown(Arc::clone(values)),
            CacheValues::Grown(values) => CacheValues::Grown(Arc::new(self.gather(values, rows)?)),
            CacheValues::Shared(shared) => {
                let buffers = self.gather(&shared.buffers, rows)?;
                self.bind_buffers(shared.room, buffers)?
            }
        };
        Ok(KvCache { rows: rows.len(), tokens: cache.tokens, values })
    }

    /// A second cache with the same tokens.
    pub fn fork(&self, cache: &KvCache) -> Result<KvCache, ExecutorError> {
        let values = match &cache.values {
            CacheValues::Grown(values) => CacheValues::Grown(Arc::clone(values)),
            CacheValues::Shared(shared) => {
                let copies = shared.buffers.iter().map(copy).collect::<Result<_, _>>()?;
                self.bind_buffers(shared.room, copies)?
            }
        };
        Ok(KvCache { rows: cache.rows, tokens: cache.tokens, values })
    }

    fn gather(&mut self, values: &[DynValue], rows: &[usize]) -> Result<Vec<DynValue>, ExecutorError> {
        let elements: Vec<_> = self.main.roles.caches.iter().map(|cache| cache.element).collect();
        values.iter().zip(elements).map(|(value, element)| self.gatherer(element)?.gather(value, rows)).collect()
    }

    fn gatherer(&mut self, element: TensorElementType) -> Result<&mut RowGather, ExecutorError> {
        let known = self.gathers.iter().position(|(known, _)| *known == element);
        let place = known.unwrap_or(self.gathers.len());
        if known.is_none() {
            self.gathers.push((element, RowGather::new(self.runtime, self.provider, element)?));
        }
        Ok(&mut self.gathers[place].1)
    }

    /// One tensor per port of the cache, filled with zeros, `[rows, heads, tokens, size]`.
    fn cache_tensors(&self, rows: usize, tokens: usize) -> Result<Vec<DynValue>, ExecutorError> {
        // Empty tensors have no place, and the default allocator serves every session.
        let allocator = if tokens == 0 {
            Allocator::default()
        } else {
            Allocator::new(&self.main.session, self.provider.memory()?)?
        };
        let tensor = |cache: &CachePort| -> Result<DynValue, ExecutorError> {
            let shape = [size(rows), cache.heads, size(tokens), cache.head_size];
            Ok(DynTensor::new(&allocator, cache.element, shape)?.into_dyn())
        };
        self.main.roles.caches.iter().map(tensor).collect()
    }

    /// A pass that returns longer cache tensors.
    fn grow(
        &mut self,
        rows: &[&[u32]],
        past: usize,
        values: &[DynValue],
        logits: &mut Logits,
    ) -> Result<Vec<DynValue>, ExecutorError> {
        let graph = match &mut self.first {
            Some(first) if past == 0 => first,
            _ => &mut self.main,
        };
        let mut binding = graph.session.create_binding()?;
        graph.roles.bind_numbers(&mut binding, rows, past)?;
        binding.bind_output_to_device(&graph.roles.logits, &self.host_memory)?;
        for (cache, value) in graph.roles.caches.iter().zip(values) {
            if graph.reads_cache {
                binding.bind_input(&cache.past, value)?;
            }
            binding.bind_output_to_device(&cache.present, &self.cache_memory)?;
        }
        let start = Instant::now();
        let mut outputs = graph.session.run_binding(&binding)?;
        self.in_runtime += start.elapsed();
        read_logits(&outputs, &graph.roles.logits, rows.len(), logits)?;
        graph.roles.caches.iter().map(|cache| take(&mut outputs, &cache.present)).collect()
    }

    /// A pass that writes into the buffers.
    fn write(
        &mut self,
        rows: &[&[u32]],
        past: usize,
        buffers: &mut SharedBuffers,
        logits: &mut Logits,
    ) -> Result<(), ExecutorError> {
        let total = past + rows.first().map_or(0, |row| row.len());
        if total > buffers.room {
            let reason = format!("{total} tokens do not fit a cache with room for {}", buffers.room);
            return Err(ExecutorError::Runtime { reason });
        }
        self.main.roles.bind_numbers(&mut buffers.binding, rows, past)?;
        buffers.binding.bind_output_to_device(&self.main.roles.logits, &self.host_memory)?;
        let start = Instant::now();
        let outputs = self.main.session.run_binding(&buffers.binding)?;
        self.in_runtime += start.elapsed();
        read_logits(&outputs, &self.main.roles.logits, rows.len(), logits)
    }

    /// Buffers with a binding by which each of them is both read and written.
    fn bind_buffers(&self, room: usize, mut buffers: Vec<DynValue>) -> Result<CacheValues, ExecutorError> {
        let mut binding = self.main.session.create_binding()?;
        for (cache, buffer) in self.main.roles.caches.iter().zip(&mut buffers) {
            binding.bind_input(&cache.past, buffer)?;
            binding.bind_output(&cache.present, buffer)?;
        }
        Ok(CacheValues::Shared(Box::new(SharedBuffers { room, buffers, binding })))
    }

    /// Whether the graph really continues in the buffer it is given: one token in a buffer for four must come back in a
    /// tensor for four, not five.
    fn shares_buffers(&mut self) -> Result<bool, ExecutorError> {
        const ROOM: usize = 4;
        let values = self.cache_tensors(1, ROOM)?;
        match self.grow(&[&[0]], 0, &values, &mut Logits::default()) {
            Ok(grown) => {
                let shape = grown.first().and_then(|value| value.dtype().tensor_shape().cloned());
                Ok(shape.and_then(|shape| shape.get(2).copied()) == Some(size(ROOM)))
            }
            // A graph that cannot take such a buffer says so in its own words; without memory nothing is known.
            Err(ExecutorError::Runtime { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl GraphRoles {
    /// Binds everything but the cache: tokens, mask, positions, branch.
    fn bind_numbers(&self, binding: &mut IoBinding, rows: &[&[u32]], past: usize) -> Result<(), ExecutorError> {
        let (count, width) = (rows.len(), rows.first().map_or(0, |row| row.len()));
        let tokens = rows.iter().flat_map(|row| row.iter().map(|token| i64::from(*token)));
        self.tokens.bind(binding, &[count, width], tokens.collect())?;
        if let Some(mask) = &self.mask {
            mask.bind(binding, &[count, past + width], vec![1; count * (past + width)])?;
        }
        if let Some(positions) = &self.positions {
            let row = (past..past + width).map(size);
            positions.bind(binding, &[count, width], (0..count).flat_map(|_| row.clone()).collect())?;
        }
        if let Some(keep) = &self.keep {
            keep.bind(binding, &[1][..keep.rank], vec![1])?;
        }
        if let Some(branch) = &self.branch {
            binding.bind_input(branch, &Tensor::from_array(([1], vec![past > 0]))?)?;
        }
        Ok(())
    }
}

impl IntPort {
    fn bind(&self, binding: &mut IoBinding, shape: &[usize], numbers: Vec<i64>) -> Result<(), ExecutorError> {
        let shape: Vec<i64> = shape.iter().map(|dimension| size(*dimension)).collect();
        if self.narrow {
            let narrow = numbers.into_iter().map(|number| i32::try_from(number).unwrap_or(i32::MAX));
            return Ok(binding.bind_input(&self.name, &Tensor::from_array((shape, narrow.collect::<Vec<_>>()))?)?);
        }
        Ok(binding.bind_input(&self.name, &Tensor::from_array((shape, numbers))?)?)
    }
}

type Ports = (Session, Vec<Port>, Vec<Port>);

fn load(runtime: &Runtime, provider: Provider, settings: SessionSettings, path: &Path) -> Result<Ports, ExecutorError> {
    let builder = provider.register(Session::builder(runtime.environment())?)?;
    let builder = builder.with_optimization_level(settings.optimization)?.with_prepacking(settings.prepacking)?;
    let builder = builder.with_intra_threads(settings.threads.unwrap_or(0))?;
    let session = load_graph(builder, path)?;
    let inputs = session.inputs().iter().map(Port::of).collect();
    let outputs = session.outputs().iter().map(Port::of).collect();
    Ok((session, inputs, outputs))
}

/// The graph that reads prompts. What it writes must be what the other reads.
fn load_first(
    runtime: &Runtime,
    provider: Provider,
    settings: SessionSettings,
    files: &DecoderFiles,
    next: &GraphRoles,
    path: &Path,
) -> Result<Loaded, ExecutorError> {
    let (session, inputs, outputs) = load(runtime, provider, settings, path)?;
    let roles = GraphRoles::find_first(files, &inputs, &outputs, next, path)?;
    Ok(Loaded { session, roles, reads_cache: false })
}

/// The same numbers in a tensor of its own, on the same device.
fn copy(value: &DynValue) -> Result<DynValue, ExecutorError> {
    let tensor = value.view().downcast::<DynTensorValueType>()?;
    let memory = tensor.memory_info();
    Ok(tensor.to(memory.allocation_device(), memory.device_id())?.into_dyn())
}

fn take(outputs: &mut SessionOutputs<'_>, name: &str) -> Result<DynValue, ExecutorError> {
    outputs.remove(name).ok_or_else(|| ExecutorError::Runtime { reason: format!("it returned no {name}") })
}

/// The logits after the last token of each row, from `[rows, tokens, vocabulary]`.
fn read_logits(
    outputs: &SessionOutputs<'_>,
    name: &str,
    rows: usize,
    logits: &mut Logits,
) -> Result<(), ExecutorError> {
    let value = &outputs[name];
    logits.values.clear();
    if let Ok((shape, numbers)) = value.try_extract_tensor::<f32>() {
        let (per_row, vocabulary) = strides(shape, rows)?;
        logits.vocabulary = vocabulary;
        last(numbers, per_row, vocabulary).for_each(|row| logits.values.extend_from_slice(row));
    } else {
        let (shape, numbers) = value.try_extract_tensor::<f16>()?;
        let (per_row, vocabulary) = strides(shape, rows)?;
        logits.vocabulary = vocabulary;
        last(numbers, per_row, vocabulary)
            .for_each(|row| logits.values.extend(row.iter().map(|number| number.to_f32())));
    }
    Ok(())
}

/// The logits after the last token of each row.
fn last<T>(numbers: &[T], per_row: usize, vocabulary: usize) -> impl Iterator<Item = &[T]> {
    numbers.chunks_exact(per_row).map(move |row| &row[per_row - vocabulary..])
}

/// Numbers per row and per token.
fn strides(shape: &[i64], rows: usize) -> Result<(usize, usize), ExecutorError> {
    match shape {
        &[count, tokens, vocabulary] if count == size(rows) && tokens > 0 && vocabulary > 0 => {
            let vocabulary = usize::try_from(vocabulary).unwrap_or(usize::MAX);
            Ok((usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(vocabulary), vocabulary))
        }
        _ => Err(ExecutorError::Runtime { reason: format!("it returned logits of shape {shape:?} for {rows} rows") }),
    }
}

/// A count as a dimension of a tensor.
fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
