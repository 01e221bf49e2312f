//! Euler's method, with and without fresh noise.

use super::{
    Denoised, ImageError, Next, NoiseTable, Schedule, SchedulerKind, SchedulerSettings, Step,
    settings::{Prediction, Spacing, refused},
    spacing::{interpolate, karras, leading, linspace, position_of, trailing},
};

/// The noise levels of the steps, with their positions in the training.
struct Levels {
    timesteps: Vec<f64>,
    sigmas: Vec<f64>,
}

pub(super) fn schedule(
    settings: &SchedulerSettings,
    table: &NoiseTable,
    steps: u32,
    ancestral: bool,
) -> Result<Schedule, ImageError> {
    let kind = if ancestral { SchedulerKind::EulerAncestral } else { SchedulerKind::Euler };
    let (prediction, spacing) = (settings.prediction()?, settings.spacing(kind)?);
    if ancestral && prediction == Prediction::Sample {
        return Err(refused("prediction_type is \"sample\""));
    }
    let levels = levels(settings, table, steps as usize, spacing, ancestral)?;
    let largest = levels.sigmas.iter().copied().fold(0.0, f64::max);
    let steps = levels.timesteps.iter().zip(levels.sigmas.windows(2));
    let steps = steps.map(|(timestep, pair)| step(prediction, *timestep, pair[0], pair[1], ancestral)).collect();
    let initial_scale = if spacing == Spacing::Leading { libm::sqrt(largest * largest + 1.0) } else { largest };
    Ok(Schedule { initial_scale, steps })
}

fn levels(
    settings: &SchedulerSettings,
    table: &NoiseTable,
    count: usize,
    spacing: Spacing,
    ancestral: bool,
) -> Result<Levels, ImageError> {
    let trained = table.sigmas();
    let mut timesteps = positions(settings, table.len(), count, spacing)?;
    let mut sigmas: Vec<f64> = timesteps.iter().map(|position| interpolate(*position, &trained)).collect();
    if !ancestral && settings.value("use_karras_sigmas", false)? {
        let max = settings.value("sigma_max", sigmas.first().copied().unwrap_or_default())?;
        let min = settings.value("sigma_min", sigmas.last().copied().unwrap_or_default())?;
        sigmas = karras(max, min, count);
        timesteps = sigmas.iter().map(|sigma| position_of(*sigma, &trained)).collect();
    }
    let noisy_end = !ancestral && settings.ends_noisy()?;
    sigmas.push(if noisy_end { f64::from(trained[0]) } else { 0.0 });
    Ok(Levels { timesteps, sigmas })
}

fn positions(
    settings: &SchedulerSettings,
    train: usize,
    count: usize,
    spacing: Spacing,
) -> Result<Vec<f64>, ImageError> {
    #[expect(clippy::cast_precision_loss, reason = "positions are small")]
    let mut rising = match spacing {
        Spacing::Trailing => return Ok(trailing(train, train, count)),
        Spacing::Linspace => linspace(0.0, (train - 1) as f64, count),
        Spacing::Leading => leading(count, train / count, settings.value("steps_offset", 0)?),
    };
    rising.reverse();
    Ok(rising)
}

/// The step from one noise level to the next, for latents that are the picture plus noise.
fn step(prediction: Prediction, timestep: f64, sigma: f64, next: f64, ancestral: bool) -> Step {
    let spread = sigma * sigma + 1.0;
    let denoised = match prediction {
        Prediction::Epsilon => Denoised { latent: 1.0, output: -sigma, clip: None },
        Prediction::Sample => Denoised { latent: 0.0, output: 1.0, clip: None },
        Prediction::Velocity => Denoised { latent: 1.0 / spread, output: -sigma / libm::sqrt(spread), clip: None },
    };
    let (down, up) = if ancestral { split(sigma, next) } else { (next, 0.0) };
    let kept = down / sigma;
    let next = Next { latent: kept, denoised: 1.0 - kept, noise: up, ..Next::default() };
    Step { timestep, input_scale: 1.0 / libm::sqrt(spread), denoised, next }
}

/// The level to go down to, and the noise that brings it up to `to` again.
fn split(from: f64, to: f64) -> (f64, f64) {
    let up = libm::sqrt(to * to * (from * from - to * to).max(0.0) / (from * from));
    (libm::sqrt((to * to - up * up).max(0.0)), up)
}
