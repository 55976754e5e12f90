//! What is in the cluster: metadata, listed by kind, kept in a few words an object. A page is read where it stands and
//! dropped; the fields of managedFields are hashed, not parsed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::manifest::ObjectId;
use crate::manifest::prune::fate;
use crate::plan::{LiveObject, ShortHash};

use super::client::{Accept, Call, Client, Failure, query};
use super::discovery::Resource;
use super::parent::{FIELD_MANAGER, PART_OF_LABEL};

/// Objects that one page of a list holds.
pub const PAGE: usize = 500;
/// Managers that only ever fill what kcfg leaves out.
const OWN_MANAGERS: &[&str] = &[FIELD_MANAGER, "kcfg-generated"];

/// Lists the objects of a kind, those that `selector` matches (all if it is empty), and hands each to `keep`. Gives the
/// version of the list, from which a watch can go on.
///
/// # Errors
/// They cannot be listed: then nothing is known of the kind.
pub async fn list(
    client: &Client,
    resource: &Resource,
    namespace: Option<&str>,
    selector: &str,
    mut keep: impl FnMut(LiveObject),
) -> Result<String, Failure> {
    let base = resource.list_path(resource.preferred(), namespace);
    let selector = query(selector);
    let mut next = String::new();
    loop {
        let path = format!("{base}?labelSelector={selector}&limit={PAGE}&continue={}", query(&next));
        let answer = client.send(&Call::get(path, Accept::MetadataList)).await?;
        let page: Page<'_> =
            serde_json::from_slice(&answer.body).map_err(|error| Failure::Unreadable(error.to_string()))?;
        for item in page.items.unwrap_or_default() {
            keep(item.metadata.live(resource));
        }
        match page.metadata.next {
            Some(token) if !token.is_empty() => next = token.into_owned(),
            _ => return Ok(page.metadata.resource_version.into_owned()),
        }
    }
}

/// One object's metadata out of an answer that holds it alone.
///
/// # Errors
/// The answer holds something else.
pub fn one(resource: &Resource, body: &[u8]) -> Result<LiveObject, Failure> {
    let item: Item<'_> = serde_json::from_slice(body).map_err(|error| Failure::Unreadable(error.to_string()))?;
    Ok(item.metadata.live(resource))
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, default)]
    metadata: PageMetadata<'a>,
    /// Null where there is none.
    #[serde(borrow)]
    items: Option<Vec<Item<'a>>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct PageMetadata<'a> {
    #[serde(borrow, rename = "continue")]
    next: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    resource_version: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uid: Cow<'a, str>,
    #[serde(borrow, default)]
    resource_version: Cow<'a, str>,
    #[serde(borrow)]
    deletion_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    labels: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(borrow, default)]
    annotations: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(borrow, default)]
    managed_fields: Vec<ManagedFields<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManagedFields<'a> {
    #[serde(borrow, default)]
    manager: Cow<'a, str>,
    #[serde(borrow, default)]
    operation: Cow<'a, str>,
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    time: Cow<'a, str>,
    #[serde(borrow, default)]
    subresource: Cow<'a, str>,
    #[serde(borrow)]
    fields_v1: Option<&'a RawValue>,
}

impl Metadata<'_> {
    fn live(self, resource: &Resource) -> LiveObject {
        let mut state = ShortHash::UNKNOWN;
        let mut other: Option<(&str, &str)> = None;
        let mut is_ours = false;
        for entry in &self.managed_fields {
            if entry.manager == FIELD_MANAGER && entry.operation == "Apply" && entry.subresource.is_empty() {
                let fields = entry.fields_v1.map(RawValue::get).unwrap_or_default();
                state = ShortHash::of(&[entry.api_version.as_bytes(), entry.time.as_bytes(), fields.as_bytes()]);
            }
            if OWN_MANAGERS.contains(&&*entry.manager) {
                is_ours = true;
            } else if entry.subresource != "status" && other.is_none_or(|(time, _)| time <= &*entry.time) {
                other = Some((&entry.time, &entry.manager));
            }
        }
        let id = ObjectId {
            group: resource.group.clone(),
            kind: resource.kind.clone(),
            namespace: self.namespace.map(|text| Arc::from(&*text)),
            name: Arc::from(&*self.name),
        };
        let fate = fate(&id, |name| self.annotations.get(name).map(|text| &**text));
        LiveObject {
            id,
            uid: Box::from(&*self.uid),
            resource_version: Box::from(&*self.resource_version),
            part_of: self.labels.get(PART_OF_LABEL).map(|text| Box::from(&**text)),
            state,
            fate,
            is_terminating: self.deletion_timestamp.is_some(),
            is_ours: is_ours && other.is_none(),
            other_manager: other.map(|(_, manager)| Arc::from(manager)),
        }
    }
}
