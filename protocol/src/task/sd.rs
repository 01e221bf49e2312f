//! Tasks of the SD kind: pictures from a prompt, by diffusion.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ModelId, TaskError,
    bounds::{integer, length, number, widen},
    limits::SEED,
};

/// Bounds of the values of an SD task; both ends are accepted.
pub mod sd_limits {
    /// Characters of a prompt.
    pub const PROMPT_CHARACTERS: (usize, usize) = (0, 10_000);
    /// Pictures: as many as one result on chain has room for.
    pub const NUM_IMAGES: (u32, u32) = (1, 4);
    /// Pixels of a side.
    pub const SIDE: (u32, u32) = (64, 2048);
    /// What divides every side.
    pub const SIDE_STEP: u32 = 8;
    /// Pixels of all pictures together: four of 1024 by 1024.
    pub const PIXELS: (u64, u64) = (0, 4 << 20);
    /// Steps of the scheduler.
    pub const STEPS: (u32, u32) = (1, 500);
    /// Strength of the guidance by the prompt.
    pub const GUIDANCE_SCALE: (f64, f64) = (0.0, 50.0);
    /// Adaptations of the model.
    pub const LORAS: (usize, usize) = (0, 8);
    /// Strength of an adaptation.
    pub const LORA_SCALE: (f64, f64) = (-4.0, 4.0);
}

/// Pictures to make from a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SdTask {
    /// The model to run.
    pub model: ModelId,
    /// What the pictures shall show. May be empty.
    #[schemars(length(max = sd_limits::PROMPT_CHARACTERS.1))]
    pub prompt: String,
    /// What they shall not show. Only with a `guidance_scale` above 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = sd_limits::PROMPT_CHARACTERS.1))]
    pub negative_prompt: Option<String>,
    /// How many pictures to make; each begins with noise of its own.
    #[serde(default = "one")]
    #[schemars(range(min = sd_limits::NUM_IMAGES.0, max = sd_limits::NUM_IMAGES.1))]
    pub num_images: u32,
    /// Width in pixels, a multiple of 8. All pictures together may have 4,194,304 pixels.
    #[schemars(range(min = sd_limits::SIDE.0, max = sd_limits::SIDE.1), extend("multipleOf" = sd_limits::SIDE_STEP))]
    pub width: u32,
    /// Height in pixels, a multiple of 8.
    #[schemars(range(min = sd_limits::SIDE.0, max = sd_limits::SIDE.1), extend("multipleOf" = sd_limits::SIDE_STEP))]
    pub height: u32,
    /// Steps of the scheduler.
    #[schemars(range(min = sd_limits::STEPS.0, max = sd_limits::STEPS.1))]
    pub steps: u32,
    /// How strongly the prompt guides; at 1 and below the model runs once a step, without guidance.
    #[serde(default = "usual_guidance")]
    #[schemars(range(min = sd_limits::GUIDANCE_SCALE.0, max = sd_limits::GUIDANCE_SCALE.1))]
    pub guidance_scale: f64,
    /// The scheduler, with the settings of the model's own; the model's own where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<SdScheduler>,
    /// Seed of the noise. The same seed gives the same noise on every machine.
    #[serde(default)]
    #[schemars(range(max = SEED.1))]
    pub seed: u64,
    /// Adaptations of the model, added in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = sd_limits::LORAS.1))]
    pub loras: Vec<Lora>,
    /// Precision of the weights; a model of another is not run. The model's own where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<SdDtype>,
}

/// An adaptation of low rank to a model's weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// Its name, in the form of a model's.
    pub name: ModelId,
    /// What it is multiplied by.
    #[serde(default = "full")]
    #[schemars(range(min = sd_limits::LORA_SCALE.0, max = sd_limits::LORA_SCALE.1))]
    pub scale: f64,
}

/// How noise becomes a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", try_from = "String")]
#[schemars(!try_from)]
pub enum SdScheduler {
    /// Euler's method.
    Euler,
    /// Euler's method with fresh noise in each step.
    EulerAncestral,
    /// Denoising diffusion implicit models.
    Ddim,
    /// DPM-Solver++ of the second order, multistep.
    #[serde(rename = "dpmpp_2m")]
    Dpmpp2m,
    /// Latent consistency models, for models that were distilled for it.
    Lcm,
}

/// Precision of a model's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", try_from = "String")]
#[schemars(!try_from)]
pub enum SdDtype {
    /// 32-bit floating point.
    Float32,
    /// 16-bit floating point.
    Float16,
}

impl SdScheduler {
    /// Every scheduler.
    pub const ALL: [Self; 5] = [Self::Euler, Self::EulerAncestral, Self::Ddim, Self::Dpmpp2m, Self::Lcm];

    /// The name in task documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Euler => "euler",
            Self::EulerAncestral => "euler_ancestral",
            Self::Ddim => "ddim",
            Self::Dpmpp2m => "dpmpp_2m",
            Self::Lcm => "lcm",
        }
    }
}

impl TryFrom<String> for SdScheduler {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|scheduler| scheduler.name() == name);
        known.ok_or_else(|| format!("scheduler is {name:?}; give one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

impl SdDtype {
    /// Every precision.
    pub const ALL: [Self; 2] = [Self::Float32, Self::Float16];

    /// The name in task documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
        }
    }
}

impl TryFrom<String> for SdDtype {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|dtype| dtype.name() == name);
        known.ok_or_else(|| format!("dtype is {name:?}; give {}", Self::ALL.map(Self::name).join(" or ")))
    }
}

const fn one() -> u32 {
    1
}

const fn usual_guidance() -> f64 {
    7.5
}

const fn full() -> f64 {
    1.0
}

impl SdTask {
    /// One picture with the usual guidance and the model's own scheduler.
    pub fn new(model: ModelId, prompt: impl Into<String>, side: u32, steps: u32) -> Self {
        Self {
            model,
            prompt: prompt.into(),
            negative_prompt: None,
            num_images: one(),
            width: side,
            height: side,
            steps,
            guidance_scale: usual_guidance(),
            scheduler: None,
            seed: 0,
            loras: Vec::new(),
            dtype: None,
        }
    }

    /// Whether the model runs twice a step, with the prompt and with the negative one.
    pub fn is_guided(&self) -> bool {
        self.guidance_scale > 1.0
    }

    /// Checks every value against its bounds.
    pub fn validate(&self) -> Result<(), TaskError> {
        length("prompt", self.prompt.chars().count(), sd_limits::PROMPT_CHARACTERS)?;
        let negative = self.negative_prompt.as_ref();
        negative
            .map_or(Ok(()), |text| length("negative_prompt", text.chars().count(), sd_limits::PROMPT_CHARACTERS))?;
        if negative.is_some() && !self.is_guided() {
            return Err(TaskError::NeedsGuidance { field: "negative_prompt" });
        }
        integer("steps", self.steps.into(), widen(sd_limits::STEPS))?;
        number("guidance_scale", Some(self.guidance_scale), sd_limits::GUIDANCE_SCALE)?;
        integer("seed", self.seed, SEED)?;
        length("loras", self.loras.len(), sd_limits::LORAS)?;
        self.loras.iter().try_for_each(|lora| number("loras[].scale", Some(lora.scale), sd_limits::LORA_SCALE))?;
        self.validate_size()
    }

    fn validate_size(&self) -> Result<(), TaskError> {
        integer("num_images", self.num_images.into(), widen(sd_limits::NUM_IMAGES))?;
        side("width", self.width)?;
        side("height", self.height)?;
        let pixels = u64::from(self.num_images) * u64::from(self.width) * u64::from(self.height);
        if pixels > sd_limits::PIXELS.1 {
            return Err(TaskError::TooManyPixels { pixels, max: sd_limits::PIXELS.1 });
        }
        Ok(())
    }
}

fn side(field: &'static str, pixels: u32) -> Result<(), TaskError> {
    integer(field, pixels.into(), widen(sd_limits::SIDE))?;
    if pixels.is_multiple_of(sd_limits::SIDE_STEP) {
        return Ok(());
    }
    Err(TaskError::NotMultiple { field, value: pixels, of: sd_limits::SIDE_STEP })
}
