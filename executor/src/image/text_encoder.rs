//! Prompts to what the denoiser reads.

use super::{
    graph::{Array, Graph, Host},
    tokenizer::PromptTokenizer,
};
use crate::{error::ExecutorError, image::folder::ImageFolder, onnx::EditedModel};

const HIDDEN_STATES: &str = "hidden_states.";

/// A text encoder with its tokenizer.
#[derive(Debug)]
pub(super) struct TextEncoder {
    tokenizer: PromptTokenizer,
    graph: Graph,
    /// The output that the denoiser reads.
    states: String,
    /// The output that stands for the whole prompt, where the denoiser wants one.
    pooled: Option<String>,
}

/// Which outputs of a text encoder are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// Those of the last layer.
    Last,
    /// Those of the last but one.
    Penultimate {
        /// And the prompt as a whole.
        pooled: bool,
    },
}

/// A prompt, encoded.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    /// `[1, tokens, width]`.
    pub(super) states: Array,
    /// `[1, width]`, where it was asked for.
    pub(super) pooled: Option<Array>,
}

impl TextEncoder {
    pub(super) fn open(
        host: Host,
        folder: &ImageFolder,
        suffix: &str,
        layer: Layer,
        edited: Option<EditedModel>,
    ) -> Result<Self, ExecutorError> {
        let tokenizer = PromptTokenizer::read(&folder.part(&format!("tokenizer{suffix}")))?;
        let graph = Graph::open(host, &folder.graph(&format!("text_encoder{suffix}")), edited)?;
        graph.feeds_only(&["input_ids"])?;
        let states = match layer {
            Layer::Last => named_or_first(&graph, "last_hidden_state")?,
            Layer::Penultimate { .. } => penultimate(&graph)?,
        };
        let pooled = match layer {
            Layer::Penultimate { pooled: true } => Some(named_or_first(&graph, "text_embeds")?),
            _ => None,
        };
        Ok(Self { tokenizer, graph, states, pooled })
    }

    pub(super) fn encode(&mut self, prompt: &str) -> Result<Encoded, ExecutorError> {
        let ids = self.tokenizer.encode(prompt)?;
        #[expect(clippy::cast_precision_loss, reason = "tokens are below 2^24")]
        let ids = Array::new(vec![1, ids.len()], ids.into_iter().map(|id| id as f32).collect());
        let ids = self.graph.value("input_ids", &ids)?;
        let wanted: Vec<&str> = std::iter::once(&self.states).chain(&self.pooled).map(String::as_str).collect();
        let mut outputs = self.graph.run(&[("input_ids", &ids)], &wanted)?.into_iter();
        let missing = || ExecutorError::Runtime { reason: "the text encoder returned nothing".to_owned() };
        Ok(Encoded { states: outputs.next().ok_or_else(missing)?, pooled: outputs.next() })
    }

    pub(super) const fn graph_mut(&mut self) -> &mut Graph {
        &mut self.graph
    }
}

fn named_or_first(graph: &Graph, name: &str) -> Result<String, ExecutorError> {
    let outputs = graph.outputs();
    let found = outputs.iter().find(|port| port.name == name).or_else(|| outputs.first());
    found.map(|port| port.name.clone()).ok_or_else(|| graph.unsupported("it has no outputs").into())
}

/// The outputs of all layers are numbered; the last but one is wanted.
fn penultimate(graph: &Graph) -> Result<String, ExecutorError> {
    let numbers = graph.outputs().iter().filter_map(|port| port.name.strip_prefix(HIDDEN_STATES)?.parse::<u32>().ok());
    let last = numbers.max().filter(|last| *last > 0);
    let last = last.ok_or_else(|| graph.unsupported(format!("it has no outputs {HIDDEN_STATES}N")))?;
    Ok(format!("{HIDDEN_STATES}{}", last - 1))
}
