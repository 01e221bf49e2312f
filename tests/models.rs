//! Models through the binary: killed at any point a fetch goes on, and what is there is looked after.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../executor/tests/hub/mod.rs"]
mod hub;
mod network;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use hub::{Hub, MODEL, Trouble, bytes};
use network::{LIMIT, Service, failure, stdout};
use serde_json::Value;

const GRAPH: usize = 400_000;
const NEEDED: u64 = 20 + 1000 + GRAPH as u64;

fn config() -> Vec<u8> {
    let config = format!("{{\"n_positions\": {:3}}}", 8).into_bytes();
    assert_eq!(config.len(), 20);
    config
}

fn hub() -> Hub {
    Hub::start(&[("config.json", config()), ("tokenizer.json", bytes(1000, 1)), ("model.onnx", bytes(GRAPH, 2))])
}

fn xenon(hub: &Hub, root: &Path, words: &[&str]) -> Command {
    let mut command = network::xenon();
    command.env("HF_ENDPOINT", hub.url.as_str()).env_remove("HF_TOKEN");
    command.arg("model").args(words).arg("--models").arg(root);
    command
}

/// Waits until the small files and so many bytes of the graph are on disk. Returns the part of the graph.
fn wait_for_part(root: &Path, length: u64) -> PathBuf {
    let parts = root.join(".store/staging").join(MODEL).join("parts");
    let size = |name: String| fs::metadata(parts.join(format!("{name}.part"))).map_or(0, |part| part.len());
    let names = [hub::git_hash(&config()), hub::git_hash(&bytes(1000, 1)), hub::sha256(&bytes(GRAPH, 2))];
    let start = Instant::now();
    while names.iter().map(|name| size(name.clone())).sum::<u64>() < 20 + 1000 + length {
        assert!(start.elapsed() < LIMIT, "the bytes never arrived");
        thread::sleep(Duration::from_millis(10));
    }
    parts.join(format!("{}.part", names[2]))
}

#[test]
fn a_fetch_that_is_killed_goes_on_from_what_is_on_disk() {
    let (hub, root) = (hub(), tempfile::tempdir().unwrap());
    let mut have = 0;
    for stop in [1, 70_000, 250_000] {
        hub.trouble_with("model.onnx", [Trouble::Stall(stop - have)]);
        let fetch = Service::start(&mut xenon(&hub, root.path(), &["fetch", "org/model"]));
        let part = wait_for_part(root.path(), stop);
        fetch.kill();
        have = fs::metadata(&part).unwrap().len();
        assert_eq!(have, stop);
        assert!(!root.path().join(MODEL).exists());
    }
    let output = xenon(&hub, root.path(), &["fetch", "org/model", "--json"]).output().unwrap();
    let fetched: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((fetched["model"].as_str(), fetched["present"].as_bool()), (Some(MODEL), Some(false)));
    stdout(&xenon(&hub, root.path(), &["verify"]).output().unwrap());
    let starts: Vec<_> =
        hub.served().iter().filter(|served| served.path == "model.onnx").map(|served| served.start).collect();
    assert_eq!(starts, [0, 1, 70_000, 250_000]);
    assert_eq!(hub.sent(), NEEDED);
}

#[test]
fn models_are_listed_pinned_checked_and_removed() {
    let (hub, root) = (hub(), tempfile::tempdir().unwrap());
    let run = |words: &[&str]| xenon(&hub, root.path(), words).output().unwrap();
    stdout(&run(&["fetch", "org/model@main"]));
    let list: Value = serde_json::from_str(&stdout(&run(&["list", "--json"]))).unwrap();
    let model = &list["models"][0];
    assert_eq!((model["model"].as_str(), model["asked"].as_str()), (Some(MODEL), Some("org/model@main")));
    assert_eq!((model["pinned"].as_bool(), model["in_use"].as_bool()), (Some(false), Some(false)));
    stdout(&run(&["pin", MODEL]));
    assert!(failure(&run(&["remove", MODEL])).contains("XE-119"));
    assert!(stdout(&run(&["list"])).contains("pinned"));
    fs::write(root.path().join(MODEL).join("tokenizer.json"), "{}").unwrap();
    let damaged = run(&["verify"]);
    assert!(failure(&damaged).contains("XC-024") && String::from_utf8_lossy(&damaged.stdout).contains("XE-026"));
    stdout(&run(&["pin", "--undo", MODEL]));
    stdout(&run(&["remove", MODEL]));
    let list: Value = serde_json::from_str(&stdout(&run(&["list", "--json"]))).unwrap();
    assert_eq!(list["models"], Value::Array(vec![]));
    assert!(failure(&run(&["fetch", "org/model", "--offline"])).contains("XE-113"));
}

#[test]
fn a_pinned_model_comes_back_to_the_byte() {
    let (hub, one, two) = (hub(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    stdout(&xenon(&hub, one.path(), &["fetch", "org/model"]).output().unwrap());
    stdout(&xenon(&hub, one.path(), &["pin", MODEL]).output().unwrap());
    fs::copy(one.path().join("pins.json"), two.path().join("pins.json")).unwrap();
    stdout(&xenon(&hub, two.path(), &["fetch", "--pinned"]).output().unwrap());
    for file in ["config.json", "tokenizer.json", "model.onnx"] {
        let read = |root: &Path| fs::read(root.join(MODEL).join(file)).unwrap();
        assert_eq!(read(one.path()), read(two.path()));
    }
}

#[test]
fn an_address_or_a_variant_that_is_none_is_refused() {
    let (hub, root) = (hub(), tempfile::tempdir().unwrap());
    let output = xenon(&hub, root.path(), &["fetch", "a/b"]).env("HF_ENDPOINT", "hub").output().unwrap();
    assert!(failure(&output).contains("XC-025"), "{output:?}");
    let output = xenon(&hub, root.path(), &["fetch", "a/b", "--variant", "q5"]).output().unwrap();
    assert!(failure(&output).contains("fp32, fp16, q4"), "{output:?}");
    assert!(failure(&xenon(&hub, root.path(), &["fetch", "gpt2"]).output().unwrap()).contains("XE-100"));
}
