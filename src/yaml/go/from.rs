//! Helm's `fromYaml` and `fromYamlArray`: their errors are text that templates see.

use super::super::read::{Document, Numbers, ReadOptions, read_first};
use super::super::value::{Map, Node, Value};
use crate::error::{Source, Span};

/// What `fromYaml` makes of a text; every number is a float. Null is an empty mapping.
///
/// # Errors
/// The text that Helm puts under the key `Error`.
pub fn from_yaml(text: &str) -> Result<Map, String> {
    match read(text)?.value {
        Value::Map(map) => Ok(map),
        Value::Null => Ok(Map::default()),
        other => Err(wrong_type(&other, "map[string]interface {}")),
    }
}

/// What `fromYamlArray` makes of a text; every number is a float. Null is an empty list.
///
/// # Errors
/// The text that Helm makes the only item of the list.
pub fn from_yaml_array(text: &str) -> Result<Vec<Node>, String> {
    match read(text)?.value {
        Value::Seq(items) => Ok(items),
        Value::Null => Ok(Vec::new()),
        other => Err(wrong_type(&other, "[]interface {}")),
    }
}

fn read(text: &str) -> Result<Node, String> {
    let source = Source::new("text", text);
    let options = ReadOptions { numbers: Numbers::Float64, ..ReadOptions::default() };
    match read_first(&source, Span::new(0, text.len()), &options) {
        Ok(Document { node, .. }) => Ok(node),
        Err(failure) => Err(format!("error converting YAML to JSON: {}", failure.go)),
    }
}

fn wrong_type(value: &Value, target: &str) -> String {
    let kind = match value {
        Value::Seq(_) => "array",
        Value::Str(_) => "string",
        Value::Bool(_) => "bool",
        Value::Map(_) => "object",
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => "number",
        Value::Null => "null",
    };
    format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type {target}"
    )
}
