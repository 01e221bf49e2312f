//! The command line of `xenon keeper` and of what is seen without one.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};

/// Options of a keeper.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct KeeperArgs {
    #[command(subcommand)]
    pub(crate) command: Option<KeeperCommand>,
    #[command(flatten)]
    pub(crate) run: KeeperRunArgs,
}

/// What to do with a keeper instead of running it.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum KeeperCommand {
    /// Show what a running keeper is doing, and what it spends and earns, for as long as you look.
    Status(KeeperStatusArgs),
}

/// Options of `keeper status`.
#[derive(Clone, Debug, Args)]
pub(crate) struct KeeperStatusArgs {
    /// Where the keeper serves its metrics, as `xenon keeper --metrics` was given it.
    #[arg(long, default_value = "127.0.0.1:8701", value_name = "ADDRESS")]
    pub(crate) at: String,
    /// Print once and return.
    #[arg(long)]
    pub(crate) once: bool,
    /// Print the keeper's report as JSON, once.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of running a keeper.
#[derive(Clone, Debug, Args)]
pub(crate) struct KeeperRunArgs {
    /// Folder of the journal. A second keeper with the same key is refused.
    #[arg(long, default_value = "xenon-keeper", value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// The most tasks seated or drawn by one transaction; 16 if nothing else is configured.
    #[arg(long)]
    pub(crate) max_tasks: Option<u32>,
    /// Also end the cases of frozen nodes that are over, for which nobody pays.
    #[arg(long)]
    pub(crate) end_cases: bool,
    /// Address to serve /metrics, /health, /ready and /status on.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Print what it would send after each block, with reward, gas and profit, and send nothing.
    #[arg(long, conflicts_with = "metrics")]
    pub(crate) dry_run: bool,
    /// With --dry-run: after the newest block only.
    #[arg(long, requires = "dry_run")]
    pub(crate) once: bool,
}

/// Options of `why-not`.
#[derive(Clone, Debug, Args)]
pub(crate) struct WhyNotArgs {
    /// The number that the node was given when it joined, or the address of its key.
    pub(crate) node: String,
    /// The number that `task submit` printed.
    pub(crate) task: u64,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `queue`.
#[derive(Clone, Debug, Args)]
pub(crate) struct QueueArgs {
    /// Print so many tasks at most.
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    pub(crate) limit: usize,
    /// Reckon with the seats that were freed in so many seconds before the newest block.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) window: u64,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
