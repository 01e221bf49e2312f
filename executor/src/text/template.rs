//! Chat templates: from messages to the text that the model was trained on.
//!
//! Templates are written for transformers, that is for Jinja2 in Python with a few functions; the environment here
//! gives them the same: `trim_blocks`, `lstrip_blocks`, loop controls, methods of Python's strings and maps,
//! `raise_exception`, `tojson` as `json.dumps` spells it, generation blocks. There is no clock: `strftime_now` exists
//! only when the task carries a time, so that every node renders the same text.

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use minijinja::{Environment, Error, ErrorKind, Value, context, syntax::SyntaxConfig, value::Serde};
use serde::Deserialize;
use xenon_protocol::task::{GptTask, Message, Tool};

use super::{generation_tags, ignored, python};
use crate::{
    error::ExecutorError,
    model::{ModelFolder, read_json},
};

const NAME: &str = "chat_template";

/// A model's chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    special_tokens: BTreeMap<&'static str, String>,
}

/// What a chat template is given.
#[derive(Clone, Copy, Debug)]
pub struct Conversation<'a> {
    /// The messages, oldest first.
    pub messages: &'a [Message],
    /// The tools that the model may call.
    pub tools: Option<&'a [Tool]>,
    /// Opens the assistant's answer.
    pub add_generation_prompt: bool,
    /// What `strftime_now` sees, in seconds since 1970 (UTC).
    pub time: Option<u64>,
}

impl<'a> Conversation<'a> {
    /// The conversation of a task, to be continued by the assistant.
    pub fn of(task: &'a GptTask) -> Self {
        let tools = task.tools.as_deref();
        Self { messages: &task.messages, tools, add_generation_prompt: true, time: task.time }
    }
}

/// The parts of `tokenizer_config.json` that templates need.
#[derive(Default, Deserialize)]
struct TokenizerConfig {
    chat_template: Option<TemplateField>,
    bos_token: Option<SpecialToken>,
    eos_token: Option<SpecialToken>,
    unk_token: Option<SpecialToken>,
    pad_token: Option<SpecialToken>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TemplateField {
    One(String),
    Several(Vec<NamedTemplate>),
}

#[derive(Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SpecialToken {
    Text(String),
    Added { content: String },
}

impl ChatTemplate {
    /// Reads the template of a model folder: `chat_template.jinja`, or `chat_template` in `tokenizer_config.json`.
    pub fn read(folder: &ModelFolder) -> Result<Self, ExecutorError> {
        let config = folder.tokenizer_config().map(|path| read_json::<TokenizerConfig>(&path)).transpose()?;
        let mut config = config.unwrap_or_default();
        let (path, source) = match (folder.template(), config.chat_template.take().and_then(TemplateField::default)) {
            (Some(path), _) => {
                let source = fs::read_to_string(&path).map_err(|error| ExecutorError::invalid(&path, &error))?;
                (path, source)
            }
            (None, Some(source)) => (folder.path().join("tokenizer_config.json"), source),
            (None, None) => {
                let file = "chat template (chat_template.jinja, or chat_template in tokenizer_config.json)".to_owned();
                return Err(ExecutorError::FileMissing { folder: folder.path().to_owned(), file });
            }
        };
        Self::compile(&source, config.special_tokens(), &path)
    }

    fn compile(
        source: &str,
        special_tokens: BTreeMap<&'static str, String>,
        path: &Path,
    ) -> Result<Self, ExecutorError> {
        let mut environment = environment().map_err(|error| ExecutorError::invalid(path, &error))?;
        environment
            .add_template_owned(NAME, generation_tags::as_scopes(source))
            .map_err(|error| ExecutorError::invalid(path, &error))?;
        Ok(Self { environment, special_tokens })
    }

    /// A task's conversation as text, with the assistant's answer opened. What the template would pass over is refused
    /// by name.
    pub fn prompt(&self, task: &GptTask) -> Result<String, ExecutorError> {
        let text = self.render(Conversation::of(task))?;
        let passes_over = |other: &GptTask| self.render(Conversation::of(other)).is_ok_and(|other| other == text);
        match ignored::part(task, passes_over) {
            Some(what) => Err(ExecutorError::TemplateIgnores { what }),
            None => Ok(text),
        }
    }

    /// The conversation as text. As in transformers, a conversation without tools has the tools `None`.
    pub fn render(&self, conversation: Conversation<'_>) -> Result<String, ExecutorError> {
        let clock = conversation.time.map_or(Value::UNDEFINED, python::strftime_at);
        let context = context! {
            messages => Value::from(Serde(conversation.messages)),
            tools => Value::from(Serde(conversation.tools)),
            documents => Value::from(()),
            add_generation_prompt => conversation.add_generation_prompt,
            strftime_now => clock,
            ..Value::from(Serde(&self.special_tokens))
        };
        let render = || self.environment.get_template(NAME)?.render(context);
        // The engine panics on a few expressions, such as ''[::-1]; a template must not end the node.
        let rendered = catch_unwind(AssertUnwindSafe(render));
        let engine = || Error::new(ErrorKind::InvalidOperation, "the template engine gave up");
        let text = rendered.unwrap_or_else(|_| Err(engine()));
        text.map_err(|error| ExecutorError::ConversationRefused { reason: error.to_string() })
    }
}

impl TemplateField {
    /// The only template, or the one named `default`.
    fn default(self) -> Option<String> {
        match self {
            Self::One(template) => Some(template),
            Self::Several(all) => all.into_iter().find(|named| named.name == "default").map(|named| named.template),
        }
    }
}

impl TokenizerConfig {
    fn special_tokens(self) -> BTreeMap<&'static str, String> {
        let tokens = [
            ("bos_token", self.bos_token),
            ("eos_token", self.eos_token),
            ("unk_token", self.unk_token),
            ("pad_token", self.pad_token),
        ];
        tokens.into_iter().filter_map(|(name, token)| Some((name, token?.text()))).collect()
    }
}

impl SpecialToken {
    fn text(self) -> String {
        match self {
            Self::Text(text) | Self::Added { content: text } => text,
        }
    }
}

/// Jinja2 as transformers sets it up.
fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    python::extend(&mut environment);
    Ok(environment)
}

#[cfg(test)]
mod tests;
