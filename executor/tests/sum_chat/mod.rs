//! The repository's own small model, and tasks for it.
#![allow(dead_code, reason = "every test binary uses a part")]

use std::path::{Path, PathBuf};

use xenon_executor::{Device, Executor, ExecutorConfig, Provider, model::ModelStore, runtime, text::TextSession};
use xenon_protocol::task::{GenerationConfig, GptTask, Message, TaskSpec};

pub(crate) const MODEL: &str = "xenon/sum-chat-1m";

/// The repository's models folder.
pub(crate) fn models_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models")
}

/// The model's own folder.
pub(crate) fn folder() -> PathBuf {
    ModelStore::open(&models_dir()).unwrap().find(&MODEL.parse().unwrap()).unwrap().folder.clone()
}

/// An executor with the repository's models on this many threads.
pub(crate) fn executor(threads: usize) -> Executor {
    let config = ExecutorConfig { intra_threads: threads.try_into().ok(), ..ExecutorConfig::new(models_dir()) };
    Executor::open(&config).unwrap()
}

/// The model's graph, loaded by itself.
pub(crate) fn session() -> TextSession {
    let runtime = runtime::load(None).unwrap();
    let provider: Provider = Device::Cpu.provider(runtime).unwrap();
    TextSession::open(runtime, provider, Some(1), &folder().join("model.onnx")).unwrap()
}

/// A task with one message of the user.
pub(crate) fn ask(question: &str, generation_config: GenerationConfig) -> TaskSpec {
    conversation(vec![Message::user(question)], generation_config, 0)
}

/// A task with a seed.
pub(crate) fn conversation(messages: Vec<Message>, generation_config: GenerationConfig, seed: u64) -> TaskSpec {
    TaskSpec::Gpt(GptTask { seed, ..GptTask::new(MODEL.parse().unwrap(), messages, generation_config) })
}

/// Sampling so flat that two seeds hardly agree.
pub(crate) fn flat(max_new_tokens: u32) -> GenerationConfig {
    GenerationConfig { do_sample: true, temperature: Some(5.0), ..GenerationConfig::greedy(max_new_tokens) }
}
