//! How much a picture takes beyond the runtime's calls: prompt, noise, guidance, scheduler steps, pixels.
//!
//! `make bench-executor` runs it. By hand:
//! `cargo run --release -p xenon-bench --bin bench-image -- models xenon/shapes-sd@1 --side 64 --steps 15`
//! It prints one line of JSON: milliseconds of a picture, and the whole as a multiple of the runtime's calls.
#![allow(clippy::print_stdout, reason = "a command-line program prints its results")]

use std::{error::Error, num::NonZeroUsize, path::PathBuf};

use clap::Parser;
use serde_json::{Value, json};
use xenon_executor::{Executor, ExecutorConfig, image::StageTimes};
use xenon_protocol::task::{ModelId, SdTask, TaskSpec};

#[derive(Parser)]
#[command(about = "How much a picture takes beyond the runtime's calls")]
struct Args {
    /// The folder below which the models are.
    models: PathBuf,
    /// The model's name.
    model: ModelId,
    /// Width and height in pixels.
    #[arg(long, default_value_t = 64)]
    side: u32,
    /// Steps of the scheduler.
    #[arg(long, default_value_t = 15)]
    steps: u32,
    /// Threads within an operation.
    #[arg(long, default_value = "2")]
    threads: NonZeroUsize,
    /// Measured pictures, after one that is not.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let config = ExecutorConfig { intra_threads: Some(args.threads), ..ExecutorConfig::new(&args.models) };
    let mut executor = Executor::open(&config)?;
    let task = TaskSpec::Sd(SdTask::new(args.model.clone(), "a red circle", args.side, args.steps));
    picture(&mut executor, &task, &args.model)?;
    let pictures = (0..args.runs).map(|_| picture(&mut executor, &task, &args.model));
    let mut pictures = pictures.collect::<Result<Vec<_>, _>>()?;
    pictures.sort_by(|a, b| a.over_runtime().total_cmp(&b.over_runtime()));
    println!("{}", report(&args, &pictures[pictures.len() / 2]));
    Ok(())
}

/// Makes a picture, and says where its time went.
fn picture(executor: &mut Executor, task: &TaskSpec, model: &ModelId) -> Result<StageTimes, Box<dyn Error>> {
    executor.run(task, |_, _| {})?;
    Ok(executor.image_times(model).ok_or("the model is not loaded")?)
}

fn report(args: &Args, median: &StageTimes) -> Value {
    json!({
        "engine": "xenon",
        "model": args.model.to_string(),
        "side": args.side,
        "steps": args.steps,
        "picture_ms": median.total.as_secs_f64() * 1e3,
        "runtime_ms": median.runtime().as_secs_f64() * 1e3,
        "over_runtime": median.over_runtime(),
    })
}
