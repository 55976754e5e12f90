//! Needs replacement: fields that the API server does not let change (k8s.io/kubernetes, pkg/apis/*/validation). The
//! object has to be deleted and made anew, or the change is refused.

use super::{Found, Rule, Severity, Subject, text};
use crate::diff::change::{Change, What};
use crate::diff::meaning::Quantity;
use crate::yaml::Node;

/// Fields that cannot change once they are set: group, kind, path.
const IMMUTABLE: &[(&str, &str, &[&str])] = &[
    ("apps", "Deployment", &["spec", "selector"]),
    ("apps", "ReplicaSet", &["spec", "selector"]),
    ("apps", "DaemonSet", &["spec", "selector"]),
    ("batch", "Job", &["spec", "selector"]),
    ("batch", "Job", &["spec", "template"]),
    ("batch", "Job", &["spec", "completionMode"]),
    ("batch", "Job", &["spec", "podFailurePolicy"]),
    ("batch", "Job", &["spec", "backoffLimitPerIndex"]),
    ("batch", "Job", &["spec", "successPolicy"]),
    ("batch", "Job", &["spec", "managedBy"]),
    ("", "PersistentVolumeClaim", &["spec", "accessModes"]),
    ("", "PersistentVolumeClaim", &["spec", "storageClassName"]),
    ("", "PersistentVolumeClaim", &["spec", "selector"]),
    ("", "PersistentVolumeClaim", &["spec", "volumeMode"]),
    ("", "PersistentVolumeClaim", &["spec", "volumeName"]),
    ("", "PersistentVolumeClaim", &["spec", "dataSource"]),
    ("", "PersistentVolumeClaim", &["spec", "dataSourceRef"]),
    ("", "Secret", &["type"]),
    ("storage.k8s.io", "StorageClass", &["provisioner"]),
    ("storage.k8s.io", "StorageClass", &["parameters"]),
    ("storage.k8s.io", "StorageClass", &["reclaimPolicy"]),
    ("storage.k8s.io", "StorageClass", &["volumeBindingMode"]),
    ("storage.k8s.io", "VolumeAttributesClass", &["driverName"]),
    ("storage.k8s.io", "VolumeAttributesClass", &["parameters"]),
    ("rbac.authorization.k8s.io", "RoleBinding", &["roleRef"]),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", &["roleRef"]),
    ("scheduling.k8s.io", "PriorityClass", &["value"]),
    ("scheduling.k8s.io", "PriorityClass", &["preemptionPolicy"]),
    ("node.k8s.io", "RuntimeClass", &["handler"]),
    ("networking.k8s.io", "IngressClass", &["spec", "controller"]),
    ("discovery.k8s.io", "EndpointSlice", &["addressType"]),
    ("apiextensions.k8s.io", "CustomResourceDefinition", &["spec", "group"]),
    ("apiextensions.k8s.io", "CustomResourceDefinition", &["spec", "scope"]),
    ("apiextensions.k8s.io", "CustomResourceDefinition", &["spec", "names", "plural"]),
    ("apiextensions.k8s.io", "CustomResourceDefinition", &["spec", "names", "kind"]),
];
/// The fields of a StatefulSet that can change; all others of its spec cannot.
const STATEFUL_SET_MUTABLE: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];
/// The fields of a PersistentVolume's spec that can change; the others are its source and what belongs to it.
const VOLUME_MUTABLE: &[&str] = &[
    "capacity",
    "accessModes",
    "claimRef",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "mountOptions",
    "volumeAttributesClassName",
];

pub fn flag(subject: &Subject<'_>, found: &mut Found) {
    if !subject.is_updated() {
        return;
    }
    let mut told: Vec<String> = Vec::new();
    for change in subject.object.changes.iter().filter(|change| !change.is_same_meaning()) {
        if let Some(field) = immutable(subject, change)
            && !told.contains(&field)
        {
            found.add(
                Rule::NeedsReplacement,
                Severity::Danger,
                format!("{field} cannot change: the API server refuses it until the object is deleted and made anew"),
            );
            told.push(field);
        }
    }
    let is_frozen = |node: &Node| node.get("immutable").and_then(Node::as_bool) == Some(true);
    if subject.is("", &["Secret", "ConfigMap"])
        && subject.old.is_some_and(is_frozen)
        && subject
            .object
            .changes
            .iter()
            .any(|change| ["data", "binaryData", "immutable"].iter().any(|field| change.path.is_below(&[field])))
    {
        let explanation = "it is marked immutable: the API server refuses new data until it is deleted and made anew";
        found.add(Rule::NeedsReplacement, Severity::Danger, explanation);
    }
}

/// The field that cannot change, if the change is in one.
fn immutable(subject: &Subject<'_>, change: &Change) -> Option<String> {
    let Subject { group, kind, .. } = *subject;
    let path = &change.path;
    let keys: Vec<&str> = path.keys().collect();
    if let Some((.., field)) = IMMUTABLE.iter().find(|(g, k, field)| (*g, *k) == (group, kind) && path.is_below(field))
    {
        return Some(field.join("."));
    }
    let field = match (group, kind, &keys[..]) {
        ("apps", "StatefulSet", ["spec", field, ..]) => !STATEFUL_SET_MUTABLE.contains(field),
        ("", "PersistentVolume", ["spec", "nodeAffinity", ..]) => {
            subject.old.is_some_and(|old| old.at(&["spec", "nodeAffinity"]).is_some())
        }
        ("", "PersistentVolume", ["spec", field, ..]) => !VOLUME_MUTABLE.contains(field),
        // An address that is no longer named stays; leaving or becoming ExternalName sets it free.
        ("", "Service", ["spec", "clusterIP" | "clusterIPs", ..]) => {
            let is_external = |node| text(node, &["spec", "type"]) == Some("ExternalName");
            !matches!(change.what, What::Removed(_)) && !is_external(subject.old) && !is_external(subject.new)
        }
        ("", "PersistentVolumeClaim", ["spec", "resources", "requests", "storage"]) => {
            return shrinks(change).then(|| "spec.resources.requests.storage (to less than it has)".into());
        }
        _ => false,
    };
    field.then(|| keys[..2].join("."))
}

fn shrinks(change: &Change) -> bool {
    let What::Changed { old, new, .. } = &change.what else { return false };
    match (Quantity::of(&old.value), Quantity::of(&new.value)) {
        (Some(old), Some(new)) => new.cmp(&old).is_lt(),
        _ => false,
    }
}
