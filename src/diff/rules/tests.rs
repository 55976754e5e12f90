//! A table for each rule: kind, old and new, and what is flagged.

use super::*;
use crate::diff::change::changes;
use crate::diff::report::Sides;
use crate::error::Source;
use crate::yaml::{self, ReadOptions};

fn node(text: &str) -> Option<Node> {
    (!text.is_empty()).then(|| yaml::read(&Source::new("test", text), &ReadOptions::default()).expect("YAML").node)
}

fn object(kind: &str, old: &str, new: &str) -> ObjectDiff {
    let (old, new) = (node(old), node(new));
    let status = match (&old, &new) {
        (None, _) => Status::Added,
        (_, None) => Status::Removed,
        _ => Status::Changed,
    };
    ObjectDiff {
        id: format!("{kind}/shop/web").parse().expect("an id"),
        status,
        before: None,
        files: Sides::default(),
        hashes: Sides::default(),
        template: None,
        changes: old.as_ref().zip(new.as_ref()).map(|(a, b)| changes(a, b, false)).unwrap_or_default(),
        flags: Vec::new(),
        nodes: Sides { old, new },
    }
}

/// `rule!` for danger, `rule?` for caution, `rule` for what is good to know.
fn found(object: &ObjectDiff) -> Vec<String> {
    let sign = |severity| match severity {
        Severity::Danger => "!",
        Severity::Caution => "?",
        Severity::Info => "",
    };
    flags(object, false).iter().map(|flag| format!("{}{}", flag.rule.name(), sign(flag.severity))).collect()
}

#[track_caller]
fn check(table: &[(&str, &str, &str, &[&str])]) {
    for (kind, old, new, expected) in table {
        assert_eq!(found(&object(kind, old, new)), *expected, "{kind}: {old} → {new}");
    }
}

#[test]
fn restarts_pods() {
    let d = "apps/Deployment";
    check(&[
        (d, "{spec: {template: {a: 1}}}", "{spec: {template: {a: 2}}}", &["restarts-pods?"]),
        (
            d,
            "{spec: {strategy: {type: Recreate}, template: {a: 1}}}",
            "{spec: {strategy: {type: Recreate}, template: {}}}",
            &["restarts-pods?"],
        ),
        (d, "{spec: {replicas: 0, template: {a: 1}}}", "{spec: {replicas: 0, template: {a: 2}}}", &[]),
        (d, "{metadata: {labels: {a: b}}}", "{metadata: {labels: {a: c}}}", &[]),
        (
            d,
            "{spec: {template: {spec: {containers: [{name: a, resources: {limits: {cpu: 1000m}}}]}}}}",
            "{spec: {template: {spec: {containers: [{name: a, resources: {limits: {cpu: 1}}}]}}}}",
            &[],
        ),
        (
            "apps/DaemonSet",
            "{spec: {updateStrategy: {type: OnDelete}, template: {a: 1}}}",
            "{spec: {updateStrategy: {type: OnDelete}, template: {a: 2}}}",
            &["restarts-pods"],
        ),
        (
            "batch/CronJob",
            "{spec: {jobTemplate: {spec: {template: {a: 1}}}}}",
            "{spec: {jobTemplate: {spec: {template: {a: 2}}}}}",
            &[],
        ),
    ]);
    let renamed = ObjectDiff { status: Status::Renamed, ..object(d, "{spec: {a: 1}}", "{spec: {a: 1}}") };
    assert_eq!(found(&renamed), ["restarts-pods?"]);
}

#[test]
fn changes_images_and_scales() {
    let pod = |image: &str| format!("{{spec: {{template: {{spec: {{containers: [{{name: a, image: {image}}}]}}}}}}}}");
    let (old, new) = (pod("a:1"), pod("a:2"));
    check(&[
        ("apps/Deployment", &old, &new, &["restarts-pods?", "changes-image"]),
        ("apps/Deployment", "{spec: {replicas: 1}}", "{spec: {replicas: 3}}", &["scales"]),
        ("apps/Deployment", "{spec: {replicas: 1}}", "{spec: {replicas: 0}}", &["scales?"]),
        ("apps/Deployment", "{spec: {replicas: 1}}", "{spec: {}}", &["scales"]),
        ("autoscaling/HorizontalPodAutoscaler", "{spec: {maxReplicas: 1}}", "{spec: {maxReplicas: 9}}", &["scales"]),
        ("example.com/Other", "{spec: {replicas: 1}}", "{spec: {replicas: 3}}", &[]),
    ]);
}

#[test]
fn needs_replacement() {
    let own = "needs-replacement!";
    check(&[
        ("apps/Deployment", "{spec: {selector: {a: b}}}", "{spec: {selector: {a: c}}}", &[own]),
        (
            "apps/StatefulSet",
            "{spec: {volumeClaimTemplates: [{a: 1}]}}",
            "{spec: {volumeClaimTemplates: [{a: 2}]}}",
            &[own],
        ),
        ("apps/StatefulSet", "{spec: {serviceName: a}}", "{spec: {serviceName: b}}", &[own]),
        ("apps/StatefulSet", "{spec: {minReadySeconds: 1}}", "{spec: {minReadySeconds: 2}}", &[]),
        ("batch/Job", "{spec: {template: {a: 1}}}", "{spec: {template: {a: 2}}}", &[own]),
        ("batch/Job", "{spec: {ttlSecondsAfterFinished: 1}}", "{spec: {ttlSecondsAfterFinished: 2}}", &[]),
        ("core/Service", "{spec: {clusterIP: None}}", "{spec: {clusterIP: 10.0.0.1}}", &[own]),
        ("core/Service", "{spec: {clusterIP: 10.0.0.1}}", "{spec: {}}", &[]),
        ("core/Service", "{spec: {}}", "{spec: {clusterIP: None}}", &[own]),
        ("core/Service", "{spec: {}}", "{spec: {clusterIP: None, type: ExternalName}}", &[]),
        ("storage.k8s.io/StorageClass", "{provisioner: a}", "{provisioner: b}", &[own]),
        ("storage.k8s.io/StorageClass", "{allowVolumeExpansion: true}", "{allowVolumeExpansion: false}", &[]),
        (
            "core/PersistentVolumeClaim",
            "{spec: {resources: {requests: {storage: 2Gi}}}}",
            "{spec: {resources: {requests: {storage: 1Gi}}}}",
            &[own],
        ),
        (
            "core/PersistentVolumeClaim",
            "{spec: {resources: {requests: {storage: 1Gi}}}}",
            "{spec: {resources: {requests: {storage: 2Gi}}}}",
            &[],
        ),
        ("core/PersistentVolumeClaim", "{spec: {storageClassName: a}}", "{spec: {storageClassName: b}}", &[own]),
        ("core/PersistentVolume", "{spec: {csi: {driver: a}}}", "{spec: {csi: {driver: b}}}", &[own]),
        ("core/PersistentVolume", "{spec: {capacity: {storage: 1Gi}}}", "{spec: {capacity: {storage: 2Gi}}}", &[]),
        ("core/ConfigMap", "{immutable: true, data: {a: b}}", "{immutable: true, data: {a: c}}", &[own]),
        ("core/ConfigMap", "{immutable: true, data: {a: b}}", "{data: {a: b}}", &[own]),
        ("core/ConfigMap", "{data: {a: b}}", "{immutable: true, data: {a: c}}", &[]),
        ("core/Secret", "{type: Opaque}", "{type: kubernetes.io/tls}", &[own]),
    ]);
}

#[test]
fn deletes_data() {
    let own = "deletes-data!";
    check(&[
        ("core/PersistentVolumeClaim", "{a: 1}", "", &[own]),
        ("core/PersistentVolume", "{a: 1}", "", &[own]),
        ("core/Namespace", "{a: 1}", "", &[own]),
        ("apiextensions.k8s.io/CustomResourceDefinition", "{a: 1}", "", &[own]),
        ("apps/StatefulSet", "{a: 1}", "", &[own]),
        ("apps/Deployment", "{a: 1}", "", &[]),
        ("core/PersistentVolumeClaim", "", "{a: 1}", &[]),
        (
            "core/PersistentVolume",
            "{spec: {persistentVolumeReclaimPolicy: Retain}}",
            "{spec: {persistentVolumeReclaimPolicy: Delete}}",
            &["deletes-data?"],
        ),
        (
            "apps/StatefulSet",
            "{spec: {}}",
            "{spec: {persistentVolumeClaimRetentionPolicy: {whenScaled: Delete}}}",
            &["deletes-data?"],
        ),
    ]);
    let moved = ObjectDiff { status: Status::Moved, ..object("core/PersistentVolumeClaim", "{a: 1}", "{a: 1}") };
    assert_eq!(flags(&moved, true).len(), 1);
    assert!(flags(&moved, false).is_empty(), "another release of the same environment keeps it");
}

#[test]
fn widens_permissions() {
    let role = "rbac.authorization.k8s.io/ClusterRole";
    let binding = "rbac.authorization.k8s.io/ClusterRoleBinding";
    let rules = |rules: &str| format!("{{rules: [{rules}]}}");
    let read = rules("{apiGroups: [''], resources: [pods], verbs: [get]}");
    let list = rules("{apiGroups: [''], resources: [pods], verbs: [get, list]}");
    let named = rules("{apiGroups: [''], resources: [pods], resourceNames: [a], verbs: [get]}");
    let secrets = rules("{apiGroups: [''], resources: [pods, secrets], verbs: [get]}");
    let all = rules("{apiGroups: ['*'], resources: ['*'], verbs: ['*']}");
    let split = rules(
        "{apiGroups: [''], resources: [pods], verbs: [list]}, {apiGroups: [''], resources: [pods], verbs: [get]}",
    );
    let (caution, danger) = ("widens-permissions?", "widens-permissions!");
    check(&[
        (role, &read, &list, &[caution]),
        (role, &list, &read, &[]),
        (role, &list, &split, &[]),
        (role, &named, &read, &[caution]),
        (role, &read, &named, &[]),
        (role, &read, &secrets, &[danger]),
        (role, &read, &all, &[danger]),
        (role, &all, &read, &[]),
        (role, "", &read, &[caution]),
        (role, &read, "", &[]),
        (binding, "", "{roleRef: {kind: ClusterRole, name: view}, subjects: [{kind: User, name: a}]}", &[caution]),
        (
            binding,
            "",
            "{roleRef: {kind: ClusterRole, name: cluster-admin}, subjects: [{kind: User, name: a}]}",
            &[danger],
        ),
        (
            binding,
            "{roleRef: {name: view}, subjects: [{kind: User, name: a}]}",
            "{roleRef: {name: view}, subjects: []}",
            &[],
        ),
        (
            binding,
            "{roleRef: {name: view}, subjects: [{kind: User, name: a}]}",
            "{roleRef: {name: edit}, subjects: [{kind: User, name: a}]}",
            &["needs-replacement!", caution],
        ),
        (
            "core/ServiceAccount",
            "{metadata: {}}",
            "{metadata: {annotations: {eks.amazonaws.com/role-arn: x}}}",
            &[caution],
        ),
        (
            "core/Namespace",
            "{metadata: {labels: {pod-security.kubernetes.io/enforce: restricted}}}",
            "{metadata: {labels: {pod-security.kubernetes.io/enforce: privileged}}}",
            &[danger],
        ),
        (
            "core/Namespace",
            "{metadata: {labels: {pod-security.kubernetes.io/enforce: baseline}}}",
            "{metadata: {}}",
            &[danger],
        ),
        (
            "core/Namespace",
            "{metadata: {}}",
            "{metadata: {labels: {pod-security.kubernetes.io/enforce: baseline}}}",
            &[],
        ),
    ]);
}

#[test]
fn pods_may_do_more() {
    let (restarts, caution, danger) = ("restarts-pods?", "widens-permissions?", "widens-permissions!");
    let spec = |spec: &str| format!("{{spec: {{template: {{spec: {{{spec}}}}}}}}}");
    let plain = spec("containers: [{name: a}]");
    let table: &[(&str, &[&str])] = &[
        ("containers: [{name: a, securityContext: {privileged: true}}]", &[danger, restarts]),
        ("containers: [{name: a, securityContext: {privileged: false}}]", &[restarts]),
        ("containers: [{name: a, securityContext: {capabilities: {add: [SYS_ADMIN]}}}]", &[danger, restarts]),
        ("containers: [{name: a, securityContext: {capabilities: {add: [NET_BIND_SERVICE]}}}]", &[caution, restarts]),
        ("containers: [{name: a, securityContext: {runAsUser: 0}}]", &[caution, restarts]),
        ("hostNetwork: true, containers: [{name: a}]", &[danger, restarts]),
        ("volumes: [{name: v, hostPath: {path: /}}], containers: [{name: a}]", &[danger, restarts]),
        ("serviceAccountName: other, containers: [{name: a}]", &[caution, restarts]),
        ("containers: [{name: a, ports: [{containerPort: 1, hostPort: 80}]}]", &["opens-traffic?", restarts]),
    ];
    for (new, expected) in table {
        assert_eq!(found(&object("apps/Deployment", &plain, &spec(new))), *expected, "{new}");
        assert!(!found(&object("apps/Deployment", &spec(new), &plain)).contains(&danger.to_owned()), "{new}");
    }
    assert_eq!(found(&object("core/Pod", "", "{spec: {hostPID: true}}")), [danger]);
}

#[test]
fn opens_traffic() {
    let own = "opens-traffic?";
    let (service, ingress) = ("core/Service", "networking.k8s.io/Ingress");
    let policy = "networking.k8s.io/NetworkPolicy";
    check(&[
        (service, "{spec: {type: ClusterIP}}", "{spec: {type: NodePort}}", &[own]),
        (service, "{spec: {}}", "{spec: {type: LoadBalancer}}", &[own]),
        (service, "{spec: {type: LoadBalancer}}", "{spec: {type: NodePort}}", &[]),
        (service, "", "{spec: {type: LoadBalancer}}", &[own]),
        (
            service,
            "{spec: {type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8]}}",
            "{spec: {type: LoadBalancer}}",
            &["opens-traffic!"],
        ),
        (
            service,
            "{spec: {type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8]}}",
            "{spec: {type: LoadBalancer, loadBalancerSourceRanges: [0.0.0.0/0]}}",
            &[own],
        ),
        (service, "{spec: {}}", "{spec: {externalIPs: [1.2.3.4]}}", &[own]),
        (ingress, "{spec: {rules: [{host: a}]}}", "{spec: {rules: [{host: a}, {host: b}]}}", &[own]),
        (ingress, "{spec: {rules: [{host: a}]}}", "{spec: {rules: [{}]}}", &[own]),
        (ingress, "{spec: {rules: [{host: a}, {host: b}]}}", "{spec: {rules: [{host: a}]}}", &[]),
        ("gateway.networking.k8s.io/HTTPRoute", "{spec: {hostnames: [a]}}", "{spec: {}}", &[own]),
        (policy, "{spec: {podSelector: {}}}", "", &[own]),
        (policy, "", "{spec: {podSelector: {}}}", &[]),
        (policy, "{spec: {ingress: [{from: [{a: 1}]}]}}", "{spec: {ingress: [{from: [{a: 1}, {b: 1}]}]}}", &[own]),
        (policy, "{spec: {ingress: [{from: [{a: 1}, {b: 1}]}]}}", "{spec: {ingress: [{from: [{b: 1}]}]}}", &[]),
        (
            policy,
            "{spec: {ingress: [{from: [{a: 1}], ports: [{port: 1}]}]}}",
            "{spec: {ingress: [{from: [{a: 1}]}]}}",
            &[own],
        ),
    ]);
}
