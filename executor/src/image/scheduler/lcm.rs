//! Latent consistency models.

use super::{Denoised, ImageError, Next, NoiseTable, Schedule, SchedulerSettings, Step, settings::refused};

/// The assumed spread of pictures in the boundary condition.
const SIGMA_DATA: f64 = 0.5;

/// Steps of the solver that the model was distilled with: as many can be asked for.
pub(super) fn original_steps(settings: &SchedulerSettings, table: &NoiseTable) -> Result<usize, ImageError> {
    let steps = settings.value("original_inference_steps", 50)?;
    let known = (1..=table.len()).contains(&steps);
    known.then_some(steps).ok_or_else(|| refused(&format!("original_inference_steps is {steps}")))
}

pub(super) fn schedule(settings: &SchedulerSettings, table: &NoiseTable, steps: u32) -> Result<Schedule, ImageError> {
    let scaling: f64 = settings.value("timestep_scaling", 10.0)?;
    let (prediction, clip) = (settings.prediction()?, settings.clip(false)?);
    let timesteps = timesteps(original_steps(settings, table)?, table.len(), steps as usize);
    let step = |index: usize| {
        let now = table.signal(timesteps[index]);
        let estimate = Denoised::of(prediction, libm::sqrt(now), libm::sqrt(1.0 - now), clip);
        let following = timesteps.get(index + 1).map(|next| table.signal(*next));
        step(estimate, timesteps[index], scaling, following)
    };
    Ok(Schedule { initial_scale: 1.0, steps: (0..timesteps.len()).map(step).collect() })
}

/// Every so many-th of the positions that the model was distilled at, from the last.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
fn timesteps(original: usize, train: usize, count: usize) -> Vec<usize> {
    let distance = train / original;
    let step = original as f64 / count as f64;
    let position = |index: usize| (original - (index as f64 * step) as usize) * distance - 1;
    (0..count).map(position).collect()
}

/// The estimate, bent so that it is the latent itself where there is no noise, and noise of the next level.
#[expect(clippy::cast_precision_loss, reason = "positions are small")]
fn step(denoised: Denoised, timestep: usize, scaling: f64, following: Option<f64>) -> Step {
    let time = timestep as f64 * scaling;
    let spread = time * time + SIGMA_DATA * SIGMA_DATA;
    let (kept, estimated) = (SIGMA_DATA * SIGMA_DATA / spread, time / libm::sqrt(spread));
    let (signal, noise) = following.map_or((1.0, 0.0), |next| (libm::sqrt(next), libm::sqrt(1.0 - next)));
    let next = Next { latent: signal * kept, denoised: signal * estimated, noise, ..Next::default() };
    Step { timestep: timestep as f64, input_scale: 1.0, denoised, next }
}
