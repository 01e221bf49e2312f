//! A node as its operator sees it: its processes, its report, its metrics, pausing it, and killing it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "node/killed.rs"]
mod killed;
mod network;
#[path = "node/trap.rs"]
mod trap;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use xenon_protocol::{
    chain::{Chain as _, EventLog, LogFilter, TypedChain as _},
    contracts::{Node, Task},
    deployment::Deployment,
    pinned,
};

use network::{Network, Service, eventually, failure, root, stdout};

/// Whether a process was started by another.
fn is_child(child: u32, parent: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("PPid:").is_some_and(|id| id.trim() == parent.to_string()))
}

/// The process in which a node runs its model, once it has loaded it.
fn child_of(network: &Network, number: usize, node: &Service) -> u32 {
    let child = eventually("the model is loaded", || {
        let report = report(network, number)?;
        report["runner"]["children"][0]["pid"].as_u64()
    });
    let child = u32::try_from(child).unwrap();
    assert!(is_child(child, node.pid()));
    child
}

fn report(network: &Network, number: usize) -> Option<Value> {
    serde_json::from_slice(&fs::read(network.data(number).join("report.json")).ok()?).ok()
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

fn open_files(pid: u32) -> Vec<PathBuf> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    files.filter_map(|file| fs::read_link(file.unwrap().path()).ok()).collect()
}

fn kill(pid: u32) {
    assert!(Command::new("sh").args(["-c", &format!("kill -KILL {pid}")]).status().unwrap().success());
    eventually("it is dead", || (!is_alive(pid)).then_some(()));
}

/// Pays for a sum and returns its answer.
fn ask(network: &Network) -> String {
    let submit = ["task", "submit", "--prompt", "What is 17 + 25?", "--price", "3", "--timeout", "110"];
    stdout(&network.xenon().args(submit).output().unwrap()).trim().to_owned()
}

fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).replace('\0', "\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_models_process_has_no_key_and_no_journal_and_ends_with_its_node() {
    let network = Network::deployed().await;
    let _relay = network.relay();
    let key = fs::read_to_string(network.key(4)).unwrap();
    let mut settings: toml::Table = fs::read_to_string(&network.config).unwrap().parse().unwrap();
    settings.remove("wallet");
    fs::write(&network.config, settings.to_string()).unwrap();
    let mut command = network.node_command(0);
    let node = Service::start(command.env("XENON_PRIVATE_KEY", &key).env("XENON_SECRET", "swordfish"));
    let child = child_of(&network, 0, &node);
    let process = format!("/proc/{child}");

    assert!(text_of(Path::new(&format!("/proc/{}/environ", node.pid()))).contains(&key), "the node has it");
    let (environment, words) =
        (text_of(&Path::new(&process).join("environ")), text_of(&Path::new(&process).join("cmdline")));
    for secret in [key.as_str(), "XENON_PRIVATE_KEY", "swordfish", "XENON_SECRET"] {
        assert!(!environment.contains(secret) && !words.contains(secret), "{environment}\n{words}");
    }
    assert!(environment.lines().any(|line| line == "ORT_DISABLE_TELEMETRY=1"), "{environment}");
    let (open, own) = (open_files(child), open_files(node.pid()));
    assert!(own.iter().any(|file| file.starts_with(network.data(0))), "the node holds its journal: {own:?}");
    assert!(!open.iter().any(|file| file.starts_with(network.data(0))), "{open:?}");
    let is_socket = |file: &&PathBuf| file.to_string_lossy().starts_with("socket:");
    assert!(!open.iter().filter(is_socket).any(|socket| own.contains(socket)), "{open:?} {own:?}");

    assert!(is_alive(child));
    node.kill();
    eventually("the child ends, though nobody could ask it to", || (!is_alive(child)).then_some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_outlives_the_processes_of_its_models_and_can_be_looked_at() {
    let network = Network::deployed().await;
    let (_relay, _keeper) = (network.relay(), network.keeper());
    let mut watched = network.node_command(0);
    watched.arg("--key-file").arg(network.key(4)).args(["--metrics", "127.0.0.1:0"]);
    let log = network.data(0).with_extension("log");
    let node = Service::start(watched.stderr(fs::File::create(&log).unwrap()));
    let _others = [network.node(1), network.node(2)];
    let child = child_of(&network, 0, &node);
    kill(child);

    assert_eq!(ask(&network), "42");
    assert_ne!(child_of(&network, 0, &node), child);
    let report = eventually("the report tells of it", || {
        report(&network, 0).filter(|report| report["last"][0]["agreed"] == true && report["earned"] != "0x0")
    });
    assert_eq!(report["runner"]["lost_children"], 1, "{report}");
    let watch = ["node", "watch", "--once", "--data"];
    let seen = stdout(&network.xenon().args(watch).arg(network.data(0)).output().unwrap());
    assert!(seen.contains("agreed, answer") && seen.contains("1 processes lost"), "{seen}");

    let metrics = metrics(&log);
    for line in ["xenon_node_tasks_total{outcome=\"agreed\"} 1", "xenon_node_lost_children_total 1"] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in:\n{metrics}");
    }
    assert!(node.terminate().success());
    let seen = stdout(&network.xenon().args(watch).arg(network.data(0)).output().unwrap());
    assert!(seen.contains("the node is not running"), "{seen}");
}

/// The metrics of the node that wrote this log.
fn metrics(log: &Path) -> String {
    let address = eventually("it says where", || {
        let log = fs::read_to_string(log).unwrap();
        let line = log.lines().find(|line| line.contains("serving metrics"))?;
        let port: String = line.rsplit("127.0.0.1:").next()?.chars().take_while(char::is_ascii_digit).collect();
        Some(format!("127.0.0.1:{port}"))
    });
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("application/openmetrics-text"), "{answer}");
    answer
}

/// Asks anvil something that only a development chain knows.
fn anvil(network: &Network, method: &str, argument: &str) -> Value {
    let cast = pinned::find("cast", &root()).expect("make setup brings cast");
    let mut command = Command::new(cast);
    command.args(["rpc", "--rpc-url", &network.anvil.url(), method]);
    let output = command.args((!argument.is_empty()).then_some(argument)).output().unwrap();
    serde_json::from_str(&stdout(&output)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_while_its_commitment_waits_for_a_block_makes_no_other() {
    killed_while_committing(|network| network.node(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_holds_a_seat_reveals_though_no_hub_serves_the_models_that_it_is_to_fetch() {
    killed_while_committing(|network| {
        let mut command = network.node_command(0);
        command.env("XENON_MODELS__PREFETCH", "[\"org/away\"]").env("XENON_MODELS__ENDPOINT", "http://127.0.0.1:9");
        Service::start(command.arg("--key-file").arg(network.key(4)))
    })
    .await;
}

/// A node is killed while its commitment waits for a block and started again: it commits no second time, reveals, and is
/// paid.
async fn killed_while_committing(restart: impl FnOnce(&Network) -> Service) {
    let network = Network::deployed().await;
    let (_relay, _keeper) = (network.relay(), network.keeper());
    let node = network.node(0);
    let _others = [network.node(1), network.node(2)];
    child_of(&network, 0, &node);
    let submit = ["task", "submit", "--prompt", "What is 17 + 25?", "--price", "3", "--no-wait"];
    let task = stdout(&network.xenon().args(submit).output().unwrap()).trim().to_owned();
    let status = || -> Value {
        let output = network.xenon().args(["task", "status", &task, "--json"]).output().unwrap();
        serde_json::from_str(&stdout(&output)).unwrap()
    };

    // From here on there are blocks only when they are asked for, and none once the nodes have their seats.
    anvil(&network, "evm_setIntervalMining", "0");
    eventually("the task is seated", || {
        let is_seated = status()["blocks"]["seated"].is_u64();
        if !is_seated {
            anvil(&network, "evm_mine", "");
        }
        is_seated.then_some(())
    });
    let key = network.anvil.signers()[4].address().to_string().to_lowercase();
    eventually("the commitment waits for a block", || {
        let waiting = anvil(&network, "txpool_content", "")["pending"].clone();
        waiting.as_object().unwrap().keys().any(|from| from.to_lowercase() == key).then_some(())
    });
    node.kill();
    anvil(&network, "evm_setIntervalMining", "1");
    let _node = restart(&network);

    eventually("the task is delivered", || (status()["status"] == "delivered").then_some(()));
    let chain = network.anvil.connect().await.unwrap();
    let contracts = Deployment::of(network.anvil.signers()[0].address(), 31337);
    let last = chain.head().await.unwrap().number;
    let filter = LogFilter::of([contracts.task], 0, last).event::<Task::Committed>();
    let committed: Vec<_> = chain.logs(&filter).await.unwrap().iter().filter_map(EventLog::decode).collect();
    assert_eq!(committed.len(), 3, "each of the three once");
    let own = chain.view(contracts.node, &Node::idOfCall { key: network.anvil.signers()[4].address() }).await.unwrap();
    assert_eq!(committed.iter().filter(|event: &&Task::Committed| event.node == own).count(), 1);
    let earned = chain.view(contracts.task, &Task::earnedByCall { node: own }).await.unwrap();
    assert!(!earned.is_zero(), "it is paid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_node_finishes_its_task_and_gets_no_more_until_it_is_resumed() {
    let network = Network::deployed().await;
    let (_relay, _keeper) = (network.relay(), network.keeper());
    let _nodes: Vec<_> = (0..3).map(|number| network.node(number)).collect();
    let node = |args: &[&str]| {
        network.xenon().args(["--key-file"]).arg(network.key(3)).arg("node").args(args).output().unwrap()
    };
    eventually("all have joined", || {
        let quote = stdout(&network.xenon().args(["task", "quote", "--price", "3"]).output().unwrap());
        quote.contains("3 nodes could serve it now").then_some(())
    });
    // The keys of the nodes are 3, 5, 7 in an order that nobody chose: the first may own any of them.
    let own = (1..=3).map(|id: u32| id.to_string()).find(|id| node(&["pause", id]).status.success());
    let own = own.expect("one of the nodes is its operator's");
    assert!(stdout(&node(&["status", &own])).contains("paused by its operator"));
    assert!(stdout(&node(&["pause", &own, "--wait"])).contains("paused already"));
    let stranger = (1..=3).map(|id: u32| id.to_string()).find(|id| *id != own).unwrap();
    assert!(failure(&node(&["pause", &stranger])).contains("NotOperator"));
    assert!(stdout(&node(&["resume", &own])).contains("takes part in the draws again"));

    let submit = ["task", "submit", "--prompt", "What is 17 + 25?", "--price", "3", "--no-wait"];
    let task = stdout(&network.xenon().args(submit).output().unwrap());
    let busy = || stdout(&node(&["status", &own])).contains("holds a seat").then_some(());
    eventually("it holds a seat", busy);
    assert!(stdout(&node(&["pause", &own, "--wait"])).contains("is paused"));
    let status = stdout(&network.xenon().args(["task", "status", task.trim()]).output().unwrap());
    assert!(
        ["delivered", "awaiting delivery"].iter().any(|label| status.contains(label)),
        "its task was finished first: {status}"
    );
    assert!(stdout(&node(&["status", &own])).contains("paused by its operator"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_can_run_nothing_pauses_itself_with_the_reason() {
    let network = Network::deployed().await;
    let _relay = network.relay();
    let mut command = network.node_command(0);
    let _node = Service::start(command.arg("--key-file").arg(network.key(4)).args(["--memory", "0"]));
    let report = eventually("it is paused", || {
        report(&network, 0).filter(|report| report["standing"].as_str().is_some_and(|text| text.starts_with("paused")))
    });
    assert!(report["pause"].as_str().unwrap().contains("no installed model fits"), "{report}");
    let too_large = report["runner"]["too_large"].as_array().unwrap();
    assert!(too_large.iter().any(|model| model == "xenon/sum-chat-1m@1"), "{report}");
    let status = stdout(&network.xenon().args(["node", "status", "1"]).output().unwrap());
    assert!(status.contains("paused by its operator"), "{status}");
}
