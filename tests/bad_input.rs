//! What users get wrong: each gives a typed error that says what to do, and nothing is paid.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod network;

use std::{fs, path::PathBuf};

use network::{Network, failure, stdout, xenon};

const PROMPT: [&str; 4] = ["task", "submit", "--prompt", "What is 1 + 2?"];

fn task_file(network: &Network, text: &str) -> PathBuf {
    let path = network.folder.path().join("task.json");
    fs::write(&path, text).unwrap();
    path
}

fn submit_file(network: &Network, text: &str) -> String {
    let file = task_file(network, text);
    failure(&network.xenon().args(["task", "submit", "--price", "1"]).arg(file).output().unwrap())
}

#[test]
fn an_endpoint_that_is_down_is_named() {
    let key = alloy::signers::local::PrivateKeySigner::random().to_bytes().to_string();
    let output =
        xenon().env("XENON_PRIVATE_KEY", key).args(["deploy", "--rpc", "http://127.0.0.1:1"]).output().unwrap();
    let error = failure(&output);
    assert!(error.contains("XP-302") && error.contains("127.0.0.1:1"), "{error}");
}

#[test]
fn an_unknown_setting_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bad.toml");
    fs::write(&config, "[chain]\nrcp = \"http://127.0.0.1:8545\"\n").unwrap();
    let output = xenon().arg("--config").arg(&config).args(["task", "status", "1"]).output().unwrap();
    assert!(failure(&output).contains("XC-001"), "{output:?}");
}

#[test]
fn a_command_without_a_contract_says_how_to_name_it() {
    let output = xenon().args(["task", "status", "1"]).output().unwrap();
    let error = failure(&output);
    assert!(error.contains("XC-002") && error.contains("--task-contract"), "{error}");
}

#[test]
fn the_configuration_in_force_shows_no_key() {
    let mut command = xenon();
    command.env("XENON_CHAIN__RPC", "https://alice:swordfish@node.example/v3/swordfish?key=swordfish").arg("config");
    let text = stdout(&command.output().unwrap());
    assert!(text.contains("https://node.example/...") && !text.contains("swordfish"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_keys_are_refused() {
    let network = Network::deployed().await;
    let _relay = network.relay();
    let key = network.anvil.signers()[1].to_bytes().to_string();
    let output = network.xenon().args(PROMPT).args(["--price", "1"]).env("XENON_PRIVATE_KEY", &key).output().unwrap();
    let error = failure(&output);
    assert!(error.contains("XC-020") && !error.contains(&key), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_is_another_is_refused() {
    let network = Network::deployed().await;
    let output = network.xenon().args(["task", "status", "1", "--chain-id", "1"]).output().unwrap();
    let error = failure(&output);
    assert!(error.contains("XP-303") && error.contains("31337"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_without_a_network_is_refused() {
    let network = Network::deployed().await;
    let nobody = "0x00000000000000000000000000000000000000aa";
    let output = network.xenon().args(["task", "status", "1", "--task-contract", nobody]).output().unwrap();
    let error = failure(&output);
    assert!(error.contains("XP-304") && error.to_lowercase().contains(nobody), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_tasks_and_prices_cost_nothing() {
    let network = Network::deployed().await;
    let _relay = network.relay();
    let creator = network.anvil.signers()[1].address();
    let balance = || async {
        use xenon_protocol::chain::Chain as _;
        network.anvil.connect().await.unwrap().balance(creator).await.unwrap()
    };
    let before = balance().await;

    for (text, code) in [
        ("{", "XP-102"),
        ("{\"kind\":\"sing\"}", "sing"),
        (r#"{"kind":"gpt","model":"a/b","messages":[],"generation_config":{"max_new_tokens":4}}"#, "messages"),
        (
            r#"{"kind":"gpt","model":"a/b","messages":[{"role":"user","content":"x"}],"generation_config":{"max_new_tokens":4},"colour":1}"#,
            "colour",
        ),
        (&" ".repeat(70_000), "XP-101"),
    ] {
        let error = submit_file(&network, text);
        assert!(error.contains(code), "{error}");
    }
    for (price, code) in
        [("0", "FeeZero"), ("101", "FeeTooHigh"), ("0.000000000000000001", "ValueTooLow"), ("much", "XC-007")]
    {
        let error = failure(&network.xenon().args(PROMPT).args(["--price", price]).output().unwrap());
        assert!(error.contains(code), "{price}: {error}");
    }
    let output = network.xenon().args(PROMPT).args(["--price", "1", "--max-new-tokens", "0"]).output().unwrap();
    assert!(failure(&output).contains("max_new_tokens"), "{output:?}");
    let output = network.xenon().args(PROMPT).args(["--price", "1", "--max-new-tokens", "5000"]).output().unwrap();
    assert!(failure(&output).contains("SizeTooLarge"), "{output:?}");
    assert_eq!(balance().await, before, "nothing was paid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_down_is_found_before_anything_is_paid() {
    let network = Network::deployed().await;
    let args = ["--price", "1", "--relay", "http://127.0.0.1:1"];
    let error = failure(&network.xenon().args(PROMPT).args(args).output().unwrap());
    assert!(error.contains("XP-2") && error.contains("127.0.0.1:1"), "{error}");
    let output = network.xenon().args(["task", "status", "1"]).output().unwrap();
    assert!(failure(&output).contains("XC-009"), "no task was created");
}
