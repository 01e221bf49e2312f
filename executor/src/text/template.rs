//! Chat templates: from messages to the text that the model was trained on.
//!
//! Templates are written for transformers, that is for Jinja2 in Python with a few functions; the environment here
//! gives them the same: `trim_blocks`, `lstrip_blocks`, loop controls, methods of Python's strings and maps,
//! `raise_exception`, `tojson` as `json.dumps` spells it. There is no clock: `strftime_now` exists only when the task
//! carries a time, so that every node renders the same text.

use std::{collections::BTreeMap, fs, path::Path};

use minijinja::{Environment, Value, context, syntax::SyntaxConfig, value::Serde};
use serde::Deserialize;
use xenon_protocol::task::Message;

use super::python;
use crate::{
    error::ExecutorError,
    model::{ModelFolder, read_json},
};

const NAME: &str = "chat_template";

/// A model's chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    special_tokens: BTreeMap<&'static str, String>,
}

/// The parts of `tokenizer_config.json` that templates need.
#[derive(Default, Deserialize)]
struct TokenizerConfig {
    chat_template: Option<TemplateField>,
    bos_token: Option<SpecialToken>,
    eos_token: Option<SpecialToken>,
    unk_token: Option<SpecialToken>,
    pad_token: Option<SpecialToken>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TemplateField {
    One(String),
    Several(Vec<NamedTemplate>),
}

#[derive(Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SpecialToken {
    Text(String),
    Added { content: String },
}

impl ChatTemplate {
    /// Reads the template of a model folder: `chat_template.jinja`, or `chat_template` in `tokenizer_config.json`.
    pub fn read(folder: &ModelFolder) -> Result<Self, ExecutorError> {
        let config = folder.tokenizer_config().map(|path| read_json::<TokenizerConfig>(&path)).transpose()?;
        let mut config = config.unwrap_or_default();
        let (path, source) = match (folder.template(), config.chat_template.take().and_then(TemplateField::default)) {
            (Some(path), _) => {
                let source = fs::read_to_string(&path).map_err(|error| ExecutorError::invalid(&path, &error))?;
                (path, source)
            }
            (None, Some(source)) => (folder.path().join("tokenizer_config.json"), source),
            (None, None) => {
                let file = "chat template (chat_template.jinja, or chat_template in tokenizer_config.json)".to_owned();
                return Err(ExecutorError::FileMissing { folder: folder.path().to_owned(), file });
            }
        };
        Self::compile(source, config.special_tokens(), &path)
    }

    fn compile(
        source: String,
        special_tokens: BTreeMap<&'static str, String>,
        path: &Path,
    ) -> Result<Self, ExecutorError> {
        let mut environment = environment().map_err(|error| ExecutorError::invalid(path, &error))?;
        environment.add_template_owned(NAME, source).map_err(|error| ExecutorError::invalid(path, &error))?;
        Ok(Self { environment, special_tokens })
    }

    /// The conversation as text. `add_generation_prompt` opens the assistant's answer; `time` is what `strftime_now`
    /// sees, in seconds since 1970 (UTC).
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        time: Option<u64>,
    ) -> Result<String, ExecutorError> {
        let clock = time.map_or(Value::UNDEFINED, python::strftime_at);
        let special_tokens = Value::from(Serde(&self.special_tokens));
        let messages = Value::from(Serde(messages));
        let context = context! { messages, add_generation_prompt, strftime_now => clock, ..special_tokens };
        let template = self.environment.get_template(NAME);
        template
            .and_then(|template| template.render(context))
            .map_err(|error| ExecutorError::ConversationRefused { reason: error.to_string() })
    }
}

impl TemplateField {
    /// The only template, or the one named `default`.
    fn default(self) -> Option<String> {
        match self {
            Self::One(template) => Some(template),
            Self::Several(all) => all.into_iter().find(|named| named.name == "default").map(|named| named.template),
        }
    }
}

impl TokenizerConfig {
    fn special_tokens(self) -> BTreeMap<&'static str, String> {
        let tokens = [
            ("bos_token", self.bos_token),
            ("eos_token", self.eos_token),
            ("unk_token", self.unk_token),
            ("pad_token", self.pad_token),
        ];
        tokens.into_iter().filter_map(|(name, token)| Some((name, token?.text()))).collect()
    }
}

impl SpecialToken {
    fn text(self) -> String {
        match self {
            Self::Text(text) | Self::Added { content: text } => text,
        }
    }
}

/// Jinja2 as transformers sets it up.
fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_formatter(python::write_value);
    environment.add_filter("tojson", python::to_json);
    environment.add_function("raise_exception", python::raise_exception);
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use xenon_protocol::task::Role;

    use super::*;

    fn template(source: &str) -> ChatTemplate {
        let tokens = [("bos_token", "<s>".to_owned()), ("eos_token", "</s>".to_owned())];
        ChatTemplate::compile(source.to_owned(), tokens.into(), Path::new("chat_template.jinja")).unwrap()
    }

    fn render(source: &str) -> String {
        let system = Message { role: Role::System, content: "  Be brief. ".to_owned() };
        template(source).render(&[system, Message::user("Hi <b> & \"é\"\n")], true, None).unwrap()
    }

    #[test]
    fn a_template_with_an_error_names_the_file() {
        let error = ChatTemplate::compile("{% for %}".to_owned(), BTreeMap::new(), Path::new("t.jinja")).unwrap_err();
        assert_eq!(error.code(), "XE-025");
        assert!(error.to_string().contains("t.jinja"));
    }

    #[test]
    fn a_template_can_refuse_a_conversation() {
        let source = "{{ raise_exception('Conversation roles must alternate') }}";
        let error = template(source).render(&[], true, None).unwrap_err();
        assert_eq!(error.code(), "XE-030");
        assert!(error.to_string().contains("Conversation roles must alternate"));
    }

    #[test]
    fn templates_see_no_clock_unless_the_task_has_one() {
        let source = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% else %}26 Jul 2024{% endif %}";
        let template = template(source);
        assert_eq!(template.render(&[], true, None).unwrap(), "26 Jul 2024");
        assert_eq!(template.render(&[], true, Some(0)).unwrap(), "01 Jan 1970");
        assert_eq!(template.render(&[], true, Some(32_503_679_999)).unwrap(), "31 Dec 2999");
    }

    #[test]
    fn an_unknown_time_format_refuses_the_conversation() {
        let error = template("{{ strftime_now('%') }}").render(&[], true, Some(0)).unwrap_err();
        assert_eq!(error.code(), "XE-030");
    }

    #[test]
    fn text_is_not_escaped() {
        assert_eq!(render("{{ messages[1].content }}"), "Hi <b> & \"é\"\n");
    }

    #[test]
    fn python_methods_and_slices_work() {
        assert_eq!(
            render("{{ messages[0]['content'].strip() }}|{{ messages[0].content.upper()[2:4] }}"),
            "Be brief.|BE"
        );
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
        assert_eq!(render("{{ bos_token + 'x' ~ eos_token }}{{ tools }}{{ pad_token is defined }}"), "<s>x</s>False");
    }

    #[test]
    fn values_are_spelled_as_in_python() {
        assert_eq!(
            render("{{ true }} {{ none }} {{ 1 }} {{ 1.0 }} {{ 7 // 2 }} {{ 1 == 1.0 }}"),
            "True None 1 1.0 3 True"
        );
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
}
