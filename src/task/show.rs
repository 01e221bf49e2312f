//! `xenon task status` and `xenon task result`.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use eyre::Result;
use serde_json::{Value, json};
use xenon_protocol::{
    error_code,
    task::{GPT_KIND, SD_KIND},
};

use super::reply::{fetch_reply, print_reply};
use crate::{
    cli::{ResultArgs, TaskArgs},
    error::CliError,
    history::{self, TaskHistory},
    money,
    network::{self, Network},
    settings::Settings,
};

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
pub(super) async fn result(args: &ResultArgs, settings: &Settings) -> Result<()> {
    let network = Network::connect(settings).await?;
    let task = one(&network, args.id, network.from_block).await?;
    let reply = fetch_reply(&network::relay(settings)?, &task).await?;
    print_reply(&reply, args.id, args.json, args.out.as_deref())
}

/// The history of one task.
pub(super) async fn one(network: &Network, id: u64, from_block: u64) -> Result<TaskHistory> {
    let task = history::read_one(&network.chain, &network.contracts, from_block, id).await?;
    task.ok_or_else(|| CliError::UnknownTask { id, contract: network.contracts.task }.into())
}

/// The history as one JSON object.
pub(crate) fn to_json(task: &TaskHistory, answer: Option<&str>) -> Value {
    json!({
        "id": task.id,
        "kind": kind_name(task.kind),
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

/// The name of a kind in task documents; its number if it has none.
fn kind_name(kind: u8) -> Value {
    match kind {
        GPT_KIND => json!("gpt"),
        SD_KIND => json!("sd"),
        other => json!(other),
    }
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
