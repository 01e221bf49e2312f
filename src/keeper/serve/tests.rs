use std::{collections::BTreeSet, time::Duration};

use alloy::primitives::{Address, B256};
use reqwest::Client;
use serde_json::Value;
use tokio::net::TcpListener;
use xenon_keeper::{
    Abstention, Action, ClassId, Decision, Event, KeeperConfig, Kind, KindId, Logged, NodeId, NodeJoined,
    Observer as _, Outcome, Position, Reading, Reason, Sight, TaskCreated, TaskId, Tier, View,
};
use xenon_protocol::{
    chain::{ChainError, Endpoint, Head, Receipt},
    deployment::Deployment,
    value::ValueRate,
};

use super::*;

const ALERTS: &str = include_str!("../../../deploy/prometheus/xenon-keeper.rules.yml");
const DASHBOARD: &str = include_str!("../../../deploy/grafana/xenon-keeper.json");
const DOCUMENT: &str = include_str!("../../../docs/keeper-operations.md");
const PREFIX: &str = "xenon_keeper_";

fn head() -> Head {
    Head { number: 9, hash: B256::ZERO, parent_hash: B256::ZERO, timestamp: 1_000, base_fee: 0 }
}

fn reporter() -> Reporter {
    Reporter::new(Address::ZERO, &Deployment::of(Address::ZERO, 1), &KeeperConfig::default())
}

/// A view of one node and one task whose wait is over.
fn view() -> View {
    let (class, node, task, kind) = (ClassId(1), NodeId(1), TaskId(1), KindId(0));
    let spec = Kind::new(true, true, 0, 0, 1_000, 1_000).unwrap();
    let (operator, key) = (Address::ZERO, Address::ZERO);
    let (class_hash, vram_gb, gpu) = (B256::ZERO, 8, String::new());
    let created = TaskCreated {
        task,
        creator: Address::ZERO,
        kind,
        task_hash: B256::ZERO,
        size: 1,
        min_vram: 0,
        required_class: None,
        fee: 7,
        value: ValueRate::new(7, 1_000.try_into().unwrap()),
        expires_at: 900,
    };
    let events = [
        Event::KindAdded { kind, spec },
        Event::ClassOpened { class, class_hash, tier: Tier::default() },
        Event::NodeJoined(Box::new(NodeJoined { node, operator, key, class, class_hash, vram_gb, stake: 1, gpu })),
        Event::TaskCreated(Box::new(created)),
    ];
    let mut view = View::new();
    for (index, event) in (0..).zip(events) {
        view.apply(&Logged { at: Position { block: 1, index }, block_hash: B256::ZERO, event }).unwrap();
    }
    view
}

fn receipt() -> Receipt {
    let hash = B256::repeat_byte(7);
    let (gas_used, gas_price) = (21_000, 1_000_000_000_000);
    Receipt { transaction_hash: hash, block_number: 10, block_hash: hash, gas_used, gas_price, logs: Vec::new() }
}

/// A keeper that has met everything that metrics tell of.
fn experienced() -> Reporter {
    let mut reporter = reporter();
    let (head, view, action) = (head(), view(), Action::Expire(TaskId(1)));
    reporter.note_endpoints(vec![(Endpoint::local("here"), true, false), (Endpoint::local("there"), false, true)]);
    let reading = Reading { head: Some(head), block: Some(7), folded: 12, reorgs: 2, last_depth: 3 };
    let hindrance = Some(Reason::EndpointBehind);
    reporter.observe(Sight::Looked { reading: &reading, hindrance, error: None });
    let abstentions = vec![Abstention { action: Action::Advance(TaskId(2)), reason: Reason::Unprofitable }];
    let decision = Decision { actions: vec![action, Action::Review(ClassId(1))], abstentions };
    reporter.observe(Sight::Decided { head: &head, view: &view, decision: &decision });
    let endpoint = Endpoint::local("nowhere");
    let failed = Outcome::Failed(ChainError::Unreachable { endpoint, reason: String::from("test") });
    let sent = Outcome::Sent { transaction: B256::repeat_byte(7), nonce: 3 };
    for outcome in [&sent, &Outcome::Done(receipt()), &Outcome::NoEffect, &failed] {
        reporter.observe(Sight::Acted { head: &head, action, outcome, reward: 1 << 60 });
    }
    let (action, outcome) = (Action::Advance(TaskId(3)), &Outcome::Done(receipt()));
    reporter.observe(Sight::Acted { head: &head, action, outcome, reward: 0 });
    reporter.observe(Sight::Ended { took: Duration::from_millis(300), in_flight: 1, paused_until: Some(12) });
    reporter
}

/// The names of the samples in a text of metrics.
fn samples(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split(['{', ' ']).next()).collect()
}

/// The names of a keeper's metrics in any other text.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.len() > PREFIX.len() && word.starts_with(PREFIX)).collect()
}

#[test]
fn what_happens_is_counted_with_its_labels_and_units() {
    let text = experienced().metrics();
    for line in [
        "xenon_keeper_following 0",
        "xenon_keeper_hindered{code=\"XK-052\"} 1",
        "xenon_keeper_endpoint_up{endpoint=\"here\"} 1",
        "xenon_keeper_endpoint_current{endpoint=\"there\"} 1",
        "xenon_keeper_head_block 9",
        "xenon_keeper_view_lag_blocks 2",
        "xenon_keeper_events_folded_total 12",
        "xenon_keeper_reorgs_total 2",
        "xenon_keeper_reorg_depth_blocks 3",
        "xenon_keeper_queue_tasks{kind=\"gpt\"} 1",
        "xenon_keeper_tasks{stage=\"queued\"} 1",
        "xenon_keeper_overdue_tasks 1",
        "xenon_keeper_overdue_age_seconds 100",
        "xenon_keeper_nodes{status=\"none\"} 1",
        "xenon_keeper_actions_planned_total{action=\"expire\"} 1",
        "xenon_keeper_actions_sent_total{action=\"expire\"} 1",
        "xenon_keeper_actions_sent_total{action=\"advance\"} 1",
        "xenon_keeper_actions_mined_total{action=\"expire\"} 1",
        "xenon_keeper_actions_failed_total{action=\"expire\",code=\"XP-302\"} 1",
        "xenon_keeper_actions_skipped_total{action=\"expire\",code=\"XK-032\"} 1",
        "xenon_keeper_abstentions{action=\"advance\",code=\"XK-115\"} 1",
        "xenon_keeper_actions_in_flight 1",
        "xenon_keeper_breaker_open 1",
        "xenon_keeper_gas_used_total 42000",
        "xenon_keeper_gas_spent_cnx_total 0.042",
        "xenon_keeper_round_duration_seconds_bucket{le=\"1.0\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
}

#[test]
fn alerts_and_dashboard_name_only_metrics_that_there_are() {
    let text = experienced().metrics();
    let there = samples(&text);
    for (what, document) in [("alerts", ALERTS), ("dashboard", DASHBOARD)] {
        let named = named(document);
        assert!(named.len() > 10, "{what} name {named:?}");
        let unknown: Vec<_> = named.difference(&there).collect();
        assert!(unknown.is_empty(), "{what} name {unknown:?}, which no keeper serves");
    }
}

#[test]
fn the_dashboard_shows_every_metric_and_the_document_explains_every_one() {
    let text = experienced().metrics();
    let whole = |name: &&str| !name.ends_with("_sum") && !name.ends_with("_count");
    let there: BTreeSet<_> = samples(&text).into_iter().filter(whole).collect();
    assert_eq!(there.difference(&named(DASHBOARD)).collect::<Vec<_>>(), Vec::<&&str>::new());
    assert_eq!(there.difference(&named(DOCUMENT)).collect::<Vec<_>>(), Vec::<&&str>::new());
    assert!(named(DOCUMENT).difference(&samples(&text)).next().is_none(), "the document knows no other metrics");
}

#[test]
fn the_dashboard_is_one_of_grafana_and_every_alert_leads_to_a_section() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.iter().all(|panel| panel["targets"][0]["expr"].is_string() && panel["gridPos"]["w"].is_u64()));
    let alerts: Vec<_> = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        assert!(DOCUMENT.contains(&format!("### {alert}\n")), "{alert} is not in the runbook");
        let link = format!("runbook: docs/keeper-operations.md#{}", alert.to_lowercase());
        assert!(ALERTS.contains(&link), "{alert} does not link to {link}");
    }
}

#[test]
fn the_report_survives_being_written_and_read() {
    let report = experienced().report();
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<super::super::report::Report>(&text).unwrap(), report);
}

/// Serves a reporter and asks for some paths.
async fn answers<const N: usize>(reporter: Reporter, paths: [&str; N]) -> [(u16, String); N] {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(metrics::serve(listener, router(reporter), stopped));
    let http = Client::builder().no_proxy().build().unwrap();
    let mut answers = Vec::new();
    for path in paths {
        let answer = http.get(format!("http://{address}{path}")).send().await.unwrap();
        answers.push((answer.status().as_u16(), answer.text().await.unwrap()));
    }
    stop.send(true).unwrap();
    server.await.unwrap();
    answers.try_into().unwrap()
}

#[tokio::test]
async fn who_does_not_follow_yet_is_healthy_and_not_ready_and_says_why() {
    let [health, ready, nothing] = answers(reporter(), ["/health", "/ready", "/"]).await;
    assert_eq!((health.0, ready.0, nothing.0), (200, 503, 404));
    let ready: Value = serde_json::from_str(&ready.1).unwrap();
    assert_eq!(ready["ok"], false);
    let problems: Vec<_> = ready["checks"].as_array().unwrap().iter().map(|check| &check["problem"]).collect();
    assert!(problems[0].is_null(), "{problems:?}");
    assert!(problems[1].as_str().unwrap().starts_with("XK-057"), "{problems:?}");
    assert!(problems[2].as_str().unwrap().starts_with("XK-058"), "{problems:?}");
}

#[tokio::test]
async fn who_follows_with_funds_is_ready() {
    let mut reporter = reporter();
    let now = Head { timestamp: crate::clock::unix_now(), ..head() };
    let reading = Reading { head: Some(now), block: Some(now.number), ..Reading::default() };
    reporter.observe(Sight::Looked { reading: &reading, hindrance: None, error: None });
    reporter.note_money(U256::from(10).pow(U256::from(18)), U256::ZERO);
    let [ready, metrics, status] = answers(reporter, ["/ready", "/metrics", "/status"]).await;
    assert_eq!((ready.0, status.0), (200, 200), "{}", ready.1);
    assert!(metrics.1.contains("\nxenon_keeper_ready 1\n") && metrics.1.ends_with("# EOF\n"), "{}", metrics.1);
    let status: Value = serde_json::from_str(&status.1).unwrap();
    assert_eq!((&status["head"]["number"], &status["hindrance"]), (&Value::from(9), &Value::Null));
}
