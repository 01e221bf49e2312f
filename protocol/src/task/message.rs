//! Messages of a conversation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    JsonObject, TaskError,
    bounds::{characters, length},
    limits,
    tool::ToolKind,
};

/// One message of a conversation, in the form that chat templates are written for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "role", rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// Instructions to the model.
    System {
        /// What is said.
        content: String,
    },
    /// What the person or program says that asks.
    User {
        /// What is said.
        content: String,
    },
    /// What the model said. It has text, calls of tools, or both.
    #[schemars(extend("anyOf" = [
        { "properties": { "content": { "type": "string" } }, "required": ["content"] },
        { "properties": { "tool_calls": { "type": "array" } }, "required": ["tool_calls"] },
    ]))]
    Assistant {
        /// What is said.
        #[serde(default, skip_serializing_if = "AssistantContent::is_absent")]
        #[schemars(with = "Option<String>")]
        content: AssistantContent,
        /// The tools that the model called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = limits::TOOL_CALLS.0, max = limits::TOOL_CALLS.1))]
        tool_calls: Option<Vec<ToolCall>>,
    },
    /// What a tool answered.
    Tool {
        /// The tool's answer.
        content: String,
        /// The `id` of the call that is answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = limits::NAME_CHARACTERS.0, max = limits::NAME_CHARACTERS.1))]
        tool_call_id: Option<String>,
        /// The name of the function that was called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = limits::NAME_CHARACTERS.0, max = limits::NAME_CHARACTERS.1))]
        name: Option<String>,
    },
}

/// What an assistant's message says. Templates tell a missing `content` and a `null` apart, so both are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<String>", into = "Option<String>")]
pub enum AssistantContent {
    /// The field is not there.
    #[default]
    Absent,
    /// The field is `null`.
    Null,
    /// The field is a text.
    Text(String),
}

/// One call of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// Tells the call from others; some templates print it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = limits::NAME_CHARACTERS.0, max = limits::NAME_CHARACTERS.1))]
    pub id: Option<String>,
    /// What kind of tool it is.
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// The function and its arguments.
    pub function: CalledFunction,
}

/// A function and the arguments that it is called with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalledFunction {
    /// The name of the function.
    #[schemars(length(min = limits::NAME_CHARACTERS.0, max = limits::NAME_CHARACTERS.1))]
    pub name: String,
    /// The arguments by name; an object, not its JSON in a string.
    pub arguments: JsonObject,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions to the model.
    System,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
    /// A tool that the model called.
    Tool,
}

impl Message {
    /// Instructions to the model.
    pub fn system(content: impl Into<String>) -> Self {
        Self::System { content: content.into() }
    }

    /// A message of the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self::User { content: content.into() }
    }

    /// A text of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::Assistant { content: AssistantContent::Text(content.into()), tool_calls: None }
    }

    /// Calls of the model without a text.
    pub const fn calls(tool_calls: Vec<ToolCall>) -> Self {
        Self::Assistant { content: AssistantContent::Absent, tool_calls: Some(tool_calls) }
    }

    /// A tool's answer.
    pub fn tool(content: impl Into<String>) -> Self {
        Self::Tool { content: content.into(), tool_call_id: None, name: None }
    }

    /// Who speaks.
    pub const fn role(&self) -> Role {
        match self {
            Self::System { .. } => Role::System,
            Self::User { .. } => Role::User,
            Self::Assistant { .. } => Role::Assistant,
            Self::Tool { .. } => Role::Tool,
        }
    }

    /// What is said; empty if the message has no text.
    pub fn text(&self) -> &str {
        match self {
            Self::System { content } | Self::User { content } | Self::Tool { content, .. } => content,
            Self::Assistant { content: AssistantContent::Text(text), .. } => text,
            Self::Assistant { .. } => "",
        }
    }

    pub(super) fn validate(&self) -> Result<(), TaskError> {
        match self {
            Self::System { .. } | Self::User { .. } => Ok(()),
            Self::Assistant { content, tool_calls } => validate_assistant(content, tool_calls.as_deref()),
            Self::Tool { tool_call_id, name, .. } => {
                characters("messages[].tool_call_id", tool_call_id.as_deref(), limits::NAME_CHARACTERS)?;
                characters("messages[].name", name.as_deref(), limits::NAME_CHARACTERS)
            }
        }
    }
}

fn validate_assistant(content: &AssistantContent, calls: Option<&[ToolCall]>) -> Result<(), TaskError> {
    match (content, calls) {
        (AssistantContent::Text(_), None) => Ok(()),
        (_, None) => Err(TaskError::AssistantSilent),
        (_, Some(calls)) => {
            length("messages[].tool_calls", calls.len(), limits::TOOL_CALLS)?;
            calls.iter().try_for_each(ToolCall::validate)
        }
    }
}

impl ToolCall {
    fn validate(&self) -> Result<(), TaskError> {
        characters("messages[].tool_calls[].id", self.id.as_deref(), limits::NAME_CHARACTERS)?;
        let name = Some(self.function.name.as_str());
        characters("messages[].tool_calls[].function.name", name, limits::NAME_CHARACTERS)
    }
}

impl AssistantContent {
    /// True if the field is not there.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl From<Option<String>> for AssistantContent {
    fn from(content: Option<String>) -> Self {
        content.map_or(Self::Null, Self::Text)
    }
}

impl From<AssistantContent> for Option<String> {
    fn from(content: AssistantContent) -> Self {
        match content {
            AssistantContent::Text(text) => Some(text),
            AssistantContent::Absent | AssistantContent::Null => None,
        }
    }
}
