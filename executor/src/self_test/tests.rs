use std::collections::BTreeSet;

use prost::Message as _;

use super::{
    run::{PROMPT, STEPS, token},
    *,
};
use crate::{onnx::proto::ModelProto, runtime};

fn host(threads: Option<usize>) -> Host {
    let runtime = runtime::load(None).unwrap();
    Host { runtime, provider: Provider::Cpu, threads }
}

/// What comes out of a graph, pass by pass.
fn passes(host: Host, graph: &Graph) -> Vec<Vec<f32>> {
    let mut passes = Vec::new();
    host.numbers(&graph.kind, &mut |numbers| passes.push(numbers.to_vec())).unwrap();
    passes
}

fn bits(passes: &[Vec<f32>]) -> Vec<Vec<u32>> {
    passes.iter().map(|pass| pass.iter().map(|number| number.to_bits()).collect()).collect()
}

fn operators(graph: &[u8]) -> BTreeSet<String> {
    let nodes = ModelProto::decode(graph).unwrap().graph.unwrap().node;
    nodes.into_iter().filter_map(|node| node.op_type).collect()
}

fn reseeded(build: fn(&mut GraphBuilder)) -> Vec<u8> {
    let mut builder = GraphBuilder::default();
    builder.reseed(1);
    build(&mut builder);
    builder.finish()
}

/// A machine that computes one weight's product otherwise must be seen in what comes out, in every pass.
#[test]
fn other_weights_give_other_numbers_in_every_graph() {
    for graph in &GRAPHS {
        let Kind::Operators { build, shapes } = &graph.kind else { continue };
        let (mut ours, mut other) = (Vec::new(), Vec::new());
        host(None).operate(&built(*build), shapes, &mut |numbers| ours.push(numbers.to_vec())).unwrap();
        host(None).operate(&reseeded(*build), shapes, &mut |numbers| other.push(numbers.to_vec())).unwrap();
        assert_ne!(bits(&ours), bits(&other), "{}", graph.name);
    }
}

/// Numbers that are all alike, or none, would hide what a kernel does.
#[test]
fn every_pass_of_every_graph_says_something() {
    for graph in &GRAPHS {
        for (place, pass) in passes(host(None), graph).iter().enumerate() {
            let different: BTreeSet<_> = pass.iter().map(|number| number.to_bits()).collect();
            assert!(pass.iter().all(|number| number.is_finite()), "{} {place}", graph.name);
            assert!(different.len() > 1 || pass.len() == 1, "{} {place}: {pass:?}", graph.name);
            let largest = pass.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
            assert!((1e-3..1e4).contains(&largest), "{} {place}: {largest}", graph.name);
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for graph in &GRAPHS {
        let alone = bits(&passes(host(Some(1)), graph));
        for threads in [2, 3] {
            assert!(bits(&passes(host(Some(threads)), graph)) == alone, "{} on {threads}", graph.name);
        }
    }
}

#[test]
fn the_fused_decoder_writes_into_the_buffer_that_it_reads() {
    assert!(host(None).decode(&built(decoder::build), &mut |_| ()).unwrap());
}

#[test]
fn every_graph_holds_the_operators_that_it_is_for() {
    for (build, wanted) in [
        (
            decoder::build as fn(&mut GraphBuilder),
            ["MatMulNBits", "GroupQueryAttention", "SimplifiedLayerNormalization"],
        ),
        (quantised::build, ["MatMulNBits", "MatMulInteger", "DynamicQuantizeLinear"]),
        (half::build, ["MatMulNBits", "GroupQueryAttention", "Conv"]),
        (picture::build, ["Conv", "InstanceNormalization", "Resize"]),
        (activations::build, ["Erf", "Softmax", "Gemm"]),
    ] {
        let found = operators(&built(build));
        assert!(wanted.iter().all(|operator| found.contains(*operator)), "{wanted:?} {found:?}");
    }
}

#[test]
fn every_graph_has_a_name_of_its_own() {
    let names: BTreeSet<_> = GRAPHS.iter().map(|graph| graph.name).collect();
    assert_eq!(names.len(), GRAPHS.len());
}

#[test]
fn the_tokens_of_the_test_differ() {
    let tokens: BTreeSet<_> = (0..PROMPT + STEPS).map(token).collect();
    assert_eq!(tokens.len(), (PROMPT + STEPS) as usize);
}
