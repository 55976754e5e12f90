//! Between the values of YAML and those of templates.

use crate::gotmpl::{IntKind, Map, MapType, Value};
use crate::yaml;

/// A YAML value as a template sees it. Integers, which only `--set` gives in Helm's charts, are int64.
pub(super) fn from_node(node: &yaml::Node) -> Value {
    match &node.value {
        yaml::Value::Null => Value::Nil,
        yaml::Value::Bool(b) => Value::Bool(*b),
        yaml::Value::Int(n) => Value::int64(*n),
        yaml::Value::UInt(n) => Value::Int(n.cast_signed(), IntKind::Uint64),
        yaml::Value::Float(f) => Value::Float(*f),
        yaml::Value::Str(text) => Value::Str(text.clone()),
        yaml::Value::Seq(items) => Value::list(items.iter().map(from_node).collect()),
        yaml::Value::Map(entries) => {
            Value::map(entries.iter().map(|(key, entry)| (key.clone(), from_node(&entry.node))).collect())
        }
    }
}

/// The same map under the type name of Helm's `Values`.
pub(super) fn as_values(map: &Map) -> Map {
    Map { entries: map.entries.clone(), map_type: MapType::Values }
}

/// A new, empty map of Helm's `Values`.
pub(super) fn empty_values() -> Map {
    Map { entries: Default::default(), map_type: MapType::Values }
}
