//! What pictures need while they are made, from the sizes in a pipeline's configuration.

use std::{fmt, path::Path};

use serde::Deserialize;
use xenon_protocol::task::SdTask;

use crate::{error::ExecutorError, model::read_json};

/// Bytes of a number: 32-bit floats, the widest that exports use.
const NUMBER: u64 = 4;

/// Tensors of full width alive at once within a block of convolutions: input, output, normalised, and one for the sum.
const TENSORS: u64 = 4;

/// Copies of the attention scores alive at once in a graph that does not fuse attention: raw and normalised.
const SCORES: u64 = 2;

/// Channels of a picture.
const COLOURS: u64 = 3;

/// The sizes of a pipeline that decide how much memory a picture takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureNeeds {
    /// Pixels along a side of a picture for each of a latent.
    factor: u64,
    /// Channels of the decoder where it is as large as the picture.
    decoder_channels: u64,
    /// Channels of the denoiser where it is as large as the latent.
    denoiser_channels: u64,
    /// Heads of the denoiser's attention where it is largest.
    heads: u64,
    /// Pixels of a latent for each position that attention compares: 4 where the first block has none.
    pixels_per_position: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NetworkConfig {
    block_out_channels: Vec<u64>,
    attention_head_dim: Option<Heads>,
    down_block_types: Vec<String>,
}

/// The number of heads, which diffusers calls so: one for all blocks or one for each.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Heads {
    Same(u64),
    Each(Vec<u64>),
}

impl PictureNeeds {
    /// Those of the pipeline in a folder.
    ///
    /// # Errors
    /// [`ExecutorError::FileInvalid`] if a configuration is there and is not JSON.
    pub fn of(folder: &Path) -> Result<Self, ExecutorError> {
        Ok(Self::from_configs(&config(folder, "unet")?, &config(folder, "vae_decoder")?))
    }

    fn from_configs(unet: &NetworkConfig, decoder: &NetworkConfig) -> Self {
        let attends_first = unet.down_block_types.first().is_none_or(|block| block.contains("Attn"));
        let place = usize::from(!attends_first);
        let heads = match &unet.attention_head_dim {
            Some(Heads::Same(heads)) => *heads,
            Some(Heads::Each(heads)) => heads.get(place).copied().unwrap_or(1),
            None => 8,
        };
        let halvings = decoder.block_out_channels.len().saturating_sub(1).min(16);
        Self {
            factor: if decoder.block_out_channels.is_empty() { 8 } else { 1 << halvings },
            decoder_channels: decoder.block_out_channels.first().copied().unwrap_or(128),
            denoiser_channels: unet.block_out_channels.first().copied().unwrap_or(320),
            heads: heads.max(1),
            pixels_per_position: if attends_first { 1 } else { 4 },
        }
    }

    /// Bytes that a task takes at its peak: denoiser and decoder work one after the other, on one picture at a time.
    pub fn of_task(&self, task: &SdTask) -> u64 {
        let pixels = u64::from(task.width).saturating_mul(u64::from(task.height));
        let latent = pixels / self.factor.saturating_mul(self.factor).max(1);
        let pictures = pixels.saturating_mul(COLOURS).saturating_mul(task.num_images.into());
        self.denoising(latent).max(self.decoding(pixels, latent)).saturating_add(pictures)
    }

    /// Both halves of guidance in one pass.
    fn denoising(&self, latent: u64) -> u64 {
        let positions = latent / self.pixels_per_position;
        let scores = positions.saturating_mul(positions).saturating_mul(self.heads).saturating_mul(SCORES);
        let tensors = latent.saturating_mul(self.denoiser_channels).saturating_mul(TENSORS * 4);
        scores.saturating_add(tensors).saturating_mul(2 * NUMBER)
    }

    /// With one head of attention over the latent.
    fn decoding(&self, pixels: u64, latent: u64) -> u64 {
        let tensors = pixels.saturating_mul(self.decoder_channels).saturating_mul(TENSORS);
        let scores = latent.saturating_mul(latent).saturating_mul(SCORES);
        tensors.saturating_add(scores).saturating_mul(NUMBER)
    }
}

impl fmt::Display for PictureNeeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a latent pixel for {0}x{0} pixels, {1} channels in the denoiser and {2} in the decoder, {3} heads",
            self.factor, self.denoiser_channels, self.decoder_channels, self.heads
        )
    }
}

fn config(folder: &Path, part: &str) -> Result<NetworkConfig, ExecutorError> {
    let path = folder.join(part).join("config.json");
    if path.is_file() { read_json(&path) } else { Ok(NetworkConfig::default()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use xenon_protocol::task::TaskSpec;

    use super::*;

    fn network(json: serde_json::Value) -> NetworkConfig {
        serde_json::from_value(json).unwrap()
    }

    /// Stable Diffusion 1.5.
    fn sd15() -> PictureNeeds {
        let unet = json!({ "block_out_channels": [320, 640, 1280, 1280], "attention_head_dim": 8,
            "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"] });
        PictureNeeds::from_configs(&network(unet), &network(json!({ "block_out_channels": [128, 256, 512, 512] })))
    }

    fn task(side: u32, images: u32) -> SdTask {
        let json = json!({ "kind": "sd", "model": "a/b", "prompt": "x", "width": side, "height": side,
            "num_images": images, "steps": 1 });
        match TaskSpec::parse(&serde_json::to_vec(&json).unwrap()).unwrap() {
            TaskSpec::Sd(task) => task,
            TaskSpec::Gpt(_) => unreachable!("its kind is sd"),
        }
    }

    #[test]
    fn a_pipeline_that_says_nothing_is_taken_for_the_usual_one() {
        let usual = PictureNeeds::from_configs(&NetworkConfig::default(), &NetworkConfig::default());
        assert_eq!(usual, sd15());
    }

    #[test]
    fn the_scores_of_attention_decide_at_512_pixels() {
        // 4096 positions, 8 heads, both halves of guidance, raw and normalised.
        let scores = 4096_u64.pow(2) * 8 * 2 * 2 * 4;
        let needs = sd15().of_task(&task(512, 1));
        assert!(needs > scores && needs < scores + (1 << 28), "{needs}");
    }

    #[test]
    fn a_first_block_without_attention_compares_fewer_positions() {
        let unet = json!({ "block_out_channels": [320, 640, 1280], "attention_head_dim": [5, 10, 20],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"] });
        let sdxl = PictureNeeds::from_configs(&network(unet), &NetworkConfig::default());
        assert_eq!((sdxl.heads, sdxl.pixels_per_position), (10, 4));
    }

    proptest! {
        #[test]
        fn more_of_anything_never_needs_less(side in 8_u32..120, images in 1_u32..4) {
            let needs = |side, images| sd15().of_task(&task(side * 8, images));
            prop_assert!(needs(side + 1, images) >= needs(side, images));
            prop_assert!(needs(side, images + 1) > needs(side, images));
        }
    }
}
