//! DPM-Solver++, multistep, of order 1 and 2.

use super::{
    Denoised, ImageError, Next, NoiseTable, Schedule, SchedulerKind, SchedulerSettings, Step,
    settings::{BetaSchedule, Prediction, Spacing, refused},
    spacing::{interpolate, karras, leading, linspace, position_of, trailing},
};

/// With fewer steps the last are of lower order, where the settings do not forbid it.
const FEW_STEPS: usize = 15;

/// How the second order term is weighted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Corrector {
    Midpoint,
    Heun,
}

/// What the solver was set to.
#[derive(Clone, Copy)]
struct Solver {
    prediction: Prediction,
    corrector: Corrector,
    /// Fresh noise in each step (the SDE form).
    stochastic: bool,
    order: usize,
    last_order: LastOrder,
    ends_noisy: bool,
}

/// When the last step is of the first order although it need not be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastOrder {
    Always,
    WithFewSteps,
    Never,
}

/// A noise level: the latent is `signal` times the picture plus `noise` times noise of variance one.
#[derive(Clone, Copy)]
struct Level {
    signal: f64,
    noise: f64,
}

impl Level {
    fn of(sigma: f64) -> Self {
        let signal = 1.0 / libm::sqrt(sigma * sigma + 1.0);
        Self { signal, noise: sigma * signal }
    }

    /// Half the logarithm of the signal-to-noise ratio.
    fn lambda(self) -> f64 {
        libm::log(self.signal) - libm::log(self.noise)
    }
}

impl Solver {
    fn read(settings: &SchedulerSettings) -> Result<Self, ImageError> {
        let algorithms = [("dpmsolver++", false), ("sde-dpmsolver++", true)];
        let correctors = [("midpoint", Corrector::Midpoint), ("heun", Corrector::Heun)];
        let order = settings.value("solver_order", 2)?;
        let (euler, lower) = (settings.value("euler_at_final", false)?, settings.value("lower_order_final", true)?);
        let few = if lower { LastOrder::WithFewSteps } else { LastOrder::Never };
        if !(1..=2).contains(&order) {
            return Err(refused(&format!("solver_order is {order}")));
        }
        Ok(Self {
            prediction: settings.prediction()?,
            corrector: settings.one_of("solver_type", "midpoint", &correctors)?,
            stochastic: settings.one_of("algorithm_type", "dpmsolver++", &algorithms)?,
            order,
            last_order: if euler { LastOrder::Always } else { few },
            ends_noisy: settings.ends_noisy()?,
        })
    }

    /// Whether step `index` of `count` is of the first order.
    fn is_first_order(&self, index: usize, count: usize) -> bool {
        let last = index + 1 == count;
        let lower = !self.ends_noisy
            || match self.last_order {
                LastOrder::Always => true,
                LastOrder::WithFewSteps => count < FEW_STEPS,
                LastOrder::Never => false,
            };
        self.order == 1 || index == 0 || (last && lower)
    }

    fn step(&self, timestep: f64, sigmas: &[f64], index: usize, count: usize) -> Step {
        let (from, to) = (Level::of(sigmas[index]), Level::of(sigmas[index + 1]));
        let denoised = Denoised::of(self.prediction, from.signal, from.noise, None);
        let mut next = self.first_order(from, to);
        if !self.is_first_order(index, count) {
            let slope = self.slope(Level::of(sigmas[index - 1]), from, to);
            next.denoised += slope;
            next.previous -= slope;
        }
        Step { timestep, input_scale: 1.0, denoised, next }
    }

    /// exp(-h), where h is the step in λ.
    fn decay(from: Level, to: Level) -> f64 {
        (to.noise * from.signal) / (to.signal * from.noise)
    }

    fn first_order(&self, from: Level, to: Level) -> Next {
        let (decay, ratio) = (Self::decay(from, to), to.noise / from.noise);
        if !self.stochastic {
            return Next { latent: ratio, denoised: -to.signal * (decay - 1.0), ..Next::default() };
        }
        let squared = decay * decay;
        Next {
            latent: ratio * decay,
            denoised: to.signal * (1.0 - squared),
            noise: to.noise * libm::sqrt(1.0 - squared),
            ..Next::default()
        }
    }

    /// What the change of the estimate since the step before counts.
    fn slope(&self, before: Level, from: Level, to: Level) -> f64 {
        let (step, step_before) = (to.lambda() - from.lambda(), from.lambda() - before.lambda());
        let decay = Self::decay(from, to);
        let squared = decay * decay;
        let weight = match (self.stochastic, self.corrector) {
            (false, Corrector::Midpoint) => -0.5 * (decay - 1.0),
            (false, Corrector::Heun) => (decay - 1.0) / step + 1.0,
            (true, Corrector::Midpoint) => 0.5 * (1.0 - squared),
            (true, Corrector::Heun) => (1.0 - squared) / (-2.0 * step) + 1.0,
        };
        to.signal * weight * step / step_before
    }
}

pub(super) fn schedule(settings: &SchedulerSettings, table: &NoiseTable, steps: u32) -> Result<Schedule, ImageError> {
    let solver = Solver::read(settings)?;
    let (timesteps, sigmas) = levels(settings, table, steps as usize, solver.ends_noisy)?;
    let count = timesteps.len();
    let steps = timesteps.iter().enumerate().map(|(index, timestep)| solver.step(*timestep, &sigmas, index, count));
    Ok(Schedule { initial_scale: 1.0, steps: steps.collect() })
}

/// Positions in the training, and the noise levels there with the one after the last step.
fn levels(
    settings: &SchedulerSettings,
    table: &NoiseTable,
    count: usize,
    ends_noisy: bool,
) -> Result<(Vec<f64>, Vec<f64>), ImageError> {
    let trained = table.sigmas();
    let mut timesteps = positions(settings, table, count)?;
    let mut sigmas: Vec<f64>;
    if settings.value("use_karras_sigmas", false)? {
        let (min, max) = (f64::from(trained[0]), f64::from(trained[trained.len() - 1]));
        sigmas = karras(max, min, count);
        let is_cosine = settings.beta_schedule(SchedulerKind::DpmSolverMultistep)? == BetaSchedule::SquaredCosine;
        let whole = |position: f64| if is_cosine { position.trunc() } else { position.round_ties_even() };
        timesteps = sigmas.iter().map(|sigma| whole(position_of(*sigma, &trained))).collect();
    } else {
        sigmas = timesteps.iter().map(|position| interpolate(*position, &trained)).collect();
    }
    sigmas.push(if ends_noisy { f64::from(trained[0]) } else { 0.0 });
    Ok((timesteps, sigmas))
}

#[expect(clippy::cast_precision_loss, reason = "positions are small")]
fn positions(settings: &SchedulerSettings, table: &NoiseTable, count: usize) -> Result<Vec<f64>, ImageError> {
    let (train, last) = (table.len(), last_position(settings, table)?);
    let mut rising = match settings.spacing(SchedulerKind::DpmSolverMultistep)? {
        Spacing::Trailing => return Ok(trailing(last, train, count)),
        Spacing::Linspace => linspace(0.0, (last - 1) as f64, count + 1),
        Spacing::Leading => leading(count + 1, last / (count + 1), 0),
    };
    let offset: f64 = match settings.spacing(SchedulerKind::DpmSolverMultistep)? {
        Spacing::Leading => settings.value("steps_offset", 0.0)?,
        _ => 0.0,
    };
    rising.reverse();
    rising.truncate(count);
    Ok(rising.into_iter().map(|position| position.round_ties_even() + offset).collect())
}

/// Positions of the training that are used: those whose λ is not below the setting.
fn last_position(settings: &SchedulerSettings, table: &NoiseTable) -> Result<usize, ImageError> {
    let minimum: f64 = settings.value("lambda_min_clipped", f64::NEG_INFINITY)?;
    let lambda = |step: usize| {
        let signal = table.signal(step);
        libm::log(libm::sqrt(signal)) - libm::log(libm::sqrt(1.0 - signal))
    };
    let clipped = (0..table.len()).rev().take_while(|step| lambda(*step) < minimum).count();
    let last = table.len() - clipped;
    if last < 2 { Err(refused(&format!("lambda_min_clipped is {minimum}"))) } else { Ok(last) }
}
