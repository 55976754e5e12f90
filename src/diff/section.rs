//! The same change in many objects is shown once, with the list of where: objects that changed alike are gathered in
//! [`Section`]s, and a change that many sections share is taken out of them.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use indexmap::IndexMap;

use crate::yaml::{self, Node};

use super::change::{Change, What};
use super::path::{Path, Step};
use super::report::{EnvironmentDiff, ObjectDiff, ReleaseDiff, Report, Status};
use super::text::{LineSide, hunks};

/// A change that at least so many sections have is shown in a section of its own.
pub const SHARED_SECTIONS_MIN: usize = 3;

/// Objects to which the same happened.
#[derive(Debug)]
pub struct Section<'r> {
    /// What happened to them.
    pub status: Status,
    /// What changed in each of them. For other objects than the first, the names of release, namespace and environment
    /// in the values may be their own ([`Section::is_exact`]). Empty for added and removed objects.
    pub changes: Vec<&'r Change>,
    /// Numbers (from 0) of the [`shared`](Sections::shared) changes that all of them have beside those.
    pub shared: Vec<usize>,
    /// The objects, by environment and release.
    pub members: Vec<Member<'r>>,
    /// Whether the changes are the same to the letter in all members.
    pub is_exact: bool,
}

/// An object and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Member<'r> {
    /// Its environment.
    pub environment: &'r EnvironmentDiff,
    /// Its release.
    pub release: &'r ReleaseDiff,
    /// The object.
    pub object: &'r ObjectDiff,
}

/// A change that objects of several sections share.
#[derive(Debug)]
pub struct Shared<'r> {
    /// The change, as it is in the first member.
    pub change: &'r Change,
    /// The objects that have it.
    pub members: Vec<Member<'r>>,
    /// Whether it is the same to the letter in all members.
    pub is_exact: bool,
}

/// A report, grouped.
#[derive(Debug)]
pub struct Sections<'r> {
    /// Changes that several sections share, those of most objects first.
    pub shared: Vec<Shared<'r>>,
    /// Objects that changed alike, the gravest first: by their gravest flag (its severity, then its rule), then by what happened.
    pub sections: Vec<Section<'r>>,
}

/// Groups the objects of a report.
pub fn sections(report: &Report) -> Sections<'_> {
    let mut groups: IndexMap<(Status, Vec<String>), Section<'_>> = IndexMap::new();
    let mut alone = Vec::new();
    for (environment, release, object) in report.objects() {
        let member = Member { environment, release, object };
        let (keys, status) = (member.keys(), object.status);
        let changes = object.changes.iter().collect();
        let new = || Section { status, changes, shared: Vec::new(), members: Vec::new(), is_exact: true };
        // Objects that came or went are alike only if they hold the same.
        let section = if keys.is_empty() && status == Status::Changed {
            alone.push(new());
            alone.last_mut().expect("just pushed")
        } else {
            groups.entry((status, keys)).or_insert_with(new)
        };
        section.is_exact &= section.members.first().is_none_or(|first| first.is_equal(&member));
        section.members.push(member);
    }
    let mut sections: Vec<(Vec<String>, Section<'_>)> =
        groups.into_iter().map(|((_, keys), section)| (keys, section)).collect();
    let shared = share(&mut sections);
    let mut sections: Vec<Section<'_>> = sections.into_iter().map(|(_, section)| section).chain(alone).collect();
    // Sections of which nothing is left but shared changes are told by these.
    sections.retain(|section| !section.changes.is_empty() || section.shared.is_empty());
    sections.sort_by_key(|section| {
        let flags = section.members.iter().flat_map(|member| &member.object.flags);
        let gravest = flags.map(|flag| (std::cmp::Reverse(flag.severity), flag.rule)).min();
        (gravest.is_none(), gravest, section.status)
    });
    Sections { shared, sections }
}

/// Takes the changes out that many sections have.
fn share<'r>(sections: &mut [(Vec<String>, Section<'r>)]) -> Vec<Shared<'r>> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (keys, section) in sections.iter().filter(|(_, section)| section.status == Status::Changed) {
        let unique: HashSet<&str> = keys.iter().map(String::as_str).collect();
        let _ = section;
        unique.into_iter().for_each(|key| *counts.entry(key).or_default() += 1);
    }
    let wanted: HashSet<String> =
        counts.into_iter().filter(|(_, count)| *count >= SHARED_SECTIONS_MIN).map(|(key, _)| key.to_owned()).collect();
    let mut shared: IndexMap<String, Shared<'r>> = IndexMap::new();
    for (keys, section) in sections.iter_mut().filter(|(_, section)| section.status == Status::Changed) {
        let mut kept = Vec::new();
        for (key, change) in keys.iter().zip(std::mem::take(&mut section.changes)) {
            if !wanted.contains(key) {
                kept.push(change);
                continue;
            }
            let entry =
                shared.entry(key.clone()).or_insert_with(|| Shared { change, members: Vec::new(), is_exact: true });
            let text = |change: &Change| key_of(change, &|text| text.to_owned(), true);
            entry.is_exact &= section.is_exact && text(entry.change) == text(change);
            entry.members.extend(&section.members);
        }
        section.changes = kept;
    }
    let mut ordered: Vec<(String, Shared<'r>)> = shared.into_iter().collect();
    ordered.sort_by_key(|(_, shared)| std::cmp::Reverse(shared.members.len()));
    for (keys, section) in sections.iter_mut() {
        let numbers = ordered.iter().enumerate();
        section.shared = numbers.filter(|(_, (key, _))| keys.contains(key)).map(|(number, _)| number).collect();
        if section.status != Status::Changed {
            section.shared.clear();
        }
    }
    ordered.into_iter().map(|(_, shared)| shared).collect()
}

impl Member<'_> {
    /// `env/release`; empty for manifests that belong to none.
    pub fn place(&self) -> String {
        self.release.path(self.environment)
    }

    /// What tells the object's changes from others, with the names of its own release, namespace and environment
    /// replaced: one text per change, in order.
    fn keys(&self) -> Vec<String> {
        let names = [
            ("release", self.release.name.as_str()),
            ("namespace", self.object.id.namespace.as_deref().unwrap_or_default()),
            ("environment", self.environment.name.as_str()),
        ];
        let neutral = |text: &str| neutral(text, &names);
        if let Status::Added | Status::Removed = self.object.status {
            let node = self.object.nodes.new.as_ref().or(self.object.nodes.old.as_ref());
            return node.map(|node| neutral(&written(node))).into_iter().collect();
        }
        self.object.changes.iter().map(|change| key_of(change, &neutral, false)).collect()
    }

    /// Whether the same happened to both to the letter.
    fn is_equal(&self, other: &Member<'_>) -> bool {
        let plain = |text: &str| text.to_owned();
        let keys = |member: &Member<'_>| -> Vec<String> {
            member.object.changes.iter().map(|change| key_of(change, &plain, true)).collect()
        };
        matches!(self.object.status, Status::Changed | Status::Moved) && keys(self) == keys(other)
    }
}

fn written(node: &Node) -> String {
    let mut text = String::new();
    yaml::canonical(&node.value, &mut text);
    text
}

/// What tells a change from others: its place without the numbers of items, and its values; of checksums only that they
/// changed, unless every letter counts.
fn key_of(change: &Change, neutral: &dyn Fn(&str) -> String, is_strict: bool) -> String {
    let mut key = neutral(&place(&change.path));
    let values = match &change.what {
        What::Added(node) => ("+", String::new(), written(node)),
        What::Removed(node) => ("-", written(node), String::new()),
        // A checksum says that something else changed; which one it is says nothing.
        What::Changed { .. } if !is_strict && is_checksum(&change.path) => ("~", String::new(), "checksum".into()),
        What::Changed { old, new, .. } => ("~", written(old), written(new)),
        What::Text { old, new } | What::Embedded { old, new, .. } => ("t", String::new(), lines(old, new)),
        What::Reordered(items) => ("o", String::new(), items.iter().map(|item| format!("{}\n", item.label)).collect()),
    };
    let (sign, old, new) = values;
    let _ = write!(key, "\0{sign}\0{}\0{}", neutral(&old), neutral(&new));
    key
}

/// The lines that changed, wherever they stand.
fn lines(old: &str, new: &str) -> String {
    let mut out = String::new();
    for line in hunks(old, new).iter().flat_map(|hunk| &hunk.lines) {
        let sign = match line.side {
            LineSide::Both => continue,
            LineSide::Old => '-',
            LineSide::New => '+',
        };
        let _ = writeln!(out, "{sign}{}", line.text());
    }
    out
}

/// Whether an annotation holds a checksum, by the name that charts give it: `checksum/config`.
fn is_checksum(path: &Path) -> bool {
    let mut keys: Vec<&str> = path.keys().collect();
    let last = keys.pop().unwrap_or_default();
    keys.last() == Some(&"annotations") && (last.starts_with("checksum/") || last.starts_with("checksum-"))
}

/// The path; items without a label count by their place in the newer list, or the older one where they are gone.
fn place(path: &Path) -> String {
    let steps = path.0.iter().map(|step| match step {
        Step::Item { label: None, old, new } => {
            Step::Item { label: None, old: old.filter(|_| new.is_none()), new: *new }
        }
        other => other.clone(),
    });
    Path(steps.collect()).to_string()
}

/// Replaces whole words that are one of the names by what they name.
fn neutral(text: &str, names: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let is_word = |c: char| c.is_alphanumeric();
    let mut at_start = true;
    while !rest.is_empty() {
        let found = names.iter().find(|(_, name)| {
            at_start
                && !name.is_empty()
                && rest.starts_with(name)
                && !rest[name.len()..].chars().next().is_some_and(is_word)
        });
        if let Some((what, name)) = found {
            let _ = write!(out, "\u{1}{what}\u{1}");
            rest = &rest[name.len()..];
            at_start = false;
        } else if let Some(c) = rest.chars().next() {
            out.push(c);
            at_start = !is_word(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_do_not_make_a_difference() {
        let names = |release| [("release", release), ("namespace", "shop"), ("environment", "")];
        assert_eq!(neutral("web-config in shop", &names("web")), neutral("api-config in shop", &names("api")));
        assert_ne!(neutral("webs", &names("web")), neutral("apis", &names("api")));
        assert_eq!(neutral("my-web", &names("web")), "my-\u{1}release\u{1}");
    }
}
