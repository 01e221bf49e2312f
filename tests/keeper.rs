//! A keeper as its operator sees it: what it serves, what it says about a task, a node and the queue, and what it would do.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod network;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
};

use serde_json::Value;
use xenon_protocol::chain::Chain as _;

use network::{Network, Service, eventually, failure, stdout, xenon};

/// A keeper with anvil's account 2 that serves what it sees, and where.
fn watched_keeper(network: &Network) -> (Service, String) {
    let log = network.folder.path().join("keeper.log");
    let mut command = network.keeper_command();
    command.args(["--metrics", "127.0.0.1:0"]);
    let keeper = Service::start(command.stderr(fs::File::create(&log).unwrap()));
    (keeper, address(&log))
}

fn address(log: &Path) -> String {
    eventually("it says where it serves", || {
        let log = fs::read_to_string(log).unwrap();
        let line = log.lines().find(|line| line.contains("serving metrics"))?;
        let port: String = line.rsplit("127.0.0.1:").next()?.chars().take_while(char::is_ascii_digit).collect();
        Some(format!("127.0.0.1:{port}"))
    })
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn submit(network: &Network, more: &[&str]) -> String {
    let ask = ["task", "submit", "--prompt", "What is 17 + 25?", "--price", "3"];
    stdout(&network.xenon().args(ask).args(more).output().unwrap()).trim().to_owned()
}

fn json(command: &mut Command) -> Value {
    serde_json::from_str(&stdout(&command.output().unwrap())).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_shows_what_it_does_and_a_task_and_its_nodes_can_be_explained() {
    let network = Network::deployed().await;
    let _relay = network.relay();
    let (keeper, at) = watched_keeper(&network);
    eventually("it is ready", || get(&at, "/ready").starts_with("HTTP/1.1 200").then_some(()));
    assert!(get(&at, "/health").starts_with("HTTP/1.1 200"));

    let _nodes: Vec<_> = (0..3).map(|number| network.node(number)).collect();
    assert_eq!(submit(&network, &["--timeout", "110"]), "42");

    let metrics = eventually("its metrics tell of the seating", || {
        let text = get(&at, "/metrics");
        text.contains("xenon_keeper_rewards_earned_cnx_total 0.03").then_some(text)
    });
    assert!(metrics.contains("application/openmetrics-text") && metrics.contains("xenon_keeper_ready 1"), "{metrics}");
    assert!(metrics.contains("xenon_keeper_actions_mined_total{action=\"dispatch\"}"), "{metrics}");
    let status = stdout(&xenon().args(["keeper", "status", "--once", "--at", &at]).output().unwrap());
    for part in ["ready", "XK-030 done in block", "0.03 CNX earned", "3 free"] {
        assert!(status.contains(part), "{part} is not in:\n{status}");
    }
    let report = json(xenon().args(["keeper", "status", "--json", "--at", &at]));
    assert_eq!((&report["hindrance"], &report["queue"]["gpt"]), (&Value::Null, &Value::from(0)));

    let told = stdout(&network.xenon().args(["explain", "1"]).output().unwrap());
    for part in
        ["TaskCreated\n  created by 0x", "3 CNX escrowed", "is credited 0.03 CNX", "agreed on 0x", "task 1: delivered"]
    {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
    let entries = json(network.xenon().args(["explain", "1", "--json"]));
    assert_eq!(entries["entries"][0]["event"], "TaskCreated");
    assert!(entries["entries"].as_array().unwrap().iter().all(|entry| entry["time"].as_u64() > Some(1_000_000_000)));

    let why = json(network.xenon().args(["why-not", "2", "1", "--json"]));
    assert_eq!(why["turns"][0]["verdict"]["verdict"], "chosen");
    let key = network.anvil.signers()[4].address().to_string();
    let why = stdout(&network.xenon().args(["why-not", &key, "1"]).output().unwrap());
    assert!(why.contains("it took seat") && why.ends_with("task 1: agreed\n"), "{why}");
    assert!(keeper.terminate().success());
    let error = failure(&xenon().args(["keeper", "status", "--once", "--at", &at]).output().unwrap());
    assert!(error.contains("XC-040") && error.contains(&at), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_and_a_rehearsal_are_seen_without_a_keeper_and_nothing_is_sent() {
    let network = Network::deployed().await;
    let _relay = network.relay();
    let queue = || json(network.xenon().args(["queue", "--json"]));
    assert_eq!(queue()["queued"], 0);
    assert_eq!(submit(&network, &["--no-wait"]), "1");
    assert_eq!(submit(&network, &["--no-wait", "--min-vram", "80"]), "2");
    let told = queue();
    let ranks: Vec<_> = told["tasks"].as_array().unwrap().iter().map(|task| &task["task"]).collect();
    assert_eq!(ranks, [1, 2], "the lower tier goes first among equals");
    assert_eq!(told["tasks"][0]["wait"], "without end: 0 of 3 nodes could serve it");
    let table = stdout(&network.xenon().arg("queue").output().unwrap());
    assert!(table.contains("2 tasks queued, 0 of 0 nodes free") && table.contains("tier 14"), "{table}");

    let _nodes: Vec<_> = (0..3).map(|number| network.node(number)).collect();
    eventually("the nodes are there", || (queue()["free_nodes"] == 3).then_some(()));
    let chain = network.anvil.connect().await.unwrap();
    let sender = network.anvil.signers()[2].address();
    let before = chain.balance(sender).await.unwrap();
    let rehearse = |key: bool| {
        let mut command = network.xenon();
        command.args(["keeper", "--dry-run", "--once"]);
        if key {
            command.arg("--key-file").arg(network.key(2));
        }
        stdout(&command.output().unwrap())
    };
    for key in [true, false] {
        let told = rehearse(key);
        assert!(
            told.contains("1 to send") && told.contains("dispatch up to 16 tasks, 0 drawn: reward 0 CNX, gas "),
            "{told}"
        );
        assert!(told.contains("profit -0.0"), "a draw is paid for when it is seated: {told}");
    }
    assert_eq!(chain.balance(sender).await.unwrap(), before, "nothing was sent");
    assert_eq!(queue()["queued"], 2, "nothing was drawn");
    let why = stdout(&network.xenon().args(["why-not", "1", "1"]).output().unwrap());
    assert!(why.contains("now: nothing keeps it from the task") && why.contains("the next draw takes it"), "{why}");
    let why = json(network.xenon().args(["why-not", "1", "2", "--json"]));
    assert_eq!(why["now"]["verdict"], "too_little_memory");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_named() {
    let network = Network::deployed().await;
    let fails = |args: &[&str]| failure(&network.xenon().args(args).output().unwrap());
    assert!(fails(&["explain", "1"]).contains("XC-009"));
    assert!(fails(&["why-not", "1", "1"]).contains("XC-021"));
    assert!(fails(&["why-not", "nobody", "1"]).contains("XC-041"));
    assert!(fails(&["why-not", "0x00000000000000000000000000000000000000aa", "1"]).contains("XC-042"));
    for command in [&["explain", "1"][..], &["why-not", "1", "1"], &["queue"], &["keeper", "--dry-run"]] {
        let down = [command, &["--rpc", "http://127.0.0.1:1"]].concat();
        assert!(fails(&down).contains("XP-302"), "{command:?}");
    }
    let error = failure(&xenon().args(["keeper", "status", "--at", "127.0.0.1:1"]).output().unwrap());
    assert!(error.contains("XC-040") && error.contains("--metrics"), "{error}");
    let error = failure(&xenon().args(["keeper", "--once"]).output().unwrap());
    assert!(error.contains("--dry-run"), "{error}");
}
