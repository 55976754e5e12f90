//! What a comparison found: the data that every report is made of. Secret values are masked already.

use std::cmp::Reverse;

use crate::manifest::ObjectId;
use crate::yaml::Node;

use super::change::Change;
use super::flag::{Flag, Rule, Severity};

/// Two values of the same thing, on the older and on the newer side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sides<T> {
    /// On the older side.
    pub old: T,
    /// On the newer side.
    pub new: T,
}

/// Everything that a comparison found.
#[derive(Debug, Default)]
pub struct Report {
    /// What was compared, as people call it: `HEAD (3f9a1c2)`, `a fresh render`.
    pub labels: Sides<String>,
    /// The environments in which something differs, by name; one with an empty name for manifests that belong to none.
    pub environments: Vec<EnvironmentDiff>,
    /// Changes that the ignore list hides.
    pub ignored: usize,
    /// What a reader must know to trust the report, such as a release that could not be rendered.
    pub notes: Vec<String>,
}

/// An environment in which something differs.
#[derive(Debug, Default)]
pub struct EnvironmentDiff {
    /// Its name.
    pub name: String,
    /// Its digests, where they were asked for.
    pub digests: Sides<Option<String>>,
    /// How many objects it has on each side, where something is removed.
    pub object_counts: Option<Sides<usize>>,
    /// The releases that differ, by name.
    pub releases: Vec<ReleaseDiff>,
    /// The `kind: Removal` document that lets the applier delete what a prune guard would hold; none if nothing is held.
    pub removal: Option<String>,
}

/// A release that differs.
#[derive(Debug, Default)]
pub struct ReleaseDiff {
    /// Its name.
    pub name: String,
    /// Its digests; none where it is not there or has no sum.
    pub digests: Sides<Option<String>>,
    /// Its chart with version and engine.
    pub charts: Sides<Option<String>>,
    /// The file of its document.
    pub source: Option<String>,
    /// Its objects that differ: as Helm would install them.
    pub objects: Vec<ObjectDiff>,
    /// What is odd about the release's folder: altered files, unreadable ones.
    pub notes: Vec<String>,
    /// Whether the sources were changed and the tree was not rendered.
    pub is_stale: bool,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It holds something else.
    Changed,
    /// It has another name; the cluster sees a new object and an old one to delete.
    Renamed,
    /// Another release renders it, maybe of another environment.
    Moved,
}

/// An object that differs.
#[derive(Debug, Clone)]
pub struct ObjectDiff {
    /// Its id on the newer side; on the older one where it is gone.
    pub id: ObjectId,
    /// What happened.
    pub status: Status,
    /// Where it was before, if it was renamed or moved.
    pub before: Option<Before>,
    /// The file's name in the release's folder.
    pub files: Sides<Option<String>>,
    /// sha256 of the files; none for a Secret, whose values could be guessed by it.
    pub hashes: Sides<Option<String>>,
    /// The template that makes it.
    pub template: Option<String>,
    /// What changed in it; nothing for added and removed objects, or where only the way it is written changed.
    pub changes: Vec<Change>,
    /// What the change means.
    pub flags: Vec<Flag>,
    /// The object on either side.
    pub nodes: Sides<Option<Node>>,
}

/// Where an object was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// The environment.
    pub environment: String,
    /// The release.
    pub release: String,
    /// The id.
    pub id: ObjectId,
}

impl Status {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Added => "added",
            Status::Removed => "removed",
            Status::Changed => "changed",
            Status::Renamed => "renamed",
            Status::Moved => "moved",
        }
    }

    /// The sign that stands before it in summaries.
    pub fn sign(self) -> char {
        match self {
            Status::Added => '+',
            Status::Removed => '-',
            Status::Changed => '~',
            Status::Renamed => '>',
            Status::Moved => '^',
        }
    }
}

/// How many objects of each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Counts {
    pub added: usize,
    pub removed: usize,
    pub changed: usize,
    pub renamed: usize,
    pub moved: usize,
}

impl Counts {
    /// Counts objects.
    pub fn of<'a>(objects: impl IntoIterator<Item = &'a ObjectDiff>) -> Counts {
        let mut counts = Counts::default();
        for object in objects {
            match object.status {
                Status::Added => counts.added += 1,
                Status::Removed => counts.removed += 1,
                Status::Changed => counts.changed += 1,
                Status::Renamed => counts.renamed += 1,
                Status::Moved => counts.moved += 1,
            }
        }
        counts
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.added + self.removed + self.changed + self.renamed + self.moved
    }
}

impl Report {
    /// All objects that differ, with their environment and release.
    pub fn objects(&self) -> impl Iterator<Item = (&EnvironmentDiff, &ReleaseDiff, &ObjectDiff)> {
        self.environments.iter().flat_map(|environment| {
            let releases = environment.releases.iter();
            releases.flat_map(move |release| release.objects.iter().map(move |object| (environment, release, object)))
        })
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.environments.is_empty()
    }

    /// How many objects of each status there are.
    pub fn counts(&self) -> Counts {
        Counts::of(self.objects().map(|(.., object)| object))
    }
}

impl ReleaseDiff {
    /// The rules that its objects are flagged with, each once and as grave as it gets; the gravest first.
    pub fn flags(&self) -> Vec<(Severity, Rule)> {
        let mut flags: Vec<(Severity, Rule)> = Vec::new();
        for flag in self.objects.iter().flat_map(|object| &object.flags) {
            match flags.iter_mut().find(|(_, rule)| *rule == flag.rule) {
                Some((severity, _)) => *severity = (*severity).max(flag.severity),
                None => flags.push((flag.severity, flag.rule)),
            }
        }
        flags.sort_by_key(|(severity, rule)| (Reverse(*severity), *rule));
        flags
    }

    /// `env/release`; empty for manifests that belong to none.
    pub fn path(&self, environment: &EnvironmentDiff) -> String {
        if environment.name.is_empty() { String::new() } else { format!("{}/{}", environment.name, self.name) }
    }
}
