//! The shipped scenarios do what they say.

#![allow(clippy::unwrap_used, missing_docs)]

use xenon_sim::{
    SimError, run,
    scenario::{SHIPPED, Scenario, load},
};

fn shipped(name: &str) -> Scenario {
    load(name).unwrap()
}

#[test]
fn same_seed_gives_the_same_history_and_another_seed_another() {
    let scenario = Scenario { duration_s: 600, assertions: Vec::new(), ..shipped("crashing") };
    let digests = [1, 1, 2].map(|seed| run(&scenario, seed, |_| {}).unwrap().digest);
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
}

#[test]
fn each_shipped_scenario_holds_with_its_first_seed() {
    let mut failed = Vec::new();
    for (name, _) in SHIPPED {
        let run = match run(&shipped(name), 0, |_| {}) {
            Ok(run) => run,
            Err(error) => {
                failed.push(format!("{name}: {error}"));
                continue;
            }
        };
        let broken = run.verdicts.iter().filter(|verdict| !verdict.holds);
        failed.extend(broken.map(|verdict| format!("{name}: {} is {}", verdict.assertion, verdict.value)));
    }
    assert_eq!(failed, Vec::<String>::new());
}

/// Without its remedy each attack must break an assertion: otherwise the assertion shows nothing.
#[test]
fn assertions_break_when_the_attack_has_its_way() {
    let mut colluding = shipped("colluding");
    colluding.arbiter_s = None;
    let run = run(&colluding, 0, |_| {}).unwrap();
    assert!(!run.holds(), "without an arbiter no liar is slashed");
}

#[test]
fn what_is_no_scenario_is_refused_by_name() {
    assert!(matches!(load("no-such"), Err(SimError::NoSuchScenario { .. })));
    assert!(matches!(load("no-such.toml"), Err(SimError::Unreadable { .. })));
    let typo = SHIPPED[0].1.replace("duration_s", "duraton_s");
    assert!(matches!(Scenario::parse(&typo, "typo"), Err(SimError::Unreadable { .. })));
    let unbounded = SHIPPED[0].1.replace("at_least = 1.0\nbecause", "because");
    let unbounded = Scenario::parse(&unbounded, "unbounded").unwrap();
    assert!(matches!(run(&Scenario { duration_s: 60, ..unbounded }, 0, |_| {}), Err(SimError::Scenario { .. })));
    let unknown = SHIPPED[0].1.replace("tasks.success", "tasks.sucess");
    let unknown = Scenario::parse(&unknown, "unknown").unwrap();
    assert!(matches!(run(&Scenario { duration_s: 60, ..unknown }, 0, |_| {}), Err(SimError::NoSuchMetric { .. })));
}
