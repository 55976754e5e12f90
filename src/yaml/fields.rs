//! Reading a mapping whose keys are known: settings, release documents. In: nodes. Out: typed fields with their
//! places, and a diagnostic for every key that nobody knows and every value of the wrong kind.

use std::fmt;
use std::sync::Arc;

use super::value::{Map, Node, Value};
use crate::error::{Diagnostic, Place, RuleName, Source, Span, nearest};

/// A text and the place it was written at.
#[derive(Debug, Clone)]
pub struct Text {
    /// The text.
    pub text: Arc<str>,
    /// Where it stands, in the source that its owner names.
    pub span: Span,
}

impl Text {
    /// The text alone.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Text {
    /// Places do not count.
    fn eq(&self, other: &Text) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads fields of one document and gathers what is wrong with them, so that one run shows all of it.
///
/// A null is an absent field everywhere, as Kubernetes reads it. `path` arguments name the mapping in messages:
/// `spec.chart`.
#[derive(Debug)]
pub struct Fields {
    /// The text that spans point into.
    pub source: Arc<Source>,
    /// What was wrong so far.
    pub errors: Vec<Diagnostic>,
}

impl Fields {
    /// A reader for nodes of this source.
    pub fn new(source: &Arc<Source>) -> Fields {
        Fields { source: source.clone(), errors: Vec::new() }
    }

    /// The place of a span in this source.
    pub fn place(&self, span: Span) -> Place {
        Place { source: self.source.clone(), span }
    }

    /// Notes an error at a span, and gives it back so that notes and help can be added.
    pub fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.errors.push(Diagnostic::error(message).at(&self.source, span));
        self.errors.last_mut().expect("an error was pushed on the line above")
    }

    /// Notes an error with its line of help.
    pub fn error_help(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.error(span, message).help = Some(help.into());
    }

    /// Every key that is not among `known` is an error with the nearest known name.
    pub fn known(&mut self, map: &Map, path: &str, known: &[&str]) {
        // The last key that stands there without a value.
        let mut empty: Option<&str> = None;
        for (key, entry) in map {
            if known.contains(&&**key) {
                empty = (entry.node.is_null() && entry.node.span.is_some()).then_some(&**key);
                continue;
            }
            let inside = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
            let help = match (nearest(key, known.iter().copied()), empty) {
                (Some(name), _) => format!("did you mean `{name}`?"),
                (None, Some(above)) => format!("if it belongs to `{above}:` above, indent it deeper than that"),
                (None, None) => format!("known are {}", known.join(", ")),
            };
            let error = self.error(entry.key_span, format!("unknown key `{key}`{inside}"));
            (error.help, error.rule) = (Some(help), Some(RuleName::UnknownKey));
        }
    }

    /// The mapping at `key`.
    pub fn map<'n>(&mut self, map: &'n Map, path: &str, key: &str) -> Option<&'n Map> {
        let node = present(map, key)?;
        self.as_map(node, &join(path, key))
    }

    /// The mapping that a node is.
    pub fn as_map<'n>(&mut self, node: &'n Node, path: &str) -> Option<&'n Map> {
        let found = node.as_map();
        if found.is_none() {
            self.wrong_kind(node, path, "a mapping");
        }
        found
    }

    /// The items at `key`; none at all if the key is absent.
    pub fn list<'n>(&mut self, map: &'n Map, path: &str, key: &str) -> &'n [Node] {
        let Some(node) = present(map, key) else { return &[] };
        node.as_seq().unwrap_or_else(|| {
            self.wrong_kind(node, &join(path, key), "a list");
            &[]
        })
    }

    /// The text at `key`; an empty one is an absent one, as Go's JSON reads it.
    pub fn text(&mut self, map: &Map, path: &str, key: &str) -> Option<Text> {
        let node = present(map, key)?;
        self.as_text(node, &join(path, key)).filter(|text| !text.text.is_empty())
    }

    /// The text that a node is.
    pub fn as_text(&mut self, node: &Node, path: &str) -> Option<Text> {
        if let Value::Str(text) = &node.value {
            return Some(Text { text: text.clone(), span: node.span });
        }
        self.wrong_kind(node, path, "text");
        if matches!(node.value, Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_))
            && let Some(error) = self.errors.last_mut()
        {
            error.help = Some("write it in quotes".into());
        }
        None
    }

    /// The texts of the list at `key`.
    pub fn texts(&mut self, map: &Map, path: &str, key: &str) -> Vec<Text> {
        let items = self.list(map, path, key);
        let path = format!("{}[]", join(path, key));
        items.iter().filter_map(|item| self.as_text(item, &path)).collect()
    }

    /// The text at `key`, which has to be there; `owner` is the span to point at when it is not.
    pub fn required_text(&mut self, map: &Map, path: &str, key: &str, owner: Span) -> Option<Text> {
        let errors_before = self.errors.len();
        let found = self.text(map, path, key);
        if found.is_none() && self.errors.len() == errors_before {
            self.error(owner, format!("`{}` is missing", join(path, key)));
        }
        found
    }

    /// The boolean at `key`.
    pub fn boolean(&mut self, map: &Map, path: &str, key: &str) -> Option<bool> {
        let node = present(map, key)?;
        let found = node.as_bool();
        if found.is_none() {
            self.wrong_kind(node, &join(path, key), "true or false");
        }
        found
    }

    /// The integer from 0 up at `key`.
    pub fn count(&mut self, map: &Map, path: &str, key: &str) -> Option<u64> {
        let node = present(map, key)?;
        let found = match node.value {
            Value::Int(n) => u64::try_from(n).ok(),
            Value::UInt(n) => Some(n),
            _ => None,
        };
        if found.is_none() {
            self.wrong_kind(node, &join(path, key), "an integer from 0 up");
        }
        found
    }

    /// Notes that a node is not what it has to be.
    pub fn wrong_kind(&mut self, node: &Node, path: &str, wanted: &str) {
        let found = node.value.kind_name();
        let help = match wanted {
            "a mapping" => Some("write `name: value` lines below it, indented deeper"),
            "a list" => Some("write `- value` lines below it"),
            "true or false" => Some("write `true` or `false`, without quotes"),
            "an integer from 0 up" => Some("write a number, without quotes"),
            _ => None,
        };
        let error = self.error(node.span, format!("`{path}` has to be {wanted}, not {found}"));
        error.help = help.map(Into::into);
    }
}

/// The node at `key`, unless it is null.
pub fn present<'n>(map: &'n Map, key: &str) -> Option<&'n Node> {
    map.get(key).map(|entry| &entry.node).filter(|node| !node.is_null())
}

/// `spec` and `chart` → `spec.chart`.
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{ReadOptions, read};

    fn messages(text: &str, ask: impl Fn(&mut Fields, &Map)) -> Vec<String> {
        let source = Source::new("f.yaml", text);
        let document = read(&source, &ReadOptions::default()).expect("the text is YAML");
        let mut fields = Fields::new(&source);
        ask(&mut fields, document.node.as_map().expect("a mapping"));
        let line = |d: &Diagnostic| {
            let place = d.place.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{place}: {} ({})", d.message, d.help.clone().unwrap_or_default())
        };
        fields.errors.iter().map(line).collect()
    }

    #[test]
    fn unknown_keys_name_the_nearest_known_one() {
        let found = messages("releasName: x\nzzzz: 1\n", |f, map| f.known(map, "spec", &["releaseName", "values"]));
        assert_eq!(
            found,
            [
                "f.yaml:1:1: unknown key `releasName` in `spec` (did you mean `releaseName`?)",
                "f.yaml:2:1: unknown key `zzzz` in `spec` (known are releaseName, values)"
            ]
        );
        let found = messages("values:\nzzzz: 1\n", |f, map| f.known(map, "spec", &["releaseName", "values"]));
        let help = "if it belongs to `values:` above, indent it deeper than that";
        assert_eq!(found, [format!("f.yaml:2:1: unknown key `zzzz` in `spec` ({help})")]);
    }

    #[test]
    fn values_of_the_wrong_kind_are_errors_and_nulls_are_absent() {
        let found = messages("a: 1.30\nb: ~\nc: yes please\nd: -1\ne: {}\nf: ''\n", |f, map| {
            assert!(f.text(map, "", "a").is_none());
            assert!(f.text(map, "", "b").is_none());
            assert!(f.boolean(map, "", "c").is_none());
            assert!(f.count(map, "", "d").is_none());
            assert!(f.list(map, "", "e").is_empty());
            assert!(f.required_text(map, "", "f", Span::new(0, 1)).is_none());
        });
        assert_eq!(
            found,
            [
                "f.yaml:1:4: `a` has to be text, not a number (write it in quotes)",
                "f.yaml:3:4: `c` has to be true or false, not text (write `true` or `false`, without quotes)",
                "f.yaml:4:4: `d` has to be an integer from 0 up, not an integer (write a number, without quotes)",
                "f.yaml:5:4: `e` has to be a list, not a mapping (write `- value` lines below it)",
                "f.yaml:1:1: `f` is missing ()"
            ]
        );
    }
}
