//! Names of files as a source gives them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::StoreError;

const MAX_PART: usize = 255;
const MAX_PATH: usize = 1024;

/// The path of a file below a model's folder, in the form in which hubs write it: parts separated by `/`. It cannot
/// lead out of the folder, and means the same file on every system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilePath(String);

impl FilePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below a folder, which must itself begin the path.
    pub(super) fn below(&self, folder: &str) -> Option<Self> {
        if folder.is_empty() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(folder)?.strip_prefix('/')?;
        (!rest.is_empty()).then(|| Self(rest.to_owned()))
    }

    /// Whether a part of it begins with a dot.
    pub(super) fn is_hidden(&self) -> bool {
        self.0.split('/').any(|part| part.starts_with('.'))
    }
}

impl TryFrom<String> for FilePath {
    type Error = StoreError;

    fn try_from(path: String) -> Result<Self, StoreError> {
        match defect(&path) {
            None => Ok(Self(path)),
            Some(reason) => Err(StoreError::PathRefused { path, reason }),
        }
    }
}

impl From<FilePath> for String {
    fn from(path: FilePath) -> Self {
        path.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn defect(path: &str) -> Option<&'static str> {
    if path.len() > MAX_PATH {
        return Some("it is too long");
    }
    if path.chars().any(|character| character.is_control() || "\\:*?\"<>|".contains(character)) {
        return Some("it has a character that some system does not allow in a name");
    }
    path.split('/').find_map(part_defect)
}

fn part_defect(part: &str) -> Option<&'static str> {
    match part {
        "" => Some("it is absolute or has an empty part"),
        "." | ".." => Some("it leads out of the folder"),
        _ if part.len() > MAX_PART => Some("a part of it is too long"),
        _ if part.ends_with(['.', ' ']) => Some("a part of it ends with a dot or a blank"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_leave_the_folder_is_refused() {
        let long = "x".repeat(256);
        for path in [
            "",
            "/etc/passwd",
            "..",
            "../x",
            "a/../../x",
            "a/..",
            ".",
            "a//b",
            "a/",
            "a\\..\\b",
            "C:/x",
            "C:x",
            "a\0b",
            "a\nb",
            "x.",
            "x ",
            long.as_str(),
        ] {
            let error = FilePath::try_from(path.to_owned()).unwrap_err();
            assert_eq!(error.code(), "XE-110", "{path:?}");
        }
    }

    #[test]
    fn a_path_below_a_folder_is_cut_at_its_border() {
        let path = FilePath::try_from(String::from("cpu/int4/model.onnx")).unwrap();
        assert_eq!(path.below("cpu/int4").unwrap().as_str(), "model.onnx");
        assert_eq!(path.below("cpu/int"), None);
        assert_eq!(path.below("").unwrap(), path);
    }

    proptest! {
        #[test]
        fn what_is_accepted_stays_below_its_folder(path in "[a-z./\\\\: ~-]{1,24}") {
            let Ok(path) = FilePath::try_from(path) else { return Ok(()) };
            let parts: Vec<_> = Path::new(path.as_str()).components().collect();
            prop_assert!(parts.iter().all(|part| matches!(part, Component::Normal(_))));
            prop_assert_eq!(parts.len(), path.as_str().split('/').count());
        }
    }
}
