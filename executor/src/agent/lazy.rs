//! An adversary: a node that answers without doing the work.

use alloy::primitives::{B256, U256, hex, keccak256};
use xenon_protocol::{
    error_code::ErrorCode,
    result::{
        ChatReply, Choice, FinishReason, ImageObject, ImageReply, Reply, ReplyImage, ReplyMessage, ReplyObject, Usage,
    },
    task::{GptTask, Role, SdTask, TaskSpec},
};

use super::TaskRunner;
use crate::{
    TaskOutput,
    image::{ImageError, Picture, phash::phash},
};

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
        Ok(TaskOutput::of(match task {
            TaskSpec::Gpt(gpt) => Reply::Chat(reply(gpt, &text)),
            TaskSpec::Sd(sd) => Reply::Images(images(sd, &text).map_err(|error| error.error_code())?),
        }))
    }
}

/// Pictures of the right size, made of coloured squares that the words decide.
fn images(task: &SdTask, text: &str) -> Result<ImageReply, ImageError> {
    let image = |index: u32| {
        let picture = squares(task, keccak256(format!("{index} {text}")))?;
        Ok(ReplyImage { index, png: picture.to_png()?, phash: phash(&picture) })
    };
    let data = (0..task.num_images).map(image).collect::<Result<_, _>>()?;
    Ok(ImageReply { object: ImageObject::ImageList, model: task.model.clone(), data })
}

/// Four by four squares, each as bright as a byte of the digest.
fn squares(task: &SdTask, digest: B256) -> Result<Picture, ImageError> {
    let (width, height) = (task.width as usize, task.height as usize);
    let square = |index: usize| digest[index / width * 4 / height * 4 + index % width * 4 / width];
    let rgb = (0..width * height).flat_map(|index| [square(index); 3]).collect();
    Picture::new(width, height, rgb).ok_or(ImageError::NotNumbers { stage: "imagination" })
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
    use xenon_protocol::{
        result::result_hash,
        task::{GenerationConfig, Message},
    };

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

    #[test]
    fn invented_pictures_have_the_form_of_a_reply_and_differ_from_others() {
        let task = TaskSpec::Sd(SdTask { num_images: 2, ..SdTask::new("a/b".parse().unwrap(), "a red circle", 64, 1) });
        let [one, other] = [1, 2].map(|seed| LazyRunner::seeded(seed).run(&task).unwrap());
        assert_ne!(one.result, other.result);
        let reply = one.reply.images().unwrap();
        assert_eq!(reply.data.len(), 2);
        for image in &reply.data {
            assert_eq!(phash(&Picture::from_png(&image.png).unwrap()), image.phash);
        }
    }
}
