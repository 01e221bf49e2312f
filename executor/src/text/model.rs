//! A language model, loaded and ready to answer.

use std::collections::{BTreeMap, BTreeSet};

use xenon_protocol::{
    result::{ChatReply, Choice, ReplyMessage, ReplyObject, Usage},
    task::{GptTask, Role},
};

use super::{
    ChatTemplate, Generated, Request, RowDecoder, SessionSettings, TextSession, TextTokenizer, Variant, choose_variant,
    generate_all,
};
use crate::{
    device::Provider,
    error::ExecutorError,
    model::{InstalledModel, Manifest, ModelConfig, ModelFolder},
    runtime::Runtime,
};

/// A language model, ready to answer. The graph of a precision is loaded when a task first needs it.
#[derive(Debug)]
pub struct TextModel {
    runtime: &'static Runtime,
    provider: Provider,
    settings: SessionSettings,
    manifest: Manifest,
    folder: ModelFolder,
    config: ModelConfig,
    template: ChatTemplate,
    tokenizer: TextTokenizer,
    variants: Vec<Variant>,
    sessions: BTreeMap<Variant, TextSession>,
}

impl TextModel {
    /// Loads an installed model after checking every file against its manifest, with the graph for tasks that ask for no
    /// precision.
    pub fn load(
        runtime: &'static Runtime,
        provider: Provider,
        threads: Option<usize>,
        model: &InstalledModel,
    ) -> Result<Self, ExecutorError> {
        let folder = ModelFolder::open(&model.folder)?;
        model.manifest.verify(&folder)?;
        let mut loaded = Self {
            runtime,
            provider,
            settings: SessionSettings::on_threads(threads),
            manifest: model.manifest.clone(),
            config: ModelConfig::read(&folder)?,
            template: ChatTemplate::read(&folder)?,
            tokenizer: TextTokenizer::read(&folder.tokenizer())?,
            variants: folder.variants(),
            sessions: BTreeMap::new(),
            folder,
        };
        if let Some(preferred) = loaded.variants.first().copied() {
            loaded.load_session(preferred)?;
        }
        Ok(loaded)
    }

    fn load_session(&mut self, variant: Variant) -> Result<(), ExecutorError> {
        if self.sessions.contains_key(&variant) {
            return Ok(());
        }
        let graph = self.folder.graph(variant).ok_or_else(|| ExecutorError::FileMissing {
            folder: self.folder.path().to_owned(),
            file: format!("graph in {variant}"),
        })?;
        let files = graph.below(self.folder.path());
        self.sessions.insert(variant, TextSession::open(self.runtime, self.provider, self.settings, &files)?);
        Ok(())
    }

    /// Answers a task. `on_text` is called with the index of the choice and each piece of its text.
    pub fn answer(&mut self, task: &GptTask, mut on_text: impl FnMut(u32, &str)) -> Result<ChatReply, ExecutorError> {
        let mut replies = self.answer_all(&[task], |_, choice, text| on_text(choice, text));
        replies.pop().unwrap_or(Err(ExecutorError::PromptEmpty))
    }

    /// Answers several tasks, each as [`TextModel::answer`] does. Those whose conversations have the same number of
    /// tokens share passes. `on_text` is called with the index of the task, that of the choice and each piece of its
    /// text.
    pub fn answer_all(
        &mut self,
        tasks: &[&GptTask],
        mut on_text: impl FnMut(usize, u32, &str),
    ) -> Vec<Result<ChatReply, ExecutorError>> {
        let prepared: Vec<_> = tasks.iter().map(|task| self.prepare(task)).collect();
        let mut replies: Vec<_> = prepared.iter().map(|_| None).collect();
        let variants: BTreeSet<_> = prepared.iter().flatten().map(|(variant, _)| *variant).collect();
        for variant in variants {
            let of_variant = |(place, prepared): (usize, &Result<(Variant, Vec<u32>), _>)| match prepared {
                Ok((own, _)) if *own == variant => Some(place),
                _ => None,
            };
            let places: Vec<_> = prepared.iter().enumerate().filter_map(of_variant).collect();
            let prompt = |place: usize| prepared[place].as_ref().map_or(&[][..], |(_, prompt)| prompt);
            let requests: Vec<_> =
                places.iter().map(|place| Request { task: tasks[*place], prompt: prompt(*place) }).collect();
            let results = self.generate(variant, &requests, |request, choice, text| {
                on_text(places[request], choice, text);
            });
            for ((place, request), result) in places.iter().zip(&requests).zip(results) {
                replies[*place] = Some(result.map(|sequences| reply(request, sequences)));
            }
        }
        let ended = prepared.into_iter().zip(replies);
        ended.map(|(prepared, reply)| prepared.and_then(|_| reply.unwrap_or(Err(ExecutorError::PromptEmpty)))).collect()
    }

    fn generate(
        &mut self,
        variant: Variant,
        requests: &[Request<'_>],
        on_text: impl FnMut(usize, u32, &str),
    ) -> Vec<Result<Vec<Generated>, ExecutorError>> {
        let shares = self.folder.graph(variant).is_some_and(|graph| self.manifest.shares_passes.contains(&graph.graph));
        match self.sessions.get_mut(&variant) {
            Some(session) => {
                let mut rows = RowDecoder::new(session, shares);
                generate_all(&mut rows, &self.tokenizer, &self.config, requests, on_text)
            }
            None => Vec::new(),
        }
    }

    /// The precision, loaded, and the conversation as tokens, checked to be what the model can do and to leave room for the answer.
    fn prepare(&mut self, task: &GptTask) -> Result<(Variant, Vec<u32>), ExecutorError> {
        let variant = choose_variant(task, &self.variants)?;
        self.load_session(variant)?;
        let prompt = self.tokenizer.encode(&self.template.prompt(task)?)?;
        let (new, context) = (task.generation_config.max_new_tokens, self.config.context);
        if prompt.is_empty() {
            return Err(ExecutorError::PromptEmpty);
        }
        if prompt.len() + new as usize > context {
            return Err(ExecutorError::ContextExceeded { prompt: prompt.len(), new, context });
        }
        Ok((variant, prompt))
    }
}

fn reply(request: &Request<'_>, sequences: Vec<Generated>) -> ChatReply {
    let completion_tokens = sequences.iter().map(|sequence| sequence.tokens.len()).sum();
    ChatReply {
        object: ReplyObject::ChatCompletion,
        model: request.task.model.clone(),
        choices: (0..).zip(sequences).map(|(index, sequence)| choice(index, sequence)).collect(),
        usage: Usage::new(count(request.prompt.len()), count(completion_tokens)),
    }
}

fn choice(index: u32, sequence: Generated) -> Choice {
    let message = ReplyMessage { role: Role::Assistant, content: sequence.text };
    Choice { index, message, finish_reason: sequence.finish_reason }
}

/// Counts are bounded by the context and the task's limits, far below `u32::MAX`.
fn count(tokens: usize) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}
