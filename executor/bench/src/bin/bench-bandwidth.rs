//! How fast this machine reads memory: the limit of a model that reads all its weights for each token.
//!
//! Every thread reads its own part of a gibibyte, over and over; the median of the passes is printed as one line of JSON
//! in bytes per second. `cargo run --release -p xenon-bench --bin bench-bandwidth -- --threads 2`
#![allow(clippy::print_stdout, reason = "a command-line program prints its results")]

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use serde_json::json;

/// Far more than any processor caches.
const BYTES: usize = 1 << 30;
const WORDS: usize = BYTES / size_of::<u64>();
/// Sums side by side, so that additions do not wait for each other.
const LANES: usize = 64;

#[derive(Parser)]
#[command(about = "How fast this machine reads memory")]
struct Args {
    /// Threads that read.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// Measured passes, after one that is not.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..))]
    passes: u16,
}

fn main() {
    let args = Args::parse();
    // Not zeros: the system keeps one page for all pages of zeros that were never written.
    let memory = vec![0x9e37_79b9_7f4a_7c15_u64; WORDS];
    let mut passes: Vec<_> = read(&memory, usize::from(args.threads), usize::from(args.passes) + 1).split_off(1);
    passes.sort();
    let median = passes[passes.len() / 2];
    let rate = f64::from(u32::try_from(BYTES).unwrap_or(u32::MAX)) / median.as_secs_f64();
    println!("{}", json!({ "engine": "bandwidth", "threads": args.threads, "bytes_per_s": rate }));
}

/// Reads all of it again and again: how long each pass took until the last thread was done.
fn read(memory: &[u64], threads: usize, passes: usize) -> Vec<Duration> {
    let barrier = Barrier::new(threads + 1);
    thread::scope(|scope| {
        for part in memory.chunks(memory.len().div_ceil(threads)) {
            let barrier = &barrier;
            scope.spawn(move || {
                for _ in 0..passes {
                    barrier.wait();
                    black_box(sum(black_box(part)));
                    barrier.wait();
                }
            });
        }
        (0..passes).map(|_| pass(&barrier)).collect()
    })
}

fn pass(barrier: &Barrier) -> Duration {
    barrier.wait();
    let start = Instant::now();
    barrier.wait();
    start.elapsed()
}

fn sum(words: &[u64]) -> u64 {
    let mut sums = [0u64; LANES];
    for words in words.chunks_exact(LANES) {
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum = sum.wrapping_add(*word);
        }
    }
    sums.iter().fold(0, |total, sum| total.wrapping_add(*sum))
}
