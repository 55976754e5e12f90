//! Which kinds live in a namespace: the built-in ones by a table, custom ones by their CRDs, others by the Environment.

use std::collections::BTreeMap;

use crate::yaml::Node;

use super::group_of;

/// Whether objects of a kind live in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// They do.
    Namespaced,
    /// They belong to the cluster as a whole.
    Cluster,
}

/// The cluster-scoped kinds of Kubernetes itself, by group (k8s.io/api 0.37, apiextensions, kube-aggregator, and what
/// older releases had). Every other kind of these groups is namespaced.
const CLUSTER_SCOPED: &[(&str, &[&str])] = &[
    ("", &["ComponentStatus", "Namespace", "Node", "PersistentVolume"]),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
    ("authentication.k8s.io", &["SelfSubjectReview", "TokenReview"]),
    ("authorization.k8s.io", &["SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"]),
    ("certificates.k8s.io", &["CertificateSigningRequest", "ClusterTrustBundle"]),
    ("extensions", &["PodSecurityPolicy"]),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("imagepolicy.k8s.io", &["ImageReview"]),
    ("internal.apiserver.k8s.io", &["StorageVersion"]),
    ("networking.k8s.io", &["IPAddress", "IngressClass", "ServiceCIDR"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("policy", &["PodSecurityPolicy"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding"]),
    ("resource.k8s.io", &["DeviceClass", "DeviceTaintRule", "ResourcePoolStatusRequest", "ResourceSlice"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("storage.k8s.io", &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"]),
    ("storagemigration.k8s.io", &["StorageVersionMigration"]),
];

/// The groups of Kubernetes itself that have namespaced kinds only.
const NAMESPACED_ONLY: &[&str] =
    &["apps", "autoscaling", "batch", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io"];

/// The scopes of kinds that are not built in, by (group, kind).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes {
    custom: BTreeMap<(String, String), Scope>,
}

impl Scopes {
    /// Notes the scope of a kind.
    pub fn insert(&mut self, group: &str, kind: &str, scope: Scope) {
        self.custom.insert((group.to_owned(), kind.to_owned()), scope);
    }

    /// Notes what a CustomResourceDefinition says of its kind; anything else is passed over.
    pub fn learn(&mut self, object: &Node) {
        if object.get("kind").and_then(Node::as_str) != Some("CustomResourceDefinition") {
            return;
        }
        let text = |path: &[&str]| object.at(path).and_then(Node::as_str);
        let (Some(group), Some(kind)) = (text(&["spec", "group"]), text(&["spec", "names", "kind"])) else { return };
        let scope = match text(&["spec", "scope"]) {
            Some("Cluster") => Scope::Cluster,
            _ => Scope::Namespaced,
        };
        self.insert(group, kind, scope);
    }

    /// Takes over everything that `other` knows.
    pub fn extend(&mut self, other: &Scopes) {
        self.custom.extend(other.custom.iter().map(|(key, scope)| (key.clone(), *scope)));
    }

    /// The scope of a kind: the table first, then what was learnt; a kind that nobody knows counts as namespaced.
    pub fn of(&self, api_version: &str, kind: &str) -> Scope {
        let group = group_of(api_version);
        if let Some((_, kinds)) = CLUSTER_SCOPED.iter().find(|(known, _)| *known == group) {
            return if kinds.contains(&kind) { Scope::Cluster } else { Scope::Namespaced };
        }
        if self.custom.is_empty() || NAMESPACED_ONLY.contains(&group) {
            return Scope::Namespaced;
        }
        self.custom.get(&(group.to_owned(), kind.to_owned())).copied().unwrap_or(Scope::Namespaced)
    }

    /// Whether the table of built-in kinds decides about a group, so that no definition can.
    pub fn is_built_in(group: &str) -> bool {
        CLUSTER_SCOPED.iter().any(|(known, _)| *known == group) || NAMESPACED_ONLY.contains(&group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Entry, Map, Value};

    fn map(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
        Value::Map(entries.into_iter().map(|(key, value)| (key.into(), Entry::new(value))).collect::<Map>())
    }

    #[test]
    fn built_in_kinds_have_a_table() {
        let scopes = Scopes::default();
        assert_eq!(scopes.of("v1", "Namespace"), Scope::Cluster);
        assert_eq!(scopes.of("v1", "ConfigMap"), Scope::Namespaced);
        assert_eq!(scopes.of("rbac.authorization.k8s.io/v1beta1", "ClusterRole"), Scope::Cluster);
        assert_eq!(scopes.of("rbac.authorization.k8s.io/v1", "Role"), Scope::Namespaced);
        assert_eq!(scopes.of("example.com/v1", "ClusterRole"), Scope::Namespaced);
    }

    #[test]
    fn custom_kinds_are_learnt_from_their_definitions() {
        let crd = map([
            ("kind", "CustomResourceDefinition".into()),
            (
                "spec",
                map([
                    ("group", "example.com".into()),
                    ("scope", "Cluster".into()),
                    ("names", map([("kind", "Fleet".into())])),
                ]),
            ),
        ]);
        let mut scopes = Scopes::default();
        assert_eq!(scopes.of("example.com/v1", "Fleet"), Scope::Namespaced);
        scopes.learn(&Node::new(crd));
        assert_eq!(scopes.of("example.com/v1alpha1", "Fleet"), Scope::Cluster);
        // A definition cannot change what Kubernetes itself has.
        scopes.insert("", "ConfigMap", Scope::Cluster);
        assert_eq!(scopes.of("v1", "ConfigMap"), Scope::Namespaced);
    }
}
