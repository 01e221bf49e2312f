//! Where a task comes from: a file, standard input, or a prompt.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use xenon_protocol::task::{GenerationConfig, GptTask, MAX_TASK_BYTES, Message, TaskError, TaskSpec};

use crate::{cli::SubmitArgs, error::CliError};

/// The task that the arguments describe, checked.
pub(super) fn read(args: &SubmitArgs) -> eyre::Result<TaskSpec> {
    let task = match (&args.file, &args.prompt) {
        (Some(path), None) => TaskSpec::parse(&read_bytes(path)?)?,
        (None, Some(prompt)) => chat(&args.model, prompt, args.max_new_tokens)?,
        _ => return Err(CliError::NoTask.into()),
    };
    task.validate()?;
    Ok(task)
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
            model: "xenon/sum-chat-1m".into(),
            max_new_tokens: 16,
            price: "1".into(),
            min_vram: 0,
            max_wait: 60,
            class: 0,
            relay_signer: None,
            no_wait: false,
            timeout: 60,
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
        let TaskSpec::Gpt(gpt) = &task;
        assert_eq!(gpt.messages, [Message::user("What is 1 + 1?")]);
        assert_eq!(task.declared_size(), 16);
    }
}
