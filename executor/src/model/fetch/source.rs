//! Where a model comes from, as an operator writes it.

use std::{fmt, str::FromStr};

use url::Url;
use xenon_protocol::task::ModelId;

use crate::model::{MANIFEST, StoreError};

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A model of the hub: `org/name` or `org/name@revision`.
    Hub {
        /// `org/name`.
        repository: ModelId,
        /// A branch, a tag or a commit; the hub's main branch without one.
        revision: Option<String>,
    },
    /// A folder on a web server that holds a manifest `xenon.json` and the files that it lists. It ends with `/`.
    Url(Url),
}

impl FromStr for Source {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let parsed = if text.contains("://") { folder_url(text) } else { hub(text) };
        parsed.map_err(|reason| StoreError::SourceInvalid { source_text: text.to_owned(), reason })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub { repository, revision: Some(revision) } => write!(f, "{repository}@{revision}"),
            Self::Hub { repository, revision: None } => write!(f, "{repository}"),
            Self::Url(url) => write!(f, "{url}"),
        }
    }
}

fn hub(text: &str) -> Result<Source, String> {
    let (name, revision) = text.split_once('@').map_or((text, None), |(name, revision)| (name, Some(revision)));
    let repository: ModelId = name.parse().map_err(|_| String::from("the name has not the form org/name"))?;
    if revision.is_some_and(|revision| !is_revision(revision)) {
        return Err(String::from("the revision is no name of a branch, a tag or a commit"));
    }
    Ok(Source::Hub { repository, revision: revision.map(str::to_owned) })
}

/// The names that git allows, without its rarer characters.
fn is_revision(revision: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let part = |part: &str| part.bytes().all(plain) && part.starts_with(|first: char| first.is_ascii_alphanumeric());
    revision.len() <= 255 && !revision.contains("..") && revision.split('/').all(part)
}

fn folder_url(text: &str) -> Result<Source, String> {
    let mut url: Url = text.parse().map_err(|error: url::ParseError| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(String::from("only http:// and https:// are known"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(String::from("it holds a password, which would be shown and stored"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(String::from("it has a part behind ? or #"));
    }
    let folder = url.path().strip_suffix(MANIFEST).filter(|rest| rest.ends_with('/')).unwrap_or(url.path());
    let folder = format!("{}/", folder.trim_end_matches('/'));
    url.set_path(&folder);
    Ok(Source::Url(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_source_is_refused() {
        for text in [
            "",
            "gpt2",
            "a/b/c",
            "a/b@",
            "a/b@../x",
            "a/b@x/",
            "a/b@.x",
            "a/b@x y",
            "../b",
            "ftp://h/x",
            "file:///etc",
            "https://user:word@h/x",
            "https://h/x?token=1",
            "https://h/x#1",
            "https://",
        ] {
            assert_eq!(text.parse::<Source>().unwrap_err().code(), "XE-100", "{text}");
        }
    }

    #[test]
    fn sources_survive_the_round_trip() {
        for text in ["a/b", "a/b@main", "a/b@refs/pr/1", "https://h/x/y/"] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
        for text in ["https://h/x/y", "https://h/x/y/xenon.json"] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), "https://h/x/y/");
        }
    }
}
