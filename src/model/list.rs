//! `xenon model list` and `verify`.

use bytesize::ByteSize;
use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use eyre::Result;
use serde_json::{Value, json};
use xenon_executor::model::{CachedModel, ModelCache};
use xenon_protocol::task::ModelId;

use crate::error::CliError;

/// Prints the models that are there.
pub(super) fn run(store: &ModelCache, as_json: bool) -> Result<()> {
    let mut models = store.list()?;
    // The next to be evicted is the last one.
    models.sort_by_key(|model| std::cmp::Reverse(model.record.as_ref().map_or(u64::MAX, |record| record.used)));
    if as_json {
        let all: Vec<_> = models.iter().map(entry).collect();
        let budget = store.budget();
        println!("{}", serde_json::to_string_pretty(&json!({"models": all, "used": store.used()?, "budget": budget}))?);
        return Ok(());
    }
    let mut table = table(["model", "size", "state", "last used", "source"]);
    for model in &models {
        let record = model.record.as_ref();
        let used = record.map_or_else(String::new, |record| time(record.used));
        let source = record.map_or_else(|| String::from("by hand"), |record| record.asked.clone());
        let (name, size) = (model.installed.manifest.model.to_string(), ByteSize(model.size).to_string());
        table.add_row([name, size, state(model), used, source]);
    }
    println!("{table}");
    let budget = store.budget().map_or_else(|| String::from("no budget"), |budget| format!("of {}", ByteSize(budget)));
    println!("{} in use, {budget}", ByteSize(store.used()?));
    Ok(())
}

fn entry(model: &CachedModel) -> Value {
    let record = model.record.as_ref();
    json!({
        "model": model.installed.manifest.model,
        "folder": model.installed.folder,
        "size": model.size,
        "pinned": model.pinned,
        "in_use": model.in_use,
        "source": record.map(|record| &record.source),
        "asked": record.map(|record| &record.asked),
        "used": record.map(|record| record.used),
    })
}

fn state(model: &CachedModel) -> String {
    let states = [(model.pinned, "pinned"), (model.in_use, "in use")];
    states.iter().filter(|(holds, _)| *holds).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

/// Seconds since 1970 as a date and a time.
fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(String::new, |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// Reads every file of the models that are named, or of all, and prints what is not as it should be.
pub(super) fn verify(store: &ModelCache, models: &[ModelId]) -> Result<()> {
    let all = || Ok::<_, eyre::Report>(store.list()?.into_iter().map(|model| model.installed.manifest.model).collect());
    let models: Vec<ModelId> = if models.is_empty() { all()? } else { models.to_vec() };
    let mut table = table(["model", "", "finding"]);
    let mut count = 0;
    for model in &models {
        let (mark, finding) = match store.verify(model) {
            Ok(()) => ("ok", String::from("every file is as it should be")),
            Err(error) => {
                count += 1;
                ("failed", error.to_string())
            }
        };
        table.add_row([model.to_string(), mark.to_owned(), finding]);
    }
    println!("{table}");
    if count == 0 { Ok(()) } else { Err(CliError::ModelsDamaged { count }.into()) }
}

/// A table with this header.
pub(super) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    table
}
