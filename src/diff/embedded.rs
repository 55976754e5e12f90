//! Files inside ConfigMap values: JSON, YAML and INI are compared as what they are.

use std::sync::Arc;

use crate::error::Source;
use crate::yaml::{self, DuplicateKeys, Entry, Map, Node, Numbers, ReadOptions, Value};

/// What a text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// JSON (RFC 8259).
    Json,
    /// YAML.
    Yaml,
    /// Sections of `key = value` lines.
    Ini,
}

/// Bytes of a text that is looked into; longer ones are compared as text.
pub const EMBEDDED_BYTES_MAX: usize = 1 << 20;

const YAML_ENDINGS: &[&str] = &[".yaml", ".yml"];
const INI_ENDINGS: &[&str] = &[".ini", ".conf", ".cfg", ".cnf", ".properties", ".env"];

impl Format {
    /// The name as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "JSON",
            Format::Yaml => "YAML",
            Format::Ini => "INI",
        }
    }

    /// The comment lines of a text.
    pub(super) fn comments(self, text: &str) -> Vec<&str> {
        let signs: &[char] = match self {
            Format::Json => return Vec::new(),
            Format::Yaml => &['#'],
            Format::Ini => &['#', ';'],
        };
        text.lines().map(str::trim).filter(|line| line.starts_with(signs)).collect()
    }
}

/// Reads both texts as the structure that they have in common; none if they have none. `file` is the key, whose ending
/// tells more than the text.
pub fn read(file: &str, old: &str, new: &str) -> Option<(Format, Node, Node)> {
    if old.len() > EMBEDDED_BYTES_MAX || new.len() > EMBEDDED_BYTES_MAX {
        return None;
    }
    let both = |format: Format, read: fn(&str) -> Option<Node>| Some((format, read(old)?, read(new)?));
    let ends = |endings: &[&str]| endings.iter().any(|ending| file.to_lowercase().ends_with(ending));
    let looks_like_json = |text: &str| text.trim_start().starts_with(['{', '[']);
    if looks_like_json(old)
        && looks_like_json(new)
        && let Some(found) = both(Format::Json, json)
    {
        return Some(found);
    }
    if ends(YAML_ENDINGS) {
        return both(Format::Yaml, yaml);
    }
    if ends(INI_ENDINGS) { both(Format::Ini, ini) } else { None }
}

fn structure(node: Node) -> Option<Node> {
    matches!(node.value, Value::Map(_) | Value::Seq(_)).then_some(node)
}

fn json(text: &str) -> Option<Node> {
    structure(yaml::from_json("value", text, Numbers::Exact).ok()?)
}

/// One document without duplicate keys; anything else is compared as text.
fn yaml(text: &str) -> Option<Node> {
    let options = ReadOptions { duplicate_keys: DuplicateKeys::Error, ..ReadOptions::default() };
    let mut documents = yaml::read_all(&Source::new("value", text), &options).ok()?;
    let only = documents.pop().filter(|_| documents.is_empty())?;
    structure(only.node)
}

/// `[section]` and `key = value` (or `key: value`) lines; any other line, or a key that stands twice, makes it a text.
fn ini(text: &str) -> Option<Node> {
    let mut root = Map::default();
    let mut section: Option<Arc<str>> = None;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name: Arc<str> = name.trim().into();
            if root.insert(name.clone(), Entry::new(Map::default())).is_some() {
                return None;
            }
            section = Some(name);
            continue;
        }
        let (key, value) = line.split_once('=').or_else(|| line.split_once(": "))?;
        let (key, value): (Arc<str>, &str) = (key.trim().into(), value.trim());
        if key.is_empty() || key.contains(char::is_whitespace) {
            return None;
        }
        let map = match &section {
            Some(name) => root.get_mut(name)?.node.as_map_mut()?,
            None => &mut root,
        };
        if map.insert(key, Entry::new(value)).is_some() {
            return None;
        }
    }
    (!root.is_empty()).then(|| Node::new(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_what_they_are() {
        let table = [
            ("x", "{\"a\": 1}", Some(Format::Json)),
            ("x.yaml", "{\"a\": 1}", Some(Format::Json)),
            ("x.yaml", "a: 1", Some(Format::Yaml)),
            ("x.yaml", "a: 1\n---\nb: 1", None),
            ("x.yaml", "a: 1\na: 2", None),
            ("x.yaml", "just text", None),
            ("x", "a: 1\nb: 2", None),
            ("x.ini", "[a]\nb = 1\n; c\n[d]\n", Some(Format::Ini)),
            ("x.conf", "server {\n listen 80;\n}", None),
            ("x.properties", "a.b=1\n# c\nd=2", Some(Format::Ini)),
            ("x.ini", "a=1\na=2", None),
            ("x.ini", "", None),
        ];
        for (file, text, expected) in table {
            assert_eq!(read(file, text, text).map(|(format, ..)| format), expected, "{file}: {text}");
        }
    }
}
