//! Functions of single numbers and of rows, whose approximations differ between libraries and instruction sets.

use super::builder::{GraphBuilder, Type, float, int};

const WIDTH: i64 = 203;

/// A row that fills no vector register, and several.
pub(super) const SHAPES: &[&[i64]] = &[&[1, WIDTH], &[7, WIDTH]];

/// Every function of eight times the input, so that it is seen where it bends and where it is flat.
pub(super) fn build(graph: &mut GraphBuilder) {
    graph.input("x", Type::Float32, &[-1, WIDTH]);
    let eight = graph.floats(&[], &[8.0]);
    let wide = graph.node("Mul", &["x", &eight], vec![]);
    for function in ["Sigmoid", "Tanh", "Erf", "Exp", "Sin", "Cos", "Softplus"] {
        let value = graph.node(function, &[&wide], vec![]);
        graph.result(&value, 2);
    }
    let positive = graph.node("Abs", &[&wide], vec![]);
    let small = graph.floats(&[], &[1.0 / 64.0]);
    let positive = graph.node("Add", &[&positive, &small], vec![]);
    for function in ["Sqrt", "Log"] {
        let value = graph.node(function, &[&positive], vec![]);
        graph.result(&value, 2);
    }
    let rows = [gelu(graph, &wide), gelu_tanh(graph, &wide), quick_gelu(graph, &wide), root_mean_square(graph, &wide)];
    for value in &rows {
        graph.result(value, 2);
    }
    for function in ["Softmax", "LogSoftmax"] {
        let value = graph.node(function, &[&wide], vec![int("axis", -1)]);
        graph.result(&value, 2);
    }
    let value = graph.node("ReduceMean", &[&wide], vec![]);
    graph.result(&value, 2);
    let (weights, bias) = (graph.weights(&[96, WIDTH], 0.125, 0.0), graph.weights(&[96], 0.125, 0.0));
    let value = graph.node("Gemm", &["x", &weights, &bias], vec![int("transB", 1), float("alpha", 0.5)]);
    graph.result(&value, 2);
}

/// x · (1 + erf(x / √2)) / 2.
pub(super) fn gelu(graph: &mut GraphBuilder, value: &str) -> String {
    let [root, one, half] = [std::f32::consts::SQRT_2, 1.0, 0.5].map(|number| graph.floats(&[], &[number]));
    let inner = graph.node("Div", &[value, &root], vec![]);
    let inner = graph.node("Erf", &[&inner], vec![]);
    let inner = graph.node("Add", &[&inner, &one], vec![]);
    let product = graph.node("Mul", &[value, &inner], vec![]);
    graph.node("Mul", &[&product, &half], vec![])
}

/// x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2, as GPT-2 has it.
fn gelu_tanh(graph: &mut GraphBuilder, value: &str) -> String {
    let [three, small, root, one, half] =
        [3.0, 0.044_715, 0.797_884_6, 1.0, 0.5].map(|number| graph.floats(&[], &[number]));
    let cube = graph.node("Pow", &[value, &three], vec![]);
    let cube = graph.node("Mul", &[&cube, &small], vec![]);
    let inner = graph.node("Add", &[value, &cube], vec![]);
    let inner = graph.node("Mul", &[&inner, &root], vec![]);
    let inner = graph.node("Tanh", &[&inner], vec![]);
    let inner = graph.node("Add", &[&inner, &one], vec![]);
    let product = graph.node("Mul", &[value, &half], vec![]);
    graph.node("Mul", &[&product, &inner], vec![])
}

/// x · sigmoid(1.702 x), as CLIP has it.
fn quick_gelu(graph: &mut GraphBuilder, value: &str) -> String {
    let slope = graph.floats(&[], &[1.702]);
    let inner = graph.node("Mul", &[value, &slope], vec![]);
    let inner = graph.node("Sigmoid", &[&inner], vec![]);
    graph.node("Mul", &[value, &inner], vec![])
}

/// x / √(mean x² + ε) in single operations, as Llama is exported.
fn root_mean_square(graph: &mut GraphBuilder, value: &str) -> String {
    let [two, small, one] = [2.0, 1e-6, 1.0].map(|number| graph.floats(&[], &[number]));
    let square = graph.node("Pow", &[value, &two], vec![]);
    let axis = graph.ints(&[-1]);
    let mean = graph.node("ReduceMean", &[&square, &axis], vec![int("keepdims", 1)]);
    let mean = graph.node("Add", &[&mean, &small], vec![]);
    let root = graph.node("Sqrt", &[&mean], vec![]);
    let inverse = graph.node("Div", &[&one, &root], vec![]);
    graph.node("Mul", &[value, &inverse], vec![])
}
