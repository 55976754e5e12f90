//! One object: server-side apply with kcfg's field manager. What Git declares is taken back from whoever changed it.

use crate::manifest::ObjectId;
use crate::plan::LiveObject;
use crate::yaml::{Entry, Map, Node, Value};

use super::client::{APPLY_PATCH, Call, Client, Failure};
use super::discovery::{Discovery, Resource};
use super::fields;
use super::live;
use super::parent::{ENVIRONMENT_LABEL, FIELD_MANAGER, PART_OF_LABEL};

/// What an apply left behind.
#[derive(Debug)]
pub struct Applied {
    /// The object's metadata now.
    pub live: LiveObject,
    /// Whether it was made by this.
    pub is_created: bool,
    /// Whether it was left as it is, because it is applied only once.
    pub is_left: bool,
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
    let metadata = root.entry("metadata".into()).or_insert_with(|| Entry::new(Map::default()));
    let Some(metadata) = metadata.node.as_map_mut() else { return };
    let labels = metadata.entry("labels".into()).or_insert_with(|| Entry::new(Map::default()));
    if labels.node.is_null() {
        labels.node.value = Value::Map(Map::default());
    }
    if let Some(labels) = labels.node.as_map_mut() {
        labels.insert(PART_OF_LABEL.into(), Entry::new(set));
        labels.insert(ENVIRONMENT_LABEL.into(), Entry::new(environment_label));
    }
}

/// What the annotations of an object in the tree ask for.
#[derive(Debug, Default)]
pub struct Wishes {
    /// `kcfg.dev/leave`: fields that others may own.
    pub leaves: Vec<String>,
    /// `kcfg.dev/apply: once`: what is there is left as it is.
    pub applies_once: bool,
    /// `kcfg.dev/recreate: enabled`: deleted and made anew where a field cannot be changed.
    pub recreates: bool,
}

/// Fields of an object that kcfg leaves to others once they own them.
pub const LEAVE_ANNOTATION: &str = "kcfg.dev/leave";
/// `once`: applied only where it is not there.
pub const APPLY_ANNOTATION: &str = "kcfg.dev/apply";
/// `enabled`: deleted and made anew where a field cannot be changed.
pub const RECREATE_ANNOTATION: &str = "kcfg.dev/recreate";

impl Wishes {
    /// Reads the annotations.
    ///
    /// # Errors
    /// One of them has a value that nobody knows.
    pub fn of(node: &Node) -> Result<Wishes, String> {
        let annotation = |name: &str| node.at(&["metadata", "annotations", name]).and_then(Node::as_str);
        let choice = |name: &str, word: &str| match annotation(name) {
            None => Ok(false),
            Some(text) if text == word => Ok(true),
            Some(text) => Err(format!("the annotation {name} is `{text}`; the only value it has is `{word}`")),
        };
        Ok(Wishes {
            leaves: fields::split(annotation(LEAVE_ANNOTATION).unwrap_or_default()),
            applies_once: choice(APPLY_ANNOTATION, "once")?,
            recreates: choice(RECREATE_ANNOTATION, "enabled")?,
        })
    }
}

/// Applies an object. Fields that it leaves to others are applied as long as nobody else owns them with another value.
///
/// # Errors
/// The server refuses it, or cannot be reached.
pub async fn apply(
    client: &Client,
    resource: &Resource,
    version: &str,
    id: &ObjectId,
    node: &mut Node,
    leaves: &[String],
) -> Result<Applied, Failure> {
    if !leaves.is_empty() {
        let options = ApplyOptions { forces: false, is_dry_run: false };
        match send(client, resource, version, id, node, options).await {
            Err(Failure::Refused { code: 409, causes, .. }) => {
                for (field, _, _) in causes {
                    if leaves.iter().any(|named| fields::is_below(&field, named)) {
                        fields::remove(node, &field);
                    }
                }
            }
            result => return result,
        }
    }
    send(client, resource, version, id, node, ApplyOptions { forces: true, is_dry_run: false }).await
}

/// Sends an object as it is.
///
/// # Errors
/// The server refuses it, or cannot be reached.
pub async fn send(
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
    Ok(Applied { live, is_created: answer.code == 201, is_left: false, warnings: answer.warnings })
}

/// How an object is applied.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApplyOptions {
    /// Whether fields that others own are taken from them.
    pub forces: bool,
    /// Whether nothing is to be changed.
    pub is_dry_run: bool,
}

/// Why an object could not be applied, short enough for a line; of a Secret nothing that could hold a value is told.
pub fn explain(failure: &Failure, id: &ObjectId) -> String {
    /// Characters that are kept of a long text: the beginning, and the end, where the reason stands.
    const ENDS_KEPT: usize = 160;
    let is_secret = id.group.is_empty() && &*id.kind == "Secret";
    if let Failure::Refused { code: 400 | 409 | 422, reason, causes, .. } = failure
        && is_secret
    {
        let fields: Vec<&str> = causes.iter().map(|(field, _, _)| field.as_str()).collect();
        return format!("{reason}: {} (what the server says of a Secret is not shown)", fields.join(", "));
    }
    let text = failure.to_string();
    let count = text.chars().count();
    if count <= 3 * ENDS_KEPT {
        return text;
    }
    let (start, end) = (text.chars().take(ENDS_KEPT), text.chars().skip(count - ENDS_KEPT));
    format!("{} … {}", start.collect::<String>(), end.collect::<String>())
}

/// Whether a refusal is about a field that cannot be changed once the object is there.
pub fn is_immutable(failure: &Failure) -> bool {
    /// What the API server says of such fields, for its many kinds.
    const PHRASES: &[&str] = &[
        "immutable",
        "updates to statefulset spec",
        "cannot change roleRef",
        "may not change once set",
        "may not be changed",
        "updates to provisioner are forbidden",
    ];
    match failure {
        Failure::Refused { code: 422 | 403, message, .. } => PHRASES.iter().any(|phrase| message.contains(phrase)),
        _ => false,
    }
}
