//! The images that a report changes, as one table: image, from, to, and in how many objects.

use indexmap::IndexMap;

use crate::yaml::{Node, Value};

use super::change::{Change, What};
use super::report::{ObjectDiff, Report, Status};

/// The key that holds an image, in containers and in many custom resources.
const IMAGE_KEY: &str = "image";

/// A container image that changes, came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageChange {
    /// The image without tag and digest.
    pub name: String,
    /// Tag or digest before; the whole reference where the image's name changed too; none where it is new.
    pub old: Option<String>,
    /// The same now; none where it is gone.
    pub new: Option<String>,
    /// In how many objects.
    pub objects: usize,
    /// `env/release`, each once, in the report's order; empty for manifests that belong to none.
    pub places: Vec<String>,
}

/// Name, version before, version now.
type Row = (String, Option<String>, Option<String>);

/// All images that change: those that have another tag first, then those that came or went.
pub fn images(report: &Report) -> Vec<ImageChange> {
    let mut table: IndexMap<Row, (usize, Vec<String>)> = IndexMap::new();
    for (environment, release, object) in report.objects() {
        let mut found = Vec::new();
        of_object(object, &mut found);
        found.sort();
        found.dedup();
        let place = release.path(environment);
        for key in found {
            let (objects, places) = table.entry(key).or_default();
            *objects += 1;
            if !place.is_empty() && places.last() != Some(&place) {
                places.push(place.clone());
            }
        }
    }
    // What goes in one place and comes in another, as with a renamed object, is no change of images.
    let is_elsewhere: Vec<bool> = table
        .keys()
        .map(|(name, old, new)| {
            (old.is_none() || new.is_none()) && table.contains_key(&(name.clone(), new.clone(), old.clone()))
        })
        .collect();
    let mut is_elsewhere = is_elsewhere.into_iter();
    table.retain(|_, _| !is_elsewhere.next().unwrap_or_default());
    let row = |((name, old, new), (objects, places))| ImageChange { name, old, new, objects, places };
    let mut rows: Vec<ImageChange> = table.into_iter().map(row).collect();
    rows.sort_by(|a, b| {
        let key = |row: &ImageChange| (row.old.is_none() || row.new.is_none(), row.name.clone());
        key(a).cmp(&key(b))
    });
    rows
}

fn of_object(object: &ObjectDiff, found: &mut Vec<Row>) {
    let mut whole = |node: &Option<Node>, is_new: bool| {
        if let Some(node) = node {
            below(node, &mut |image| found.push(one_side(image, is_new)));
        }
    };
    match object.status {
        Status::Added => whole(&object.nodes.new, true),
        Status::Removed => whole(&object.nodes.old, false),
        _ => object.changes.iter().for_each(|change| of_change(change, found)),
    }
}

fn of_change(change: &Change, found: &mut Vec<Row>) {
    let is_image = change.path.last_key() == Some(IMAGE_KEY);
    let mut side = |node: &Node, is_new: bool| match node.as_str() {
        Some(image) if is_image => found.push(one_side(image, is_new)),
        _ => below(node, &mut |image| found.push(one_side(image, is_new))),
    };
    match &change.what {
        What::Changed { old, new, .. } if is_image => {
            if let (Some(old), Some(new)) = (old.as_str(), new.as_str()) {
                found.push(both_sides(old, new));
            }
        }
        What::Added(node) => side(node, true),
        What::Removed(node) => side(node, false),
        What::Changed { old, new, .. } => {
            side(old, false);
            side(new, true);
        }
        What::Text { .. } | What::Embedded { .. } | What::Reordered(_) => {}
    }
}

/// Calls for each text that stands under [`IMAGE_KEY`] in a value.
fn below(node: &Node, found: &mut impl FnMut(&str)) {
    match &node.value {
        Value::Map(map) => {
            for (key, entry) in map {
                match entry.node.as_str() {
                    Some(image) if &**key == IMAGE_KEY => found(image),
                    _ => below(&entry.node, found),
                }
            }
        }
        Value::Seq(items) => items.iter().for_each(|item| below(item, found)),
        _ => {}
    }
}

fn one_side(image: &str, is_new: bool) -> Row {
    let (name, version) = split(image);
    let version = Some(if version.is_empty() { "(no tag)".to_owned() } else { version.to_owned() });
    if is_new { (name.to_owned(), None, version) } else { (name.to_owned(), version, None) }
}

fn both_sides(old: &str, new: &str) -> Row {
    let ((a, x), (b, y)) = (split(old), split(new));
    if a != b {
        return (b.to_owned(), Some(old.to_owned()), Some(new.to_owned()));
    }
    let version = |text: &str| Some(if text.is_empty() { "(no tag)".to_owned() } else { text.to_owned() });
    (b.to_owned(), version(x), version(y))
}

/// Name and version (tag, digest or both) of an image reference; a colon before a slash belongs to a registry's port.
fn split(image: &str) -> (&str, &str) {
    let name_end = image.find('@').unwrap_or(image.len());
    let last_part = image[..name_end].rfind('/').map_or(0, |slash| slash + 1);
    match image[last_part..name_end].find(':') {
        Some(colon) => (&image[..last_part + colon], &image[last_part + colon + 1..]),
        None if name_end < image.len() => (&image[..name_end], &image[name_end + 1..]),
        None => (image, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_split_as_registries_do() {
        let table = [
            ("nginx", ("nginx", "")),
            ("nginx:1.27", ("nginx", "1.27")),
            ("localhost:5000/nginx", ("localhost:5000/nginx", "")),
            ("localhost:5000/a/nginx:1", ("localhost:5000/a/nginx", "1")),
            ("nginx@sha256:00", ("nginx", "sha256:00")),
            ("r.io/nginx:1@sha256:00", ("r.io/nginx", "1@sha256:00")),
            ("", ("", "")),
        ];
        for (image, expected) in table {
            assert_eq!(split(image), expected, "{image}");
        }
    }

    #[test]
    fn a_changed_name_shows_whole_references() {
        assert_eq!(both_sides("a:1", "a:2"), ("a".into(), Some("1".into()), Some("2".into())));
        assert_eq!(both_sides("a:1", "b:1"), ("b".into(), Some("a:1".into()), Some("b:1".into())));
        assert_eq!(both_sides("a", "a:1"), ("a".into(), Some("(no tag)".into()), Some("1".into())));
    }
}
