//! One graph of a pipeline: named inputs in whatever type it wants, outputs as 32-bit numbers.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use half::f16;
use ort::{
    session::{Session, builder::GraphOptimizationLevel},
    value::{DynValue, Outlet, Tensor, TensorElementType, ValueType},
};

use super::{ImageError, timing::timed};
use crate::{
    device::Provider,
    error::ExecutorError,
    onnx::{EditedModel, load_graph},
    runtime::Runtime,
};

/// Where and how graphs run.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// The runtime.
    pub runtime: &'static Runtime,
    /// The device's provider.
    pub provider: Provider,
    /// Threads within an operation, or the runtime's choice.
    pub threads: Option<usize>,
}

/// A graph, loaded.
#[derive(Debug)]
pub struct Graph {
    path: PathBuf,
    session: Session,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// How long its runs took.
    pub(super) spent: Duration,
}

/// An input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The type of its numbers.
    pub element: TensorElementType,
    /// Its dimensions, -1 where they vary.
    pub shape: Vec<i64>,
}

/// Numbers with their dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The dimensions.
    pub shape: Vec<usize>,
    /// The numbers, the last dimension fastest.
    pub numbers: Vec<f32>,
}

impl Array {
    /// Numbers with dimensions, whose product is their count.
    pub const fn new(shape: Vec<usize>, numbers: Vec<f32>) -> Self {
        Self { shape, numbers }
    }
}

impl Graph {
    /// Loads a graph; `edited` is read in the place of the file, but what it refers to lies beside the file.
    pub fn open(host: Host, path: &Path, edited: Option<EditedModel>) -> Result<Self, ExecutorError> {
        let builder = host.provider.register(Session::builder(host.runtime.environment())?)?;
        let builder = builder.with_optimization_level(GraphOptimizationLevel::All)?;
        let builder = builder.with_intra_threads(host.threads.unwrap_or(0))?;
        let session = match edited {
            None => load_graph(builder, path)?,
            Some(edited) => edited.commit(builder, path)?,
        };
        let (inputs, outputs) = (ports(session.inputs(), path)?, ports(session.outputs(), path)?);
        Ok(Self { path: path.to_owned(), session, inputs, outputs, spent: Duration::ZERO })
    }

    /// Its inputs.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// Its outputs.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// The input of a name; the error says that it is missing.
    pub fn input(&self, name: &str) -> Result<&Port, ImageError> {
        self.find_input(name).ok_or_else(|| self.unsupported(format!("it has no input {name}")))
    }

    /// The input of a name, if it has one.
    pub fn find_input(&self, name: &str) -> Option<&Port> {
        self.inputs.iter().find(|port| port.name == name)
    }

    /// Refuses a graph with an input that nobody feeds.
    pub fn feeds_only(&self, known: &[&str]) -> Result<(), ImageError> {
        let unknown = self.inputs.iter().find(|port| !known.contains(&port.name.as_str()));
        unknown
            .map_or(Ok(()), |port| Err(self.unsupported(format!("nothing is known to feed its input {}", port.name))))
    }

    /// A value for an input, in the type that the input wants.
    pub fn value(&self, name: &str, array: &Array) -> Result<DynValue, ExecutorError> {
        let port = self.input(name)?;
        let (shape, numbers) = (array.shape.clone(), &array.numbers);
        Ok(match port.element {
            TensorElementType::Float32 => Tensor::from_array((shape, numbers.clone()))?.into_dyn(),
            TensorElementType::Float16 => Tensor::from_array((shape, convert(numbers, f16::from_f32)))?.into_dyn(),
            TensorElementType::Float64 => Tensor::from_array((shape, convert(numbers, f64::from)))?.into_dyn(),
            TensorElementType::Int64 => Tensor::from_array((shape, convert(numbers, whole)))?.into_dyn(),
            TensorElementType::Int32 => Tensor::from_array((shape, convert(numbers, whole32)))?.into_dyn(),
            other => return Err(self.unsupported(format!("its input {name} has elements {other:?}")).into()),
        })
    }

    /// Runs the graph and returns the outputs of these names.
    pub fn run(&mut self, inputs: &[(&str, &DynValue)], wanted: &[&str]) -> Result<Vec<Array>, ExecutorError> {
        let inputs: Vec<(&str, &DynValue)> = inputs.to_vec();
        let (session, spent) = (&mut self.session, &mut self.spent);
        let outputs = timed(spent, || session.run(inputs))?;
        let extract = |name: &&str| {
            let missing = || ExecutorError::Runtime { reason: format!("it returned no {name}") };
            array(outputs.get(name).ok_or_else(missing)?)
        };
        wanted.iter().map(extract).collect()
    }

    pub(super) fn unsupported(&self, reason: impl Into<String>) -> ImageError {
        ImageError::GraphUnsupported { path: self.path.clone(), reason: reason.into() }
    }
}

fn ports(outlets: &[Outlet], path: &Path) -> Result<Vec<Port>, ImageError> {
    let port = |outlet: &Outlet| {
        let name = outlet.name().to_owned();
        if let ValueType::Tensor { ty, shape, .. } = outlet.dtype() {
            return Ok(Port { name, element: *ty, shape: shape.to_vec() });
        }
        Err(ImageError::GraphUnsupported { path: path.to_owned(), reason: format!("{name} is not a tensor") })
    };
    outlets.iter().map(port).collect()
}

fn convert<T>(numbers: &[f32], convert: impl Fn(f32) -> T) -> Vec<T> {
    numbers.iter().map(|number| convert(*number)).collect()
}

/// Integers that are fed are tokens and timesteps; both are below 2^24, so that 32-bit numbers hold them exactly.
#[expect(clippy::cast_possible_truncation, reason = "a fraction of a timestep is cut, as diffusers does")]
fn whole(number: f32) -> i64 {
    number as i64
}

#[expect(clippy::cast_possible_truncation, reason = "a fraction of a timestep is cut, as diffusers does")]
fn whole32(number: f32) -> i32 {
    number as i32
}

fn array(value: &DynValue) -> Result<Array, ExecutorError> {
    if let Ok((shape, numbers)) = value.try_extract_tensor::<f16>() {
        return Ok(Array::new(lengths(shape), numbers.iter().map(|number| number.to_f32()).collect()));
    }
    let (shape, numbers) = value.try_extract_tensor::<f32>()?;
    Ok(Array::new(lengths(shape), numbers.to_vec()))
}

fn lengths(shape: &[i64]) -> Vec<usize> {
    shape.iter().map(|length| usize::try_from(*length).unwrap_or_default()).collect()
}
