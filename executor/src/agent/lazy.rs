//! An adversary: a node that answers without doing the work.

use alloy::primitives::{B256, U256, hex, keccak256};
use xenon_protocol::{
    error_code::ErrorCode,
    result::{ChatReply, Choice, FinishReason, ReplyMessage, ReplyObject, Usage, result_hash},
    task::{GptTask, Role, TaskSpec},
};

use super::TaskRunner;
use crate::TaskOutput;

/// Answers every task at once with well-formed nonsense, hoping that nobody compares.
///
/// Demonstrations and simulations put it among honest nodes to show that it is found out: its reply has the right form
/// and model name, so only the comparison with the other two seats tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LazyRunner {
    nonsense: Nonsense,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Nonsense {
    Fixed(String),
    Seeded(u64),
}

impl LazyRunner {
    /// Says the same to everything.
    pub fn fixed(text: impl Into<String>) -> Self {
        Self { nonsense: Nonsense::Fixed(text.into()) }
    }

    /// Makes something up for each task. Two with one seed agree with each other: they collude.
    pub const fn seeded(seed: u64) -> Self {
        Self { nonsense: Nonsense::Seeded(seed) }
    }

    fn text(&self, task: &TaskSpec) -> Result<String, ErrorCode> {
        match &self.nonsense {
            Nonsense::Fixed(text) => Ok(text.clone()),
            Nonsense::Seeded(seed) => {
                let bytes = task.to_bytes().map_err(|error| error.error_code())?;
                Ok(made_up(*seed, keccak256(bytes)))
            }
        }
    }
}

impl TaskRunner for LazyRunner {
    fn run(&mut self, task: &TaskSpec) -> Result<TaskOutput, ErrorCode> {
        let text = self.text(task)?;
        let TaskSpec::Gpt(gpt) = task;
        let reply = reply(gpt, &text);
        let bytes = reply.to_bytes();
        Ok(TaskOutput { result: result_hash(&bytes), bytes, reply })
    }
}

/// Words that are no answer to anything.
fn made_up(seed: u64, task: B256) -> String {
    let digest = keccak256([B256::from(U256::from(seed)), task].concat());
    format!("surely {}", hex::encode(&digest[..8]))
}

fn reply(task: &GptTask, text: &str) -> ChatReply {
    let choices = (0..task.generation_config.num_return_sequences).map(|index| choice(index, text)).collect();
    ChatReply { object: ReplyObject::ChatCompletion, model: task.model.clone(), choices, usage: Usage::new(1, 1) }
}

fn choice(index: u32, text: &str) -> Choice {
    let message = ReplyMessage { role: Role::Assistant, content: text.to_owned() };
    Choice { index, message, finish_reason: FinishReason::Stop }
}

#[cfg(test)]
mod tests {
    use xenon_protocol::task::{GenerationConfig, Message};

    use super::*;

    fn task(question: &str) -> TaskSpec {
        let model = "xenon/sum-chat-1m".parse().unwrap();
        TaskSpec::Gpt(GptTask::new(model, vec![Message::user(question)], GenerationConfig::greedy(8)))
    }

    #[test]
    fn colluders_agree_and_others_do_not() {
        let says = |seed, question| LazyRunner::seeded(seed).run(&task(question)).unwrap();
        assert_eq!(says(1, "a"), says(1, "a"));
        assert_ne!(says(1, "a").result, says(2, "a").result);
        assert_ne!(says(1, "a").result, says(1, "b").result);
    }

    #[test]
    fn nonsense_has_the_form_of_a_reply() {
        let output = LazyRunner::fixed("maybe").run(&task("What is 2 + 2?")).unwrap();
        let reply: ChatReply = serde_json::from_slice(&output.bytes).unwrap();
        assert_eq!(reply.choices[0].message.content, "maybe");
        assert_eq!(output.result, result_hash(&output.bytes));
    }
}
