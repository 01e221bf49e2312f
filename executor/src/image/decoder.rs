//! The network that makes pictures of latents.

use super::{
    ImageError, Picture,
    folder::ImageFolder,
    graph::{Array, Graph, Host},
};
use crate::error::ExecutorError;

/// Where the configuration does not say: that of Stable Diffusion 1.
const USUAL_SCALING: f64 = 0.18215;

/// The decoder of a pipeline.
#[derive(Debug)]
pub(super) struct Decoder {
    graph: Graph,
    input: String,
    output: String,
    scaling: f64,
    shift: f64,
    /// Pixels of a picture for each place of a latent, along a side.
    factor: usize,
}

impl Decoder {
    pub(super) fn open(host: Host, folder: &ImageFolder) -> Result<Self, ExecutorError> {
        let graph = Graph::open(host, &folder.graph("vae_decoder"), None)?;
        let config = folder.config("vae_decoder")?;
        if let Some(name) = ["latents_mean", "latents_std"].into_iter().find(|name| !config[*name].is_null()) {
            return Err(graph.unsupported(format!("its configuration has {name}")).into());
        }
        let ([input], [output]) = (graph.inputs(), graph.outputs()) else {
            return Err(graph.unsupported("it has not one input and one output").into());
        };
        let blocks = config["block_out_channels"].as_array().map(Vec::len).filter(|blocks| (1..=8).contains(blocks));
        let blocks = blocks.ok_or_else(|| graph.unsupported("config.json beside it has no block_out_channels"))?;
        Ok(Self {
            input: input.name.clone(),
            output: output.name.clone(),
            scaling: config["scaling_factor"].as_f64().unwrap_or(USUAL_SCALING),
            shift: config["shift_factor"].as_f64().unwrap_or_default(),
            factor: 1 << (blocks - 1),
            graph,
        })
    }

    pub(super) const fn factor(&self) -> usize {
        self.factor
    }

    pub(super) const fn graph_mut(&mut self) -> &mut Graph {
        &mut self.graph
    }

    /// The picture of a latent of dimensions `[1, channels, height, width]`.
    #[expect(clippy::cast_possible_truncation, reason = "latents are 32-bit numbers")]
    pub(super) fn decode(&mut self, latent: &Array) -> Result<Picture, ExecutorError> {
        let unscaled = |value: &f32| (f64::from(*value) / self.scaling + self.shift) as f32;
        let latent = Array::new(latent.shape.clone(), latent.numbers.iter().map(unscaled).collect());
        let value = self.graph.value(&self.input, &latent)?;
        let outputs = self.graph.run(&[(&self.input, &value)], &[&self.output])?;
        let pixels = outputs.into_iter().next().ok_or(ImageError::NotNumbers { stage: "decoder" })?;
        Ok(picture(&pixels).ok_or(ImageError::NotNumbers { stage: "decoder" })?)
    }
}

/// From planes of -1 to 1 to pixels of 0 to 255, halves rounded to the even number.
fn picture(pixels: &Array) -> Option<Picture> {
    let [1, 3, height, width] = *pixels.shape else { return None };
    let plane = height * width;
    let is_whole = pixels.numbers.len() == 3 * plane && pixels.numbers.iter().all(|number| number.is_finite());
    let rgb = |index: usize| byte(pixels.numbers[index % 3 * plane + index / 3]);
    if is_whole { Picture::new(width, height, (0..3 * plane).map(rgb).collect()) } else { None }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range of a byte")]
fn byte(value: f32) -> u8 {
    ((value / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_is_refused() {
        assert!(picture(&Array::new(vec![1, 3, 1, 1], vec![0.0, f32::NAN, 0.0])).is_none());
        assert!(picture(&Array::new(vec![1, 4, 1, 1], vec![0.0; 4])).is_none());
        assert!(picture(&Array::new(vec![1, 3, 2, 1], vec![0.0; 3])).is_none());
    }

    #[test]
    fn planes_become_pixels() {
        let planes = Array::new(vec![1, 3, 1, 2], vec![-1.0, 1.0, 0.0, -7.0, 7.0, 0.5]);
        assert_eq!(picture(&planes).unwrap().rgb(), [0, 128, 255, 255, 0, 191]);
    }
}
