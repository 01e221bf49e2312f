//! The JSON of SD tasks: what is refused and with which code, and that schema, parser and canonical form agree.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::{collection::vec, option, prelude::*};
use serde_json::{Value, json};
use xenon_protocol::{
    error_code::ErrorCode,
    task::{Lora, SD_KIND, SdDtype, SdScheduler, SdTask, TaskError, TaskSpec, task_schema},
};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| jsonschema::validator_for(&task_schema()).unwrap());

fn smallest() -> Value {
    json!({ "kind": "sd", "model": "xenon/shapes-sd", "prompt": "a red circle", "width": 64, "height": 64, "steps": 10 })
}

fn with(fields: &[(&str, Value)]) -> Value {
    let mut task = smallest();
    for (name, value) in fields {
        task[*name] = value.clone();
    }
    task
}

fn parse(task: &Value) -> Result<TaskSpec, TaskError> {
    TaskSpec::parse(task.to_string().as_bytes())
}

fn refusal(fields: &[(&str, Value)]) -> &'static str {
    let task = with(fields);
    parse(&task).expect_err(&task.to_string()).code()
}

#[test]
fn missing_and_unknown_fields_are_refused() {
    for field in ["model", "prompt", "width", "height", "steps"] {
        let mut task = smallest();
        task.as_object_mut().unwrap().remove(field);
        assert_eq!(parse(&task).unwrap_err().code(), "XP-102", "{field}");
    }
    assert_eq!(refusal(&[("cfg", json!(7.5))]), "XP-102");
    assert_eq!(refusal(&[("scheduler", json!("pndm"))]), "XP-102");
    assert_eq!(refusal(&[("dtype", json!("int8"))]), "XP-102");
    assert_eq!(refusal(&[("loras", json!([{ "name": "a/b", "weight": 1 }]))]), "XP-102");
}

/// An object with a name as its key is one of serde's own spellings of an enumeration; the schema knows none but the name.
#[test]
fn names_are_strings_and_nothing_else() {
    for (field, name) in [("scheduler", "euler"), ("scheduler", "dpmpp_2m"), ("dtype", "float16")] {
        parse(&with(&[(field, json!(name))])).unwrap();
        assert_eq!(refusal(&[(field, json!({ name: null }))]), "XP-102", "{field}");
        assert!(!SCHEMA.is_valid(&with(&[(field, json!({ name: null }))])), "{field}");
    }
}

#[test]
fn values_outside_their_bounds_are_refused() {
    let cases = [
        ("width", json!(56)),
        ("height", json!(2056)),
        ("num_images", json!(0)),
        ("num_images", json!(5)),
        ("steps", json!(0)),
        ("steps", json!(501)),
        ("guidance_scale", json!(-0.1)),
        ("guidance_scale", json!(50.1)),
        ("seed", json!(1_u64 << 53)),
        ("loras", json!([{ "name": "a/b", "scale": 4.1 }])),
    ];
    for (field, value) in cases {
        assert_eq!(refusal(&[(field, value.clone())]), "XP-103", "{field} {value}");
    }
    assert_eq!(refusal(&[("prompt", json!("x".repeat(10_001)))]), "XP-104");
    assert_eq!(refusal(&[("loras", json!(vec![json!({ "name": "a/b" }); 9]))]), "XP-104");
}

#[test]
fn sides_that_no_model_can_make_are_refused() {
    assert_eq!(refusal(&[("width", json!(68))]), "XP-126");
    let large = [("width", json!(2048)), ("height", json!(2048))];
    parse(&with(&large)).unwrap();
    let error = parse(&with(&[&large[..], &[("num_images", json!(2))]].concat())).unwrap_err();
    assert_eq!((error.code(), error.error_code()), ("XP-127", ErrorCode::TaskTooLarge));
}

#[test]
fn a_negative_prompt_without_guidance_would_have_no_effect() {
    assert_eq!(refusal(&[("negative_prompt", json!("blue")), ("guidance_scale", json!(1))]), "XP-125");
    parse(&with(&[("negative_prompt", json!("blue")), ("guidance_scale", json!(1.1))])).unwrap();
}

#[test]
fn what_is_left_out_has_the_documented_defaults() {
    let task = parse(&smallest()).unwrap();
    assert_eq!(task, TaskSpec::Sd(SdTask::new("xenon/shapes-sd".parse().unwrap(), "a red circle", 64, 10)));
    assert_eq!((task.kind(), task.declared_size()), (SD_KIND, 1));
    let expected = r#"{"guidance_scale":7.5,"height":64,"kind":"sd","model":"xenon/shapes-sd","num_images":1,"prompt":"a red circle","seed":0,"steps":10,"width":64}"#;
    assert_eq!(String::from_utf8(task.to_bytes().unwrap()).unwrap(), expected);
}

#[test]
fn declared_size_is_the_number_of_pictures() {
    assert_eq!(parse(&with(&[("num_images", json!(4))])).unwrap().declared_size(), 4);
}

fn schedulers() -> impl Strategy<Value = SdScheduler> {
    prop::sample::select(SdScheduler::ALL.to_vec())
}

prop_compose! {
    fn tasks()(
        prompt in any::<String>(),
        negative_prompt in option::of(any::<String>()),
        (num_images, width, height) in (1..=4_u32, 8..=128_u32, 8..=128_u32),
        steps in 1..=500_u32,
        guidance_scale in 1.01..=50.0,
        scheduler in option::of(schedulers()),
        seed in 0..1_u64 << 53,
        scales in vec(-4.0..=4.0, 0..=8),
        dtype in option::of(prop::sample::select(SdDtype::ALL.to_vec())),
    ) -> TaskSpec {
        let (width, height) = (width * 8, height * 8);
        let loras = scales.into_iter().map(|scale| Lora { name: "a/b".parse().unwrap(), scale }).collect();
        TaskSpec::Sd(SdTask {
            model: "a/b".parse().unwrap(), prompt, negative_prompt, num_images, width, height, steps, guidance_scale,
            scheduler, seed, loras, dtype,
        })
    }
}

/// JSON values near the bounds of every kind of field.
fn odd_values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        (-2..70_i64).prop_map(|n| json!(n)),
        (0..18_u32).prop_map(|bits| json!((1_u64 << (bits * 3)) + 8)),
        (-0.5..51.0).prop_map(|x: f64| json!(x)),
        ".{0,3}".prop_map(|s| json!(s)),
        Just(json!([{ "name": "a/b", "scale": 5 }])),
        prop::sample::select(vec![
            json!("euler"),
            json!({ "euler": null }),
            json!({ "dpmpp_2m": null }),
            json!("float16"),
            json!({ "float16": null }),
        ]),
        Just(json!({})),
    ]
}

fn fields() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "model",
        "prompt",
        "negative_prompt",
        "num_images",
        "width",
        "height",
        "steps",
        "guidance_scale",
        "scheduler",
        "seed",
        "loras",
        "dtype",
        "other",
    ])
}

proptest! {
    #[test]
    fn canonical_bytes_parse_to_the_same_task(task in tasks()) {
        let bytes = task.to_bytes().unwrap();
        let parsed = TaskSpec::parse(&bytes).unwrap();
        prop_assert_eq!(&parsed, &task);
        prop_assert_eq!(parsed.to_bytes().unwrap(), bytes);
        prop_assert!(SCHEMA.is_valid(&serde_json::to_value(&task).unwrap()));
    }

    #[test]
    fn schema_and_parser_agree(task in tasks(), changes in vec((fields(), odd_values()), 1..3)) {
        let mut json = serde_json::to_value(&task).unwrap();
        for (field, value) in changes {
            json[field] = value;
        }
        match parse(&json) {
            // The rules between fields are not in the schema.
            Err(TaskError::NeedsGuidance { .. } | TaskError::TooManyPixels { .. }) => {}
            parsed => prop_assert_eq!(parsed.is_ok(), SCHEMA.is_valid(&json), "{} {:?}", json, parsed),
        }
    }
}
