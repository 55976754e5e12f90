//! The data model: what a YAML or JSON document holds, each node with its place in the text.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::error::Span;

/// A value of the JSON data model. Integers are exact from -2^63 to 2^64-1; beyond that they are floats, as
/// Kubernetes reads them.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~`, or nothing at all.
    Null,
    /// `true`, `yes`, `on`, … (YAML 1.1).
    Bool(bool),
    /// An integer that fits in 64 bits with a sign.
    Int(i64),
    /// An integer from 2^63 to 2^64-1.
    UInt(u64),
    /// Any other number; never NaN or infinite.
    Float(f64),
    /// Text.
    Str(Arc<str>),
    /// A sequence.
    Seq(Vec<Node>),
    /// A mapping; keys are texts, in the order they were written.
    Map(Map),
}

/// A mapping in the order it was written.
pub type Map = IndexMap<Arc<str>, Entry, HashState>;

/// How keys are hashed: quickly, and with a seed that differs from run to run, so that nobody can write keys that all collide.
pub type HashState = foldhash::fast::RandomState;

/// The value of a key, and where the key stands.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key's own place.
    pub key_span: Span,
    /// The value.
    pub node: Node,
}

impl PartialEq for Entry {
    /// Places do not count.
    fn eq(&self, other: &Entry) -> bool {
        self.node == other.node
    }
}

impl Entry {
    /// An entry that no text holds.
    pub fn new(value: impl Into<Value>) -> Entry {
        Entry { key_span: Span::NONE, node: Node::new(value) }
    }
}

/// A value and its place in the document it was read from.
#[derive(Debug, Clone)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Its place in its document's source; [`Span::NONE`] for a value that was made, not read.
    pub span: Span,
}

impl PartialEq for Node {
    /// Places do not count.
    fn eq(&self, other: &Node) -> bool {
        self.value == other.value
    }
}

impl Node {
    /// A node that no text holds.
    pub fn new(value: impl Into<Value>) -> Node {
        Node { value: value.into(), span: Span::NONE }
    }

    /// The value of `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key).map(|entry| &entry.node)
    }

    /// The node at the end of a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The mapping, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The mapping, if it is one.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The sequence, if it is one.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The text, if it is one (numbers and booleans are not).
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(b) => Some(b),
            _ => None,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }
}

impl Value {
    /// What a person calls this kind of value, with its article: "a mapping", "text".
    pub fn kind_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::UInt(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Str(_) => "text",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Str(text.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Value {
        Value::Str(text)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Bool(b)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Value {
        Value::Int(n)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Value {
        Value::Map(map)
    }
}

impl From<Vec<Node>> for Value {
    fn from(items: Vec<Node>) -> Value {
        Value::Seq(items)
    }
}
