//! Two snapshots → what differs, release by release: equal folders are not read, equal files are not parsed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rayon::prelude::*;

use crate::error::{Diagnostic, Source};
use crate::manifest::{ObjectId, group_of};
use crate::repo::{Git, Selector};
use crate::yaml::{self, Node, ReadOptions};

use super::snapshot::{ReleaseFiles, ReleaseFolder, Snapshot, StateFile};
use super::sum::hex_sha256;
use super::{FIRST_LINE, Problem, RENDERED_FOLDER};

/// A release that is not the same on both sides.
#[derive(Debug)]
pub struct ReleasePair {
    /// The environment; empty for manifests that belong to none.
    pub environment: String,
    /// The release's name; empty for manifests that belong to none.
    pub release: String,
    /// The older side; none where the release is new.
    pub old: Option<ReleaseState>,
    /// The newer side; none where the release is gone.
    pub new: Option<ReleaseState>,
}

/// One side of a release that differs.
#[derive(Debug, Default)]
pub struct ReleaseState {
    /// The digest, where there is a sum.
    pub digest: Option<String>,
    /// The chart with its version and engine.
    pub chart: Option<String>,
    /// The file that holds the release's document.
    pub source: Option<String>,
    /// How the folder differs from its own sum.
    pub problems: Vec<Problem>,
    /// How many objects the release has on this side, those that did not change too.
    pub object_count: usize,
    /// The objects that are not the same on the other side.
    pub objects: Vec<StoredObject>,
    /// Files that hold no readable object.
    pub unreadable: Vec<Diagnostic>,
}

/// An object as it stands in a file.
#[derive(Debug, Clone)]
pub struct StoredObject {
    /// Its id.
    pub id: ObjectId,
    /// The file's name in the release's folder.
    pub file: String,
    /// sha256 of the file; of the object alone where a file holds several.
    pub hash: String,
    /// The template that made it, from the file's first line.
    pub template: Option<String>,
    /// What it holds.
    pub node: Node,
    /// The text that it was read from.
    pub text: Arc<Source>,
}

/// An object that has no name cannot be told from another; it is known by this.
const NO_NAME: &str = "?";

/// What differs between two snapshots, by environment and release. Where either side is plain manifests, all objects
/// of both are compared by their ids alone.
///
/// # Errors
/// A folder that differs cannot be read.
pub fn changed(
    old: &Snapshot,
    new: &Snapshot,
    git: Option<&Git>,
    selectors: &[Selector],
) -> Result<Vec<ReleasePair>, Vec<Diagnostic>> {
    let is_plain = |snapshot: &Snapshot| snapshot.releases.values().any(|f| matches!(f, ReleaseFolder::Plain(_)));
    if is_plain(old) || is_plain(new) {
        let pair = pair("", "", Some(flat(old, git)?), Some(flat(new, git)?), selectors);
        return Ok(vec![pair]);
    }
    let keys: BTreeSet<&(String, String)> = old.releases.keys().chain(new.releases.keys()).collect();
    let keys: Vec<_> = keys
        .into_iter()
        .filter(|key| match (old.releases.get(*key), new.releases.get(*key)) {
            (Some(a), Some(b)) => !a.is_same(b),
            _ => true,
        })
        .collect();
    let pairs: Vec<Result<ReleasePair, Diagnostic>> = keys
        .par_iter()
        .map(|key| {
            let (environment, release) = key;
            let shown = format!("{RENDERED_FOLDER}/{environment}/{release}");
            let read =
                |snapshot: &Snapshot| snapshot.releases.get(*key).map(|folder| folder.read(git, &shown)).transpose();
            Ok(pair(environment, release, read(old)?, read(new)?, selectors))
        })
        .collect();
    let (mut differing, mut errors) = (Vec::new(), Vec::new());
    for pair in pairs {
        match pair {
            Ok(pair) if pair.differs() => differing.push(pair),
            Ok(_) => {}
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(differing) } else { Err(errors) }
}

impl ReleasePair {
    fn differs(&self) -> bool {
        let shows = |state: &ReleaseState| {
            !state.objects.is_empty() || !state.problems.is_empty() || !state.unreadable.is_empty()
        };
        self.old.is_some() != self.new.is_some() || self.old.iter().chain(&self.new).any(shows)
    }
}

/// All files of a snapshot as one folder.
fn flat(snapshot: &Snapshot, git: Option<&Git>) -> Result<ReleaseFiles, Vec<Diagnostic>> {
    let mut all = ReleaseFiles::default();
    for ((environment, release), folder) in &snapshot.releases {
        let shown = format!("{RENDERED_FOLDER}/{environment}/{release}");
        let files = folder.read(git, &shown).map_err(|error| vec![error])?;
        all.files.extend(files.files);
    }
    Ok(all)
}

fn pair(
    environment: &str,
    release: &str,
    old: Option<ReleaseFiles>,
    new: Option<ReleaseFiles>,
    selectors: &[Selector],
) -> ReleasePair {
    // A file with the same name and bytes holds the same object.
    let same: BTreeSet<(String, String)> = match (&old, &new) {
        (Some(old), Some(new)) => {
            let names: BTreeMap<&str, &str> =
                new.files.iter().map(|file| (file.name.as_str(), file.hash.as_str())).collect();
            let is_same = |file: &&StateFile| names.get(file.name.as_str()) == Some(&file.hash.as_str());
            old.files.iter().filter(is_same).map(|file| (file.name.clone(), file.hash.clone())).collect()
        }
        _ => BTreeSet::new(),
    };
    let mut old = old.map(|files| state(files, &same));
    let mut new = new.map(|files| state(files, &same));
    for state in old.iter_mut().chain(new.iter_mut()) {
        state.objects.retain(|object| {
            let matches = |s: &Selector| s.matches_object(environment, release, &object.id.kind, &object.id.name);
            environment.is_empty() || selectors.is_empty() || selectors.iter().any(matches)
        });
    }
    if let (Some(old), Some(new)) = (&mut old, &mut new) {
        drop_equal(old, new);
    }
    ReleasePair { environment: environment.into(), release: release.into(), old, new }
}

/// Drops objects that are the same on both sides though they stand in different files.
fn drop_equal(old: &mut ReleaseState, new: &mut ReleaseState) {
    let mut seen: HashMap<(ObjectId, String), usize> = HashMap::new();
    for object in &new.objects {
        *seen.entry((object.id.clone(), object.hash.clone())).or_default() += 1;
    }
    let mut dropped: HashMap<(ObjectId, String), usize> = HashMap::new();
    old.objects.retain(|object| {
        let key = (object.id.clone(), object.hash.clone());
        let Some(count) = seen.get_mut(&key).filter(|count| **count > 0) else { return true };
        *count -= 1;
        *dropped.entry(key).or_default() += 1;
        false
    });
    new.objects.retain(|object| {
        let Some(count) = dropped.get_mut(&(object.id.clone(), object.hash.clone())).filter(|count| **count > 0) else {
            return true;
        };
        *count -= 1;
        false
    });
}

fn state(files: ReleaseFiles, same: &BTreeSet<(String, String)>) -> ReleaseState {
    let ReleaseFiles { sum, problems, files } = files;
    let mut state = ReleaseState {
        digest: sum.as_ref().map(super::Sum::digest),
        chart: sum.as_ref().map(|sum| sum.chart.clone()).filter(|chart| !chart.is_empty()),
        source: sum.as_ref().map(|sum| sum.source.clone()),
        problems,
        object_count: files.len(),
        ..ReleaseState::default()
    };
    for file in files {
        if same.contains(&(file.name.clone(), file.hash.clone())) {
            continue;
        }
        let listed = sum.as_ref().and_then(|sum| sum.file(&file.name)).and_then(|line| line.id.parse().ok());
        match read_objects(&file, listed.as_ref()) {
            Ok(objects) => state.objects.extend(objects),
            Err(error) => state.unreadable.push(error),
        }
    }
    state
}

/// The objects of a file; `listed` is the id that the sum gives it.
fn read_objects(file: &StateFile, listed: Option<&ObjectId>) -> Result<Vec<StoredObject>, Diagnostic> {
    let text = file.text.clone()?;
    let template = text.text.strip_prefix(FIRST_LINE).and_then(|rest| rest.lines().next()).map(str::to_owned);
    let documents = yaml::read_all(&text, &ReadOptions::default())?;
    let mut nodes = Vec::new();
    for document in documents {
        unlist(document.node, &mut nodes);
    }
    let is_only = nodes.len() == 1;
    let mut objects = Vec::with_capacity(nodes.len());
    for node in nodes {
        if node.get("kind").and_then(Node::as_str).is_none() {
            return Err(Diagnostic::error("this is no Kubernetes object: it has no kind")
                .at(&text, node.span)
                .help("compare files of manifests; `kcfg check` tells what does not belong into a rendered tree"));
        }
        let hash = if is_only {
            file.hash.clone()
        } else {
            let mut canonical = String::new();
            yaml::canonical_object(&node.value, &mut canonical);
            hex_sha256(canonical.as_bytes())
        };
        let id = listed.filter(|_| is_only).cloned().unwrap_or_else(|| id_of(&node));
        let (file, template, text) = (file.name.clone(), template.clone(), text.clone());
        objects.push(StoredObject { id, file, hash, template, node, text });
    }
    Ok(objects)
}

/// A document, or the items of a List.
fn unlist(node: Node, nodes: &mut Vec<Node>) {
    let is_list = node.get("kind").and_then(Node::as_str).is_some_and(|kind| kind.ends_with("List"));
    match node.get("items").and_then(Node::as_seq) {
        Some(items) if is_list => items.iter().for_each(|item| unlist(item.clone(), nodes)),
        _ if node.is_null() => {}
        _ => nodes.push(node),
    }
}

/// The id that an object gives itself.
fn id_of(node: &Node) -> ObjectId {
    let text = |path: &[&str]| node.at(path).and_then(Node::as_str);
    let name = text(&["metadata", "name"]).or_else(|| text(&["metadata", "generateName"]));
    ObjectId {
        group: group_of(text(&["apiVersion"]).unwrap_or_default()).into(),
        kind: text(&["kind"]).unwrap_or(NO_NAME).into(),
        namespace: text(&["metadata", "namespace"]).map(Into::into),
        name: name.unwrap_or(NO_NAME).into(),
    }
}
