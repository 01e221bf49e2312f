//! A decoder of one layer as onnxruntime-genai builds it: one operator for attention, quantised weights.

use super::{
    builder::{GraphBuilder, Type, float, int},
    quantised::{Form, product},
    run::{PROMPT, STEPS, VOCABULARY},
};

/// Five blocks of 32 numbers, and 9 in the middle of the network: kernels take several blocks at a time, and what is left
/// over is computed by other instructions.
const HIDDEN: i64 = 160;
const INNER: i64 = 288;
const HEADS: i64 = 5;
const HEAD_SIZE: i64 = 32;
const WORDS: i64 = VOCABULARY as i64;
const EPSILON: f32 = 1e-6;

/// Tokens, mask and one layer's cache to logits.
pub(super) fn build(graph: &mut GraphBuilder) {
    ports(graph);
    let embedding = graph.weights(&[WORDS, HIDDEN], 1.0, 0.0);
    let tokens = graph.node("Gather", &[&embedding, "input_ids"], vec![]);
    let scale = graph.weights(&[HIDDEN], 0.25, 1.0);
    let normed = graph.node(
        "SimplifiedLayerNormalization",
        &[&tokens, &scale],
        vec![float("epsilon", EPSILON), int("axis", -1), int("stash_type", 1)],
    );
    let attended = attention(graph, &normed);
    let (normed, sum) = skip(graph, &tokens, &attended);
    let mixed = gated(graph, &normed);
    let (normed, _) = skip(graph, &sum, &mixed);
    let logits = product(graph, &normed, HIDDEN, WORDS, Form { bits: 8, ..Form::INT4 });
    graph.output("logits", Type::Float32, &logits, &[-1, -1, WORDS]);
}

fn ports(graph: &mut GraphBuilder) {
    graph.input("input_ids", Type::Int64, &[-1, -1]);
    graph.input("attention_mask", Type::Int64, &[-1, -1]);
    for name in ["past_key_values.0.key", "past_key_values.0.value"] {
        graph.input(name, Type::Float32, &[-1, 1, -1, HEAD_SIZE]);
    }
}

/// Five heads of queries on one of keys and values, turned by their places, written into the buffer of the past.
fn attention(graph: &mut GraphBuilder, normed: &str) -> String {
    let query = product(graph, normed, HIDDEN, HIDDEN, Form::INT4);
    let key = product(graph, normed, HIDDEN, HEAD_SIZE, Form::INT4);
    let value = product(graph, normed, HIDDEN, HEAD_SIZE, Form::INT4);
    let (last, total) = lengths(graph);
    let (cos, sin) = turns(graph, i64::from(PROMPT + STEPS));
    let inputs = [&query, &key, &value, "past_key_values.0.key", "past_key_values.0.value", &last, &total, &cos, &sin];
    let present = ["present.0.key", "present.0.value"];
    let outputs = ["attended", present[0], present[1]].map(str::to_owned);
    let attributes = vec![int("num_heads", HEADS), int("kv_num_heads", 1), int("do_rotary", 1)];
    graph.push("com.microsoft.GroupQueryAttention", &inputs, outputs.to_vec(), attributes);
    for name in present {
        graph.output_of(name, Type::Float32, &[-1, 1, -1, HEAD_SIZE]);
    }
    product(graph, "attended", HIDDEN, HIDDEN, Form::INT4)
}

/// The last place of each row, and the length of all, from the mask.
fn lengths(graph: &mut GraphBuilder) -> (String, String) {
    let (one, second) = (graph.ints(&[1]), graph.scalar(1));
    let seen = graph.node("ReduceSum", &["attention_mask", &one], vec![int("keepdims", 0)]);
    let last = graph.node("Sub", &[&seen, &one], vec![]);
    let last = graph.node("Cast", &[&last], vec![int("to", Type::Int32 as i64)]);
    let shape = graph.node("Shape", &["attention_mask"], vec![]);
    let total = graph.node("Gather", &[&shape, &second], vec![int("axis", 0)]);
    (last, graph.node("Cast", &[&total], vec![int("to", Type::Int32 as i64)]))
}

/// Cosines and sines of places; any numbers serve.
pub(super) fn turns(graph: &mut GraphBuilder, places: i64) -> (String, String) {
    let dims = [places, HEAD_SIZE / 2];
    (graph.weights(&dims, 1.0, 0.0), graph.weights(&dims, 1.0, 0.0))
}

/// The sum of two values, normalised and as it is.
fn skip(graph: &mut GraphBuilder, value: &str, added: &str) -> (String, String) {
    let scale = graph.weights(&[HIDDEN], 0.25, 1.0);
    let [normed, sum] = ["normed", "sum"].map(|name| format!("{name}.{value}"));
    let outputs = vec![normed.clone(), String::new(), String::new(), sum.clone()];
    let attributes = vec![float("epsilon", EPSILON)];
    graph.push("com.microsoft.SkipSimplifiedLayerNormalization", &[value, added, &scale], outputs, attributes);
    (normed, sum)
}

fn gated(graph: &mut GraphBuilder, normed: &str) -> String {
    let gate = product(graph, normed, HIDDEN, INNER, Form::INT4);
    let up = product(graph, normed, HIDDEN, INNER, Form { accuracy: 0, ..Form::INT4 });
    let open = graph.node("Sigmoid", &[&gate], vec![]);
    let gate = graph.node("Mul", &[&gate, &open], vec![]);
    let inner = graph.node("Mul", &[&gate, &up], vec![]);
    product(graph, &inner, INNER, HIDDEN, Form::INT4)
}
