//! The main job from end to end: `xenon demo` on anvil, with the real contracts and the real model.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod network;

use serde_json::Value;

use network::{failure, stdout, xenon};

fn last_line(text: &str) -> Value {
    serde_json::from_str(text.trim_end().lines().last().expect("a last line")).expect("the last line is JSON")
}

#[test]
fn too_few_honest_nodes_are_refused_before_anything_starts() {
    let output = xenon().args(["demo", "--nodes", "4", "--lazy", "2"]).output().unwrap();
    assert!(failure(&output).contains("XC-015"), "{output:?}");
}

#[test]
fn a_missing_models_folder_says_what_to_do() {
    let output = xenon().args(["demo", "--models", "no-such-folder"]).output().unwrap();
    let error = failure(&output);
    assert!(error.contains("XE-") && error.contains("no-such-folder"), "{error}");
}

#[test]
fn three_honest_nodes_answer_and_every_wei_is_accounted_for() {
    let output = xenon().args(["demo", "--nodes", "4", "--tasks", "3", "--lazy", "1", "--json"]).output().unwrap();
    let report = last_line(&stdout(&output));
    let tasks = report["tasks"].as_array().unwrap();
    let answers: Vec<_> = tasks.iter().map(|task| task["answer"].as_str().unwrap()).collect();
    assert_eq!(answers, ["42", "7", "94"]);
    assert_eq!(report["balance_sum_wei"], "0");
    let frozen = report["frozen"].as_array().unwrap();
    assert!(frozen.iter().all(|node| *node == 4), "the lazy one joined last: {frozen:?}");
    for task in tasks {
        let paid = task["paid"].as_object().unwrap().values().map(|wei| wei.as_str().unwrap().parse::<u128>().unwrap());
        assert_eq!(paid.sum::<u128>().to_string(), task["fee_wei"].as_str().unwrap(), "the whole fee: {task}");
        assert_eq!(task["status"], "delivered", "{task}");
        assert_eq!(task["kind"], "gpt");
        let blocks = &task["blocks"];
        let at = |stage: &str| blocks[stage].as_u64().unwrap_or_else(|| panic!("{stage} in {task}"));
        let stages = ["created", "drawn", "seated", "committed", "revealed", "settled", "delivered"].map(at);
        assert!(stages.is_sorted(), "{stages:?}");
        assert!(at("drawn") < at("seated"), "the entropy of the choice is that of the draw's block");
    }
}

#[test]
fn a_prompt_of_the_user_is_asked() {
    let args = ["demo", "--nodes", "3", "--lazy", "0", "--tasks", "1", "--prompt", "What is 40 + 5?", "--json"];
    let report = last_line(&stdout(&xenon().args(args).output().unwrap()));
    assert_eq!(report["tasks"][0]["prompt"], "What is 40 + 5?");
    assert_eq!(report["tasks"][0]["answer"], "45");
    assert_eq!(report["frozen"], Value::Array(Vec::new()));
}
