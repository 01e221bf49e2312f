//! Chat templates: from messages to the text that the model was trained on.
//!
//! Templates are written for transformers, that is for Jinja2 in Python with a few functions; the environment here
//! gives them the same: `trim_blocks`, `lstrip_blocks`, loop controls, methods of Python's strings and maps,
//! `raise_exception`, `tojson` as `json.dumps` spells it, generation blocks. There is no clock: `strftime_now` exists
//! only when the task carries a time, so that every node renders the same text.

mod files;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use minijinja::{Environment, Error, ErrorKind, Value, context, syntax::SyntaxConfig, value::Serde};
use xenon_protocol::task::{GptTask, Message, Tool};

use self::files::TemplateFiles;
use super::{generation_tags, ignored, python};
use crate::{error::ExecutorError, model::ModelFolder};

/// The template for every conversation.
const DEFAULT: &str = "chat_template";
/// The template for conversations with tools.
const TOOL_USE: &str = "tool_use";

/// A model's chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// There is a template of its own for conversations with tools.
    has_tool_use: bool,
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

impl ChatTemplate {
    /// Reads the templates of a model folder: `chat_template.jinja`, or `chat_template` in `tokenizer_config.json`.
    pub fn read(folder: &ModelFolder) -> Result<Self, ExecutorError> {
        Self::compile(TemplateFiles::read(folder)?)
    }

    fn compile(files: TemplateFiles) -> Result<Self, ExecutorError> {
        let invalid = |error| ExecutorError::invalid(&files.path, &error);
        let mut environment = environment().map_err(invalid)?;
        for (name, source) in [(DEFAULT, Some(&files.default)), (TOOL_USE, files.tool_use.as_ref())] {
            let Some(source) = source else { continue };
            environment.add_template_owned(name, generation_tags::as_scopes(source)).map_err(invalid)?;
        }
        let has_tool_use = files.tool_use.is_some();
        Ok(Self { environment, has_tool_use, special_tokens: files.special_tokens })
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
        let name = if self.has_tool_use && conversation.tools.is_some() { TOOL_USE } else { DEFAULT };
        let render = || self.environment.get_template(name)?.render(context);
        // The engine panics on a few expressions, such as ''[::-1]; a template must not end the node.
        let rendered = catch_unwind(AssertUnwindSafe(render));
        let engine = || Error::new(ErrorKind::InvalidOperation, "the template engine gave up");
        let text = rendered.unwrap_or_else(|_| Err(engine()));
        text.map_err(|error| ExecutorError::ConversationRefused { reason: error.to_string() })
    }
}

/// Steps that rendering may take, far more than any template needs: one that loops is refused alike by every node.
const FUEL: u64 = 10_000_000;

/// Jinja2 as transformers sets it up.
fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    python::extend(&mut environment);
    Ok(environment)
}

#[cfg(test)]
mod tests;
