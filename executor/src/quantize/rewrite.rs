//! Puts products with quantised matrices into a graph in the place of others, and says which matrices they need.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    path::Path,
};

use super::{
    Format, QuantizeError,
    blocks::Layout,
    report::Outcome,
    weights::{Scope, Source, hoist, reads, resolve, subgraphs, subgraphs_mut},
};
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto};

/// The domain of ONNX Runtime's own operators.
pub(super) const DOMAIN: &str = "com.microsoft";
const OPERATOR: &str = "MatMulNBits";
/// How exact the operator computes: 4 lets it round the other factor to eight bits, block by block, as llama.cpp and
/// onnxruntime-genai do; there is a fast way to multiply integers on most processors.
const ACCURACY_LEVEL: i64 = 4;
/// `AttributeProto.AttributeType`: the attribute is an integer.
const INTEGER: i32 = 2;
/// `TensorProto.DataType`: 32-bit floating point.
const FLOAT32: i32 = 1;

/// Operators on quantised numbers. Some graphs hold others beside them; such a graph was left so by whoever made it.
const QUANTISED: [&str; 14] = [
    "MatMulNBits",
    "MatMulBnb4",
    "MatMulFpQ4",
    "MatMulInteger",
    "MatMulInteger16",
    "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul",
    "DynamicQuantizeLinear",
    "QLinearMatMul",
    "QGemm",
    "QMoE",
    "DequantizeLinear",
    "QuantizeLinear",
    "GatherBlockQuantized",
];

/// A matrix that products need, and what the quantised one is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) name: String,
    pub(super) layout: Layout,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) codes: String,
    pub(super) scales: String,
    /// How many products of each operator read it.
    products: BTreeMap<String, usize>,
}

/// What is to be done about the constants of one graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Matrices to quantise.
    pub(super) needs: Vec<Need>,
    /// Constants that nothing reads any more.
    pub(super) dead: BTreeSet<String>,
}

/// A graph and those in it, rewritten.
#[derive(Debug)]
pub(super) struct Rewrite {
    format: Format,
    /// Names that are taken, in all graphs: those of new constants differ from them.
    taken: BTreeSet<String>,
    /// Matrices that are needed, of graphs that are not finished: by depth, name and layout.
    wanted: BTreeMap<(usize, String, Layout), Need>,
    /// For each graph, inner ones before those around them.
    pub(super) plans: Vec<Plan>,
    /// Products by operator and what became of them.
    pub(super) products: BTreeMap<(String, Outcome), usize>,
}

impl Need {
    /// Counts a product of this operator, and gives it the names of the quantised matrix and of its scales.
    fn serve(&mut self, operator: &str) -> [String; 2] {
        *self.products.entry(operator.to_owned()).or_default() += 1;
        [self.codes.clone(), self.scales.clone()]
    }

    /// Bytes of the matrix in 32 bits.
    pub(super) fn bytes(&self) -> u64 {
        (self.inputs * self.outputs * size_of::<f32>()) as u64
    }
}

impl Rewrite {
    /// Rewrites a graph. Its new constants are only named: they are not in it yet.
    pub(super) fn new(graph: &mut GraphProto, format: Format) -> Self {
        let mut taken = BTreeSet::new();
        take_names(graph, &mut taken);
        let mut rewrite = Self { format, taken, wanted: BTreeMap::new(), plans: Vec::new(), products: BTreeMap::new() };
        rewrite.visit(graph, &mut Vec::new());
        rewrite
    }

    /// Why nothing was quantised, if nothing was.
    pub(super) fn check(&self, path: &Path) -> Result<(), QuantizeError> {
        if self.products.keys().any(|(_, outcome)| outcome.is_quantised()) {
            return Ok(());
        }
        let other = self.products.keys().find_map(|(_, outcome)| match outcome {
            Outcome::OtherElement(element) => Some(*element),
            _ => None,
        });
        if let Some(element) = other {
            return Err(QuantizeError::OtherPrecision { path: path.to_owned(), element });
        }
        let described = self.products.iter().map(|((operator, why), count)| format!("{count} {operator}, {why}"));
        let found = described.collect::<Vec<_>>().join("; ");
        let found = if found.is_empty() { "no MatMul or Gemm at all".to_owned() } else { found };
        Err(QuantizeError::NothingToQuantise { path: path.to_owned(), found })
    }

    fn visit(&mut self, graph: &mut GraphProto, scopes: &mut Vec<Scope>) {
        hoist(graph);
        scopes.push(Scope::of(graph));
        for mut node in mem::take(&mut graph.node) {
            for inner in subgraphs_mut(&mut node) {
                self.visit(inner, scopes);
            }
            match self.product(&node, scopes) {
                Some(nodes) => graph.node.extend(nodes),
                None => graph.node.push(node),
            }
        }
        let scope = scopes.pop().unwrap_or_default();
        self.finish(graph, &scope, scopes.len());
    }

    /// Drops what nothing reads any more, and makes the plan of a graph whose nodes are rewritten.
    fn finish(&mut self, graph: &mut GraphProto, scope: &Scope, depth: usize) {
        drop_views(graph, scope);
        let wanted = self.wanted.split_off(&(depth, String::new(), Layout::InputsFirst));
        let needs: Vec<Need> = wanted.into_values().collect();
        let read = reads(graph);
        let is_dead = |need: &&Need| !read.contains(need.name.as_str());
        let dead: BTreeSet<_> = needs.iter().filter(is_dead).map(|need| need.name.clone()).collect();
        for need in &needs {
            let outcome = if dead.contains(&need.name) { Outcome::Quantised } else { Outcome::QuantisedAndKept };
            for (operator, count) in &need.products {
                *self.products.entry((operator.clone(), outcome)).or_default() += count;
            }
        }
        // Older files list their constants as inputs too.
        graph.input.retain(|input| !dead.contains(input.name()));
        self.plans.push(Plan { needs, dead });
    }

    /// The nodes in the place of a product; `None` if it stays.
    fn product(&mut self, node: &NodeProto, scopes: &[Scope]) -> Option<Vec<NodeProto>> {
        if !matches!(node.op_type(), "MatMul" | "Gemm") || !matches!(node.domain(), "" | "ai.onnx") {
            return None;
        }
        match matrix(node, scopes) {
            Ok((source, inputs, outputs)) => Some(self.replace(node, source, inputs, outputs)),
            Err(outcome) => {
                *self.products.entry((node.op_type().to_owned(), outcome)).or_default() += 1;
                None
            }
        }
    }

    fn replace(&mut self, node: &NodeProto, source: Source, inputs: usize, outputs: usize) -> Vec<NodeProto> {
        let key = (source.depth, source.name, source.layout);
        if !self.wanted.contains_key(&key) {
            let need = self.need(&key.1, source.layout, inputs, outputs);
            self.wanted.insert(key.clone(), need);
        }
        let names = self.wanted.get_mut(&key).map(|need| need.serve(node.op_type())).unwrap_or_default();
        let product = multiply(node, names, inputs, outputs, self.format);
        match (node.op_type(), node.input.get(2).filter(|bias| !bias.is_empty())) {
            ("Gemm", Some(bias)) => self.with_bias(node, product, bias.clone()),
            _ => vec![product],
        }
    }

    /// The sum of a Gemm as a node of its own: not every provider adds within the product.
    fn with_bias(&mut self, node: &NodeProto, mut product: NodeProto, bias: String) -> Vec<NodeProto> {
        let between = self.fresh(&format!("{}_product", node.output.first().map_or("", String::as_str)));
        let sum = NodeProto {
            input: vec![between.clone(), bias],
            output: mem::replace(&mut product.output, vec![between]),
            name: node.name.as_ref().map(|name| format!("{name}_bias")),
            op_type: Some("Add".to_owned()),
            ..NodeProto::default()
        };
        vec![product, sum]
    }

    fn need(&mut self, name: &str, layout: Layout, inputs: usize, outputs: usize) -> Need {
        let codes = self.fresh(&format!("{name}_Q{}", u8::from(self.format.bits)));
        let scales = self.fresh(&format!("{name}_scales"));
        Need { name: name.to_owned(), layout, inputs, outputs, codes, scales, products: BTreeMap::new() }
    }

    /// A name that no value has.
    fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }
}

/// The constant matrix of a product with its inputs and outputs, or why there is none.
fn matrix(node: &NodeProto, scopes: &[Scope]) -> Result<(Source, usize, usize), Outcome> {
    let name = node.input.get(1).ok_or(Outcome::Computed)?;
    let mut source = resolve(scopes, name).ok_or(Outcome::Computed)?;
    let length = |length: &i64| usize::try_from(*length).ok().filter(|length| *length > 0);
    let [rows, columns] = source.dims.as_slice() else { return Err(Outcome::NotMatrix) };
    let (rows, columns) = length(rows).zip(length(columns)).ok_or(Outcome::NotMatrix)?;
    if source.element != FLOAT32 {
        return Err(Outcome::OtherElement(element_name(source.element)));
    }
    if node.op_type() == "Gemm" {
        if !is_plain(node) {
            return Err(Outcome::Scaled);
        }
        let transposed = integer(node, "transB") != 0;
        source.layout = if transposed { source.layout.transposed() } else { source.layout };
    }
    let (inputs, outputs) = if source.layout == Layout::InputsFirst { (rows, columns) } else { (columns, rows) };
    Ok((source, inputs, outputs))
}

/// True for a Gemm that is a product and a sum, and no more.
#[expect(clippy::float_cmp, reason = "a factor of one is written as one")]
fn is_plain(node: &NodeProto) -> bool {
    let factor = |name: &str| {
        node.attribute.iter().find(|attribute| attribute.name() == name).is_none_or(|attribute| attribute.f() == 1.0)
    };
    factor("alpha") && factor("beta") && integer(node, "transA") == 0
}

fn integer(node: &NodeProto, name: &str) -> i64 {
    node.attribute.iter().find(|attribute| attribute.name() == name).map_or(0, AttributeProto::i)
}

/// The product with a quantised matrix.
fn multiply(node: &NodeProto, matrix: [String; 2], inputs: usize, outputs: usize, format: Format) -> NodeProto {
    let number = |name: &str, value: usize| attribute(name, i64::try_from(value).unwrap_or(i64::MAX));
    NodeProto {
        input: node.input.iter().take(1).cloned().chain(matrix).collect(),
        op_type: Some(OPERATOR.to_owned()),
        domain: Some(DOMAIN.to_owned()),
        attribute: vec![
            number("K", inputs),
            number("N", outputs),
            attribute("bits", u8::from(format.bits).into()),
            number("block_size", format.block.get()),
            attribute("accuracy_level", ACCURACY_LEVEL),
        ],
        ..node.clone()
    }
}

fn attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(INTEGER), i: Some(value), ..AttributeProto::default() }
}

/// Drops transpositions and the like of constants that nothing reads any more.
fn drop_views(graph: &mut GraphProto, scope: &Scope) {
    loop {
        let before = graph.node.len();
        let read: BTreeSet<String> = reads(graph).into_iter().map(ToOwned::to_owned).collect();
        let is_needed = |name: &String| read.contains(name) || !scope.is_view(name);
        graph.node.retain(|node| node.output.is_empty() || node.output.iter().any(is_needed));
        if graph.node.len() == before {
            return;
        }
    }
}

fn take_names(graph: &GraphProto, taken: &mut BTreeSet<String>) {
    taken.extend(graph.initializer.iter().map(|tensor| tensor.name().to_owned()));
    taken.extend(graph.input.iter().map(|input| input.name().to_owned()));
    for node in &graph.node {
        taken.extend(node.output.iter().cloned());
        subgraphs(node).for_each(|inner| take_names(inner, taken));
    }
}

/// The first operator on quantised numbers, in a graph or those in it.
pub(super) fn quantised_operator(graph: &GraphProto) -> Option<&str> {
    let of = |node| {
        let own = Some(NodeProto::op_type(node)).filter(|operator| QUANTISED.contains(operator));
        own.or_else(|| subgraphs(node).find_map(quantised_operator))
    };
    graph.node.iter().find_map(of)
}

/// What a type of numbers is called, of those that weights come in.
const fn element_name(element: i32) -> &'static str {
    match element {
        10 => "16-bit numbers (fp16)",
        16 => "16-bit numbers (bf16)",
        11 => "64-bit numbers",
        _ => "numbers of a type that is no weights'",
    }
}
