//! Schedulers: how noise becomes a picture, step by step.
//!
//! The five here take their settings from diffusers' `scheduler_config.json` and make the same steps as diffusers:
//! `tests/vectors/schedulers` holds them to it. Every step of every one is a linear combination of the latent, of what
//! the model said and of fresh noise, with numbers that depend on the settings and the number of steps alone. So a
//! [`Scheduler`] computes all of them beforehand, in 64-bit floating point, and a [`Schedule`] is nothing but these
//! numbers; [`Step::advance`] is the only arithmetic on latents.

mod ddim;
mod dpm_solver;
mod euler;
mod lcm;
mod noise_table;
mod settings;
mod spacing;

use serde::{Deserialize, Serialize};

pub use self::settings::SchedulerSettings;
use self::{noise_table::NoiseTable, settings::Prediction};
use super::ImageError;

/// The schedulers that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SchedulerKind {
    /// Euler's method on the probability flow (Karras et al., 2022, algorithm 2 without churn).
    #[serde(rename = "EulerDiscreteScheduler")]
    Euler,
    /// Euler's method with fresh noise in each step.
    #[serde(rename = "EulerAncestralDiscreteScheduler")]
    EulerAncestral,
    /// Denoising diffusion implicit models (Song et al., 2020) with eta 0.
    #[serde(rename = "DDIMScheduler")]
    Ddim,
    /// DPM-Solver++ of order 1 and 2, multistep (Lu et al., 2022), and its stochastic form.
    #[serde(rename = "DPMSolverMultistepScheduler")]
    DpmSolverMultistep,
    /// Latent consistency models (Luo et al., 2023).
    #[serde(rename = "LCMScheduler")]
    Lcm,
}

/// A scheduler with its settings.
#[derive(Clone, Debug)]
pub struct Scheduler {
    kind: SchedulerKind,
    settings: SchedulerSettings,
    table: NoiseTable,
}

/// All steps from noise to picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// What the first noise, of variance one, is multiplied by.
    pub initial_scale: f64,
    /// The steps in their order.
    pub steps: Vec<Step>,
}

/// The numbers of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What the model is told about how noisy its input is: a position in its training's noise schedule.
    pub timestep: f64,
    /// What the latent is multiplied by before the model sees it.
    pub input_scale: f64,
    /// How the denoised latent is estimated.
    denoised: Denoised,
    /// The next latent.
    next: Next,
}

/// The estimate of the denoised latent, from the latent and the model's output.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Denoised {
    latent: f64,
    output: f64,
    /// The estimate is cut to this absolute value.
    clip: Option<f64>,
}

/// The next latent, from what is known after the model has run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Next {
    latent: f64,
    output: f64,
    denoised: f64,
    /// The estimate of the step before.
    previous: f64,
    noise: f64,
}

impl Scheduler {
    /// A scheduler of a kind; settings that it cannot follow are refused by name.
    pub fn new(kind: SchedulerKind, settings: SchedulerSettings) -> Result<Self, ImageError> {
        settings.check(kind)?;
        let table = NoiseTable::new(&settings, kind)?;
        Ok(Self { kind, settings, table })
    }

    /// The method.
    pub const fn kind(&self) -> SchedulerKind {
        self.kind
    }

    /// The schedule for so many steps.
    pub fn schedule(&self, steps: u32) -> Result<Schedule, ImageError> {
        let most = self.most_steps()?;
        if steps == 0 || steps > most {
            return Err(ImageError::TooManySteps { steps, most });
        }
        match self.kind {
            SchedulerKind::Euler => euler::schedule(&self.settings, &self.table, steps, false),
            SchedulerKind::EulerAncestral => euler::schedule(&self.settings, &self.table, steps, true),
            SchedulerKind::Ddim => ddim::schedule(&self.settings, &self.table, steps),
            SchedulerKind::DpmSolverMultistep => dpm_solver::schedule(&self.settings, &self.table, steps),
            SchedulerKind::Lcm => lcm::schedule(&self.settings, &self.table, steps),
        }
    }

    fn most_steps(&self) -> Result<u32, ImageError> {
        let trained = self.table.len();
        let most = match self.kind {
            SchedulerKind::Lcm => lcm::original_steps(&self.settings, &self.table)?,
            // Its spacings need one position more than there are steps.
            SchedulerKind::DpmSolverMultistep => trained - 1,
            _ => trained,
        };
        Ok(u32::try_from(most).unwrap_or(u32::MAX))
    }
}

impl SchedulerKind {
    /// Whether its settings are noise levels, and not shares of the picture: then none may be infinite.
    const fn is_by_sigma(self) -> bool {
        matches!(self, Self::Euler | Self::EulerAncestral | Self::DpmSolverMultistep)
    }
}

impl Step {
    /// Whether the step adds noise.
    pub fn adds_noise(&self) -> bool {
        self.next.noise != 0.0
    }

    /// Replaces `latent` by the next one. `previous` is the memory between the steps of one picture: begin with zeros.
    /// `noise` is read only if the step [adds noise](Step::adds_noise). All have one length.
    #[expect(clippy::cast_possible_truncation, reason = "latents are 32-bit numbers")]
    pub fn advance(&self, latent: &mut [f32], output: &[f32], previous: &mut [f32], noise: &[f32]) {
        let (denoised, next) = (self.denoised, self.next);
        let values = latent.iter_mut().zip(output).zip(previous).enumerate();
        for (index, ((latent, output), previous)) in values {
            let (x, y) = (f64::from(*latent), f64::from(*output));
            let estimate = denoised.estimate(x, y);
            let mut sum = next.latent * x + next.output * y + next.denoised * estimate;
            sum += next.previous * f64::from(*previous);
            if next.noise != 0.0 {
                sum += next.noise * noise.get(index).copied().map_or(0.0, f64::from);
            }
            (*latent, *previous) = (sum as f32, estimate as f32);
        }
    }
}

impl Denoised {
    fn estimate(self, latent: f64, output: f64) -> f64 {
        let estimate = self.latent * latent + self.output * output;
        self.clip.map_or(estimate, |limit| estimate.clamp(-limit, limit))
    }

    /// For a latent that is `signal` times the picture plus `noise` times noise of variance one.
    fn of(prediction: Prediction, signal: f64, noise: f64, clip: Option<f64>) -> Self {
        let (latent, output) = match prediction {
            Prediction::Epsilon => (1.0 / signal, -noise / signal),
            Prediction::Sample => (0.0, 1.0),
            Prediction::Velocity => (signal, -noise),
        };
        Self { latent, output, clip }
    }
}
