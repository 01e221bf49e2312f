//! Which constant a name in a graph stands for, in the graph itself or in those around it.

use std::collections::{BTreeMap, BTreeSet};

use super::blocks::Layout;
use crate::onnx::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};

/// `AttributeProto.AttributeType`: the attribute is a tensor.
const TENSOR: &str = "value";

/// What names of one graph stand for, as far as it is constant.
#[derive(Debug, Default)]
pub(super) struct Scope {
    names: BTreeMap<String, Origin>,
}

#[derive(Debug)]
enum Origin {
    /// A constant: its dimensions and the type of its numbers.
    Constant { dims: Vec<i64>, element: i32 },
    /// Another name's value, as it is or transposed.
    Of { name: String, transposed: bool },
}

/// A constant on the right side of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// How many graphs are around the one that it is in.
    pub(super) depth: usize,
    /// Its name there.
    pub(super) name: String,
    /// Its dimensions.
    pub(super) dims: Vec<i64>,
    /// `TensorProto.DataType` of its numbers.
    pub(super) element: i32,
    /// How the matrix of the product lies in it.
    pub(super) layout: Layout,
}

impl Scope {
    /// The constants of a graph and what is made of them without computing.
    pub(super) fn of(graph: &GraphProto) -> Self {
        let constant = |tensor: &TensorProto| {
            let origin = Origin::Constant { dims: tensor.dims.clone(), element: tensor.data_type() };
            (tensor.name().to_owned(), origin)
        };
        let mut names: BTreeMap<_, _> = graph.initializer.iter().map(constant).collect();
        names.extend(graph.node.iter().filter_map(view));
        Self { names }
    }

    /// True if the value of this name is another one, as it is or transposed.
    pub(super) fn is_view(&self, name: &str) -> bool {
        matches!(self.names.get(name), Some(Origin::Of { .. }))
    }
}

/// The constant that a name stands for, with the innermost graph last; `None` if its value is computed.
pub(super) fn resolve(scopes: &[Scope], name: &str) -> Option<Source> {
    let (mut name, mut layout) = (name, Layout::InputsFirst);
    let mut visible = scopes.len();
    // A chain is no longer than there are names, or it is a circle.
    let longest: usize = scopes.iter().map(|scope| scope.names.len()).sum();
    for _ in 0..longest {
        let depth = scopes[..visible].iter().rposition(|scope| scope.names.contains_key(name))?;
        match &scopes[depth].names[name] {
            Origin::Constant { dims, element } => {
                return Some(Source { depth, name: name.to_owned(), dims: dims.clone(), element: *element, layout });
            }
            Origin::Of { name: of, transposed } => {
                layout = if *transposed { layout.transposed() } else { layout };
                (name, visible) = (of, depth + 1);
            }
        }
    }
    None
}

/// A node whose value is that of another name.
fn view(node: &NodeProto) -> Option<(String, Origin)> {
    let [output] = node.output.as_slice() else { return None };
    let transposed = match node.op_type() {
        "Identity" => false,
        "Transpose" if is_swap(node) => true,
        _ => return None,
    };
    let name = node.input.first()?.clone();
    Some((output.clone(), Origin::Of { name, transposed }))
}

/// True for a transposition of a matrix, said or by default.
fn is_swap(node: &NodeProto) -> bool {
    node.attribute.iter().all(|attribute| attribute.name() != "perm" || attribute.ints == [1, 0])
}

/// Makes initialisers of the matrices that nodes of a graph hold, so that all constants are found in one place.
pub(super) fn hoist(graph: &mut GraphProto) {
    let (constants, nodes) = std::mem::take(&mut graph.node).into_iter().partition(holds_matrix);
    graph.node = nodes;
    for node in constants as Vec<NodeProto> {
        let tensor = node.attribute.into_iter().find(|attribute| attribute.name() == TENSOR);
        let name = node.output.into_iter().next();
        let tensor = tensor.and_then(|attribute| attribute.t).map(|tensor| TensorProto { name, ..tensor });
        graph.initializer.extend(tensor);
    }
}

fn holds_matrix(node: &NodeProto) -> bool {
    let tensor = node.attribute.iter().find(|attribute| attribute.name() == TENSOR).and_then(|held| held.t.as_ref());
    node.op_type() == "Constant" && tensor.is_some_and(|tensor| tensor.dims.len() == 2 && tensor.data_type() == 1)
}

/// The names that a graph reads: those of its nodes, of the graphs in them, and its outputs.
pub(super) fn reads(graph: &GraphProto) -> BTreeSet<&str> {
    let own = graph.node.iter().flat_map(|node| &node.input).map(String::as_str);
    let outputs = graph.output.iter().map(ValueInfoProto::name);
    let inner = graph.node.iter().flat_map(subgraphs).flat_map(|graph| reads(graph));
    own.chain(outputs).chain(inner).collect()
}

/// The graphs in a node.
pub(super) fn subgraphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|attribute| attribute.g.as_deref().into_iter().chain(&attribute.graphs))
}

/// The graphs in a node, to be changed.
pub(super) fn subgraphs_mut(node: &mut NodeProto) -> impl Iterator<Item = &mut GraphProto> {
    node.attribute.iter_mut().flat_map(|attribute| attribute.g.as_deref_mut().into_iter().chain(&mut attribute.graphs))
}
