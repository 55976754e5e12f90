//! API versions that Kubernetes deprecated or removed: which, since when, and what takes their place.
//!
//! From the lifecycle that the API types themselves declare (`zz_generated.prerelease-lifecycle.go` of k8s.io/api and
//! k8s.io/apiextensions-apiserver 0.37, which the API server goes by when it decides what to serve), and for those
//! that the library no longer holds from Kubernetes' deprecation guide. Alpha versions are not here: they are off
//! unless somebody switches them on.

use crate::engine::KubeVersion;
use crate::error::{Diagnostic, RuleName};
use crate::manifest::Object;
use crate::yaml::Node;

/// Some kinds of an API version.
struct Row {
    api_version: &'static str,
    kinds: &'static [&'static str],
    /// Minor version of Kubernetes 1 that deprecated it.
    deprecated: u32,
    /// Minor version of Kubernetes 1 that no longer serves it.
    removed: Option<u32>,
    /// The API version to write instead, with the kind where that changes too; empty if there is none.
    instead: &'static str,
}

const fn row(
    api_version: &'static str,
    kinds: &'static [&'static str],
    deprecated: u32,
    removed: Option<u32>,
    instead: &'static str,
) -> Row {
    Row { api_version, kinds, deprecated, removed, instead }
}

const ROWS: &[Row] = &[
    row("v1", &["ComponentStatus"], 19, None, ""),
    row("v1", &["Endpoints"], 33, None, "discovery.k8s.io/v1 EndpointSlice"),
    row(
        "admissionregistration.k8s.io/v1beta1",
        &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
        16,
        Some(22),
        "admissionregistration.k8s.io/v1",
    ),
    row(
        "admissionregistration.k8s.io/v1beta1",
        &["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"],
        31,
        Some(34),
        "admissionregistration.k8s.io/v1",
    ),
    row(
        "admissionregistration.k8s.io/v1beta1",
        &["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"],
        37,
        Some(40),
        "admissionregistration.k8s.io/v1",
    ),
    row("apiextensions.k8s.io/v1beta1", &["CustomResourceDefinition"], 16, Some(22), "apiextensions.k8s.io/v1"),
    row("apiregistration.k8s.io/v1beta1", &["APIService"], 19, Some(22), "apiregistration.k8s.io/v1"),
    row("apps/v1beta1", &["ControllerRevision", "Deployment", "StatefulSet"], 8, Some(16), "apps/v1"),
    row(
        "apps/v1beta2",
        &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"],
        9,
        Some(16),
        "apps/v1",
    ),
    row("autoscaling/v2beta1", &["HorizontalPodAutoscaler"], 22, Some(25), "autoscaling/v2"),
    row("autoscaling/v2beta2", &["HorizontalPodAutoscaler"], 23, Some(26), "autoscaling/v2"),
    row("batch/v1beta1", &["CronJob"], 21, Some(25), "batch/v1"),
    row("certificates.k8s.io/v1beta1", &["CertificateSigningRequest"], 19, Some(22), "certificates.k8s.io/v1"),
    row(
        "certificates.k8s.io/v1beta1",
        &["ClusterTrustBundle", "PodCertificateRequest"],
        37,
        Some(40),
        "certificates.k8s.io/v1",
    ),
    row("coordination.k8s.io/v1beta1", &["Lease"], 19, Some(22), "coordination.k8s.io/v1"),
    row("coordination.k8s.io/v1beta1", &["LeaseCandidate"], 36, Some(39), ""),
    row("discovery.k8s.io/v1beta1", &["EndpointSlice"], 21, Some(25), "discovery.k8s.io/v1"),
    row("events.k8s.io/v1beta1", &["Event"], 22, Some(25), "events.k8s.io/v1"),
    row("extensions/v1beta1", &["DaemonSet", "Deployment", "ReplicaSet"], 8, Some(16), "apps/v1"),
    row("extensions/v1beta1", &["NetworkPolicy"], 9, Some(16), "networking.k8s.io/v1"),
    row("extensions/v1beta1", &["PodSecurityPolicy"], 11, Some(16), ""),
    row("extensions/v1beta1", &["Ingress"], 14, Some(22), "networking.k8s.io/v1"),
    row(
        "flowcontrol.apiserver.k8s.io/v1beta1",
        &["FlowSchema", "PriorityLevelConfiguration"],
        23,
        Some(26),
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    row(
        "flowcontrol.apiserver.k8s.io/v1beta2",
        &["FlowSchema", "PriorityLevelConfiguration"],
        26,
        Some(29),
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    row(
        "flowcontrol.apiserver.k8s.io/v1beta3",
        &["FlowSchema", "PriorityLevelConfiguration"],
        29,
        Some(32),
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    row("networking.k8s.io/v1beta1", &["Ingress", "IngressClass"], 19, Some(22), "networking.k8s.io/v1"),
    row("networking.k8s.io/v1beta1", &["IPAddress", "ServiceCIDR"], 34, Some(37), "networking.k8s.io/v1"),
    row("node.k8s.io/v1beta1", &["RuntimeClass"], 22, Some(25), "node.k8s.io/v1"),
    row("policy/v1beta1", &["PodDisruptionBudget"], 21, Some(25), "policy/v1"),
    row("policy/v1beta1", &["PodSecurityPolicy"], 21, Some(25), ""),
    row(
        "rbac.authorization.k8s.io/v1beta1",
        &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
        17,
        Some(22),
        "rbac.authorization.k8s.io/v1",
    ),
    row(
        "resource.k8s.io/v1beta1",
        &["DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"],
        35,
        Some(38),
        "resource.k8s.io/v1",
    ),
    row(
        "resource.k8s.io/v1beta2",
        &["DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"],
        36,
        Some(39),
        "resource.k8s.io/v1",
    ),
    row("resource.k8s.io/v1beta2", &["DeviceTaintRule"], 39, Some(42), "resource.k8s.io/v1"),
    row("scheduling.k8s.io/v1beta1", &["PriorityClass"], 14, Some(22), "scheduling.k8s.io/v1"),
    row("scheduling.k8s.io/v1beta1", &["PodGroup", "Workload"], 40, Some(43), ""),
    row("storage.k8s.io/v1beta1", &["CSINode"], 17, Some(22), "storage.k8s.io/v1"),
    row(
        "storage.k8s.io/v1beta1",
        &["CSIDriver", "StorageClass", "VolumeAttachment"],
        19,
        Some(22),
        "storage.k8s.io/v1",
    ),
    row("storage.k8s.io/v1beta1", &["CSIStorageCapacity"], 24, Some(27), "storage.k8s.io/v1"),
    row("storage.k8s.io/v1beta1", &["VolumeAttributesClass"], 34, Some(37), "storage.k8s.io/v1"),
    row("storagemigration.k8s.io/v1beta1", &["StorageVersionMigration"], 37, Some(40), "storagemigration.k8s.io/v1"),
];

/// What is wrong with an object's apiVersion in a cluster of this version, if anything is.
pub fn check(object: &Object, version: &KubeVersion) -> Option<Diagnostic> {
    let api_version = object.node.get("apiVersion").and_then(Node::as_str)?;
    let minor: u32 = version.minor.parse().ok().filter(|_| version.major == "1")?;
    let row = ROWS.iter().find(|row| row.api_version == api_version && row.kinds.contains(&&*object.id.kind))?;
    let (kind, what) = (&object.id.kind, &version.version);
    let (removed, deprecated) = (row.removed.filter(|removed| *removed <= minor), row.deprecated);
    let finding = match removed {
        Some(removed) => {
            Diagnostic::error(format!("Kubernetes {what} has no {api_version} {kind}: it was removed in 1.{removed}"))
                .rule(RuleName::RemovedApi)
        }
        None if deprecated <= minor => {
            let removed = row.removed.map(|removed| format!(", and 1.{removed} removes it")).unwrap_or_default();
            Diagnostic::warning(format!("{api_version} {kind} is deprecated since Kubernetes 1.{deprecated}{removed}"))
                .rule(RuleName::DeprecatedApi)
        }
        None => return None,
    };
    let help = match row.instead {
        "" => "there is nothing that takes its place; remove the object".to_owned(),
        instead => format!("use {instead}; fields may have changed with it"),
    };
    let span = object.node.get("apiVersion").map_or(object.node.span, |node| node.span);
    Some(object.manifest.point(finding.help(help), span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sound() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(row.removed.is_none_or(|removed| removed > row.deprecated), "{}", row.api_version);
            assert_ne!(row.api_version, row.instead);
            for kind in row.kinds {
                let is_same = |other: &Row| other.api_version == row.api_version && other.kinds.contains(kind);
                assert!(!ROWS[..index].iter().any(is_same), "{} {kind} stands twice", row.api_version);
            }
        }
    }
}
