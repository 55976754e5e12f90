//! Values in a line, shortened where they are long.

use crate::yaml::{self, Node, Value};

/// Characters of a value that are shown in a line.
pub const VALUE_CHARS_MAX: usize = 120;

/// A scalar as YAML writes it, a collection in JSON's way; cut after [`VALUE_CHARS_MAX`] characters.
pub fn line(node: &Node) -> String {
    let mut text = String::new();
    flow(&node.value, &mut text);
    let count = text.chars().count();
    if count <= VALUE_CHARS_MAX {
        return text;
    }
    let cut: String = text.chars().take(VALUE_CHARS_MAX).collect();
    format!("{cut}… ({count} characters)")
}

fn flow(value: &Value, out: &mut String) {
    match value {
        Value::Seq(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                flow(&item.value, out);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (index, (key, entry)) in map.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                out.push_str(key);
                out.push_str(": ");
                flow(&entry.node.value, out);
            }
            out.push('}');
        }
        Value::Str(text) if text.contains('\n') => out.push_str(&format!("{text:?}")),
        scalar => {
            let mut text = String::new();
            yaml::canonical(scalar, &mut text);
            out.push_str(text.trim_end());
        }
    }
}

/// A value as lines of YAML.
pub fn block(node: &Node) -> String {
    let mut text = String::new();
    yaml::canonical(&node.value, &mut text);
    text
}
