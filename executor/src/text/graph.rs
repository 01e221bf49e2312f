//! What a decoder graph's inputs and outputs are for, from their names and types.

use std::path::Path;

use ort::value::{Outlet, TensorElementType, ValueType};

use crate::error::ExecutorError;

const PAST: &str = "past_key_values.";
const PRESENT: &str = "present.";

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
    pub(super) attention_mask: bool,
    pub(super) position_ids: bool,
    pub(super) caches: Vec<CachePort>,
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
    /// Finds the role of every input; one without a role means that the graph needs something else to run. `path` is
    /// named in errors.
    pub fn find(inputs: &[Port], outputs: &[Port], path: &Path) -> Result<Self, ExecutorError> {
        let unsupported = |reason| ExecutorError::GraphUnsupported { path: path.to_owned(), reason };
        Self::match_ports(inputs, outputs).map_err(unsupported)
    }

    fn match_ports(inputs: &[Port], outputs: &[Port]) -> Result<Self, String> {
        let mut roles = Self { attention_mask: false, position_ids: false, caches: Vec::new() };
        let mut reads_tokens = false;
        for port in inputs {
            match port.name.as_str() {
                "input_ids" => reads_tokens = is_integer(port)?,
                "attention_mask" => roles.attention_mask = is_integer(port)?,
                "position_ids" => roles.position_ids = is_integer(port)?,
                name if name.starts_with(PAST) => roles.caches.push(CachePort::find(port, outputs)?),
                name => return Err(format!("nothing is known to feed its input {name}")),
            }
        }
        if !reads_tokens {
            return Err("it has no input input_ids".to_owned());
        }
        if roles.caches.is_empty() {
            return Err(format!("it has no KV cache (inputs {PAST}N.key and {PAST}N.value)"));
        }
        check_logits(outputs)?;
        Ok(roles)
    }
}

impl CachePort {
    fn find(past: &Port, outputs: &[Port]) -> Result<Self, String> {
        let present = past.name.replacen(PAST, PRESENT, 1);
        if !outputs.iter().any(|port| port.name == present) {
            return Err(format!("it has the input {} and no output {present}", past.name));
        }
        match (past.element, past.shape.as_slice()) {
            (Some(element), &[_, heads, _, head_size]) if heads > 0 && head_size > 0 => {
                Ok(Self { past: past.name.clone(), present, element, heads, head_size })
            }
            (_, shape) => {
                Err(format!("its input {} has the shape {shape:?}, not [batch, heads, past, size]", past.name))
            }
        }
    }
}

fn is_integer(port: &Port) -> Result<bool, String> {
    match port.element {
        Some(TensorElementType::Int64) => Ok(true),
        other => Err(format!("its input {} has elements {other:?}, not Int64", port.name)),
    }
}

fn check_logits(outputs: &[Port]) -> Result<(), String> {
    let logits = outputs.iter().find(|port| port.name == "logits").ok_or("it has no output logits")?;
    match logits.element {
        Some(TensorElementType::Float32) => Ok(()),
        other => Err(format!("its logits have elements {other:?}, not Float32")),
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

    fn refusal(change: impl FnOnce(&mut Vec<Port>, &mut Vec<Port>)) -> String {
        let (mut inputs, mut outputs) = llama();
        change(&mut inputs, &mut outputs);
        let error = GraphRoles::find(&inputs, &outputs, Path::new("model.onnx")).unwrap_err();
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
        let branch = port("use_cache_branch", TensorElementType::Bool, &[1]);
        assert!(refusal(|inputs, _| inputs.push(branch)).contains("use_cache_branch"));
    }

    #[test]
    fn types_and_shapes_that_would_be_fed_wrongly_are_refused() {
        assert!(refusal(|inputs, _| inputs[0].element = Some(TensorElementType::Int32)).contains("Int32"));
        assert!(refusal(|inputs, _| inputs[1].element = None).contains("attention_mask"));
        assert!(refusal(|inputs, _| inputs[3].shape = vec![-1, 2, -1]).contains("past_key_values.0.key"));
        assert!(refusal(|inputs, _| inputs[3].shape = vec![-1, -1, -1, 32]).contains("past_key_values.0.key"));
        assert!(refusal(|_, outputs| outputs[0].element = Some(TensorElementType::Float16)).contains("Float16"));
    }

    #[test]
    fn roles_follow_the_graph_not_its_family() {
        let (mut inputs, outputs) = llama();
        let roles = GraphRoles::find(&inputs, &outputs, Path::new("model.onnx")).unwrap();
        assert!(roles.attention_mask && roles.position_ids);
        assert_eq!(roles.caches.len(), 2);
        inputs.retain(|port| !["attention_mask", "position_ids"].contains(&port.name.as_str()));
        let roles = GraphRoles::find(&inputs, &outputs, Path::new("model.onnx")).unwrap();
        assert!(!roles.attention_mask && !roles.position_ids);
    }
}
