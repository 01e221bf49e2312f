//! What can be seen of a network from chain data alone: the history of a task, why a node was not given one, the queue,
//! and what a keeper would do.

use alloy::primitives::{Address, U256};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use eyre::Result;
use serde_json::json;
use tokio::time::sleep;
use xenon_keeper::{
    KeeperConfig, KeeperError, NodeId, Policy, Rehearsal, TaskId,
    explain::{self, Entry, Explanation},
    forecast::{Forecast, Wait, Waiting, forecast},
    view::BookKey,
    why_not::{self, WhyNot},
};
use xenon_protocol::{chain::TypedChain as _, contracts::Node};

use super::{
    args::{QueueArgs, WhyNotArgs},
    report::kind_name,
};
use crate::{
    cli::TaskArgs, clock, error::CliError, money, network::Network, serve::interrupted, settings::Settings, wallet,
};

/// How the past is read.
fn config(network: &Network) -> KeeperConfig {
    KeeperConfig { from_block: network.from_block, ..KeeperConfig::default() }
}

fn unknown(network: &Network, id: u64) -> CliError {
    CliError::UnknownTask { id, contract: network.contracts.task }
}

/// `xenon explain`.
pub(crate) async fn explain(args: TaskArgs, settings: &Settings) -> Result<()> {
    let network = Network::connect(settings).await?;
    let told = explain::explain(&network.chain, &network.contracts, &config(&network), TaskId(args.id)).await?;
    let told = told.ok_or_else(|| unknown(&network, args.id))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&told)?);
    } else {
        println!("{}", story(&told));
    }
    Ok(())
}

fn story(told: &Explanation) -> String {
    let entries = told.entries.iter().map(|entry| {
        let Entry { block, time, transaction, event, text, until } = entry;
        let deadline = until.map(|until| format!(", until {}", clock::show(until))).unwrap_or_default();
        format!("{} block {block} {event}\n  {text}{deadline}\n  transaction {transaction}\n", clock::show(*time))
    });
    let end = format!("task {}: {}", told.task, told.standing);
    entries.chain([end]).collect()
}

/// `xenon why-not`.
pub(crate) async fn why_not(args: &WhyNotArgs, settings: &Settings) -> Result<()> {
    let network = Network::connect(settings).await?;
    let node = node(&network, &args.node).await?;
    let told = why_not::why_not(&network.chain, &network.contracts, &config(&network), node, TaskId(args.task)).await?;
    let told = told.ok_or_else(|| unknown(&network, args.task))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&told)?);
    } else {
        println!("{}", reasons(&told));
    }
    Ok(())
}

/// The node of a number or of a key.
async fn node(network: &Network, text: &str) -> Result<NodeId> {
    if let Ok(number) = text.parse() {
        let known = network.chain.view(network.contracts.node, &Node::lastNodeCall {}).await?;
        let unknown = CliError::UnknownNode { id: number, contract: network.contracts.node };
        return if (1..=known).contains(&number) { Ok(NodeId(number)) } else { Err(unknown.into()) };
    }
    let key: Address = text.parse().map_err(|_| CliError::NoNodeName { text: text.to_owned() })?;
    match network.chain.view(network.contracts.node, &Node::idOfCall { key }).await? {
        0 => Err(CliError::UnknownKey { key, contract: network.contracts.node }.into()),
        number => Ok(NodeId(number)),
    }
}

fn reasons(told: &WhyNot) -> String {
    let turns = told.turns.iter().map(|turn| {
        format!("drawn in block {}, nodes chosen in block {}: {}\n", turn.drawn, turn.chosen, turn.verdict)
    });
    let now = told.now.iter().map(|verdict| format!("now: {verdict}\n"));
    let end = format!("node {}, task {}: {}", told.node, told.task, told.standing);
    turns.chain(now).chain([end]).collect()
}

/// `xenon queue`.
pub(crate) async fn queue(args: &QueueArgs, settings: &Settings) -> Result<()> {
    let network = Network::connect(settings).await?;
    let told = forecast(&network.chain, &network.contracts, &config(&network), args.window).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&listing(&told, args.limit))?);
    } else {
        println!("{}", table(&told, args.limit));
    }
    Ok(())
}

fn listing(told: &Forecast, limit: usize) -> serde_json::Value {
    let tasks: Vec<_> = told.tasks.iter().take(limit).map(|task| row(task, told.time)).collect();
    json!({
        "block": told.block,
        "time": told.time,
        "queued": told.tasks.len(),
        "free_nodes": told.free,
        "active_nodes": told.active,
        "window_s": told.window_s,
        "seats_freed": told.seats_freed,
        "tasks": tasks,
    })
}

fn row(task: &Waiting, now: u64) -> serde_json::Value {
    json!({
        "rank": task.rank,
        "task": task.task,
        "kind": kind_name(task.kind),
        "fee_wei": task.fee.to_string(),
        "cnx_per_second": per_second(task),
        "level": task.level,
        "book": book(task.book),
        "since": task.since,
        "waiting_s": now.saturating_sub(task.since),
        "expires": task.expires,
        "requeues": task.requeues,
        "ahead": task.ahead,
        "expected_wait_s": match task.wait { Wait::Expected { seconds } => Some(seconds), _ => None },
        "wait": wait(task.wait),
    })
}

/// Rounded down to the wei.
fn per_second(task: &Waiting) -> String {
    money::show(U256::from(task.fee) * U256::from(1_000) / U256::from(task.duration_ms))
}

fn book(book: BookKey) -> String {
    match book {
        BookKey::Tier(key) => format!("tier {}", key.tier),
        BookKey::Class(key) => format!("class {}", key.class),
    }
}

fn wait(wait: Wait) -> String {
    match wait {
        Wait::Expected { seconds: 0 } => String::from("none: its nodes are free"),
        Wait::Expected { seconds } => format!("about {seconds} s"),
        Wait::TooFewNodes { active } => format!("without end: {active} of 3 nodes could serve it"),
        Wait::Unknown => String::from("not known: no seat was freed lately"),
    }
}

fn table(told: &Forecast, limit: usize) -> String {
    let Forecast { block, window_s, seats_freed, free, active, tasks, .. } = told;
    let mut table = Table::new();
    let header = ["rank", "task", "kind", "CNX per second", "level", "book", "waits", "expires in", "expected wait"];
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    for task in tasks.iter().take(limit) {
        table.add_row([
            task.rank.to_string(),
            task.task.to_string(),
            kind_name(task.kind),
            per_second(task),
            task.level.to_string(),
            book(task.book),
            format!("{} s", told.time.saturating_sub(task.since)),
            format!("{} s", task.expires.saturating_sub(told.time)),
            wait(task.wait),
        ]);
    }
    let queued = tasks.len();
    let summary = format!(
        "block {block}: {queued} tasks queued, {free} of {active} nodes free, {seats_freed} seats freed in {window_s} s"
    );
    if queued == 0 { summary } else { format!("{summary}\n{table}") }
}

/// `xenon keeper --dry-run`: prints what would be sent after each block until it is interrupted, or after one.
pub(crate) async fn rehearse(
    network: &Network,
    settings: &Settings,
    policy: Policy,
    config: KeeperConfig,
    once: bool,
) -> Result<()> {
    // Without a key nobody would be paid, but what would be done is the same.
    let account = match wallet::load(&settings.wallet) {
        Ok(key) => key.address(),
        Err(CliError::NoKey) => settings.wallet.address.unwrap_or_default(),
        Err(error) => return Err(error.into()),
    };
    let pause = std::time::Duration::from_millis(config.poll_ms);
    let mut rehearsal = Rehearsal::new(network.chain.clone(), network.contracts, policy, config, account);
    let mut interruption = std::pin::pin!(interrupted());
    loop {
        tokio::select! {
            () = &mut interruption => return Ok(()),
            told = rehearsal.step() => match told {
                Ok(Some(told)) => println!("{told}"),
                Ok(None) => {}
                Err(error) if once || error.is_permanent() => return Err(error.into()),
                Err(error) => told_once(&error),
            },
        }
        if once {
            return Ok(());
        }
        tokio::select! {
            () = &mut interruption => return Ok(()),
            () = sleep(pause) => {}
        }
    }
}

/// A rehearsal goes on as a keeper does.
fn told_once(error: &KeeperError) {
    tracing::warn!(code = error.code(), %error, "the chain cannot be followed");
}

#[cfg(test)]
mod tests;
