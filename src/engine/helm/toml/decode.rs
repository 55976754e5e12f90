//! TOML 1.0 → values: integers are int64, dates and times stay texts (Go has a type for them, which nobody uses).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::dotted;
use crate::gotmpl::{Map, Value};

/// How deep arrays and inline tables may nest, and how many parts a key may have.
const DEPTH_MAX: usize = 200;

/// Reads a document.
///
/// # Errors
/// What is wrong in which line, in the form of Helm's library: `toml: line 1: …`.
pub(in super::super) fn decode(text: &str) -> Result<Value, String> {
    let mut decoder = Decoder { text, pos: 0, context: Vec::new() };
    decoder.document().map_err(|message| {
        let before = text.get(..decoder.pos).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        match decoder.context.is_empty() {
            true => format!("toml: line {line}: {message}"),
            false => format!("toml: line {line} (last key {:?}): {message}", dotted(&decoder.context)),
        }
    })
}

/// A character as Go quotes it; the end of the text is a zero.
fn rune(c: Option<char>) -> String {
    c.map_or_else(|| "'\\x00'".into(), |c| format!("{c:?}"))
}

/// May stand in a key without quotes.
fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

type Entries = BTreeMap<Arc<str>, Value>;
type Result<T, E = String> = std::result::Result<T, E>;

struct Decoder<'a> {
    text: &'a str,
    pos: usize,
    /// The table that the lines belong to, and the key whose value is being read.
    context: Vec<Arc<str>>,
}

impl<'a> Decoder<'a> {
    fn document(&mut self) -> Result<Value> {
        let root = Value::map(Entries::new());
        let mut current = as_map(&root)?;
        // Tables that a header has named: a second header of the same name is an error.
        let mut named: BTreeSet<String> = BTreeSet::new();
        loop {
            self.blank(true);
            if self.rest().is_empty() {
                return Ok(root);
            }
            if self.eat("[[") {
                let path = self.table_name()?;
                if !self.eat("]") {
                    let found = rune(self.peek());
                    return Err(format!("expected end of table array name delimiter ']', but got {found} instead"));
                }
                let (last, above) = path.split_last().ok_or("expected a key")?;
                let parent = descend(&as_map(&root)?, above)?;
                let table = Value::map(Entries::new());
                let items = match parent.get(last) {
                    None => vec![table.clone()],
                    Some(Value::List(list)) => list.items.iter().cloned().chain([table.clone()]).collect(),
                    Some(_) => return Err(format!("Key '{}' has already been defined.", path.join("."))),
                };
                parent.set(last.clone(), Value::list(items));
                let prefix = format!("{}.", path.join("."));
                named.retain(|name| !name.starts_with(&prefix));
                current = as_map(&table)?;
                self.context = path;
            } else if self.eat("[") {
                let path = self.table_name()?;
                if !named.insert(path.join(".")) {
                    return Err(format!("Key '{}' has already been defined.", path.join(".")));
                }
                current = descend(&as_map(&root)?, &path)?;
                self.context = path;
            } else {
                self.key_value(&current, 0)?;
            }
            self.end_of_line()?;
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    /// What stands here, for messages about values.
    fn found(&self) -> String {
        self.peek().map_or_else(|| "end of file".into(), |c| format!("'{c}'"))
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.pos += token.len();
        }
        found
    }

    /// Skips blanks and, where line feeds do not matter, those and comments too.
    fn blank(&mut self, lines: bool) {
        loop {
            let rest = self.rest();
            let blanks: &[char] = if lines { &[' ', '\t', '\n', '\r'] } else { &[' ', '\t'] };
            let trimmed = rest.trim_start_matches(blanks);
            self.pos += rest.len() - trimmed.len();
            if !lines || !trimmed.starts_with('#') {
                return;
            }
            self.pos += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn end_of_line(&mut self) -> Result<()> {
        self.blank(false);
        match self.peek() {
            None | Some('\n' | '#') => Ok(()),
            Some('\r') if self.rest().starts_with("\r\n") => Ok(()),
            Some(c) => {
                Err(format!("expected a top-level item to end with a newline, comment, or EOF, but got '{c}' instead"))
            }
        }
    }

    /// The key before a value, and the `=` after it.
    fn key_path(&mut self) -> Result<Vec<Arc<str>>> {
        self.blank(false);
        match self.peek() {
            None | Some('=') => return Err("unexpected '=': key name appears blank".into()),
            Some('.') => return Err("unexpected '.': keys cannot start with a '.'".into()),
            Some(_) => {}
        }
        let mut path: Vec<Arc<str>> = Vec::new();
        loop {
            path.push(self.key()?);
            self.blank(false);
            match self.peek() {
                Some('=') => break,
                Some('.') => {}
                None => return Err("unexpected EOF; expected key separator '='".into()),
                Some(c) => return Err(format!("expected '.' or '=', but got {c:?} instead")),
            }
            self.pos += 1;
            self.blank(false);
            if let Some(c @ ('=' | '.')) = self.peek() {
                return Err(format!("unexpected '{c}'"));
            }
            if path.len() > DEPTH_MAX {
                return Err("the key has too many parts".into());
            }
        }
        self.pos += 1;
        Ok(path)
    }

    /// The name in a table's header, and one `]` after it.
    fn table_name(&mut self) -> Result<Vec<Arc<str>>> {
        let mut path: Vec<Arc<str>> = Vec::new();
        loop {
            self.blank(false);
            match self.peek() {
                None | Some(']') => {
                    return Err("unexpected end of table name (table names cannot be empty)".into());
                }
                Some('.') => return Err("unexpected table separator (table names cannot be empty)".into()),
                Some(_) => path.push(self.key()?),
            }
            self.blank(false);
            if self.eat("]") {
                return Ok(path);
            }
            if !self.eat(".") {
                let found = rune(self.peek());
                return Err(format!("expected '.' or ']' to end table name, but got {found} instead"));
            }
            if path.len() > DEPTH_MAX {
                return Err("the key has too many parts".into());
            }
        }
    }

    /// One part of a key; empty where none stands, which what follows then tells.
    fn key(&mut self) -> Result<Arc<str>> {
        match self.peek() {
            Some('"') => self.basic_string().map(Into::into),
            Some('\'') => self.literal_string().map(Into::into),
            _ => {
                let rest = self.rest();
                let key = &rest[..rest.find(|c| !is_bare(c)).unwrap_or(rest.len())];
                self.pos += key.len();
                Ok(key.into())
            }
        }
    }

    fn key_value(&mut self, table: &Map, depth: usize) -> Result<()> {
        let path = self.key_path()?;
        let context = self.context.len();
        self.context.extend(path.iter().cloned());
        self.blank(false);
        let value = self.value(depth)?;
        let (last, above) = path.split_last().ok_or("expected a key")?;
        let parent = descend(table, above)?;
        if parent.get(last).is_some() {
            return Err(format!("Key '{}' has already been defined.", dotted(&self.context)));
        }
        parent.set(last.clone(), value);
        self.context.truncate(context);
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        if depth > DEPTH_MAX {
            return Err("the value is nested too deep".into());
        }
        match self.peek() {
            Some('"') if self.rest().starts_with("\"\"\"") => self.long_string("\"\"\"").map(Value::str),
            Some('\'') if self.rest().starts_with("'''") => self.long_string("'''").map(Value::str),
            Some('"') => self.basic_string().map(Value::str),
            Some('\'') => self.literal_string().map(Value::str),
            Some('[') => self.array(depth),
            Some('{') => self.inline_table(depth),
            _ => self.word(),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value> {
        self.pos += 1;
        let mut items = Vec::new();
        loop {
            self.blank(true);
            if self.eat("]") {
                return Ok(Value::list(items));
            }
            items.push(self.value(depth + 1)?);
            self.blank(true);
            if !self.eat(",") {
                if self.eat("]") {
                    return Ok(Value::list(items));
                }
                return Err(format!("expected a comma (',') or array terminator (']'), but got {}", self.found()));
            }
        }
    }

    fn inline_table(&mut self, depth: usize) -> Result<Value> {
        self.pos += 1;
        let table = Value::map(Entries::new());
        self.blank(false);
        if self.eat("}") {
            return Ok(table);
        }
        loop {
            self.blank(false);
            self.key_value(&as_map(&table)?, depth + 1)?;
            self.blank(false);
            if self.eat("}") {
                return Ok(table);
            }
            if !self.eat(",") {
                let found = self.found();
                return Err(format!("expected a comma or an inline table terminator '}}', but got {found} instead"));
            }
        }
    }

    fn basic_string(&mut self) -> Result<String> {
        self.pos += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.peek() else { return Err("unexpected EOF; expected '\"'".into()) };
            self.pos += c.len_utf8();
            match c {
                '"' => return Ok(out),
                '\\' => out.push(self.escape()?),
                '\n' => return Err("strings cannot contain newlines".into()),
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let Some(c) = self.peek() else { return Err("unexpected EOF".into()) };
        self.pos += c.len_utf8();
        let digits = match c {
            'b' => return Ok('\u{8}'),
            't' => return Ok('\t'),
            'n' => return Ok('\n'),
            'f' => return Ok('\u{c}'),
            'r' => return Ok('\r'),
            'e' => return Ok('\u{1b}'),
            '"' | '\\' => return Ok(c),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            c => return Err(format!("invalid escape character '{c}'")),
        };
        let code = self.rest().get(..digits).and_then(|code| u32::from_str_radix(code, 16).ok());
        let found = code.and_then(char::from_u32).ok_or("invalid escape sequence")?;
        self.pos += digits;
        Ok(found)
    }

    fn literal_string(&mut self) -> Result<String> {
        let rest = &self.rest()[1..];
        match rest.find(['\'', '\n']) {
            Some(end) if rest[end..].starts_with('\'') => {
                self.pos += end + 2;
                Ok(rest[..end].into())
            }
            _ => Err("unexpected end of string; expected \"'\"".into()),
        }
    }

    fn long_string(&mut self, quotes: &str) -> Result<String> {
        self.pos += quotes.len();
        if !self.eat("\n") {
            self.eat("\r\n");
        }
        let mut out = String::new();
        loop {
            if self.eat(quotes) {
                // Up to two quotes may stand right before the closing ones.
                while self.rest().starts_with(&quotes[..1]) {
                    out.push_str(&quotes[..1]);
                    self.pos += 1;
                }
                return Ok(out);
            }
            let Some(c) = self.peek() else { return Err(format!("unexpected EOF; expected '{quotes}'")) };
            self.pos += c.len_utf8();
            match c {
                '\\' if quotes.starts_with('"') => {
                    let rest = self.rest();
                    if rest.trim_start_matches([' ', '\t', '\r']).starts_with('\n') {
                        self.pos += rest.len() - rest.trim_start().len();
                    } else {
                        out.push(self.escape()?);
                    }
                }
                c => out.push(c),
            }
        }
    }

    /// A number, a boolean, a date or a time.
    fn word(&mut self) -> Result<Value> {
        let rest = self.rest();
        let end_from = |from: usize| {
            let end = rest[from..].find([',', ']', '}', '#', ' ', '\t', '\n', '\r']);
            end.map_or(rest.len(), |end| from + end)
        };
        let mut end = end_from(0);
        // A blank may stand between a date and its time.
        let is_digit = |i: usize| rest.as_bytes().get(i).is_some_and(u8::is_ascii_digit);
        if is_date_or_time(&rest[..end]) && rest[end..].starts_with(' ') && is_digit(end + 1) {
            end = end_from(end + 1);
        }
        let word = &rest[..end];
        if word.is_empty() {
            return Err(match self.peek() {
                None => "unexpected EOF; expected value".into(),
                found => format!("expected value but found {} instead", rune(found)),
            });
        }
        let value = match word {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "inf" | "+inf" => Value::Float(f64::INFINITY),
            "-inf" => Value::Float(f64::NEG_INFINITY),
            "nan" | "+nan" | "-nan" => Value::Float(f64::NAN),
            word if is_date_or_time(word) => Value::str(word),
            word => number(word).ok_or_else(|| {
                let letters = word.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
                let found = if letters.is_empty() { rune(word.chars().next()) } else { format!("{letters:?}") };
                format!("expected value but found {found} instead")
            })?,
        };
        self.pos += word.len();
        Ok(value)
    }
}

fn is_date_or_time(word: &str) -> bool {
    let bytes = word.as_bytes();
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    (0..4).all(digit) && bytes.get(4) == Some(&b'-') || (0..2).all(digit) && bytes.get(2) == Some(&b':')
}

fn number(word: &str) -> Option<Value> {
    let between_digits = !word.starts_with('_') && !word.ends_with('_') && !word.contains("__");
    let plain = word.replace('_', "");
    if !between_digits {
        return None;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = plain.strip_prefix(prefix) {
            return i64::from_str_radix(digits, radix).ok().map(Value::int64);
        }
    }
    if plain.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-') {
        if let Ok(n) = plain.parse::<i64>() {
            return Some(Value::int64(n));
        }
        if plain.ends_with(|c: char| c.is_ascii_digit()) && plain.contains(['.', 'e', 'E']) {
            return plain.parse().ok().map(Value::Float);
        }
    }
    None
}

fn as_map(value: &Value) -> Result<Map> {
    match value {
        Value::Map(map) => Ok(map.clone()),
        _ => Err("expected a table".into()),
    }
}

/// The table at a path, made if it is not there; of an array of tables the last one.
fn descend(from: &Map, path: &[Arc<str>]) -> Result<Map> {
    let mut current = from.clone();
    for key in path {
        let next = match current.get(key) {
            None => {
                let table = Value::map(Entries::new());
                current.set(key.clone(), table.clone());
                table
            }
            Some(Value::List(list)) => list.items.last().cloned().unwrap_or(Value::Nil),
            Some(value) => value,
        };
        current = as_map(&next).map_err(|_| format!("Key '{key}' has already been defined."))?;
    }
    Ok(current)
}
