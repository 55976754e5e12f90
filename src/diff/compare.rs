//! Releases that differ → the report: objects of both sides paired (by id, then as moved, then as renamed), each pair
//! compared.

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;

use crate::manifest::{ObjectId, install_rank};
use crate::rendered::{Problem, ReleasePair, ReleaseState, StoredObject};
use crate::yaml::{self, Node};

use super::mask::MaskKey;
use super::path::PathPattern;
use super::rename;
use super::report::{Before, EnvironmentDiff, ObjectDiff, ReleaseDiff, Report, Sides, Status};
use super::rules;

/// How to compare.
#[derive(Debug)]
pub struct Options {
    /// The key that Secret values are masked with.
    pub mask: MaskKey,
    /// Places whose changes are not shown.
    pub ignore: Vec<PathPattern>,
}

/// An object and the release that it stands in.
pub(super) struct Placed {
    /// Index of the release among all pairs.
    pub release: usize,
    pub object: StoredObject,
}

/// Compares; labels, notes and digests of environments are the caller's to add.
pub fn compare(mut pairs: Vec<ReleasePair>, options: &Options) -> Report {
    let mut old = Vec::new();
    let mut new = Vec::new();
    for (release, pair) in pairs.iter_mut().enumerate() {
        let take = |state: &mut Option<ReleaseState>, all: &mut Vec<Placed>| {
            let objects = state.as_mut().map(|state| std::mem::take(&mut state.objects)).unwrap_or_default();
            all.extend(objects.into_iter().map(|mut object| {
                options.mask.mask(&object.id, &mut object.node);
                Placed { release, object }
            }));
        };
        take(&mut pair.old, &mut old);
        take(&mut pair.new, &mut new);
    }
    let matched = matches(&pairs, &old, &new);
    let compared: Vec<(usize, ObjectDiff, usize)> = matched
        .into_par_iter()
        .filter_map(|(a, b)| {
            let (a, b) = (a.map(|index| &old[index]), b.map(|index| &new[index]));
            object_diff(&pairs, a, b, options)
        })
        .collect();
    assemble(pairs, compared)
}

/// Which objects of both sides belong together, as indices.
fn matches(pairs: &[ReleasePair], old: &[Placed], new: &[Placed]) -> Vec<(Option<usize>, Option<usize>)> {
    let mut matched = Vec::with_capacity(old.len().max(new.len()));
    let mut free_new = vec![true; new.len()];
    // The same id in the same release. Ids that stand there twice are paired in the order in which they stand.
    let mut places: HashMap<(usize, &ObjectId), Vec<usize>> = HashMap::new();
    for (index, placed) in new.iter().enumerate().rev() {
        places.entry((placed.release, &placed.object.id)).or_default().push(index);
    }
    let mut left_old = Vec::new();
    for (index, placed) in old.iter().enumerate() {
        match places.get_mut(&(placed.release, &placed.object.id)).and_then(Vec::pop) {
            Some(other) => {
                free_new[other] = false;
                matched.push((Some(index), Some(other)));
            }
            None => left_old.push(index),
        }
    }
    let mut left_new: Vec<usize> = (0..new.len()).filter(|index| free_new[*index]).collect();
    let mut pair_up = |found: Vec<(usize, usize)>, left_old: &mut Vec<usize>, left_new: &mut Vec<usize>| {
        let (from, to): (HashSet<usize>, HashSet<usize>) = found.iter().copied().unzip();
        left_old.retain(|index| !from.contains(index));
        left_new.retain(|index| !to.contains(index));
        matched.extend(found.into_iter().map(|(a, b)| (Some(a), Some(b))));
    };
    let environment = |release: usize| pairs[release].environment.as_str();
    // The same id in another release of the environment, then in another environment.
    for across in [false, true] {
        let key = |placed: &Placed| {
            let environment = if across { "" } else { environment(placed.release) };
            (environment.to_owned(), placed.object.id.clone())
        };
        let found = unique(old, &left_old, new, &left_new, key);
        pair_up(found, &mut left_old, &mut left_new);
    }
    // Plain manifests often name no namespace: the same kind and name is the same object if there is only one.
    if pairs.iter().any(|pair| pair.environment.is_empty()) {
        let key = |placed: &Placed| {
            let id = &placed.object.id;
            (id.group.clone(), id.kind.clone(), id.name.clone())
        };
        let found = unique(old, &left_old, new, &left_new, key)
            .into_iter()
            .filter(|(a, b)| old[*a].object.id.namespace.is_none() || new[*b].object.id.namespace.is_none())
            .collect();
        pair_up(found, &mut left_old, &mut left_new);
    }
    let found = rename::matches(old, &left_old, new, &left_new);
    pair_up(found, &mut left_old, &mut left_new);
    matched.extend(left_old.into_iter().map(|index| (Some(index), None)));
    matched.extend(left_new.into_iter().map(|index| (None, Some(index))));
    matched
}

/// Pairs those whose key is there exactly once on each side.
fn unique<K: Eq + std::hash::Hash>(
    old: &[Placed],
    left_old: &[usize],
    new: &[Placed],
    left_new: &[usize],
    key: impl Fn(&Placed) -> K,
) -> Vec<(usize, usize)> {
    let index = |all: &[Placed], left: &[usize]| {
        let mut found: HashMap<K, Vec<usize>> = HashMap::new();
        left.iter().for_each(|index| found.entry(key(&all[*index])).or_default().push(*index));
        found
    };
    let others = index(new, left_new);
    let mut found: Vec<(usize, usize)> = index(old, left_old)
        .into_iter()
        .filter_map(|(key, places)| match (&places[..], others.get(&key).map(Vec::as_slice)) {
            ([a], Some([b])) => Some((*a, *b)),
            _ => None,
        })
        .collect();
    found.sort_unstable();
    found
}

/// The difference of one pair, with the index of the release it is shown in and the number of ignored changes; none if
/// nothing is left to show and nothing was ignored.
fn object_diff(
    pairs: &[ReleasePair],
    old: Option<&Placed>,
    new: Option<&Placed>,
    options: &Options,
) -> Option<(usize, ObjectDiff, usize)> {
    let shown = new.or(old)?;
    let object = &shown.object;
    let status = match (old, new) {
        (None, _) => Status::Added,
        (_, None) => Status::Removed,
        (Some(a), Some(b)) if a.release != b.release => Status::Moved,
        (Some(a), Some(b)) if a.object.id.name != b.object.id.name => Status::Renamed,
        _ => Status::Changed,
    };
    let before = old.filter(|_| matches!(status, Status::Moved | Status::Renamed)).map(|placed| Before {
        environment: pairs[placed.release].environment.clone(),
        release: pairs[placed.release].release.clone(),
        id: placed.object.id.clone(),
    });
    let (mut changes, mut ignored) = (Vec::new(), 0);
    if let (Some(a), Some(b)) = (old, new) {
        changes = super::change::changes(&a.object.node, &b.object.node, is_config_map(&object.id));
        let all = changes.len();
        changes.retain(|change| !options.ignore.iter().any(|pattern| pattern.matches(&object.id.kind, &change.path)));
        ignored = all - changes.len();
        if status == Status::Changed && changes.is_empty() && ignored > 0 {
            return Some((shown.release, ignored_only(object), ignored));
        }
        // Of plain manifests only what they say counts; in a rendered tree the way it is written does too.
        if status == Status::Changed && changes.is_empty() && pairs[shown.release].environment.is_empty() {
            return None;
        }
    }
    let hides = MaskKey::hides(&object.id);
    let side = |placed: Option<&Placed>| placed.map(|placed| placed.object.clone());
    let (a, b) = (side(old), side(new));
    let leaves_environment =
        before.as_ref().is_some_and(|before| before.environment != pairs[shown.release].environment);
    let mut diff = ObjectDiff {
        id: object.id.clone(),
        status,
        before,
        hashes: Sides {
            old: a.as_ref().filter(|_| !hides).map(|object| object.hash.clone()),
            new: b.as_ref().filter(|_| !hides).map(|object| object.hash.clone()),
        },
        template: object.template.clone(),
        changes,
        flags: Vec::new(),
        files: Sides {
            old: a.as_ref().map(|object| object.file.clone()),
            new: b.as_ref().map(|object| object.file.clone()),
        },
        nodes: Sides { old: a.map(|object| object.node), new: b.map(|object| object.node) },
    };
    diff.flags = rules::flags(&diff, leaves_environment);
    Some((shown.release, diff, ignored))
}

/// Stands for an object of which nothing is left to show; [`assemble`] only counts it.
fn ignored_only(object: &StoredObject) -> ObjectDiff {
    ObjectDiff {
        id: object.id.clone(),
        status: Status::Changed,
        before: None,
        files: Sides::default(),
        hashes: Sides::default(),
        template: None,
        changes: Vec::new(),
        flags: Vec::new(),
        nodes: Sides::default(),
    }
}

pub(super) fn is_config_map(id: &ObjectId) -> bool {
    id.group.is_empty() && &*id.kind == "ConfigMap"
}

fn assemble(pairs: Vec<ReleasePair>, compared: Vec<(usize, ObjectDiff, usize)>) -> Report {
    let mut report = Report::default();
    let mut objects: Vec<Vec<ObjectDiff>> = pairs.iter().map(|_| Vec::new()).collect();
    for (release, object, ignored) in compared {
        report.ignored += ignored;
        if object.nodes.old.is_some() || object.nodes.new.is_some() {
            objects[release].push(object);
        }
    }
    // A release that lost an object to another environment differs, though the object is shown there.
    let losers: HashSet<(String, String)> = objects
        .iter()
        .flatten()
        .filter_map(|object| object.before.as_ref())
        .map(|before| (before.environment.clone(), before.release.clone()))
        .collect();
    let mut environments: BTreeMap<String, EnvironmentDiff> = BTreeMap::new();
    for (pair, mut objects) in pairs.into_iter().zip(objects) {
        objects.sort_by(|a, b| {
            let key = |object: &ObjectDiff| (install_rank(&object.id.kind).0, object.id.clone());
            key(a).cmp(&key(b)).then(a.status.cmp(&b.status))
        });
        let release = release_diff(pair.release, &pair.old, &pair.new, objects);
        let is_new_or_gone = pair.old.is_some() != pair.new.is_some();
        let has_lost = losers.contains(&(pair.environment.clone(), release.name.clone()));
        if release.objects.is_empty() && release.notes.is_empty() && !is_new_or_gone && !has_lost {
            continue;
        }
        let environment = environments
            .entry(pair.environment.clone())
            .or_insert_with(|| EnvironmentDiff { name: pair.environment, ..EnvironmentDiff::default() });
        environment.releases.push(release);
    }
    report.environments = environments.into_values().collect();
    report
}

fn release_diff(
    name: String,
    old: &Option<ReleaseState>,
    new: &Option<ReleaseState>,
    objects: Vec<ObjectDiff>,
) -> ReleaseDiff {
    fn sides<T>(
        old: &Option<ReleaseState>,
        new: &Option<ReleaseState>,
        get: impl Fn(&ReleaseState) -> Option<T>,
    ) -> Sides<Option<T>> {
        Sides { old: old.as_ref().and_then(&get), new: new.as_ref().and_then(&get) }
    }
    let mut notes = Vec::new();
    for (state, which) in [(old, "before"), (new, "now")] {
        let Some(state) = state else { continue };
        notes.extend(state.problems.iter().filter_map(|problem| note(problem, which)));
        let unreadable = state.unreadable.iter();
        notes.extend(unreadable.map(|error| {
            let place = error.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
            format!("{place}{} ({which})", error.message)
        }));
    }
    let sources = sides(old, new, |state| state.source.clone());
    ReleaseDiff {
        name,
        digests: sides(old, new, |state| state.digest.clone()),
        charts: sides(old, new, |state| state.chart.clone()),
        source: sources.new.or(sources.old),
        objects,
        notes,
        is_stale: false,
    }
}

/// What is odd about a folder; a missing sum is said only by digests that are not there.
fn note(problem: &Problem, which: &str) -> Option<String> {
    match problem {
        Problem::NotRendered => Some(format!("has no kcfg.sum {which}: its files are compared as they are")),
        Problem::BadSum(reason) => Some(format!("kcfg.sum cannot be read {which}: {reason}")),
        Problem::Missing(name) => Some(format!("{name} is missing {which}, but kcfg.sum lists it")),
        Problem::Extra(name, _) => Some(format!("{name} is not in kcfg.sum {which}")),
        Problem::Altered(name) => Some(format!("{name} does not match its kcfg.sum {which}: it was altered by hand")),
        Problem::Stale => None,
    }
}

/// An object's text as it is compared: keys sorted, the name left out.
pub(super) fn body(node: &Node) -> String {
    let mut node = super::list::sorted(node);
    if let Some(metadata) = node.as_map_mut().and_then(|map| map.get_mut("metadata"))
        && let Some(metadata) = metadata.node.as_map_mut()
    {
        metadata.shift_remove("name");
    }
    let mut text = String::new();
    yaml::canonical(&node.value, &mut text);
    text
}
