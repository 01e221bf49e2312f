//! `xenon task`: what an application does.

pub(crate) mod picture;
mod quote;
mod reply;
mod show;
mod spec;
pub(crate) mod submit;

use eyre::Result;

use crate::{cli::TaskCommand, settings::Settings};

/// Runs one of the task commands.
pub(crate) async fn run(command: TaskCommand, settings: &Settings) -> Result<()> {
    match command {
        TaskCommand::Submit(args) => submit::run(&args, settings).await,
        TaskCommand::Quote(args) => quote::run(&args, settings).await,
        TaskCommand::Status(args) => show::status(args, settings).await,
        TaskCommand::Result(args) => show::result(&args, settings).await,
    }
}

pub(crate) use reply::{fetch_reply, for_terminal};
pub(crate) use show::to_json;
pub(crate) use spec::{PICTURE_MODEL, chat, picture as picture_task};
