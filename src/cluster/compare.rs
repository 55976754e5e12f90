//! What a synchronisation would change, field by field: each object as it is in the cluster against what it would be.
//!
//! What it would be is what the server says of a dry run, so defaults, webhooks and other managers' fields are in it. Where
//! the account may not patch, it is worked out from the object as it is and from what kcfg owns of it (`managedFields`);
//! the note says which. Who owns what would be taken back is told by the server's conflicts.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::error::Source;
use crate::manifest::ObjectId;
use crate::plan::{Action, Departure, End, Known, Reason, Step};
use crate::rendered::{ReleasePair, ReleaseState, StoredObject, hex_sha256};
use crate::yaml::{self, Entry, Map, Node, Numbers};

use super::apply::{self, Wishes};
use super::client::{APPLY_PATCH, Accept, Call, Client, Failure};
use super::discovery::Discovery;
use super::fields;
use super::parallel::each;
use super::parent::FIELD_MANAGER;
use super::source::Tree;

/// What the server keeps of an object for itself, below `metadata`.
const SERVER_METADATA: &[&str] =
    &["creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

/// What would change.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Releases of which something would change, to be compared by `diff`.
    pub pairs: Vec<ReleasePair>,
    /// What a reader must know: who owns what would be taken back, what could not be compared, and how.
    pub notes: Vec<String>,
}

/// What of one object is compared.
struct Sides {
    release: String,
    old: Option<StoredObject>,
    new: Option<StoredObject>,
    notes: Vec<String>,
    is_worked_out: bool,
}

/// Compares what steps and departures would change.
pub async fn compare(
    client: &Client,
    discovery: &Arc<Discovery>,
    tree: &Arc<Tree>,
    known: &Known,
    steps: &[Step],
    departures: &[Departure],
) -> Comparison {
    let label: Arc<str> = super::parent::environment_label(&tree.desired.environment).into();
    let mut compared = Vec::new();
    let applies = steps.iter().map(|step| {
        let (client, discovery, tree, step, label) =
            (client.clone(), discovery.clone(), tree.clone(), step.clone(), label.clone());
        async move { applied(&client, &discovery, &tree, &step, &label).await }
    });
    each(applies, |sides| compared.push(sides)).await;
    let leaving = departures.iter().filter(|departure| departure.end == End::Delete).map(|departure| {
        let (client, discovery, departure) = (client.clone(), discovery.clone(), departure.clone());
        async move { departed(&client, &discovery, &departure).await }
    });
    each(leaving, |sides| compared.push(sides)).await;
    assemble(tree, known, compared)
}

async fn applied(client: &Client, discovery: &Discovery, tree: &Tree, step: &Step, label: &str) -> Sides {
    let release = &tree.desired.releases[step.release];
    let id = &release.objects[step.object].id;
    let file = tree.file(step.release, step.object);
    let mut sides =
        Sides { release: release.name.clone(), old: None, new: None, notes: Vec::new(), is_worked_out: false };
    let Action::Apply(reason) = &step.action else { return sides };
    let mut node = match tree.object(step.release, step.object) {
        Ok(node) => node,
        Err(error) => {
            sides.notes.push(format!("{id}: {}", error.message));
            return sides;
        }
    };
    let found = apply::resource_of(discovery, id, &node).map(|(resource, version)| resource.path_in(&version, id));
    if matches!(reason, Reason::New | Reason::Gone) {
        sides.new = Some(stored(id, &file, node));
        return sides;
    }
    let path = match found {
        Ok(path) => path,
        Err(why) => {
            sides.notes.push(format!("{id}: {why}"));
            return sides;
        }
    };
    let before = match read(client, &path).await {
        Ok(before) => before,
        Err(failure) => {
            sides.notes.push(format!("{id}: {}", apply::explain(&failure, id)));
            return sides;
        }
    };
    apply::label(&mut node, &release.set, label);
    let leaves = Wishes::of(&node).map(|wishes| wishes.leaves).unwrap_or_default();
    if let Err(Failure::Refused { code: 409, causes, .. }) = dry_run(client, &path, &node, false).await {
        for (field, _, message) in causes {
            let owner = message.split('"').nth(1).unwrap_or("somebody else");
            if leaves.iter().any(|named| fields::is_below(&field, named)) {
                fields::remove(&mut node, &field);
                sides.notes.push(format!("{id} {field} is owned by {owner}, and left to it"));
            } else {
                sides.notes.push(format!("{id} {field} is owned by {owner}, and would be taken back"));
            }
        }
    }
    let after = match dry_run(client, &path, &node, true).await {
        Ok(after) => after,
        Err(Failure::Refused { code: 403, .. }) => {
            sides.is_worked_out = true;
            let owned = owned_fields(&before);
            overlay(&before, &node, owned.as_ref())
        }
        Err(failure) => {
            sides.notes.push(format!("{id} would fail: {}", apply::explain(&failure, id)));
            return sides;
        }
    };
    sides.old = Some(stored(id, &file, stripped(before)));
    sides.new = Some(stored(id, &file, stripped(after)));
    sides
}

async fn departed(client: &Client, discovery: &Discovery, departure: &Departure) -> Sides {
    let id = &departure.id;
    let mut sides =
        Sides { release: departure.release.clone(), old: None, new: None, notes: Vec::new(), is_worked_out: false };
    let Some(resource) = discovery.get(&id.group, &id.kind) else { return sides };
    match read(client, &resource.path(id)).await {
        Ok(before) => sides.old = Some(stored(id, "", stripped(before))),
        Err(failure) => sides.notes.push(format!("{id}: {}", apply::explain(&failure, id))),
    }
    sides
}

fn assemble(tree: &Tree, known: &Known, compared: Vec<Sides>) -> Comparison {
    let mut comparison = Comparison::default();
    let mut by_release: BTreeMap<String, ReleasePair> = BTreeMap::new();
    let mut worked_out = 0;
    for sides in compared {
        worked_out += usize::from(sides.is_worked_out);
        comparison.notes.extend(sides.notes);
        if sides.old.is_none() && sides.new.is_none() {
            continue;
        }
        let pair = by_release.entry(sides.release.clone()).or_insert_with(|| {
            let inventory = known.inventories.get(&sides.release);
            let is_known = inventory.is_some();
            let digest = inventory.and_then(|inventory| inventory.digest.clone());
            let old = ReleaseState { digest, ..ReleaseState::default() };
            let wanted = tree.desired.releases.iter().find(|release| release.name == sides.release);
            let new = ReleaseState { digest: wanted.map(|release| release.digest.clone()), ..ReleaseState::default() };
            ReleasePair {
                environment: tree.desired.environment.clone(),
                release: sides.release,
                old: is_known.then_some(old),
                new: new.digest.is_some().then_some(new),
            }
        });
        if let Some(old) = sides.old {
            pair.old.get_or_insert_default().objects.push(old);
        }
        if let Some(new) = sides.new {
            pair.new.get_or_insert_default().objects.push(new);
        }
    }
    // In an order that does not hang on which answer came first.
    for pair in by_release.values_mut() {
        for state in pair.old.iter_mut().chain(pair.new.iter_mut()) {
            state.objects.sort_by(|a, b| a.id.cmp(&b.id));
        }
    }
    comparison.notes.sort();
    if worked_out > 0 {
        comparison.notes.push(format!(
            "the account may not patch: what {worked_out} objects would be is worked out from what can be read, without \
             the server's defaults and webhooks"
        ));
    }
    comparison.pairs = by_release.into_values().collect();
    comparison
}

async fn read(client: &Client, path: &str) -> Result<Node, Failure> {
    node(&client.send(&Call::get(path, Accept::Json)).await?.body)
}

async fn dry_run(client: &Client, path: &str, desired: &Node, forces: bool) -> Result<Node, Failure> {
    let path = format!("{path}?fieldManager={FIELD_MANAGER}&force={forces}&dryRun=All");
    let body = serde_json::to_vec(desired).map_err(|error| Failure::Unreadable(error.to_string()))?;
    let call = Call { accept: Accept::Json, ..Call::patch(path, APPLY_PATCH, body) };
    node(&client.send(&call).await?.body)
}

fn node(body: &[u8]) -> Result<Node, Failure> {
    let text = std::str::from_utf8(body).map_err(|error| Failure::Unreadable(error.to_string()))?;
    yaml::from_json("the API server's answer", text, Numbers::Exact).map_err(|error| Failure::Unreadable(error.message))
}

/// Without what the server keeps for itself.
fn stripped(mut node: Node) -> Node {
    if let Some(root) = node.as_map_mut() {
        root.shift_remove("status");
        if let Some(metadata) = root.get_mut("metadata").and_then(|entry| entry.node.as_map_mut()) {
            metadata.retain(|key, _| !SERVER_METADATA.contains(&&**key));
        }
    }
    node
}

fn stored(id: &ObjectId, file: &str, node: Node) -> StoredObject {
    let mut text = String::new();
    yaml::canonical_object(&node.value, &mut text);
    let name = file.rsplit('/').next().unwrap_or_default().to_owned();
    let hash = hex_sha256(text.as_bytes());
    StoredObject { id: id.clone(), file: name, hash, template: None, node, text: Source::new(file, "") }
}

/// What kcfg owns of an object: its `fieldsV1`.
fn owned_fields(object: &Node) -> Option<Value> {
    let entries = object.at(&["metadata", "managedFields"])?.as_seq()?;
    let text = |entry: &Node, key: &str| entry.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
    let own =
        entries.iter().find(|entry| text(entry, "manager") == FIELD_MANAGER && text(entry, "operation") == "Apply");
    serde_json::to_value(own?.get("fieldsV1")?).ok()
}

/// What an object would be: `desired` laid over it, without what kcfg owns and no longer wants. Lists of objects are
/// matched by their names, others replaced.
fn overlay(live: &Node, desired: &Node, owned: Option<&Value>) -> Node {
    let (Some(_), Some(wanted)) = (live.as_map(), desired.as_map()) else {
        return match (live.as_seq(), desired.as_seq()) {
            (Some(there), Some(wanted)) if wanted.iter().all(|item| item.get("name").is_some()) => {
                let item = |wanted: &Node| {
                    let same = there.iter().find(|item| item.get("name") == wanted.get("name"));
                    same.map_or_else(|| wanted.clone(), |there| overlay(there, wanted, None))
                };
                Node::new(wanted.iter().map(item).collect::<Vec<_>>())
            }
            _ => desired.clone(),
        };
    };
    let mut merged: Map = live.as_map().cloned().unwrap_or_default();
    let owns = |key: &str| owned.and_then(|owned| owned.get(format!("f:{key}")));
    merged.retain(|key, _| wanted.contains_key(key) || owns(key).is_none());
    for (key, entry) in wanted {
        let node = match merged.get(key) {
            Some(there) => overlay(&there.node, &entry.node, owns(key)),
            None => entry.node.clone(),
        };
        match merged.get_mut(key) {
            Some(there) => there.node = node,
            None => drop(merged.insert(key.clone(), Entry { node, ..Entry::new(false) })),
        }
    }
    Node::new(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_is_worked_out_from_what_is_and_what_is_owned() {
        let read = |text: &str| yaml::from_json("t", text, Numbers::Exact).expect("JSON");
        let live = read(
            r#"{"data":{"a":"1","mine":"x","theirs":"y"},"spec":{"replicas":3,"containers":[{"name":"web","image":"a","tty":true}]}}"#,
        );
        let desired = read(r#"{"data":{"a":"2"},"spec":{"containers":[{"name":"web","image":"b"},{"name":"log"}]}}"#);
        let owned: Value = serde_json::from_str(r#"{"f:data":{"f:a":{},"f:mine":{}}}"#).expect("JSON");
        let after = overlay(&live, &desired, Some(&owned));
        let expected = r#"{"data":{"a":"2","theirs":"y"},"spec":{"replicas":3,"containers":[{"name":"web","image":"b","tty":true},{"name":"log"}]}}"#;
        assert_eq!(serde_json::to_string(&after).expect("JSON"), expected);
    }
}
