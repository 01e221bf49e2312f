//! Which provider runs which part of a graph.
//!
//! A provider takes the nodes that it knows and leaves the rest to the processor, which is right and can be slow. The
//! runtime says it only in its log, when it is asked for every detail: `All nodes placed on [provider]. Number of
//! nodes: n`, or `Node(s) placed on [provider]. Number of nodes: n` for each provider.

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use ort::{
    logging::{LogLevel, LoggerFunction},
    session::{Session, builder::GraphOptimizationLevel},
};

use crate::{device::Provider, error::ExecutorError, onnx::load_graph, runtime::Runtime};

/// How many nodes of an optimised graph each provider runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    nodes: BTreeMap<String, usize>,
}

impl Placement {
    /// Loads a graph as it would be loaded to run, only to see where its nodes are placed. That takes as long and as much
    /// memory as loading it.
    ///
    /// # Errors
    /// Those of loading it; [`ExecutorError::Runtime`] if the runtime does not say where nodes are.
    pub fn of(runtime: &Runtime, provider: Provider, graph: &Path) -> Result<Self, ExecutorError> {
        let found = Arc::new(Mutex::new(Self::default()));
        let builder = provider.register(Session::builder(runtime.environment())?)?;
        let builder = builder.with_optimization_level(GraphOptimizationLevel::All)?;
        let builder = builder.with_logger(listener(found.clone()))?;
        drop(load_graph(builder.with_log_level(LogLevel::Verbose)?, graph)?);
        let placement = found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if placement.nodes.is_empty() {
            return Err(ExecutorError::Runtime { reason: String::from("it does not say where nodes are placed") });
        }
        Ok(placement)
    }

    /// Nodes by the name of the provider that runs them.
    pub const fn nodes(&self) -> &BTreeMap<String, usize> {
        &self.nodes
    }

    /// Nodes of the whole graph.
    pub fn total(&self) -> usize {
        self.nodes.values().sum()
    }

    /// Nodes that a provider runs.
    pub fn on(&self, provider: Provider) -> usize {
        self.nodes.get(provider.name()).copied().unwrap_or(0)
    }

    fn hear(&mut self, line: &str) {
        if let Some((provider, nodes)) = placed(line) {
            self.nodes.insert(provider.to_owned(), nodes);
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        let each = self.nodes.iter().map(|(provider, nodes)| format!("{provider} {nodes} of {total} nodes"));
        f.write_str(&each.collect::<Vec<_>>().join(", "))
    }
}

fn listener(found: Arc<Mutex<Placement>>) -> LoggerFunction {
    Arc::new(move |_level, _category, _id, _location, message| {
        found.lock().unwrap_or_else(PoisonError::into_inner).hear(message);
    })
}

/// The provider and the number of nodes of a line about placements.
fn placed(line: &str) -> Option<(&str, usize)> {
    let (_, rest) = line.split_once("placed on [")?;
    let (provider, rest) = rest.split_once(']')?;
    let (_, number) = rest.split_once("Number of nodes: ")?;
    let digits = number.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(number.len());
    Some((provider, number[..digits].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_about_placements_count() {
        for line in
            ["Node placements", "  MatMul (/layers.0/q)", "placed on [x]", "placed on [x]. Number of nodes: many"]
        {
            assert_eq!(placed(line), None, "{line}");
        }
        let line = " All nodes placed on [CPUExecutionProvider]. Number of nodes: 42";
        assert_eq!(placed(line), Some(("CPUExecutionProvider", 42)));
    }

    #[test]
    fn several_providers_are_added_up() {
        let mut placement = Placement::default();
        placement.hear(" Node(s) placed on [CUDAExecutionProvider]. Number of nodes: 40");
        placement.hear(" Node(s) placed on [CPUExecutionProvider]. Number of nodes: 2");
        assert_eq!((placement.total(), placement.on(Provider::Cuda(0)), placement.on(Provider::Cpu)), (42, 40, 2));
        let text = "CPUExecutionProvider 2 of 42 nodes, CUDAExecutionProvider 40 of 42 nodes";
        assert_eq!(placement.to_string(), text);
    }
}
