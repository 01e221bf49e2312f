//! Finds what a chat template passes over.
//!
//! A template that has no place for tools or for a role renders the same text without them, and the model would answer
//! something else than it was asked. It is found by rendering the conversation again with that part changed.

use xenon_protocol::task::{GptTask, Message};

/// Text that makes a message another one.
const CHANGE: &str = "?";

/// The task with a part of it changed; none if it has no such part.
type Change = fn(&GptTask) -> Option<GptTask>;

/// The first part of the task that makes no difference, in the words of the task JSON. `passes_over` says whether
/// another task renders to the same text.
pub(super) fn part(task: &GptTask, passes_over: impl Fn(&GptTask) -> bool) -> Option<&'static str> {
    let changed: [(&str, Change); 4] = [
        ("tools", without_tools),
        ("messages of the role system", with_other_instructions),
        ("tool_calls", with_other_calls),
        ("messages of the role tool", with_other_results),
    ];
    let part = changed.into_iter().find(|(_, change)| change(task).is_some_and(|other| passes_over(&other)));
    part.map(|(what, _)| what)
}

fn without_tools(task: &GptTask) -> Option<GptTask> {
    task.tools.is_some().then(|| GptTask { tools: None, ..task.clone() })
}

fn with_other_instructions(task: &GptTask) -> Option<GptTask> {
    with_messages(task, |message| match message {
        Message::System { content } => {
            content.push_str(CHANGE);
            true
        }
        _ => false,
    })
}

fn with_other_calls(task: &GptTask) -> Option<GptTask> {
    with_messages(task, |message| match message {
        Message::Assistant { tool_calls: Some(calls), .. } => {
            for call in calls {
                call.function.name.push_str(CHANGE);
            }
            true
        }
        _ => false,
    })
}

fn with_other_results(task: &GptTask) -> Option<GptTask> {
    with_messages(task, |message| match message {
        Message::Tool { content, .. } => {
            content.push_str(CHANGE);
            true
        }
        _ => false,
    })
}

/// The task with its messages changed; none if `change` changed none of them.
fn with_messages(task: &GptTask, change: impl FnMut(&mut Message) -> bool) -> Option<GptTask> {
    let mut other = task.clone();
    let changes = other.messages.iter_mut().map(change).filter(|changed| *changed).count();
    (changes > 0).then_some(other)
}
