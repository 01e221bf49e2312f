//! The figures in docs/gas.md, between two marks.

use std::{fs, path::PathBuf};

use comfy_table::presets::ASCII_MARKDOWN;
use eyre::{Context as _, Result, eyre};

use crate::{
    breakdown,
    report::{Report, thousands},
};

const BEGIN: &str = "<!-- figures: make bench-gas ARGS=--write-docs -->\n";
const END: &str = "<!-- end of figures -->\n";

/// Whether the document holds the figures of this run.
pub(crate) fn is_current(report: &Report) -> Result<bool> {
    let text = read()?;
    Ok(with_figures(&text, report)? == text)
}

/// Puts the figures of this run into the document.
pub(crate) fn write(report: &Report) -> Result<()> {
    let text = with_figures(&read()?, report)?;
    fs::write(path(), text).wrap_err("writing docs/gas.md")
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/gas.md")
}

fn read() -> Result<String> {
    fs::read_to_string(path()).wrap_err("reading docs/gas.md")
}

fn with_figures(text: &str, report: &Report) -> Result<String> {
    let marks = || eyre!("docs/gas.md has lost its marks: {BEGIN}{END}");
    let (before, rest) = text.split_once(BEGIN).ok_or_else(marks)?;
    let (_, after) = rest.split_once(END).ok_or_else(marks)?;
    Ok([before, BEGIN, &figures(report), END, after].concat())
}

fn figures(report: &Report) -> String {
    let style = ASCII_MARKDOWN;
    let sizes: Vec<_> =
        report.sizes.iter().map(|(contract, size)| format!("{contract} {}", thousands(*size as u64))).collect();
    let mut parts = vec![
        report.comparison(style).to_string(),
        report.notes().lines().map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n"),
        format!("Bytes of code, of which 24,576 are allowed: {}.", sizes.join(", ")),
        String::from("### What it is spent on"),
        breakdown::by_scale(report, style).to_string(),
    ];
    if let (Some(base), Some(largest)) = (report.base(), report.largest()) {
        parts.extend([
            String::from("### One life among ten free nodes, by stage"),
            breakdown::by_stage(base, style).to_string(),
            String::from("### Its storage, slot by slot"),
            breakdown::by_slot(base, &largest, style, "`").to_string(),
            String::from("### The rest, by contract"),
            breakdown::by_contract(base, style).to_string(),
        ]);
    }
    format!("\n{}\n\n", parts.join("\n\n"))
}
