//! How Python spells values: `str` and `repr`.

use minijinja::{Value, value::ValueKind};

/// What Python's `str` makes of a value. Undefined values are empty, as in Jinja2.
pub(super) fn text(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined => String::new(),
        ValueKind::String => value.as_str().unwrap_or_default().to_owned(),
        _ => spelled(value),
    }
}

/// What Python's `repr` makes of a value.
fn spelled(value: &Value) -> String {
    match value.kind() {
        ValueKind::Bool => if value.is_true() { "True" } else { "False" }.to_owned(),
        ValueKind::None => "None".to_owned(),
        ValueKind::String => quoted(value.as_str().unwrap_or_default()),
        ValueKind::Number if !value.is_integer() => {
            f64::try_from(value.clone()).map_or_else(|_| value.to_string(), number)
        }
        ValueKind::Seq => format!("[{}]", items(value, |item| spelled(&item))),
        ValueKind::Map => format!("{{{}}}", items(value, |key| member(value, &key))),
        _ => value.to_string(),
    }
}

fn items(value: &Value, spell: impl FnMut(Value) -> String) -> String {
    let items = value.try_iter().map(|items| items.map(spell).collect::<Vec<_>>());
    items.unwrap_or_default().join(", ")
}

fn member(map: &Value, key: &Value) -> String {
    let value = map.get_item(key).map(|value| spelled(&value)).unwrap_or_default();
    format!("{}: {value}", spelled(key))
}

/// A float by the fewest digits that tell it from its neighbours; with an exponent below 10^-4 and from 10^16.
pub(super) fn number(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "nan"
        } else if number > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.unsigned_abs());
    }
    format!("{number:?}")
}

/// A string between quotes: single ones, unless it has these and no double ones.
fn quoted(string: &str) -> String {
    let quote = if string.contains('\'') && !string.contains('"') { '"' } else { '\'' };
    let mut text = String::from(quote);
    for character in string.chars() {
        match character {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\\' => text.push_str("\\\\"),
            _ if character == quote => text.extend(['\\', quote]),
            _ if is_printable(character) => text.push(character),
            _ => text.push_str(&escaped(character)),
        }
    }
    text.push(quote);
    text
}

fn escaped(character: char) -> String {
    match u32::from(character) {
        code @ ..=0xff => format!("\\x{code:02x}"),
        code @ ..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

/// Python's `str.isprintable` for one character, but for characters that Unicode has not assigned.
fn is_printable(character: char) -> bool {
    let blank = character.is_whitespace() && character != ' ';
    !character.is_control() && !blank && !is_format(character) && !is_private(character)
}

/// Unicode's category Cf.
fn is_format(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'
        | '\u{e0020}'..='\u{e007f}')
}

/// Unicode's category Co.
fn is_private(character: char) -> bool {
    matches!(character, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_spelled_as_in_python() {
        for (value, spelling) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5e-7, "-2.5e-07"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(number(value), spelling);
        }
    }

    #[test]
    fn strings_within_lists_are_quoted_as_in_python() {
        for (string, spelling) in [
            ("it's", "\"it's\""),
            ("\"it's\"", "'\"it\\'s\"'"),
            ("a\\b\n\t\r", "'a\\\\b\\n\\t\\r'"),
            ("\0é\u{a0}\u{200b}\u{1f642}", "'\\x00é\\xa0\\u200b🙂'"),
        ] {
            assert_eq!(quoted(string), spelling);
        }
    }
}
