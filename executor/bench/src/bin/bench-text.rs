//! How fast this executor writes tokens: one model, greedy, the end token ignored, token ids in and out.
//!
//! `make bench-executor` runs it beside its peers. By hand, after `script/bench/models`:
//! `cargo run --release -p xenon-bench --bin bench-text -- cache/bench/models/optimum --prompt 16 --new 64 --threads 2 --runs 3`
//! It prints one line of JSON: milliseconds to the first token, tokens per second after it, and the largest resident set.
#![allow(clippy::print_stdout, reason = "a command-line program prints its results")]

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Parser;
use serde_json::{Value, json};
use xenon_executor::{
    Device, ExecutorError,
    model::{ModelConfig, ModelFolder},
    runtime,
    text::{Decoder, Logits, Request, RowDecoder, Rows, SessionSettings, TextSession, TextTokenizer, generate},
};
use xenon_protocol::task::{GenerationConfig, GptTask, Message, ModelId};

#[derive(Parser)]
#[command(about = "How fast this executor writes tokens with one model")]
struct Args {
    /// The model's folder.
    model: PathBuf,
    /// Tokens of the prompt.
    #[arg(long, default_value_t = 16)]
    prompt: usize,
    /// Tokens to write.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..))]
    new: u32,
    /// Threads within an operation.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Measured runs, after one that is not; the medians are printed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Print the written tokens too, for comparison with other engines.
    #[arg(long)]
    tokens: bool,
}

/// One answer.
struct Run {
    first: Duration,
    rest: Duration,
    /// Of `rest`, spent in the runtime's passes.
    in_runtime: Duration,
    tokens: Vec<u32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut model = Model::open(&args)?;
    let prompt = prompt(args.prompt, vocabulary(&args.model)?);
    model.answer(&prompt, args.new)?;
    let runs = (0..args.runs).map(|_| model.answer(&prompt, args.new)).collect::<Result<Vec<_>, _>>()?;
    println!("{}", report(&args, &runs));
    Ok(())
}

/// A model as a node runs it, but for its end tokens.
struct Model {
    session: TextSession,
    tokenizer: TextTokenizer,
    config: ModelConfig,
}

impl Model {
    fn open(args: &Args) -> Result<Self, ExecutorError> {
        let folder = ModelFolder::open(&args.model)?;
        let runtime = runtime::load(None)?;
        let provider = Device::Cpu.provider(runtime)?;
        let settings = SessionSettings::on_threads(Some(args.threads));
        let files = folder.graphs()[0].below(folder.path());
        Ok(Self {
            session: TextSession::open(runtime, provider, settings, &files)?,
            tokenizer: TextTokenizer::read(&folder.tokenizer())?,
            config: ModelConfig { end_tokens: Vec::new(), ..ModelConfig::read(&folder)? },
        })
    }

    /// Writes `new` tokens after the prompt, each the one with the largest logit, with all that a task brings: the
    /// sampler, the text of the tokens, the search for stop strings.
    fn answer(&mut self, prompt: &[u32], new: u32) -> Result<Run, Box<dyn Error>> {
        let model: ModelId = "bench/model".parse()?;
        let task = GptTask::new(model, vec![Message::user("")], GenerationConfig::greedy(new));
        let start = Instant::now();
        let mut decoder = Timed { rows: RowDecoder::new(&mut self.session, false), first_step: None };
        let requests = [Request { task: &task, prompt }];
        let results = generate(&mut decoder, &self.tokenizer, &self.config, &requests, |_, _, _| ());
        let end = Instant::now();
        let (first_step, before) = decoder.first_step.ok_or("one token only")?;
        let sequences = results?.pop().ok_or("no answer")??;
        let tokens = sequences.into_iter().next().ok_or("no sequence")?.tokens;
        let in_runtime = self.session.time_in_runtime().saturating_sub(before);
        Ok(Run { first: first_step - start, rest: end - first_step, in_runtime, tokens })
    }
}

/// Notes when the first token has been chosen: then the next pass begins.
struct Timed<'a> {
    rows: RowDecoder<'a>,
    first_step: Option<(Instant, Duration)>,
}

impl Decoder for Timed<'_> {
    type Cache = Rows;

    fn prefill(&mut self, prompts: &[&[u32]], room: usize, logits: &mut Logits) -> Result<Rows, ExecutorError> {
        self.rows.prefill(prompts, room, logits)
    }

    fn step(&mut self, tokens: &[u32], cache: &mut Rows, logits: &mut Logits) -> Result<(), ExecutorError> {
        let now = (Instant::now(), self.rows.session().time_in_runtime());
        self.first_step.get_or_insert(now);
        self.rows.step(tokens, cache, logits)
    }

    fn select(&mut self, cache: Rows, rows: &[usize]) -> Result<Rows, ExecutorError> {
        self.rows.select(cache, rows)
    }
}

/// The prompt that every engine reads: the upper bits of Knuth's linear congruential generator (MMIX), from seed 0,
/// taken to the ids that are not special. `script/bench/prompts.py` makes the same.
fn prompt(tokens: usize, vocabulary: u64) -> Vec<u32> {
    const SPECIAL: u64 = 3;
    let step =
        |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    let states = std::iter::successors(step(&0), step);
    let token = |state: u64| u32::try_from(SPECIAL + (state >> 33) % (vocabulary - SPECIAL)).unwrap_or_default();
    states.take(tokens).map(token).collect()
}

fn vocabulary(model: &Path) -> Result<u64, Box<dyn Error>> {
    let config: Value = serde_json::from_slice(&fs::read(model.join("config.json"))?)?;
    let size = config["vocab_size"].as_u64().filter(|size| *size > 3);
    size.ok_or_else(|| "config.json has no vocab_size".into())
}

fn report(args: &Args, runs: &[Run]) -> Value {
    let first = median(runs.iter().map(|run| run.first.as_secs_f64()));
    let rest = median(runs.iter().map(|run| run.rest.as_secs_f64()));
    let overhead = median(runs.iter().map(|run| 1.0 - run.in_runtime.as_secs_f64() / run.rest.as_secs_f64()));
    let mut line = json!({
        "engine": "xenon",
        "layout": args.model.file_name().map(|name| name.to_string_lossy()),
        "prompt": args.prompt,
        "new": args.new,
        "ttft_ms": first * 1e3,
        "decode_tokens_per_s": f64::from(args.new - 1) / rest,
        "overhead": overhead,
        "peak_rss_bytes": peak_rss(),
    });
    if args.tokens {
        line["tokens"] = json!(runs.last().map(|run| &run.tokens));
    }
    line
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

/// The largest resident set of this process so far in bytes, where the system tells it (Linux).
fn peak_rss() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
