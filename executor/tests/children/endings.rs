//! Every way in which a child can end is an error of the task, and the next task has a new child.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;
use xenon_executor::process::ProcessError;
use xenon_protocol::error_code::ErrorCode;

use crate::nursery::{Nursery, PATIENCE, READY, exists, frame, output, pid, run, task};

/// The error of a child that does this after its model is loaded and an order has come.
fn ending(then: &str) -> ProcessError {
    let nursery = Nursery::new(1);
    let mut runner = nursery.runner(&format!("{READY}order\n{then}"));
    let error = run(&mut runner).unwrap_err();
    assert_eq!(pid(&runner), None, "{error}");
    let status = runner.monitor().status();
    assert_eq!((status.lost_children, status.failures[error.code()]), (1, 1));
    error
}

fn assert_is(error: &ProcessError, code: &str, committed: ErrorCode) {
    assert_eq!((error.code(), error.error_code()), (code, committed), "{error}");
    assert!(error.to_string().starts_with(&format!("{code}: ")), "{error}");
}

#[test]
fn a_crash_is_a_failed_execution() {
    for crash in ["kill -ABRT $$", "kill -SEGV $$", "kill -ILL $$", "exit 3", "exit 0"] {
        assert_is(&ending(crash), "XE-092", ErrorCode::ExecutionFailed);
    }
}

#[test]
fn a_child_that_the_kernel_kills_was_out_of_memory() {
    let error = ending("kill -KILL $$");
    assert_is(&error, "XE-093", ErrorCode::OutOfMemory);
    assert!(error.to_string().contains("signal: 9"), "{error}");
}

#[test]
fn a_runtime_that_gets_no_memory_and_aborts_was_out_of_memory() {
    for words in
        ["terminate called after throwing an instance of 'std::bad_alloc'", "memory allocation of 9 bytes failed"]
    {
        let error = ending(&format!("echo \"{words}\" >&2; kill -ABRT $$"));
        assert_is(&error, "XE-093", ErrorCode::OutOfMemory);
    }
}

#[test]
fn last_words_that_come_after_the_end_are_waited_for() {
    let late = "(exec >&-; sleep 0.2; echo 'std::bad_alloc' >&2) & kill -ABRT $$";
    assert_is(&ending(late), "XE-093", ErrorCode::OutOfMemory);
}

#[test]
fn what_is_no_message_is_refused() {
    for garbage in ["printf 'Hello, world!'", "printf '\\002\\000\\000\\000{}'", "printf '\\377\\377\\377\\377'"] {
        assert_is(&ending(&format!("{garbage}; sleep 60")), "XE-095", ErrorCode::ExecutionFailed);
    }
}

#[test]
fn a_child_that_says_twice_that_it_is_ready_is_refused() {
    assert_is(&ending("ready \"$@\"; sleep 60"), "XE-095", ErrorCode::ExecutionFailed);
}

#[test]
fn an_answer_to_another_task_is_refused() {
    let nursery = Nursery::new(1);
    for number in [0, 2] {
        nursery.answers("m1", |_| frame(&json!({ "done": { "number": number, "output": output("I am m1") } })));
        let mut runner = nursery.runner(Nursery::obedient());
        assert_is(&run(&mut runner).unwrap_err(), "XE-095", ErrorCode::ExecutionFailed);
    }
}

#[test]
fn half_a_message_is_a_crash() {
    assert_is(&ending("printf '\\100\\000\\000\\000{\"done\"'"), "XE-092", ErrorCode::ExecutionFailed);
}

#[test]
fn a_child_that_closes_its_pipe_and_stays_is_ended() {
    let error = ending("exec >&-; sleep 60");
    assert_is(&error, "XE-092", ErrorCode::ExecutionFailed);
    assert!(error.to_string().contains("did not end"), "{error}");
}

#[test]
fn a_child_that_hangs_is_ended_at_the_limit() {
    for script in [format!("{READY}order; sleep 600"), "sleep 600".to_owned(), format!("{READY}sleep 600")] {
        let nursery = Nursery::new(1);
        let mut runner = nursery.runner(&script);
        let error = runner.run_limited(&task("a/m1"), Duration::from_millis(200), &mut |_, _| {}).unwrap_err();
        assert_is(&error, "XE-094", ErrorCode::ExecutionFailed);
        assert_eq!(pid(&runner), None);
    }
}

#[test]
fn a_program_that_cannot_be_started_is_named() {
    let nursery = Nursery::new(1);
    let mut runner = nursery.runner("exec /no/such/program");
    assert_is(&run(&mut runner).unwrap_err(), "XE-092", ErrorCode::ExecutionFailed);
}

#[test]
fn another_version_or_another_model_is_refused() {
    let nursery = Nursery::new(1);
    for ready in [json!({ "version": 1, "model": "a/m1@1" }), json!({ "version": 2, "model": "a/m2@1" })] {
        nursery.put("ready-m1@1", &frame(&json!({ "ready": ready })));
        let error = run(&mut nursery.runner(&format!("{READY}sleep 60"))).unwrap_err();
        assert_is(&error, "XE-096", ErrorCode::ExecutionFailed);
    }
}

#[test]
fn an_error_of_the_model_is_passed_on_as_it_is_and_the_child_stays() {
    let nursery = Nursery::new(1);
    let failure = json!({ "text": "XE-031: too long; shorten it", "code": "task_too_large" });
    nursery.answers("m1", |number| frame(&json!({ "failed": { "number": number, "failure": failure } })));
    let mut runner = nursery.runner(Nursery::obedient());
    assert_is(&run(&mut runner).unwrap_err(), "XE-031", ErrorCode::TaskTooLarge);
    let first = pid(&runner).expect("it stays");
    run(&mut runner).unwrap_err();
    assert_eq!(pid(&runner), Some(first));
}

#[test]
fn a_task_that_runs_out_of_memory_ends_its_child_and_withdraws_no_model() {
    let nursery = Nursery::new(1);
    let failure = json!({ "text": "XE-041: out of memory", "code": "out_of_memory" });
    nursery.answers("m1", |number| frame(&json!({ "failed": { "number": number, "failure": failure } })));
    // Room for a model, its process and half of what its tasks are reckoned to take from then on.
    let memory = 128 << 20;
    let mut runner = nursery.runner_with(Nursery::obedient(), Some(memory), None);
    assert_is(&run(&mut runner).unwrap_err(), "XE-041", ErrorCode::OutOfMemory);
    let status = runner.monitor().status();
    assert!(status.children.is_empty() && !status.is_exhausted(), "{status:?}");
    assert_eq!((status.budget, status.offered.len()), (memory, 3));
    assert_is(&run(&mut runner).unwrap_err(), "XE-090", ErrorCode::OutOfMemory);
    let other = runner.run_limited(&task("a/m2"), PATIENCE, &mut |_, _| {});
    assert_eq!(other.unwrap(), output("I am m2"));
}

#[test]
fn a_model_that_runs_out_of_memory_while_it_is_loaded_lowers_what_is_counted_on() {
    let nursery = Nursery::new(1 << 30);
    let mut runner = nursery.runner_with("kill -KILL $$", Some(100 << 30), None);
    assert_is(&run(&mut runner).unwrap_err(), "XE-093", ErrorCode::OutOfMemory);
    let status = runner.monitor().status();
    assert!(status.children.is_empty() && status.is_exhausted(), "{status:?}");
    assert!(status.budget < 2 << 30, "{status:?}");
    assert_is(&run(&mut runner).unwrap_err(), "XE-090", ErrorCode::OutOfMemory);
}

#[test]
fn the_next_task_has_a_new_child() {
    let nursery = Nursery::new(1);
    let script = format!("if mkdir \"$DIR/died\"; then {READY}order; kill -ABRT $$; fi\n{}", Nursery::obedient());
    let mut runner = nursery.runner(&script);
    assert_is(&run(&mut runner).unwrap_err(), "XE-092", ErrorCode::ExecutionFailed);
    assert!(exists(&nursery.path("died")));
    assert_eq!(run(&mut runner).unwrap(), output("I am m1"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_child_that_was_killed_while_it_had_nothing_to_do_costs_no_task() {
    let nursery = Nursery::new(1);
    let mut runner = nursery.runner(Nursery::obedient());
    run(&mut runner).unwrap();
    let first = pid(&runner).unwrap();
    kill(first);
    assert_eq!(run(&mut runner).unwrap(), output("I am m1"));
    assert_ne!(pid(&runner), Some(first));
    assert_eq!(runner.monitor().status().lost_children, 1);
}

/// Kills a process and waits until it is dead, though nobody has asked how it died.
fn kill(pid: u32) {
    assert!(Command::new("sh").args(["-c", &format!("kill -KILL {pid}")]).status().unwrap().success());
    let until = Instant::now() + PATIENCE;
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < until, "it does not die");
    }
}

#[test]
fn one_that_keeps_failing_is_not_started_again_at_once() {
    let nursery = Nursery::new(1);
    let mut runner = nursery.runner("exit 1");
    for _ in 0..3 {
        assert_is(&run(&mut runner).unwrap_err(), "XE-092", ErrorCode::ExecutionFailed);
    }
    let error = runner.run_limited(&task("a/m1"), Duration::ZERO, &mut |_, _| {}).unwrap_err();
    assert_is(&error, "XE-097", ErrorCode::ExecutionFailed);
    assert!(error.to_string().contains("3 times in a row"), "{error}");
}

#[test]
fn text_is_passed_on_as_it_comes() {
    let nursery = Nursery::new(1);
    let text = |index: u32, text: &str| frame(&json!({ "text": { "number": 1, "index": index, "text": text } }));
    let done = frame(&json!({ "done": { "number": 1, "output": output("Hi.") } }));
    let all = [text(0, "H"), text(1, "é"), text(0, "i."), done].concat();
    nursery.answers("m1", |_| all.clone());
    let mut pieces = Vec::new();
    let mut runner = nursery.runner(Nursery::obedient());
    let outcome = runner.run_limited(&task("a/m1"), PATIENCE, &mut |index, text| pieces.push((index, text.to_owned())));
    assert_eq!(outcome.unwrap(), output("Hi."));
    assert_eq!(pieces, [(0, "H".to_owned()), (1, "é".to_owned()), (0, "i.".to_owned())]);
}

#[test]
fn a_task_for_a_model_that_is_not_there_starts_nothing() {
    let nursery = Nursery::new(1);
    let mut runner = nursery.runner("touch \"$DIR/started\"");
    let error = runner.run_limited(&task("a/none"), PATIENCE, &mut |_, _| {}).unwrap_err();
    assert_is(&error, "XE-021", ErrorCode::ModelUnavailable);
    assert!(!exists(&nursery.path("started")));
}
