//! A child's words: its log, line by line, becomes part of the node's.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read},
    sync::{Arc, Mutex, PoisonError},
};

use serde::Deserialize;
use serde_json::{Map, Value};
use xenon_protocol::task::ModelId;

/// Last lines that are kept, to tell why a child ended.
const KEPT: usize = 32;

/// Most bytes of a line.
const LINE: u64 = 16 << 10;

/// The last lines of a child that are not its log.
#[derive(Clone, Debug, Default)]
pub(super) struct LastWords(Arc<Mutex<VecDeque<String>>>);

impl LastWords {
    /// Whether one of them matches.
    pub(super) fn any(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|line| matches(line))
    }

    /// What is no line of a log comes from a library or is a process's last words. Only that is kept: a log may repeat
    /// what a task says.
    fn hear(&self, line: &str, model: &ModelId) {
        tracing::warn!(target: "child", %model, "{line}");
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }
}

/// A line of a child's log.
#[derive(Deserialize)]
struct Line {
    level: String,
    target: String,
    fields: Map<String, Value>,
}

/// Passes on what a child writes, until it closes the pipe.
pub(super) fn forward(pipe: impl Read, model: &ModelId, last: &LastWords) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    while matches!(pipe.by_ref().take(LINE).read_until(b'\n', &mut line), Ok(1..)) {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        match serde_json::from_str(text) {
            Ok(line) => tell(&line, model),
            Err(_) => last.hear(text, model),
        }
        line.clear();
    }
}

fn tell(Line { level, target, fields }: &Line, model: &ModelId) {
    let words = words(fields);
    match level.as_str() {
        "ERROR" => tracing::error!(target: "child", %model, from = target, "{words}"),
        "WARN" => tracing::warn!(target: "child", %model, from = target, "{words}"),
        "INFO" => tracing::info!(target: "child", %model, from = target, "{words}"),
        _ => tracing::debug!(target: "child", %model, from = target, "{words}"),
    }
}

/// The message, and what else the line says.
fn words(fields: &Map<String, Value>) -> String {
    let message = fields.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
    let others = fields.iter().filter(|(name, _)| *name != "message");
    others.fold(message, |text, (name, value)| text + &format!(" {name}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept_and_none_is_longer_than_the_limit() {
        let last = LastWords::default();
        let lines: Vec<_> = (0..100).map(|number| format!("line {number}")).collect();
        let text = lines.join("\n") + "\n" + &"x".repeat(100_000);
        forward(text.as_bytes(), &"a/b".parse().unwrap(), &last);
        assert!(!last.any(|line| line == "line 50"));
        assert!(last.any(|line| line == "line 99"));
        assert!(!last.any(|line| line.len() as u64 > LINE));
    }

    #[test]
    fn what_a_log_repeats_is_not_taken_for_last_words() {
        let last = LastWords::default();
        let line = r#"{"level":"WARN","target":"x","fields":{"message":"out of memory"}}"#;
        forward(line.as_bytes(), &"a/b".parse().unwrap(), &last);
        assert!(!last.any(|line| line.contains("out of memory")));
    }

    #[test]
    fn a_line_of_a_log_is_told_with_its_fields() {
        let line = r#"{"level":"WARN","target":"x","fields":{"message":"it is late","seconds":3}}"#;
        let line: Line = serde_json::from_str(line).unwrap();
        assert_eq!(words(&line.fields), "it is late seconds=3");
    }
}
