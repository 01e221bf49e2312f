//! `xenon doctor determinism` and `class`: what changes bits on this machine, and to which class it belongs.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use eyre::Result;
use serde::Serialize;
use xenon_executor::{
    Device, ExecutionClass, ExecutorError, GoldenClasses,
    determinism::{Variation, measure},
    model::{GraphFiles, Manifest, ModelFolder},
    runtime,
};

use super::args::{ClassArgs, DeterminismArgs};
use crate::error::CliError;

/// A measurement, with what it was measured on.
#[derive(Serialize)]
struct Measured {
    model: String,
    machine: Vec<(&'static str, String)>,
    graphs: Vec<MeasuredGraph>,
}

/// The matrix of one graph.
#[derive(Serialize)]
struct MeasuredGraph {
    graph: String,
    variations: Vec<Variation>,
}

/// Measures, prints and perhaps writes the matrix of a model.
pub(super) fn run(args: &DeterminismArgs) -> Result<()> {
    let runtime = runtime::load(None)?;
    let provider = args.device.parse::<Device>()?.provider(runtime)?;
    let class = ExecutionClass::detect(runtime, provider)?;
    let folder = ModelFolder::open(&args.model)?;
    let matrix = |graph: &GraphFiles| {
        let variations = measure(runtime, provider, &graph.below(folder.path()))?;
        Ok(MeasuredGraph { graph: graph.graph.clone(), variations })
    };
    let measured = Measured {
        model: Manifest::read(&args.model)?.model.to_string(),
        machine: class.ingredients().collect(),
        graphs: folder.graphs().iter().map(matrix).collect::<Result<_, ExecutorError>>()?,
    };
    for graph in &measured.graphs {
        println!("{}\n{}", graph.graph, table(&graph.variations));
    }
    if let Some(folder) = &args.write {
        write(&folder.join("determinism.json"), &(serde_json::to_string_pretty(&measured)? + "\n"))?;
        write(&folder.join("determinism.md"), &document(&measured, args))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    fs::write(path, text).map_err(|error| CliError::unwritable(path, &error))
}

const HEADER: [&str; 5] = ["setting", "value", "after the prompt", "token by token", "largest difference"];

fn row(variation: &Variation) -> [String; 5] {
    let same = |same| String::from(if same { "same bits" } else { "other bits" });
    let (prefill, decode) = (same(variation.same_prefill), same(variation.same_decode));
    let difference = format!("{:.1e}", variation.largest_difference);
    [variation.setting.to_owned(), variation.value.to_owned(), prefill, decode, difference]
}

fn table(variations: &[Variation]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(HEADER);
    for variation in variations {
        table.add_row(row(variation));
    }
    table
}

/// The document of the repository.
fn document(measured: &Measured, args: &DeterminismArgs) -> String {
    let command = command(args);
    let mut text = format!(
        "# What changes the bits\n\n\
         Written by `{command}`, which also writes [determinism.json](determinism.json).\n\n\
         Logits of {} after a prompt of 64 tokens and after each of 32 further tokens, compared bit for bit with those of \
         one session with one thread, all optimisations, prepacked weights, one row, and the prompt in one pass.\n\n",
        measured.model
    );
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    for graph in &measured.graphs {
        let _ = write!(text, "## {}\n\n", graph.graph);
        text += &line(&HEADER.map(String::from));
        text += &line(&HEADER.map(|_| String::from("---")));
        graph.variations.iter().for_each(|variation| text += &line(&row(variation)));
        text += "\n";
    }
    text += "## Measured on\n\n";
    for (name, value) in &measured.machine {
        let _ = writeln!(text, "- {name}: `{value}`");
    }
    text
}

fn command(args: &DeterminismArgs) -> String {
    let folder = args.write.clone().unwrap_or_else(|| PathBuf::from("docs"));
    let device = if args.device == "cpu" { String::new() } else { format!(" --device {}", args.device) };
    format!("xenon doctor determinism --model {}{device} --write {}", args.model.display(), folder.display())
}

/// Prints the class of this machine in the form of `golden-classes.toml`.
pub(super) fn class(args: &ClassArgs) -> Result<()> {
    let runtime = runtime::load(None)?;
    let class = ExecutionClass::detect(runtime, args.device.parse::<Device>()?.provider(runtime)?)?;
    println!("# class {}", class.fingerprint());
    println!("# {}", class.standing()?);
    print!("{}", toml::to_string(&GoldenClasses { class: vec![class.golden()] })?);
    Ok(())
}
