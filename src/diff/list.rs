//! Which items of two lists are the same item: by the field that tells them apart (`name`, `mountPath`, port and protocol),
//! else by what they hold and where they stand.

use std::collections::HashMap;
use std::sync::Arc;

use similar::DiffOp;

use crate::yaml::{self, Node, Value};

use super::path::Path;
use super::text::sequence;

/// Pairs of items without a key that are compared at most (old × new); beyond it the differing part is replaced whole.
pub const LIST_PAIRS_MAX: usize = 25_000_000;
/// Characters of a label that are shown.
const LABEL_CHARS_MAX: usize = 60;

/// Fields that tell the items of a list apart, by the key that holds the list. From the merge keys of the Kubernetes
/// API (`patchMergeKey` and `x-kubernetes-list-map-keys`), and where an item has a name that people know it by, the name
/// first: a port keeps its name when its number changes.
const LIST_KEYS: &[(&str, &[&str])] = &[
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("hostAliases", &["ip"]),
    ("paths", &["path", "pathType"]),
    ("subjects", &["kind", "namespace", "name"]),
    ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("ownerReferences", &["uid"]),
    ("conditions", &["type"]),
    ("podIPs", &["ip"]),
];

/// What tells the items of any other list apart: the first of these that every item of both lists has, each time with
/// another value.
const COMMON_KEYS: &[&[&str]] = &[
    &["name"],
    &["key"],
    &["id"],
    &["containerPort", "protocol"],
    &["port", "protocol"],
    &["mountPath"],
    &["host"],
    &["path"],
    &["ip"],
    &["secretName"],
    &["kind", "namespace", "name"],
    &["alert"],
    &["record"],
    &["type"],
    &["url"],
];

/// How the items of two lists belong together.
#[derive(Debug, Default)]
pub struct Alignment {
    /// Items that are on both sides (equal or not), then those on one side, each with its label.
    pub items: Vec<Item>,
    /// Whether items that are on both sides stand in another order.
    pub is_reordered: bool,
}

/// An item of the older list, of the newer, or of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What people know it by.
    pub label: Option<Arc<str>>,
    /// Where it stands in the older list.
    pub old: Option<usize>,
    /// Where it stands in the newer list.
    pub new: Option<usize>,
}

/// Works out which items belong together. Symmetric: with the lists exchanged, the sides of the result are exchanged.
pub fn align(path: &Path, old: &[Node], new: &[Node]) -> Alignment {
    if let Some([a, b]) = keys(path, old, new) {
        return by_key(&a, &b);
    }
    let texts = |items: &[Node]| -> Vec<String> {
        let text = |item: &Node| {
            let mut text = String::new();
            yaml::canonical(&sorted(item).value, &mut text);
            text
        };
        items.iter().map(text).collect()
    };
    let (a, b) = (texts(old), texts(new));
    let ordered = |texts: &[String]| {
        let mut texts = texts.to_vec();
        texts.sort();
        texts
    };
    if a.len() == b.len() && a != b && ordered(&a) == ordered(&b) {
        return by_content(&a, &b);
    }
    by_place(&a, &b)
}

/// The label of each item of both lists, if some field tells them apart.
fn keys(path: &Path, old: &[Node], new: &[Node]) -> Option<[Vec<Arc<str>>; 2]> {
    if old.iter().chain(new).any(|item| item.as_map().is_none()) {
        return None;
    }
    let field = path.last_key().unwrap_or_default();
    let own = LIST_KEYS.iter().find(|(name, _)| *name == field).map(|(_, keys)| *keys);
    own.into_iter().chain(COMMON_KEYS.iter().copied()).find_map(|fields| {
        let labels = |items: &[Node]| {
            let mut seen = std::collections::HashSet::new();
            let label = |item: &Node| label(item, fields).filter(|label| seen.insert(label.clone()));
            items.iter().map(label).collect::<Option<Vec<Arc<str>>>>()
        };
        Some([labels(old)?, labels(new)?])
    })
}

/// `8080/TCP`: the values of the fields that are there; the first must be, of a kind and name the last.
fn label(item: &Node, fields: &[&str]) -> Option<Arc<str>> {
    let value = |field: &&str| match &item.get(field)?.value {
        Value::Str(text) => Some(text.to_string()),
        Value::Int(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        _ => None,
    };
    let needed = if fields.contains(&"name") { fields.last()? } else { fields.first()? };
    value(needed)?;
    Some(fields.iter().filter_map(value).collect::<Vec<_>>().join("/").into())
}

fn by_key(a: &[Arc<str>], b: &[Arc<str>]) -> Alignment {
    let places: HashMap<&Arc<str>, usize> = b.iter().enumerate().map(|(index, label)| (label, index)).collect();
    let mut items: Vec<Item> = Vec::new();
    let mut found = vec![false; b.len()];
    for (old, label) in a.iter().enumerate() {
        let new = places.get(label).copied();
        if let Some(new) = new {
            found[new] = true;
        }
        items.push(Item { label: Some(label.clone()), old: Some(old), new });
    }
    let added = b.iter().enumerate().filter(|(new, _)| !found[*new]);
    items.extend(added.map(|(new, label)| Item { label: Some(label.clone()), old: None, new: Some(new) }));
    let places: Vec<usize> = items.iter().filter(|item| item.old.is_some()).filter_map(|item| item.new).collect();
    Alignment { items, is_reordered: places.windows(2).any(|pair| pair[0] > pair[1]) }
}

/// The same items in another order.
fn by_content(a: &[String], b: &[String]) -> Alignment {
    let mut places: HashMap<&String, Vec<usize>> = HashMap::new();
    for (index, text) in b.iter().enumerate().rev() {
        places.entry(text).or_default().push(index);
    }
    let item = |(old, text): (usize, &String)| Item {
        label: Some(short(text)),
        old: Some(old),
        new: places.get_mut(text).and_then(Vec::pop),
    };
    Alignment { items: a.iter().enumerate().map(item).collect(), is_reordered: true }
}

fn by_place(a: &[String], b: &[String]) -> Alignment {
    let mut items = Vec::new();
    for op in sequence(a, b, LIST_PAIRS_MAX) {
        let (old, new) = (op.old_range(), op.new_range());
        match op {
            DiffOp::Equal { .. } | DiffOp::Replace { .. } => {
                let common = old.len().min(new.len());
                let pair = |nth| Item { label: None, old: Some(old.start + nth), new: Some(new.start + nth) };
                items.extend((0..common).map(pair));
                items.extend((old.start + common..old.end).map(|old| Item { label: None, old: Some(old), new: None }));
                items.extend((new.start + common..new.end).map(|new| Item { label: None, old: None, new: Some(new) }));
            }
            DiffOp::Delete { .. } => items.extend(old.map(|old| Item { label: None, old: Some(old), new: None })),
            DiffOp::Insert { .. } => items.extend(new.map(|new| Item { label: None, old: None, new: Some(new) })),
        }
    }
    Alignment { items, is_reordered: false }
}

/// The same value with the keys of mappings sorted: their order carries no meaning.
pub fn sorted(node: &Node) -> Node {
    let value = match &node.value {
        Value::Map(map) => {
            let mut map: yaml::Map = map
                .iter()
                .map(|(key, entry)| (key.clone(), yaml::Entry { key_span: entry.key_span, node: sorted(&entry.node) }))
                .collect();
            map.sort_keys();
            Value::Map(map)
        }
        Value::Seq(items) => Value::Seq(items.iter().map(sorted).collect()),
        other => other.clone(),
    };
    Node { value, span: node.span }
}

fn short(text: &str) -> Arc<str> {
    let line = text.trim_end();
    let first = line.lines().next().unwrap_or_default();
    let cut: String = first.chars().take(LABEL_CHARS_MAX).collect();
    if cut.len() < line.len() { format!("{cut}…").into() } else { cut.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::path::Step;
    use crate::error::Source;
    use crate::yaml::ReadOptions;

    fn items(text: &str) -> Vec<Node> {
        let node = yaml::read(&Source::new("test", text), &ReadOptions::default()).expect("YAML").node;
        node.as_seq().expect("a list").to_vec()
    }

    fn aligned(field: &str, old: &str, new: &str) -> Vec<(String, Option<usize>, Option<usize>)> {
        let path = Path(vec![Step::Key(field.into())]);
        let alignment = align(&path, &items(old), &items(new));
        alignment.items.into_iter().map(|i| (i.label.unwrap_or_default().to_string(), i.old, i.new)).collect()
    }

    #[test]
    fn items_are_known_by_what_tells_them_apart() {
        let pair = |label: &str, old, new| (label.to_owned(), old, new);
        let table = [
            (
                "containers",
                "[{name: a}, {name: b}]",
                "[{name: b}]",
                vec![pair("a", Some(0), None), pair("b", Some(1), Some(0))],
            ),
            (
                "volumeMounts",
                "[{name: v, mountPath: /x}, {name: v, mountPath: /y}]",
                "[{name: w, mountPath: /y}]",
                vec![pair("/x", Some(0), None), pair("/y", Some(1), Some(0))],
            ),
            (
                "ports",
                "[{containerPort: 53, protocol: TCP}, {containerPort: 53, protocol: UDP}]",
                "[{containerPort: 53, protocol: UDP}]",
                vec![pair("53/TCP", Some(0), None), pair("53/UDP", Some(1), Some(0))],
            ),
            (
                "subjects",
                "[{kind: User, name: a}]",
                "[{kind: User, name: a}, {kind: Group, name: a}]",
                vec![pair("User/a", Some(0), Some(0)), pair("Group/a", None, Some(1))],
            ),
            // No field tells these apart: by content and place.
            (
                "args",
                "[a, b, c]",
                "[a, x, c]",
                vec![pair("", Some(0), Some(0)), pair("", Some(1), Some(1)), pair("", Some(2), Some(2))],
            ),
            ("env", "[{name: A}, {name: A}]", "[{name: A}]", vec![pair("", Some(0), Some(0)), pair("", Some(1), None)]),
        ];
        for (field, old, new, expected) in table {
            assert_eq!(aligned(field, old, new), expected, "{field}: {old} → {new}");
        }
    }

    #[test]
    fn another_order_is_said_as_such() {
        let path = Path(vec![Step::Key("args".into())]);
        assert!(align(&path, &items("[a, b, b]"), &items("[b, a, b]")).is_reordered);
        assert!(align(&path, &items("[{name: a}, {name: b}]"), &items("[{name: b}, {name: a}]")).is_reordered);
        assert!(
            !align(&path, &items("[{name: a}, {name: b}]"), &items("[{name: c}, {name: a}, {name: b}]")).is_reordered
        );
    }
}
