//! Canonical results: what a node computes, in the one form that all nodes agree on to the byte.
//!
//! A chat reply has the shape of a `ChatGPT` completion without anything that differs between two honest nodes: no time,
//! no random identifier, no node name. Its bytes are the RFC 8785 form of the JSON; the result that is voted on is
//! their keccak256. Pictures may differ a little between honest nodes, so that their [hashes](image_result) are voted on.

mod image;

use alloy::primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};

pub use self::image::{ImageObject, ImageReply, ReplyImage, image_result};
use crate::task::{ModelId, Role, SD_KIND};

/// The answer to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reply {
    /// To a GPT task.
    Chat(ChatReply),
    /// To an SD task.
    Images(ImageReply),
}

impl Reply {
    /// Reads the reply to a task of a kind.
    pub fn parse(kind: u8, bytes: &[u8]) -> Result<Self, serde_json::Error> {
        if kind == SD_KIND {
            return serde_json::from_slice(bytes).map(Self::Images);
        }
        serde_json::from_slice(bytes).map(Self::Chat)
    }

    /// The canonical bytes (RFC 8785) that are delivered.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Chat(reply) => reply.to_bytes(),
            Self::Images(reply) => reply.to_bytes(),
        }
    }

    /// The result that a node commits to for this reply, whose canonical bytes are `bytes`.
    pub fn result(&self, bytes: &[u8]) -> B256 {
        match self {
            Self::Chat(_) => result_hash(bytes),
            Self::Images(reply) => reply.result(),
        }
    }

    /// The chat reply, if it is one.
    pub const fn chat(&self) -> Option<&ChatReply> {
        match self {
            Self::Chat(reply) => Some(reply),
            Self::Images(_) => None,
        }
    }

    /// The pictures, if it is pictures.
    pub const fn images(&self) -> Option<&ImageReply> {
        match self {
            Self::Chat(_) => None,
            Self::Images(reply) => Some(reply),
        }
    }
}

/// The answer to a GPT task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatReply {
    /// Says what kind of object this is.
    pub object: ReplyObject,
    /// The model as the task named it.
    pub model: ModelId,
    /// One choice for each sequence asked for, in the order of their index.
    pub choices: Vec<Choice>,
    /// How many tokens were read and written.
    pub usage: Usage,
}

/// The type tag of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplyObject {
    /// A chat completion.
    #[serde(rename = "chat.completion")]
    ChatCompletion,
}

/// One generated sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Position among the choices, from 0.
    pub index: u32,
    /// What the model said.
    pub message: ReplyMessage,
    /// Why it stopped.
    pub finish_reason: FinishReason,
}

/// The message of a choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyMessage {
    /// Always the assistant.
    pub role: Role,
    /// The text, without special tokens and without the stop string that ended it.
    pub content: String,
}

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its turn, or a stop string appeared.
    Stop,
    /// `max_new_tokens` were generated.
    Length,
}

/// Token counts, in tokens of the model's own tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Tokens of the rendered conversation.
    pub prompt_tokens: u32,
    /// Tokens generated over all choices, the end token and those of a stop string included.
    pub completion_tokens: u32,
    /// The sum of both.
    pub total_tokens: u32,
}

impl Usage {
    /// Counts with their total.
    pub const fn new(prompt_tokens: u32, completion_tokens: u32) -> Self {
        Self { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
    }
}

impl ChatReply {
    /// The canonical bytes (RFC 8785) that are delivered and hashed.
    ///
    /// # Panics
    /// Never: a reply holds nothing that JSON cannot express.
    #[expect(clippy::expect_used, reason = "strings and integers always serialise")]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(self).expect("a reply is always expressible in JSON")
    }
}

/// The result that nodes commit to for an answer: keccak256 of its canonical bytes.
pub fn result_hash(bytes: &[u8]) -> B256 {
    keccak256(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(content: &str) -> ChatReply {
        let message = ReplyMessage { role: Role::Assistant, content: content.to_owned() };
        ChatReply {
            object: ReplyObject::ChatCompletion,
            model: "xenon/sum-chat-1m".parse().unwrap(),
            choices: vec![Choice { index: 0, message, finish_reason: FinishReason::Stop }],
            usage: Usage::new(17, 3),
        }
    }

    #[test]
    fn bytes_are_canonical_json() {
        let expected = r#"{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"42","role":"assistant"}}],"model":"xenon/sum-chat-1m","object":"chat.completion","usage":{"completion_tokens":3,"prompt_tokens":17,"total_tokens":20}}"#;
        assert_eq!(String::from_utf8(reply("42").to_bytes()).unwrap(), expected);
    }

    #[test]
    fn any_text_survives_the_round_trip() {
        for content in ["", "é 🙂 \u{0} \u{1f} \u{2028} \\ \" /", "\u{fffd}"] {
            let reply = reply(content);
            assert_eq!(serde_json::from_slice::<ChatReply>(&reply.to_bytes()).unwrap(), reply);
        }
    }

    #[test]
    fn different_replies_have_different_results() {
        assert_ne!(result_hash(&reply("42").to_bytes()), result_hash(&reply("43").to_bytes()));
    }
}
