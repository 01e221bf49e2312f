//! Writes small graphs whose weights are numbers of a fixed sequence.

use half::f16;
use prost::Message as _;

use crate::onnx::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};

/// Versions of the file format and of the operators: those of exports of 2024, which every supported runtime reads.
const IR_VERSION: i64 = 8;
const OPERATORS: [(&str, i64); 2] = [("", 18), ("com.microsoft", 1)];

/// Element types, by their numbers in `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Type {
    Float32 = 1,
    Uint8 = 2,
    Int8 = 3,
    Int32 = 6,
    Int64 = 7,
    Float16 = 10,
}

/// Numbers that are the same everywhere: `SplitMix64` from 0 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
#[derive(Clone, Debug, Default)]
pub(super) struct Sequence(u64);

impl Sequence {
    /// The sequence from another place.
    pub(super) const fn from(start: u64) -> Self {
        Self(start)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    /// A number in [-1, 1), a multiple of 1/128, so that 16 bits hold it.
    pub(super) fn number(&mut self) -> f32 {
        f32::from(self.byte().cast_signed()) / 128.0
    }
}

/// A graph that is being written.
#[derive(Debug, Default)]
pub(super) struct GraphBuilder {
    graph: GraphProto,
    sequence: Sequence,
}

impl GraphBuilder {
    /// An input; dimensions of -1 vary.
    pub(super) fn input(&mut self, name: &str, element: Type, dims: &[i64]) {
        self.graph.input.push(port(name, element, dims));
    }

    /// Makes a value an output, under this name.
    pub(super) fn output(&mut self, name: &str, element: Type, value: &str, dims: &[i64]) {
        self.push("Identity", &[value], vec![name.to_owned()], Vec::new());
        self.graph.output.push(port(name, element, dims));
    }

    /// Makes a value an output as it is: what an operator writes into a buffer must not pass through another.
    pub(super) fn output_of(&mut self, value: &str, element: Type, dims: &[i64]) {
        self.graph.output.push(port(value, element, dims));
    }

    /// Makes a value of 32 or 16 bits an output of 32 under the name of its place.
    pub(super) fn result(&mut self, value: &str, rank: usize) {
        let value = self.node("Cast", &[value], vec![int("to", Type::Float32 as i64)]);
        let name = format!("y{}", self.graph.output.len());
        self.output(&name, Type::Float32, &value, &vec![-1; rank]);
    }

    /// An operation with one output. Operators of the runtime's own are called `com.microsoft.Name`.
    pub(super) fn node(&mut self, operator: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let output = format!("v{}", self.graph.node.len());
        self.push(operator, inputs, vec![output.clone()], attributes);
        output
    }

    /// An operation with outputs of these names; an empty name is none.
    pub(super) fn push(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) {
        let (domain, operator) = operator.rsplit_once('.').unwrap_or(("", operator));
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output,
            name: Some(format!("n{}", self.graph.node.len())),
            op_type: Some(operator.to_owned()),
            domain: Some(domain.to_owned()),
            attribute,
            ..NodeProto::default()
        });
    }

    /// Constant weights of 32 bits: numbers of the sequence times `scale`, around `middle`.
    pub(super) fn weights(&mut self, dims: &[i64], scale: f32, middle: f32) -> String {
        let numbers: Vec<f32> = (0..count(dims)).map(|_| self.sequence.number().mul_add(scale, middle)).collect();
        self.floats(dims, &numbers)
    }

    /// The same in 16 bits.
    pub(super) fn half_weights(&mut self, dims: &[i64], scale: f32, middle: f32) -> String {
        let number = |sequence: &mut Sequence| f16::from_f32(sequence.number().mul_add(scale, middle));
        let bytes = (0..count(dims)).flat_map(|_| number(&mut self.sequence).to_le_bytes()).collect();
        self.constant(Type::Float16, dims, bytes)
    }

    /// Constant bytes of the sequence: packed weights of 4 or 8 bits.
    pub(super) fn packed(&mut self, element: Type, dims: &[i64]) -> String {
        let bytes = (0..count(dims)).map(|_| self.sequence.byte()).collect();
        self.constant(element, dims, bytes)
    }

    /// Constant numbers of 32 bits.
    pub(super) fn floats(&mut self, dims: &[i64], numbers: &[f32]) -> String {
        self.constant(Type::Float32, dims, numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
    }

    /// A constant whole number.
    pub(super) fn scalar(&mut self, number: i64) -> String {
        self.constant(Type::Int64, &[], number.to_le_bytes().to_vec())
    }

    /// A constant list of whole numbers.
    pub(super) fn ints(&mut self, numbers: &[i64]) -> String {
        let dims = [i64::try_from(numbers.len()).unwrap_or(i64::MAX)];
        self.constant(Type::Int64, &dims, numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
    }

    fn constant(&mut self, element: Type, dims: &[i64], bytes: Vec<u8>) -> String {
        let name = format!("w{}", self.graph.initializer.len());
        self.graph.initializer.push(TensorProto {
            name: Some(name.clone()),
            dims: dims.to_vec(),
            data_type: Some(element as i32),
            raw_data: Some(bytes),
            ..TensorProto::default()
        });
        name
    }

    /// The graph as an ONNX file.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.graph.name = Some(String::from("self-test"));
        let opset_import = OPERATORS
            .map(|(domain, version)| OperatorSetIdProto { domain: Some(domain.to_owned()), version: Some(version) });
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            opset_import: opset_import.to_vec(),
            graph: Some(self.graph),
            ..ModelProto::default()
        };
        model.encode_to_vec()
    }

    /// Begins the sequence elsewhere: other weights.
    #[cfg(test)]
    pub(super) const fn reseed(&mut self, start: u64) {
        self.sequence = Sequence::from(start);
    }
}

/// An attribute of one whole number.
pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(2), i: Some(value), ..AttributeProto::default() }
}

/// An attribute of one number.
pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(1), f: Some(value), ..AttributeProto::default() }
}

/// An attribute of whole numbers.
pub(super) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(7), ints: values.to_vec(), ..AttributeProto::default() }
}

/// An attribute of a word.
pub(super) fn word(name: &str, value: &str) -> AttributeProto {
    let bytes = value.as_bytes().to_vec();
    AttributeProto { name: Some(name.to_owned()), r#type: Some(3), s: Some(bytes), ..AttributeProto::default() }
}

fn port(name: &str, element: Type, dims: &[i64]) -> ValueInfoProto {
    let dim = |(place, length): (usize, &i64)| match length {
        -1 => DimensionProto { dim_param: Some(format!("{name}.{place}")), ..DimensionProto::default() },
        length => DimensionProto { dim_value: Some(*length), ..DimensionProto::default() },
    };
    let shape = TensorShapeProto { dim: dims.iter().enumerate().map(dim).collect() };
    let tensor = TensorTypeProto { elem_type: Some(element as i32), shape: Some(shape) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { tensor_type: Some(tensor), ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}

fn count(dims: &[i64]) -> i64 {
    dims.iter().product()
}
