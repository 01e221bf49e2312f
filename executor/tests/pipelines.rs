//! Whole pipelines make the pictures that diffusers makes of the same noise.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod tiny_pipelines;

use std::fs;

use serde_json::Value;
use tiny_pipelines::{describe, install, open, task, vectors};
use xenon_executor::{
    Executor, TaskEvents,
    image::{
        Picture,
        phash::{distance, phash},
    },
};
use xenon_protocol::{
    error_code::ErrorCode,
    result::{ImageReply, image_result},
    task::{SdDtype, SdScheduler, SdTask, TaskSpec},
};

fn run(executor: &mut Executor, task: SdTask) -> ImageReply {
    executor.run(&TaskSpec::Sd(task), |_, _| ()).unwrap().reply.images().unwrap().clone()
}

fn refusal(executor: &mut Executor, task: SdTask) -> (&'static str, ErrorCode) {
    let error = executor.run(&TaskSpec::Sd(task), |_, _| ()).unwrap_err();
    (error.code(), error.error_code())
}

fn task_of(case: &Value) -> SdTask {
    let mut json = case.clone();
    let fields = json.as_object_mut().unwrap();
    let name = fields.remove("pipeline").unwrap();
    fields.remove("phash");
    fields.insert("model".to_owned(), format!("tiny/{}@1", name.as_str().unwrap()).into());
    for side in ["width", "height"] {
        fields.entry(side).or_insert(64.into());
    }
    serde_json::from_value(json).unwrap()
}

#[test]
fn pictures_are_those_of_diffusers() {
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(vectors().join("cases.json")).unwrap()).unwrap();
    let root = install(&["plain", "large", "consistent"]);
    let mut executor = open(&root);
    for case in cases {
        let task = task_of(&case);
        let file = format!("{}-{}.png", case["pipeline"].as_str().unwrap(), task.seed);
        let expected = Picture::from_png(&fs::read(vectors().join(file)).unwrap()).unwrap();
        let reply = run(&mut executor, task);
        let found = Picture::from_png(&reply.data[0].png).unwrap();
        let largest = found.rgb().iter().zip(expected.rgb()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(largest <= 1, "{case}: colours differ by {largest}");
        let hash = u64::from_str_radix(case["phash"].as_str().unwrap(), 16).unwrap();
        assert_eq!(phash(&expected), hash, "{case}");
        assert!(distance(reply.data[0].phash, hash) <= 1, "{case}");
    }
}
