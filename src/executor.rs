//! The process that runs a model: what it does, and how a node starts it.

use std::{env, ffi::OsString, io, path::PathBuf, process::Stdio, time::Duration};

use alloy::primitives::B256;
use eyre::Result;
use tokio::{process::Command, time::timeout};
use xenon_executor::{
    Executor, ExecutorConfig,
    process::{ChildCommand, ChildConfig, RunnerConfig, environment, report_pipe, serve},
};

use crate::{
    cli::{ExecutorArgs, NodeRunArgs},
    error::CliError,
};

/// Longest time for proving a device.
const CLASS_LIMIT: Duration = Duration::from_mins(5);

/// `xenon executor`: runs the tasks of a model, or prints the execution class.
pub(crate) fn run(args: ExecutorArgs) -> Result<()> {
    let executor = ExecutorConfig { device: args.device.parse()?, ..ExecutorConfig::new(args.models) };
    let Some(model) = args.model else {
        let class = Executor::open(&executor)?.class()?;
        println!("{}\n{}", class.fingerprint(), class.standing()?);
        return Ok(());
    };
    outlive_signals()?;
    let config = ChildConfig { executor, model: model.parse()?, memory: args.memory };
    serve(&config, io::stdin(), report_pipe()?);
    Ok(())
}

/// Ctrl-C and a service manager's request to stop reach a node and its children alike. The node still needs them for what it has
/// in hand, and they end with it.
#[cfg(unix)]
fn outlive_signals() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    // A signal that was listened for once has lost its usual effect for good.
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        drop(signal(kind)?);
    }
    Ok(())
}

#[cfg(not(unix))]
fn outlive_signals() -> io::Result<()> {
    Ok(())
}

/// Starts this program again with the runtime's telemetry switched off, if it is not: the runtime reads the variable when the
/// process begins, and commands that load it themselves must not report either.
///
/// # Errors
/// Those of starting a program.
#[cfg(unix)]
pub(crate) fn silenced() -> io::Result<()> {
    use std::os::unix::process::CommandExt as _;
    let (name, value) = environment::SILENCE;
    if env::var_os(name).is_some() {
        return Ok(());
    }
    let mut again = std::process::Command::new(env::current_exe()?);
    Err(again.args(env::args_os().skip(1)).env(name, value).exec())
}

/// Nothing is known to start a program in place of another here.
#[cfg(not(unix))]
pub(crate) fn silenced() -> io::Result<()> {
    Ok(())
}

/// How a node runs its models.
pub(crate) fn config(args: &NodeRunArgs) -> Result<RunnerConfig, CliError> {
    let memory = args.memory.map(bytes).transpose()?;
    let mut command = command(args);
    // A GPU's driver reserves far more than it takes, so only what runs on the processor can be limited so.
    if let Some(bytes) = memory.filter(|_| args.device == "cpu") {
        command.args.extend(["--memory".into(), bytes.to_string().into()]);
    }
    Ok(RunnerConfig { child: command, models_dir: args.models.clone(), memory })
}

fn bytes(gigabytes: u64) -> Result<u64, CliError> {
    gigabytes.checked_mul(1 << 30).ok_or(CliError::TooMuchMemory { gigabytes })
}

/// The execution class of this machine. It is asked in a process of its own, as models are run: a device that does not
/// work, or a runtime that crashes, is an error here and not the end of the node.
pub(crate) async fn class(args: &NodeRunArgs) -> Result<B256> {
    let ChildCommand { program, args } = command(args);
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(environment::passed()).stdin(Stdio::null());
    let asked = timeout(CLASS_LIMIT, command.kill_on_drop(true).output()).await;
    let silent = |_| CliError::NoExecutor { reason: format!("no answer within {} s", CLASS_LIMIT.as_secs()) };
    let output = asked.map_err(silent)??;
    let printed = String::from_utf8_lossy(&output.stdout);
    let (class, standing) = printed.trim().split_once('\n').unwrap_or((&printed, ""));
    match class.trim().parse() {
        Ok(class) if output.status.success() => {
            tracing::info!(%class, "{standing}");
            Ok(class)
        }
        _ => Err(CliError::NoExecutor { reason: reason(&output.stderr, &output.status.to_string()) }.into()),
    }
}

/// The error among the lines of a log, or else how the process ended.
fn reason(log: &[u8], ending: &str) -> String {
    let log = String::from_utf8_lossy(log);
    let error = log.lines().find_map(|line| line.strip_prefix("error: "));
    error.unwrap_or(ending).to_owned()
}

fn command(args: &NodeRunArgs) -> ChildCommand {
    let words = ["executor".into(), "--models".into(), args.models.clone().into(), "--device".into()];
    let device = OsString::from(&args.device);
    ChildCommand { program: program(), args: words.into_iter().chain([device]).collect() }
}

/// This program, even when its file has been replaced since it was started.
fn program() -> PathBuf {
    if cfg!(target_os = "linux") {
        return PathBuf::from("/proc/self/exe");
    }
    env::current_exe().unwrap_or_else(|_| PathBuf::from("xenon"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_beyond_what_can_be_counted_is_refused_and_not_wrapped() {
        for gigabytes in [1 << 34, u64::MAX] {
            assert!(bytes(gigabytes).unwrap_err().to_string().starts_with("XC-031: "));
        }
        assert_eq!(bytes((1 << 34) - 1).unwrap(), u64::MAX - (1 << 30) + 1);
    }

    #[test]
    fn the_error_is_found_among_the_lines_of_the_log() {
        let log = b"{\"level\":\"INFO\"}\nerror: XE-013: \"x\" is not a device\n";
        assert_eq!(reason(log, "exit status: 1"), "XE-013: \"x\" is not a device");
        assert_eq!(reason(b"", "signal: 11"), "signal: 11");
    }
}
