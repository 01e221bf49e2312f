//! Reading what an untrusted relay sends.

use std::{error::Error, fmt::Write as _, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{Response, StatusCode, header::RETRY_AFTER};

use super::{ErrorBody, RelayError};

/// Most bytes of an error answer that are read.
const MAX_ERROR_BYTES: u64 = 4096;

/// Most characters of a relay's message that are shown.
const MAX_SHOWN: usize = 300;

/// Reads the whole body, giving up as soon as it has, or declares, more than `max_bytes`.
pub(super) async fn bounded(url: &str, mut response: Response, max_bytes: u64) -> Result<Bytes, RelayError> {
    let too_large = || RelayError::TooLarge { url: url.to_owned(), max_bytes };
    if response.content_length().is_some_and(|declared| declared > max_bytes) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(url, error))? {
        if (body.len() + chunk.len()) as u64 > max_bytes {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The error that an answer without success stands for.
pub(super) async fn failure(url: &str, response: Response) -> RelayError {
    let status = response.status();
    let retry_after = retry_after(&response);
    let message = match bounded(url, response, MAX_ERROR_BYTES).await {
        Ok(body) => message(status, &body),
        Err(_) => reason(status).to_owned(),
    };
    let (url, code) = (url.to_owned(), status.as_u16());
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return RelayError::Unavailable { url, status: code, message, retry_after };
    }
    RelayError::Refused { url, status: code, message }
}

/// A connection that failed, with every cause that the HTTP library gives (the first alone says nothing useful).
pub(super) fn unreachable(url: &str, error: reqwest::Error) -> RelayError {
    RelayError::Unreachable { url: url.to_owned(), reason: causes(&error.without_url()) }
}

/// The text of an error and of all that caused it.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn message(status: StatusCode, body: &[u8]) -> String {
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(error) => presentable(&format!("{}: {}", error.code, error.message)),
        Err(_) => reason(status).to_owned(),
    }
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("no reason given")
}

/// A stranger's text, short and without characters that could steer a terminal.
fn presentable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_of_a_relay_cannot_steer_the_terminal() {
        assert_eq!(presentable("XG-1: \u{1b}[2Jgone\r\n"), "XG-1: [2Jgone");
    }

    #[test]
    fn message_of_a_relay_is_shortened() {
        assert_eq!(presentable(&"é".repeat(MAX_SHOWN + 1)).chars().count(), MAX_SHOWN);
    }

    #[test]
    fn answer_that_is_not_typed_shows_the_reason_of_its_status() {
        assert_eq!(message(StatusCode::BAD_GATEWAY, b"<html>"), "Bad Gateway");
    }
}
