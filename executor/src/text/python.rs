//! What chat templates expect of Python: its spelling of values, its JSON, its `strftime`.

use std::io;

use jiff::{Timestamp, fmt::strtime, tz::TimeZone};
use minijinja::{
    Error, ErrorKind, Output, State, Value,
    value::{Kwargs, ValueKind},
};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// Writes a value into the text as Python's `str` spells it.
pub(super) fn write_value(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let word = match value.kind() {
        ValueKind::Bool => Some(if value.is_true() { "True" } else { "False" }),
        ValueKind::None => Some("None"),
        _ => None,
    };
    match word {
        Some(word) => Ok(output.write_str(word)?),
        None => minijinja::escape_formatter(output, state, value),
    }
}

/// The filter `tojson` as transformers defines it: `json.dumps(value, ensure_ascii=False, indent=indent)`.
#[expect(clippy::needless_pass_by_value, reason = "the form that minijinja calls")]
pub(super) fn to_json(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<Value, Error> {
    let indent = indent.or(options.get("indent")?);
    options.assert_all_used()?;
    let text = match indent {
        Some(width) => dump(value, PrettyFormatter::with_indent(" ".repeat(width).as_bytes())),
        None => dump(value, PythonFormatter),
    };
    let text = text.map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    Ok(Value::from_safe_string(text))
}

fn dump(value: &Value, formatter: impl Formatter) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Python's separators: a blank after each comma and colon.
struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// The function `raise_exception(message)`: a template refuses a conversation with it.
pub(super) fn raise_exception(message: &str) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message.to_owned()))
}

/// The function `strftime_now(format)` at a fixed time, in seconds since 1970 (UTC).
pub(super) fn strftime_at(seconds: u64) -> Value {
    Value::from_function(move |format: &str| format_time(seconds, format))
}

fn format_time(seconds: u64, format: &str) -> Result<String, Error> {
    let invalid = |error: jiff::Error| Error::new(ErrorKind::InvalidOperation, error.to_string());
    let time = Timestamp::from_second(seconds.cast_signed()).map_err(invalid)?;
    strtime::format(format, &time.to_zoned(TimeZone::UTC)).map_err(invalid)
}
