//! What templates can rely on.

use std::{fs, path::Path};

use serde::Deserialize;
use xenon_protocol::task::{CalledFunction, GenerationConfig, JsonObject, ToolCall, ToolKind};

use super::*;

fn files(default: &str, tool_use: Option<&str>) -> TemplateFiles {
    let special_tokens = [("bos_token", "<s>".to_owned()), ("eos_token", "</s>".to_owned())].into();
    let (path, tool_use) = ("t.jinja".into(), tool_use.map(str::to_owned));
    TemplateFiles { path, default: default.to_owned(), tool_use, special_tokens }
}

fn template(source: &str) -> ChatTemplate {
    ChatTemplate::compile(files(source, None)).unwrap()
}

fn conversation(messages: &[Message], time: Option<u64>) -> Conversation<'_> {
    Conversation { messages, tools: None, add_generation_prompt: true, time }
}

fn render(source: &str) -> String {
    let messages = [Message::system("  Be brief. "), Message::user("Hi <b> & \"é\"\n")];
    template(source).render(conversation(&messages, None)).unwrap()
}

#[test]
fn a_template_with_an_error_names_the_file() {
    for files in [files("{% for %}", None), files("", Some("{% for %}"))] {
        let error = ChatTemplate::compile(files).unwrap_err();
        assert_eq!(error.code(), "XE-025");
        assert!(error.to_string().contains("t.jinja"));
    }
}

#[test]
fn a_template_can_refuse_a_conversation() {
    let source = "{{ raise_exception('Conversation roles must alternate') }}";
    let error = template(source).render(conversation(&[], None)).unwrap_err();
    assert_eq!(error.code(), "XE-030");
    assert!(error.to_string().contains("Conversation roles must alternate"));
}

#[test]
fn tools_have_their_own_template_if_there_is_one() {
    let template = ChatTemplate::compile(files("default", Some("tools"))).unwrap();
    assert_eq!(template.render(conversation(&[], None)).unwrap(), "default");
    let with_tools = Conversation { tools: Some(&[]), ..conversation(&[], None) };
    assert_eq!(template.render(with_tools).unwrap(), "tools");
}

#[test]
fn templates_see_no_clock_unless_the_task_has_one() {
    let source = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% else %}26 Jul 2024{% endif %}";
    let template = template(source);
    assert_eq!(template.render(conversation(&[], None)).unwrap(), "26 Jul 2024");
    assert_eq!(template.render(conversation(&[], Some(0))).unwrap(), "01 Jan 1970");
    assert_eq!(template.render(conversation(&[], Some(32_503_679_999))).unwrap(), "31 Dec 2999");
}

#[test]
fn an_unknown_time_format_refuses_the_conversation() {
    let error = template("{{ strftime_now('%') }}").render(conversation(&[], Some(0))).unwrap_err();
    assert_eq!(error.code(), "XE-030");
}

#[test]
fn a_template_that_breaks_the_engine_refuses_the_conversation() {
    let error = template("{{ ''[::-1] }}").render(conversation(&[], None)).unwrap_err();
    assert_eq!(error.code(), "XE-030");
}

#[test]
fn text_is_not_escaped() {
    assert_eq!(render("{{ messages[1].content }}"), "Hi <b> & \"é\"\n");
}

#[test]
fn python_methods_and_slices_work() {
    assert_eq!(render("{{ messages[0]['content'].strip() }}|{{ messages[0].content.upper()[2:4] }}"), "Be brief.|BE");
    assert_eq!(render("{% for m in messages[1:] %}{{ m.get('role') }}{% endfor %}"), "user");
    assert_eq!(render("{% for m in messages[::-1] %}{{ m.role[0] }}{% endfor %}"), "us");
    assert_eq!(render("{{ 'Be' in messages[0].content and messages[1]['role'].startswith('us') }}"), "True");
    assert_eq!(
        render("{% for k, v in messages[0].items() %}{{ k }}={{ v | trim }};{% endfor %}"),
        "role=system;content=Be brief.;"
    );
}

#[test]
fn namespaces_loop_controls_and_macros_work() {
    let source = "{% set ns = namespace(n=0) %}{% for m in messages %}{% if m.role == 'user' %}{% break %}{% endif %}\
                  {% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}";
    assert_eq!(render(source), "1");
    assert_eq!(render("{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}{{ twice('ab') }}"), "abab");
    assert_eq!(render("{{ bos_token + 'x' ~ eos_token }}{{ tools }}{{ pad_token is defined }}"), "<s>x</s>NoneFalse");
}

#[test]
fn values_are_spelled_as_in_python() {
    assert_eq!(render("{{ true }} {{ none }} {{ 1 }} {{ 1.0 }} {{ 7 // 2 }} {{ 1 == 1.0 }}"), "True None 1 1.0 3 True");
}

#[test]
fn json_is_spelled_as_in_python() {
    assert_eq!(render("{{ messages[1] | tojson }}"), r#"{"role": "user", "content": "Hi <b> & \"é\"\n"}"#);
    assert_eq!(render("{{ [1, {'a': [], 'b': none}] | tojson }}"), r#"[1, {"a": [], "b": null}]"#);
    assert_eq!(render("{{ {'a': [1]} | tojson(indent=2) }}"), "{\n  \"a\": [\n    1\n  ]\n}");
}

#[test]
fn blocks_leave_no_blank_lines() {
    assert_eq!(render("{% if true %}\n  {% if true %}\nx\n  {% endif %}\n{% endif %}\n"), "x\n");
}

#[test]
fn lists_maps_and_floats_are_spelled_as_in_python() {
    assert_eq!(render("{{ [1, 'a', true, none, {'b': 0.5}] }}"), "[1, 'a', True, None, {'b': 0.5}]");
    assert_eq!(render("{{ 1e16 }} {{ (true | string) ~ (1.0 | string) }}"), "1e+16 True1.0");
    assert_eq!(
        render("{{ true ~ none ~ 1.5 ~ 2 ~ ['a'] }} {{ [true, none, 1.5] | join(' ') }}"),
        "TrueNone1.52['a'] True None 1.5"
    );
    assert_eq!(render("{{ {'a': 1e-7} | tojson }}"), r#"{"a": 1e-07}"#);
}

#[test]
fn json_takes_the_options_of_python() {
    assert_eq!(render("{{ {'b': 1, 'a': 'é🙂'} | tojson(sort_keys=true) }}"), r#"{"a": "é🙂", "b": 1}"#);
    assert_eq!(render("{{ 'é🙂' | tojson(ensure_ascii=true) }}"), r#""\u00e9\ud83d\ude42""#);
    assert_eq!(render("{{ [1, {'a': 2}] | tojson(separators=(',', ':')) }}"), r#"[1,{"a":2}]"#);
    assert_eq!(render("{{ {'a': [], 'b': {}} | tojson(indent=4) }}"), "{\n    \"a\": [],\n    \"b\": {}\n}");
    assert_eq!(render("{{ [1] | tojson(indent=none) }}"), "[1]");
}

#[test]
fn what_python_can_go_through_is_a_sequence() {
    let source = "{% for x in ['a', [1], {'a': 1}, 1, none] %}{{ x is sequence }}{{ x is iterable }} {% endfor %}";
    assert_eq!(render(source), "TrueTrue TrueTrue TrueTrue FalseFalse FalseFalse ");
    let source = "{{ messages is string }}{{ messages[0] is mapping }}{{ messages is iterable }}";
    assert_eq!(render(source), "FalseTrueTrue");
}

#[test]
fn generation_blocks_render_what_is_in_them_in_their_own_scope() {
    let source = "{% set x = 1 %}{%- generation -%} {% set x = 2 %}{{ x }} {%- endgeneration -%} {{ x }}";
    assert_eq!(render(source), "21");
}

fn task(messages: Vec<Message>) -> GptTask {
    GptTask::new("a/b".parse().unwrap(), messages, GenerationConfig::greedy(1))
}

fn call() -> Message {
    let function = CalledFunction { name: "add".to_owned(), arguments: JsonObject::default() };
    Message::calls(vec![ToolCall { id: None, kind: ToolKind::Function, function }])
}

/// What the template passes over of this task.
fn passed_over(source: &str, task: &GptTask) -> Option<String> {
    match template(source).prompt(task) {
        Err(ExecutorError::TemplateIgnores { what }) => Some(what.to_owned()),
        Err(error) => panic!("{error}"),
        Ok(_) => None,
    }
}

#[test]
fn what_a_template_passes_over_is_refused_by_name() {
    let users = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}";
    let roles = "{% for m in messages %}{{ m.role }}{% endfor %}";
    let all = "{{ tools }}{% for m in messages %}{{ m.content }}{{ m.tool_calls }}{% endfor %}";
    let tools = Some(vec![serde_json::from_str(r#"{"type": "function", "function": {"name": "f"}}"#).unwrap()]);
    for (task, what) in [
        (GptTask { tools, ..task(vec![Message::user("a")]) }, "tools"),
        (task(vec![Message::system("b"), Message::user("a")]), "messages of the role system"),
        (task(vec![Message::user("a"), call()]), "tool_calls"),
        (task(vec![Message::user("a"), Message::tool("5")]), "messages of the role tool"),
    ] {
        assert_eq!(passed_over(users, &task).as_deref(), Some(what));
        assert_eq!(passed_over(roles, &task).as_deref(), Some(what));
        assert_eq!(passed_over(all, &task), None);
        let error = template(users).prompt(&task).unwrap_err();
        assert_eq!(error.code(), "XE-033");
        assert!(error.to_string().contains(what));
    }
}

#[test]
fn a_template_that_refuses_a_change_looks_at_it() {
    let strict = "{% for m in messages %}{% if m.content not in ['a', 'b'] %}{{ raise_exception('no') }}{% endif %}\
                  {% endfor %}";
    assert_eq!(passed_over(strict, &task(vec![Message::system("b"), Message::user("a")])), None);
}

#[derive(Deserialize)]
struct Vectors<T> {
    cases: Vec<T>,
}

#[derive(Deserialize)]
struct GoldenConversation {
    messages: Vec<Message>,
    tools: Option<Vec<Tool>>,
}

/// What transformers makes of a conversation, or what is said against it.
#[derive(Deserialize)]
struct Golden {
    template: String,
    conversation: usize,
    time: u64,
    add_generation_prompt: bool,
    text: Option<String>,
    refused: Option<String>,
}

fn vectors<T: serde::de::DeserializeOwned>(file: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/text").join(file);
    let vectors: Vectors<T> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    vectors.cases
}

fn rendered(golden: &Golden, conversations: &[GoldenConversation]) -> Result<String, ExecutorError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/text/templates");
    let source = fs::read_to_string(folder.join(&golden.template)).unwrap();
    let GoldenConversation { messages, tools } = &conversations[golden.conversation];
    template(&source).render(Conversation {
        messages,
        tools: tools.as_deref(),
        add_generation_prompt: golden.add_generation_prompt,
        time: Some(golden.time),
    })
}

#[test]
fn families_render_as_in_transformers() {
    let (conversations, cases) = (vectors("chat_conversations.json"), vectors::<Golden>("chat_templates.json"));
    assert!(cases.iter().map(|case| &case.template).collect::<std::collections::BTreeSet<_>>().len() >= 6);
    for case in cases {
        let (ours, what) = (rendered(&case, &conversations), (&case.template, case.conversation));
        match (ours, case.text, case.refused) {
            (Ok(ours), Some(theirs), None) => assert_eq!(ours, theirs, "{what:?}"),
            (Err(error), None, Some(reason)) => assert!(error.to_string().contains(&reason), "{what:?} {error}"),
            (ours, theirs, reason) => panic!("{what:?} {ours:?} {theirs:?} {reason:?}"),
        }
    }
}
