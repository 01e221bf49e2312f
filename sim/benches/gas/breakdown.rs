//! Where the gas of a life goes.

use comfy_table::{Table, TableStyle};

use crate::{
    expense::Expense,
    life::Life,
    report::{Report, table, thousands},
    steps::STAGES,
    tracer::{Cost, SlotCost, Work},
};

/// What gas is spent on.
const PURPOSES: [&str; 15] = [
    "transactions",
    "calldata",
    "storage: first touch",
    "storage: read again",
    "storage: filled",
    "storage: changed",
    "storage: cleared",
    "storage: written again",
    "storage: refunds",
    "refunds above the cap",
    "calls: first of a contract",
    "calls: further",
    "events",
    "hashes",
    "other computation",
];

/// The name of a sum.
const ALL: &str = "all";

/// Gas by purpose, in the order of [`PURPOSES`].
fn by_purpose(expense: &Expense) -> [i64; 15] {
    let (slots, work) = (expense.storage(), expense.all_work());
    let paid = |cost: Cost| cost.gas.cast_signed();
    [
        paid(expense.transactions),
        expense.calldata.cast_signed(),
        paid(slots.cold),
        paid(slots.warm),
        paid(slots.filled),
        paid(slots.changed),
        paid(slots.cleared),
        paid(slots.again),
        -slots.refund,
        expense.forfeited.cast_signed(),
        paid(work.cold_calls),
        paid(work.warm_calls),
        paid(work.logs),
        paid(work.hashes),
        paid(work.rest),
    ]
}

/// What each column of the comparison is spent on.
pub(crate) fn by_scale(report: &Report, style: TableStyle) -> Table {
    let columns = report.lives().into_iter().map(|(name, life)| (name, life.whole(), life.lives)).collect();
    purposes(style, columns)
}

/// What each stage is spent on.
pub(crate) fn by_stage(life: &Life, style: TableStyle) -> Table {
    let stages = STAGES.iter().map(|stage| ((*stage).to_owned(), life.stage(stage), life.lives));
    purposes(style, stages.chain([(String::from("life"), life.whole(), life.lives)]).collect())
}

fn purposes(style: TableStyle, columns: Vec<(String, Expense, u64)>) -> Table {
    let spent: Vec<_> = columns.iter().map(|(_, expense, lives)| (by_purpose(expense), *lives)).collect();
    let rows = PURPOSES.iter().enumerate().filter(|(row, _)| spent.iter().any(|(gas, _)| gas[*row] != 0));
    let row = |(row, purpose): (usize, &&str)| {
        let figures = spent.iter().map(|(gas, lives)| mean(gas[row], *lives));
        [(*purpose).to_owned()].into_iter().chain(figures).collect()
    };
    let mut rows: Vec<Vec<String>> = rows.map(row).collect();
    let totals = spent.iter().map(|(gas, lives)| mean(gas.iter().sum(), *lives));
    rows.push([String::from("total")].into_iter().chain(totals).collect());
    let header = [String::from("gas")].into_iter().chain(columns.into_iter().map(|(name, ..)| name)).collect();
    table(style, header, rows)
}

/// What each storage slot costs, the dearest first, and what it costs in other lives. Elements of a mapping share a row.
/// Names stand between `quotes`.
pub(crate) fn by_slot(life: &Life, other: &(String, &Life), style: TableStyle, quotes: &str) -> Table {
    let (whole, elsewhere) = (life.whole(), other.1.whole());
    let mut slots: Vec<_> = whole.slots.iter().collect();
    slots.sort_by_key(|(name, cost)| (-cost.net(), *name));
    let stages: Vec<_> = STAGES.iter().map(|stage| (*stage, life.stage(stage))).collect();
    let row = |name: String, cost: &SlotCost, there: &SlotCost, stages: String| {
        let times = [cost.cold, cost.warm, cost.filled, cost.changed, cost.cleared, cost.again];
        let gas = [mean(-cost.refund, life.lives), mean(cost.net(), life.lives), mean(there.net(), other.1.lives)];
        let figures = times.map(|cost| often(cost, life.lives)).into_iter().chain(gas);
        [name].into_iter().chain(figures).chain([stages]).collect()
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (name, cost) in slots {
        let touching = stages.iter().filter(|(_, expense)| expense.slots.contains_key(name)).map(|(stage, _)| *stage);
        let there = elsewhere.slots.get(name).copied().unwrap_or_default();
        rows.push(row(format!("{quotes}{name}{quotes}"), cost, &there, touching.collect::<Vec<_>>().join(", ")));
    }
    rows.push(row(ALL.to_owned(), &whole.storage(), &elsewhere.storage(), String::new()));
    let header = "slot|first touch|read again|filled|changed|cleared|written again|refund|gas";
    let header = header.split('|').map(String::from).chain([other.0.clone(), String::from("stages")]);
    table(style, header.collect(), rows)
}

/// What each contract spends on other things than storage.
pub(crate) fn by_contract(life: &Life, style: TableStyle) -> Table {
    let whole = life.whole();
    let row = |(name, work): (&str, &Work)| {
        let parts = [work.cold_calls, work.warm_calls, work.logs, work.hashes, work.rest];
        let parts = parts.map(|cost| mean(cost.gas.cast_signed(), life.lives));
        let total = mean(work.gas().cast_signed(), life.lives);
        [name.to_owned()].into_iter().chain(parts).chain([total]).collect()
    };
    let all = whole.all_work();
    let rows = whole.work.iter().map(|(name, work)| row((name, work))).chain([row((ALL, &all))]).collect();
    let header =
        ["contract", "calls: first of a contract", "calls: further", "events", "hashes", "other computation", "gas"];
    table(style, header.map(String::from).to_vec(), rows)
}

/// A sum over lives, for one life.
fn mean(sum: i64, lives: u64) -> String {
    let lives = lives.cast_signed();
    let rounded = (2 * sum + lives * sum.signum()) / (2 * lives);
    let sign = if rounded < 0 { "-" } else { "" };
    format!("{sign}{}", thousands(rounded.unsigned_abs()))
}

/// How often in one life, to a tenth.
fn often(cost: Cost, lives: u64) -> String {
    if cost.times == 0 {
        return String::new();
    }
    let tenths = (20 * cost.times + lives) / (2 * lives);
    let (whole, tenth) = (tenths / 10, tenths % 10);
    if tenth == 0 { whole.to_string() } else { format!("{whole}.{tenth}") }
}
