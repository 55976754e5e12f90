//! The report for programs: one JSON document, whose schema is docs/diff.schema.json. These structs are the schema in
//! Rust; the model behind them may change, they may only grow.

use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use crate::diff::change::{self, What};
use crate::diff::flag;
use crate::diff::path::Step;
use crate::diff::report::{self, Counts, Sides, Status};
use crate::yaml::{Node, Value};

/// The name of the format; a change that breaks readers gets another one.
pub const FORMAT: &str = "kcfg.dev/diff/v1";

/// The whole report.
pub fn report(report: &report::Report) -> String {
    let document = Document {
        format: FORMAT,
        old: &report.labels.old,
        new: &report.labels.new,
        counts: report.counts().into(),
        ignored: report.ignored,
        notes: &report.notes,
        environments: report.environments.iter().map(Environment::of).collect(),
    };
    let mut text = serde_json::to_string_pretty(&document).expect("texts and numbers can be written as JSON");
    text.push('\n');
    text
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    format: &'static str,
    old: &'a str,
    new: &'a str,
    counts: ObjectCounts,
    ignored: usize,
    notes: &'a [String],
    environments: Vec<Environment<'a>>,
}

#[derive(Serialize)]
struct ObjectCounts {
    added: usize,
    removed: usize,
    changed: usize,
    renamed: usize,
    moved: usize,
}

#[derive(Serialize)]
struct Pair<T> {
    old: T,
    new: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Environment<'a> {
    name: &'a str,
    digests: Pair<Option<&'a str>>,
    object_counts: Option<Pair<usize>>,
    removal: Option<&'a str>,
    releases: Vec<Release<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Release<'a> {
    name: &'a str,
    digests: Pair<Option<&'a str>>,
    charts: Pair<Option<&'a str>>,
    source: Option<&'a str>,
    is_stale: bool,
    notes: &'a [String],
    objects: Vec<Object<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    id: String,
    group: &'a str,
    kind: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
    status: &'static str,
    before: Option<Before<'a>>,
    template: Option<&'a str>,
    files: Pair<Option<&'a str>>,
    hashes: Pair<Option<&'a str>>,
    flags: Vec<Flag<'a>>,
    changes: Vec<Change<'a>>,
    /// The whole object, where it came or went; what else differs is in the changes.
    object: Option<Json<'a>>,
}

#[derive(Serialize)]
struct Before<'a> {
    environment: &'a str,
    release: &'a str,
    id: String,
}

#[derive(Serialize)]
struct Flag<'a> {
    rule: &'static str,
    severity: &'static str,
    explanation: &'a str,
}

#[derive(Serialize)]
struct Change<'a> {
    path: String,
    steps: Vec<PathStep<'a>>,
    #[serde(flatten)]
    what: ChangeKind<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum PathStep<'a> {
    Key { key: &'a str },
    Item { item: Option<&'a str>, old: Option<usize>, new: Option<usize> },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum ChangeKind<'a> {
    Added { new: Json<'a> },
    Removed { old: Json<'a> },
    Changed { old: Json<'a>, new: Json<'a>, same_meaning: Option<&'static str> },
    Text { old: &'a str, new: &'a str },
    Embedded { language: &'static str, old: &'a str, new: &'a str, changes: Vec<Change<'a>>, comments_changed: bool },
    Reordered { items: Vec<MovedItem<'a>> },
}

#[derive(Serialize)]
struct MovedItem<'a> {
    item: &'a str,
    old: usize,
    new: usize,
}

/// A value of an object as JSON.
struct Json<'a>(&'a Node);

impl From<Counts> for ObjectCounts {
    fn from(counts: Counts) -> ObjectCounts {
        let Counts { added, removed, changed, renamed, moved } = counts;
        ObjectCounts { added, removed, changed, renamed, moved }
    }
}

fn texts(sides: &Sides<Option<String>>) -> Pair<Option<&str>> {
    Pair { old: sides.old.as_deref(), new: sides.new.as_deref() }
}

impl<'a> Environment<'a> {
    fn of(environment: &'a report::EnvironmentDiff) -> Environment<'a> {
        Environment {
            name: &environment.name,
            digests: texts(&environment.digests),
            object_counts: environment.object_counts.as_ref().map(|counts| Pair { old: counts.old, new: counts.new }),
            removal: environment.removal.as_deref(),
            releases: environment.releases.iter().map(Release::of).collect(),
        }
    }
}

impl<'a> Release<'a> {
    fn of(release: &'a report::ReleaseDiff) -> Release<'a> {
        Release {
            name: &release.name,
            digests: texts(&release.digests),
            charts: texts(&release.charts),
            source: release.source.as_deref(),
            is_stale: release.is_stale,
            notes: &release.notes,
            objects: release.objects.iter().map(Object::of).collect(),
        }
    }
}

impl<'a> Object<'a> {
    fn of(object: &'a report::ObjectDiff) -> Object<'a> {
        let whole = match object.status {
            Status::Added => object.nodes.new.as_ref(),
            Status::Removed => object.nodes.old.as_ref(),
            Status::Changed | Status::Renamed | Status::Moved => None,
        };
        Object {
            id: object.id.to_string(),
            group: &object.id.group,
            kind: &object.id.kind,
            namespace: object.id.namespace.as_deref(),
            name: &object.id.name,
            status: object.status.name(),
            before: object.before.as_ref().map(|before| Before {
                environment: &before.environment,
                release: &before.release,
                id: before.id.to_string(),
            }),
            template: object.template.as_deref(),
            files: texts(&object.files),
            hashes: texts(&object.hashes),
            flags: object.flags.iter().map(Flag::of).collect(),
            changes: object.changes.iter().map(Change::of).collect(),
            object: whole.map(Json),
        }
    }
}

impl<'a> Flag<'a> {
    fn of(flag: &'a flag::Flag) -> Flag<'a> {
        let severity = match flag.severity {
            flag::Severity::Info => "info",
            flag::Severity::Caution => "caution",
            flag::Severity::Danger => "danger",
        };
        Flag { rule: flag.rule.name(), severity, explanation: &flag.explanation }
    }
}

impl<'a> Change<'a> {
    fn of(change: &'a change::Change) -> Change<'a> {
        let what = match &change.what {
            What::Added(node) => ChangeKind::Added { new: Json(node) },
            What::Removed(node) => ChangeKind::Removed { old: Json(node) },
            What::Changed { old, new, same_meaning } => {
                ChangeKind::Changed { old: Json(old), new: Json(new), same_meaning: *same_meaning }
            }
            What::Text { old, new } => ChangeKind::Text { old, new },
            What::Embedded { format, old, new, changes, comments_changed } => ChangeKind::Embedded {
                language: format.name(),
                old,
                new,
                changes: changes.iter().map(Change::of).collect(),
                comments_changed: *comments_changed,
            },
            What::Reordered(items) => {
                let item = |moved: &'a change::Moved| MovedItem { item: &moved.label, old: moved.old, new: moved.new };
                ChangeKind::Reordered { items: items.iter().map(item).collect() }
            }
        };
        let steps = change.path.0.iter().map(|step| match step {
            Step::Key(key) => PathStep::Key { key },
            Step::Item { label, old, new } => PathStep::Item { item: label.as_deref(), old: *old, new: *new },
        });
        Change { path: change.path.to_string(), steps: steps.collect(), what }
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::UInt(value) => serializer.serialize_u64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Str(value) => serializer.serialize_str(value),
            Value::Seq(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(&Json(item)))?;
                list.end()
            }
            Value::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, entry)| map.serialize_entry(&**key, &Json(&entry.node)))?;
                map.end()
            }
        }
    }
}
