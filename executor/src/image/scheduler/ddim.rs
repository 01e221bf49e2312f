//! Denoising diffusion implicit models with eta 0.

use super::{
    Denoised, ImageError, Next, NoiseTable, Schedule, SchedulerKind, SchedulerSettings, Step,
    settings::{Prediction, Spacing, refused},
    spacing::{leading, linspace, trailing},
};

pub(super) fn schedule(settings: &SchedulerSettings, table: &NoiseTable, steps: u32) -> Result<Schedule, ImageError> {
    let (prediction, clip) = (settings.prediction()?, settings.clip(true)?);
    let (count, train) = (steps as usize, table.len());
    let last = if settings.value("set_alpha_to_one", true)? { 1.0 } else { table.signal(0) };
    let step = |timestep: usize| {
        let before = timestep.checked_sub(train / count).map_or(last, |before| table.signal(before));
        step(prediction, clip, timestep, table.signal(timestep), before)
    };
    let steps = positions(settings, train, count)?.into_iter().map(step).collect();
    Ok(Schedule { initial_scale: 1.0, steps })
}

#[expect(clippy::cast_precision_loss, reason = "positions are small")]
fn positions(settings: &SchedulerSettings, train: usize, count: usize) -> Result<Vec<usize>, ImageError> {
    let mut positions = match settings.spacing(SchedulerKind::Ddim)? {
        Spacing::Trailing => trailing(train, train, count),
        Spacing::Linspace => linspace(0.0, (train - 1) as f64, count),
        Spacing::Leading => leading(count, train / count, settings.value("steps_offset", 0)?),
    };
    if settings.spacing(SchedulerKind::Ddim)? != Spacing::Trailing {
        positions.reverse();
    }
    positions.into_iter().map(|position| whole(position, train)).collect()
}

/// A position as an index into the training.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "checked")]
pub(super) fn whole(position: f64, train: usize) -> Result<usize, ImageError> {
    let rounded = position.round_ties_even();
    if (0.0..train as f64).contains(&rounded) {
        Ok(rounded as usize)
    } else {
        Err(refused(&format!("steps_offset leads to step {rounded} of {train}")))
    }
}

/// The step from ᾱ `now` to ᾱ `next`: the estimate and the noise that the model found, mixed anew.
#[expect(clippy::cast_precision_loss, reason = "positions are small")]
fn step(prediction: Prediction, clip: Option<f64>, timestep: usize, now: f64, next: f64) -> Step {
    let (signal, noise) = (libm::sqrt(now), libm::sqrt(1.0 - now));
    let (next_signal, next_noise) = (libm::sqrt(next), libm::sqrt(1.0 - next));
    let denoised = Denoised::of(prediction, signal, noise, clip);
    // The noise that the model found is not what follows from a clipped estimate.
    let (latent, output) = match prediction {
        Prediction::Epsilon => (0.0, 1.0),
        Prediction::Sample => (1.0 / noise, -signal / noise),
        Prediction::Velocity => (noise, signal),
    };
    let next =
        Next { latent: next_noise * latent, output: next_noise * output, denoised: next_signal, ..Next::default() };
    Step { timestep: timestep as f64, input_scale: 1.0, denoised, next }
}
