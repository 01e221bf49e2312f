//! A language model, loaded and ready to answer.

use xenon_protocol::{
    result::{ChatReply, Choice, ReplyMessage, ReplyObject, Usage},
    task::{GptTask, Role},
};

use super::{ChatTemplate, Generated, Request, TextSession, TextTokenizer, Variant, choose_variant, generate_all};
use crate::{
    device::Provider,
    error::ExecutorError,
    model::{InstalledModel, ModelConfig, ModelFolder},
    runtime::Runtime,
};

/// A language model, loaded and ready to answer.
#[derive(Debug)]
pub struct TextModel {
    config: ModelConfig,
    template: ChatTemplate,
    tokenizer: TextTokenizer,
    session: TextSession,
    variant: Variant,
}

impl TextModel {
    /// Loads an installed model after checking every file against its manifest.
    pub fn load(
        runtime: &Runtime,
        provider: Provider,
        threads: Option<usize>,
        model: &InstalledModel,
    ) -> Result<Self, ExecutorError> {
        let folder = ModelFolder::open(&model.folder)?;
        model.manifest.verify(&folder)?;
        Ok(Self {
            config: ModelConfig::read(&folder)?,
            template: ChatTemplate::read(&folder)?,
            tokenizer: TextTokenizer::read(&folder.tokenizer())?,
            session: TextSession::open(runtime, provider, threads, &folder.graph())?,
            variant: Variant::FP32,
        })
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
        let prompts: Vec<_> = tasks.iter().map(|task| self.prompt(task)).collect();
        let runnable = prompts.iter().enumerate().filter_map(|(index, prompt)| Some((index, prompt.as_ref().ok()?)));
        let (places, requests): (Vec<_>, Vec<_>) =
            runnable.map(|(index, prompt)| (index, Request { task: tasks[index], prompt })).unzip();
        let (session, tokenizer, config) = (&mut self.session, &self.tokenizer, &self.config);
        let results = generate_all(session, tokenizer, config, &requests, |request, choice, text| {
            on_text(places[request], choice, text);
        });
        let replies = requests.iter().zip(results).map(|(request, result)| Ok(reply(request, result?)));
        let mut replies = replies.collect::<Vec<_>>().into_iter();
        let ended =
            prompts.into_iter().filter_map(|prompt| prompt.map_or_else(|error| Some(Err(error)), |_| replies.next()));
        ended.collect()
    }

    /// The conversation as tokens, checked to be what the model can do and to leave room for the answer.
    fn prompt(&self, task: &GptTask) -> Result<Vec<u32>, ExecutorError> {
        choose_variant(task, &[self.variant])?;
        let prompt = self.tokenizer.encode(&self.template.prompt(task)?)?;
        let (new, context) = (task.generation_config.max_new_tokens, self.config.context);
        if prompt.is_empty() {
            return Err(ExecutorError::PromptEmpty);
        }
        if prompt.len() + new as usize > context {
            return Err(ExecutorError::ContextExceeded { prompt: prompt.len(), new, context });
        }
        Ok(prompt)
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
