//! How many models are loaded at once.

use xenon_executor::process::ProcessRunner;
use xenon_protocol::error_code::ErrorCode;

use crate::nursery::{Nursery, PATIENCE, exists, output, run, task};

const GIB: u64 = 1 << 30;

fn ask(runner: &mut ProcessRunner, model: &str) {
    let answer = runner.run_limited(&task(&format!("a/{model}")), PATIENCE, &mut |_, _| {}).unwrap();
    assert_eq!(answer, output(&format!("I am {model}")));
}

fn loaded(runner: &ProcessRunner) -> Vec<String> {
    runner.monitor().status().children.iter().map(|child| child.model.to_string()).collect()
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_started() {
    let nursery = Nursery::new(GIB);
    for (budget, free) in [(Some(GIB), None), (None, Some(GIB)), (Some(100 * GIB), Some(GIB))] {
        let mut runner = nursery.runner_with("touch \"$DIR/started\"", budget, free);
        let error = run(&mut runner).unwrap_err();
        assert_eq!((error.code(), error.error_code()), ("XE-090", ErrorCode::OutOfMemory));
        assert!(!exists(&nursery.path("started")));
    }
}

#[test]
fn the_longest_unused_model_makes_room_for_another() {
    let nursery = Nursery::new(GIB);
    let mut runner = nursery.runner_with(Nursery::obedient(), Some(3 * GIB), None);
    ask(&mut runner, "m1");
    ask(&mut runner, "m2");
    ask(&mut runner, "m1");
    assert_eq!(loaded(&runner), ["a/m2@1", "a/m1@1"]);
    ask(&mut runner, "m3");
    assert_eq!(loaded(&runner), ["a/m1@1", "a/m3@1"]);
    ask(&mut runner, "m2");
    assert_eq!(loaded(&runner), ["a/m3@1", "a/m2@1"]);
    assert_eq!(runner.monitor().status().lost_children, 0);
}

#[test]
fn models_that_fit_stay_loaded_together() {
    let nursery = Nursery::new(1);
    let mut runner = nursery.runner_with(Nursery::obedient(), None, Some(100 * GIB));
    for model in ["m1", "m2", "m3", "m1"] {
        ask(&mut runner, model);
    }
    assert_eq!(loaded(&runner), ["a/m2@1", "a/m3@1", "a/m1@1"]);
}

#[test]
fn models_that_can_never_fit_are_named_from_the_start() {
    let runner = Nursery::new(GIB).runner_with("", Some(GIB), None);
    let status = runner.monitor().status();
    assert!(status.is_exhausted() && status.too_large.len() == 3, "{status:?}");
}
