//! The task JSON: what is refused and with which code, and that schema, parser and canonical form agree.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{path::Path, sync::LazyLock};

use jsonschema::Validator;
use proptest::{collection::vec, option, prelude::*};
use serde_json::{Value, json};
use xenon_protocol::{
    error_code::ErrorCode,
    task::{
        AssistantContent, CalledFunction, Dtype, FunctionDefinition, GenerationConfig, GptTask, JsonObject,
        MAX_TASK_BYTES, Message, QuantizeBits, TaskError, TaskSpec, Tool, ToolCall, ToolKind, limits, task_hash,
        task_schema,
    },
};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| jsonschema::validator_for(&task_schema()).unwrap());

fn smallest() -> Value {
    json!({
        "kind": "gpt",
        "model": "xenon/sum-chat-1m",
        "messages": [{ "role": "user", "content": "What is 17 + 25?" }],
        "generation_config": { "max_new_tokens": 8 }
    })
}

/// The smallest task with the value at a JSON pointer set; new members are added.
fn with(pointer: &str, value: Value) -> Value {
    let mut task = smallest();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    task.pointer_mut(parent).unwrap()[key] = value;
    task
}

fn parse(task: &Value) -> Result<TaskSpec, TaskError> {
    TaskSpec::parse(task.to_string().as_bytes())
}

fn refusal(task: &Value) -> &'static str {
    parse(task).expect_err(&task.to_string()).code()
}

#[test]
fn malformed_tasks_are_refused() {
    let bytes: [&[u8]; 7] = [b"", b"{", b"null", b"[]", b"\xff", b"\xef\xbb\xbf{}", br#"{"kind":"gpt","kind":"gpt"}"#];
    for bytes in bytes {
        let error = TaskSpec::parse(bytes).unwrap_err();
        assert_eq!((error.code(), error.error_code()), ("XP-102", ErrorCode::InvalidArguments));
    }
}

#[test]
fn trailing_bytes_are_refused() {
    let text = format!("{} {}", smallest(), "x");
    assert_eq!(TaskSpec::parse(text.as_bytes()).unwrap_err().code(), "XP-102");
}

#[test]
fn missing_fields_are_refused() {
    for field in ["kind", "model", "messages", "generation_config"] {
        let mut task = smallest();
        task.as_object_mut().unwrap().remove(field);
        assert_eq!(refusal(&task), "XP-102", "{field}");
    }
    assert_eq!(refusal(&with("/generation_config", json!({}))), "XP-102");
}

#[test]
fn unknown_fields_and_values_are_refused() {
    let call = |function: Value| json!([{ "role": "assistant", "tool_calls": [{ "type": "function", "function": function }] }]);
    for (pointer, value) in [
        ("/extra", json!(1)),
        ("/generation_config/length_penalty", json!(1)),
        ("/messages", json!([{ "role": "user", "content": "", "name": "x" }])),
        ("/messages", json!([{ "role": "user", "content": null }])),
        ("/messages", json!([{ "role": "user", "content": [] }])),
        ("/messages", json!([{ "role": "user", "content": "", "tool_calls": [] }])),
        ("/messages", json!([{ "role": "tool" }])),
        ("/messages", json!([{ "role": "function", "content": "" }])),
        ("/messages", call(json!({ "name": "f" }))),
        ("/messages", call(json!({ "name": "f", "arguments": "{}" }))),
        ("/messages", call(json!({ "name": "f", "arguments": {}, "more": 1 }))),
        ("/tools", json!([{ "type": "function", "function": { "name": "f", "strict": true } }])),
        ("/tools", json!([{ "type": "retrieval", "function": { "name": "f" } }])),
        ("/tools", json!([{ "type": "function", "function": { "name": "f", "parameters": [] } }])),
        ("/kind", json!(0)),
        ("/messages", json!([{ "role": 0, "content": "" }])),
        ("/messages", json!([{ "role": { "user": null }, "content": "" }])),
        ("/tools", json!([{ "type": { "function": null }, "function": { "name": "f" } }])),
        ("/dtype", json!({ "fp32": null })),
        ("/dtype", json!("float16")),
        ("/quantize_bits", json!(5)),
        ("/quantize_bits", json!("4")),
        ("/kind", json!("sd")),
        ("/kind", json!("GPT")),
        ("/model", json!("no-organisation")),
        ("/seed", json!(-1)),
        ("/seed", json!(1.5)),
        ("/seed", json!("1")),
        ("/generation_config/max_new_tokens", json!(4_294_967_296_u64)),
        ("/generation_config/do_sample", json!(1)),
    ] {
        assert_eq!(refusal(&with(pointer, value.clone())), "XP-102", "{pointer} = {value}");
    }
}

#[test]
fn a_field_given_twice_is_refused() {
    let text = smallest().to_string().replacen("\"model\"", "\"seed\":1,\"seed\":2,\"model\"", 1);
    assert_eq!(TaskSpec::parse(text.as_bytes()).unwrap_err().code(), "XP-102");
}

#[test]
fn values_outside_their_bounds_are_refused() {
    for (pointer, value) in [
        ("/seed", json!(1_u64 << 53)),
        ("/time", json!(32_503_680_000_u64)),
        ("/generation_config/max_new_tokens", json!(0)),
        ("/generation_config/max_new_tokens", json!(65_537)),
        ("/generation_config/num_return_sequences", json!(0)),
        ("/generation_config/num_return_sequences", json!(17)),
        ("/generation_config/temperature", json!(0)),
        ("/generation_config/temperature", json!(10.1)),
        ("/generation_config/top_k", json!(1_000_001)),
        ("/generation_config/top_p", json!(-0.1)),
        ("/generation_config/top_p", json!(1.1)),
        ("/generation_config/min_p", json!(1.1)),
        ("/generation_config/typical_p", json!(0)),
        ("/generation_config/num_beams", json!(0)),
        ("/generation_config/num_beams", json!(17)),
        ("/generation_config/repetition_penalty", json!(0)),
        ("/generation_config/repetition_penalty", json!(1e300)),
    ] {
        assert_eq!(refusal(&with(pointer, value.clone())), "XP-103", "{pointer} = {value}");
    }
}

#[test]
fn lengths_outside_their_bounds_are_refused() {
    let message = json!({ "role": "user", "content": "" });
    let tool = |name: String| json!({ "type": "function", "function": { "name": name } });
    let call = |name: String| json!({ "type": "function", "function": { "name": name, "arguments": {} } });
    for (pointer, value) in [
        ("/messages", json!([])),
        ("/messages", json!(vec![message; 1025])),
        ("/messages", json!([{ "role": "tool", "content": "", "name": "" }])),
        ("/messages", json!([{ "role": "tool", "content": "", "tool_call_id": "x".repeat(257) }])),
        ("/messages", json!([{ "role": "assistant", "tool_calls": [] }])),
        ("/messages", json!([{ "role": "assistant", "tool_calls": [call(String::new())] }])),
        ("/messages", json!([{ "role": "assistant", "tool_calls": vec![call("f".to_owned()); 129] }])),
        ("/tools", json!([])),
        ("/tools", json!([tool(String::new())])),
        ("/tools", json!(vec![tool("f".to_owned()); 129])),
        ("/generation_config/stop_strings", json!([])),
        ("/generation_config/stop_strings", json!([""])),
        ("/generation_config/stop_strings", json!(["é".repeat(257)])),
        ("/generation_config/stop_strings", json!(vec!["x"; 17])),
    ] {
        assert_eq!(refusal(&with(pointer, value.clone())), "XP-104", "{pointer}");
    }
}

#[test]
fn sampling_settings_without_sampling_are_refused() {
    for (setting, value) in [
        ("temperature", json!(0.5)),
        ("top_k", json!(5)),
        ("top_p", json!(0.5)),
        ("min_p", json!(0.5)),
        ("typical_p", json!(0.5)),
    ] {
        let task = with(&format!("/generation_config/{setting}"), value);
        assert_eq!(refusal(&task), "XP-105", "{setting}");
    }
}

#[test]
fn more_answers_than_the_search_gives_are_refused() {
    for (config, code) in [
        (json!({ "max_new_tokens": 1, "num_return_sequences": 2 }), "XP-120"),
        (json!({ "max_new_tokens": 1, "num_return_sequences": 3, "num_beams": 2 }), "XP-120"),
        (json!({ "max_new_tokens": 1, "num_beams": 2, "do_sample": true }), "XP-121"),
    ] {
        assert_eq!(refusal(&with("/generation_config", config)), code);
    }
    parse(&with("/generation_config", json!({ "max_new_tokens": 1, "num_return_sequences": 2, "num_beams": 2 })))
        .unwrap();
}

#[test]
fn an_assistant_that_says_and_calls_nothing_is_refused() {
    for message in [
        json!({ "role": "assistant" }),
        json!({ "role": "assistant", "content": null }),
        json!({ "role": "assistant", "content": null, "tool_calls": null }),
    ] {
        assert_eq!(refusal(&with("/messages", json!([message]))), "XP-124");
    }
}

#[test]
fn numbers_that_not_every_program_keeps_are_refused() {
    for number in [json!(1_u64 << 53), json!(-(1_i64 << 53)), json!(u64::MAX), json!(1e300), json!(-1e16)] {
        let tool = json!([{ "type": "function", "function": { "name": "f", "parameters": { "a": [number] } } }]);
        assert_eq!(refusal(&with("/tools", tool)), "XP-102", "{number}");
    }
}

#[test]
fn free_form_json_that_is_too_deep_is_refused() {
    let nested = |depth| (1..depth).fold(json!({}), |inner, _| json!({ "a": inner }));
    let tool = |depth| json!([{ "type": "function", "function": { "name": "f", "parameters": nested(depth) } }]);
    parse(&with("/tools", tool(limits::NESTING))).unwrap();
    assert_eq!(refusal(&with("/tools", tool(limits::NESTING + 2))), "XP-102");
}

#[test]
fn a_number_without_a_fraction_is_an_integer_however_it_is_written() {
    let object = |text: &str| serde_json::from_str::<JsonObject>(text).unwrap();
    assert_eq!(object(r#"{"a": [1.0, -0.0, 1e3]}"#), object(r#"{"a": [1, 0, 1000]}"#));
    assert_ne!(object(r#"{"a": 1.5}"#), object(r#"{"a": 1}"#));
}

#[test]
fn a_missing_content_and_a_null_are_told_apart() {
    let call = json!([{ "type": "function", "function": { "name": "f", "arguments": {} } }]);
    let content = |message: Value| match parse(&with("/messages", json!([message]))).unwrap() {
        TaskSpec::Gpt(task) => match &task.messages[0] {
            Message::Assistant { content, .. } => content.clone(),
            other => panic!("{other:?}"),
        },
    };
    assert_eq!(content(json!({ "role": "assistant", "tool_calls": call })), AssistantContent::Absent);
    assert_eq!(content(json!({ "role": "assistant", "content": null, "tool_calls": call })), AssistantContent::Null);
    let said = content(json!({ "role": "assistant", "content": "", "tool_calls": call }));
    assert_eq!(said, AssistantContent::Text(String::new()));
}

#[test]
fn members_of_free_form_json_keep_their_order() {
    let text = r#"{"type":"object","properties":{"b":{},"a":{}},"required":["b"]}"#;
    let object: JsonObject = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&object).unwrap(), text);
}

#[test]
fn numbers_that_json_cannot_express_are_refused() {
    for value in [f64::NAN, f64::INFINITY] {
        let mut config = GenerationConfig { do_sample: true, ..GenerationConfig::greedy(1) };
        config.top_p = Some(value);
        assert_eq!(task_with(config).to_bytes().unwrap_err().code(), "XP-103");
    }
}

#[test]
fn the_longest_task_is_accepted_and_one_byte_more_is_refused() {
    let room = MAX_TASK_BYTES - with("/messages/0/content", json!("")).to_string().len();
    let longest = with("/messages/0/content", json!("x".repeat(room)));
    assert_eq!(longest.to_string().len(), MAX_TASK_BYTES);
    parse(&longest).unwrap();
    let error = parse(&with("/messages/0/content", json!("x".repeat(room + 1)))).unwrap_err();
    assert_eq!((error.code(), error.error_code()), ("XP-101", ErrorCode::TaskTooLarge));
}

#[test]
fn what_is_left_out_has_the_documented_defaults() {
    let TaskSpec::Gpt(task) = parse(&smallest()).unwrap();
    assert_eq!((task.seed, task.time, &task.tools, task.dtype, task.quantize_bits), (0, None, &None, None, None));
    assert_eq!(task.generation_config, GenerationConfig::greedy(8));
}

#[test]
fn declared_size_is_tokens_times_sequences_or_beams() {
    let config = json!({ "max_new_tokens": 10, "num_beams": 4, "num_return_sequences": 2 });
    assert_eq!(parse(&with("/generation_config", config)).unwrap().declared_size(), 40);
    let config = json!({ "max_new_tokens": 65_536, "do_sample": true, "num_return_sequences": 16 });
    assert_eq!(parse(&with("/generation_config", config)).unwrap().declared_size(), 1_048_576);
    assert_eq!(parse(&smallest()).unwrap().declared_size(), 8);
}

#[test]
fn canonical_bytes_are_rfc_8785() {
    let config = json!({ "top_p": 0.90, "max_new_tokens": 8, "do_sample": true, "temperature": 1.0 });
    let bytes = parse(&with("/generation_config", config)).unwrap().to_bytes().unwrap();
    let expected = r#"{"generation_config":{"do_sample":true,"max_new_tokens":8,"num_beams":1,"num_return_sequences":1,"temperature":1,"top_p":0.9},"kind":"gpt","messages":[{"content":"What is 17 + 25?","role":"user"}],"model":"xenon/sum-chat-1m","seed":0}"#;
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[test]
fn the_hash_is_of_the_exact_bytes() {
    let text = smallest().to_string();
    assert_ne!(task_hash(text.as_bytes()), task_hash(format!("{text} ").as_bytes()));
}

#[test]
fn the_committed_schema_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/task.schema.json");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == format!("{:#}\n", task_schema()),
        "run: cargo run -p xenon-protocol --example task_schema > protocol/schema/task.schema.json"
    );
}

fn task_with(generation_config: GenerationConfig) -> TaskSpec {
    TaskSpec::Gpt(GptTask::new("xenon/sum-chat-1m@1".parse().unwrap(), vec![Message::user("hello")], generation_config))
}

/// Free-form JSON with numbers in and out of range, up to a few levels deep.
fn free_form() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n >> 11)),
        any::<f32>().prop_map(|x| json!(x % 1e9)),
        ".{0,4}".prop_map(|s| json!(s)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            vec((".{0,4}", inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn objects() -> impl Strategy<Value = JsonObject> {
    vec((".{0,4}", free_form()), 0..3).prop_map(|members| {
        let members: serde_json::Map<String, Value> = members.into_iter().collect();
        JsonObject::try_from(members).unwrap()
    })
}

fn names() -> impl Strategy<Value = String> {
    ".{1,9}"
}

prop_compose! {
    fn calls()(id in option::of(names()), name in names(), arguments in objects()) -> ToolCall {
        ToolCall { id, kind: ToolKind::Function, function: CalledFunction { name, arguments } }
    }
}

prop_compose! {
    fn tools()(
        name in names(),
        description in option::of(any::<String>()),
        parameters in option::of(objects()),
        returns in option::of(objects()),
    ) -> Tool {
        Tool { kind: ToolKind::Function, function: FunctionDefinition { name, description, parameters, returns } }
    }
}

fn contents() -> impl Strategy<Value = AssistantContent> {
    prop_oneof![
        Just(AssistantContent::Absent),
        Just(AssistantContent::Null),
        any::<String>().prop_map(AssistantContent::Text),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        any::<String>().prop_map(Message::system),
        any::<String>().prop_map(Message::user),
        any::<String>().prop_map(Message::assistant),
        (contents(), vec(calls(), 1..3))
            .prop_map(|(content, calls)| Message::Assistant { content, tool_calls: Some(calls) }),
        (any::<String>(), option::of(names()), option::of(names()))
            .prop_map(|(content, tool_call_id, name)| Message::Tool { content, tool_call_id, name }),
    ]
}

prop_compose! {
    fn sampled()(
        max_new_tokens in 1..=65_536_u32,
        temperature in option::of(0.01..=10.0),
        top_k in option::of(0..=1_000_000_u32),
        top_p in option::of(0.0..=1.0),
        min_p in option::of(0.0..=1.0),
        typical_p in option::of(0.01..=1.0),
        repetition_penalty in option::of(0.1..=10.0),
        stop_strings in option::of(vec(".{1,256}", 1..=16)),
        num_return_sequences in 1..=16_u32,
    ) -> GenerationConfig {
        GenerationConfig {
            max_new_tokens, do_sample: true, num_beams: 1, temperature, top_k, top_p, min_p, typical_p,
            repetition_penalty, stop_strings, num_return_sequences,
        }
    }
}

prop_compose! {
    fn searched()(max_new_tokens in 1..=65_536_u32, beams in 1..=16_u32)(
        num_beams in Just(beams),
        num_return_sequences in 1..=beams,
        max_new_tokens in Just(max_new_tokens),
    ) -> GenerationConfig {
        GenerationConfig { num_beams, num_return_sequences, ..GenerationConfig::greedy(max_new_tokens) }
    }
}

fn dtypes() -> impl Strategy<Value = Dtype> {
    prop::sample::select(vec![Dtype::Fp32, Dtype::Fp16, Dtype::Bf16])
}

prop_compose! {
    fn tasks()(
        messages in vec(message(), 1..5),
        tools in option::of(vec(tools(), 1..3)),
        generation_config in prop_oneof![sampled(), searched()],
        seed in 0..=limits::SEED.1,
        time in option::of(0..=limits::TIME.1),
        dtype in option::of(dtypes()),
        quantize_bits in option::of(prop::sample::select(vec![QuantizeBits::Four, QuantizeBits::Eight])),
    ) -> TaskSpec {
        let task = GptTask::new("a/b".parse().unwrap(), messages, generation_config);
        TaskSpec::Gpt(GptTask { tools, seed, time, dtype, quantize_bits, ..task })
    }
}

/// JSON values near the bounds of every kind of field.
fn odd_values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        (-2..20_i64).prop_map(|n| json!(n)),
        (0..18_u32).prop_map(|bits| json!((1_u64 << (bits * 3)) + 1)),
        (-0.5..11.0).prop_map(|x: f64| json!(x)),
        ".{0,3}".prop_map(|s| json!(s)),
        vec(".{0,3}", 0..3).prop_map(|v| json!(v)),
        Just(json!({})),
        prop::sample::select(vec![
            json!("assistant"),
            json!("tool"),
            json!("system"),
            json!("function"),
            json!("fp16"),
            json!("int8"),
            json!(4),
            json!(8),
            json!(1e300),
            json!(1_u64 << 53),
            json!({ "a": [1e17] }),
            json!([{ "type": "function", "function": { "name": "f" } }]),
        ]),
    ]
}

fn pointers() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "/kind",
        "/model",
        "/messages",
        "/messages/0",
        "/messages/0/role",
        "/messages/0/content",
        "/messages/0/tool_calls",
        "/messages/0/tool_calls/0/id",
        "/messages/0/tool_calls/0/type",
        "/messages/0/tool_calls/0/function",
        "/messages/0/tool_calls/0/function/name",
        "/messages/0/tool_calls/0/function/arguments",
        "/messages/0/tool_calls/0/function/arguments/x",
        "/messages/0/tool_call_id",
        "/messages/0/name",
        "/tools",
        "/tools/0",
        "/tools/0/type",
        "/tools/0/function/name",
        "/tools/0/function/description",
        "/tools/0/function/parameters",
        "/tools/0/function/parameters/x",
        "/tools/0/function/return",
        "/tools/0/function/other",
        "/seed",
        "/time",
        "/dtype",
        "/quantize_bits",
        "/other",
        "/generation_config",
        "/generation_config/max_new_tokens",
        "/generation_config/do_sample",
        "/generation_config/temperature",
        "/generation_config/top_k",
        "/generation_config/top_p",
        "/generation_config/min_p",
        "/generation_config/typical_p",
        "/generation_config/num_beams",
        "/generation_config/repetition_penalty",
        "/generation_config/stop_strings",
        "/generation_config/num_return_sequences",
        "/generation_config/other",
    ])
}

/// The task with the value at a pointer replaced. A list element is replaced by its position.
fn set(task: &mut Value, pointer: &str, value: Value) {
    if let Some(place) = task.pointer_mut(pointer) {
        *place = value;
    } else if let Some((parent, key)) = pointer.rsplit_once('/')
        && let Some(Value::Object(object)) = task.pointer_mut(parent)
    {
        object.insert(key.to_owned(), value);
    }
}

proptest! {
    #[test]
    fn canonical_bytes_parse_to_the_same_task(task in tasks()) {
        let bytes = task.to_bytes().unwrap();
        let parsed = TaskSpec::parse(&bytes).unwrap();
        prop_assert_eq!(&parsed, &task);
        prop_assert_eq!(parsed.to_bytes().unwrap(), bytes);
    }

    #[test]
    fn every_task_satisfies_the_schema(task in tasks()) {
        prop_assert!(SCHEMA.is_valid(&serde_json::to_value(&task).unwrap()));
    }

    #[test]
    fn schema_and_parser_agree(task in tasks(), changes in vec((pointers(), odd_values()), 1..3)) {
        let mut json = serde_json::to_value(&task).unwrap();
        for (pointer, value) in changes {
            set(&mut json, pointer, value);
        }
        let parsed = parse(&json);
        prop_assert_eq!(parsed.is_ok(), SCHEMA.is_valid(&json), "{} {:?}", json, parsed);
    }

    #[test]
    fn schema_and_parser_agree_on_arbitrary_json(json in free_form()) {
        prop_assert_eq!(parse(&json).is_ok(), SCHEMA.is_valid(&json));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = TaskSpec::parse(&bytes);
    }

    #[test]
    fn damaged_tasks_never_panic(task in tasks(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = task.to_bytes().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(parsed) = TaskSpec::parse(&bytes) {
            prop_assert!(parsed.to_bytes().is_ok());
        }
    }
}
