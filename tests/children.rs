//! The process that runs a model, with a real model.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod network;

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use network::{eventually, root};
use xenon_executor::{
    Executor, ExecutorConfig, TaskOutput,
    process::{ChildCommand, ProcessError, ProcessRunner, RunnerConfig},
};
use xenon_protocol::{
    error_code::ErrorCode,
    task::{GenerationConfig, GptTask, Message, TaskSpec},
};

const MODEL: &str = "xenon/sum-chat-1m@1";

const PATIENCE: Duration = Duration::from_mins(2);

fn question(new: u32) -> TaskSpec {
    let messages = vec![Message::user("What is 17 + 25?")];
    TaskSpec::Gpt(GptTask::new(MODEL.parse().unwrap(), messages, GenerationConfig::greedy(new)))
}

fn runner(models: &Path, more: &[&str]) -> ProcessRunner {
    let models_dir = PathBuf::from(models);
    let mut args: Vec<_> = ["executor", "--device", "cpu", "--models"].map(Into::into).into();
    args.push(models.into());
    args.extend(more.iter().map(Into::into));
    let child = ChildCommand { program: env!("CARGO_BIN_EXE_xenon").into(), args };
    ProcessRunner::open(RunnerConfig { child, models_dir, memory: None }).unwrap()
}

fn run(runner: &mut ProcessRunner) -> Result<TaskOutput, ProcessError> {
    runner.run_limited(&question(8), PATIENCE, &mut |_, _| {})
}

#[test]
fn a_child_gives_the_bytes_that_this_process_would() {
    let models = root().join("models");
    let mut text = String::new();
    let there = runner(&models, &[]).run_limited(&question(8), PATIENCE, &mut |_, piece| text += piece).unwrap();
    let here = Executor::open(&ExecutorConfig::new(&models)).unwrap().run(&question(8), |_, _| {}).unwrap();
    assert_eq!(there, here);
    assert_eq!(text.trim(), "42");
}

#[test]
fn one_child_answers_one_task_after_the_other() {
    let mut runner = runner(&root().join("models"), &[]);
    runner.preload(PATIENCE);
    let pid = runner.monitor().status().children[0].pid;
    for _ in 0..3 {
        run(&mut runner).unwrap();
    }
    assert_eq!(runner.monitor().status().children[0].pid, pid);
}

#[test]
fn a_request_to_stop_that_reaches_the_whole_group_leaves_the_children_to_their_node() {
    let mut runner = runner(&root().join("models"), &[]);
    runner.preload(PATIENCE);
    let pid = runner.monitor().status().children[0].pid;
    for signal in ["TERM", "INT", "HUP"] {
        let kill = format!("kill -{signal} {pid}");
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }
    run(&mut runner).unwrap();
    assert_eq!(runner.monitor().status().children[0].pid, pid);
}

#[test]
#[cfg(target_os = "linux")]
fn a_model_that_does_not_get_its_memory_is_an_error_and_the_node_lives() {
    // Less than the runtime takes by itself.
    let mut runner = runner(&root().join("models"), &["--memory", "16000000"]);
    let error = run(&mut runner).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::OutOfMemory, "{error}");
    assert!(runner.monitor().status().children.is_empty());
}

#[test]
fn a_damaged_model_is_named_and_other_tasks_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("sum-chat");
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(root().join("models/sum-chat")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    fs::write(copy.join("tokenizer.json"), "{}").unwrap();
    let error = run(&mut runner(folder.path(), &[])).unwrap_err();
    assert_eq!((error.code(), error.error_code()), ("XE-026", ErrorCode::ModelUnavailable), "{error}");
}

#[test]
fn a_child_ends_with_its_input_in_the_middle_of_a_task_too() {
    for orders in [Vec::new(), order()] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_xenon"))
            .args(["executor", "--device", "cpu", "--models", "models", "--model", MODEL])
            .current_dir(root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, &orders).unwrap();
        // It has loaded its model when it says the first thing.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).unwrap();
        drop(input);
        let status = eventually("it ends", || child.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
}

/// A task that takes a while.
fn order() -> Vec<u8> {
    let json = serde_json::json!({ "run": { "number": 1, "task": question(65_000) } }).to_string();
    [&u32::try_from(json.len()).unwrap().to_le_bytes()[..], json.as_bytes()].concat()
}
