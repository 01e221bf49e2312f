//! A language model, loaded and ready to answer.

use xenon_protocol::{
    result::{ChatReply, Choice, ReplyMessage, ReplyObject, Usage},
    task::{GptTask, Role},
};

use super::{ChatTemplate, Generated, SessionSettings, TextSession, TextTokenizer, generate};
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
}

impl TextModel {
    /// Loads an installed model after checking every file against its manifest.
    pub fn load(
        runtime: &'static Runtime,
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
            session: TextSession::open(runtime, provider, SessionSettings::on_threads(threads), &folder.decoder())?,
        })
    }

    /// Answers a task. `on_text` is called with the index of the choice and each piece of its text.
    pub fn answer(&mut self, task: &GptTask, on_text: impl FnMut(u32, &str)) -> Result<ChatReply, ExecutorError> {
        let prompt = self.prompt(task)?;
        let sequences = generate(&mut self.session, &self.tokenizer, &self.config, task, &prompt, on_text)?;
        Ok(reply(task, prompt.len(), sequences))
    }

    /// The conversation as tokens, checked to leave room for the answer.
    fn prompt(&self, task: &GptTask) -> Result<Vec<u32>, ExecutorError> {
        let text = self.template.render(&task.messages, true, task.time)?;
        let prompt = self.tokenizer.encode(&text)?;
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

fn reply(task: &GptTask, prompt_tokens: usize, sequences: Vec<Generated>) -> ChatReply {
    let completion_tokens = sequences.iter().map(|sequence| sequence.tokens.len()).sum();
    ChatReply {
        object: ReplyObject::ChatCompletion,
        model: task.model.clone(),
        choices: (0..).zip(sequences).map(|(index, sequence)| choice(index, sequence)).collect(),
        usage: Usage::new(count(prompt_tokens), count(completion_tokens)),
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
