//! `xenon doctor model`: what is in one model's folder, what of it works, and what is missing.

use std::path::Path;

use bytesize::ByteSize;
use eyre::Result;
use xenon_executor::{
    Device, ExecutorError,
    image::{Host, ImageFolder, ImageModel},
    lora::Merged,
    memory::PictureNeeds,
    model::{GraphFiles, InstalledModel, MANIFEST, Manifest, ModelConfig, ModelFolder},
    runtime,
    text::{ChatTemplate, Logits, SessionSettings, TextSession, TextTokenizer},
};
use xenon_protocol::task::{FunctionDefinition, GenerationConfig, GptTask, Message, ModelId, Tool, ToolKind};

use super::{Check, args::ModelArgs};

/// Looks at everything, and goes on after what fails: a folder may lack more than one thing.
pub(super) fn checks(args: &ModelArgs) -> Vec<Check> {
    let mut checks = vec![Check::new("manifest", manifest(&args.folder))];
    if ImageFolder::is_one(&args.folder) {
        checks.extend(pipeline(args));
        return checks;
    }
    match ModelFolder::open(&args.folder) {
        Ok(folder) => checks.extend(decoder(args, &folder)),
        Err(error) => checks.push(Check::new("files", Err::<String, _>(error))),
    }
    checks
}

/// The manifest, with every file hashed.
fn manifest(folder: &Path) -> Result<String, ExecutorError> {
    if !folder.join(MANIFEST).is_file() {
        return Ok(format!("no {MANIFEST}: write one before a node uses the model, see docs/executor.md"));
    }
    let manifest = Manifest::read(folder)?;
    manifest.verify_files(folder, manifest.files.keys().map(String::as_str))?;
    let size = manifest.files.values().map(|file| file.size).sum();
    Ok(format!("{}, {} files of {}, all as listed", manifest.model, manifest.files.len(), ByteSize(size)))
}

fn decoder(args: &ModelArgs, folder: &ModelFolder) -> Vec<Check> {
    let mut checks = vec![
        Check::new("configuration", configuration(folder)),
        Check::new("tokenizer", tokenizer(folder)),
        Check::new("chat template", template(folder)),
    ];
    checks.extend(folder.graphs().iter().map(|files| Check::new("graph", graph(args, folder, files))));
    checks
}

fn configuration(folder: &ModelFolder) -> Result<String, ExecutorError> {
    let config = ModelConfig::read(folder)?;
    let ends = match config.end_tokens.as_slice() {
        [] => String::from("none, so every answer runs to its limit"),
        tokens => tokens.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let layout = if folder.is_genai() { "onnxruntime-genai" } else { "Optimum or transformers.js" };
    Ok(format!("layout of {layout}, context of {} tokens, end tokens: {ends}", config.context))
}

fn tokenizer(folder: &ModelFolder) -> Result<String, ExecutorError> {
    const TEXT: &str = "The quick brown fox: 17 + 25 = 42.";
    let tokenizer = TextTokenizer::read(&folder.tokenizer())?;
    let tokens = tokenizer.encode(TEXT)?;
    Ok(format!("{TEXT:?} is {} tokens, and back {:?}", tokens.len(), tokenizer.decode(&tokens)?))
}

/// What a conversation may have, found by trying.
fn template(folder: &ModelFolder) -> Result<String> {
    let template = ChatTemplate::read(folder)?;
    let plain = GptTask::new(name()?, vec![Message::user("Hello")], GenerationConfig::greedy(1));
    let text = template.prompt(&plain)?;
    let system = GptTask { messages: vec![Message::system("Be brief."), Message::user("Hello")], ..plain.clone() };
    let tools = GptTask { tools: Some(vec![tool()]), ..plain };
    let takes = |task: &GptTask| if template.prompt(task).is_ok() { "yes" } else { "no" };
    Ok(format!("{text:?}\nsystem messages: {}, tools: {}", takes(&system), takes(&tools)))
}

fn name() -> Result<ModelId> {
    Ok("xenon/doctor".parse()?)
}

fn tool() -> Tool {
    let function = FunctionDefinition {
        name: String::from("weather"),
        description: Some(String::from("The weather of a town.")),
        parameters: None,
        returns: None,
    };
    Tool { kind: ToolKind::Function, function }
}

/// Loads a graph and reads a token with it.
fn graph(args: &ModelArgs, folder: &ModelFolder, files: &GraphFiles) -> Result<String> {
    let runtime = runtime::load(None)?;
    let provider = args.device.parse::<Device>()?.provider(runtime)?;
    let decoder = files.below(folder.path());
    let mut session = TextSession::open(runtime, provider, SessionSettings::default(), &decoder)?;
    let mut logits = Logits::default();
    session.forward(&[&[0]], &mut session.empty_cache(1, 1)?, &mut logits)?;
    let cache = ByteSize(session.roles().cache_bytes_per_token() as u64);
    let grows = if session.has_shared_buffers() { "written in place" } else { "a longer copy with every token" };
    Ok(format!(
        "{} ({}): a token read, {} logits; beside tokens it takes {}; cache of {cache} for a token, {grows}",
        files.graph,
        files.variant,
        logits.vocabulary,
        session.roles().describe()
    ))
}

fn pipeline(args: &ModelArgs) -> Vec<Check> {
    let folder = match ImageFolder::open(&args.folder) {
        Ok(folder) => folder,
        Err(error) => return vec![Check::new("files", Err::<String, _>(error))],
    };
    vec![
        Check::new("files", Ok::<_, ExecutorError>(format!("diffusers' layout, {} files", folder.files().count()))),
        Check::new("sizes", PictureNeeds::of(&args.folder).map(|needs| needs.to_string())),
        Check::new("pipeline", load(args, &folder)),
    ]
}

/// Loads all parts of a pipeline.
fn load(args: &ModelArgs, folder: &ImageFolder) -> Result<String> {
    let runtime = runtime::load(None)?;
    let provider = args.device.parse::<Device>()?.provider(runtime)?;
    let manifest = Manifest::describe_files(&args.folder, folder.files(), "xenon/doctor@1".parse()?)?;
    let model = InstalledModel { folder: args.folder.clone(), manifest };
    let model = ImageModel::load(Host { runtime, provider, threads: None }, &model, Merged::default())?;
    Ok(format!("all parts load; scheduler {:?}", model.scheduler(None)?.kind()))
}
