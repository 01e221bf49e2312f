//! What an image model's U-Net and decoder compute.

use super::builder::{GraphBuilder, Type, float, int, ints, word};

const LATENT: i64 = 4;
const CHANNELS: i64 = 32;
const GROUPS: i64 = 8;
const HEADS: i64 = 4;
const SIDE: i64 = 12;

/// One picture, and the two of a guided step.
pub(super) const SHAPES: &[&[i64]] = &[&[1, LATENT, SIDE, SIDE], &[2, LATENT, SIDE, SIDE]];

/// A residual block, attention over pixels with a gated network, half the size and back, and an output convolution.
pub(super) fn build(graph: &mut GraphBuilder) {
    graph.input("x", Type::Float32, &[-1, LATENT, SIDE, SIDE]);
    let first = convolution(graph, "x", [LATENT, CHANNELS], 3, 1);
    let block = residual(graph, &first);
    let attended = attention(graph, &block);
    let small = convolution(graph, &attended, [CHANNELS, CHANNELS], 3, 2);
    let large = enlarged(graph, &small);
    let joined = graph.node("Concat", &[&large, &block], vec![int("axis", 1)]);
    let mixed = convolution(graph, &joined, [2 * CHANNELS, CHANNELS], 1, 1);
    let last = normalised(graph, &mixed);
    let last = convolution(graph, &last, [CHANNELS, LATENT], 3, 1);
    for value in [&first, &block, &attended, &small, &last] {
        graph.result(value, 4);
    }
}

fn convolution(graph: &mut GraphBuilder, value: &str, channels: [i64; 2], side: i64, stride: i64) -> String {
    let [inputs, outputs] = channels;
    let (weights, bias) =
        (graph.weights(&[outputs, inputs, side, side], 0.125, 0.0), graph.weights(&[outputs], 0.125, 0.0));
    let attributes =
        vec![ints("pads", &[side / 2; 4]), ints("strides", &[stride; 2]), ints("kernel_shape", &[side; 2])];
    graph.node("Conv", &[value, &weights, &bias], attributes)
}

/// Group normalisation as exporters write it, then x · sigmoid(x).
fn normalised(graph: &mut GraphBuilder, value: &str) -> String {
    let groups = graph.ints(&[0, GROUPS, -1]);
    let grouped = graph.node("Reshape", &[value, &groups], vec![]);
    let (ones, zeros) = (graph.weights(&[GROUPS], 0.0, 1.0), graph.weights(&[GROUPS], 0.0, 0.0));
    let normed = graph.node("InstanceNormalization", &[&grouped, &ones, &zeros], vec![float("epsilon", 1e-5)]);
    let shape = graph.node("Shape", &[value], vec![]);
    let normed = graph.node("Reshape", &[&normed, &shape], vec![]);
    let (scale, bias) = (graph.weights(&[CHANNELS, 1, 1], 0.25, 1.0), graph.weights(&[CHANNELS, 1, 1], 0.25, 0.0));
    let scaled = graph.node("Mul", &[&normed, &scale], vec![]);
    let moved = graph.node("Add", &[&scaled, &bias], vec![]);
    let open = graph.node("Sigmoid", &[&moved], vec![]);
    graph.node("Mul", &[&moved, &open], vec![])
}

fn residual(graph: &mut GraphBuilder, value: &str) -> String {
    let normed = normalised(graph, value);
    let inner = convolution(graph, &normed, [CHANNELS, CHANNELS], 3, 1);
    let normed = normalised(graph, &inner);
    let inner = convolution(graph, &normed, [CHANNELS, CHANNELS], 3, 1);
    graph.node("Add", &[value, &inner], vec![])
}

/// Every pixel is a token that sees all others.
fn attention(graph: &mut GraphBuilder, value: &str) -> String {
    let pixels = graph.ints(&[0, CHANNELS, -1]);
    let flat = graph.node("Reshape", &[value, &pixels], vec![]);
    let tokens = graph.node("Transpose", &[&flat], vec![ints("perm", &[0, 2, 1])]);
    let (scale, bias) = (graph.weights(&[CHANNELS], 0.25, 1.0), graph.weights(&[CHANNELS], 0.25, 0.0));
    let normed = graph.node("LayerNormalization", &[&tokens, &scale, &bias], vec![int("axis", -1)]);
    let query = heads(graph, &normed, [0, 2, 1, 3]);
    let key = heads(graph, &normed, [0, 2, 3, 1]);
    let values = heads(graph, &normed, [0, 2, 1, 3]);
    let seen = attended(graph, &query, &key, &values);
    let seen = linear(graph, &seen, CHANNELS, CHANNELS);
    let sum = graph.node("Add", &[&tokens, &seen], vec![]);
    let inner = gated(graph, &sum);
    let sum = graph.node("Add", &[&sum, &inner], vec![]);
    let flat = graph.node("Transpose", &[&sum], vec![ints("perm", &[0, 2, 1])]);
    let shape = graph.node("Shape", &[value], vec![]);
    graph.node("Reshape", &[&flat, &shape], vec![])
}

fn attended(graph: &mut GraphBuilder, query: &str, key: &str, values: &str) -> String {
    let scores = graph.node("MatMul", &[query, key], vec![]);
    let scale = graph.floats(&[], &[0.353_553_4]);
    let scores = graph.node("Mul", &[&scores, &scale], vec![]);
    let likely = graph.node("Softmax", &[&scores], vec![int("axis", -1)]);
    let seen = graph.node("MatMul", &[&likely, values], vec![]);
    let seen = graph.node("Transpose", &[&seen], vec![ints("perm", &[0, 2, 1, 3])]);
    let tokens = graph.ints(&[0, 0, CHANNELS]);
    graph.node("Reshape", &[&seen, &tokens], vec![])
}

fn linear(graph: &mut GraphBuilder, value: &str, inputs: i64, outputs: i64) -> String {
    let (weights, bias) = (graph.weights(&[inputs, outputs], 0.25, 0.0), graph.weights(&[outputs], 0.125, 0.0));
    let product = graph.node("MatMul", &[value, &weights], vec![]);
    graph.node("Add", &[&product, &bias], vec![])
}

fn heads(graph: &mut GraphBuilder, tokens: &str, order: [i64; 4]) -> String {
    let value = linear(graph, tokens, CHANNELS, CHANNELS);
    let shape = graph.ints(&[0, 0, HEADS, CHANNELS / HEADS]);
    let split = graph.node("Reshape", &[&value, &shape], vec![]);
    graph.node("Transpose", &[&split], vec![ints("perm", &order)])
}

/// One half of a product times the other half's x · Φ(x).
fn gated(graph: &mut GraphBuilder, tokens: &str) -> String {
    let value = linear(graph, tokens, CHANNELS, 4 * CHANNELS);
    let [part, gate] = ["part", "gate"].map(str::to_owned);
    let halves = graph.ints(&[2 * CHANNELS, 2 * CHANNELS]);
    graph.push("Split", &[&value, &halves], vec![part.clone(), gate.clone()], vec![int("axis", -1)]);
    let gate = super::activations::gelu(graph, &gate);
    let inner = graph.node("Mul", &[&part, &gate], vec![]);
    linear(graph, &inner, 2 * CHANNELS, CHANNELS)
}

fn enlarged(graph: &mut GraphBuilder, value: &str) -> String {
    let scales = graph.floats(&[4], &[1.0, 1.0, 2.0, 2.0]);
    let attributes = vec![
        word("mode", "nearest"),
        word("coordinate_transformation_mode", "asymmetric"),
        word("nearest_mode", "floor"),
    ];
    let large = graph.node("Resize", &[value, "", &scales], attributes);
    convolution(graph, &large, [CHANNELS, CHANNELS], 3, 1)
}
