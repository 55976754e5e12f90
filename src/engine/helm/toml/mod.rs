//! Helm's `toToml` and `fromToml`, as the library behind Helm's (BurntSushi/toml) writes and reads them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::gotmpl::strconv::format_float;
use crate::gotmpl::{IntKind, Value};

mod decode;

pub(super) use decode::decode;

/// Deeper values hold themselves.
const DEPTH_MAX: usize = 500;

/// Writes a map as TOML.
///
/// # Errors
/// The library's words for what TOML cannot hold; Helm gives them as the result.
pub(super) fn encode(value: &Value) -> Result<String, String> {
    let mut encoder = Encoder { out: String::new() };
    encoder.encode(&mut Vec::new(), value)?;
    Ok(encoder.out)
}

struct Encoder {
    out: String,
}

/// What TOML makes of a value.
#[derive(PartialEq)]
enum Kind {
    /// Nil is left out.
    Nothing,
    Table,
    /// A list of nothing but tables.
    Tables,
    Plain,
}

fn kind(value: &Value) -> Result<Kind, String> {
    Ok(match value {
        Value::Nil => Kind::Nothing,
        Value::Map(_) => Kind::Table,
        Value::List(list) => {
            if list.items.iter().any(|item| matches!(item, Value::Nil)) {
                return Err("toml: cannot encode array with nil element".into());
            }
            let only_tables = list.items.iter().all(|item| matches!(item, Value::Map(_)));
            if only_tables && !list.items.is_empty() { Kind::Tables } else { Kind::Plain }
        }
        Value::Object(object) if object.as_data().is_some() => Kind::Table,
        _ => Kind::Plain,
    })
}

impl Encoder {
    fn encode(&mut self, path: &mut Vec<Arc<str>>, value: &Value) -> Result<(), String> {
        if path.len() > DEPTH_MAX {
            return Err("toml: value is nested too deep".into());
        }
        if let Value::Object(object) = value
            && let Some(data) = object.as_data()
        {
            return self.encode(path, &data);
        }
        match kind(value)? {
            Kind::Nothing => Ok(()),
            Kind::Table => {
                if path.len() == 1 {
                    self.line_feed();
                }
                if !path.is_empty() {
                    let header = format!("{}[{}]", indent(path), dotted(path));
                    self.out.push_str(&header);
                    self.line_feed();
                }
                self.entries(path, value)
            }
            Kind::Tables => {
                let Value::List(list) = value else { return Ok(()) };
                if path.is_empty() {
                    return Err("toml: top-level values must be Go maps or structs".into());
                }
                for item in list.items.iter() {
                    self.line_feed();
                    let header = format!("{}[[{}]]", indent(path), dotted(path));
                    self.out.push_str(&header);
                    self.line_feed();
                    self.entries(path, item)?;
                }
                Ok(())
            }
            Kind::Plain if path.is_empty() => self.element(value, 0),
            Kind::Plain => {
                let key = quoted_key(path.last().map_or("", |key| key));
                let _ = write!(self.out, "{}{key} = ", indent(path));
                self.element(value, path.len())?;
                self.line_feed();
                Ok(())
            }
        }
    }

    fn line_feed(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    /// The entries of a table: plain ones first, since what follows a header belongs to its table.
    fn entries(&mut self, path: &mut Vec<Arc<str>>, table: &Value) -> Result<(), String> {
        let Value::Map(map) = table else { return Ok(()) };
        let entries: Vec<_> = map.entries.borrow().iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        for tables in [false, true] {
            for (key, value) in &entries {
                if matches!(kind(value)?, Kind::Table | Kind::Tables) == tables {
                    path.push(key.clone());
                    self.encode(path, value)?;
                    path.pop();
                }
            }
        }
        Ok(())
    }

    /// A value to the right of `=`, or in an array.
    fn element(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err("toml: value is nested too deep".into());
        }
        match value {
            Value::Nil => {}
            Value::Bool(b) => self.out.push_str(if *b { "true" } else { "false" }),
            Value::Int(n, IntKind::Uint64) => self.out.push_str(&n.cast_unsigned().to_string()),
            Value::Int(n, _) => self.out.push_str(&n.to_string()),
            Value::Float(f) if f.is_nan() => self.out.push_str("nan"),
            Value::Float(f) if f.is_infinite() => self.out.push_str(if *f > 0.0 { "inf" } else { "-inf" }),
            Value::Float(f) => {
                let text = format_float(*f, b'g', None);
                self.out.push_str(&text);
                if !text.contains(['e', '.']) {
                    self.out.push_str(".0");
                }
            }
            Value::Str(text) => self.out.push_str(&quoted(text)),
            Value::Bytes(bytes) => self.out.push_str(&quoted(&String::from_utf8_lossy(bytes))),
            Value::List(list) => {
                kind(value)?;
                self.out.push('[');
                for (i, item) in list.items.iter().enumerate() {
                    if i > 0 {
                        self.out.push_str(", ");
                    }
                    self.element(item, depth + 1)?;
                }
                self.out.push(']');
            }
            Value::Map(map) => self.inline_table(&map.entries.borrow(), depth)?,
            Value::Object(object) => match object.as_data() {
                Some(data) => self.element(&data, depth + 1)?,
                None => self.out.push_str(&quoted(&object.print())),
            },
        }
        Ok(())
    }

    fn inline_table(&mut self, entries: &BTreeMap<Arc<str>, Value>, depth: usize) -> Result<(), String> {
        let mut sorted = Vec::new();
        for tables in [false, true] {
            for (key, value) in entries {
                if matches!(kind(value)?, Kind::Table | Kind::Tables) == tables {
                    sorted.push((key, value));
                }
            }
        }
        self.out.push('{');
        let last = sorted.len().saturating_sub(1);
        for (i, (key, value)) in sorted.into_iter().enumerate() {
            if matches!(value, Value::Nil) {
                continue;
            }
            let _ = write!(self.out, "{} = ", quoted_key(key));
            self.element(value, depth + 1)?;
            if i != last {
                self.out.push_str(", ");
            }
        }
        self.out.push('}');
        Ok(())
    }
}

fn indent(path: &[Arc<str>]) -> String {
    "  ".repeat(path.len().saturating_sub(1))
}

fn dotted(path: &[Arc<str>]) -> String {
    path.iter().map(|key| quoted_key(key)).collect::<Vec<_>>().join(".")
}

fn quoted_key(key: &str) -> String {
    let is_bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if is_bare { key.to_owned() } else { quoted(key) }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' | '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
