//! Runs tasks in child processes, one for each model that is loaded.

use std::{collections::BTreeMap, fmt, path::PathBuf, thread, time::Duration, time::Instant};

use xenon_protocol::{
    error_code::ErrorCode,
    task::{ModelId, TaskSpec},
};

use super::{
    ChildCommand, Monitor, ProcessError, Running,
    backoff::Backoff,
    child::{Child, Deadline},
    estimate::Estimate,
    monitor::ChildStatus,
};
use crate::{
    TaskOutput,
    agent::TaskRunner,
    error::ExecutorError,
    memory::{Budget, Demand, Memory, Needs, Resident, SystemMemory},
    model::ModelStore,
};

/// Time of a task that nobody limits.
const UNLIMITED: Duration = Duration::from_hours(24);

/// The part of free memory, in percent, that models may take when no budget is given.
const SHARE: u64 = 90;

/// What a runner needs to know.
#[derive(Clone, Debug)]
pub struct RunnerConfig {
    /// How a child is started.
    pub child: ChildCommand,
    /// The folder below which the models are.
    pub models_dir: PathBuf,
    /// The most memory that models may take together, in bytes; nine tenths of what is free at the start if it is left out.
    pub memory: Option<u64>,
}

/// Runs each task in a child process that holds its model.
pub struct ProcessRunner {
    child: ChildCommand,
    store: ModelStore,
    memory: Box<dyn Memory>,
    budget: Budget,
    loaded: BTreeMap<ModelId, Loaded>,
    backoff: BTreeMap<ModelId, Backoff>,
    estimates: BTreeMap<ModelId, Estimate>,
    tasks: u64,
    monitor: Monitor,
}

#[derive(Debug)]
struct Loaded {
    child: Child,
    bytes: u64,
    used: u64,
}

impl fmt::Debug for ProcessRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessRunner").field("loaded", &self.loaded).finish_non_exhaustive()
    }
}

impl ProcessRunner {
    /// Finds the models. Nothing is started before the first task.
    ///
    /// # Errors
    /// Those of [`ModelStore::open`].
    pub fn open(config: RunnerConfig) -> Result<Self, ExecutorError> {
        Self::with_memory(config, SystemMemory::default())
    }

    /// [`ProcessRunner::open`] with another view of the machine's memory.
    ///
    /// # Errors
    /// Those of [`ModelStore::open`].
    pub fn with_memory(config: RunnerConfig, mut memory: impl Memory + 'static) -> Result<Self, ExecutorError> {
        let free = memory.free();
        let share = free.map_or(u64::MAX, |free| free / 100 * SHARE);
        let runner = Self {
            child: config.child,
            store: ModelStore::open(&config.models_dir)?,
            memory: Box::new(memory),
            budget: Budget::new(config.memory.unwrap_or(share)),
            loaded: BTreeMap::new(),
            backoff: BTreeMap::new(),
            estimates: BTreeMap::new(),
            tasks: 0,
            monitor: Monitor::default(),
        };
        runner.show_offer();
        runner.show_loaded(free);
        Ok(runner)
    }

    /// A view of what this runner does.
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Names of the installed models, with revisions.
    pub fn models(&self) -> impl Iterator<Item = &ModelId> {
        self.store.models()
    }

    /// Loads the models that fit together, in the order of their names, so that their first tasks need not wait. One that
    /// cannot be loaded within `limit` is left out, with a line in the log that says why.
    pub fn preload(&mut self, limit: Duration) {
        let models: Vec<_> = self.store.models().cloned().collect();
        for model in models {
            if let Err(error) = self.preload_one(&model, Deadline::after(limit)) {
                tracing::warn!(%model, %error, "not loaded at the start");
            }
        }
    }

    fn preload_one(&mut self, model: &ModelId, until: Deadline) -> Result<(), ProcessError> {
        let demand = Demand { model: Needs::of(self.store.find(model)?)?.loaded(), task: 0 };
        let free = self.memory.free();
        let unloaded = self.budget.room_for(model, demand, &self.residents(), free)?;
        if unloaded.is_empty() { self.load(model, demand.model, until) } else { Ok(()) }
    }

    /// Runs a task within `limit`, loading its model if need be. `on_text` is called with the index of the choice and each
    /// piece of its text.
    ///
    /// # Errors
    /// [`ProcessError`]: every way in which a child can fail is one.
    pub fn run_limited(
        &mut self,
        task: &TaskSpec,
        limit: Duration,
        on_text: &mut dyn FnMut(u32, &str),
    ) -> Result<TaskOutput, ProcessError> {
        let outcome = self.attempt(task, Deadline::after(limit), on_text);
        if let Err(error) = &outcome {
            self.monitor.update(|status| *status.failures.entry(error.code().to_owned()).or_default() += 1);
        }
        outcome
    }

    fn attempt(
        &mut self,
        task: &TaskSpec,
        until: Deadline,
        on_text: &mut dyn FnMut(u32, &str),
    ) -> Result<TaskOutput, ProcessError> {
        task.validate().map_err(ExecutorError::from)?;
        let installed = self.store.find(task.model())?;
        let model = installed.manifest.model.clone();
        let demand = self.estimate(&model, Needs::of(installed)?.demand(task));
        self.make_room(&model, demand)?;
        self.load(&model, demand.model, until)?;
        self.monitor.update(|status| status.running = Some(Running { model: model.clone(), pieces: 0 }));
        let outcome = self.run_in_child(&model, task, until, on_text);
        self.monitor.update(|status| status.running = None);
        if let Err(error) = &outcome {
            self.learn_from_task(&model, error);
        }
        self.show_loaded(None);
        outcome
    }

    /// What a task needs, as far as earlier tasks of the model have shown.
    fn estimate(&self, model: &ModelId, demand: Demand) -> Demand {
        let task = self.estimates.get(model).map_or(demand.task, |estimate| estimate.of(demand.task));
        Demand { task, ..demand }
    }

    /// Forgets the children that ended while they had nothing to do.
    fn bury(&mut self) {
        let before = self.loaded.len();
        self.loaded.retain(|_, loaded| loaded.child.is_alive());
        let lost = before - self.loaded.len();
        self.monitor.update(|status| status.lost_children += lost as u64);
    }

    /// Ends the longest unused children until there is room for the task.
    fn make_room(&mut self, model: &ModelId, demand: Demand) -> Result<(), ProcessError> {
        self.bury();
        let free = self.memory.free();
        self.show_loaded(free);
        for model in self.budget.room_for(model, demand, &self.residents(), free)? {
            tracing::info!(%model, "unloaded, for room");
            self.loaded.remove(&model);
        }
        Ok(())
    }

    fn run_in_child(
        &mut self,
        model: &ModelId,
        task: &TaskSpec,
        until: Deadline,
        on_text: &mut dyn FnMut(u32, &str),
    ) -> Result<TaskOutput, ProcessError> {
        let Some(loaded) = self.loaded.get_mut(model) else {
            return Err(ProcessError::NotStarted { model: model.clone(), reason: "it is gone".to_owned() });
        };
        self.tasks += 1;
        loaded.used = self.tasks;
        let monitor = self.monitor.clone();
        let output = loaded.child.run(task, until, &mut |index, text| {
            monitor.update(|status| status.running.iter_mut().for_each(|running| running.pieces += 1));
            on_text(index, text);
        })?;
        self.backoff.remove(model);
        Ok(output)
    }

    /// Starts a child for the model, unless there is one.
    fn load(&mut self, model: &ModelId, bytes: u64, until: Deadline) -> Result<(), ProcessError> {
        if self.loaded.contains_key(model) {
            return Ok(());
        }
        self.rest(model, until)?;
        tracing::info!(%model, "starting a process for the model");
        let child = Child::start(&self.child, model, until).inspect_err(|error| {
            self.learn_from_start(model, bytes, error);
        })?;
        self.loaded.insert(model.clone(), Loaded { child, bytes, used: self.tasks });
        self.show_loaded(None);
        Ok(())
    }

    /// Waits for the next start of a model whose processes failed, if that is soon enough.
    fn rest(&self, model: &ModelId, until: Deadline) -> Result<(), ProcessError> {
        let Some(backoff) = self.backoff.get(model) else { return Ok(()) };
        let pause = backoff.left(Instant::now());
        if pause > until.left() {
            return Err(ProcessError::Resting { model: model.clone(), failures: backoff.failures(), pause });
        }
        thread::sleep(pause);
        Ok(())
    }

    /// Draws the conclusions from a child that did not load its model. What was there for the model was not enough, so that
    /// much is not counted on any more.
    fn learn_from_start(&mut self, model: &ModelId, bytes: u64, error: &ProcessError) {
        if error.ends_the_child() {
            self.lose(model);
        }
        if error.shows_a_lack_of_memory() {
            let others: u64 = self.residents().iter().map(|resident| resident.bytes).sum();
            self.lower(others.saturating_add(bytes));
        }
    }

    /// Draws the conclusions from a task that failed: a child that is of no more use is ended, and a task that took more
    /// memory than was reckoned says something about the tasks of its model, and nothing about the machine.
    fn learn_from_task(&mut self, model: &ModelId, error: &ProcessError) {
        if error.ends_the_child() {
            self.lose(model);
        }
        if error.shows_a_lack_of_memory() {
            tracing::warn!(%model, "memory ran out: its tasks are reckoned to need twice as much from here on");
            self.estimates.entry(model.clone()).or_default().raise();
        }
    }

    fn lose(&mut self, model: &ModelId) {
        self.loaded.remove(model);
        self.backoff.entry(model.clone()).or_default().fail(Instant::now());
        self.monitor.update(|status| status.lost_children += 1);
    }

    fn lower(&mut self, taken: u64) {
        if self.budget.lower(taken) {
            let mebibytes = self.budget.bytes() >> 20;
            tracing::warn!(mebibytes, "memory ran out: this is all that models get until the node is started again");
            self.show_offer();
        }
    }

    fn residents(&self) -> Vec<Resident> {
        let resident = |(model, loaded): (&ModelId, &Loaded)| Resident {
            model: model.clone(),
            bytes: loaded.bytes,
            used: loaded.used,
        };
        self.loaded.iter().map(resident).collect()
    }

    /// Shows which models can still be run.
    fn show_offer(&self) {
        let fits = |model: &&ModelId| {
            let needs = self.store.find(model).and_then(Needs::of);
            needs.is_ok_and(|needs| needs.loaded() <= self.budget.bytes())
        };
        let (offered, too_large): (Vec<_>, Vec<_>) = self.store.models().partition(fits);
        for model in &too_large {
            tracing::warn!(%model, "it needs more memory than models may take: its tasks are answered with an error");
        }
        self.monitor.update(|status| {
            status.budget = self.budget.bytes();
            status.offered = offered.into_iter().cloned().collect();
            status.too_large = too_large.into_iter().cloned().collect();
        });
    }

    fn show_loaded(&self, free: Option<u64>) {
        let mut loaded: Vec<_> = self.loaded.iter().collect();
        loaded.sort_by_key(|(_, loaded)| loaded.used);
        let child = |(model, loaded): (&ModelId, &Loaded)| ChildStatus {
            model: model.clone(),
            pid: loaded.child.pid(),
            bytes: loaded.bytes,
        };
        self.monitor.update(|status| {
            status.children = loaded.into_iter().map(child).collect();
            status.free = free.or(status.free);
        });
    }
}

impl TaskRunner for ProcessRunner {
    fn run(&mut self, task: &TaskSpec) -> Result<TaskOutput, ErrorCode> {
        self.run_within(task, UNLIMITED)
    }

    fn run_within(&mut self, task: &TaskSpec, limit: Duration) -> Result<TaskOutput, ErrorCode> {
        self.run_limited(task, limit, &mut |_, _| {}).map_err(|error| {
            tracing::warn!(%error, model = %task.model(), "no answer, committing to an error");
            error.error_code()
        })
    }
}
