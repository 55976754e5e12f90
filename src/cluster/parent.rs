//! The ApplySet parent of a release (KEP-3659): a ConfigMap in kcfg's own namespace that says which kinds and namespaces
//! the members are in, and, in an inventory of our own, which objects they are and how they were applied.
//!
//! The inventory is `binaryData`, 48 bytes an object: the hash of its id, of the file that was applied, and of kcfg's entry
//! in its managedFields after that. It is cut into shards, further ConfigMaps, before a ConfigMap's limit of 1 MiB.
//! A parent is written before the first write of a synchronisation (kinds, namespaces and ids of what was and what will
//! be, so that a killed run loses nothing) and once more after it.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::manifest::ObjectId;
use crate::plan::{Entry, Inventory, OWN_NAMESPACE, ShortHash};
use crate::repo::Selector;

use super::client::{APPLY_PATCH, Accept, Call, Client, Failure, segment};
use super::pages;

/// The label by which the parents of an environment are found.
pub const PARENT_LABEL: &str = "kcfg.dev/parent";
/// The label of members that says which environment they belong to.
pub const ENVIRONMENT_LABEL: &str = "kcfg.dev/env";
/// The label of members that KEP-3659 specifies.
pub const PART_OF_LABEL: &str = "applyset.kubernetes.io/part-of";
/// Field manager of everything that kcfg applies.
pub const FIELD_MANAGER: &str = "kcfg";

const ID_LABEL: &str = "applyset.kubernetes.io/id";
const TOOLING_ANNOTATION: &str = "applyset.kubernetes.io/tooling";
/// The annotation that names the kinds of the members.
pub const KINDS_ANNOTATION: &str = "applyset.kubernetes.io/contains-group-kinds";
const NAMESPACES_ANNOTATION: &str = "applyset.kubernetes.io/additional-namespaces";
/// The annotation that holds `environment/release`.
pub const RELEASE_ANNOTATION: &str = "kcfg.dev/release";
/// The annotation that names the hooks, which are no members: `batch/Job/shop/migrate`.
pub const HOOKS_ANNOTATION: &str = "kcfg.dev/hooks";
/// Hooks that it names: an object's annotations may have 256 KiB in all.
pub const HOOKS_NAMED_MAX: usize = 200;
const CLUSTER_ANNOTATION: &str = "kcfg.dev/cluster-uid";
const INVENTORY_KEY: &str = "inventory";
/// Bytes of an inventory entry.
const ENTRY_BYTES: usize = 48;
/// Entries of one ConfigMap: 700 kB as base64, of the 1 MiB that a ConfigMap may hold.
const SHARD_ENTRIES_MAX: usize = 11_000;
/// Parents that one page of a list holds.
const PAGE: usize = 250;
/// Bytes that a label's value may have.
const LABEL_BYTES_MAX: usize = 63;

/// The name of a release's parent.
pub fn parent_name(environment: &str, release: &str) -> String {
    let hash = HEXLOWER.encode(&Sha256::digest(format!("{environment}/{release}")));
    let clean: String = format!("{environment}-{release}")
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(100)
        .collect();
    format!("kcfg-{clean}-{}", &hash[..10])
}

/// The id of the ApplySet whose parent has this name, as KEP-3659 makes it.
pub fn set_id(parent_name: &str) -> String {
    let identity = format!("{parent_name}.{OWN_NAMESPACE}.ConfigMap.");
    format!("applyset-{}-v1", BASE64URL_NOPAD.encode(&Sha256::digest(identity)))
}

/// An environment's name as the value of a label; a name that no label takes is cut and hashed.
pub fn environment_label(environment: &str) -> String {
    let is_edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = environment.as_bytes();
    let is_valid = bytes.len() <= LABEL_BYTES_MAX
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
    if is_valid {
        return environment.to_owned();
    }
    let clean = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let hash = HEXLOWER.encode(&Sha256::digest(environment));
    let cut: String = environment.chars().map(clean).take(40).collect();
    format!("x{cut}-{}", &hash[..10])
}

/// A parent, as it is in the cluster.
#[derive(Debug, Clone, Default)]
pub struct Parent {
    /// The release.
    pub release: String,
    /// The ConfigMap's name.
    pub name: String,
    /// The kinds of the members: `Deployment.apps`, `ConfigMap`.
    pub kinds: BTreeSet<String>,
    /// The namespaces of the members.
    pub namespaces: BTreeSet<String>,
    /// The ids of the hooks, [`HOOKS_NAMED_MAX`] at most.
    pub hooks: BTreeSet<String>,
    /// The UID of kube-system of the cluster that it was written in.
    pub cluster_uid: String,
    /// The members.
    pub inventory: Inventory,
    /// The ConfigMaps beside it that hold the rest of the inventory, and their versions.
    pub shards: BTreeMap<String, String>,
    /// What else it says; the keys are [`DIGEST_KEY`] and those beside it.
    pub status: BTreeMap<String, String>,
    /// Which program wrote it last, and in which version: `kcfg/v0.1.0`.
    pub tooling: String,
    /// The version that was read or written last: who writes another one in between is another kcfg.
    pub resource_version: String,
}

/// The key by which a later kcfg says that its records hold what this one would lose; without it they are of the first
/// form. Other keys that are not known stay as they are.
const FORMAT_KEY: &str = "format";
/// What every [`TOOLING_ANNOTATION`] of ours begins with.
const TOOLING: &str = "kcfg/";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The key of the digest that was last applied as a whole.
pub const DIGEST_KEY: &str = "digest";
/// The key of how the release stands: `applying`, `applied`, `partial`, `suspended`.
pub const STATE_KEY: &str = "state";
/// The key of the commit at which the release last changed.
pub const COMMIT_KEY: &str = "commit";
/// The key of when it last changed.
pub const TIME_KEY: &str = "time";
/// The key of how many objects stand how, as JSON.
pub const OBJECTS_KEY: &str = "objects";
/// The key of what is not as it should be, as JSON.
pub const PROBLEMS_KEY: &str = "problems";

impl Parent {
    /// The parent of a release that has none yet.
    pub fn new(environment: &str, release: &str, cluster_uid: &str) -> Parent {
        let name = parent_name(environment, release);
        let inventory = Inventory { set: set_id(&name), ..Inventory::default() };
        let (release, cluster_uid) = (release.to_owned(), cluster_uid.to_owned());
        Parent { release, name, cluster_uid, inventory, ..Parent::default() }
    }

    /// Lists the parents of an environment, by release, and whatever shards they have. None where kcfg never was.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn list(client: &Client, environment: &str) -> Result<BTreeMap<String, Parent>, Failure> {
        let label = format!("{PARENT_LABEL}={}", environment_label(environment));
        let (maps, _) = pages::list(client, &collection(), &label, PAGE, Accept::Json).await?;
        Ok(Parent::by_release(environment, &maps))
    }

    /// The parents of an environment, by release, out of ConfigMaps that hold them and their shards, and those of others.
    pub(super) fn by_release<'a>(
        environment: &str,
        maps: impl IntoIterator<Item = &'a ConfigMap>,
    ) -> BTreeMap<String, Parent> {
        let mut parents: BTreeMap<String, Parent> = BTreeMap::new();
        for map in maps {
            let Some(full) = map.metadata.annotations.get(RELEASE_ANNOTATION) else { continue };
            let Some(release) = full.strip_prefix(environment).and_then(|rest| rest.strip_prefix('/')) else {
                continue;
            };
            let parent = parents
                .entry(release.to_owned())
                .or_insert_with(|| Parent::new(environment, release, Default::default()));
            parent.read(map);
        }
        parents
    }

    fn read(&mut self, map: &ConfigMap) {
        let bytes = map.binary_data.get(INVENTORY_KEY).and_then(|text| BASE64.decode(text.as_bytes()).ok());
        for entry in bytes.unwrap_or_default().chunks_exact(ENTRY_BYTES) {
            let hash = |from: usize| {
                let mut hash = [0; 16];
                hash.copy_from_slice(&entry[from..from + 16]);
                ShortHash(hash)
            };
            self.inventory.entries.insert(hash(0), Entry { content: hash(16), state: hash(32) });
        }
        if map.metadata.name != self.name {
            self.shards.insert(map.metadata.name.clone(), map.metadata.resource_version.clone());
            return;
        }
        let annotation = |name: &str| map.metadata.annotations.get(name).map(String::as_str).unwrap_or_default();
        let list = |text: &str| text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        self.kinds = list(annotation(KINDS_ANNOTATION));
        self.namespaces = list(annotation(NAMESPACES_ANNOTATION));
        self.hooks = list(annotation(HOOKS_ANNOTATION));
        self.cluster_uid = annotation(CLUSTER_ANNOTATION).to_owned();
        self.tooling = annotation(TOOLING_ANNOTATION).to_owned();
        self.status.clone_from(&map.data);
        self.inventory.digest = map.data.get(DIGEST_KEY).cloned();
        self.resource_version.clone_from(&map.metadata.resource_version);
    }

    /// Why this kcfg must not write it, if it must not: it is of another program (KEP-3659), or of a kcfg that keeps more in it.
    pub fn refusal(&self) -> Option<String> {
        if !self.tooling.is_empty() && !self.tooling.starts_with(TOOLING) {
            return Some(format!("it belongs to {}, which keeps an ApplySet in it", self.tooling));
        }
        let format = self.status.get(FORMAT_KEY)?;
        Some(format!("{} wrote it in the format {format}, which kcfg v{VERSION} cannot read", self.tooling))
    }

    /// Writes it: one request, and one for each shard that is needed or no longer needed.
    ///
    /// # Errors
    /// A ConfigMap cannot be written.
    pub async fn write(&mut self, client: &Client, environment: &str) -> Result<(), Failure> {
        let mut entries: Vec<(&ShortHash, &Entry)> = self.inventory.entries.iter().collect();
        entries.sort_unstable_by_key(|(id, _)| **id);
        let mut chunks = entries.chunks(SHARD_ENTRIES_MAX).map(encode);
        let first = chunks.next().unwrap_or_default();
        let rest: Vec<String> = chunks.collect();
        let mut shards = BTreeMap::new();
        for (index, inventory) in rest.iter().enumerate() {
            let name = shard_name(&self.name, index);
            let map = self.config_map(environment, &name, inventory, false);
            shards.insert(name, apply(client, &map).await?);
        }
        let mut map = self.config_map(environment, &self.name, &first, true);
        map.metadata.resource_version.clone_from(&self.resource_version);
        self.resource_version = match apply(client, &map).await {
            // An answer that was lost on its way: what was written is there.
            Err(Failure::Refused { code: 409, .. }) => {
                let there: ConfigMap = client.send(&Call::get(path(&self.name), Accept::Json)).await?.json()?;
                if there.data != map.data || there.binary_data != map.binary_data {
                    return Err(Failure::Unreadable(format!(
                        "another kcfg changed the record {} at the same time; let one of them finish",
                        self.name
                    )));
                }
                there.metadata.resource_version
            }
            result => result?,
        };
        let before = std::mem::replace(&mut self.shards, shards);
        for name in before.keys().filter(|name| !self.shards.contains_key(*name)) {
            delete(client, name).await?;
        }
        Ok(())
    }

    /// Deletes it with its shards.
    ///
    /// # Errors
    /// A ConfigMap cannot be deleted.
    pub async fn delete(&self, client: &Client) -> Result<(), Failure> {
        for name in self.shards.keys().chain([&self.name]) {
            delete(client, name).await?;
        }
        Ok(())
    }

    /// The kinds of its objects, each after its group, which is empty for the core group.
    pub fn groups_and_kinds(&self) -> impl Iterator<Item = (&str, &str)> {
        self.kinds.iter().map(|text| text.split_once('.').map_or(("", text.as_str()), |(kind, group)| (group, kind)))
    }

    /// Whether a release may hold something that a selector names. For certain where the selector has a name and no
    /// pattern for it, since the inventory knows objects by the hashes of their ids alone.
    pub fn may_hold(&self, environment: &str, selector: &Selector) -> bool {
        if !selector.matches_release(environment, &self.release) {
            return false;
        }
        if !selector.is_within_release() {
            return true;
        }
        let is_named = |id: ObjectId| selector.matches_object(environment, &self.release, &id.kind, &id.name);
        if self.hooks.iter().filter_map(|id| id.parse().ok()).any(is_named) {
            return true;
        }
        let mut kinds = self.groups_and_kinds().filter(|(_, kind)| selector.matches_kind(kind));
        let Some(name) = selector.literal_name() else { return kinds.next().is_some() };
        let namespaces = self.namespaces.iter().map(|name| Some(name.as_str())).chain([Some(OWN_NAMESPACE), None]);
        let namespaces: Vec<Option<&str>> = namespaces.collect();
        kinds.any(|(group, kind)| {
            namespaces.iter().any(|namespace| {
                let id = ObjectId {
                    group: group.into(),
                    kind: kind.into(),
                    namespace: namespace.map(Into::into),
                    name: name.as_str().into(),
                };
                self.inventory.entries.contains_key(&ShortHash::of_id(&id))
            })
        })
    }

    /// The version of one of its ConfigMaps that was read or written last.
    pub fn version_of(&self, name: &str) -> Option<&str> {
        let known = if name == self.name { Some(&self.resource_version) } else { self.shards.get(name) };
        known.map(String::as_str)
    }

    fn config_map(&self, environment: &str, name: &str, inventory: &str, is_parent: bool) -> ConfigMap {
        let join = |set: &BTreeSet<String>| set.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        let mut labels = BTreeMap::from([(PARENT_LABEL.to_owned(), environment_label(environment))]);
        let mut annotations =
            BTreeMap::from([(RELEASE_ANNOTATION.to_owned(), format!("{environment}/{}", self.release))]);
        if is_parent {
            labels.insert(ID_LABEL.to_owned(), self.inventory.set.clone());
            let mut note = |name: &str, value: String| annotations.insert(name.to_owned(), value);
            note(TOOLING_ANNOTATION, format!("{TOOLING}v{VERSION}"));
            note(KINDS_ANNOTATION, join(&self.kinds));
            note(NAMESPACES_ANNOTATION, join(&self.namespaces));
            note(CLUSTER_ANNOTATION, self.cluster_uid.clone());
            if !self.hooks.is_empty() {
                note(HOOKS_ANNOTATION, join(&self.hooks));
            }
        }
        ConfigMap {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            metadata: Metadata {
                name: name.to_owned(),
                namespace: OWN_NAMESPACE.into(),
                resource_version: String::new(),
                labels,
                annotations,
            },
            data: if is_parent { self.status.clone() } else { BTreeMap::new() },
            binary_data: BTreeMap::from([(INVENTORY_KEY.to_owned(), inventory.to_owned())]),
        }
    }
}

/// Makes kcfg's own namespace, if it is not there.
///
/// # Errors
/// It cannot be made.
pub async fn make_own_namespace(client: &Client) -> Result<(), Failure> {
    let body = format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{OWN_NAMESPACE}"}}}}"#);
    let path = format!("/api/v1/namespaces/{OWN_NAMESPACE}?fieldManager={FIELD_MANAGER}&force=true");
    match client.send(&Call::patch(path, APPLY_PATCH, body.into_bytes())).await {
        // Who may make no namespaces was given this one: if not, the first record cannot be written, and says so.
        Ok(_) | Err(Failure::Refused { code: 403, .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

fn encode(entries: &[(&ShortHash, &Entry)]) -> String {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    for (id, entry) in entries {
        bytes.extend(id.0);
        bytes.extend(entry.content.0);
        bytes.extend(entry.state.0);
    }
    BASE64.encode(&bytes)
}

fn shard_name(parent: &str, index: usize) -> String {
    format!("{parent}.{}", index + 1)
}

fn path(name: &str) -> String {
    format!("{}/{}", collection(), segment(name))
}

/// The collection that parents are in, and records.
pub(super) fn collection() -> String {
    format!("/api/v1/namespaces/{OWN_NAMESPACE}/configmaps")
}

async fn delete(client: &Client, name: &str) -> Result<(), Failure> {
    match client.send(&Call::delete(path(name), Vec::new())).await {
        Ok(_) | Err(Failure::Refused { code: 404, .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Applies a ConfigMap; gives its version.
async fn apply(client: &Client, map: &ConfigMap) -> Result<String, Failure> {
    let path = format!("{}?fieldManager={FIELD_MANAGER}&force=true", path(&map.metadata.name));
    let body = serde_json::to_vec(map).map_err(|error| Failure::Unreadable(error.to_string()))?;
    let written: ConfigMap = client.send(&Call::patch(path, APPLY_PATCH, body)).await?.json()?;
    Ok(written.metadata.resource_version)
}

/// A ConfigMap that holds a parent, or a shard of one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigMap {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default)]
    binary_data: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    resource_version: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_made_as_the_kep_says() {
        // base64url(sha256("name.namespace.ConfigMap.")) by openssl.
        let id = set_id("kcfg-a");
        assert!(id.starts_with("applyset-") && id.ends_with("-v1"));
        assert_eq!(id.len(), "applyset-".len() + 43 + "-v1".len());
        assert!(id.len() <= LABEL_BYTES_MAX);
    }

    #[test]
    fn names_and_labels_are_such_as_kubernetes_takes() {
        let name = parent_name("Prod_EU", "web.Api");
        assert!(name.starts_with("kcfg-prod-eu-web-api-"), "{name}");
        assert_ne!(parent_name("a-b", "c"), parent_name("a", "b-c"));
        assert_eq!(environment_label("prod_eu.1"), "prod_eu.1");
        let long = environment_label(&"e".repeat(64));
        assert!(long.len() <= LABEL_BYTES_MAX && long != environment_label(&"e".repeat(65)));
        assert!(environment_label("_x").starts_with('x'));
    }
}
