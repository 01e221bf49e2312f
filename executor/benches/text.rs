//! How fast this executor writes tokens: one model, greedy, the end token ignored, token ids in and out.
//!
//! `make bench-executor` runs it beside its peers. By hand, after `script/bench/make_models.py`:
//! `cargo bench -p xenon-executor --bench text -- cache/bench/models/optimum --prompt 16 --new 64 --threads 2 --runs 3`
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
use xenon_executor::{Device, ExecutorError, model::ModelFolder, runtime, text::TextSession};

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
    /// `cargo bench` says so.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One answer.
struct Run {
    first: Duration,
    rest: Duration,
    tokens: Vec<u32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let folder = ModelFolder::open(&args.model)?;
    let prompt = prompt(args.prompt, vocabulary(&args.model)?);
    let mut session = open(&folder, args.threads)?;
    answer(&mut session, &prompt, args.new)?;
    let runs = (0..args.runs).map(|_| answer(&mut session, &prompt, args.new)).collect::<Result<Vec<_>, _>>()?;
    println!("{}", report(&args, &runs));
    Ok(())
}

fn open(folder: &ModelFolder, threads: usize) -> Result<TextSession, ExecutorError> {
    let runtime = runtime::load(None)?;
    TextSession::open(runtime, Device::Cpu.provider(runtime)?, Some(threads), &folder.graph())
}

/// Writes `new` tokens after the prompt, each the one with the largest logit.
fn answer(session: &mut TextSession, prompt: &[u32], new: u32) -> Result<Run, ExecutorError> {
    let start = Instant::now();
    let empty = session.empty_cache()?;
    let (logits, mut cache) = session.forward(prompt, &empty)?;
    let mut tokens = vec![largest(&logits)];
    let first = start.elapsed();
    for index in 1..new as usize {
        let (logits, longer) = session.forward(&tokens[index - 1..], &cache)?;
        tokens.push(largest(&logits));
        cache = longer;
    }
    Ok(Run { first, rest: start.elapsed() - first, tokens })
}

/// The token with the largest logit; of equal ones the first.
fn largest(logits: &[f32]) -> u32 {
    let best = (0u32..).zip(logits).reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map_or(0, |(token, _)| token)
}

/// The prompt that every engine reads: the upper bits of Knuth's linear congruential generator (MMIX), from seed 0,
/// taken to the ids that are not special. `script/bench/prompts.py` makes the same.
fn prompt(tokens: usize, vocabulary: u64) -> Vec<u32> {
    const SPECIAL: u64 = 3;
    let step = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
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
    let mut line = json!({
        "engine": "xenon",
        "layout": args.model.file_name().map(|name| name.to_string_lossy()),
        "prompt": args.prompt,
        "new": args.new,
        "ttft_ms": first * 1e3,
        "decode_tokens_per_s": f64::from(args.new - 1) / rest,
        // Only the session can tell the runtime's time from its own, and does not yet.
        "overhead": null,
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
