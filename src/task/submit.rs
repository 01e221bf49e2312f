//! `xenon task submit`: content to the relay, fee into escrow, then wait for the answer.

use std::time::Duration;

use alloy::primitives::{Address, B256, U256};
use eyre::{Result, WrapErr as _};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};
use xenon_protocol::{
    chain::{Account, Call, Chain},
    contracts::Task,
    deployment::Deployment,
    relay::RelayClient,
    result::Reply,
    task::{TaskSpec, task_hash},
};

use super::{reply, spec};
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

/// What a creator decides besides the task itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    /// The fee in wei.
    pub(crate) fee: U256,
    /// GB each node must have.
    pub(crate) min_vram: u16,
    /// Seconds in the queue.
    pub(crate) max_wait: u32,
    /// The class that its nodes must be of, or 0.
    pub(crate) class: u32,
    /// The relay that must sign the delivery, if one must.
    pub(crate) relay_signer: Option<Address>,
}

/// A task that was paid for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Created {
    /// Its number.
    pub(crate) id: u64,
    /// The block it was created in.
    pub(crate) block: u64,
}

/// Runs the command.
pub(crate) async fn run(args: &SubmitArgs, settings: &Settings) -> Result<()> {
    let task = spec::read(args)?;
    let offer = Offer {
        fee: money::parse(&args.price)?,
        min_vram: args.min_vram,
        max_wait: args.max_wait,
        class: args.class,
        relay_signer: args.relay_signer,
    };
    let network = Network::connect(settings).await?;
    let relay = network::relay(settings)?;
    let account = network.account(settings)?;
    let created = create(&account, &network.contracts, &relay, &task, offer).await?;
    if args.no_wait {
        println!("{}", created.id);
        return Ok(());
    }
    let outcome = answer(&network, &relay, created, Duration::from_secs(args.timeout)).await;
    let answer =
        outcome.wrap_err_with(|| format!("task {id} is paid for: see `xenon task status {id}`", id = created.id))?;
    reply::print_reply(&answer, created.id, args.json, args.out.as_deref())
}

async fn answer(network: &Network, relay: &RelayClient, created: Created, limit: Duration) -> Result<Reply> {
    let history = wait(network, created, limit).await?;
    reply::fetch_reply(relay, &history).await
}

/// Stores the task at the relay and escrows its fee. Nothing is paid before the relay has the content.
pub(crate) async fn create<A: Account>(
    account: &A,
    contracts: &Deployment,
    relay: &RelayClient,
    task: &TaskSpec,
    offer: Offer,
) -> Result<Created> {
    let bytes = task.to_bytes()?;
    let info = relay.info().await?;
    let limit = info.max_bytes;
    if bytes.len() as u64 > limit {
        return Err(CliError::TooLargeForRelay { bytes: bytes.len() as u64, limit }.into());
    }
    if let Some(wanted) = offer.relay_signer.filter(|wanted| info.signer != Some(*wanted)) {
        let signs = info.signer.map_or_else(|| "signs nothing".to_owned(), |signer| format!("signs as {signer}"));
        return Err(CliError::OtherSigner { url: relay.url().to_string(), signs, wanted }.into());
    }
    let call = create_call(contracts.task, task, task_hash(&bytes), offer);
    // A refusal by the contract is found before anything is stored or sent.
    account.chain().call(account.address(), &call).await?;
    relay.put(bytes).await?;
    let receipt = account.send(call).await?;
    let created: Task::TaskCreated =
        receipt.event().ok_or(CliError::Incomplete { what: "create", missing: "TaskCreated" })?;
    Ok(Created { id: created.task.to(), block: receipt.block_number })
}

fn create_call(contract: Address, task: &TaskSpec, hash: B256, offer: Offer) -> Call {
    let (kind, size) = (task.kind(), task.declared_size());
    let (min_vram, class, max_wait) = (offer.min_vram, offer.class, offer.max_wait);
    let call = if let Some(relay) = offer.relay_signer {
        let relayed = Task::createRelayedCall {
            kind,
            taskHash: hash,
            size,
            minVram: min_vram,
            requiredClass: class,
            maxWait: max_wait,
            relay,
        };
        Call::new(contract, &relayed)
    } else {
        let plain =
            Task::createCall { kind, taskHash: hash, size, minVram: min_vram, requiredClass: class, maxWait: max_wait };
        Call::new(contract, &plain)
    };
    call.with_value(offer.fee)
}

/// Waits until the task is over, showing where it stands. An endpoint that is down or behind is asked again.
async fn wait(network: &Network, created: Created, limit: Duration) -> Result<TaskHistory> {
    let (started, bar, id) = (Instant::now(), spinner(), created.id);
    loop {
        let status = match history::read_one(&network.chain, &network.contracts, created.block, id).await {
            Ok(Some(task)) if task.is_over() => {
                bar.finish_and_clear();
                return Ok(task);
            }
            Ok(task) => task.map_or("not seen by this endpoint yet", |task| task.status()),
            Err(error) if error.is_transient() => "out of sight: the endpoint does not answer",
            Err(error) => return Err(error.into()),
        };
        if started.elapsed() > limit {
            bar.finish_and_clear();
            return Err(CliError::StillRunning { id, status: status.into(), seconds: limit.as_secs() }.into());
        }
        bar.set_message(format!("task {id}: {status}"));
        sleep(POLL).await;
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::default_spinner());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
