//! What chat templates expect of Python and Jinja2: the spelling of values, JSON, `strftime`, and what a sequence is.

mod json;
mod spelling;

use jiff::{Timestamp, fmt::strtime, tz::TimeZone};
use minijinja::{
    Environment, Error, ErrorKind, Output, State, Value,
    value::{Kwargs, ValueKind},
};

/// Gives an environment the filters, tests and functions that transformers' has and this one has not, or not alike.
pub(super) fn extend(environment: &mut Environment<'static>) {
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_formatter(write_value);
    environment.add_filter("tojson", to_json);
    environment.add_filter("string", |value: &Value| spelling::text(value));
    environment.add_filter("indent", indent);
    environment.add_test("sequence", has_length);
    environment.add_test("iterable", has_length);
    environment.add_function("raise_exception", raise_exception);
}

/// Writes a value into the text as Python's `str` spells it.
fn write_value(output: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    Ok(output.write_str(&spelling::text(value))?)
}

/// The filter `tojson` as transformers defines it: `json.dumps` with `ensure_ascii` off unless asked for.
#[expect(clippy::needless_pass_by_value, reason = "the form that minijinja calls")]
fn to_json(value: &Value, ensure_ascii: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    let ensure_ascii = ensure_ascii.or(options.get("ensure_ascii")?).is_some_and(|ascii| ascii.is_true());
    let indent = options.get::<Option<Value>>("indent")?.filter(|indent| !indent.is_none());
    let sort_keys = options.get::<Option<Value>>("sort_keys")?.is_some_and(|sort| sort.is_true());
    let separators = options.get::<Option<Vec<String>>>("separators")?;
    options.assert_all_used()?;
    let indent = indent.map(usize::try_from).transpose()?;
    let style = json::Style::new(ensure_ascii, indent, separators, sort_keys)?;
    Ok(Value::from_safe_string(style.dump(value)?))
}

/// The filter `indent` of Jinja2, which keeps a newline at the end. `width` is a number of blanks or a text.
#[expect(clippy::needless_pass_by_value, reason = "the form that minijinja calls")]
fn indent(
    text: &str,
    width: Option<Value>,
    first: Option<bool>,
    blank: Option<bool>,
    options: Kwargs,
) -> Result<String, Error> {
    let width = width.or(options.get("width")?).unwrap_or_else(|| Value::from(4));
    let first = first.or(options.get("first")?).unwrap_or(false);
    let blank = blank.or(options.get("blank")?).unwrap_or(false);
    options.assert_all_used()?;
    let margin = match width.as_str() {
        Some(margin) => margin.to_owned(),
        None => " ".repeat(usize::try_from(width)?),
    };
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let indented = lines.enumerate().map(|(number, line)| match number {
        0 if !first => line.to_owned(),
        _ if line.is_empty() && !blank && number > 0 => String::new(),
        _ => format!("{margin}{line}"),
    });
    Ok(indented.collect::<Vec<_>>().join("\n"))
}

/// Python's strings and maps have a length and can be gone through, as lists can.
fn has_length(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Iterable)
}

/// The function `raise_exception(message)`: a template refuses a conversation with it.
fn raise_exception(message: &str) -> Result<Value, Error> {
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
