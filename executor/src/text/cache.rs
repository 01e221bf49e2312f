//! The KV cache: keys and values of the tokens seen so far, where the runtime put them.

use std::sync::Arc;

use ort::{
    editor::{Graph, Model, Node, ONNX_DOMAIN, Opset},
    memory::MemoryInfo,
    session::{IoBinding, Session},
    value::{DynTensorValueType, DynValue, Outlet, Shape, SymbolicDimensions, Tensor, TensorElementType, ValueType},
};

use crate::{device::Provider, error::ExecutorError, runtime::Runtime};

/// Keys and values of rows of equal length. They stay on the runtime's device and are handed back to it as they are.
#[derive(Debug)]
pub struct KvCache {
    pub(super) rows: usize,
    pub(super) tokens: usize,
    pub(super) values: CacheValues,
}

/// How a cache grows.
#[derive(Debug)]
pub(super) enum CacheValues {
    /// Every pass returns longer tensors; nobody changes the ones before, so rows that fork share them.
    Grown(Arc<Vec<DynValue>>),
    /// Every pass writes into the same buffers, which have room for all tokens to come.
    Shared(Box<SharedBuffers>),
}

/// Buffers that a graph both reads and writes, and the binding that says so.
#[derive(Debug)]
pub(super) struct SharedBuffers {
    pub(super) room: usize,
    pub(super) buffers: Vec<DynValue>,
    pub(super) binding: IoBinding,
}

impl KvCache {
    /// Sequences in it.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Tokens seen so far in each row.
    pub const fn tokens(&self) -> usize {
        self.tokens
    }

    /// Where the tensors lie, as the runtime tells: in place means that it does not change.
    pub fn places(&self) -> Vec<usize> {
        let values = match &self.values {
            CacheValues::Grown(values) => values.as_slice(),
            CacheValues::Shared(shared) => &shared.buffers,
        };
        let place = |value: &DynValue| {
            let tensor = value.view().downcast::<DynTensorValueType>();
            tensor.map_or(0, |tensor| tensor.data_ptr() as usize)
        };
        values.iter().map(place).collect()
    }
}

/// Takes rows out of cache tensors, on the device where they are: a graph of one `Gather`.
#[derive(Debug)]
pub(super) struct RowGather {
    session: Session,
    memory: MemoryInfo<'static>,
}

impl RowGather {
    pub(super) fn new(
        runtime: &Runtime,
        provider: Provider,
        element: TensorElementType,
    ) -> Result<Self, ExecutorError> {
        let tensor = |ty, names: [&str; 4]| ValueType::Tensor {
            ty,
            shape: Shape::new(names.iter().map(|_| -1)),
            dimension_symbols: SymbolicDimensions::new(names.iter().map(|name| (*name).to_owned())),
        };
        let rows = ValueType::Tensor {
            ty: TensorElementType::Int64,
            shape: Shape::new([-1]),
            dimension_symbols: SymbolicDimensions::new(["chosen".to_owned()]),
        };
        let mut graph = Graph::new()?;
        let cache = ["rows", "heads", "tokens", "size"];
        graph.set_inputs([Outlet::new("cache", tensor(element, cache)), Outlet::new("rows", rows)])?;
        graph.set_outputs([Outlet::new("chosen", tensor(element, ["chosen", "heads", "tokens", "size"]))])?;
        graph.add_node(Node::new("Gather", ONNX_DOMAIN, "gather", ["cache", "rows"], ["chosen"], [])?)?;
        let mut model = Model::new([Opset::new(ONNX_DOMAIN, 18)?])?;
        model.set_graph(graph)?;
        let builder = provider.register(Session::builder(runtime.environment())?)?.with_intra_threads(1)?;
        Ok(Self { session: model.into_session(&builder)?, memory: provider.memory()? })
    }

    /// The tensor whose row i is row `rows[i]` of this one.
    pub(super) fn gather(&mut self, cache: &DynValue, rows: &[usize]) -> Result<DynValue, ExecutorError> {
        let rows: Vec<i64> = rows.iter().map(|row| row.cast_signed() as i64).collect();
        let mut binding = self.session.create_binding()?;
        binding.bind_input("cache", cache)?;
        binding.bind_input("rows", &Tensor::from_array(([rows.len()], rows))?)?;
        binding.bind_output_to_device("chosen", &self.memory)?;
        let mut outputs = self.session.run_binding(&binding)?;
        outputs.remove("chosen").ok_or_else(|| ExecutorError::Runtime { reason: "Gather gave nothing".to_owned() })
    }
}
