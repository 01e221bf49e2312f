//! Where in a graph the weights of a module are.

use std::collections::{BTreeMap, BTreeSet};

use crate::onnx::{
    Element, OnnxModel,
    proto::{NodeProto, TensorProto},
};

/// How the weights of a module lie in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[inputs, outputs]`.
    InputsFirst,
    /// `[outputs, inputs]`.
    OutputsFirst,
    /// `[outputs, inputs, height, width]`.
    Kernel,
}

/// The weights of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The constant's name.
    pub initializer: String,
    /// How its numbers lie.
    pub layout: Layout,
    /// Its dimensions.
    pub shape: Vec<usize>,
}

/// The modules of a graph with their weights.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// By the module's name with points: `down_blocks.0.attentions.0.proj_in`.
    places: BTreeMap<String, Place>,
    /// Names with underscores instead, as kohya's scripts spell them.
    flat: BTreeMap<String, String>,
}

impl Places {
    /// Finds the modules of a graph. Weights that several nodes share are nobody's: changing them for one module would
    /// change another.
    pub fn of(model: &OnnxModel) -> Self {
        let Some(graph) = &model.proto.graph else { return Self::default() };
        let constants: BTreeMap<&str, &TensorProto> =
            graph.initializer.iter().map(|tensor| (tensor.name(), tensor)).collect();
        let shared = shared(&graph.node);
        let mut found = Self::default();
        for node in &graph.node {
            let Some(tensor) = node.input.get(1).and_then(|name| constants.get(name.as_str())) else { continue };
            let place = place(node, tensor).filter(|_| !shared.contains(tensor.name()));
            if let Some((module, place)) = module(node, tensor).zip(place) {
                found.flat.insert(module.replace('.', "_"), module.clone());
                found.places.insert(module, place);
            }
        }
        found
    }

    /// The weights of a module, by its name with points or with underscores.
    pub fn find(&self, module: &str) -> Option<&Place> {
        self.places.get(module).or_else(|| self.places.get(self.flat.get(module)?))
    }
}

/// Values that more than one node reads.
fn shared(nodes: &[NodeProto]) -> BTreeSet<&str> {
    let mut seen = BTreeSet::new();
    nodes.iter().flat_map(|node| &node.input).map(String::as_str).filter(|name| !seen.insert(*name)).collect()
}

fn place(node: &NodeProto, tensor: &TensorProto) -> Option<Place> {
    Element::of(tensor)?;
    let shape = tensor.dims.iter().map(|length| usize::try_from(*length).ok()).collect::<Option<Vec<_>>>()?;
    let flag = |name: &str| node.attribute.iter().any(|attribute| attribute.name() == name && attribute.i() != 0);
    let layout = match (node.op_type(), shape.len()) {
        ("Gemm", 2) if flag("transB") => Layout::OutputsFirst,
        ("MatMul" | "Gemm", 2) => Layout::InputsFirst,
        ("Conv", 4) => Layout::Kernel,
        _ => return None,
    };
    Some(Place { initializer: tensor.name().to_owned(), layout, shape })
}

/// The module that owns the weights: from their name where it was kept, or from the path in the node's name,
/// `/down_blocks.0/attentions.0/to_q/MatMul`.
fn module(node: &NodeProto, tensor: &TensorProto) -> Option<String> {
    if let Some(module) = tensor.name().strip_suffix(".weight") {
        return Some(module.to_owned());
    }
    let (path, _) = node.name().strip_prefix('/')?.rsplit_once('/')?;
    Some(path.replace('/', "."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::AttributeProto;

    fn node(name: &str, kind: &str, weights: &str) -> NodeProto {
        NodeProto {
            name: Some(name.to_owned()),
            op_type: Some(kind.to_owned()),
            input: vec!["x".to_owned(), weights.to_owned()],
            ..NodeProto::default()
        }
    }

    fn tensor(name: &str, dims: &[i64]) -> TensorProto {
        TensorProto { name: Some(name.to_owned()), dims: dims.to_vec(), data_type: Some(1), ..TensorProto::default() }
    }

    #[test]
    fn the_node_names_the_module_of_anonymous_weights() {
        let node = node("/down_blocks.0/attn1/to_out.0/MatMul", "MatMul", "onnx::MatMul_7");
        assert_eq!(module(&node, &tensor("onnx::MatMul_7", &[2, 3])).unwrap(), "down_blocks.0.attn1.to_out.0");
        assert_eq!(module(&node, &tensor("conv_in.weight", &[2, 3])).unwrap(), "conv_in");
    }

    #[test]
    fn the_layout_follows_the_operation() {
        let layout = |node: &NodeProto, dims: &[i64]| place(node, &tensor("w", dims)).map(|place| place.layout);
        assert_eq!(layout(&node("", "MatMul", "w"), &[2, 3]), Some(Layout::InputsFirst));
        assert_eq!(layout(&node("", "MatMul", "w"), &[1, 2, 3]), None);
        assert_eq!(layout(&node("", "MatMulNBits", "w"), &[2, 3]), None);
        assert_eq!(layout(&node("", "Conv", "w"), &[2, 3, 1, 1]), Some(Layout::Kernel));
        let mut gemm = node("", "Gemm", "w");
        assert_eq!(layout(&gemm, &[2, 3]), Some(Layout::InputsFirst));
        gemm.attribute.push(AttributeProto {
            name: Some("transB".to_owned()),
            i: Some(1),
            ..AttributeProto::default()
        });
        assert_eq!(layout(&gemm, &[2, 3]), Some(Layout::OutputsFirst));
    }

    #[test]
    fn shared_weights_are_nobodys() {
        let nodes = [node("/a/MatMul", "MatMul", "w"), node("/b/MatMul", "MatMul", "w")];
        assert!(shared(&nodes).contains("w"));
    }
}
