//! `xenon model quantize`.

use std::path::Path;

use bytesize::ByteSize;
use eyre::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use xenon_executor::quantize::{FolderReport, Format, GraphReport, Job, QuantizeEvent};

use super::{args::QuantizeArgs, list::table};

/// Makes the variant and prints what became of the weights.
pub(super) fn run(args: &QuantizeArgs) -> Result<()> {
    let format = Format { bits: args.bits, block: args.block };
    let job = Job { folder: args.folder.clone(), format, out: args.out.clone(), name: args.model.clone() };
    let bar = bar();
    let report = job.run(&|event| show(&bar, event));
    bar.finish_and_clear();
    let report = report?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&entry(&report))?);
    } else {
        print(&report);
    }
    Ok(())
}

fn bar() -> ProgressBar {
    let template = "{msg:40!} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

fn show(bar: &ProgressBar, event: QuantizeEvent<'_>) {
    match event {
        QuantizeEvent::Begin { graph, bytes } => {
            bar.reset();
            bar.set_length(bytes);
            bar.set_message(graph.to_owned());
        }
        QuantizeEvent::Packed { name, bytes } => {
            bar.set_message(name.to_owned());
            bar.inc(bytes);
        }
    }
}

fn print(report: &FolderReport) {
    let mut weights = table(["graph", "weights before", "after", "quantised"]);
    let mut products = table(["graph", "operator", "count", "what became of it"]);
    for graph in &report.graphs {
        let name = below(graph, &report.folder);
        let sizes = [graph.bytes_before, graph.bytes_after].map(|bytes| ByteSize(bytes).to_string());
        let matrices = format!("{} matrices of {} products", graph.matrices, graph.quantised());
        weights.add_row([name.clone(), sizes[0].clone(), sizes[1].clone(), matrices]);
        for ((operator, outcome), count) in &graph.products {
            products.add_row([name.clone(), operator.clone(), count.to_string(), outcome.to_string()]);
        }
    }
    println!("{weights}\n{products}");
    let named = report.model.as_ref().map_or_else(String::new, |model| format!(": the model {model}"));
    println!("in {}{named}", report.folder.display());
}

fn entry(report: &FolderReport) -> Value {
    let products = |graph: &GraphReport| -> Vec<Value> {
        let row = |((operator, outcome), count): (&(String, _), &usize)| {
            let outcome: &xenon_executor::quantize::Outcome = outcome;
            json!({"operator": operator, "count": count, "quantised": outcome.is_quantised(), "outcome": outcome.to_string()})
        };
        graph.products.iter().map(row).collect()
    };
    let graph = |graph: &GraphReport| {
        json!({
            "graph": below(graph, &report.folder),
            "bytes_before": graph.bytes_before,
            "bytes_after": graph.bytes_after,
            "matrices": graph.matrices,
            "products": products(graph),
        })
    };
    let graphs: Vec<Value> = report.graphs.iter().map(graph).collect();
    json!({"model": report.model, "folder": report.folder, "graphs": graphs})
}

/// A graph's path below the folder.
fn below(graph: &GraphReport, folder: &Path) -> String {
    graph.target.strip_prefix(folder).unwrap_or(&graph.target).display().to_string()
}
