//! Properties of the comparison over real manifests and mutations of them: what is reported is complete, and says the same
//! from both sides.

use std::path::Path as FilePath;

use super::change::{Change, apply, changes};
use super::mask::MaskKey;
use super::report::{EnvironmentDiff, ObjectDiff, ReleaseDiff, Status};
use super::{Options, compare};
use crate::error::Source;
use crate::manifest::ObjectId;
use crate::rendered::{ReleasePair, ReleaseState, StoredObject};
use crate::yaml::{self, Entry, Node, ReadOptions, Value};

/// Mutated pairs that one run compares.
const ROUNDS: usize = 3_000;
/// Mutations of one object at most.
const MUTATIONS_MAX: usize = 6;

/// A small generator (xorshift64*, Vigna 2016), so that a seed names a run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let n = u64::try_from(n.max(1)).expect("a small number");
        usize::try_from((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % n).expect("a small number")
    }
}

/// Objects as the real helm rendered them, and those of our own example.
fn corpus() -> Vec<Node> {
    let mut objects = Vec::new();
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["fixtures/helm", "rendered"] {
        for entry in walkdir::WalkDir::new(root.join(folder)).sort_by_file_name() {
            let path = entry.expect("a readable folder").into_path();
            let is_wanted = path.ends_with("expected.yaml") || path.starts_with(root.join("rendered"));
            if !is_wanted || path.extension().is_none_or(|ending| ending != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("UTF-8");
            let documents = yaml::read_all(&Source::new("corpus", text), &ReadOptions::default()).unwrap_or_default();
            objects.extend(documents.into_iter().map(|document| document.node).filter(|node| node.as_map().is_some()));
        }
    }
    assert!(objects.len() > 100, "the corpus is there: {}", objects.len());
    objects
}

/// All nodes of a tree, counted.
fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Map(map) => map.values().map(|entry| size(&entry.node)).sum(),
        Value::Seq(items) => items.iter().map(size).sum(),
        _ => 0,
    }
}

/// The `at`-th node of a tree.
fn nth<'n>(node: &'n mut Node, at: &mut usize) -> Option<&'n mut Node> {
    if *at == 0 {
        return Some(node);
    }
    *at -= 1;
    match &mut node.value {
        Value::Map(map) => map.values_mut().find_map(|entry| nth(&mut entry.node, at)),
        Value::Seq(items) => items.iter_mut().find_map(|item| nth(item, at)),
        _ => None,
    }
}

fn scalar(random: &mut Random) -> Value {
    match random.below(8) {
        0 => Value::Null,
        1 => Value::Bool(true),
        2 => Value::Int(i64::try_from(random.below(100)).expect("small")),
        3 => "one\ntwo\nthree\n".into(),
        4 => "one\ntwo\nthree".into(),
        5 => "{\"a\": 1}".into(),
        6 => Value::Map(yaml::Map::default()),
        _ => format!("text {}", random.below(10)).into(),
    }
}

/// Changes one place of a tree.
fn mutate(root: &mut Node, random: &mut Random) {
    let mut at = 1 + random.below(size(root).saturating_sub(1));
    let Some(node) = nth(root, &mut at) else { return };
    let value = scalar(random);
    match &mut node.value {
        Value::Map(map) if !map.is_empty() && random.below(3) > 0 => {
            let place = random.below(map.len());
            match random.below(3) {
                0 => drop(map.shift_remove_index(place)),
                1 => drop(map.insert(format!("key{}", random.below(5)).into(), Entry::new(value))),
                _ => map.move_index(place, 0),
            }
        }
        Value::Seq(items) if !items.is_empty() && random.below(4) > 0 => {
            let (a, b) = (random.below(items.len()), random.below(items.len()));
            match random.below(5) {
                0 => drop(items.remove(a)),
                1 => items.swap(a, b),
                2 => items.insert(a, items[b].clone()),
                3 => items.insert(a, Node::new(value)),
                _ => items.reverse(),
            }
        }
        other => *other = value,
    }
}

/// Changes in an order that does not depend on which side is older.
fn ordered(changes: &[Change]) -> Vec<String> {
    let mut lines: Vec<String> = changes
        .iter()
        .map(|change| {
            let mut text = String::new();
            describe(change, &mut text);
            text
        })
        .collect();
    lines.sort();
    lines
}

/// A change without the places in texts, which tell nothing.
fn describe(change: &Change, out: &mut String) {
    use super::change::What;
    use std::fmt::Write as _;
    let yaml = |node: &Node| {
        let mut text = String::new();
        yaml::canonical(&node.value, &mut text);
        text
    };
    let _ = write!(out, "{:?} ", change.path);
    let _ = match &change.what {
        What::Added(node) => write!(out, "+{}", yaml(node)),
        What::Removed(node) => write!(out, "-{}", yaml(node)),
        What::Changed { old, new, same_meaning } => write!(out, "{}→{} {same_meaning:?}", yaml(old), yaml(new)),
        What::Text { old, new } => write!(out, "{old}→{new}"),
        What::Embedded { old, new, changes, .. } => {
            write!(out, "{old}→{new}{:?}", ordered(changes))
        }
        What::Reordered(items) => write!(out, "{items:?}"),
    };
}

fn holds(old: &Node, new: &Node) {
    let text = |node: &Node| {
        let mut text = String::new();
        yaml::canonical(&node.value, &mut text);
        text
    };
    let found = changes(old, new, true);
    assert_eq!(apply(old, &found), *new, "incomplete:\n{}\n---\n{}", text(old), text(new));
    assert_eq!(found.is_empty(), old == new, "no changes if and only if equal");
    let turned: Vec<Change> = found.iter().map(Change::turned).collect();
    assert_eq!(ordered(&turned), ordered(&changes(new, old, true)), "one-sided:\n{}\n---\n{}", text(old), text(new));
}

#[test]
fn an_object_does_not_differ_from_itself() {
    for object in corpus() {
        assert!(changes(&object, &object, true).is_empty());
    }
}

#[test]
fn reported_changes_are_complete_and_mirror_themselves() {
    let corpus = corpus();
    let mut random = Random(0x6b63_6667);
    let mut differing = 0;
    for _ in 0..ROUNDS {
        let old = &corpus[random.below(corpus.len())];
        let mut new = old.clone();
        for _ in 0..=random.below(MUTATIONS_MAX) {
            mutate(&mut new, &mut random);
        }
        differing += usize::from(*old != new);
        holds(old, &new);
    }
    assert!(differing > ROUNDS * 3 / 4, "only {differing} of {ROUNDS} pairs differ");
    // Objects that have little in common.
    for _ in 0..ROUNDS / 10 {
        holds(&corpus[random.below(corpus.len())], &corpus[random.below(corpus.len())]);
    }
}

/// Two trees of three releases in two environments; the second is mutated: objects removed, renamed, moved, changed.
fn trees(corpus: &[Node], random: &mut Random) -> [Vec<(usize, Node)>; 2] {
    let old: Vec<(usize, Node)> =
        (0..20).map(|_| (random.below(3), corpus[random.below(corpus.len())].clone())).collect();
    let mut new = Vec::new();
    for (release, node) in &old {
        let (mut release, mut node) = (*release, node.clone());
        match random.below(6) {
            0 => continue,
            1 => release = random.below(3),
            2 => {
                let name = node.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Node::as_str);
                let name = format!("{}-x{}", name.unwrap_or_default(), random.below(9));
                let metadata = node.as_map_mut().and_then(|map| map.get_mut("metadata"));
                if let Some(metadata) = metadata.and_then(|entry| entry.node.as_map_mut()) {
                    metadata.insert("name".into(), Entry::new(name));
                }
            }
            3 => mutate(&mut node, random),
            _ => {}
        }
        new.push((release, node));
    }
    new.push((random.below(3), corpus[random.below(corpus.len())].clone()));
    [old, new]
}

fn pairs(old: &[(usize, Node)], new: &[(usize, Node)]) -> Vec<ReleasePair> {
    let state = |all: &[(usize, Node)], release: usize| {
        let object = |(index, (_, node)): (usize, &(usize, Node))| {
            let mut text = String::new();
            yaml::canonical(&node.value, &mut text);
            let at = |path: &[&str]| node.at(path).and_then(Node::as_str).unwrap_or("?").to_owned();
            StoredObject {
                id: ObjectId {
                    group: crate::manifest::group_of(&at(&["apiVersion"])).into(),
                    kind: at(&["kind"]).into(),
                    namespace: None,
                    name: at(&["metadata", "name"]).into(),
                },
                file: format!("{index}.yaml"),
                hash: text,
                template: None,
                node: node.clone(),
                text: Source::new("test", ""),
            }
        };
        let objects = all.iter().enumerate().filter(|(_, (own, _))| *own == release).map(object).collect();
        Some(ReleaseState { objects, ..ReleaseState::default() })
    };
    let pair = |release: usize| ReleasePair {
        environment: if release < 2 { "a".into() } else { "b".into() },
        release: release.to_string(),
        old: state(old, release),
        new: state(new, release),
    };
    (0..3).map(pair).collect()
}

/// What a report says of each object, one line each, in an order of its own; `turn` tells it from the other side.
fn told(report: &super::Report, turn: bool) -> Vec<String> {
    let line = |(environment, release, object): (&EnvironmentDiff, &ReleaseDiff, &ObjectDiff)| {
        let here = (environment.name.clone(), release.name.clone(), object.id.clone());
        let before = object.before.as_ref().map(|b| (b.environment.clone(), b.release.clone(), b.id.clone()));
        let before = before.unwrap_or_else(|| here.clone());
        let status = match (object.status, turn) {
            (Status::Added, true) => Status::Removed,
            (Status::Removed, true) => Status::Added,
            (status, _) => status,
        };
        let turned = |change: &Change| if turn { change.turned() } else { change.clone() };
        let changes: Vec<Change> = object.changes.iter().map(turned).collect();
        let (from, to) = if turn { (here, before) } else { (before, here) };
        format!("{status:?} {from:?} {to:?} {:?}", ordered(&changes))
    };
    let mut lines: Vec<String> = report.objects().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn a_report_mirrors_itself() {
    let corpus = corpus();
    let mut random = Random(0x6469_6666);
    let options = || Options { mask: MaskKey::new(&[1; 32]), ignore: Vec::new() };
    for _ in 0..60 {
        let [old, new] = trees(&corpus, &mut random);
        assert!(compare(pairs(&old, &old), &options()).objects().all(|(.., object)| object.changes.is_empty()));
        let there = compare(pairs(&old, &new), &options());
        let back = compare(pairs(&new, &old), &options());
        assert_eq!(told(&there, true), told(&back, false));
    }
}
