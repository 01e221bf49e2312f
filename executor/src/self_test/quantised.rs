//! Products with quantised weights, in each form that exporters write.

use super::builder::{GraphBuilder, Type, int};

const INPUTS: i64 = 160;
const OUTPUTS: i64 = 288;

/// One row, which has kernels of its own, and several.
pub(super) const SHAPES: &[&[i64]] = &[&[1, INPUTS], &[6, INPUTS]];

/// How weights are stored and multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Of a weight: 4 or 8.
    pub(super) bits: i64,
    /// Weights with one scale.
    pub(super) block: i64,
    /// 4: sums in integers, of inputs that are quantised too; 0: in floating point.
    pub(super) accuracy: i64,
    /// Whether a block says which number is zero.
    pub(super) has_zeros: bool,
    /// Whether numbers and scales have 16 bits.
    pub(super) is_half: bool,
}

impl Form {
    /// 4 bits, as most exporters write them.
    pub(super) const INT4: Self = Self { bits: 4, block: 32, accuracy: 4, has_zeros: false, is_half: false };
}

/// All forms on one input, then 8-bit arithmetic chosen while it runs.
pub(super) fn build(graph: &mut GraphBuilder) {
    graph.input("x", Type::Float32, &[-1, INPUTS]);
    for bits in [4, 8] {
        for (block, accuracy, has_zeros) in
            [(32, 4, false), (32, 4, true), (32, 0, false), (128, 4, true), (16, 0, true)]
        {
            let form = Form { bits, block, accuracy, has_zeros, is_half: false };
            let product = product(graph, "x", INPUTS, OUTPUTS, form);
            graph.result(&product, 2);
        }
    }
    for element in [Type::Int8, Type::Uint8] {
        let product = dynamic(graph, element);
        graph.result(&product, 2);
    }
}

/// A product with weights in blocks.
pub(super) fn product(graph: &mut GraphBuilder, input: &str, inputs: i64, outputs: i64, form: Form) -> String {
    let Form { bits, block, accuracy, has_zeros, is_half } = form;
    let blocks = (inputs + block - 1) / block;
    let weights = graph.packed(Type::Uint8, &[outputs, blocks, block * bits / 8]);
    // 4 and 8 bits come to weights of one size, about 1/8 at most.
    let unit = if bits == 4 { 1.0 / 64.0 } else { 1.0 / 1024.0 };
    let (spread, middle) = (unit / 4.0, unit);
    let dims = [outputs, blocks];
    let scales = if is_half { graph.half_weights(&dims, spread, middle) } else { graph.weights(&dims, spread, middle) };
    let zeros = has_zeros.then(|| graph.packed(Type::Uint8, &[outputs, (blocks * bits + 7) / 8]));
    let attributes =
        [("K", inputs), ("N", outputs), ("bits", bits), ("block_size", block), ("accuracy_level", accuracy)];
    let attributes = attributes.map(|(name, value)| int(name, value)).to_vec();
    let values = [input, &weights, &scales].into_iter().chain(zeros.as_deref());
    graph.node("com.microsoft.MatMulNBits", &values.collect::<Vec<_>>(), attributes)
}

/// A product whose input is quantised by what is in it, as dynamic quantisation writes it.
fn dynamic(graph: &mut GraphBuilder, element: Type) -> String {
    let names = ["bytes", "scale", "zero"].map(|name| format!("{name}.{element:?}"));
    graph.push("DynamicQuantizeLinear", &["x"], names.to_vec(), vec![]);
    let [bytes, scale, zero] = names;
    let weights = graph.packed(element, &[INPUTS, OUTPUTS]);
    let middle = graph.packed(element, &[]);
    let sum = graph.node("MatMulInteger", &[&bytes, &weights, &zero, &middle], vec![]);
    let sum = graph.node("Cast", &[&sum], vec![int("to", Type::Float32 as i64)]);
    let own = graph.floats(&[], &[1.0 / 1024.0]);
    let scale = graph.node("Mul", &[&scale, &own], vec![]);
    graph.node("Mul", &[&sum, &scale], vec![])
}
