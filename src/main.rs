//! The one binary, `xenon`: it wires the parts together and holds no logic of the network itself.
#![allow(clippy::print_stdout, reason = "a command-line program prints its results")]

mod cli;
mod demo;
mod deploy;
mod doctor;
mod error;
mod executor;
mod history;
mod keeper_wallet;
mod model;
mod money;
mod network;
mod node;
mod serve;
mod settings;
mod task;
mod wallet;

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use eyre::{Report, Result};
use tracing_subscriber::EnvFilter;

use crate::{
    cli::{Cli, Command},
    settings::Settings,
};

/// The environment variable that chooses what is logged, such as `info` or `xenon_keeper=debug`.
const LOG_VARIABLE: &str = "XENON_LOG";

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    log(&cli.command);
    if matches!(cli.command, Command::Demo(_) | Command::Doctor(_))
        && let Err(error) = executor::silenced()
    {
        return fail(&error.into());
    }
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn run(cli: Cli) -> Result<()> {
    let settings = Settings::load(cli.config.as_deref(), &cli.network)?;
    match cli.command {
        Command::Demo(args) => demo::run(&args).await,
        Command::Task(command) => task::run(command, &settings).await,
        Command::Node(args) => match args.command {
            Some(command) => node::run(command, &settings).await,
            None => node::serve(&args.run, &settings).await,
        },
        Command::Executor(args) => executor::run(args),
        Command::Keeper(args) => serve::keeper(&args, &settings).await,
        Command::Gateway(args) => serve::gateway(&args, &settings).await,
        Command::Deploy(args) => deploy::run(&args, &settings).await,
        Command::Model(command) => model::run(command, &settings).await,
        Command::Config => settings::print(&settings),
        Command::Doctor(args) => doctor::run(args, &settings).await,
    }
}

/// Logs go to standard error, so that results can be piped.
fn log(command: &Command) {
    let service = match command {
        Command::Node(args) => args.command.is_none(),
        other => matches!(other, Command::Keeper(_) | Command::Gateway(_) | Command::Executor(_)),
    };
    let default = if service { "info" } else { "off" };
    let chosen = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| default.to_owned());
    // The HTTP transport logs whole URLs, which may hold API keys, below this level.
    let filter = EnvFilter::builder().parse_lossy(format!("{chosen},alloy_transport_http=warn"));
    let logger = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match command {
        // A node reads it, and makes it part of its own.
        Command::Executor(_) => logger.json().init(),
        _ => logger.with_ansi(std::io::stderr().is_terminal()).init(),
    }
}

/// Prints the error and its causes, one line each. Every error of ours begins with its code and says what to do.
#[allow(clippy::print_stderr, reason = "the one place where the program reports its failure")]
fn fail(error: &Report) -> ExitCode {
    let mut lines: Vec<String> = error.chain().map(ToString::to_string).collect();
    lines.dedup_by(|next, previous| previous.contains(next.as_str()));
    eprintln!("error: {}", lines.join("\n  caused by: "));
    ExitCode::FAILURE
}
