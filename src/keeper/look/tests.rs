use alloy::primitives::B256;
use xenon_keeper::{
    ClassId, KindId, Tier,
    view::{ClassKey, TierKey},
    why_not::{Turn, Verdict},
};

use super::*;

fn waiting(rank: usize, book: BookKey, wait: Wait) -> Waiting {
    let (fee, since) = (2_000_000_000_000_000_000, 1_700_000_000);
    Waiting {
        rank,
        task: TaskId(rank as u64 + 10),
        kind: 0,
        fee,
        duration_ms: 8_000,
        level: 18_000,
        book,
        since,
        expires: since + 3_600,
        requeues: 0,
        ahead: 0,
        wait,
    }
}

fn queue() -> Forecast {
    let tier = BookKey::Tier(TierKey { kind: KindId(0), tier: Tier::default() });
    let class = BookKey::Class(ClassKey { kind: KindId(0), class: ClassId(4) });
    let waits = [
        (tier, Wait::Expected { seconds: 0 }),
        (tier, Wait::Expected { seconds: 42 }),
        (class, Wait::TooFewNodes { active: 2 }),
        (class, Wait::Unknown),
    ];
    let tasks = (1..).zip(waits).map(|(rank, (book, wait))| waiting(rank, book, wait)).collect();
    let (block, time) = (77, 1_700_000_060);
    Forecast { block, time, window_s: 600, seats_freed: 5, free: 3, active: 9, tasks }
}

#[test]
fn the_queue_is_a_table_of_ranks_values_and_waits() {
    let shown = table(&queue(), 50);
    let rows: Vec<_> = shown.lines().filter(|line| line.contains("gpt")).collect();
    assert!(shown.starts_with("block 77: 4 tasks queued, 3 of 9 nodes free, 5 seats freed in 600 s\n"), "{shown}");
    for (row, parts) in rows.iter().zip([
        ["11", "0.25", "tier 0", "60 s", "3540 s", "none: its nodes are free"],
        ["12", "0.25", "tier 0", "60 s", "3540 s", "about 42 s"],
        ["13", "0.25", "class 4", "60 s", "3540 s", "without end: 2 of 3 nodes could serve it"],
        ["14", "0.25", "class 4", "60 s", "3540 s", "not known: no seat was freed lately"],
    ]) {
        assert!(parts.iter().all(|part| row.contains(part)), "{parts:?} in {row}");
    }
    assert_eq!((rows.len(), table(&queue(), 1).lines().filter(|line| line.contains("gpt")).count()), (4, 1));
    let empty = Forecast { tasks: Vec::new(), ..queue() };
    assert_eq!(table(&empty, 50), "block 77: 0 tasks queued, 3 of 9 nodes free, 5 seats freed in 600 s");
}

#[test]
fn the_queue_in_json_has_numbers_where_they_are_known() {
    let listed = listing(&queue(), 3);
    assert_eq!((&listed["queued"], listed["tasks"].as_array().unwrap().len()), (&json!(4), 3));
    let first = &listed["tasks"][0];
    assert_eq!((&first["cnx_per_second"], &first["fee_wei"]), (&json!("0.25"), &json!("2000000000000000000")));
    assert_eq!((&first["expected_wait_s"], &listed["tasks"][2]["expected_wait_s"]), (&json!(0), &json!(null)));
}

#[test]
fn a_history_is_told_with_times_and_deadlines() {
    let entry = |text: &str, until| Entry {
        block: 5,
        time: 1_700_000_000,
        transaction: B256::ZERO,
        event: "TaskSeated",
        text: text.into(),
        until,
    };
    let entries = vec![entry("nodes 1, 2, 3 are to run it", Some(1_700_000_058)), entry("then", None)];
    let told = story(&Explanation { task: TaskId(3), entries, standing: "committing".into() });
    let expected = format!(
        "2023-11-14T22:13:20Z block 5 TaskSeated\n  nodes 1, 2, 3 are to run it, until 2023-11-14T22:14:18Z\n  transaction {}\n",
        B256::ZERO
    );
    assert!(told.starts_with(&expected) && told.ends_with("task 3: committing"), "{told}");
}

#[test]
fn every_turn_of_a_node_is_a_line() {
    let turn = Turn { drawn: 7, chosen: 8, verdict: Verdict::Busy { task: Some(TaskId(2)) } };
    let now = Some(Verdict::Eligible { weight: 128 });
    let told = WhyNot { node: NodeId(4), task: TaskId(3), turns: vec![turn], standing: "queued: soon".into(), now };
    let expected = "drawn in block 7, nodes chosen in block 8: it was busy with task 2\n\
                    now: nothing keeps it from the task: its weight is 128 of at most 255\n\
                    node 4, task 3: queued: soon";
    assert_eq!(reasons(&told), expected);
}
