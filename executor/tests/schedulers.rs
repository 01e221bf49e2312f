//! The schedulers make the steps that diffusers makes.
#![allow(
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use xenon_executor::image::scheduler::{Schedule, Scheduler, SchedulerKind, SchedulerSettings};

const VECTORS: &str = include_str!("../../tests/vectors/schedulers/steps.json");
const START: [f32; 6] = [0.5, -1.0, 1.5, -0.25, 0.0, 2.0];
/// Of the largest value in the latent before and after a step, and at least of one.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    settings: Value,
    steps: u32,
    initial_scale: f64,
    timesteps: Vec<f64>,
    latents: Vec<[f64; 6]>,
}

fn model(values: &[f32; 6], timestep: f64) -> [f32; 6] {
    std::array::from_fn(|place| 0.3 * values[place] + 0.05 * (place as f32 - 2.0) - (timestep / 4000.0) as f32)
}

fn noise(step: usize) -> [f32; 6] {
    std::array::from_fn(|place| (((7 * step + 3 * place) % 11) as f32 - 5.0) / 4.0)
}

fn schedule(case: &Case) -> Schedule {
    let settings = SchedulerSettings::parse(&case.settings.to_string()).unwrap();
    Scheduler::new(settings.kind().unwrap(), settings).unwrap().schedule(case.steps).unwrap()
}

fn check(case: &Case) -> Result<(), String> {
    let schedule = schedule(case);
    let timesteps: Vec<f64> = schedule.steps.iter().map(|step| step.timestep).collect();
    let differ = |a: f64, b: f64, scale: f64| (a - b).abs() > TOLERANCE * scale.max(1.0);
    if differ(schedule.initial_scale, case.initial_scale, case.initial_scale) {
        return Err(format!("initial scale {} not {}", schedule.initial_scale, case.initial_scale));
    }
    let same_length = timesteps.len() == case.timesteps.len();
    if !same_length || timesteps.iter().zip(&case.timesteps).any(|(a, b)| (a - b).abs() > 1e-3) {
        return Err(format!("timesteps {timesteps:?} not {:?}", case.timesteps));
    }
    let mut latent = START.map(|value| value * schedule.initial_scale as f32);
    let mut previous = [0.0; 6];
    for (index, (step, expected)) in schedule.steps.iter().zip(&case.latents).enumerate() {
        let output = model(&latent.map(|value| value * step.input_scale as f32), step.timestep);
        let before = largest(&latent.map(f64::from));
        step.advance(&mut latent, &output, &mut previous, &noise(index));
        let scale = largest(expected).max(before);
        if latent.iter().zip(expected).any(|(a, b)| differ(f64::from(*a), *b, scale)) {
            return Err(format!("step {index}: {latent:?} not {expected:?}"));
        }
        // Each step begins where diffusers' did, so that its rounding does not add up.
        latent = expected.map(|value| value as f32);
    }
    Ok(())
}

fn largest(values: &[f64; 6]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

#[test]
fn every_step_is_that_of_diffusers() {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    assert_eq!(vectors.cases.len(), 295);
    let failures = vectors.cases.iter().filter_map(|case| {
        check(case).err().map(|reason| format!("{} with {} steps: {reason}", case.settings, case.steps))
    });
    let failures: Vec<_> = failures.collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), vectors.cases.len(), failures.join("\n"));
}

const KINDS: [SchedulerKind; 5] = [
    SchedulerKind::Euler,
    SchedulerKind::EulerAncestral,
    SchedulerKind::Ddim,
    SchedulerKind::DpmSolverMultistep,
    SchedulerKind::Lcm,
];

#[test]
fn no_steps_and_more_than_there_are_levels_are_refused() {
    for kind in KINDS {
        let scheduler = Scheduler::new(kind, SchedulerSettings::default()).unwrap();
        for steps in [0, 1001] {
            assert_eq!(scheduler.schedule(steps).unwrap_err().code(), "XE-062", "{kind:?}");
        }
    }
}

proptest! {
    /// A model that always finds the picture ends with the picture, whatever the scheduler: all noise is removed.
    #[test]
    fn a_perfect_model_ends_with_its_picture(steps in 2_u32..50, kind in 0..5_usize, picture in -1.0_f32..1.0) {
        let mut settings = r#"{"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear""#.to_owned();
        settings += if KINDS[kind] == SchedulerKind::EulerAncestral { "}" } else { r#", "prediction_type": "sample"}"# };
        let scheduler = Scheduler::new(KINDS[kind], SchedulerSettings::parse(&settings).unwrap()).unwrap();
        let schedule = scheduler.schedule(steps).unwrap();
        let mut latent = [schedule.initial_scale as f32];
        let mut previous = [0.0];
        for step in &schedule.steps {
            let output = if KINDS[kind] == SchedulerKind::EulerAncestral {
                let sigma = (1.0 / (step.input_scale * step.input_scale) - 1.0).sqrt() as f32;
                [(latent[0] - picture) / sigma]
            } else {
                [picture]
            };
            step.advance(&mut latent, &output, &mut previous, &[0.7]);
        }
        prop_assert!((latent[0] - picture).abs() < 1e-2, "{} not {picture}", latent[0]);
    }
}
