//! The network that finds the noise in a latent.

use ort::value::{DynValue, TensorElementType};
use serde_json::Value;

use super::{
    ImageError,
    folder::ImageFolder,
    graph::{Array, Graph, Host},
};
use crate::{error::ExecutorError, onnx::EditedModel};

const SAMPLE: &str = "sample";
const TIMESTEP: &str = "timestep";
const PROMPT: &str = "encoder_hidden_states";
const GUIDANCE: &str = "timestep_cond";
const POOLED: &str = "text_embeds";
const SIZES: &str = "time_ids";
/// Channels, values and timesteps that a file can ask for; none that is in use comes near.
const MOST: usize = 4096;

/// What the denoiser is told besides latent and timestep, for one or two rows: without a prompt and with one.
#[derive(Debug)]
pub(super) struct Condition {
    rows: usize,
    values: Vec<(&'static str, DynValue)>,
}

/// What a prompt comes to for the denoiser.
#[derive(Clone, Debug)]
pub(super) struct PromptStates {
    /// `[1, tokens, width]`.
    pub(super) states: Array,
    /// `[1, width]`, for those that want it.
    pub(super) pooled: Option<Array>,
}

/// The `UNet` of a pipeline.
///
/// With guidance it runs once a step with two rows, without and with the prompt, or twice with one row if the graph was
/// exported for one. Each picture runs by itself, so that its bytes do not depend on how many were asked for.
#[derive(Debug)]
pub(super) struct Denoiser {
    graph: Graph,
    output: String,
    channels: usize,
    /// Values by which guidance is told to the network itself, for those that were distilled so.
    guidance_width: Option<usize>,
    /// Whether the timestep has a dimension, and the length of that.
    timestep_shape: Vec<usize>,
    most_rows: usize,
}

impl Denoiser {
    pub(super) fn open(host: Host, folder: &ImageFolder, edited: Option<EditedModel>) -> Result<Self, ExecutorError> {
        let graph = Graph::open(host, &folder.graph("unet"), edited)?;
        graph.feeds_only(&[SAMPLE, TIMESTEP, PROMPT, GUIDANCE, POOLED, SIZES])?;
        let sample = graph.input(SAMPLE)?.shape.clone();
        let rows = sample.first().and_then(|rows| usize::try_from(*rows).ok());
        let timestep = timestep_shape(&graph.input(TIMESTEP)?.shape);
        let timestep_shape =
            timestep.ok_or_else(|| graph.unsupported(format!("the size of its {TIMESTEP} makes no sense")))?;
        let [output] = graph.outputs() else {
            return Err(graph.unsupported("it has not one output").into());
        };
        let (output, config) = (output.name.clone(), folder.config("unet")?);
        let channels = latent_channels(&graph, &config, sample.get(1).copied())?;
        let guidance_width = guidance_width(&graph, &config)?;
        Ok(Self { output, channels, guidance_width, timestep_shape, most_rows: rows.unwrap_or(2), graph })
    }

    /// Channels of a latent.
    pub(super) const fn channels(&self) -> usize {
        self.channels
    }

    /// Whether the network was distilled to be told the guidance, and needs no second row.
    pub(super) const fn is_told_guidance(&self) -> bool {
        self.guidance_width.is_some()
    }

    /// Whether it reads the prompt as a whole too (SDXL).
    pub(super) fn reads_pooled(&self) -> bool {
        self.graph.find_input(POOLED).is_some()
    }

    /// The type of its numbers.
    pub(super) fn element(&self) -> Option<TensorElementType> {
        self.graph.find_input(SAMPLE).map(|port| port.element)
    }

    pub(super) const fn graph_mut(&mut self) -> &mut Graph {
        &mut self.graph
    }

    /// Prepares what is the same in all steps; one for each run that a step takes.
    pub(super) fn conditions(
        &self,
        prompts: &[PromptStates],
        sizes: [f32; 6],
        guidance: f64,
    ) -> Result<Vec<Condition>, ExecutorError> {
        prompts.chunks(self.most_rows.max(1)).map(|rows| self.condition(rows, sizes, guidance)).collect()
    }

    fn condition(&self, rows: &[PromptStates], sizes: [f32; 6], guidance: f64) -> Result<Condition, ExecutorError> {
        let mut values = vec![(PROMPT, self.graph.value(PROMPT, &stacked(rows.iter().map(|row| &row.states)))?)];
        if self.reads_pooled() {
            let pooled = stacked(rows.iter().filter_map(|row| row.pooled.as_ref()));
            values.push((POOLED, self.graph.value(POOLED, &pooled)?));
        }
        if self.graph.find_input(SIZES).is_some() {
            let sizes = Array::new(vec![rows.len(), sizes.len()], sizes.repeat(rows.len()));
            values.push((SIZES, self.graph.value(SIZES, &sizes)?));
        }
        if let Some(width) = self.guidance_width {
            let told = guidance_embedding(guidance - 1.0, width).repeat(rows.len());
            values.push((GUIDANCE, self.graph.value(GUIDANCE, &Array::new(vec![rows.len(), width], told))?));
        }
        Ok(Condition { rows: rows.len(), values })
    }

    /// What the network says to a latent of dimensions `[1, channels, height, width]`: one row for each prompt.
    pub(super) fn run(
        &mut self,
        latent: &Array,
        timestep: f64,
        conditions: &[Condition],
    ) -> Result<Vec<f32>, ExecutorError> {
        let mut rows = Vec::new();
        for condition in conditions {
            rows.extend(self.run_one(latent, timestep, condition)?);
        }
        Ok(rows)
    }

    fn run_one(&mut self, latent: &Array, timestep: f64, condition: &Condition) -> Result<Vec<f32>, ExecutorError> {
        let mut shape = latent.shape.clone();
        shape[0] = condition.rows;
        let sample = self.graph.value(SAMPLE, &Array::new(shape, latent.numbers.repeat(condition.rows)))?;
        #[expect(clippy::cast_possible_truncation, reason = "timesteps are small")]
        let timesteps = vec![timestep as f32; self.timestep_shape.iter().product()];
        let timestep = self.graph.value(TIMESTEP, &Array::new(self.timestep_shape.clone(), timesteps))?;
        let mut inputs = vec![(SAMPLE, &sample), (TIMESTEP, &timestep)];
        inputs.extend(condition.values.iter().map(|(name, value)| (*name, value)));
        let outputs = self.graph.run(&inputs, &[&self.output])?;
        let output = outputs.into_iter().next().map(|array| array.numbers).unwrap_or_default();
        let expected = latent.numbers.len() * condition.rows;
        if output.len() == expected && output.iter().all(|number| number.is_finite()) {
            return Ok(output);
        }
        Err(ImageError::NotNumbers { stage: "denoiser" }.into())
    }
}

/// Channels of the latent, from the configuration or the graph. Pictures to be changed are fed by further channels.
fn latent_channels(graph: &Graph, config: &Value, from_graph: Option<i64>) -> Result<usize, ImageError> {
    let stated = config["in_channels"].as_i64().or(from_graph).and_then(|channels| usize::try_from(channels).ok());
    let channels = stated.filter(|channels| *channels > 0).ok_or_else(|| graph.unsupported("its channels vary"))?;
    if channels > MOST {
        return Err(graph.unsupported(format!("it reads {channels} channels, more than {MOST}")));
    }
    match config["out_channels"].as_u64() {
        Some(out) if usize::try_from(out) != Ok(channels) => {
            Err(graph
                .unsupported(format!("it reads {channels} channels and writes {out}: it does not begin with noise")))
        }
        _ => Ok(channels),
    }
}

fn guidance_width(graph: &Graph, config: &Value) -> Result<Option<usize>, ImageError> {
    let Some(port) = graph.find_input(GUIDANCE) else { return Ok(None) };
    let width = told_width(port.shape.get(1).copied(), config);
    width
        .map(Some)
        .ok_or_else(|| graph.unsupported(format!("the width of {GUIDANCE} is not known, or not 4 to {MOST}")))
}

/// The width that the graph states, or the configuration where it varies.
fn told_width(from_graph: Option<i64>, config: &Value) -> Option<usize> {
    let width = from_graph.filter(|width| *width > 0).or_else(|| config["time_cond_proj_dim"].as_i64());
    width.and_then(|width| usize::try_from(width).ok()).filter(|width| (4..=MOST).contains(width))
}

/// The dimensions of the timestep with one for each that varies; `None` if it has no or too many places.
fn timestep_shape(shape: &[i64]) -> Option<Vec<usize>> {
    let shape: Vec<usize> = shape.iter().map(|length| usize::try_from(*length).unwrap_or(1)).collect();
    let places = shape.iter().try_fold(1_usize, |places, length| places.checked_mul(*length));
    places.filter(|places| (1..=MOST).contains(places)).map(|_| shape)
}

/// Rows one after another.
fn stacked<'a>(rows: impl Iterator<Item = &'a Array>) -> Array {
    let (mut shape, mut numbers, mut count) = (Vec::new(), Vec::new(), 0);
    for row in rows {
        shape.clone_from(&row.shape);
        numbers.extend_from_slice(&row.numbers);
        count += 1;
    }
    if let Some(rows) = shape.first_mut() {
        *rows = count;
    }
    Array::new(shape, numbers)
}

/// Sines and cosines of the guidance at rising wavelengths (Vaswani et al., 2017), as consistency models are told it.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "widths are small")]
fn guidance_embedding(guidance: f64, width: usize) -> Vec<f32> {
    let half = width / 2;
    let angle = |index: usize| {
        let frequency = libm::exp(-libm::log(10_000.0) / (half - 1) as f64 * index as f64);
        guidance * 1000.0 * frequency
    };
    let sines = (0..half).map(|index| libm::sin(angle(index)) as f32);
    let mut embedding: Vec<f32> = sines.chain((0..half).map(|index| libm::cos(angle(index)) as f32)).collect();
    embedding.resize(width, 0.0);
    embedding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_make_no_sense_are_refused() {
        for shape in [&[4097][..], &[0], &[64, 65], &[i64::MAX, 2], &[i64::MAX, i64::MAX]] {
            assert!(timestep_shape(shape).is_none(), "{shape:?}");
        }
        for (shape, found) in [(&[][..], vec![]), (&[1], vec![1]), (&[-1], vec![1]), (&[2], vec![2])] {
            assert_eq!(timestep_shape(shape), Some(found));
        }
        let config = |width: i64| serde_json::json!({ "time_cond_proj_dim": width });
        for (from_graph, width) in [(Some(4097), 256), (Some(-1), 4097), (None, i64::MAX), (Some(3), 256), (None, -1)] {
            assert_eq!(told_width(from_graph, &config(width)), None, "{from_graph:?} {width}");
        }
        assert_eq!(told_width(Some(-1), &config(256)), Some(256));
        assert_eq!(told_width(Some(512), &config(256)), Some(512));
    }

    #[test]
    fn rows_are_stacked() {
        let row = |value: f32| Array::new(vec![1, 2], vec![value; 2]);
        assert_eq!(stacked([row(1.0), row(2.0)].iter()), Array::new(vec![2, 2], vec![1.0, 1.0, 2.0, 2.0]));
    }

    /// `LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, torch.tensor([7.5]), embedding_dim=5)`.
    #[test]
    fn guidance_is_told_as_in_diffusers() {
        let expected = [-0.8512, 0.6816, -0.5248, 0.7317, 0.0];
        let found = guidance_embedding(7.5, 5);
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3), "{found:?}");
    }
}
