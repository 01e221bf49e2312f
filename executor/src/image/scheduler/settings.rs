//! The settings of schedulers: diffusers' `scheduler_config.json`.

use std::{fs, path::Path};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{ImageError, SchedulerKind};
use crate::error::ExecutorError;

/// How the training's noise grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BetaSchedule {
    Linear,
    ScaledLinear,
    SquaredCosine,
}

/// What the model was trained to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prediction {
    /// The noise.
    Epsilon,
    /// The denoised latent.
    Sample,
    /// The velocity (Salimans and Ho, 2022).
    Velocity,
}

/// Where in the training's noise schedule the steps lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spacing {
    Linspace,
    Leading,
    Trailing,
}

/// Settings as the file has them. What it leaves out has the value that diffusers' class of that scheduler gives it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SchedulerSettings {
    values: Map<String, Value>,
}

/// The value at which a setting has no effect; none has none.
enum Idle {
    Off,
    Text(&'static str),
}

impl Idle {
    fn is(&self, value: &Value) -> bool {
        match self {
            Self::Off => value.as_bool() == Some(false),
            Self::Text(text) => value.as_str() == Some(text),
        }
    }
}

/// Settings that change pictures and are not followed, with the value at which they have no effect.
const UNSUPPORTED: [(&str, &[SchedulerKind], Idle); 9] = {
    use SchedulerKind::{Ddim, DpmSolverMultistep as Dpm, Euler, Lcm};
    [
        ("interpolation_type", &[Euler], Idle::Text("linear")),
        ("timestep_type", &[Euler], Idle::Text("discrete")),
        ("use_exponential_sigmas", &[Euler, Dpm], Idle::Off),
        ("use_beta_sigmas", &[Euler, Dpm], Idle::Off),
        ("use_lu_lambdas", &[Dpm], Idle::Off),
        ("use_flow_sigmas", &[Dpm], Idle::Off),
        ("use_dynamic_shifting", &[Dpm], Idle::Off),
        ("variance_type", &[Dpm], Idle::Off),
        ("thresholding", &[Ddim, Dpm, Lcm], Idle::Off),
    ]
};

impl SchedulerSettings {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, ExecutorError> {
        let text = fs::read_to_string(path).map_err(|error| ExecutorError::invalid(path, &error))?;
        Self::parse(&text).map_err(|error| ExecutorError::invalid(path, &error))
    }

    /// Settings from JSON as Python writes it, in which minus infinity may stand as a value.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        Ok(Self { values: serde_json::from_str(&text.replace(": -Infinity", ": null"))? })
    }

    /// The scheduler that the file is for; another than the five here is refused by name.
    pub fn kind(&self) -> Result<SchedulerKind, ImageError> {
        let class = self.values.get("_class_name").cloned().unwrap_or_default();
        serde_json::from_value(class.clone()).map_err(|_| refused(&format!("its class is {class}")))
    }

    /// Refuses what the scheduler does not do.
    pub(super) fn check(&self, kind: SchedulerKind) -> Result<(), ImageError> {
        let concerned = UNSUPPORTED.iter().filter(|(_, kinds, _)| kinds.contains(&kind));
        for (name, _, idle) in concerned {
            if let Some(value) = self.get(name).filter(|value| !idle.is(value)) {
                return Err(refused(&format!("{name} is {value}")));
            }
        }
        self.prediction()?;
        self.beta_schedule(kind)?;
        self.spacing(kind).map(|_| ())
    }

    pub(super) fn train_steps(&self) -> Result<usize, ImageError> {
        let steps: usize = self.value("num_train_timesteps", 1000)?;
        if (2..=100_000).contains(&steps) {
            Ok(steps)
        } else {
            Err(refused(&format!("num_train_timesteps is {steps}")))
        }
    }

    pub(super) fn beta_schedule(&self, kind: SchedulerKind) -> Result<BetaSchedule, ImageError> {
        let usual = if kind == SchedulerKind::Lcm { "scaled_linear" } else { "linear" };
        let names = [
            ("linear", BetaSchedule::Linear),
            ("scaled_linear", BetaSchedule::ScaledLinear),
            ("squaredcos_cap_v2", BetaSchedule::SquaredCosine),
        ];
        self.one_of("beta_schedule", usual, &names)
    }

    pub(super) fn prediction(&self) -> Result<Prediction, ImageError> {
        let names =
            [("epsilon", Prediction::Epsilon), ("sample", Prediction::Sample), ("v_prediction", Prediction::Velocity)];
        self.one_of("prediction_type", "epsilon", &names)
    }

    pub(super) fn spacing(&self, kind: SchedulerKind) -> Result<Spacing, ImageError> {
        let usual = if matches!(kind, SchedulerKind::Ddim | SchedulerKind::Lcm) { "leading" } else { "linspace" };
        let names = [("linspace", Spacing::Linspace), ("leading", Spacing::Leading), ("trailing", Spacing::Trailing)];
        self.one_of("timestep_spacing", usual, &names)
    }

    /// Whether the last noise level is that of the training's first step, and not zero.
    pub(super) fn ends_noisy(&self) -> Result<bool, ImageError> {
        self.one_of("final_sigmas_type", "zero", &[("zero", false), ("sigma_min", true)])
    }

    /// The absolute value to which denoised latents are cut, if they are.
    pub(super) fn clip(&self, usual: bool) -> Result<Option<f64>, ImageError> {
        let clips: bool = self.value("clip_sample", usual)?;
        let limit: f64 = self.value("clip_sample_range", 1.0)?;
        if clips && limit <= 0.0 {
            return Err(refused(&format!("clip_sample_range is {limit}")));
        }
        Ok(clips.then_some(limit))
    }

    /// A setting, or `usual` where the file leaves it out or says null.
    pub(super) fn value<T: DeserializeOwned>(&self, name: &str, usual: T) -> Result<T, ImageError> {
        let Some(value) = self.get(name) else { return Ok(usual) };
        serde_json::from_value(value.clone()).map_err(|_| refused(&format!("{name} is {value}")))
    }

    pub(super) fn one_of<T: Copy>(&self, name: &str, usual: &str, known: &[(&str, T)]) -> Result<T, ImageError> {
        let value: String = self.value(name, usual.to_owned())?;
        let found = known.iter().find(|(known, _)| *known == value);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| refused(&format!("{name} is {value:?}")))
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name).filter(|value| !value.is_null())
    }
}

pub(super) fn refused(reason: &str) -> ImageError {
    ImageError::SchedulerUnsupported { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::scheduler::Scheduler;

    fn refusal(kind: SchedulerKind, setting: &str) -> String {
        let settings = SchedulerSettings::parse(&format!("{{{setting}}}")).unwrap();
        let error = Scheduler::new(kind, settings).and_then(|scheduler| scheduler.schedule(4)).unwrap_err();
        assert_eq!(error.code(), "XE-061");
        error.to_string()
    }

    #[test]
    fn what_is_not_followed_is_refused_by_name() {
        use SchedulerKind::{Ddim, DpmSolverMultistep, Euler, EulerAncestral, Lcm};
        let cases = [
            (Euler, r#""use_beta_sigmas": true"#, "use_beta_sigmas"),
            (Euler, r#""interpolation_type": "log_linear""#, "interpolation_type"),
            (Euler, r#""timestep_type": "continuous""#, "timestep_type"),
            (EulerAncestral, r#""beta_schedule": "sigmoid""#, "beta_schedule"),
            (EulerAncestral, r#""prediction_type": "sample""#, "prediction_type"),
            (Ddim, r#""thresholding": true"#, "thresholding"),
            (Ddim, r#""num_train_timesteps": 1"#, "num_train_timesteps"),
            (DpmSolverMultistep, r#""algorithm_type": "dpmsolver""#, "algorithm_type"),
            (DpmSolverMultistep, r#""solver_order": 3"#, "solver_order"),
            (DpmSolverMultistep, r#""use_flow_sigmas": true"#, "use_flow_sigmas"),
            (DpmSolverMultistep, r#""variance_type": "learned""#, "variance_type"),
            (Lcm, r#""original_inference_steps": 2000"#, "original_inference_steps"),
            (Lcm, r#""beta_start": "x""#, "beta_start"),
            (Lcm, r#""trained_betas": [0.1, 0.2]"#, "original_inference_steps"),
            (Ddim, r#""clip_sample_range": -1.0"#, "clip_sample_range"),
            (Lcm, r#""clip_sample": true, "clip_sample_range": 0"#, "clip_sample_range"),
        ];
        for (kind, setting, name) in cases {
            assert!(refusal(kind, setting).contains(name), "{setting}");
        }
    }

    #[test]
    fn a_setting_of_another_scheduler_has_no_effect() {
        let settings = SchedulerSettings::parse(r#"{"use_beta_sigmas": true, "skip_prk_steps": true}"#).unwrap();
        assert!(Scheduler::new(SchedulerKind::Ddim, settings).is_ok());
    }

    #[test]
    fn a_scheduler_that_is_not_here_is_named() {
        let settings = SchedulerSettings::parse(r#"{"_class_name": "PNDMScheduler"}"#).unwrap();
        assert!(settings.kind().unwrap_err().to_string().contains("PNDMScheduler"));
    }

    /// Python writes the setting `lambda_min_clipped` so where nothing is clipped.
    #[test]
    fn minus_infinity_is_read_as_no_value() {
        let text = r#"{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity}"#;
        let settings = SchedulerSettings::parse(text).unwrap();
        assert_eq!(settings.kind().unwrap(), SchedulerKind::DpmSolverMultistep);
        assert!(Scheduler::new(SchedulerKind::DpmSolverMultistep, settings).unwrap().schedule(4).is_ok());
    }
}
