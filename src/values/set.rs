//! The little language of `--set` and its kin: an expression comes in and changes values in place.
//!
//! The grammar is Helm's (pkg/strvals, 3.22), with what it does in odd corners: `a.b=1,c[0].d={x,y}`, `\` before `,`,
//! `.`, `=`, `[` and the like, `null` that sets a null (which deletes when it meets the chart's value), a name without
//! a value that is an error unless it ends in an index.

use std::sync::Arc;

use indexmap::map::Entry as Slot;

use super::Layer;
use crate::error::{Diagnostic, Source, Span};
use crate::yaml::{Entry, Map, Node, Value};

/// Helm's limit on an index.
pub const INDEX_MAX: usize = 65536;
/// Helm's limit on names in names.
pub const NAME_LEVEL_MAX: usize = 30;
/// How many indexes may follow each other; Helm has no limit here.
pub const INDEX_LEVEL_MAX: usize = 30;
/// How many nulls the indexes of one expression may fill lists up with, together; Helm has no limit here.
pub const FILLED_MAX: usize = 1 << 20;

/// Reads a file that `--set-file` names.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Result<String, Diagnostic>;

/// Which flag an expression belongs to.
#[derive(Clone, Copy)]
pub enum SetKind<'a> {
    /// `--set`: `true`, `false`, `null` and integers are what they look like, all else is text.
    Typed,
    /// `--set-string`: every value is text.
    Text,
    /// `--set-json`: values are JSON; numbers are floats.
    Json,
    /// `--set-file`: the text of the file that the value names.
    File(ReadFile<'a>),
    /// `--set-literal`: the value is all that follows the first `=`; nothing is escaped.
    Literal,
}

impl SetKind<'_> {
    /// The flag's name.
    pub fn flag(self) -> &'static str {
        match self {
            SetKind::Typed => "--set",
            SetKind::Text => "--set-string",
            SetKind::Json => "--set-json",
            SetKind::File(_) => "--set-file",
            SetKind::Literal => "--set-literal",
        }
    }
}

/// Sets in `base` what the expression says; `base` becomes a mapping if it is null.
///
/// # Errors
/// What Helm refuses, with a caret into the expression: a name without a value, an index that is none or too big, a
/// name below text or an index into a mapping, JSON that is none.
pub fn parse_into(base: &mut Node, expression: &str, kind: SetKind<'_>) -> Result<(), Diagnostic> {
    let source = Source::new(kind.flag(), expression);
    parse(base, &source, kind)
}

/// What an expression sets by itself, as a layer that tells where a value was set.
///
/// # Errors
/// As for [`parse_into`].
pub fn layer(expression: &str, kind: SetKind<'_>) -> Result<Layer, Diagnostic> {
    let source = Source::new(kind.flag(), expression);
    let mut root = Node::new(Map::default());
    parse(&mut root, &source, kind)?;
    Ok(Layer { source, root })
}

fn parse(base: &mut Node, source: &Arc<Source>, kind: SetKind<'_>) -> Result<(), Diagnostic> {
    if base.is_null() {
        base.value = Value::Map(Map::default());
    }
    let Some(data) = base.as_map_mut() else {
        return Err(Diagnostic::error("values must be a mapping before something can be set in them"));
    };
    let mut parser = Parser { source, kind, at: 0, filled: 0 };
    while parser.key(data, 0)? == Flow::More {}
    Ok(())
}

/// Whether there may be more to read.
#[derive(Debug, PartialEq, Eq)]
enum Flow {
    More,
    End,
}

struct Parser<'a> {
    source: &'a Arc<Source>,
    kind: SetKind<'a>,
    /// The next byte.
    at: usize,
    /// How many elements were made to reach an index.
    filled: usize,
}

/// A stretch of the expression, escapes undone.
struct Run {
    text: String,
    span: Span,
    /// The character that ended it; none at the end of the expression.
    stop: Option<char>,
}

impl Parser<'_> {
    /// One `name=value`, or what is left of it below the name `data`.
    fn key(&mut self, data: &mut Map, level: usize) -> Result<Flow, Diagnostic> {
        let stops: &[char] = if self.is_literal() { &['=', '[', '.'] } else { &['=', '[', ',', '.'] };
        let name = self.until(stops);
        match name.stop {
            None if name.text.is_empty() => Ok(Flow::End),
            None => Err(self
                .error(format!("the name `{}` has no value", name.text), name.span)
                .help(format!("write `{}=VALUE`", &*self.source.text))),
            Some(',') => Err(self
                .error(format!("the name `{}` has no value (it cannot end with `,`)", name.text), name.span)
                .help("a `,` that belongs to the name or value is written `\\,`")),
            Some('[') => {
                let index = self.index()?;
                if name.text.is_empty() {
                    // Helm reads what follows and sets nothing.
                    return self.item(&mut Vec::new(), index, level, 0);
                }
                let slot = data.entry(name.text.as_str().into()).or_insert_with(|| Entry::new(Value::Seq(Vec::new())));
                let Value::Seq(list) = &mut slot.node.value else {
                    return Err(self.clash(&name, "a list", &slot.node));
                };
                self.item(list, index, level, 0)
            }
            Some('.') => {
                if level + 1 > NAME_LEVEL_MAX {
                    return Err(self.error(format!("names are nested more than {NAME_LEVEL_MAX} deep"), name.span));
                }
                self.below(data, &name, level + 1)
            }
            Some(_) => {
                let (value, flow) = self.value(true)?;
                set(data, name.text, value);
                Ok(flow)
            }
        }
    }

    /// What follows `name.`.
    fn below(&mut self, data: &mut Map, name: &Run, level: usize) -> Result<Flow, Diagnostic> {
        let mut fresh = Map::default();
        let inner = match data.get_mut(name.text.as_str()) {
            None => &mut fresh,
            Some(entry) => match &mut entry.node.value {
                Value::Map(map) => map,
                _ => return Err(self.clash(name, "a mapping", &entry.node)),
            },
        };
        let flow = self.key(inner, level)?;
        if flow == Flow::More && inner.is_empty() {
            return Err(self.error(format!("the name `{}` has nothing below it", name.text), name.span));
        }
        if !fresh.is_empty() {
            set(data, name.text.clone(), Node::new(fresh));
        }
        Ok(flow)
    }

    /// What follows `name[index]`.
    fn item(
        &mut self,
        list: &mut Vec<Node>,
        (index, index_span): (usize, Span),
        level: usize,
        index_level: usize,
    ) -> Result<Flow, Diagnostic> {
        let run = self.until(&['[', '.', '=']);
        if !run.text.is_empty() {
            return Err(self
                .error(format!("unexpected text after an index: `{}`", run.text), run.span)
                .help("after `]` comes `=`, `.` or `[`"));
        }
        let place = |list: &mut Vec<Node>, node: Node| {
            if list.len() <= index {
                list.resize_with(index + 1, || Node::new(Value::Null));
            }
            list[index] = node;
        };
        if index > INDEX_MAX && run.stop.is_some() {
            return Err(self.error(format!("an index may be {INDEX_MAX} at most"), index_span));
        }
        self.filled += index.saturating_sub(list.len());
        if self.filled > FILLED_MAX && run.stop.is_some() {
            let message = format!("the indexes of one expression may skip {FILLED_MAX} elements at most, together");
            return Err(self.error(message, index_span));
        }
        match run.stop {
            // `a[0]` alone makes a list, if there is none, and ends.
            None => Ok(Flow::End),
            Some('[') => {
                if index_level + 1 > INDEX_LEVEL_MAX {
                    return Err(self.error(format!("lists are nested more than {INDEX_LEVEL_MAX} deep"), index_span));
                }
                let next = self.index()?;
                match list.get_mut(index).map(|node| &mut node.value) {
                    Some(Value::Seq(inner)) => self.item(inner, next, level, index_level + 1),
                    None | Some(Value::Null) => {
                        let mut inner = Vec::new();
                        let flow = self.item(&mut inner, next, level, index_level + 1)?;
                        if flow == Flow::More {
                            place(list, Node::new(inner));
                        }
                        Ok(flow)
                    }
                    Some(other) => {
                        let message = format!("this element is {}, not a list", other.kind_name());
                        Err(self.error(message, index_span))
                    }
                }
            }
            Some('.') => {
                if let Some(node) = list.get_mut(index) {
                    if node.as_map().is_none() {
                        *node = Node::new(Map::default());
                    }
                    if let Some(inner) = node.as_map_mut() {
                        return self.key(inner, level);
                    }
                }
                let mut inner = Map::default();
                let flow = self.key(&mut inner, level)?;
                // At the end of the expression (`a[0].b=`) Helm forgets a mapping that was not there.
                if flow == Flow::More {
                    place(list, Node::new(inner));
                }
                Ok(flow)
            }
            Some(_) => {
                let (value, _) = self.value(false)?;
                place(list, value);
                Ok(Flow::More)
            }
        }
    }

    /// The number before `]`.
    fn index(&mut self) -> Result<(usize, Span), Diagnostic> {
        let run = self.until(&[']']);
        if run.stop.is_none() {
            return Err(self.error("this index has no `]`".into(), run.span).help("write `list[0]=VALUE`"));
        }
        match run.text.parse::<i64>() {
            Ok(index) if index < 0 => Err(self
                .error(format!("negative index {index} is not allowed"), run.span)
                .help("indexes count from 0, the first element")),
            Ok(index) => Ok((usize::try_from(index).unwrap_or(usize::MAX), run.span)),
            Err(_) => Err(self
                .error(format!("`{}` is not an index", run.text), run.span)
                .help("an index is a number from 0 up; a `[` that belongs to the name is written `\\[`")),
        }
    }

    /// What follows `=`, and whether the expression ends with it. `empty_ends`: an empty value at the end of the expression ends it, which
    /// matters only to names below a new element.
    fn value(&mut self, empty_ends: bool) -> Result<(Node, Flow), Diagnostic> {
        if self.is_literal() {
            let run = self.until(&[]);
            return Ok((Node { value: run.text.into(), span: run.span }, Flow::More));
        }
        if matches!(self.kind, SetKind::Json) {
            return Ok((self.json()?, Flow::More));
        }
        match self.rest().chars().next() {
            None => {
                let node = Node { value: "".into(), span: Span::new(self.at, self.at) };
                Ok((node, if empty_ends { Flow::End } else { Flow::More }))
            }
            Some('{') => Ok((self.list()?, Flow::More)),
            Some(_) => {
                let run = self.until(&[',']);
                Ok((self.scalar(run)?, Flow::More))
            }
        }
    }

    /// `{a,b}`.
    fn list(&mut self) -> Result<Node, Diagnostic> {
        let start = self.at;
        self.at += 1;
        let mut items = Vec::new();
        loop {
            let run = self.until(&[',', '}']);
            let stop = run.stop;
            if stop.is_none() {
                return Err(self
                    .error("this list has no `}`".into(), Span::new(start, self.at))
                    .help("write `list={a,b}`; a `{` that belongs to the text is written `\\{`"));
            }
            items.push(self.scalar(run)?);
            if stop == Some('}') {
                let span = Span::new(start, self.at);
                if self.rest().starts_with(',') {
                    self.at += 1;
                }
                return Ok(Node { value: Value::Seq(items), span });
            }
        }
    }

    fn scalar(&self, run: Run) -> Result<Node, Diagnostic> {
        let value = match self.kind {
            SetKind::Typed => typed(run.text),
            SetKind::File(read) => read(&run.text).map(Value::from).map_err(|mut error| {
                error.place.get_or_insert_with(|| crate::error::Place { source: self.source.clone(), span: run.span });
                error
            })?,
            SetKind::Text | SetKind::Json | SetKind::Literal => run.text.into(),
        };
        Ok(Node { value, span: run.span })
    }

    /// One JSON value, and the comma after it. Nothing at all is null.
    fn json(&mut self) -> Result<Node, Diagnostic> {
        if self.skip_to_value() {
            return Ok(Node { value: Value::Null, span: Span::new(self.at, self.at) });
        }
        let start = self.at;
        let mut stream = serde_json::Deserializer::from_str(self.rest()).into_iter::<serde_json::Value>();
        let json = match stream.next() {
            Some(Ok(json)) => json,
            Some(Err(error)) => {
                // serde_json counts columns in bytes, from 1; an expression may hold several lines.
                let lines = self.rest().split_inclusive('\n').take(error.line().saturating_sub(1));
                let offset = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
                let text = error.to_string();
                let what = text.split(" at line ").next().unwrap_or(&text);
                return Err(self
                    .error(format!("this is not JSON: {what}"), Span::new(start + offset, start + offset + 1))
                    .help("JSON has double quotes around names and texts: NAME={\"key\": \"text\"}"));
            }
            None => {
                return Err(self
                    .error("here should be a JSON value".into(), Span::new(start, start))
                    .help("a number, true, false, null, \"text\", [list] or {\"key\": value}"));
            }
        };
        self.at += stream.byte_offset();
        let mut node = Node { value: json_value(json), span: Span::new(start, self.at) };
        super::float_numbers(&mut node);
        self.skip_to_value();
        Ok(node)
    }

    /// Skips blanks, and one comma; whether there was no value before it or the end.
    fn skip_to_value(&mut self) -> bool {
        let rest = self.rest().trim_start();
        let (at, ends, comma) = (self.source.text.len() - rest.len(), rest.is_empty(), rest.starts_with(','));
        self.at = at + usize::from(comma);
        ends || comma
    }

    /// Reads up to one of `stops`, and over it.
    fn until(&mut self, stops: &[char]) -> Run {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.source.text[start..].char_indices();
        while let Some((offset, c)) = chars.next() {
            if stops.contains(&c) {
                self.at = start + offset + c.len_utf8();
                return Run { text, span: Span::new(start, start + offset), stop: Some(c) };
            }
            if c == '\\' && !self.is_literal() {
                // A backslash at the very end is dropped.
                text.extend(chars.next().map(|(_, escaped)| escaped));
            } else {
                text.push(c);
            }
        }
        self.at = self.source.text.len();
        Run { text, span: Span::new(start, self.at), stop: None }
    }

    fn rest(&self) -> &str {
        &self.source.text[self.at..]
    }

    fn is_literal(&self) -> bool {
        matches!(self.kind, SetKind::Literal)
    }

    fn clash(&self, name: &Run, wanted: &str, found: &Node) -> Diagnostic {
        let kind = found.value.kind_name();
        self.error(format!("`{}` is {kind} in the values before, here it is used as {wanted}", name.text), name.span)
            .help("set the whole of it instead, or take it out of the values that come before")
    }

    fn error(&self, message: String, span: Span) -> Diagnostic {
        Diagnostic::error(message).at(self.source, span)
    }
}

fn set(data: &mut Map, name: String, node: Node) {
    // Helm sets nothing under an empty name.
    if name.is_empty() {
        return;
    }
    match data.entry(name.into()) {
        Slot::Occupied(mut slot) => slot.get_mut().node = node,
        Slot::Vacant(slot) => {
            slot.insert(Entry { key_span: Span::NONE, node });
        }
    }
}

fn typed(text: String) -> Value {
    for (word, value) in [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)] {
        if text.eq_ignore_ascii_case(word) {
            return value;
        }
    }
    match text.parse::<i64>() {
        // What begins with a zero is text, but for the zero itself.
        Ok(n) if text == "0" || !text.starts_with('0') => Value::Int(n),
        _ => text.into(),
    }
}

fn json_value(json: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(b),
        Json::Number(n) => Value::Float(n.as_f64().unwrap_or(0.0)),
        Json::String(text) => text.into(),
        Json::Array(items) => Value::Seq(items.into_iter().map(|item| Node::new(json_value(item))).collect()),
        Json::Object(map) => {
            Value::Map(map.into_iter().map(|(key, value)| (key.into(), Entry::new(json_value(value)))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    /// As the fixture prints it: integers are marked, floats are plain numbers.
    fn marked(node: &Node) -> Json {
        match &node.value {
            Value::Null => Json::Null,
            Value::Bool(b) => json!(b),
            Value::Int(n) => json!({"int": n}),
            Value::UInt(n) => json!({"int": n}),
            Value::Float(f) => json!(f),
            Value::Str(text) => json!(text.as_ref()),
            Value::Seq(items) => items.iter().map(marked).collect(),
            Value::Map(map) => map.iter().map(|(key, entry)| (key.to_string(), marked(&entry.node))).collect(),
        }
    }

    /// Numbers outside of marks are floats.
    fn floats(json: Json) -> Json {
        match json {
            Json::Number(n) => json!(n.as_f64().unwrap()),
            Json::Array(items) => items.into_iter().map(floats).collect(),
            Json::Object(map) if map.len() == 1 && map.contains_key("int") => Json::Object(map),
            Json::Object(map) => map.into_iter().map(|(key, value)| (key, floats(value))).collect(),
            other => other,
        }
    }

    #[test]
    fn expressions_do_what_helm_does() {
        let table = include_str!("../../fixtures/set.tsv");
        assert!(table.starts_with("# ") && table.lines().next().unwrap().contains("helm/v3 v3."));
        let (mut rows, mut differences) = (0, Vec::new());
        for line in table.lines().skip(1) {
            let (input, expected) = line.split_once('\t').unwrap();
            let input: [String; 3] = serde_json::from_str(input).unwrap();
            let expected: Json = serde_json::from_str(expected).unwrap();
            let [kind, base, expression] = &input;
            let read = |path: &str| match path.starts_with("no") {
                true => Err(Diagnostic::error(format!("no file {path}"))),
                false => Ok(format!("<{path}>")),
            };
            let kind = match kind.as_str() {
                "set" => SetKind::Typed,
                "string" => SetKind::Text,
                "json" => SetKind::Json,
                "literal" => SetKind::Literal,
                _ => SetKind::File(&read),
            };
            let mut node = Node::new(json_value(serde_json::from_str(base).unwrap()));
            let got = parse_into(&mut node, expression, kind);
            rows += 1;
            match (&got, &expected) {
                (Err(_), Json::String(_)) => {}
                (Ok(()), Json::Object(map)) if marked(&node) == floats(map["v"].clone()) => {}
                _ => differences.push(format!(
                    "{input:?}\n  got {}\n helm {expected}",
                    got.map_or_else(|e| e.message, |()| marked(&node).to_string())
                )),
            }
        }
        assert!(rows > 1000, "the table was read: {rows} rows");
        assert!(differences.is_empty(), "{} of {rows} differ\n{}", differences.len(), differences.join("\n"));
    }

    #[test]
    fn errors_point_into_the_expression() {
        let check = |expression: &str, kind: SetKind<'_>, column: usize, message: &str| {
            let mut base = Node::new(json_value(json!({"a": 1, "b": {}})));
            let error = parse_into(&mut base, expression, kind).unwrap_err();
            assert_eq!(error.place.as_ref().unwrap().to_string(), format!("{}:1:{column}", kind.flag()), "{error}");
            assert!(error.message.contains(message), "{error}");
        };
        check("b.c=1,x", SetKind::Typed, 7, "`x` has no value");
        check("x[0]=1,a[0]=2", SetKind::Typed, 8, "`a` is a number in the values before, here it is used as a list");
        check("x[1.5]=2", SetKind::Typed, 3, "`1.5` is not an index");
        check("x[70000]=2", SetKind::Text, 3, "65536 at most");
        check("b[0]=2", SetKind::Literal, 1, "is a mapping");
        check("x={a,b", SetKind::Typed, 3, "no `}`");
        check("x={\"a\": tru}", SetKind::Json, 12, "not JSON");
        check(&format!("x{}=1", "[0]".repeat(5000)), SetKind::Typed, 93, "nested more than");
        let lists: String = (0..100).map(|i| format!("x{}[65536]=1,", 100 + i)).collect();
        check(&lists, SetKind::Typed, 16 * 14 + 6, "may skip 1048576 elements");
    }

    #[test]
    fn a_layer_tells_where_a_value_was_set() {
        let layer = layer("a.b[1].c=x,d=5", SetKind::Typed).unwrap();
        let d = layer.root.get("d").unwrap();
        assert_eq!((&d.value, d.span), (&Value::Int(5), Span::new(13, 14)));
        assert_eq!(layer.source.name, "--set");
    }
}
