//! The noise schedule of the training: for each of its steps, the share of the picture that is left.

use super::{
    ImageError, SchedulerKind, SchedulerSettings,
    settings::{BetaSchedule, refused},
};

/// The noise of the training's last step where it should be pure noise and may not be: the smallest 16-bit number.
const ALMOST_NONE: f32 = 1.0 / 16_777_216.0;
/// The largest step of the cosine schedule.
const MAX_BETA: f64 = 0.999;

/// For each step of the training, the squared share of the picture in the latent (ᾱ, `alphas_cumprod`).
///
/// Kept in 32 bits and rounded after each stage, as diffusers does.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NoiseTable {
    signal: Vec<f32>,
}

impl NoiseTable {
    /// The table for a scheduler. For one that reckons in noise levels none of them is infinite.
    pub(super) fn new(settings: &SchedulerSettings, kind: SchedulerKind) -> Result<Self, ImageError> {
        let mut betas = betas(settings, kind)?;
        let rescaled = settings.value("rescale_betas_zero_snr", false)?;
        if rescaled {
            betas = without_last_signal(&betas);
        }
        let mut signal = products(&betas);
        if let Some(last) = signal.last_mut().filter(|_| rescaled && kind.is_by_sigma()) {
            *last = ALMOST_NONE;
        }
        let usable = signal.iter().all(|share| share.is_finite() && (0.0..1.0).contains(share));
        if usable { Ok(Self { signal }) } else { Err(refused("its betas are not between 0 and 1")) }
    }

    /// Steps of the training.
    pub(super) const fn len(&self) -> usize {
        self.signal.len()
    }

    /// ᾱ of a step.
    pub(super) fn signal(&self, step: usize) -> f64 {
        f64::from(self.signal[step])
    }

    /// The noise level of each step, noise over signal.
    pub(super) fn sigmas(&self) -> Vec<f32> {
        self.signal.iter().map(|share| ((1.0 - share) / share).sqrt()).collect()
    }
}

fn betas(settings: &SchedulerSettings, kind: SchedulerKind) -> Result<Vec<f32>, ImageError> {
    if let Some(betas) = settings.value::<Option<Vec<f32>>>("trained_betas", None)? {
        return if betas.len() < 2 { Err(refused("trained_betas is too short")) } else { Ok(betas) };
    }
    let count = settings.train_steps()?;
    let (usual_start, usual_end) = if kind == SchedulerKind::Lcm { (0.000_85, 0.012) } else { (0.0001, 0.02) };
    let (start, end) = (settings.value("beta_start", usual_start)?, settings.value("beta_end", usual_end)?);
    Ok(match settings.beta_schedule(kind)? {
        BetaSchedule::Linear => line(start, end, count),
        BetaSchedule::ScaledLinear => line(start.sqrt(), end.sqrt(), count).iter().map(|root| root * root).collect(),
        BetaSchedule::SquaredCosine => cosine(count),
    })
}

/// Evenly spaced numbers, from both ends to the middle.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "32-bit numbers are wanted")]
fn line(start: f64, end: f64, count: usize) -> Vec<f32> {
    let (start, end) = (start as f32, end as f32);
    let step = (end - start) / (count - 1) as f32;
    let at =
        |index| if index < count / 2 { start + step * index as f32 } else { end - step * (count - 1 - index) as f32 };
    (0..count).map(at).collect()
}

/// The cosine schedule (Nichol and Dhariwal, 2021).
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "32-bit numbers are wanted")]
fn cosine(count: usize) -> Vec<f32> {
    let left = |time: f64| {
        let cos = libm::cos((time + 0.008) / 1.008 * std::f64::consts::PI / 2.0);
        cos * cos
    };
    let beta = |index: usize| 1.0 - left((index + 1) as f64 / count as f64) / left(index as f64 / count as f64);
    (0..count).map(|index| beta(index).min(MAX_BETA) as f32).collect()
}

/// The running product of 1 - beta.
#[expect(clippy::cast_possible_truncation, reason = "32-bit numbers are wanted")]
fn products(betas: &[f32]) -> Vec<f32> {
    let mut product = 1.0_f64;
    let next = |beta: &f32| {
        product *= f64::from(1.0 - beta);
        product as f32
    };
    betas.iter().map(next).collect()
}

/// Changes the betas so that the last step leaves nothing of the picture (Lin et al., 2023, algorithm 1).
fn without_last_signal(betas: &[f32]) -> Vec<f32> {
    let roots: Vec<f32> = products(betas).iter().map(|share| share.sqrt()).collect();
    let (Some(first), Some(last)) = (roots.first(), roots.last()) else { return Vec::new() };
    let stretch = first / (first - last);
    let shares: Vec<f32> = roots.iter().map(|root| (root - last) * stretch).map(|root| root * root).collect();
    let ratios = shares.windows(2).map(|pair| pair[1] / pair[0]);
    shares.first().copied().into_iter().chain(ratios).map(|alpha| 1.0 - alpha).collect()
}
