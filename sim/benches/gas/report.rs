//! What is printed: ours beside the original's, where the gas goes, and one line for programs.

use std::{collections::BTreeMap, fmt};

use comfy_table::{Cell, CellAlignment, Table, TableStyle, presets::UTF8_FULL_CONDENSED};
use serde_json::{Value, json};

use crate::{Scale, breakdown, life::Life, network::WEIGHT, steps::Step};

/// The most a life may cost.
const LIMIT: u64 = 800_000;
/// How far a life may be from that among the fewest nodes, in parts of a hundred.
const TOLERANCE: f64 = 3.0;
/// The most a contract's code may take (EIP-170).
const SIZE_LIMIT: usize = 24_576;

/// The original network's gas at ten free nodes, at a thousand, and saturated with 5,000 tasks queued.
const ORIGINAL_FEW: u64 = 2_586_158;
const ORIGINAL_MANY: u64 = 11_100_000;
const ORIGINAL_SATURATED: u64 = 3_640_000;
/// Its steps at ten free nodes. It chose the nodes when a task was created, and had no dispatch.
const ORIGINAL_STEPS: [(Step, &str); 4] = [
    (Step::Create, "873,000"),
    (Step::Commit(0), "354,000 for all"),
    (Step::Reveal(0), "1,000,000 for all"),
    (Step::Deliver, "359,000"),
];

/// All figures of one run.
pub(crate) struct Report {
    /// By the number of free nodes.
    pub(crate) scales: BTreeMap<u32, Scale>,
    /// By the number of queued tasks.
    pub(crate) saturated: BTreeMap<u64, Life>,
    pub(crate) saturated_nodes: u64,
    /// Runtime bytes by contract.
    pub(crate) sizes: BTreeMap<&'static str, usize>,
}

impl Report {
    /// Lives among the fewest nodes, to which all others are compared.
    pub(crate) fn base(&self) -> Option<&Life> {
        self.scales.values().next().map(|scale| &scale.steady)
    }

    /// Lives among the most nodes, with the name of their column.
    pub(crate) fn largest(&self) -> Option<(String, &Life)> {
        self.scales.iter().next_back().map(|(free, scale)| (format!("{} free", thousands(*free)), &scale.steady))
    }

    /// All lives while tasks keep coming, with the names of their columns.
    pub(crate) fn lives(&self) -> Vec<(String, &Life)> {
        let free = self.scales.iter().map(|(free, scale)| (format!("{} free", thousands(*free)), &scale.steady));
        let saturated = self.saturated.iter().map(|(depth, life)| (format!("{} queued", thousands(*depth)), life));
        free.chain(saturated).collect()
    }

    /// The figures that are outside their limits.
    pub(crate) fn breaches(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        for (name, life) in self.lives() {
            if life.total() > LIMIT {
                breaches.push(format!("{name}: {} gas, more than {}", thousands(life.total()), thousands(LIMIT)));
            }
            let difference = self.difference(life);
            if difference.abs() > TOLERANCE {
                breaches.push(format!("{name}: {difference:+.2} % from the fewest nodes, more than {TOLERANCE} %"));
            }
        }
        for (free, scale) in self.scales.iter().filter(|(_, scale)| scale.quiet.total() > LIMIT) {
            let (free, gas, limit) = (thousands(*free), thousands(scale.quiet.total()), thousands(LIMIT));
            breaches.push(format!("{free} free, quiet: {gas} gas, more than {limit}"));
        }
        for (contract, size) in self.sizes.iter().filter(|(_, size)| **size >= SIZE_LIMIT) {
            breaches.push(format!("{contract}: {size} bytes of code, not less than {SIZE_LIMIT}"));
        }
        breaches
    }

    /// Percents by which a life is dearer than among the fewest nodes.
    fn difference(&self, life: &Life) -> f64 {
        let base = self.base().map_or(0, Life::total);
        100.0 * (ratio(life.total(), base) - 1.0)
    }

    /// The line for programs.
    pub(crate) fn json(&self) -> Value {
        let task_gas: BTreeMap<_, _> = self.scales.iter().map(|(n, scale)| (n, scale.steady.total())).collect();
        let saturated: BTreeMap<_, _> = self.saturated.iter().map(|(n, life)| (n, life.total())).collect();
        let base = self.base();
        let step = |step: Step| Some((step.to_string().replace(' ', "_"), base?.step(step)?));
        let steps: BTreeMap<_, _> = Step::LIFE.into_iter().filter_map(step).collect();
        json!({ "task_gas": task_gas, "saturated": saturated, "steps": steps, "sizes": self.sizes })
    }

    /// Steps and totals, ours and the original's.
    pub(crate) fn comparison(&self, style: TableStyle) -> Table {
        let lives = self.lives();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for step in Step::LIFE {
            let original = ORIGINAL_STEPS.iter().find(|(theirs, _)| *theirs == step).map_or("", |(_, gas)| gas);
            let ours = lives.iter().map(|(_, life)| life.step(step).map_or_else(String::new, thousands));
            rows.push([step.to_string(), original.to_owned()].into_iter().chain(ours).collect());
        }
        let totals = lives.iter().map(|(_, life)| thousands(life.total()));
        rows.push([String::from("total"), thousands(ORIGINAL_FEW)].into_iter().chain(totals).collect());
        let differences = lives.iter().map(|(_, life)| format!("{:+.2} %", self.difference(life)));
        rows.push([String::from("from 10 free"), String::new()].into_iter().chain(differences).collect());
        let original = self.original();
        let theirs = original.iter().map(|gas| gas.map_or_else(|| String::from("-"), thousands));
        rows.push([String::from("the original's"), String::new()].into_iter().chain(theirs).collect());
        let ratios = lives.iter().zip(&original).map(|((_, life), theirs)| {
            theirs.map_or_else(|| String::from("-"), |theirs| format!("1 / {:.2}", ratio(theirs, life.total())))
        });
        rows.push([String::from("ours / the original's"), String::new()].into_iter().chain(ratios).collect());
        let quiet = self.scales.values().map(|scale| thousands(scale.quiet.total()));
        rows.push([String::from("quiet: total"), String::new()].into_iter().chain(quiet).collect());
        let header = [String::from("gas"), String::from("original, 10 free")];
        table(style, header.into_iter().chain(lives.iter().map(|(name, _)| name.clone())).collect(), rows)
    }

    /// The original's totals where they are known, by column.
    fn original(&self) -> Vec<Option<u64>> {
        let free = self.scales.keys().map(|free| match free {
            10 => Some(ORIGINAL_FEW),
            1_000 => Some(ORIGINAL_MANY),
            _ => None,
        });
        let saturated = self.saturated.keys().map(|depth| (*depth == 5_000).then_some(ORIGINAL_SATURATED));
        free.chain(saturated).collect()
    }

    /// What a reader must know of the comparison.
    pub(crate) fn notes(&self) -> String {
        let lives = self.base().map_or(0, |life| life.lives);
        let seasoned: Vec<_> = self
            .scales
            .values()
            .map(|scale| format!("{} of {}", thousands(scale.seasoned as u64), thousands(scale.nodes)))
            .collect();
        format!(
            "Means of {lives} lives, gas used by the receipts, refunds counted; every node of a measured life has served before ({} had).
N free: tasks keep coming, one a block. Its dispatch seats the task that the block before drew and draws the next, with N nodes in the sets.
Among 100,000 nodes, each has served too few tasks for its weight to have settled: {} is written into its slot.
N queued: {} nodes, all busy but those the network keeps free and the three that a settlement of the same block frees; N tasks stay queued.
Quiet: a task comes when the one before has ended; one dispatch draws it and another seats it, two transactions.
The original: 3,370,000 at 100 free nodes; its createTask alone passes 30,000,000 between 3,000 and 3,500.",
            seasoned.join(", "),
            WEIGHT,
            thousands(self.saturated_nodes),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.comparison(UTF8_FULL_CONDENSED), self.notes())?;
        writeln!(f, "\nWhere the gas goes, by column:\n{}", breakdown::by_scale(self, UTF8_FULL_CONDENSED))?;
        let (Some(base), Some(largest)) = (self.base(), self.largest()) else { return Ok(()) };
        writeln!(f, "\nOne life among 10 free nodes, by stage:\n{}", breakdown::by_stage(base, UTF8_FULL_CONDENSED))?;
        writeln!(f, "\nIts storage, slot by slot:\n{}", breakdown::by_slot(base, &largest, UTF8_FULL_CONDENSED, ""))?;
        write!(f, "\nThe rest, by contract:\n{}", breakdown::by_contract(base, UTF8_FULL_CONDENSED))
    }
}

/// A table whose first column is text and whose others are figures.
pub(crate) fn table(style: TableStyle, header: Vec<String>, rows: Vec<Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(style).set_header(header);
    for row in rows {
        let cells = row.into_iter().enumerate().map(|(column, text)| {
            let alignment = if column == 0 { CellAlignment::Left } else { CellAlignment::Right };
            Cell::new(text).set_alignment(alignment)
        });
        table.add_row(cells);
    }
    table
}

/// A whole number with commas.
pub(crate) fn thousands(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[allow(clippy::cast_precision_loss, reason = "gas is far below 2^53")]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}
