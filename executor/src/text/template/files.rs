//! Where a model folder keeps its chat templates and the special tokens that these name.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    error::ExecutorError,
    model::{ModelFolder, read_json},
};

/// The chat templates of a model folder.
#[derive(Debug)]
pub(super) struct TemplateFiles {
    /// The file that they are in.
    pub(super) path: PathBuf,
    /// The template for every conversation.
    pub(super) default: String,
    /// The template for conversations with tools, if they have one of their own.
    pub(super) tool_use: Option<String>,
    /// The special tokens by the names that templates use.
    pub(super) special_tokens: BTreeMap<&'static str, String>,
}

/// The parts of `tokenizer_config.json` that templates need.
#[derive(Default, Deserialize)]
struct TokenizerConfig {
    chat_template: Option<TemplateField>,
    bos_token: Option<SpecialToken>,
    eos_token: Option<SpecialToken>,
    unk_token: Option<SpecialToken>,
    sep_token: Option<SpecialToken>,
    pad_token: Option<SpecialToken>,
    cls_token: Option<SpecialToken>,
    mask_token: Option<SpecialToken>,
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

impl TemplateFiles {
    /// Reads `chat_template.jinja`, or `chat_template` of `tokenizer_config.json`.
    pub(super) fn read(folder: &ModelFolder) -> Result<Self, ExecutorError> {
        let config = folder.tokenizer_config().map(|path| read_json::<TokenizerConfig>(&path)).transpose()?;
        let mut config = config.unwrap_or_default();
        let field = config.chat_template.take();
        let special_tokens = config.special_tokens();
        if let Some(path) = folder.template() {
            let default = fs::read_to_string(&path).map_err(|error| ExecutorError::invalid(&path, &error))?;
            return Ok(Self { path, default, tool_use: None, special_tokens });
        }
        let (default, tool_use) = field.map(TemplateField::into_templates).unwrap_or_default();
        let default = default.ok_or_else(|| missing(folder.path()))?;
        Ok(Self { path: folder.path().join("tokenizer_config.json"), default, tool_use, special_tokens })
    }
}

fn missing(folder: &Path) -> ExecutorError {
    let file = "chat template (chat_template.jinja, or chat_template in tokenizer_config.json)".to_owned();
    ExecutorError::FileMissing { folder: folder.to_owned(), file }
}

impl TemplateField {
    /// The template for every conversation, and the one for tools: those named `default` and `tool_use`, if there are
    /// several.
    fn into_templates(self) -> (Option<String>, Option<String>) {
        match self {
            Self::One(template) => (Some(template), None),
            Self::Several(all) => {
                let mut named: BTreeMap<_, _> = all.into_iter().map(|one| (one.name, one.template)).collect();
                (named.remove("default"), named.remove("tool_use"))
            }
        }
    }
}

impl TokenizerConfig {
    fn special_tokens(self) -> BTreeMap<&'static str, String> {
        let tokens = [
            ("bos_token", self.bos_token),
            ("eos_token", self.eos_token),
            ("unk_token", self.unk_token),
            ("sep_token", self.sep_token),
            ("pad_token", self.pad_token),
            ("cls_token", self.cls_token),
            ("mask_token", self.mask_token),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tokenizer_config: &str) -> Result<TemplateFiles, ExecutorError> {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [("config.json", "{}"), ("tokenizer.json", ""), ("model.onnx", "")] {
            fs::write(root.path().join(file), text).unwrap();
        }
        fs::write(root.path().join("tokenizer_config.json"), tokenizer_config).unwrap();
        TemplateFiles::read(&ModelFolder::open(root.path()).unwrap())
    }

    #[test]
    fn a_folder_without_a_default_template_is_refused() {
        for config in ["{}", r#"{"chat_template": [{"name": "tool_use", "template": "t"}]}"#] {
            assert_eq!(read(config).unwrap_err().code(), "XE-024");
        }
        assert_eq!(read(r#"{"chat_template": 1}"#).unwrap_err().code(), "XE-025");
    }

    #[test]
    fn templates_come_alone_or_by_name() {
        let alone = read(r#"{"chat_template": "a"}"#).unwrap();
        assert_eq!((alone.default.as_str(), alone.tool_use), ("a", None));
        let named =
            r#"{"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}"#;
        let named = read(named).unwrap();
        assert_eq!((named.default.as_str(), named.tool_use.as_deref()), ("d", Some("t")));
    }

    #[test]
    fn special_tokens_come_in_two_forms() {
        let config =
            r#"{"chat_template": "a", "bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": null}"#;
        let expected = [("bos_token", "<s>".to_owned()), ("eos_token", "</s>".to_owned())];
        assert_eq!(read(config).unwrap().special_tokens, expected.into());
    }
}
