//! `xenon task submit`: content to the relay, fee into escrow, then wait for the answer.

use std::time::Duration;

use alloy::primitives::{B256, U256};
use eyre::Result;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};
use xenon_protocol::{
    chain::{Account, Call, Chain},
    contracts::Task,
    deployment::Deployment,
    relay::RelayClient,
    task::{TaskSpec, task_hash},
};

use super::{show, spec};
use crate::{
    cli::SubmitArgs,
    error::CliError,
    history::{self, TaskHistory},
    money,
    network::{self, Network},
    settings::Settings,
};

/// Pause between two looks at the chain.
const POLL: Duration = Duration::from_millis(500);

/// The kind that GPT tasks have in the table of the Task contract.
pub(crate) const GPT_KIND: u8 = 0;

/// What a creator decides besides the task itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    /// The fee in wei.
    pub(crate) fee: U256,
    /// GB each node must have.
    pub(crate) min_vram: u16,
    /// Seconds in the queue.
    pub(crate) max_wait: u32,
}

/// Runs the command.
pub(crate) async fn run(args: &SubmitArgs, settings: &Settings) -> Result<()> {
    let task = spec::read(args)?;
    let offer = Offer { fee: money::parse(&args.price)?, min_vram: args.min_vram, max_wait: args.max_wait };
    let network = Network::connect(settings).await?;
    let relay = network::relay(settings)?;
    let account = network.account(settings)?;
    let id = create(&account, &network.contracts, &relay, &task, offer).await?;
    if args.no_wait {
        println!("{id}");
        return Ok(());
    }
    let history = wait(&network, id, Duration::from_secs(args.timeout)).await?;
    let reply = show::fetch_reply(&relay, &history).await?;
    show::print_reply(&reply, args.json)
}

/// Stores the task at the relay and escrows its fee. Nothing is paid before the relay has the content.
pub(crate) async fn create<A: Account>(
    account: &A,
    contracts: &Deployment,
    relay: &RelayClient,
    task: &TaskSpec,
    offer: Offer,
) -> Result<u64> {
    let bytes = task.to_bytes()?;
    let limit = relay.info().await?.max_bytes;
    if bytes.len() as u64 > limit {
        return Err(CliError::TooLargeForRelay { bytes: bytes.len() as u64, limit }.into());
    }
    let call = create_call(task, task_hash(&bytes), offer);
    let call = Call::new(contracts.task, &call).with_value(offer.fee);
    // A refusal by the contract is found before anything is stored or sent.
    account.chain().call(account.address(), &call).await?;
    relay.put(bytes).await?;
    let receipt = account.send(call).await?;
    let created: Task::TaskCreated =
        receipt.event().ok_or(CliError::Incomplete { what: "create", missing: "TaskCreated" })?;
    Ok(created.task.to())
}

fn create_call(task: &TaskSpec, hash: B256, offer: Offer) -> Task::createCall {
    Task::createCall {
        kind: GPT_KIND,
        taskHash: hash,
        size: task.declared_size(),
        minVram: offer.min_vram,
        requiredClass: 0,
        maxWait: offer.max_wait,
    }
}

/// Waits until the task is over, showing where it stands.
async fn wait(network: &Network, id: u64, limit: Duration) -> Result<TaskHistory> {
    let (started, bar) = (Instant::now(), spinner());
    let from_block = creation_block(network, id).await?;
    loop {
        let task = show::one(network, id, from_block).await?;
        let status = task.status();
        if task.is_over() {
            bar.finish_and_clear();
            return Ok(task);
        }
        if started.elapsed() > limit {
            bar.finish_and_clear();
            return Err(CliError::StillRunning { id, status: status.into(), seconds: limit.as_secs() }.into());
        }
        bar.set_message(format!("task {id}: {status}"));
        sleep(POLL).await;
    }
}

/// The block to read logs from: that of the creation, so that waiting does not read the whole history again and again.
async fn creation_block(network: &Network, id: u64) -> Result<u64> {
    let all = history::read(&network.chain, &network.contracts, network.from_block).await?;
    let unknown = CliError::UnknownTask { id, contract: network.contracts.task };
    Ok(all.get(&id).ok_or(unknown)?.created)
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::default_spinner());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
