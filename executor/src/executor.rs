//! The executor: tasks in, results out.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use alloy::primitives::B256;
use serde::{Deserialize, Serialize};
use xenon_protocol::{
    result::Reply,
    task::{GptTask, Lora, ModelId, SdTask, TaskSpec},
};

use crate::{
    class::ExecutionClass,
    device::{Device, Provider},
    error::ExecutorError,
    image::{Host, ImageFolder, ImageModel, OnStep, StageTimes},
    lora::{LoraFile, merge},
    model::{InstalledModel, ModelFolder, ModelLease, ModelStore},
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
    /// What the node commits to: keccak256 of the bytes, or the pictures' perceptual hashes.
    pub result: B256,
    /// The reply that the bytes say.
    pub reply: Reply,
}

impl TaskOutput {
    /// The output with this reply.
    pub fn of(reply: Reply) -> Self {
        let bytes = reply.to_bytes();
        Self { result: reply.result(&bytes), bytes, reply }
    }
}

/// Who is told how far a task is.
pub struct TaskEvents<'a> {
    /// Told the index of the choice and each piece of its text, as it is certain.
    pub on_text: &'a mut dyn FnMut(u32, &str),
    /// Told picture, step and number of steps after each step; the first two count from 1.
    pub on_step: OnStep<'a>,
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
    texts: BTreeMap<ModelId, TextModel>,
    images: BTreeMap<ModelId, LoadedImage>,
    /// The loaded models that must not be evicted meanwhile.
    leases: BTreeMap<ModelId, ModelLease>,
}

/// An image model with the adaptations that it was loaded with.
#[derive(Debug)]
struct LoadedImage {
    loras: Vec<Lora>,
    model: ImageModel,
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
            texts: BTreeMap::new(),
            images: BTreeMap::new(),
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
        if ImageFolder::is_one(&self.store.find(model)?.folder) {
            return self.image_model(model, &[]).map(|_| ());
        }
        self.text_model(model).map(|_| ())
    }

    /// Runs a task. `on_text` is called with the index of the choice and each piece of its text, as it is certain.
    ///
    /// The error's [`ExecutorError::error_code`] is what a node commits to instead of a result.
    pub fn run(&mut self, task: &TaskSpec, mut on_text: impl FnMut(u32, &str)) -> Result<TaskOutput, ExecutorError> {
        self.run_observed(task, &mut TaskEvents { on_text: &mut on_text, on_step: &mut |_, _, _| {} })
    }

    /// Runs a task and tells how far it is. The same task gives the same output, observed or not.
    pub fn run_observed(&mut self, task: &TaskSpec, events: &mut TaskEvents<'_>) -> Result<TaskOutput, ExecutorError> {
        task.validate()?;
        let reply = match task {
            TaskSpec::Gpt(task) => self.run_gpt(task, events.on_text)?,
            TaskSpec::Sd(task) => self.run_sd(task, events.on_step)?,
        };
        Ok(TaskOutput::of(reply))
    }

    /// Where the time of the last task of an image model went, if the model is loaded.
    pub fn image_times(&self, model: &ModelId) -> Option<StageTimes> {
        let installed = self.store.find(model).ok()?;
        self.images.get(&installed.manifest.model).map(|loaded| loaded.model.times())
    }

    fn run_gpt(&mut self, task: &GptTask, on_text: &mut dyn FnMut(u32, &str)) -> Result<Reply, ExecutorError> {
        Ok(Reply::Chat(self.text_model(&task.model)?.answer(task, on_text)?))
    }

    fn run_sd(&mut self, task: &SdTask, on_step: OnStep<'_>) -> Result<Reply, ExecutorError> {
        Ok(Reply::Images(self.image_model(&task.model, &task.loras)?.answer(task, on_step)?))
    }

    fn text_model(&mut self, wanted: &ModelId) -> Result<&mut TextModel, ExecutorError> {
        let installed = self.store.find(wanted)?;
        let model = &installed.manifest.model;
        match self.texts.entry(model.clone()) {
            Entry::Occupied(loaded) => {
                self.leases.get_mut(model).into_iter().for_each(ModelLease::touch);
                Ok(loaded.into_mut())
            }
            Entry::Vacant(place) => {
                let lease = ModelLease::take(self.store.root(), installed)?;
                log_placement(self.runtime, self.provider, &installed.folder)?;
                let loaded = TextModel::load(self.runtime, self.provider, self.threads, installed)?;
                self.leases.extend(lease.map(|lease| (model.clone(), lease)));
                Ok(place.insert(loaded))
            }
        }
    }

    /// The model with exactly these adaptations. It is loaded anew for others; only one of them is kept.
    fn image_model(&mut self, wanted: &ModelId, loras: &[Lora]) -> Result<&mut ImageModel, ExecutorError> {
        let host = Host { runtime: self.runtime, provider: self.provider, threads: self.threads };
        let installed = self.store.find(wanted)?;
        if self.images.get(&installed.manifest.model).is_some_and(|loaded| loaded.loras != loras) {
            self.images.remove(&installed.manifest.model);
        }
        let model = &installed.manifest.model;
        match self.images.entry(model.clone()) {
            Entry::Occupied(loaded) => {
                self.leases.get_mut(model).into_iter().for_each(ModelLease::touch);
                Ok(&mut loaded.into_mut().model)
            }
            Entry::Vacant(place) => {
                let lease = ModelLease::take(self.store.root(), installed)?;
                let merged = merge(&ImageFolder::open(&installed.folder)?, &files(&self.store, loras)?)?;
                let loaded = ImageModel::load(host, installed, merged)?;
                self.leases.extend(lease.map(|lease| (model.clone(), lease)));
                Ok(&mut place.insert(LoadedImage { loras: loras.to_vec(), model: loaded }).model)
            }
        }
    }
}

/// The installed files of adaptations, checked against their manifests, with their scales.
fn files(store: &ModelStore, loras: &[Lora]) -> Result<Vec<(LoraFile, f64)>, ExecutorError> {
    let file = |lora: &Lora| {
        let InstalledModel { folder, manifest } = store.find(&lora.name)?;
        manifest.verify_files(folder, LoraFile::files(folder)?.iter().map(String::as_str))?;
        Ok((LoraFile::read(&LoraFile::find(folder)?)?, lora.scale))
    };
    loras.iter().map(file).collect()
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
