//! Two values → the changes that lead from one to the other, each at its place. Nothing is left out: the older value with
//! all changes made is the newer one.

use std::sync::Arc;

use crate::yaml::{Node, Value};

use super::embedded::{self, Format};
use super::list::{self, align};
use super::meaning::same_meaning;
use super::path::{Path, Step};

/// A change at a place of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where.
    pub path: Path,
    /// What.
    pub what: What,
}

/// What changed.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A key or an item that was not there.
    Added(Node),
    /// A key or an item that is gone.
    Removed(Node),
    /// Another value.
    Changed {
        /// The value before.
        old: Node,
        /// The value now.
        new: Node,
        /// Why both mean the same to Kubernetes, if they do.
        same_meaning: Option<&'static str>,
    },
    /// A text of several lines; [`hunks`](super::text::hunks) shows what changed in it.
    Text {
        /// The text before.
        old: Arc<str>,
        /// The text now.
        new: Arc<str>,
    },
    /// A text that holds structured data.
    Embedded {
        /// What it holds.
        format: Format,
        /// The text before.
        old: Arc<str>,
        /// The text now.
        new: Arc<str>,
        /// What changed in the data; paths begin at the data's own root.
        changes: Vec<Change>,
        /// Whether comments changed too, which the data do not show.
        comments_changed: bool,
    },
    /// The items that are on both sides stand in another order.
    Reordered(Vec<Moved>),
}

/// An item of a list in another order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// What people know it by.
    pub label: Arc<str>,
    /// Where it stood, from 0.
    pub old: usize,
    /// Where it stands, from 0.
    pub new: usize,
}

/// The changes that lead from `old` to `new`; none if they are equal. `is_config_map` says that `data` may hold whole
/// files, whose structure is compared.
pub fn changes(old: &Node, new: &Node, is_config_map: bool) -> Vec<Change> {
    let mut comparison = Comparison { changes: Vec::new(), is_config_map };
    comparison.compare(&Path::default(), old, new);
    comparison.changes
}

struct Comparison {
    changes: Vec<Change>,
    is_config_map: bool,
}

impl Comparison {
    fn compare(&mut self, path: &Path, old: &Node, new: &Node) {
        match (&old.value, &new.value) {
            (Value::Map(a), Value::Map(b)) => {
                for (key, entry) in a {
                    match b.get(key) {
                        Some(other) => self.compare(&path.key(key), &entry.node, &other.node),
                        None => self.push(path.key(key), What::Removed(entry.node.clone())),
                    }
                }
                for (key, entry) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                    self.push(path.key(key), What::Added(entry.node.clone()));
                }
            }
            (Value::Seq(a), Value::Seq(b)) if a != b => self.lists(path, a, b),
            (Value::Str(a), Value::Str(b)) if a != b => self.texts(path, a, b, old, new),
            (a, b) if a == b => {}
            _ => self.change(path, old, new),
        }
    }

    fn lists(&mut self, path: &Path, old: &[Node], new: &[Node]) {
        let alignment = align(path, old, new);
        for item in &alignment.items {
            let path = path.then(Step::Item { label: item.label.clone(), old: item.old, new: item.new });
            match (item.old, item.new) {
                (Some(a), Some(b)) => self.compare(&path, &old[a], &new[b]),
                (Some(a), None) => self.push(path, What::Removed(old[a].clone())),
                (None, Some(b)) => self.push(path, What::Added(new[b].clone())),
                (None, None) => {}
            }
        }
        if alignment.is_reordered {
            let moved = |item: list::Item| {
                Some(Moved { label: item.label.unwrap_or_default(), old: item.old?, new: item.new? })
            };
            let mut items: Vec<Moved> = alignment.items.into_iter().filter_map(moved).collect();
            items.sort_by_key(|item| item.new);
            self.push(path.clone(), What::Reordered(items));
        }
    }

    fn texts(&mut self, path: &Path, a: &Arc<str>, b: &Arc<str>, old: &Node, new: &Node) {
        if self.is_config_map
            && let [Step::Key(data), Step::Key(file)] = &path.0[..]
            && &**data == "data"
            && let Some((format, x, y)) = embedded::read(file, a, b)
        {
            let changes = changes(&x, &y, false);
            let comments_changed = format.comments(a) != format.comments(b);
            if !changes.is_empty() {
                let (old, new) = (a.clone(), b.clone());
                self.push(path.clone(), What::Embedded { format, old, new, changes, comments_changed });
                return;
            }
        }
        let is_long = |text: &str| text.trim_end_matches('\n').contains('\n');
        if is_long(a) || is_long(b) {
            self.push(path.clone(), What::Text { old: a.clone(), new: b.clone() });
        } else {
            self.change(path, old, new);
        }
    }

    fn change(&mut self, path: &Path, old: &Node, new: &Node) {
        let same_meaning = same_meaning(path, old, new);
        self.push(path.clone(), What::Changed { old: old.clone(), new: new.clone(), same_meaning });
    }

    fn push(&mut self, path: Path, what: What) {
        self.changes.push(Change { path, what });
    }
}

impl Change {
    /// Whether nothing changes for Kubernetes: another way to write the same.
    pub fn is_same_meaning(&self) -> bool {
        matches!(self.what, What::Changed { same_meaning: Some(_), .. })
    }

    /// The same change seen from the other side.
    pub fn turned(&self) -> Change {
        let step = |step: &Step| match step {
            Step::Key(key) => Step::Key(key.clone()),
            Step::Item { label, old, new } => Step::Item { label: label.clone(), old: *new, new: *old },
        };
        let what = match &self.what {
            What::Added(node) => What::Removed(node.clone()),
            What::Removed(node) => What::Added(node.clone()),
            What::Changed { old, new, same_meaning } => {
                What::Changed { old: new.clone(), new: old.clone(), same_meaning: *same_meaning }
            }
            What::Text { old, new } => What::Text { old: new.clone(), new: old.clone() },
            What::Embedded { format, old, new, changes, comments_changed } => What::Embedded {
                format: *format,
                old: new.clone(),
                new: old.clone(),
                changes: changes.iter().map(Change::turned).collect(),
                comments_changed: *comments_changed,
            },
            What::Reordered(items) => {
                let turn = |item: &Moved| Moved { label: item.label.clone(), old: item.new, new: item.old };
                let mut items: Vec<Moved> = items.iter().map(turn).collect();
                items.sort_by_key(|item| item.new);
                What::Reordered(items)
            }
        };
        Change { path: Path(self.path.0.iter().map(step).collect()), what }
    }
}

/// Makes the changes: the older value becomes the newer one. What the reports show is complete if this holds.
#[cfg(test)]
pub fn apply(old: &Node, changes: &[Change]) -> Node {
    let refs: Vec<(&[Step], &What)> = changes.iter().map(|change| (&change.path.0[..], &change.what)).collect();
    patch::value(Some(old), &refs).expect("a value remains")
}

#[cfg(test)]
mod patch {
    use indexmap::IndexMap;

    use super::*;
    use crate::yaml::{Entry, Map};

    type At<'a> = (&'a [Step], &'a What);

    pub fn value(old: Option<&Node>, changes: &[At]) -> Option<Node> {
        if let [(steps, what)] = changes
            && steps.is_empty()
        {
            match what {
                What::Added(node) | What::Changed { new: node, .. } => return Some(node.clone()),
                What::Removed(_) => return None,
                What::Text { new, .. } | What::Embedded { new, .. } => return Some(Node::new(new.clone())),
                What::Reordered(_) => {}
            }
        }
        match old.map(|node| &node.value) {
            Some(Value::Map(map)) => Some(Node::new(self::map(map, changes))),
            Some(Value::Seq(items)) => Some(Node::new(list(items, changes))),
            _ => panic!("changes below a scalar: {changes:?}"),
        }
    }

    fn map(old: &Map, changes: &[At]) -> Map {
        let mut groups: IndexMap<&Arc<str>, Vec<At>> = IndexMap::new();
        for (steps, what) in changes {
            let [Step::Key(key), rest @ ..] = *steps else { panic!("no key at {steps:?}") };
            groups.entry(key).or_default().push((rest, what));
        }
        let mut new = old.clone();
        for (key, changes) in groups {
            match value(old.get(key).map(|entry| &entry.node), &changes) {
                Some(node) => drop(new.insert(key.clone(), Entry { node, ..Entry::new(false) })),
                None => drop(new.shift_remove(key)),
            }
        }
        new
    }

    fn list(old: &[Node], changes: &[At]) -> Vec<Node> {
        let mut groups: IndexMap<(Option<usize>, Option<usize>), Vec<At>> = IndexMap::new();
        let mut order = None;
        for (steps, what) in changes {
            match (*steps, what) {
                ([], What::Reordered(items)) => order = Some(items),
                ([Step::Item { old, new, .. }, rest @ ..], what) => {
                    groups.entry((*old, *new)).or_default().push((rest, what));
                }
                other => panic!("no item at {other:?}"),
            }
        }
        let mut kept: Vec<Option<Node>> = old.iter().cloned().map(Some).collect();
        let mut added: Vec<(usize, Node)> = Vec::new();
        for ((from, to), changes) in groups {
            let node = value(from.map(|index| &old[index]), &changes);
            match from {
                Some(index) => kept[index] = node,
                None => added.push((to.expect("an added item has a place"), node.expect("and a value"))),
            }
        }
        let survivors: Vec<(usize, Node)> =
            kept.into_iter().enumerate().filter_map(|(index, node)| Some((index, node?))).collect();
        let mut new: Vec<Option<Node>> = vec![None; survivors.len() + added.len()];
        for (index, node) in added {
            new[index] = Some(node);
        }
        match order {
            Some(items) => {
                for (index, node) in survivors {
                    let item = items.iter().find(|item| item.old == index).expect("every survivor is in the order");
                    new[item.new] = Some(node);
                }
            }
            None => {
                let mut survivors = survivors.into_iter();
                for place in new.iter_mut().filter(|place| place.is_none()) {
                    *place = survivors.next().map(|(_, node)| node);
                }
            }
        }
        new.into_iter().map(|node| node.expect("no gap")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Source;
    use crate::yaml::{self, ReadOptions};

    fn node(text: &str) -> Node {
        yaml::read(&Source::new("test", text), &ReadOptions::default()).expect("YAML").node
    }

    fn shown(old: &str, new: &str) -> Vec<String> {
        let (a, b) = (node(old), node(new));
        let found = changes(&a, &b, true);
        assert_eq!(apply(&a, &found), b, "{old} → {new}");
        let json = |node: &Node| {
            let mut text = String::new();
            yaml::canonical(&node.value, &mut text);
            text.trim_end().replace('\n', ", ")
        };
        let line = |change: &Change| match &change.what {
            What::Added(node) => format!("+ {}: {}", change.path, json(node)),
            What::Removed(node) => format!("- {}: {}", change.path, json(node)),
            What::Changed { old, new, same_meaning } => {
                format!("{} {}: {} → {}", same_meaning.map_or("~", |_| "="), change.path, json(old), json(new))
            }
            What::Text { .. } => format!("text {}", change.path),
            What::Embedded { format, changes, .. } => format!("{format:?} {}: {} changes", change.path, changes.len()),
            What::Reordered(items) => {
                let labels: Vec<&str> = items.iter().map(|item| &*item.label).collect();
                format!("order {}: {}", change.path, labels.join(" "))
            }
        };
        found.iter().map(line).collect()
    }

    #[test]
    fn changes_are_told_in_the_terms_of_the_fields() {
        let table: &[(&str, &str, &[&str])] = &[
            ("{a: 1}", "{a: 1}", &[]),
            ("{a: 1, b: 2}", "{b: 2, a: 1}", &[]),
            ("{spec: {replicas: 1}}", "{spec: {replicas: 3}}", &["~ spec.replicas: 1 → 3"]),
            ("{a: 1}", "{b: 1}", &["- a: 1", "+ b: 1"]),
            (
                "{containers: [{name: web, image: a}, {name: log, image: b}]}",
                "{containers: [{name: new, image: c}, {name: web, image: d}]}",
                &[
                    "~ containers[web].image: a → d",
                    "- containers[log]: name: log, image: b",
                    "+ containers[new]: name: new, image: c",
                ],
            ),
            (
                "{containers: [{name: a}, {name: b}]}",
                "{containers: [{name: b}, {name: a}]}",
                &["order containers: b a"],
            ),
            ("{args: [a, b, c]}", "{args: [a, c]}", &["- args[1]: b"]),
            ("{args: [a, b]}", "{args: [b, a]}", &["order args: b a"]),
            ("{limits: {cpu: 1000m}}", "{limits: {cpu: \"1\"}}", &["= limits.cpu: 1000m → \"1\""]),
            ("{data: {x: \"a\\nb\\n\"}}", "{data: {x: \"a\\nc\\n\"}}", &["text data.x"]),
            ("{data: {x.json: '{\"a\": 1}'}}", "{data: {x.json: '{\"a\": 2}'}}", &["Json data[\"x.json\"]: 1 changes"]),
            (
                "{data: {x.json: '{\"a\": 1}'}}",
                "{data: {x.json: '{\"a\":1}'}}",
                &["~ data[\"x.json\"]: '{\"a\": 1}' → '{\"a\":1}'"],
            ),
            ("{a: {}}", "{a: []}", &["~ a: {} → []"]),
            ("{a: [{b: 1}, {b: 2}]}", "{a: [{b: 2}]}", &["- a[0]: b: 1"]),
        ];
        for (old, new, expected) in table {
            assert_eq!(shown(old, new), *expected, "{old} → {new}");
        }
    }
}
