//! The main job from end to end: `xenon demo` on anvil, with the real contracts and the real model.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod network;

use std::{fs, path::Path};

use serde_json::Value;
use xenon_executor::{
    image::{ImageFolder, Picture},
    model::Manifest,
};

use network::{failure, root, stdout, xenon};

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
    let output = xenon()
        .args(["demo", "--nodes", "4", "--tasks", "3", "--lazy", "1", "--pictures", "0", "--json"])
        .output()
        .unwrap();
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
    let args = [
        "demo",
        "--nodes",
        "3",
        "--lazy",
        "0",
        "--tasks",
        "1",
        "--prompt",
        "What is 40 + 5?",
        "--pictures",
        "0",
        "--json",
    ];
    let report = last_line(&stdout(&xenon().args(args).output().unwrap()));
    assert_eq!(report["tasks"][0]["prompt"], "What is 40 + 5?");
    assert_eq!(report["tasks"][0]["answer"], "45");
    assert_eq!(report["frozen"], Value::Array(Vec::new()));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The chat model, and a tiny image model with random weights under the name of the repository's own.
fn models(folder: &Path) {
    copy(&root().join("models/sum-chat"), &folder.join("sum-chat"));
    let pipeline = folder.join("shapes-sd");
    copy(&root().join("tests/vectors/pipelines/plain"), &pipeline);
    let files = ImageFolder::open(&pipeline).unwrap();
    let manifest = Manifest::describe_files(&pipeline, files.files(), "xenon/shapes-sd@1".parse().unwrap()).unwrap();
    manifest.write(&pipeline).unwrap();
}

/// Text needs three nodes of one class, pictures any three; the lazy one is found out by both.
#[test]
fn pictures_are_agreed_on_paid_for_and_saved() {
    let folder = tempfile::tempdir().unwrap();
    let (models_folder, out) = (folder.path().join("models"), folder.path().join("out"));
    models(&models_folder);
    let mut command = xenon();
    command.args(["demo", "--nodes", "4", "--lazy", "1", "--tasks", "1", "--pictures", "2", "--json"]);
    let output = command.arg("--models").arg(&models_folder).arg("--out").arg(&out).output().unwrap();
    let report = last_line(&stdout(&output));
    assert_eq!(report["balance_sum_wei"], "0");
    let tasks = report["tasks"].as_array().unwrap();
    let pictures: Vec<_> = tasks.iter().filter(|task| task["kind"] == "sd").collect();
    assert_eq!(pictures.len(), 2);
    for task in pictures {
        assert_eq!(task["status"], "delivered", "{task}");
        let png = fs::read(task["answer"].as_str().unwrap()).unwrap();
        let picture = Picture::from_png(&png).unwrap();
        assert_eq!((picture.width(), picture.height()), (64, 64));
    }
}
