//! What the demo prints at its end.

use alloy::primitives::I256;
use comfy_table::{Cell, CellAlignment, Color, Table, presets::UTF8_FULL_CONDENSED};
use serde_json::{Value, json};

use super::{Outcome, balance::Sheet};
use crate::{history, money, task};

/// Blocks are shown with their time after the first block of the demo.
fn at(outcome: &Outcome, block: Option<u64>) -> String {
    let Some(block) = block else { return String::from("-") };
    match outcome.times.get(&block) {
        Some(time) => format!("{block} (+{} s)", time.saturating_sub(outcome.started)),
        None => block.to_string(),
    }
}

/// The tasks: who asked what, when each stage came, and the answer.
pub(super) fn tasks(outcome: &Outcome) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "task",
        "question",
        "fee",
        "CNX/s",
        "order",
        "created",
        "seated",
        "committed",
        "revealed",
        "delivered",
        "answer",
    ]);
    for row in &outcome.rows {
        let task = &row.history;
        let order = outcome.order(task.id).map_or_else(|| String::from("-"), |place| place.to_string());
        table.add_row([
            Cell::new(task.id),
            Cell::new(&row.prompt),
            Cell::new(money::show(task.fee)),
            Cell::new(money::show_rate(task.value.wei_per_second())),
            Cell::new(order),
            Cell::new(at(outcome, Some(task.created))),
            Cell::new(at(outcome, task.seated.as_ref().map(|seated| seated.block))),
            Cell::new(at(outcome, task.commits.iter().map(|(_, block)| *block).max())),
            Cell::new(at(outcome, task.reveals.iter().map(|(_, _, block)| *block).max())),
            Cell::new(at(outcome, task.delivered.as_ref().map(|delivered| delivered.block))),
            answer(row),
        ]);
    }
    table
}

fn answer(row: &super::Row) -> Cell {
    match (&row.answer, row.history.failure()) {
        (Some(text), _) => Cell::new(task::for_terminal(text)).fg(Color::Green),
        (None, Some(reason)) => Cell::new(reason).fg(Color::Red),
        (None, None) => Cell::new(row.history.status()).fg(Color::Yellow),
    }
}

/// Who was paid what for which task.
pub(super) fn payments(outcome: &Outcome) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["task", "seat 1", "seat 2", "seat 3", "keeper", "back to the creator"]);
    for row in &outcome.rows {
        let task = &row.history;
        let mut cells = vec![task.id.to_string()];
        cells.extend(task.payments().iter().map(|(node, wei)| seat(outcome, *node, &money::show(*wei))));
        cells.resize(4, String::from("-"));
        cells.push(task.seated.as_ref().map_or_else(|| "-".into(), |seated| money::show(seated.crank_reward)));
        cells.push(money::show(task.refund()));
        table.add_row(cells);
    }
    table
}

fn seat(outcome: &Outcome, node: u32, wei: &str) -> String {
    let lazy = if outcome.lazy.contains(&node) { " (lazy)" } else { "" };
    format!("node {node}{lazy}: {wei}")
}

/// What everybody paid in and owns now.
pub(super) fn sheet(outcome: &Outcome, sheet: &Sheet) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["party", "fees paid", "stake paid", "credit", "stake held", "net"]);
    for line in &sheet.lines {
        let frozen = if line.frozen { " (stake frozen)" } else { "" };
        table.add_row([
            format!("{}{frozen}", line.party),
            money::show(line.fees_paid),
            money::show(line.stake_paid),
            money::show(line.credit),
            money::show(line.stake_held),
            money::show_signed(line.net()),
        ]);
    }
    table.add_row([
        String::from("sum"),
        money::show(sheet.total(|line| line.fees_paid)),
        money::show(sheet.total(|line| line.stake_paid)),
        money::show(sheet.total(|line| line.credit)),
        money::show(sheet.total(|line| line.stake_held)),
        money::show_signed(sheet.lines.iter().map(super::balance::Line::net).fold(I256::ZERO, |sum, net| sum + net)),
    ]);
    table.add_row([
        String::from("held by the contracts"),
        String::new(),
        String::new(),
        money::show(sheet.task_balance),
        money::show(sheet.node_balance),
        String::new(),
    ]);
    for column in 1..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    debug_assert!(sheet.lines.len() >= outcome.nodes.len() + 2, "one line a party");
    table
}

/// Everything as one JSON object.
pub(super) fn json(outcome: &Outcome, sheet: &Sheet) -> Value {
    let tasks = outcome.rows.iter().map(|row| {
        let mut task = task::to_json(&row.history, row.answer.as_deref());
        task["prompt"] = json!(row.prompt);
        task["ending"] = json!(row.history.settled.as_ref().map(|settled| history::ending_name(settled.ending)));
        task
    });
    json!({
        "tasks": tasks.collect::<Vec<_>>(),
        "frozen": sheet.frozen(),
        "balance_sum_wei": sheet.sum().to_string(),
    })
}
