//! Fetches one file, over as many attempts as it takes, without fetching a byte twice if the server can go on from
//! where the line broke.
//!
//! The length and the hash are known beforehand, so the server need not be believed: whatever it sends, the file is
//! the right one at the end, or the attempt is an error.

use std::{
    io,
    path::{Path, PathBuf},
};

use futures::StreamExt as _;
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, RANGE},
};
use tokio::{
    fs::{self, File, OpenOptions},
    io::AsyncWriteExt as _,
    task::spawn_blocking,
};

use super::{
    FetchEvent, PlannedFile, Report,
    http::{Failure, Http, Patience, causes, is_encoded, sent},
};
use crate::model::StoreError;

/// A file that is partly there. It is named for what it is to become, so that no other content is ever appended.
pub(super) struct Partial<'a> {
    file: &'a PlannedFile,
    data: PathBuf,
    etag: PathBuf,
}

impl<'a> Partial<'a> {
    /// The partial file of a planned one in a folder that exists.
    pub(super) fn new(folder: &Path, file: &'a PlannedFile) -> Self {
        let name = file.hash.hex();
        Self { file, data: folder.join(format!("{name}.part")), etag: folder.join(format!("{name}.etag")) }
    }

    /// Bytes that need not be fetched any more.
    pub(super) async fn length(&self) -> u64 {
        fs::symlink_metadata(&self.data).await.map_or(0, |data| data.len())
    }

    /// Brings the rest and checks the whole.
    pub(super) async fn complete(&self, http: &Http, report: Report<'_>) -> Result<(), StoreError> {
        let resumed = self.length().await > 0;
        match self.bring(http, report).await {
            // The beginning may be left over from something else, for example from a crash of the machine.
            Err(StoreError::WrongContent { .. }) if resumed => self.bring(http, report).await,
            outcome => outcome,
        }
    }

    async fn bring(&self, http: &Http, report: Report<'_>) -> Result<(), StoreError> {
        let mut patience = Patience::new(http.policy);
        let mut most = self.length().await;
        loop {
            let failure = match self.attempt(http, report).await {
                Ok(()) => break,
                Err(failure) => failure,
            };
            let have = self.length().await;
            if have >= most.saturating_add(http.policy.progress) {
                most = have;
                patience.renew();
            }
            let (pause, error) = patience.next(failure)?;
            report(FetchEvent::Pausing { file: &self.file.path, error: &error });
            tracing::info!(%error, ?pause, "asking again");
            tokio::time::sleep(pause).await;
        }
        self.check(report).await
    }

    /// One request. Whatever arrives is on disk when it returns.
    async fn attempt(&self, http: &Http, report: Report<'_>) -> Result<(), Failure> {
        let have = self.length().await;
        if have > self.file.size {
            self.discard(report).await?;
            return Err(Failure::passing(self.invalid("more had been kept of it than it has")));
        }
        if have == self.file.size && have > 0 {
            return Ok(());
        }
        let answer = match self.request(http, have).await {
            Err(Failure { error: StoreError::ServerFailed { status: 416, .. }, .. }) => {
                self.discard(report).await?;
                return Err(Failure::passing(self.invalid("it does not go on from where it broke off")));
            }
            answer => answer?,
        };
        let start = match self.start(&answer, have).await {
            Ok(start) => start,
            Err(Mismatch::Length(found)) => return Err(self.wrong_length(found).into()),
            Err(Mismatch::Answer(reason)) => {
                self.discard(report).await?;
                return Err(Failure::passing(self.invalid(reason)));
            }
        };
        if start < have {
            report(FetchEvent::Restarted { file: &self.file.path, lost: have });
        }
        if start == 0 {
            self.remember_etag(answer.headers()).await?;
        }
        self.receive(answer, start, report).await
    }

    async fn request(&self, http: &Http, have: u64) -> Result<Response, Failure> {
        let url = &self.file.url;
        let mut request = http.get(url);
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
            if let Some(etag) = self.known_etag().await {
                request = request.header(IF_RANGE, etag);
            }
        }
        sent(url, request).await
    }

    /// Where in the file the answer begins, if it is an answer to what was asked.
    async fn start(&self, answer: &Response, have: u64) -> Result<u64, Mismatch> {
        let headers = answer.headers();
        if is_encoded(headers) {
            return Err(Mismatch::Answer("it is compressed, which was not asked for"));
        }
        let start =
            if answer.status() == StatusCode::PARTIAL_CONTENT { self.range_start(headers, have).await? } else { 0 };
        match answer.content_length() {
            Some(length) if length != self.file.size - start => Err(Mismatch::Length(start.saturating_add(length))),
            _ => Ok(start),
        }
    }

    async fn range_start(&self, headers: &HeaderMap, have: u64) -> Result<u64, Mismatch> {
        let (first, total) = content_range(headers).ok_or(Mismatch::Answer("its Content-Range makes no sense"))?;
        if first != have || have == 0 {
            return Err(Mismatch::Answer("it begins at another byte than was asked for"));
        }
        if let Some(total) = total.filter(|total| *total != self.file.size) {
            return Err(Mismatch::Length(total));
        }
        match (self.known_etag().await, strong_etag(headers)) {
            (Some(before), Some(now)) if before != now => Err(Mismatch::Answer("it has changed in the meantime")),
            _ => Ok(first),
        }
    }

    /// Appends what comes, up to the length of the file and not a byte more.
    async fn receive(&self, answer: Response, start: u64, report: Report<'_>) -> Result<(), Failure> {
        let mut data = self.open(start).await.map_err(|error| self.disk(&error))?;
        let received = self.copy(answer, start, &mut data, report).await;
        // What has arrived must be on disk before the next request says from where to go on.
        data.flush().await.map_err(|error| self.disk(&error))?;
        drop(data);
        if let Err(Failure { error: StoreError::WrongLength { .. }, .. }) = received {
            self.discard(report).await?;
        }
        received
    }

    async fn copy(&self, answer: Response, start: u64, data: &mut File, report: Report<'_>) -> Result<(), Failure> {
        let mut have = start;
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| self.interrupted(have, causes(&error)))?;
            let after = have + chunk.len() as u64;
            if after > self.file.size {
                return Err(self.wrong_length(after).into());
            }
            data.write_all(&chunk).await.map_err(|error| self.disk(&error))?;
            have = after;
            report(FetchEvent::Received { file: &self.file.path, bytes: chunk.len() as u64 });
        }
        if have < self.file.size {
            return Err(self.interrupted(have, String::from("it ended early")));
        }
        Ok(())
    }

    async fn open(&self, start: u64) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true);
        if start == 0 {
            // A new file, never through a link that somebody left here.
            let removed = fs::remove_file(&self.data).await;
            removed.or_else(absent_is_fine)?;
            options.write(true).create_new(true);
        } else {
            options.append(true);
        }
        options.open(&self.data).await
    }

    async fn check(&self, report: Report<'_>) -> Result<(), StoreError> {
        report(FetchEvent::Verifying { file: &self.file.path });
        let (path, hash) = (self.data.clone(), self.file.hash.clone());
        let hashed = spawn_blocking(move || hash.of_file(&path)).await.map_err(io::Error::other).and_then(|hash| hash);
        let found = hashed.map_err(|error| self.disk(&error))?;
        if found == self.file.hash.hex() {
            return Ok(());
        }
        self.discard(report).await?;
        Err(StoreError::WrongContent {
            url: self.file.url.to_string(),
            algorithm: self.file.hash.algorithm(),
            expected: self.file.hash.hex().to_owned(),
            found,
        })
    }

    async fn discard(&self, report: Report<'_>) -> Result<(), StoreError> {
        let lost = self.length().await;
        for path in [&self.data, &self.etag] {
            fs::remove_file(path).await.or_else(absent_is_fine).map_err(|error| StoreError::disk(path, &error))?;
        }
        report(FetchEvent::Restarted { file: &self.file.path, lost });
        Ok(())
    }

    async fn known_etag(&self) -> Option<String> {
        fs::read_to_string(&self.etag).await.ok().filter(|etag| !etag.is_empty())
    }

    async fn remember_etag(&self, headers: &HeaderMap) -> Result<(), StoreError> {
        let etag = strong_etag(headers).unwrap_or_default();
        fs::write(&self.etag, etag).await.map_err(|error| StoreError::disk(&self.etag, &error))
    }

    fn interrupted(&self, have: u64, reason: String) -> Failure {
        let url = self.file.url.to_string();
        Failure::passing(StoreError::Interrupted { url, have, size: self.file.size, reason })
    }

    fn wrong_length(&self, found: u64) -> StoreError {
        StoreError::WrongLength { url: self.file.url.to_string(), expected: self.file.size, found }
    }

    fn invalid(&self, reason: &str) -> StoreError {
        StoreError::AnswerInvalid { url: self.file.url.to_string(), reason: reason.to_owned() }
    }

    fn disk(&self, error: &io::Error) -> StoreError {
        StoreError::disk(&self.data, error)
    }
}

/// How an answer does not fit what was asked.
enum Mismatch {
    /// The file has another length: bytes of it.
    Length(u64),
    /// It cannot be appended to what is there.
    Answer(&'static str),
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// An entity tag that stands for the very bytes; weak ones may not be used to go on (RFC 9110, 13.1.5).
fn strong_etag(headers: &HeaderMap) -> Option<String> {
    let etag = headers.get(ETAG)?.to_str().ok()?;
    etag.starts_with('"').then(|| etag.to_owned())
}

/// First byte and, unless it is `*`, the whole length of `Content-Range: bytes first-last/length` (RFC 9110, 14.4).
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (bytes, total) = range.split_once('/')?;
    let (first, last) = bytes.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total = if total == "*" { None } else { Some(total.trim().parse().ok()?) };
    (first <= last && total.is_none_or(|total| last < total)).then_some((first, total))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn a_content_range_that_makes_no_sense_is_none() {
        let range = |value: &str| {
            content_range(&HeaderMap::from_iter([(CONTENT_RANGE, HeaderValue::from_str(value).unwrap())]))
        };
        for value in
            ["", "bytes", "bytes 5-4/9", "bytes 0-9/9", "bytes */9", "bytes 1-/9", "items 0-1/2", "bytes -1-2/3"]
        {
            assert_eq!(range(value), None, "{value}");
        }
        assert_eq!(range("bytes 4-8/9"), Some((4, Some(9))));
        assert_eq!(range("bytes 4-8/*"), Some((4, None)));
    }

    #[test]
    fn a_weak_tag_does_not_stand_for_the_bytes() {
        let etag = |value: &str| strong_etag(&HeaderMap::from_iter([(ETAG, HeaderValue::from_str(value).unwrap())]));
        assert_eq!(etag(r#"W/"x""#), None);
        assert_eq!(etag("x"), None);
        assert_eq!(etag(r#""x""#).unwrap(), r#""x""#);
    }
}
