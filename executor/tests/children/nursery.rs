//! Models that are only manifests, and children that are scripts.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use xenon_executor::{
    TaskOutput,
    memory::Memory,
    process::{ChildCommand, ProcessError, ProcessRunner, RunnerConfig},
};
use xenon_protocol::{
    result::{ChatReply, Choice, FinishReason, Reply, ReplyMessage, ReplyObject, Usage},
    task::{GenerationConfig, GptTask, Message, Role, TaskSpec},
};

/// Far longer than a script takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a script begins with: it says that it has loaded its model, the argument after `--model`.
pub(crate) const READY: &str = r#"
ready() { cat "$DIR/ready-${2##*/}"; }
order() { head -c 4 > /dev/null; }
ready "$@"
"#;

/// A machine with as much memory as one likes.
pub(crate) struct Roomy(pub(crate) Option<u64>);

impl Memory for Roomy {
    fn free(&mut self) -> Option<u64> {
        self.0
    }
}

pub(crate) struct Nursery {
    pub(crate) dir: TempDir,
}

impl Nursery {
    /// With the models `a/m1@1`, `a/m2@1` and `a/m3@1`, each of `bytes` bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        let nursery = Self { dir: tempfile::tempdir().unwrap() };
        for name in ["m1", "m2", "m3"] {
            let folder = nursery.path("models").join(name);
            fs::create_dir_all(&folder).unwrap();
            let files = json!({ "model.onnx": { "size": bytes, "sha256": "" } });
            let manifest = json!({ "model": format!("a/{name}@1"), "files": files });
            fs::write(folder.join("xenon.json"), manifest.to_string()).unwrap();
            let ready = json!({ "ready": { "version": 2, "model": format!("a/{name}@1") } });
            nursery.put(&format!("ready-{name}@1"), &frame(&ready));
            let output = output(&format!("I am {name}"));
            nursery.answers(name, |number| frame(&json!({ "done": { "number": number, "output": output } })));
        }
        nursery
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// What the children of a model say to their first orders, by the order's number.
    pub(crate) fn answers(&self, name: &str, answer: impl Fn(u64) -> Vec<u8>) {
        for number in 1..=9 {
            self.put(&format!("done-{name}@1-{number}"), &answer(number));
        }
    }

    /// A runner whose children run this script, with so much memory for models.
    pub(crate) fn runner_with(&self, script: &str, memory: Option<u64>, free: Option<u64>) -> ProcessRunner {
        let script = format!("DIR='{}'\n{script}", self.dir.path().display());
        let args = ["-c", &script, "child"].map(Into::into).into();
        let child = ChildCommand { program: "/bin/sh".into(), args };
        let config = RunnerConfig { child, models_dir: self.path("models"), memory };
        ProcessRunner::with_memory(config, Roomy(free)).unwrap()
    }

    /// The same, with all the memory that there can be.
    pub(crate) fn runner(&self, script: &str) -> ProcessRunner {
        self.runner_with(script, None, None)
    }

    /// A runner whose children answer every task.
    pub(crate) const fn obedient() -> &'static str {
        r#"ready() { cat "$DIR/ready-${2##*/}"; }
        ready "$@"
        number=0
        while [ "$(dd bs=65536 count=1 2> /dev/null | wc -c)" -gt 0 ]; do
            number=$((number + 1))
            cat "$DIR/done-${2##*/}-$number"
        done"#
    }
}

pub(crate) fn exists(path: &Path) -> bool {
    path.try_exists().unwrap()
}

pub(crate) fn frame(message: &Value) -> Vec<u8> {
    let json = message.to_string();
    let length = u32::try_from(json.len()).unwrap().to_le_bytes();
    [&length[..], json.as_bytes()].concat()
}

/// The answer with this text.
pub(crate) fn output(text: &str) -> TaskOutput {
    let message = ReplyMessage { role: Role::Assistant, content: text.to_owned() };
    let choices = vec![Choice { index: 0, message, finish_reason: FinishReason::Stop }];
    let model = "a/m1".parse().unwrap();
    let reply = ChatReply { object: ReplyObject::ChatCompletion, model, choices, usage: Usage::new(1, 1) };
    TaskOutput::of(Reply::Chat(reply))
}

pub(crate) fn task(model: &str) -> TaskSpec {
    TaskSpec::Gpt(GptTask {
        model: model.parse().unwrap(),
        messages: vec![Message::user("Hello?")],
        generation_config: GenerationConfig::greedy(8),
        seed: 0,
        time: None,
        tools: None,
        dtype: None,
        quantize_bits: None,
    })
}

/// Runs a task of the first model.
pub(crate) fn run(runner: &mut ProcessRunner) -> Result<TaskOutput, ProcessError> {
    runner.run_limited(&task("a/m1"), PATIENCE, &mut |_, _| {})
}

/// The process of the first model.
pub(crate) fn pid(runner: &ProcessRunner) -> Option<u32> {
    runner.monitor().status().children.first().map(|child| child.pid)
}
