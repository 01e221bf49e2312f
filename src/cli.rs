//! The command line.

use std::path::PathBuf;

use alloy::primitives::Address;
use clap::{Args, Parser, Subcommand, ValueEnum};
use figment::{Provider, providers::Serialized};
use serde::Serialize;
use url::Url;

use crate::{doctor::DoctorArgs, model::ModelCommand};

/// Xenon: strangers run AI inference for each other, and nobody has to be trusted.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Cli {
    /// Configuration file; without it `xenon.toml` is read where it exists.
    #[arg(long, global = true, env = "XENON_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) network: NetworkFlags,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the network is.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkFlags {
    /// URL of a JSON-RPC node of the chain; one that holds a key belongs in `XENON_CHAIN__RPC`.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) rpc: Option<String>,
    /// The chain id the node must have.
    #[arg(long, global = true, value_name = "ID")]
    pub(crate) chain_id: Option<u64>,
    /// Address of the Task contract; it names the others.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) task_contract: Option<Address>,
    /// URL of the relay.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) relay: Option<Url>,
    /// File that holds the private key to sign with; `XENON_PRIVATE_KEY` takes its place.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

/// The flags that were given, in the shape of the settings.
#[derive(Serialize)]
struct Given<'a> {
    chain: GivenChain<'a>,
    relay: GivenRelay<'a>,
    wallet: GivenWallet<'a>,
}

#[derive(Serialize)]
struct GivenChain<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    rpc: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: &'a Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: &'a Option<Address>,
}

#[derive(Serialize)]
struct GivenRelay<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: &'a Option<Url>,
}

#[derive(Serialize)]
struct GivenWallet<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_file: &'a Option<PathBuf>,
}

impl NetworkFlags {
    /// The flags as a source of settings.
    pub(crate) fn provider(&self) -> impl Provider + '_ {
        Serialized::defaults(Given {
            chain: GivenChain { rpc: &self.rpc, id: &self.chain_id, task: &self.task_contract },
            relay: GivenRelay { url: &self.relay },
            wallet: GivenWallet { key_file: &self.key_file },
        })
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole network on this machine and a few tasks through it.
    Demo(DemoArgs),
    /// Submit a task, or look at one.
    #[command(subcommand)]
    Task(TaskCommand),
    /// Run a node (fetch tasks, run the model, commit, reveal, deliver), or look after one.
    Node(NodeArgs),
    /// Run the tasks of one model for a node, which starts this by itself.
    #[command(hide = true)]
    Executor(ExecutorArgs),
    /// Run a keeper: turn the crank.
    Keeper(KeeperArgs),
    /// Run a relay.
    Gateway(GatewayArgs),
    /// Deploy the contracts.
    Deploy(DeployArgs),
    /// Fetch models, and look after those that are there.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Print the configuration in force.
    Config,
    /// Check this machine and the network, and say what to do about what is missing.
    Doctor(DoctorArgs),
}

/// Options of the demo.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// How many nodes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(3..=50))]
    pub(crate) nodes: u32,
    /// How many chat tasks.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) tasks: u32,
    /// How many pictures; none if no model for them is installed.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=20))]
    pub(crate) pictures: u32,
    /// How many of the nodes are lazy: they answer without running the model.
    #[arg(long, default_value_t = 1)]
    pub(crate) lazy: u32,
    /// Ask this instead of sums; may be given several times.
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Vec<String>,
    /// Leave the network running and print how to talk to it.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print one JSON object as the last line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Folder of the model folders.
    #[arg(long, default_value = "models", value_name = "FOLDER")]
    pub(crate) models: PathBuf,
    /// Folder for the pictures.
    #[arg(long, default_value = "xenon-demo", value_name = "FOLDER")]
    pub(crate) out: PathBuf,
}

/// What to do with tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Pay for a task, wait for it and print the answer.
    Submit(Box<SubmitArgs>),
    /// Show what a task would meet: its place in the queue, the least fee, and whether any node can serve it.
    Quote(QuoteArgs),
    /// Print a task's history.
    Status(TaskArgs),
    /// Print a delivered task's answer, or save its pictures.
    Result(ResultArgs),
}

/// Options of `task submit`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SubmitArgs {
    /// The task as a JSON file; `-` reads standard input.
    #[arg(value_name = "FILE", conflicts_with = "prompt")]
    pub(crate) file: Option<PathBuf>,
    /// A chat task with this one message of the user, or with --kind sd pictures of this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
    /// What is asked for with --prompt.
    #[arg(long, default_value = "gpt")]
    pub(crate) kind: PromptKind,
    /// The model for --prompt; a small one that the repository brings when not given.
    #[arg(long, value_name = "ID")]
    pub(crate) model: Option<String>,
    /// The most tokens to generate for --prompt.
    #[arg(long, default_value_t = 32, value_name = "TOKENS")]
    pub(crate) max_new_tokens: u32,
    #[command(flatten)]
    pub(crate) picture: PictureArgs,
    /// The fee in CNX.
    #[arg(long, value_name = "CNX")]
    pub(crate) price: String,
    /// GB of accelerator memory each node must have.
    #[arg(long, default_value_t = 0, value_name = "GB")]
    pub(crate) min_vram: u16,
    /// Seconds in the queue after which the task may be expired, with a refund: one minute to seven days.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(60..=604_800))]
    pub(crate) max_wait: u32,
    /// Only nodes of this class may run it. Without one, any open class does: one with at least 1/32 of all active
    /// nodes. Naming a class buys the choice of the machines, and of their company: name one in which many operators
    /// have nodes. It costs the wait for that class.
    #[arg(long, default_value_t = 0, value_name = "CLASS")]
    pub(crate) class: u32,
    /// The delivery must carry the signature of this relay, as proof that it holds the reply. It is the relay of the
    /// configuration, which must say that it signs so.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) relay_signer: Option<Address>,
    /// Print the task's number and return.
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Give up waiting after so long; the task goes on.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    pub(crate) timeout: u64,
    /// Folder for the pictures; the current one when not given.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Print the reply as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a prompt asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PromptKind {
    /// Text.
    Gpt,
    /// Pictures.
    Sd,
}

/// What pictures of a prompt are to be.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Pictures (--kind sd)")]
pub(crate) struct PictureArgs {
    /// What the pictures shall not show.
    #[arg(long, value_name = "TEXT")]
    pub(crate) negative_prompt: Option<String>,
    /// How many, 1 to 4.
    #[arg(long, value_name = "COUNT")]
    pub(crate) num_images: Option<u32>,
    /// Width and height in pixels; 64 when not given.
    #[arg(long, value_name = "PIXELS", num_args = 2, value_names = ["WIDTH", "HEIGHT"])]
    pub(crate) size: Option<Vec<u32>>,
    /// Steps of the scheduler; 20 when not given.
    #[arg(long, value_name = "STEPS")]
    pub(crate) steps: Option<u32>,
    /// How strongly the prompt guides; 7.5 when not given.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) guidance_scale: Option<f64>,
    /// Seed of the noise; 0 when not given.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
}

/// Options of `task result`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ResultArgs {
    /// The number that `task submit` printed.
    pub(crate) id: u64,
    /// Folder for the pictures; the current one when not given.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Print the reply as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `task quote`.
#[derive(Clone, Debug, Args)]
pub(crate) struct QuoteArgs {
    /// The kind of the task: 0 for text, 1 for images.
    #[arg(long, default_value_t = 0)]
    pub(crate) kind: u8,
    /// Units asked for: tokens or images.
    #[arg(long, default_value_t = 32, value_name = "UNITS")]
    pub(crate) size: u32,
    /// GB of accelerator memory each node must have.
    #[arg(long, default_value_t = 0, value_name = "GB")]
    pub(crate) min_vram: u16,
    /// The class that it names, or 0 for any open one.
    #[arg(long, default_value_t = 0, value_name = "CLASS")]
    pub(crate) class: u32,
    /// The fee in CNX.
    #[arg(long, default_value = "1", value_name = "CNX")]
    pub(crate) price: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A task by its number.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct TaskArgs {
    /// The number that `task submit` printed.
    pub(crate) id: u64,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of a node.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct NodeArgs {
    #[command(subcommand)]
    pub(crate) command: Option<NodeCommand>,
    #[command(flatten)]
    pub(crate) run: NodeRunArgs,
}

/// What to do with a node instead of running it. The key is that of its operator.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Print where a node stands, and what it has earned.
    Status(NodeIdArgs),
    /// Show what a node on this machine is doing, and what it has earned, for as long as you look.
    Watch(WatchArgs),
    /// Take a node out of the draws: it finishes the task in hand and gets no more until it is resumed.
    Pause(PauseArgs),
    /// Put a paused or suspended node back.
    Resume(NodeIdArgs),
    /// Move what a node has earned to its operator's credit and, if the key is the operator's, pay the credit out.
    Collect(NodeIdArgs),
    /// Bring a stake that penalties have diminished back to its full height.
    TopUp(NodeIdArgs),
    /// Appeal against a freeze, with a file that holds the evidence; keep that file.
    Appeal(EvidenceArgs),
    /// Add another file of evidence to an appeal that is not decided yet; keep that file. Anybody may.
    Evidence(EvidenceArgs),
}

/// A node by its number.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct NodeIdArgs {
    /// The number that the node was given when it joined.
    pub(crate) id: u32,
}

/// Options of `node pause`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PauseArgs {
    /// The number that the node was given when it joined.
    pub(crate) id: u32,
    /// Return only when the node has finished the task in hand and is paused.
    #[arg(long)]
    pub(crate) wait: bool,
}

/// Options of `node watch`.
#[derive(Clone, Debug, Args)]
pub(crate) struct WatchArgs {
    /// Folder of the node's journal, as `xenon node --data` was given it.
    #[arg(long, default_value = "xenon-node", value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// Print once and return.
    #[arg(long)]
    pub(crate) once: bool,
    /// Print the node's report as JSON, once.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A node and what speaks for or against it.
#[derive(Clone, Debug, Args)]
pub(crate) struct EvidenceArgs {
    /// The number that the node was given when it joined.
    pub(crate) id: u32,
    /// The evidence, such as a transcript from which anybody can replay the task; its hash goes on chain.
    #[arg(long, value_name = "FILE")]
    pub(crate) evidence: PathBuf,
}

/// Options of running a node.
#[derive(Clone, Debug, Args)]
pub(crate) struct NodeRunArgs {
    /// Folder of the journal. One node, one folder.
    #[arg(long, default_value = "xenon-node", value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// Folder of the model folders.
    #[arg(long, default_value = "models", value_name = "FOLDER")]
    pub(crate) models: PathBuf,
    /// Device to run on: cpu, cuda, cuda:N, coreml or auto.
    #[arg(long, default_value = "cpu")]
    pub(crate) device: String,
    /// GB of accelerator memory to join with.
    #[arg(long, default_value_t = 0, value_name = "GB")]
    pub(crate) vram: u16,
    /// GB of main memory that models may take together; nine tenths of what is free at the start if it is left out.
    #[arg(long, value_name = "GB")]
    pub(crate) memory: Option<u64>,
    /// File that holds the operator's key, to join the network with if the node has not; the stake is taken from it. With
    /// it the node also pauses itself when memory ran out so badly that it can run no model any more.
    #[arg(long, value_name = "FILE")]
    pub(crate) join_with: Option<PathBuf>,
    /// Address to serve metrics on, as Prometheus reads them, at /metrics.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<std::net::SocketAddr>,
}

/// Options of the process that runs a model.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExecutorArgs {
    /// Folder of the model folders.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) models: PathBuf,
    /// Device to run on.
    #[arg(long)]
    pub(crate) device: String,
    /// The most memory for data, in bytes.
    #[arg(long, value_name = "BYTES")]
    pub(crate) memory: Option<u64>,
    /// The model, with its revision. Without one, the machine's execution class is printed.
    #[arg(long, value_name = "ID")]
    pub(crate) model: Option<String>,
}

/// Options of a keeper.
#[derive(Clone, Debug, Args)]
pub(crate) struct KeeperArgs {
    /// Folder of the journal. A second keeper with the same key is refused.
    #[arg(long, default_value = "xenon-keeper", value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// The most tasks seated or drawn by one transaction; 16 if nothing else is configured.
    #[arg(long)]
    pub(crate) max_tasks: Option<u32>,
    /// Also end the cases of frozen nodes that are over, for which nobody pays.
    #[arg(long)]
    pub(crate) end_cases: bool,
}

/// Options of a relay.
#[derive(Clone, Debug, Args)]
pub(crate) struct GatewayArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8700", value_name = "ADDRESS")]
    pub(crate) listen: std::net::SocketAddr,
    /// Folder to keep the content in; without it, it is kept in memory.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) store: Option<PathBuf>,
    /// File that holds the key with which the relay signs for what it stores; `XENON_RELAY_KEY` takes its place.
    #[arg(long, value_name = "FILE", requires = "store")]
    pub(crate) signing_key_file: Option<PathBuf>,
}

/// Options of a deployment.
#[derive(Clone, Debug, Args)]
pub(crate) struct DeployArgs {
    /// Who may set parameters and decide appeals; when not given, a timelock that is deployed with the network.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) owner: Option<Address>,
    /// Who proposes in that timelock; the deployer when not given.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "owner")]
    pub(crate) governor: Option<Address>,
    /// Receives slashed stake; the deployer when not given.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) treasury: Option<Address>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_the_network_refuses_is_refused_here() {
        let parse = |wait| Cli::try_parse_from(["xenon", "task", "submit", "--price", "1", "--max-wait", wait]);
        for wait in ["59", "604801"] {
            let error = parse(wait).unwrap_err().to_string();
            assert!(error.contains("--max-wait") && error.contains("60..=604800"), "{error}");
        }
        for wait in ["60", "604800"] {
            assert!(parse(wait).is_ok(), "{wait}");
        }
    }
}
