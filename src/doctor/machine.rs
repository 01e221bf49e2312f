//! What this machine has: the runtime, devices, memory, the execution class, the models and what they need.

use std::path::Path;

use bytesize::ByteSize;
use eyre::{Result, eyre};
use xenon_executor::{
    Device, DeviceReport, ExecutionClass, ExecutorError, Placement,
    image::ImageFolder,
    memory::{Memory as _, Needs, SystemMemory},
    model::{InstalledModel, ModelFolder, ModelStore},
    runtime,
};
use xenon_protocol::{pinned, task::ModelId};

use super::{Check, args::CheckArgs};

/// What needs no network. Loading the runtime blocks, so this runs on its own thread.
pub(super) fn checks(args: &CheckArgs) -> Vec<Check> {
    let mut checks = vec![
        Check::new("anvil (demo and tests only)", program("anvil")),
        Check::new("ONNX Runtime", library()),
        Check::new("devices", devices()),
        Check::new("execution class", class(&args.device)),
        Check::new("free memory", memory()),
        Check::new("models", models(&args.models)),
    ];
    if let Some(model) = &args.placement {
        checks.push(Check::new("placement", placement(args, model)));
    }
    checks
}

fn program(name: &str) -> Result<String> {
    let found = pinned::find(name, &std::env::current_dir()?);
    found
        .map(|path| path.display().to_string())
        .ok_or_else(|| eyre!("{name} {} not found: run `make setup`", pinned::FOUNDRY_VERSION))
}

fn library() -> Result<String, ExecutorError> {
    let runtime = runtime::load(None)?;
    Ok(format!("{}, {}", runtime.build(), runtime.library().display()))
}

/// Three answers for each device. One that cannot be used is no failure: nobody asked for it.
fn devices() -> Result<String, ExecutorError> {
    let reports = DeviceReport::all(runtime::load(None)?)?;
    Ok(reports.iter().map(answers).collect::<Vec<_>>().join("\n"))
}

fn answers(report: &DeviceReport) -> String {
    let yes = |holds| if holds { "yes" } else { "no" };
    let usable = match &report.usable {
        Ok(()) => String::from("yes"),
        Err(error) => format!("no ({error})"),
    };
    format!(
        "{}: in this program {}, in the library {}, usable {usable}",
        report.device,
        yes(report.compiled),
        yes(report.in_library)
    )
}

fn class(device: &str) -> Result<String, ExecutorError> {
    let runtime = runtime::load(None)?;
    let class = ExecutionClass::detect(runtime, device.parse::<Device>()?.provider(runtime)?)?;
    let ingredients = class.ingredients().map(|(name, value)| format!("{name}: {value}"));
    let lines = ingredients.collect::<Vec<_>>().join("\n");
    Ok(format!("{}\n{lines}\n{}", class.fingerprint(), class.standing()?))
}

fn memory() -> Result<String> {
    let free =
        SystemMemory::default().free().ok_or_else(|| eyre!("this system does not say how much memory is free"))?;
    Ok(ByteSize(free).to_string())
}

fn models(folder: &Path) -> Result<String, ExecutorError> {
    let store = ModelStore::open(folder)?;
    let lines: Result<Vec<_>, _> = store.installed().map(needs).collect();
    Ok(lines?.join("\n"))
}

/// What a model needs with its cache as long as it can become.
fn needs(model: &InstalledModel) -> Result<String, ExecutorError> {
    let needs = Needs::of(model)?;
    let name = &model.manifest.model;
    if model.is_adaptation() {
        return Ok(format!("{name}: {} of files, an adaptation of image models", ByteSize(needs.weights)));
    }
    if let Some(pictures) = needs.pictures {
        let (files, loaded) = (ByteSize(needs.weights), ByteSize(needs.loaded()));
        return Ok(format!("{name}: {files} of files, {loaded} when loaded, and for a picture: {pictures}"));
    }
    let cache = needs.cache_per_token.saturating_mul(needs.context);
    Ok(format!(
        "{}: {} of files, {} when loaded, {} of cache for all {} tokens of its context",
        name,
        ByteSize(needs.weights),
        ByteSize(needs.loaded()),
        ByteSize(cache),
        needs.context
    ))
}

fn placement(args: &CheckArgs, model: &ModelId) -> Result<String, ExecutorError> {
    let runtime = runtime::load(None)?;
    let provider = args.device.parse::<Device>()?.provider(runtime)?;
    let store = ModelStore::open(&args.models)?;
    let folder = &store.find(model)?.folder;
    let line = |graph: &String| {
        let placement = Placement::of(runtime, provider, &folder.join(graph))?;
        Ok(format!("{graph}: {placement}"))
    };
    let lines: Result<Vec<_>, ExecutorError> = graphs(folder)?.iter().map(line).collect();
    Ok(lines?.join("\n"))
}

/// The graphs of a text or image model, as paths below its folder.
fn graphs(folder: &Path) -> Result<Vec<String>, ExecutorError> {
    if ImageFolder::is_one(folder) {
        let image = ImageFolder::open(folder)?;
        return Ok(image.files().filter(|file| is_graph(file)).map(str::to_owned).collect());
    }
    Ok(ModelFolder::open(folder)?.graphs().iter().map(|files| files.graph.clone()).collect())
}

fn is_graph(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|end| end == "onnx")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_graphs_of_both_kinds_of_models_are_found() {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(graphs(&root.join("models/sum-chat")).unwrap(), ["model.onnx"]);
        let pipeline = graphs(&root.join("tests/vectors/pipelines/plain")).unwrap();
        for graph in ["text_encoder/model.onnx", "unet/model.onnx", "vae_decoder/model.onnx"] {
            assert!(pipeline.iter().any(|found| found == graph), "{graph} is not in {pipeline:?}");
        }
    }
}
