//! What a decoder graph's inputs and outputs are for, from their names and types.

use std::path::{Path, PathBuf};

use ort::value::{Outlet, TensorElementType, ValueType};

use crate::error::ExecutorError;

/// Stands for the number of the layer in the names of the cache.
const LAYER: &str = "%d";

/// What a graph calls its inputs and outputs. The default is what Optimum and transformers.js write; a genai
/// configuration may say otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortNames {
    /// Input: tokens, `[rows, tokens]`.
    pub tokens: String,
    /// Input: 1 for every token that may be seen, `[rows, past + tokens]`.
    pub mask: String,
    /// Input: place of every token in its row, `[rows, tokens]`.
    pub positions: String,
    /// Input: keys and values of earlier tokens, with `%d` for the layer.
    pub past: [String; 2],
    /// Output: the same with the new tokens.
    pub present: [String; 2],
    /// Output: `[rows, tokens, vocabulary]`, or only after the last token.
    pub logits: String,
}

impl Default for PortNames {
    fn default() -> Self {
        Self {
            tokens: "input_ids".to_owned(),
            mask: "attention_mask".to_owned(),
            positions: "position_ids".to_owned(),
            past: [String::from("past_key_values.%d.key"), String::from("past_key_values.%d.value")],
            present: [String::from("present.%d.key"), String::from("present.%d.value")],
            logits: "logits".to_owned(),
        }
    }
}

/// Where the graphs of a decoder are and what they call their inputs and outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderFiles {
    /// The graph that reads prompts, where that is another than the one that continues them.
    pub first: Option<PathBuf>,
    /// The graph.
    pub graph: PathBuf,
    /// Its names.
    pub names: PortNames,
    /// The dimensions of its cache, for graphs that do not say.
    pub cache: CacheShape,
}

/// The fixed dimensions of a KV cache `[rows, heads, tokens, size]`, as far as a model's configuration says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheShape {
    /// Heads of keys and values.
    pub heads: Option<i64>,
    /// Numbers per head.
    pub head_size: Option<i64>,
}

impl DecoderFiles {
    /// One graph with the usual names.
    pub fn single(graph: impl Into<PathBuf>) -> Self {
        Self { first: None, graph: graph.into(), names: PortNames::default(), cache: CacheShape::default() }
    }
}

/// Input of merged graphs: whether there are earlier tokens.
const BRANCH: &str = "use_cache_branch";
/// Inputs that say after how many of the last tokens logits are wanted.
const KEEP: [&str; 2] = ["num_logits_to_keep", "logits_to_keep"];

/// One input or output of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The type of its numbers; `None` if it is not a tensor.
    pub element: Option<TensorElementType>,
    /// Its dimensions, -1 where they vary.
    pub shape: Vec<i64>,
}

/// An input of whole numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IntPort {
    pub(super) name: String,
    /// 32 bits instead of 64.
    pub(super) narrow: bool,
    /// Dimensions.
    pub(super) rank: usize,
}

/// One tensor of the KV cache: read as `past`, written as `present`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CachePort {
    pub(super) past: String,
    pub(super) present: String,
    pub(super) element: TensorElementType,
    pub(super) heads: i64,
    pub(super) head_size: i64,
}

/// The roles of a decoder's inputs and outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphRoles {
    pub(super) tokens: IntPort,
    pub(super) mask: Option<IntPort>,
    pub(super) positions: Option<IntPort>,
    pub(super) branch: Option<String>,
    pub(super) keep: Option<IntPort>,
    pub(super) caches: Vec<CachePort>,
    pub(super) logits: String,
}

impl Port {
    pub(super) fn of(outlet: &Outlet) -> Self {
        let name = outlet.name().to_owned();
        match outlet.dtype() {
            ValueType::Tensor { ty, shape, .. } => Self { name, element: Some(*ty), shape: shape.to_vec() },
            _ => Self { name, element: None, shape: Vec::new() },
        }
    }
}

impl GraphRoles {
    /// Finds the role of every input; one without a role means that the graph needs something else to run.
    pub fn find(files: &DecoderFiles, inputs: &[Port], outputs: &[Port]) -> Result<Self, ExecutorError> {
        let unsupported = |reason| ExecutorError::GraphUnsupported { path: files.graph.clone(), reason };
        Self::match_ports(files, inputs, outputs).map_err(unsupported)
    }

    /// The roles of the graph that reads prompts where reading them has a graph of its own, without earlier tokens. What
    /// it writes must be what `next` reads.
    pub fn find_first(
        files: &DecoderFiles,
        inputs: &[Port],
        outputs: &[Port],
        next: &Self,
        path: &Path,
    ) -> Result<Self, ExecutorError> {
        let unsupported = |reason| ExecutorError::GraphUnsupported { path: path.to_owned(), reason };
        let mut roles = Self::inputs(files, inputs, &[]).map_err(unsupported)?;
        check_logits(&files.names, outputs).map_err(unsupported)?;
        let missing = next.caches.iter().find(|cache| !outputs.iter().any(|port| port.name == cache.present));
        if let Some(cache) = missing {
            return Err(unsupported(format!("it has no output {}", cache.present)));
        }
        roles.caches.clone_from(&next.caches);
        Ok(roles)
    }

    fn match_ports(files: &DecoderFiles, inputs: &[Port], outputs: &[Port]) -> Result<Self, String> {
        let names = &files.names;
        let roles = Self::inputs(files, inputs, outputs)?;
        if roles.caches.is_empty() {
            return Err(format!("it has no KV cache (inputs {} and {})", names.past[0], names.past[1]));
        }
        check_logits(names, outputs)?;
        Ok(roles)
    }

    fn inputs(files: &DecoderFiles, inputs: &[Port], outputs: &[Port]) -> Result<Self, String> {
        let names = &files.names;
        let (mut tokens, mut mask, mut positions, mut keep, mut branch) = (None, None, None, None, None);
        let mut caches = Vec::new();
        for port in inputs {
            match &port.name {
                name if *name == names.tokens => tokens = Some(IntPort::of(port)?),
                name if *name == names.mask => mask = Some(IntPort::of(port)?),
                name if *name == names.positions => positions = Some(IntPort::of(port)?),
                name if KEEP.contains(&name.as_str()) => keep = Some(IntPort::of(port)?),
                name if name == BRANCH => branch = Some(name.clone()),
                name => match names.present_of(name) {
                    Some(present) => caches.push(CachePort::find(port, present, outputs, files.cache)?),
                    None => return Err(format!("nothing is known to feed its input {name}")),
                },
            }
        }
        let tokens = tokens.ok_or_else(|| format!("it has no input {}", names.tokens))?;
        Ok(Self { tokens, mask, positions, branch, keep, caches, logits: names.logits.clone() })
    }

    /// Numbers that the cache holds for each token of a row, and bytes.
    pub fn cache_bytes_per_token(&self) -> usize {
        let bytes = |cache: &CachePort| {
            let numbers = usize::try_from(cache.heads * cache.head_size).unwrap_or(0);
            cache.element.byte_size(numbers).unwrap_or(0)
        };
        self.caches.iter().map(bytes).sum()
    }

    /// In words: which inputs the graph has beside the tokens.
    pub fn describe(&self) -> String {
        let known = [&self.mask, &self.positions, &self.keep].into_iter().flatten().map(|port| port.name.clone());
        let mut words: Vec<_> = known.chain(self.branch.clone()).collect();
        words.push(format!("{} cache tensors", self.caches.len()));
        words.join(", ")
    }
}

impl PortNames {
    /// The output that continues this input of the cache, if it is one.
    fn present_of(&self, past: &str) -> Option<String> {
        let pairs = self.past.iter().zip(&self.present);
        pairs.into_iter().find_map(|(pattern, present)| Some(present.replacen(LAYER, layer(pattern, past)?, 1)))
    }
}

/// The layer's number in a name that follows the pattern.
fn layer<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    let (before, after) = pattern.split_once(LAYER)?;
    let number = name.strip_prefix(before)?.strip_suffix(after)?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

impl IntPort {
    fn of(port: &Port) -> Result<Self, String> {
        let narrow = match port.element {
            Some(TensorElementType::Int64) => false,
            Some(TensorElementType::Int32) => true,
            other => return Err(format!("its input {} has elements {other:?}, not Int64 or Int32", port.name)),
        };
        Ok(Self { name: port.name.clone(), narrow, rank: port.shape.len() })
    }
}

impl CachePort {
    fn find(past: &Port, present: String, outputs: &[Port], shape: CacheShape) -> Result<Self, String> {
        if !outputs.iter().any(|port| port.name == present) {
            return Err(format!("it has the input {} and no output {present}", past.name));
        }
        let known = |size: i64, configured| Some(size).filter(|size| *size > 0).or(configured);
        let &[_, heads, _, head_size] = past.shape.as_slice() else {
            return Err(format!(
                "its input {} has the shape {:?}, not [rows, heads, past, size]",
                past.name, past.shape
            ));
        };
        match (past.element, known(heads, shape.heads), known(head_size, shape.head_size)) {
            (Some(element), Some(heads), Some(head_size)) => {
                Ok(Self { past: past.name.clone(), present, element, heads, head_size })
            }
            _ => Err(format!(
                "neither its input {} nor the model's configuration says how many heads of which size there are",
                past.name
            )),
        }
    }
}

fn check_logits(names: &PortNames, outputs: &[Port]) -> Result<(), String> {
    let name = &names.logits;
    let logits = outputs.iter().find(|port| port.name == *name).ok_or_else(|| format!("it has no output {name}"))?;
    match logits.element {
        Some(TensorElementType::Float32 | TensorElementType::Float16) => Ok(()),
        other => Err(format!("its {name} have elements {other:?}, not Float32 or Float16")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str, element: TensorElementType, shape: &[i64]) -> Port {
        Port { name: name.to_owned(), element: Some(element), shape: shape.to_vec() }
    }

    fn llama() -> (Vec<Port>, Vec<Port>) {
        let (int, float) = (TensorElementType::Int64, TensorElementType::Float32);
        let inputs = vec![
            port("input_ids", int, &[-1, -1]),
            port("attention_mask", int, &[-1, -1]),
            port("position_ids", int, &[-1, -1]),
            port("past_key_values.0.key", float, &[-1, 2, -1, 32]),
            port("past_key_values.0.value", float, &[-1, 2, -1, 32]),
        ];
        let outputs = vec![
            port("logits", float, &[-1, -1, 512]),
            port("present.0.key", float, &[-1, 2, -1, 32]),
            port("present.0.value", float, &[-1, 2, -1, 32]),
        ];
        (inputs, outputs)
    }

    fn found(inputs: &[Port], outputs: &[Port]) -> Result<GraphRoles, ExecutorError> {
        GraphRoles::find(&DecoderFiles::single("model.onnx"), inputs, outputs)
    }

    fn refusal(change: impl FnOnce(&mut Vec<Port>, &mut Vec<Port>)) -> String {
        let (mut inputs, mut outputs) = llama();
        change(&mut inputs, &mut outputs);
        let error = found(&inputs, &outputs).unwrap_err();
        assert_eq!(error.code(), "XE-027");
        error.to_string()
    }

    #[test]
    fn what_a_graph_lacks_is_named() {
        assert!(refusal(|inputs, _| drop(inputs.remove(0))).contains("input_ids"));
        assert!(refusal(|inputs, _| inputs.truncate(3)).contains("KV cache"));
        assert!(refusal(|_, outputs| drop(outputs.remove(0))).contains("logits"));
        assert!(refusal(|_, outputs| drop(outputs.remove(1))).contains("present.0.key"));
    }

    #[test]
    fn an_input_of_unknown_use_is_named() {
        for name in ["encoder_hidden_states", "past_key_values.x.key", "past_key_values..key", "inputs_embeds"] {
            let unknown = port(name, TensorElementType::Float32, &[-1, 2, -1, 32]);
            assert!(refusal(|inputs, _| inputs.push(unknown)).contains(name));
        }
    }

    #[test]
    fn types_and_shapes_that_would_be_fed_wrongly_are_refused() {
        assert!(refusal(|inputs, _| inputs[0].element = Some(TensorElementType::Int8)).contains("Int8"));
        assert!(refusal(|inputs, _| inputs[1].element = None).contains("attention_mask"));
        assert!(refusal(|inputs, _| inputs[3].shape = vec![-1, 2, -1]).contains("past_key_values.0.key"));
        assert!(refusal(|inputs, _| inputs[3].shape = vec![-1, -1, -1, 32]).contains("past_key_values.0.key"));
        assert!(refusal(|_, outputs| outputs[0].element = Some(TensorElementType::Int64)).contains("Int64"));
    }

    #[test]
    fn roles_follow_the_graph_not_its_family() {
        let (mut inputs, outputs) = llama();
        let roles = found(&inputs, &outputs).unwrap();
        assert!(roles.mask.is_some() && roles.positions.is_some() && roles.branch.is_none());
        assert_eq!(roles.cache_bytes_per_token(), 2 * 2 * 32 * 4);
        inputs.retain(|port| !["attention_mask", "position_ids"].contains(&port.name.as_str()));
        inputs.push(port(BRANCH, TensorElementType::Bool, &[1]));
        inputs[0].element = Some(TensorElementType::Int32);
        let roles = found(&inputs, &outputs).unwrap();
        assert!(roles.mask.is_none() && roles.positions.is_none() && roles.branch.is_some() && roles.tokens.narrow);
    }

    #[test]
    fn dimensions_that_the_graph_leaves_open_come_from_the_configuration() {
        let (mut inputs, outputs) = llama();
        for port in &mut inputs[3..] {
            port.shape = vec![-1, -1, -1, -1];
        }
        let cache = CacheShape { heads: Some(2), head_size: Some(32) };
        let files = DecoderFiles { cache, ..DecoderFiles::single("m") };
        assert_eq!(GraphRoles::find(&files, &inputs, &outputs).unwrap().cache_bytes_per_token(), 2 * 2 * 32 * 4);
        assert!(found(&inputs, &outputs).unwrap_err().to_string().contains("how many heads"));
    }

    #[test]
    fn names_may_follow_other_patterns() {
        let (mut inputs, mut outputs) = llama();
        inputs[3].name = "past_0_k".to_owned();
        inputs[4].name = "past_0_v".to_owned();
        outputs[1].name = "now_0_k".to_owned();
        outputs[2].name = "now_0_v".to_owned();
        let names = PortNames {
            past: ["past_%d_k".to_owned(), "past_%d_v".to_owned()],
            present: ["now_%d_k".to_owned(), "now_%d_v".to_owned()],
            ..PortNames::default()
        };
        let files = DecoderFiles { names, ..DecoderFiles::single("m") };
        let roles = GraphRoles::find(&files, &inputs, &outputs).unwrap();
        let pairs: Vec<_> = roles.caches.iter().map(|cache| (cache.past.as_str(), cache.present.as_str())).collect();
        assert_eq!(pairs, [("past_0_k", "now_0_k"), ("past_0_v", "now_0_v")]);
    }

    #[test]
    fn a_graph_for_prompts_must_write_what_the_other_reads() {
        let (inputs, mut outputs) = llama();
        let next = found(&inputs, &outputs).unwrap();
        let first = |outputs: &[Port]| {
            GraphRoles::find_first(&DecoderFiles::single("m"), &inputs[..3], outputs, &next, Path::new("m"))
        };
        assert_eq!(first(&outputs).unwrap().caches, next.caches);
        outputs.pop();
        assert!(first(&outputs).unwrap_err().to_string().contains("present.0.value"));
    }
}
