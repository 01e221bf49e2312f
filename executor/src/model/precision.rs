//! The precision of a graph, read from what is in it.
//!
//! An ONNX file is a protocol buffer: fields with numbers, some of which are messages again. What decides is read field by
//! field, and numbers of weights are passed over, so that a file of any size takes no memory. Field numbers are those of
//! [`proto`](crate::onnx::proto).

use std::{
    fs::File,
    io::{self, BufReader, Read as _},
    path::Path,
};

use xenon_protocol::task::{Dtype, QuantizeBits};

use crate::text::Variant;

/// Graphs within graphs (branches, loops) that are followed.
const DEPTH: u32 = 8;
/// Longest name of an operator or an attribute that is read.
const LONGEST_NAME: u64 = 256;

/// Products with, and rows of, weights in blocks; the attribute `bits` says of how many bits, 4 unless it is there.
const BLOCKS: [&[u8]; 2] = [b"MatMulNBits", b"GatherBlockQuantized"];
/// Products with weights of 4 bits of a type of their own.
const FOUR: [&[u8]; 1] = [b"MatMulBnb4"];
/// Operators on weights of 8 bits.
const EIGHT: [&[u8]; 7] = [
    b"MatMulInteger",
    b"MatMulIntegerToFloat",
    b"DynamicQuantizeMatMul",
    b"QLinearMatMul",
    b"QGemm",
    b"QAttention",
    b"DequantizeLinear",
];

/// `TensorProto.DataType`: floating point, by what a task calls it, and integers of 4 bits.
const FLOATS: [(u64, Dtype); 3] = [(1, Dtype::Fp32), (10, Dtype::Fp16), (16, Dtype::Bf16)];
const NIBBLES: [u64; 2] = [21, 22];

/// The precision of a graph: the type of most of its floating-point numbers, and the bits of its quantised weights, the
/// fewest if there are several. `None` for a file that is no graph or has no numbers; the runtime says what is wrong
/// with it.
pub(super) fn of_graph(path: &Path) -> Option<Variant> {
    let mut scan = Scan::open(path).ok()?;
    let size = path.metadata().ok()?.len();
    scan.model(size).ok()?;
    scan.found.variant()
}

/// What has been seen.
#[derive(Debug, Default)]
struct Found {
    /// Numbers of each type of [`FLOATS`].
    floats: [u64; FLOATS.len()],
    has_nibbles: bool,
    bits: Option<QuantizeBits>,
}

impl Found {
    fn variant(&self) -> Option<Variant> {
        // Of equal ones the first.
        let most = FLOATS.iter().zip(self.floats).rev().max_by_key(|(_, count)| *count)?;
        let ((_, dtype), count) = most;
        let bits = if self.has_nibbles { self.bits.map(|_| QuantizeBits::Four) } else { self.bits };
        (count > 0).then_some(Variant { dtype: *dtype, quantize_bits: bits })
    }

    fn tensor(&mut self, element: u64, count: u64) {
        self.has_nibbles |= NIBBLES.contains(&element);
        if let Some(place) = FLOATS.iter().position(|(known, _)| *known == element) {
            self.floats[place] = self.floats[place].saturating_add(count);
        }
    }

    fn node(&mut self, operator: &[u8], bits: Option<u64>) {
        let bits = match operator {
            _ if BLOCKS.contains(&operator) && bits.is_none_or(|bits| bits <= 4) => QuantizeBits::Four,
            _ if BLOCKS.contains(&operator) => QuantizeBits::Eight,
            _ if FOUR.contains(&operator) => QuantizeBits::Four,
            _ if EIGHT.contains(&operator) => QuantizeBits::Eight,
            _ => return,
        };
        if self.bits != Some(QuantizeBits::Four) {
            self.bits = Some(bits);
        }
    }
}

/// A field of a message.
enum Field {
    /// A number of a number.
    Number(u64, u64),
    /// A number of bytes that come next, up to this place.
    Bytes(u64, u64),
    /// One that is passed over already.
    Other,
}

/// A file that is read field by field.
struct Scan {
    file: BufReader<File>,
    place: u64,
    found: Found,
}

impl Scan {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: BufReader::new(File::open(path)?), place: 0, found: Found::default() })
    }

    /// `ModelProto`: the graph is field 7.
    fn model(&mut self, end: u64) -> io::Result<()> {
        self.each(end, |scan, field| match field {
            Field::Bytes(7, end) => scan.graph(end, DEPTH),
            _ => Ok(()),
        })
    }

    /// `GraphProto`: nodes are field 1, constants field 5.
    fn graph(&mut self, end: u64, depth: u32) -> io::Result<()> {
        if depth == 0 {
            return Err(damaged());
        }
        self.each(end, |scan, field| match field {
            Field::Bytes(1, end) => scan.node(end, depth),
            Field::Bytes(5, end) => scan.tensor(end),
            _ => Ok(()),
        })
    }

    /// `NodeProto`: the operator is field 4, attributes are field 5.
    fn node(&mut self, end: u64, depth: u32) -> io::Result<()> {
        let (mut operator, mut bits) = (Vec::new(), None);
        self.each(end, |scan, field| {
            match field {
                Field::Bytes(4, end) => operator = scan.name(end)?,
                Field::Bytes(5, end) => bits = scan.attribute(end, depth)?.or(bits),
                _ => {}
            }
            Ok(())
        })?;
        self.found.node(&operator, bits);
        Ok(())
    }

    /// `AttributeProto`: the name is field 1, a number field 3, a constant field 5, a graph field 6, and graphs field 11.
    /// Returns the number of the attribute `bits`.
    fn attribute(&mut self, end: u64, depth: u32) -> io::Result<Option<u64>> {
        let (mut name, mut value) = (Vec::new(), None);
        self.each(end, |scan, field| match field {
            Field::Bytes(1, end) => scan.name(end).map(|read| name = read),
            Field::Number(3, number) => {
                value = Some(number);
                Ok(())
            }
            Field::Bytes(5, end) => scan.tensor(end),
            Field::Bytes(6 | 11, end) => scan.graph(end, depth - 1),
            _ => Ok(()),
        })?;
        Ok(value.filter(|_| name == b"bits"))
    }

    /// `TensorProto`: dimensions are field 1, one by one or packed; the type is field 2.
    fn tensor(&mut self, end: u64) -> io::Result<()> {
        let (mut count, mut element) = (1_u64, 0);
        self.each(end, |scan, field| {
            match field {
                Field::Number(1, length) => count = count.saturating_mul(length),
                Field::Bytes(1, end) => {
                    while scan.place < end {
                        count = count.saturating_mul(scan.varint()?);
                    }
                }
                Field::Number(2, number) => element = number,
                _ => {}
            }
            Ok(())
        })?;
        self.found.tensor(element, count);
        Ok(())
    }

    /// Hands on the fields up to `end`. What is left of one is passed over.
    fn each(&mut self, end: u64, mut on: impl FnMut(&mut Self, Field) -> io::Result<()>) -> io::Result<()> {
        while self.place < end {
            let field = self.field(end)?;
            let next = if let Field::Bytes(_, next) = field { next } else { self.place };
            on(self, field)?;
            self.pass(next.checked_sub(self.place).ok_or_else(damaged)?)?;
        }
        if self.place == end { Ok(()) } else { Err(damaged()) }
    }

    fn field(&mut self, end: u64) -> io::Result<Field> {
        let key = self.varint()?;
        match key & 7 {
            0 => Ok(Field::Number(key >> 3, self.varint()?)),
            2 => {
                let length = self.varint()?;
                let next = self.place.checked_add(length).filter(|next| *next <= end).ok_or_else(damaged)?;
                Ok(Field::Bytes(key >> 3, next))
            }
            kind @ (1 | 5) => self.pass(if kind == 1 { 8 } else { 4 }).map(|()| Field::Other),
            _ => Err(damaged()),
        }
    }

    fn name(&mut self, end: u64) -> io::Result<Vec<u8>> {
        let length = end.saturating_sub(self.place).min(LONGEST_NAME);
        let mut name = Vec::new();
        self.place += self.file.by_ref().take(length).read_to_end(&mut name)? as u64;
        Ok(name)
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.file.read_exact(&mut byte)?;
            self.place += 1;
            number |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(number);
            }
        }
        Err(damaged())
    }

    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        self.file.seek_relative(i64::try_from(bytes).map_err(io::Error::other)?)?;
        self.place += bytes;
        Ok(())
    }
}

fn damaged() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::onnx::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

    const FOUR_BITS: Option<QuantizeBits> = Some(QuantizeBits::Four);
    const EIGHT_BITS: Option<QuantizeBits> = Some(QuantizeBits::Eight);

    fn read(bytes: &[u8]) -> Option<Variant> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        of_graph(file.path())
    }

    fn graph(constants: &[(i32, i64)], nodes: Vec<NodeProto>) -> GraphProto {
        let tensor = |(data_type, count): &(i32, i64)| TensorProto {
            dims: vec![2, *count],
            data_type: Some(*data_type),
            raw_data: Some(vec![7; 40]),
            ..TensorProto::default()
        };
        GraphProto { initializer: constants.iter().map(tensor).collect(), node: nodes, ..GraphProto::default() }
    }

    fn file(graph: GraphProto) -> Vec<u8> {
        ModelProto { ir_version: Some(8), graph: Some(graph), ..ModelProto::default() }.encode_to_vec()
    }

    fn node(operator: &str, attribute: Vec<AttributeProto>) -> NodeProto {
        NodeProto { op_type: Some(operator.to_owned()), attribute, ..NodeProto::default() }
    }

    fn bits(bits: i64) -> AttributeProto {
        AttributeProto { name: Some("bits".to_owned()), i: Some(bits), ..AttributeProto::default() }
    }

    const fn of(dtype: Dtype, quantize_bits: Option<QuantizeBits>) -> Variant {
        Variant { dtype, quantize_bits }
    }

    #[test]
    fn what_is_no_graph_has_no_precision() {
        let whole = file(graph(&[(1, 4)], vec![]));
        assert_eq!(read(&whole), Some(of(Dtype::Fp32, None)));
        for bytes in [&b""[..], b"not a graph", &whole[..whole.len() - 1], &[0xff; 20]] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
        assert_eq!(read(&file(graph(&[(7, 100)], vec![]))), None);
        assert_eq!(of_graph(Path::new("/no/such.onnx")), None);
    }

    #[test]
    fn most_of_the_numbers_decide_the_type() {
        assert_eq!(read(&file(graph(&[(1, 9), (10, 10), (7, 99)], vec![]))), Some(of(Dtype::Fp16, None)));
        assert_eq!(read(&file(graph(&[(1, 10), (10, 9)], vec![]))), Some(of(Dtype::Fp32, None)));
        assert_eq!(read(&file(graph(&[(1, 10), (10, 10)], vec![]))), Some(of(Dtype::Fp32, None)));
        assert_eq!(read(&file(graph(&[(16, 3), (1, 2)], vec![]))), Some(of(Dtype::Bf16, None)));
    }

    #[test]
    fn operators_say_how_many_bits_a_weight_has() {
        for (nodes, expected) in [
            (vec![node("MatMulNBits", vec![bits(4)])], FOUR_BITS),
            (vec![node("MatMulNBits", vec![bits(8)])], EIGHT_BITS),
            (vec![node("MatMulNBits", vec![])], FOUR_BITS),
            (vec![node("MatMulNBits", vec![bits(8)]), node("GatherBlockQuantized", vec![bits(4)])], FOUR_BITS),
            (vec![node("MatMulNBits", vec![bits(4)]), node("MatMulNBits", vec![bits(8)])], FOUR_BITS),
            (vec![node("MatMulBnb4", vec![])], FOUR_BITS),
            (vec![node("MatMulInteger", vec![])], EIGHT_BITS),
            (vec![node("MatMul", vec![bits(4)])], None),
        ] {
            assert_eq!(read(&file(graph(&[(1, 4)], nodes.clone()))), Some(of(Dtype::Fp32, expected)), "{nodes:?}");
        }
        let nibbles = graph(&[(1, 4), (22, 4)], vec![node("DequantizeLinear", vec![])]);
        assert_eq!(read(&file(nibbles)), Some(of(Dtype::Fp32, FOUR_BITS)));
    }

    /// Merged decoders keep what they compute in the branches of an `If`.
    #[test]
    fn graphs_within_graphs_count_and_do_not_lead_astray() {
        let inside = |graph| {
            let attribute = AttributeProto { g: Some(Box::new(graph)), ..AttributeProto::default() };
            GraphProto { node: vec![node("If", vec![attribute])], ..GraphProto::default() }
        };
        let branch = graph(&[(10, 4)], vec![node("MatMulNBits", vec![bits(8)])]);
        assert_eq!(read(&file(inside(branch.clone()))), Some(of(Dtype::Fp16, EIGHT_BITS)));
        let deep = (0..50).fold(branch, |graph, _| inside(graph));
        assert_eq!(read(&file(deep)), None);
    }

    #[test]
    fn the_graphs_of_every_layout_are_what_they_are_called() {
        let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/models");
        for (graph, expected) in [
            ("optimum/model.onnx", Some(of(Dtype::Fp32, None))),
            ("gpt2/model.onnx", Some(of(Dtype::Fp32, None))),
            ("merged/decoder_model_merged.onnx", Some(of(Dtype::Fp32, None))),
            ("separate/decoder_with_past_model.onnx", Some(of(Dtype::Fp32, None))),
            ("hub/onnx/model.onnx", Some(of(Dtype::Fp32, None))),
            ("hub/onnx/model_fp16.onnx", Some(of(Dtype::Fp16, None))),
            ("hub/onnx/model_quantized.onnx", Some(of(Dtype::Fp32, EIGHT_BITS))),
            ("hub/onnx/model_q4.onnx", Some(of(Dtype::Fp32, FOUR_BITS))),
            ("hub/onnx/model_q4f16.onnx", Some(of(Dtype::Fp16, FOUR_BITS))),
            ("genai-fp32/model.onnx", Some(of(Dtype::Fp32, None))),
            ("genai-int4/model.onnx", Some(of(Dtype::Fp32, FOUR_BITS))),
        ] {
            assert_eq!(of_graph(&models.join(graph)), expected, "{graph}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..200_usize) {
            read(&bytes);
            let mut whole = file(graph(&[(1, 4), (10, 9)], vec![node("MatMulNBits", vec![bits(4)])]));
            whole.truncate(cut);
            whole.extend(bytes);
            read(&whole);
        }
    }
}
