//! JSON ⇄ [`Node`]. JSON is almost YAML, but go-yaml refuses `\/`, surrogate pairs and long keys, so it has a reader of its own.

use std::fmt;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap as _, SerializeSeq as _, Serializer};
use serde::{Deserialize, Serialize};

use super::read::Numbers;
use super::value::{Entry, Map, Node, Value};
use crate::error::{Diagnostic, Source, Span};

/// Reads a JSON text; of a key that stands twice the last value counts, as in Go. The nodes have no spans.
/// `name` is what a diagnostic calls the text.
///
/// # Errors
/// The first place where the text is no JSON, or is nested more than 128 levels deep.
pub fn from_json(name: &str, text: &str, numbers: Numbers) -> Result<Node, Diagnostic> {
    let mut node: Node = serde_json::from_str(text).map_err(|error| {
        let source = Source::new(name, text);
        let lines_before = error.line().saturating_sub(1);
        let line_start: usize = source.text.split_inclusive('\n').take(lines_before).map(str::len).sum();
        let at = line_start + error.column().saturating_sub(1);
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        Diagnostic::error(format!("this is no JSON: {what}")).at(&source, Span::new(at, at))
    })?;
    if numbers == Numbers::Float64 {
        to_floats(&mut node);
    }
    Ok(node)
}

fn to_floats(node: &mut Node) {
    match &mut node.value {
        Value::Int(n) => node.value = Value::Float(*n as f64),
        Value::UInt(n) => node.value = Value::Float(*n as f64),
        Value::Seq(items) => items.iter_mut().for_each(to_floats),
        Value::Map(map) => map.values_mut().for_each(|entry| to_floats(&mut entry.node)),
        _ => {}
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(b) => serializer.serialize_bool(*b),
            Value::Int(n) => serializer.serialize_i64(*n),
            Value::UInt(n) => serializer.serialize_u64(*n),
            Value::Float(x) => serializer.serialize_f64(*x),
            Value::Str(text) => serializer.serialize_str(text),
            Value::Seq(items) => {
                let mut out = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| out.serialize_element(item))?;
                out.end()
            }
            Value::Map(map) => {
                let mut out = serializer.serialize_map(Some(map.len()))?;
                map.iter().try_for_each(|(key, entry)| out.serialize_entry(&**key, &entry.node))?;
                out.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(Nodes).map(Node::new)
    }
}

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Int(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(i64::try_from(n).map_or(Value::UInt(n), Value::Int))
    }

    fn visit_f64<E>(self, n: f64) -> Result<Value, E> {
        Ok(Value::Float(n))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(node) = items.next_element()? {
            out.push(node);
        }
        Ok(Value::Seq(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut out = Map::default();
        while let Some((key, node)) = entries.next_entry::<String, Node>()? {
            out.insert(key.into(), Entry { key_span: Span::NONE, node });
        }
        Ok(Value::Map(out))
    }
}
