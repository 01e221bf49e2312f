//! `xenon task status` and `xenon task result`.

use std::io::IsTerminal as _;

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use eyre::Result;
use serde_json::{Value, json};
use xenon_protocol::{error_code, relay::RelayClient, result::ChatReply, task::GPT_KIND};

use crate::{
    cli::TaskArgs,
    error::CliError,
    history::{self, TaskHistory},
    money,
    network::{self, Network},
    settings::Settings,
};

/// The largest reply that is fetched, in bytes.
const MAX_REPLY_BYTES: u64 = 16 << 20;

/// `xenon task status`.
pub(super) async fn status(args: TaskArgs, settings: &Settings) -> Result<()> {
    let network = Network::connect(settings).await?;
    let task = one(&network, args.id, network.from_block).await?;
    if args.json {
        println!("{}", to_json(&task, None));
    } else {
        println!("{}", table(&task));
    }
    Ok(())
}

/// `xenon task result`.
pub(super) async fn result(args: TaskArgs, settings: &Settings) -> Result<()> {
    let network = Network::connect(settings).await?;
    let task = one(&network, args.id, network.from_block).await?;
    let reply = fetch_reply(&network::relay(settings)?, &task).await?;
    print_reply(&reply, args.json)
}

/// The history of one task.
pub(super) async fn one(network: &Network, id: u64, from_block: u64) -> Result<TaskHistory> {
    let task = history::read_one(&network.chain, &network.contracts, from_block, id).await?;
    task.ok_or_else(|| CliError::UnknownTask { id, contract: network.contracts.task }.into())
}

/// The delivered reply, checked to be what the nodes agreed on.
pub(crate) async fn fetch_reply(relay: &RelayClient, task: &TaskHistory) -> Result<ChatReply> {
    if let Some(reason) = task.failure() {
        let (refund, fee) = (money::show(task.refund()), money::show(task.fee));
        return Err(CliError::Aborted { id: task.id, reason, refund, fee }.into());
    }
    let (Some(settled), Some(delivered)) = (&task.settled, &task.delivered) else {
        return Err(CliError::NoResult { id: task.id, status: task.status().into() }.into());
    };
    if task.kind == GPT_KIND && settled.result != delivered.content {
        let (content, result) = (delivered.content, settled.result);
        return Err(CliError::WrongDelivery { id: task.id, content, result }.into());
    }
    let bytes = relay.get(delivered.content, MAX_REPLY_BYTES).await?;
    let unreadable =
        |error: serde_json::Error| CliError::UnknownReply { content: delivered.content, reason: error.to_string() };
    Ok(serde_json::from_slice(&bytes).map_err(unreadable)?)
}

/// Prints the text of the reply, or the reply as JSON.
pub(super) fn print_reply(reply: &ChatReply, as_json: bool) -> Result<()> {
    if as_json {
        println!("{}", serde_json::to_string(reply)?);
        return Ok(());
    }
    for choice in &reply.choices {
        println!("{}", for_terminal(&choice.message.content));
    }
    Ok(())
}

/// A model's text as it is for a pipe; without the characters that could steer it for a terminal.
pub(crate) fn for_terminal(text: &str) -> String {
    let harmless = |character: &char| !character.is_control() || matches!(character, '\n' | '\t');
    if std::io::stdout().is_terminal() { text.chars().filter(harmless).collect() } else { text.to_owned() }
}

/// The history as one JSON object.
pub(crate) fn to_json(task: &TaskHistory, answer: Option<&str>) -> Value {
    json!({
        "id": task.id,
        "kind": if task.kind == GPT_KIND { json!("gpt") } else { json!(task.kind) },
        "status": task.status(),
        "answer": answer,
        "fee_wei": task.fee.to_string(),
        "value_per_second": money::show_rate(task.value.wei_per_second()),
        "blocks": {
            "created": task.created,
            "drawn": task.drawn,
            "seated": task.seated.as_ref().map(|seated| seated.block),
            "committed": task.commits.iter().map(|(_, block)| block).max(),
            "revealed": task.reveals.iter().map(|(_, _, block)| block).max(),
            "settled": task.settled.as_ref().map(|settled| settled.block),
            "delivered": task.delivered.as_ref().map(|delivered| delivered.block),
        },
        "paid": paid(task),
    })
}

/// Who was credited what, in wei.
fn paid(task: &TaskHistory) -> Value {
    let mut rows = serde_json::Map::new();
    if let Some(seated) = &task.seated {
        rows.insert("keeper".into(), json!(seated.crank_reward.to_string()));
    }
    for (node, wei) in task.payments() {
        rows.insert(format!("node {node}"), json!(wei.to_string()));
    }
    rows.insert("creator".into(), json!(task.refund().to_string()));
    Value::Object(rows)
}

fn table(task: &TaskHistory) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["block", "task", &task.id.to_string()]);
    let mut row = |block: u64, what: &str, detail: String| {
        table.add_row([block.to_string(), what.to_owned(), detail]);
    };
    let rate = money::show_rate(task.value.wei_per_second());
    row(
        task.created,
        "created",
        format!("fee {} CNX, {rate} CNX per second, by {}", money::show(task.fee), task.creator),
    );
    if let Some(block) = task.drawn {
        row(block, "drawn", String::new());
    }
    if let Some(seated) = &task.seated {
        row(seated.block, "seated", format!("nodes {:?}", seated.nodes));
    }
    for (node, block) in &task.commits {
        row(*block, "committed", format!("node {node}"));
    }
    for (node, result, block) in &task.reveals {
        let vote = error_code::decode(*result).map_or_else(|| result.to_string(), |code| format!("error: {code}"));
        row(*block, "revealed", format!("node {node}: {vote}"));
    }
    if let Some(settled) = &task.settled {
        row(settled.block, "settled", history::ending_name(settled.ending).to_owned());
    }
    if let Some(delivered) = &task.delivered {
        row(delivered.block, "delivered", format!("node {}: {}", delivered.node, delivered.content));
    }
    if let Some((block, how, _)) = &task.closed {
        row(*block, how, String::new());
    }
    table.add_row([String::new(), "status".to_owned(), task.status().to_owned()]);
    table
}
