//! One object: server-side apply with kcfg's field manager. What Git declares is taken back from whoever changed it.

use crate::manifest::ObjectId;
use crate::plan::LiveObject;
use crate::yaml::{Entry, Map, Node, Value};

use super::client::{APPLY_PATCH, Call, Client, Failure};
use super::discovery::{Discovery, Resource};
use super::live;
use super::parent::{ENVIRONMENT_LABEL, FIELD_MANAGER, PART_OF_LABEL};

/// What an apply left behind.
#[derive(Debug)]
pub struct Applied {
    /// The object's metadata now.
    pub live: LiveObject,
    /// Whether it was made by this.
    pub is_created: bool,
    /// What the server said beside.
    pub warnings: Vec<String>,
}

/// The resource and version that an object of the tree names.
///
/// # Errors
/// The server does not serve it, or with another scope.
pub fn resource_of<'d>(discovery: &'d Discovery, id: &ObjectId, node: &Node) -> Result<(&'d Resource, String), String> {
    let api_version = node.get("apiVersion").and_then(Node::as_str).unwrap_or_default();
    let version = api_version.rsplit('/').next().unwrap_or_default();
    let Some(resource) = discovery.get(&id.group, &id.kind) else {
        return Err(match discovery.is_certain(&id.group) {
            true => format!("the cluster does not know the kind {} of {api_version}", id.kind),
            false => format!("the server of the API group {} is down, so {} is not known", id.group, id.kind),
        });
    };
    if !resource.versions.iter().any(|known| &**known == version) {
        let known: Vec<&str> = resource.versions.iter().map(|version| &**version).collect();
        return Err(format!("the cluster serves {} in {}, not in {version}", id.kind, known.join(", ")));
    }
    if resource.is_namespaced != id.namespace.is_some() {
        let scope = if resource.is_namespaced { "lives in a namespace" } else { "belongs to no namespace" };
        return Err(format!(
            "{} {scope} in this cluster; say so under `scopes` of the Environment and render again",
            id.kind
        ));
    }
    Ok((resource, version.to_owned()))
}

/// Adds the labels of a member.
pub fn label(node: &mut Node, set: &str, environment_label: &str) {
    let Some(root) = node.as_map_mut() else { return };
    let metadata = root.entry("metadata".into()).or_insert_with(|| Entry::new(Map::new()));
    let Some(metadata) = metadata.node.as_map_mut() else { return };
    let labels = metadata.entry("labels".into()).or_insert_with(|| Entry::new(Map::new()));
    if labels.node.is_null() {
        labels.node.value = Value::Map(Map::new());
    }
    if let Some(labels) = labels.node.as_map_mut() {
        labels.insert(PART_OF_LABEL.into(), Entry::new(set));
        labels.insert(ENVIRONMENT_LABEL.into(), Entry::new(environment_label));
    }
}

/// Applies an object.
///
/// # Errors
/// The server refuses it, or cannot be reached.
pub async fn apply(
    client: &Client,
    resource: &Resource,
    version: &str,
    id: &ObjectId,
    node: &Node,
    options: ApplyOptions,
) -> Result<Applied, Failure> {
    let mut path = format!("{}?fieldManager={FIELD_MANAGER}", resource.path_in(version, id));
    if options.forces {
        path.push_str("&force=true");
    }
    if options.is_dry_run {
        path.push_str("&dryRun=All");
    }
    let body = serde_json::to_vec(node).map_err(|error| Failure::Unreadable(error.to_string()))?;
    let answer = client.send(&Call::patch(path, APPLY_PATCH, body)).await?;
    let live = live::one(resource, &answer.body)?;
    Ok(Applied { live, is_created: answer.code == 201, warnings: answer.warnings })
}

/// How an object is applied.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApplyOptions {
    /// Whether fields that others own are taken from them.
    pub forces: bool,
    /// Whether nothing is to be changed.
    pub is_dry_run: bool,
}
