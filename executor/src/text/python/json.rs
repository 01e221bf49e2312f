//! JSON as Python's `json.dumps` writes it.

use minijinja::{Error, ErrorKind, Value, value::ValueKind};

use super::spelling;

/// How JSON is written.
pub(super) struct Style {
    ensure_ascii: bool,
    /// Blanks per level; none writes all on one line.
    indent: Option<usize>,
    between: String,
    colon: String,
    sort_keys: bool,
}

impl Style {
    /// Python's defaults for what is left out: a comma at a line's end has no blank after it.
    pub(super) fn new(
        ensure_ascii: bool,
        indent: Option<usize>,
        separators: Option<Vec<String>>,
        sort_keys: bool,
    ) -> Result<Self, Error> {
        let between = if indent.is_some() { "," } else { ", " };
        let separators = separators.unwrap_or_else(|| vec![between.to_owned(), ": ".to_owned()]);
        let Ok([between, colon]) = <[String; 2]>::try_from(separators) else {
            return Err(Error::new(ErrorKind::InvalidOperation, "separators must be two strings"));
        };
        Ok(Self { ensure_ascii, indent, between, colon, sort_keys })
    }

    /// The JSON of a value.
    pub(super) fn dump(&self, value: &Value) -> Result<String, Error> {
        let mut text = String::new();
        self.write(&mut text, value, 0)?;
        Ok(text)
    }

    fn write(&self, text: &mut String, value: &Value, level: usize) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => text.push_str("null"),
            ValueKind::Bool => text.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => text.push_str(&spelling::text(value)),
            ValueKind::String => self.write_string(text, value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => return self.write_list(text, value, level),
            ValueKind::Map => return self.write_map(text, value, level),
            other => return Err(Error::new(ErrorKind::InvalidOperation, format!("{other} is not JSON serializable"))),
        }
        Ok(())
    }

    fn write_list(&self, text: &mut String, list: &Value, level: usize) -> Result<(), Error> {
        text.push('[');
        let mut count = 0;
        for item in list.try_iter()? {
            self.begin_item(text, count, level);
            self.write(text, &item, level + 1)?;
            count += 1;
        }
        self.end(text, count, level, ']');
        Ok(())
    }

    fn write_map(&self, text: &mut String, map: &Value, level: usize) -> Result<(), Error> {
        text.push('{');
        let mut keys: Vec<Value> = map.try_iter()?.collect();
        if self.sort_keys {
            keys.sort_by_cached_key(spelling::text);
        }
        for (count, key) in keys.iter().enumerate() {
            self.begin_item(text, count, level);
            self.write_string(text, &spelling::text(key));
            text.push_str(&self.colon);
            self.write(text, &map.get_item(key)?, level + 1)?;
        }
        self.end(text, keys.len(), level, '}');
        Ok(())
    }

    fn begin_item(&self, text: &mut String, before: usize, level: usize) {
        if before > 0 {
            text.push_str(&self.between);
        }
        self.new_line(text, level + 1);
    }

    fn end(&self, text: &mut String, items: usize, level: usize, bracket: char) {
        if items > 0 {
            self.new_line(text, level);
        }
        text.push(bracket);
    }

    fn new_line(&self, text: &mut String, level: usize) {
        if let Some(width) = self.indent {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', width * level));
        }
    }

    fn write_string(&self, text: &mut String, string: &str) {
        text.push('"');
        for character in string.chars() {
            match character {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\u{8}' => text.push_str("\\b"),
                '\u{c}' => text.push_str("\\f"),
                _ if character < ' ' || (self.ensure_ascii && character > '~') => escape(text, character),
                _ => text.push(character),
            }
        }
        text.push('"');
    }
}

/// `\uXXXX` for each UTF-16 unit.
fn escape(text: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        text.extend(format!("\\u{unit:04x}").chars());
    }
}
