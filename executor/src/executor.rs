//! The executor: tasks in, results out.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use alloy::primitives::B256;
use serde::{Deserialize, Serialize};
use xenon_protocol::{
    result::{ChatReply, result_hash},
    task::{GptTask, ModelId, TaskSpec},
};

use crate::{
    class::ExecutionClass,
    device::{Device, Provider},
    error::ExecutorError,
    model::{ModelFolder, ModelLease, ModelStore},
    placement::Placement,
    runtime::{self, Runtime},
    text::TextModel,
};

/// What an executor needs to know.
#[derive(Clone, Debug)]
pub struct ExecutorConfig {
    /// The folder below which the models are.
    pub models_dir: PathBuf,
    /// The device to run on.
    pub device: Device,
    /// Threads within an operation; the runtime chooses if it is left out. It does not change results.
    pub intra_threads: Option<NonZeroUsize>,
    /// The ONNX Runtime library; searched for if it is left out.
    pub ort_library: Option<PathBuf>,
}

impl ExecutorConfig {
    /// The CPU and the library that is found, for the models below a folder.
    pub fn new(models_dir: impl Into<PathBuf>) -> Self {
        Self { models_dir: models_dir.into(), device: Device::Cpu, intra_threads: None, ort_library: None }
    }
}

/// A finished task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskOutput {
    /// The canonical bytes that are delivered.
    #[serde(with = "alloy::hex::serde")]
    pub bytes: Vec<u8>,
    /// What the node commits to: keccak256 of the bytes.
    pub result: B256,
    /// The reply that the bytes say.
    pub reply: ChatReply,
}

/// Runs tasks, one at a time, keeping the models that it has loaded.
///
/// All its work is computation: call it from a thread of its own, not from an async task.
#[derive(Debug)]
pub struct Executor {
    runtime: &'static Runtime,
    provider: Provider,
    threads: Option<usize>,
    store: ModelStore,
    loaded: BTreeMap<ModelId, TextModel>,
    /// The loaded models that must not be evicted meanwhile.
    leases: BTreeMap<ModelId, ModelLease>,
}

impl Executor {
    /// Loads the runtime, proves the device and finds the models. Models are loaded when they are first asked for.
    pub fn open(config: &ExecutorConfig) -> Result<Self, ExecutorError> {
        let runtime = runtime::load(config.ort_library.as_deref())?;
        Ok(Self {
            runtime,
            provider: config.device.provider(runtime)?,
            threads: config.intra_threads.map(NonZeroUsize::get),
            store: ModelStore::open(&config.models_dir)?,
            loaded: BTreeMap::new(),
            leases: BTreeMap::new(),
        })
    }

    /// Names of the installed models, with revisions.
    pub fn models(&self) -> impl Iterator<Item = &ModelId> {
        self.store.models()
    }

    /// The execution class of this machine. Runs the self-test.
    ///
    /// # Errors
    /// Those of the self-test's computations.
    pub fn class(&self) -> Result<ExecutionClass, ExecutorError> {
        ExecutionClass::detect(self.runtime, self.provider)
    }

    /// Loads the model of this name, so that the first task need not wait for it.
    pub fn preload(&mut self, model: &ModelId) -> Result<(), ExecutorError> {
        self.model(model).map(|_| ())
    }

    /// Runs a task. `on_text` is called with the index of the choice and each piece of its text, as it is certain.
    ///
    /// The error's [`ExecutorError::error_code`] is what a node commits to instead of a result.
    pub fn run(&mut self, task: &TaskSpec, on_text: impl FnMut(u32, &str)) -> Result<TaskOutput, ExecutorError> {
        task.validate()?;
        match task {
            TaskSpec::Gpt(task) => self.run_gpt(task, on_text),
        }
    }

    fn run_gpt(&mut self, task: &GptTask, on_text: impl FnMut(u32, &str)) -> Result<TaskOutput, ExecutorError> {
        let reply = self.model(&task.model)?.answer(task, on_text)?;
        let bytes = reply.to_bytes();
        Ok(TaskOutput { result: result_hash(&bytes), bytes, reply })
    }

    fn model(&mut self, wanted: &ModelId) -> Result<&mut TextModel, ExecutorError> {
        let installed = self.store.find(wanted)?;
        let model = &installed.manifest.model;
        match self.loaded.entry(model.clone()) {
            Entry::Occupied(loaded) => {
                self.leases.get_mut(model).into_iter().for_each(ModelLease::touch);
                Ok(loaded.into_mut())
            }
            Entry::Vacant(place) => {
                let lease = ModelLease::take(self.store.root(), installed)?;
                self.leases.extend(lease.map(|lease| (model.clone(), lease)));
                log_placement(self.runtime, self.provider, &installed.folder)?;
                let model = TextModel::load(self.runtime, self.provider, self.threads, installed)?;
                Ok(place.insert(model))
            }
        }
    }
}

/// Says which part of a model a GPU runs. On the processor there is nothing to say.
fn log_placement(runtime: &Runtime, provider: Provider, folder: &Path) -> Result<(), ExecutorError> {
    if provider != Provider::Cpu {
        for graph in ModelFolder::open(folder)?.graphs() {
            let placement = Placement::of(runtime, provider, &folder.join(&graph.graph))?;
            tracing::info!(graph = %folder.join(&graph.graph).display(), %placement, "runs on {}", provider.device());
        }
    }
    Ok(())
}
