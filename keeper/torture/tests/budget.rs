//! A small budget of seeds for every test run; `make torture` runs ten thousand.

#![allow(missing_docs)]

use xenon_torture::{Fault, Naive, PLANTED, Scenario, Tortured, Verdict, digest, run};

fn has_failed(verdict: &Verdict) -> bool {
    !verdict.breaches.is_empty()
}

fn told(failed: &[Verdict]) -> String {
    let lines: Vec<_> =
        failed.iter().map(|verdict| format!("{:?}: {:?}", verdict.scenario, verdict.breaches)).collect();
    lines.join("\n")
}

#[test]
fn seed_tells_the_same_story_each_time() {
    for seed in [2, 5, 9] {
        let scenario = Scenario::of(seed);
        let [first, second] = [(); 2].map(|()| run::<Tortured>(&scenario));
        assert!(first.story.len() > 50, "{:?}", first.story);
        assert_eq!(digest(&first.story), digest(&second.story), "seed {seed}");
    }
}

#[test]
fn seeds_of_all_kinds_pass() {
    let failed: Vec<_> = (0..48).map(|seed| run::<Tortured>(&Scenario::of(seed))).filter(has_failed).collect();
    assert!(failed.is_empty(), "{}", told(&failed));
}

#[test]
fn every_kind_of_fault_has_a_planted_defect() {
    for fault in Fault::ALL {
        assert!(PLANTED.iter().any(|planted| planted.faults.contains(&fault)), "{fault}");
    }
}

#[test]
fn planted_defects_are_found() {
    let missed: Vec<_> = PLANTED.iter().filter(|planted| planted.find::<Tortured>().is_none()).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

/// A sender that takes the node's word, which is what most programs have, does not get through.
#[test]
fn keeper_without_a_journal_is_caught() {
    assert!((0..48).any(|seed| has_failed(&run::<Naive>(&Scenario::of(seed)))));
}
