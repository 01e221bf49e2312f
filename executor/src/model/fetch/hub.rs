//! What a hub, or any web server with a manifest, has to offer.

use std::collections::BTreeSet;

use serde::Deserialize;
use url::Url;
use xenon_protocol::task::ModelId;

use super::{FileHash, FilePath, PlannedFile, http::Http};
use crate::model::{MANIFEST, Manifest, StoreError};

/// Most pages of a listing; a hub gives a thousand files a page.
const MAX_PAGES: usize = 100;
/// The revision that a hub calls its main one.
const MAIN: &str = "main";

/// What a source offers.
pub(super) struct Offered {
    /// The name that it gives the model.
    pub(super) model: ModelId,
    /// Where exactly the model comes from.
    pub(super) source: String,
    /// All its files.
    pub(super) files: Vec<PlannedFile>,
    /// Graphs with which rows may share passes, as far as the source says.
    pub(super) shares_passes: BTreeSet<String>,
}

/// A revision as the hub resolved it.
#[derive(Deserialize)]
struct Revision {
    sha: String,
}

/// An entry of a listing.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Entry {
    File {
        path: String,
        size: u64,
        oid: String,
        lfs: Option<LargeFile>,
    },
    #[serde(other)]
    Other,
}

/// What a hub says of a file that it keeps outside git.
#[derive(Deserialize)]
struct LargeFile {
    /// SHA-256.
    oid: String,
    size: u64,
}

/// The commit that a revision names.
pub(super) async fn commit(
    http: &Http,
    endpoint: &Url,
    repository: &ModelId,
    revision: Option<&str>,
) -> Result<String, StoreError> {
    let revision = revision.unwrap_or(MAIN);
    let url = address(endpoint, &["api", "models"], repository, &["revision", revision])?;
    let (answer, _): (Revision, _) = http.json(&url).await?;
    let invalid = |reason: &str| StoreError::AnswerInvalid { url: url.to_string(), reason: reason.to_owned() };
    if !FileHash::GitBlob(answer.sha.clone()).is_well_formed() {
        return Err(invalid("it names no commit"));
    }
    if is_commit(revision) && revision != answer.sha {
        return Err(invalid("it names another commit than was asked for"));
    }
    Ok(answer.sha)
}

/// Whether a revision can only ever mean one content.
pub(super) fn is_commit(revision: &str) -> bool {
    FileHash::GitBlob(revision.to_owned()).is_well_formed()
}

/// All files of a commit.
pub(super) async fn files(
    http: &Http,
    endpoint: &Url,
    repository: &ModelId,
    commit: &str,
) -> Result<Vec<PlannedFile>, StoreError> {
    let first = address(endpoint, &["api", "models"], repository, &["tree", commit])?;
    let mut page = first.clone();
    page.set_query(Some("recursive=true"));
    let mut files = Vec::new();
    for _ in 0..MAX_PAGES {
        let (entries, next): (Vec<Entry>, _) = http.json(&page).await?;
        for entry in entries {
            files.extend(planned(endpoint, repository, commit, entry, &page)?);
        }
        match next {
            Some(next) => page = next,
            None => return Ok(files),
        }
    }
    Err(StoreError::AnswerInvalid { url: first.to_string(), reason: String::from("the listing does not end") })
}

fn planned(
    endpoint: &Url,
    repository: &ModelId,
    commit: &str,
    entry: Entry,
    page: &Url,
) -> Result<Option<PlannedFile>, StoreError> {
    let Entry::File { path, size, oid, lfs } = entry else { return Ok(None) };
    let path = FilePath::try_from(path)?;
    let (size, hash) = match lfs {
        Some(large) => (large.size, FileHash::Sha256(large.oid)),
        None => (size, FileHash::GitBlob(oid)),
    };
    if !hash.is_well_formed() {
        let reason = format!("the hash of {path} is none");
        return Err(StoreError::AnswerInvalid { url: page.to_string(), reason });
    }
    let url = file_address(endpoint, repository, commit, &path)?;
    Ok(Some(PlannedFile { path, url, size, hash }))
}

/// The address of a file of a commit.
pub(super) fn file_address(
    endpoint: &Url,
    repository: &ModelId,
    commit: &str,
    path: &FilePath,
) -> Result<Url, StoreError> {
    let mut parts = vec!["resolve", commit];
    parts.extend(path.as_str().split('/'));
    address(endpoint, &[], repository, &parts)
}

fn address(endpoint: &Url, before: &[&str], repository: &ModelId, after: &[&str]) -> Result<Url, StoreError> {
    let parts = before.iter().copied().chain(repository.as_str().split('/')).chain(after.iter().copied());
    extend(endpoint, parts)
}

/// The address of a file below a folder's.
pub(super) fn extend<'a>(folder: &Url, parts: impl IntoIterator<Item = &'a str>) -> Result<Url, StoreError> {
    let mut url = folder.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(parts);
    } else {
        let reason = "it cannot have a path; give an http:// or https:// address";
        return Err(StoreError::AddressRefused { url: folder.to_string(), reason });
    }
    Ok(url)
}

/// The manifest in a folder of a web server, and the files that it lists.
pub(super) async fn manifest(http: &Http, folder: &Url) -> Result<Offered, StoreError> {
    let url = extend(folder, [MANIFEST])?;
    let (manifest, _): (Manifest, _) = http.json(&url).await?;
    let invalid = |reason: String| StoreError::AnswerInvalid { url: url.to_string(), reason };
    if manifest.model.revision().is_none() {
        return Err(invalid(String::from("the model has no revision")));
    }
    let file = |(path, record): (String, crate::model::FileRecord)| {
        let path = FilePath::try_from(path)?;
        let hash = FileHash::Sha256(record.sha256);
        if !hash.is_well_formed() {
            return Err(invalid(format!("the hash of {path} is none")));
        }
        let url = extend(folder, path.as_str().split('/'))?;
        Ok(PlannedFile { path, url, size: record.size, hash })
    };
    let files = manifest.files.into_iter().map(file).collect::<Result<_, StoreError>>()?;
    let source = folder.to_string();
    Ok(Offered { model: manifest.model, source, files, shares_passes: manifest.shares_passes })
}
