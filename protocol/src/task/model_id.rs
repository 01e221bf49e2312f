//! Names of models.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TaskError;

/// The form of a model's name; the schema publishes it.
const PATTERN: &str =
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}(@[A-Za-z0-9][A-Za-z0-9._-]{0,95})?$";
const MAX_PART: usize = 96;

/// The name of a model, `org/name` or `org/name@revision`: letters, digits, `.`, `_` and `-`, each part at most
/// 96 characters and beginning with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = PATTERN))]
pub struct ModelId(String);

impl ModelId {
    /// The whole name as the task wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `org/name`, without the revision.
    pub fn repository(&self) -> &str {
        self.0.split_once('@').map_or(&self.0, |(repository, _)| repository)
    }

    /// The revision asked for, if one is named.
    pub fn revision(&self) -> Option<&str> {
        self.0.split_once('@').map(|(_, revision)| revision)
    }
}

impl FromStr for ModelId {
    type Err = TaskError;

    fn from_str(name: &str) -> Result<Self, TaskError> {
        Self::try_from(name.to_owned())
    }
}

impl TryFrom<String> for ModelId {
    type Error = TaskError;

    fn try_from(name: String) -> Result<Self, TaskError> {
        if is_model_id(&name) { Ok(Self(name)) } else { Err(TaskError::ModelId { name }) }
    }
}

impl From<ModelId> for String {
    fn from(id: ModelId) -> Self {
        id.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_model_id(name: &str) -> bool {
    let (repository, revision) = name.split_once('@').map_or((name, None), |(name, revision)| (name, Some(revision)));
    let named = repository.split_once('/').is_some_and(|(org, model)| is_part(org) && is_part(model));
    named && revision.is_none_or(is_part)
}

fn is_part(part: &str) -> bool {
    let bytes = part.as_bytes();
    bytes.len() <= MAX_PART
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_names_are_refused() {
        let long = format!("a/{}", "b".repeat(97));
        for name in [
            "", "a", "/", "a/", "/b", "a/b/c", "a/b@", "a/b@c@d", "../b", "a/..", "a/.b", "a b/c", "é/b", "a/b\n",
            &long,
        ] {
            let error = name.parse::<ModelId>().unwrap_err();
            assert_eq!(error.code(), "XP-106", "{name:?}");
        }
    }

    #[test]
    fn parts_of_a_name_are_told_apart() {
        let id: ModelId = "Qwen/Qwen2.5-0.5B_x@v1.0".parse().unwrap();
        assert_eq!((id.repository(), id.revision()), ("Qwen/Qwen2.5-0.5B_x", Some("v1.0")));
        let id: ModelId = "xenon/sum-chat-1m".parse().unwrap();
        assert_eq!((id.repository(), id.revision()), ("xenon/sum-chat-1m", None));
    }
}
