//! 16-bit arithmetic: what the operators of half-precision exports compute.

use super::{
    builder::{GraphBuilder, Type, float, int},
    decoder::turns,
    quantised::{Form, product},
};

const TOKENS: i64 = 5;
const HIDDEN: i64 = 160;
const INNER: i64 = 288;

/// One row of a few tokens.
pub(super) const SHAPES: &[&[i64]] = &[&[1, TOKENS, HIDDEN]];

/// Products, normalisation, both forms of attention, and the functions between them.
pub(super) fn build(graph: &mut GraphBuilder) {
    graph.input("x", Type::Float32, SHAPES[0]);
    let tokens = graph.node("Cast", &["x"], vec![int("to", Type::Float16 as i64)]);
    let (scale, bias) = (graph.half_weights(&[HIDDEN], 0.25, 1.0), graph.half_weights(&[HIDDEN], 0.25, 0.0));
    let normed = graph.node("LayerNormalization", &[&tokens, &scale, &bias], vec![int("axis", -1)]);
    let weights = graph.half_weights(&[HIDDEN, INNER], 0.125, 0.0);
    let inner = graph.node("MatMul", &[&normed, &weights], vec![]);
    let likely = graph.node("Softmax", &[&inner], vec![int("axis", -1)]);
    let open = graph.node("Sigmoid", &[&inner], vec![]);
    let gated = graph.node("Mul", &[&inner, &open], vec![]);
    let attended = attention(graph, &normed);
    let last = last_token(graph, &normed);
    for value in [&normed, &inner, &likely, &gated, &attended] {
        graph.result(value, 3);
    }
    for accuracy in [0, 4] {
        for value in [&normed, &last] {
            let form = Form { accuracy, is_half: true, ..Form::INT4 };
            let product = product(graph, value, HIDDEN, INNER, form);
            graph.result(&product, 3);
        }
    }
    convolution(graph, &tokens);
}

/// Attention in one operator, without a past.
fn attention(graph: &mut GraphBuilder, normed: &str) -> String {
    let [query, key, value] = [HIDDEN, 32, 32].map(|width| {
        let weights = graph.half_weights(&[HIDDEN, width], 0.125, 0.0);
        graph.node("MatMul", &[normed, &weights], vec![])
    });
    let [last, total] = [vec![TOKENS - 1], vec![TOKENS]].map(|numbers| {
        let numbers = graph.ints(&numbers);
        graph.node("Cast", &[&numbers], vec![int("to", Type::Int32 as i64)])
    });
    let (cos, sin) = turns(graph, 8);
    let [cos, sin] = [cos, sin].map(|table| graph.node("Cast", &[&table], vec![int("to", Type::Float16 as i64)]));
    let outputs = ["attended", "present.key", "present.value"].map(str::to_owned);
    let attributes = vec![int("num_heads", 5), int("kv_num_heads", 1), int("do_rotary", 1), float("scale", 0.25)];
    let inputs = [&query, &key, &value, "", "", &last, &total, &cos, &sin];
    graph.push("com.microsoft.GroupQueryAttention", &inputs, outputs.to_vec(), attributes);
    String::from("attended")
}

fn last_token(graph: &mut GraphBuilder, value: &str) -> String {
    let last = graph.ints(&[TOKENS - 1]);
    graph.node("Gather", &[value, &last], vec![int("axis", 1)])
}

/// The tokens taken for a picture of one row.
fn convolution(graph: &mut GraphBuilder, tokens: &str) {
    let shape = graph.ints(&[1, TOKENS, 10, 16]);
    let picture = graph.node("Reshape", &[tokens, &shape], vec![]);
    let weights = graph.half_weights(&[16, TOKENS, 3, 3], 0.125, 0.0);
    let convolved = graph.node("Conv", &[&picture, &weights], vec![super::builder::ints("pads", &[1, 1, 1, 1])]);
    graph.result(&convolved, 4);
}
