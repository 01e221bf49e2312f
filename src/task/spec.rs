//! Where a task comes from: a file, standard input, or a prompt.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use xenon_protocol::task::{GenerationConfig, GptTask, MAX_TASK_BYTES, Message, SdTask, TaskError, TaskSpec};

use crate::{
    cli::{PictureArgs, PromptKind, SubmitArgs},
    error::CliError,
};

/// The repository's language model.
const CHAT_MODEL: &str = "xenon/sum-chat-1m@1";
/// The repository's image model.
pub(crate) const PICTURE_MODEL: &str = "xenon/shapes-sd@1";
/// The size of its pictures.
const PICTURE_SIDE: u32 = 64;
/// Steps that it needs.
const PICTURE_STEPS: u32 = 20;

/// The task that the arguments describe, checked.
pub(super) fn read(args: &SubmitArgs) -> eyre::Result<TaskSpec> {
    let task = match (&args.file, &args.prompt) {
        (Some(path), None) => TaskSpec::parse(&read_bytes(path)?)?,
        (None, Some(prompt)) => asked(args, prompt)?,
        _ => return Err(CliError::NoTask.into()),
    };
    task.validate()?;
    Ok(task)
}

/// The task of a prompt.
fn asked(args: &SubmitArgs, prompt: &str) -> eyre::Result<TaskSpec> {
    if args.kind == PromptKind::Sd {
        return Ok(picture(args.model.as_deref().unwrap_or(PICTURE_MODEL), prompt, &args.picture)?);
    }
    if let Some(option) = args.picture.given() {
        return Err(CliError::OtherKind { option, kind: "sd" }.into());
    }
    Ok(chat(args.model.as_deref().unwrap_or(CHAT_MODEL), prompt, args.max_new_tokens)?)
}

/// A task for pictures of a prompt.
pub(crate) fn picture(model: &str, prompt: &str, args: &PictureArgs) -> Result<TaskSpec, TaskError> {
    let usual = SdTask::new(model.parse()?, prompt, PICTURE_SIDE, PICTURE_STEPS);
    let side = |index: usize| args.size.as_ref().and_then(|size| size.get(index)).copied().unwrap_or(PICTURE_SIDE);
    Ok(TaskSpec::Sd(SdTask {
        negative_prompt: args.negative_prompt.clone(),
        num_images: args.num_images.unwrap_or(usual.num_images),
        width: side(0),
        height: side(1),
        steps: args.steps.unwrap_or(usual.steps),
        guidance_scale: args.guidance_scale.unwrap_or(usual.guidance_scale),
        seed: args.seed.unwrap_or(usual.seed),
        ..usual
    }))
}

impl PictureArgs {
    /// One of the options that were given.
    fn given(&self) -> Option<&'static str> {
        let options = [
            ("--negative-prompt", self.negative_prompt.is_some()),
            ("--num-images", self.num_images.is_some()),
            ("--size", self.size.is_some()),
            ("--steps", self.steps.is_some()),
            ("--guidance-scale", self.guidance_scale.is_some()),
            ("--seed", self.seed.is_some()),
        ];
        options.into_iter().find_map(|(option, given)| given.then_some(option))
    }
}

/// A greedy chat task with one message of the user.
pub(crate) fn chat(model: &str, prompt: &str, max_new_tokens: u32) -> Result<TaskSpec, TaskError> {
    let (messages, generation_config) = (vec![Message::user(prompt)], GenerationConfig::greedy(max_new_tokens));
    Ok(TaskSpec::Gpt(GptTask::new(model.parse()?, messages, generation_config)))
}

/// Reads one byte more than a task may have, so that an endless input is refused and not read.
fn read_bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| CliError::unreadable(path, &error))?)
    };
    let mut bytes = Vec::new();
    let limit = MAX_TASK_BYTES as u64 + 1;
    source.take(limit).read_to_end(&mut bytes).map_err(|error| CliError::unreadable(path, &error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(file: Option<&Path>, prompt: Option<&str>) -> SubmitArgs {
        SubmitArgs {
            file: file.map(Path::to_owned),
            prompt: prompt.map(str::to_owned),
            kind: PromptKind::Gpt,
            model: None,
            max_new_tokens: 16,
            picture: PictureArgs::default(),
            price: "1".into(),
            min_vram: 0,
            max_wait: 60,
            class: 0,
            relay_signer: None,
            no_wait: false,
            timeout: 60,
            out: None,
            json: false,
        }
    }

    #[test]
    fn neither_file_nor_prompt_is_refused() {
        assert!(read(&args(None, None)).unwrap_err().to_string().starts_with("XC-008"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(&args(Some(Path::new("no-such.json")), None)).unwrap_err().to_string();
        assert!(error.starts_with("XC-005") && error.contains("no-such.json"), "{error}");
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("task.json");
        std::fs::write(&path, vec![b' '; MAX_TASK_BYTES + 100]).unwrap();
        let error = read(&args(Some(&path), None)).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(TaskError::TooLarge { .. })), "{error}");
    }

    #[test]
    fn a_prompt_becomes_one_message_of_the_user() {
        let task = read(&args(None, Some("What is 1 + 1?"))).unwrap();
        let TaskSpec::Gpt(gpt) = &task else { panic!("not a chat") };
        assert_eq!(gpt.messages, [Message::user("What is 1 + 1?")]);
        assert_eq!(task.declared_size(), 16);
    }

    #[test]
    fn an_option_for_pictures_is_not_ignored_for_text() {
        let mut args = args(None, Some("a"));
        args.picture.seed = Some(1);
        let error = read(&args).unwrap_err().to_string();
        assert!(error.starts_with("XC-028") && error.contains("--seed"), "{error}");
    }

    #[test]
    fn a_prompt_can_ask_for_pictures() {
        let mut args = args(None, Some("a red circle"));
        args.kind = PromptKind::Sd;
        args.picture = PictureArgs { num_images: Some(2), size: Some(vec![64, 128]), ..PictureArgs::default() };
        let task = read(&args).unwrap();
        let TaskSpec::Sd(sd) = &task else { panic!("not pictures") };
        assert_eq!((sd.prompt.as_str(), sd.width, sd.height), ("a red circle", 64, 128));
        assert_eq!((task.kind(), task.declared_size()), (1, 2));
    }
}
