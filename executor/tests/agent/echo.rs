//! A model that anybody can run in the head.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use xenon_executor::{TaskOutput, agent::TaskRunner};
use xenon_protocol::{
    error_code::ErrorCode,
    result::{ChatReply, Choice, FinishReason, ReplyMessage, ReplyObject, Usage, result_hash},
    task::{GenerationConfig, GptTask, Message, Role, TaskSpec},
};

/// The only model that there is.
pub(crate) const MODEL: &str = "xenon/echo";

/// Says what it was asked, and counts how often it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Echo {
    pub(crate) runs: Arc<AtomicUsize>,
}

impl TaskRunner for Echo {
    fn run(&mut self, task: &TaskSpec) -> Result<TaskOutput, ErrorCode> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        if task.model().as_str() == MODEL { Ok(echo(task)) } else { Err(ErrorCode::ModelUnavailable) }
    }
}

/// A model whose runtime panics.
pub(crate) struct Panicking;

impl TaskRunner for Panicking {
    fn run(&mut self, _: &TaskSpec) -> Result<TaskOutput, ErrorCode> {
        panic!("the runtime lost its footing")
    }
}

/// The right answer.
pub(crate) fn echo(task: &TaskSpec) -> TaskOutput {
    let TaskSpec::Gpt(gpt) = task;
    let content = gpt.messages.last().unwrap().text().to_owned();
    let message = ReplyMessage { role: Role::Assistant, content };
    let choices = vec![Choice { index: 0, message, finish_reason: FinishReason::Stop }];
    let usage = Usage::new(1, 1);
    let reply = ChatReply { object: ReplyObject::ChatCompletion, model: gpt.model.clone(), choices, usage };
    let bytes = reply.to_bytes();
    TaskOutput { result: result_hash(&bytes), bytes, reply }
}

/// Eight tokens from the model.
pub(crate) fn question(text: &str) -> TaskSpec {
    question_to(MODEL, text)
}

pub(crate) fn question_to(model: &str, text: &str) -> TaskSpec {
    let task = GptTask::new(model.parse().unwrap(), vec![Message::user(text)], GenerationConfig::greedy(8));
    TaskSpec::Gpt(task)
}
