//! Go's `encoding/json`: text of values and values of text, with Go's numbers, escapes and error messages.
//!
//! In: a value or a text. Out: the other. Absent: streams, struct tags.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE64;

use super::strconv::{format_float, parse_float, quoted};
use super::value::{IntKind, Value};

/// How deep a text may nest; Go stops at 10,000, which takes more stack than a thread may have.
pub const JSON_DEPTH_MAX: usize = 1_000;
/// A value deeper than this holds itself, or nobody can read it.
pub const VALUE_DEPTH_MAX: usize = 1_000;

/// How a text looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layout {
    /// Write `<`, `>` and `&` as they are, not as `\u003c`…
    pub raw_html: bool,
    /// The spaces per level; none for one line.
    pub indent: usize,
}

/// `json.Marshal` (or `MarshalIndent`).
///
/// # Errors
/// Numbers that JSON cannot hold, and values that hold themselves.
pub fn encode(value: &Value, layout: Layout) -> Result<String, String> {
    let mut out = String::new();
    write(&mut out, value, layout, 0)?;
    Ok(out)
}

/// `json.Unmarshal` into an `interface{}`: every number becomes a float, the last of equal keys wins.
///
/// # Errors
/// Go's message for the first thing that is no JSON.
pub fn decode(text: &str) -> Result<Value, String> {
    let mut reader = Reader { bytes: text.as_bytes(), i: 0, number_error: None };
    let value = reader.value(0)?;
    reader.space();
    match reader.peek() {
        Some(_) => Err(reader.unexpected("after top-level value")),
        None => reader.number_error.map_or(Ok(value), Err),
    }
}

fn write(out: &mut String, value: &Value, layout: Layout, depth: usize) -> Result<(), String> {
    if depth > VALUE_DEPTH_MAX {
        return Err("json: unsupported value: encountered a cycle".into());
    }
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(n, IntKind::Uint64) => out.push_str(&(*n as u64).to_string()),
        Value::Int(n, _) => out.push_str(&n.to_string()),
        Value::Float(f) => out.push_str(&number(*f)?),
        Value::Str(text) => write_text(out, text, layout.raw_html),
        Value::Bytes(bytes) => write_bytes(out, bytes, layout.raw_html),
        Value::Object(object) if object.byte_slice().is_some() => {
            let bytes = object.byte_slice().unwrap_or_default();
            write_text(out, &BASE64.encode(bytes), layout.raw_html);
        }
        Value::Object(object) => match (object.json_fields(), object.as_data()) {
            (Some(fields), _) => write_object(out, fields.iter().map(|(name, item)| (*name, item)), layout, depth)?,
            (None, Some(data)) => write(out, &data, layout, depth)?,
            (None, None) => out.push_str("{}"),
        },
        Value::List(list) if list.is_nil() => out.push_str("null"),
        Value::List(list) => {
            out.push('[');
            for (i, item) in list.items.iter().enumerate() {
                next(out, i, layout, depth);
                write(out, item, layout, depth + 1)?;
            }
            close(out, list.items.is_empty(), layout, depth, ']');
        }
        Value::Map(map) if map.is_nil() => out.push_str("null"),
        Value::Map(map) => {
            write_object(out, map.entries.borrow().iter().map(|(key, item)| (&**key, item)), layout, depth)?;
        }
    }
    Ok(())
}

fn write_object<'v>(
    out: &mut String,
    entries: impl ExactSizeIterator<Item = (&'v str, &'v Value)>,
    layout: Layout,
    depth: usize,
) -> Result<(), String> {
    let is_empty = entries.len() == 0;
    out.push('{');
    for (i, (key, item)) in entries.enumerate() {
        next(out, i, layout, depth);
        write_text(out, key, layout.raw_html);
        out.push_str(if layout.indent > 0 { ": " } else { ":" });
        write(out, item, layout, depth + 1)?;
    }
    close(out, is_empty, layout, depth, '}');
    Ok(())
}

fn next(out: &mut String, i: usize, layout: Layout, depth: usize) {
    if i > 0 {
        out.push(',');
    }
    line(out, layout, depth + 1);
}

fn close(out: &mut String, empty: bool, layout: Layout, depth: usize, bracket: char) {
    if !empty {
        line(out, layout, depth);
    }
    out.push(bracket);
}

fn line(out: &mut String, layout: Layout, depth: usize) {
    if layout.indent > 0 {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', depth * layout.indent));
    }
}

/// A float: plain between 1e-6 and 1e21, else with an exponent of at least one digit.
fn number(value: f64) -> Result<String, String> {
    if !value.is_finite() {
        return Err(format!("json: unsupported value: {}", format_float(value, b'g', None)));
    }
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return Ok(format_float(value, b'f', None));
    }
    Ok(format_float(value, b'e', None).replace("e-0", "e-"))
}

fn write_text(out: &mut String, text: &str, raw_html: bool) {
    out.push('"');
    write_characters(out, text, raw_html);
    out.push('"');
}

/// A string that is no UTF-8: each byte that is none shows as an escape.
fn write_bytes(out: &mut String, bytes: &[u8], raw_html: bool) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        write_characters(out, chunk.valid(), raw_html);
        chunk.invalid().iter().for_each(|_| out.push_str("\\ufffd"));
    }
    out.push('"');
}

fn write_characters(out: &mut String, text: &str, raw_html: bool) {
    let mut written = 0;
    for (i, c) in text.char_indices() {
        let escape = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\x08' => "\\b",
            '\x0c' => "\\f",
            '<' if !raw_html => "\\u003c",
            '>' if !raw_html => "\\u003e",
            '&' if !raw_html => "\\u0026",
            '\u{2028}' => "\\u2028",
            '\u{2029}' => "\\u2029",
            c if c < ' ' => "",
            _ => continue,
        };
        out.push_str(&text[written..i]);
        written = i + c.len_utf8();
        if escape.is_empty() {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[written..]);
}

struct Reader<'a> {
    bytes: &'a [u8],
    i: usize,
    /// Go checks the whole text before it looks at the size of a number.
    number_error: Option<String>,
}

const END: &str = "unexpected end of JSON input";

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.i).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.i += 1;
        }
    }

    /// Go's message for the byte that stands here.
    fn unexpected(&self, context: &str) -> String {
        // At the end Go's scanner tries a space, which only these places refuse.
        let refuses_space = ["in literal", "in numeric", "after decimal", "in exponent", "in string escape", "in \\u"];
        let byte = match self.peek() {
            Some(byte) => byte,
            None if refuses_space.iter().any(|place| context.starts_with(place)) => b' ',
            None => return END.into(),
        };
        let shown = match byte {
            b'\'' => "'\\''".into(),
            b'"' => "'\"'".into(),
            _ => {
                let text = quoted(&char::from(byte).to_string());
                format!("'{}'", &text[1..text.len() - 1])
            }
        };
        format!("invalid character {shown} {context}")
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        self.space();
        if depth > JSON_DEPTH_MAX {
            return Err("exceeded max depth".into());
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Value::str(self.text()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Nil),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        let mut entries: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        self.i += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.i += 1;
            return Ok(Value::map(entries));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let key = self.text()?;
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.i += 1;
            let value = self.value(depth + 1)?;
            entries.insert(key.into(), value);
            self.space();
            match self.peek() {
                Some(b',') => self.i += 1,
                Some(b'}') => break,
                _ => return Err(self.unexpected("after object key:value pair")),
            }
        }
        self.i += 1;
        Ok(Value::map(entries))
    }

    fn array(&mut self, depth: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        self.i += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.i += 1;
            return Ok(Value::list(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            match self.peek() {
                Some(b',') => self.i += 1,
                Some(b']') => break,
                _ => return Err(self.unexpected("after array element")),
            }
        }
        self.i += 1;
        Ok(Value::list(items))
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, String> {
        for expected in word.chars() {
            if self.peek().map(char::from) != Some(expected) {
                return Err(self.unexpected(&format!("in literal {word} (expecting '{expected}')")));
            }
            self.i += 1;
        }
        Ok(value)
    }

    fn digits(&mut self, context: &str) -> Result<(), String> {
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.unexpected(context));
        }
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.i += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.i;
        if self.peek() == Some(b'-') {
            self.i += 1;
        }
        match self.peek() {
            Some(b'0') => self.i += 1,
            _ => self.digits("in numeric literal")?,
        }
        if self.peek() == Some(b'.') {
            self.i += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.i += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.i += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        let text = String::from_utf8_lossy(&self.bytes[start..self.i]);
        match parse_float(&text) {
            Some(value) => Ok(Value::Float(value)),
            None => {
                let message = format!("json: cannot unmarshal number {text} into Go value of type float64");
                self.number_error.get_or_insert(message);
                Ok(Value::Nil)
            }
        }
    }

    fn text(&mut self) -> Result<String, String> {
        let mut out = Vec::new();
        self.i += 1;
        loop {
            match self.peek() {
                None => return Err(END.into()),
                Some(b'"') => break,
                Some(b'\\') => {
                    self.i += 1;
                    self.escape(&mut out)?;
                }
                Some(byte) if byte < b' ' => return Err(self.unexpected("in string literal")),
                Some(byte) => {
                    out.push(byte);
                    self.i += 1;
                }
            }
        }
        self.i += 1;
        Ok(String::from_utf8(out).expect("a text with characters added"))
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let c = match self.peek() {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'u') => {
                self.i += 1;
                let first = self.code_unit()?;
                let c = self.scalar(first);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(self.unexpected("in string escape code")),
        };
        self.i += 1;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    /// The character of a code unit, joined with the surrogate that may follow; a lone one is a replacement character.
    fn scalar(&mut self, first: u32) -> char {
        if (0xd800..0xdc00).contains(&first) && self.bytes[self.i..].starts_with(b"\\u") {
            let start = self.i;
            self.i += 2;
            match self.code_unit() {
                Ok(second @ 0xdc00..0xe000) => {
                    let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    return char::from_u32(code).unwrap_or('\u{fffd}');
                }
                _ => self.i = start,
            }
        }
        char::from_u32(first).unwrap_or('\u{fffd}')
    }

    fn code_unit(&mut self) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|b| char::from(b).to_digit(16)) else {
                return Err(self.unexpected("in \\u hexadecimal character escape"));
            };
            code = code * 16 + digit;
            self.i += 1;
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_go_writes_them() {
        let rows = [
            (r#"{"b":[1,2.50,-0],"a":{"x":null,"y":true}}"#, r#"{"a":{"x":null,"y":true},"b":[1,2.5,-0]}"#),
            (
                r#"[1e21,1e20,1e-7,0.000001,100000000,12345678901234567890]"#,
                "[1e+21,100000000000000000000,1e-7,0.000001,100000000,12345678901234567000]",
            ),
            (
                r#""<a&b> \u00e9\ud83d\ude00\ud800x \u0001\t\u2028""#,
                "\"\\u003ca\\u0026b\\u003e é😀\u{fffd}x \\u0001\\t\\u2028\"",
            ),
            (r#" {"a":1,"a":2} "#, r#"{"a":2}"#),
        ];
        for (text, expected) in rows {
            assert_eq!(decode(text).and_then(|value| encode(&value, Layout::default())), Ok(expected.into()), "{text}");
        }
        let value = decode(r#"{"a":[1,{}],"b":[],"c":"<"}"#).unwrap();
        let pretty = encode(&value, Layout { indent: 2, raw_html: true });
        assert_eq!(pretty.unwrap(), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": [],\n  \"c\": \"<\"\n}");
        assert_eq!(encode(&Value::nil_list(), Layout::default()).unwrap(), "null");
    }

    #[test]
    fn what_is_no_json_is_said_as_go_says_it() {
        let rows = [
            ("", END),
            ("{", END),
            ("{a", "invalid character 'a' looking for beginning of object key string"),
            ("{\"a\"}", "invalid character '}' after object key"),
            ("{\"a\":1 x", "invalid character 'x' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("1 2", "invalid character '2' after top-level value"),
            ("tru'", "invalid character '\\'' in literal true (expecting 'e')"),
            ("01", "invalid character '1' after top-level value"),
            ("tru", "invalid character ' ' in literal true (expecting 'e')"),
            ("-", "invalid character ' ' in numeric literal"),
            ("\"a", END),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            ("\"\n\"", "invalid character '\\n' in string literal"),
            ("é", "invalid character 'Ã' looking for beginning of value"),
            ("1e400", "json: cannot unmarshal number 1e400 into Go value of type float64"),
        ];
        for (text, expected) in rows {
            assert_eq!(decode(text).unwrap_err(), expected, "{text}");
        }
    }
}
