//! The shipped scenarios do what they say.

#![allow(clippy::unwrap_used, missing_docs)]

use xenon_sim::{
    SimError,
    campaign::{Seeds, run_all},
    run,
    scenario::{SHIPPED, Scenario, load},
};

fn shipped(name: &str) -> Scenario {
    load(name).unwrap()
}

#[test]
fn same_seed_gives_the_same_history_and_another_seed_another() {
    let scenario = Scenario { duration_s: 600, assertions: Vec::new(), ..shipped("crashing") };
    let [first, again, other] = [1, 1, 2].map(|seed| run(&scenario, seed, |_| {}).unwrap());
    assert_eq!(first, again);
    assert_ne!(first.figures, other.figures);
}

#[test]
fn threads_change_nothing() {
    let scenario = Scenario { duration_s: 300, assertions: Vec::new(), ..shipped("crashing") };
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run_all(std::slice::from_ref(&scenario), &Seeds::Count(4), |_| {})).unwrap()
    };
    assert_eq!(with_threads(1), with_threads(3));
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

/// Takes a remedy away.
type Spoil = fn(&mut Scenario);

/// Without its remedy an attack must break an assertion: otherwise the assertion shows nothing.
#[test]
fn assertions_break_when_the_remedy_is_taken_away() {
    let spoilt: [(&str, Spoil); 6] = [
        ("colluding", |scenario| scenario.arbiter_s = None),
        ("lazy", |scenario| scenario.keepers[0].policy.cases = false),
        ("keeper-loss", |scenario| scenario.keepers.truncate(1)),
        ("censorship", |scenario| scenario.keepers.truncate(1)),
        ("vanishing", |scenario| scenario.nodes[1].count = 60),
        ("starvation", |scenario| scenario.parameters.reserve_after_s = Some(86_400)),
    ];
    for (name, spoil) in spoilt {
        let mut scenario = shipped(name);
        spoil(&mut scenario);
        assert!(!run(&scenario, 0, |_| {}).unwrap().holds(), "{name}");
    }
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
