//! Restarts pods, changes images, and what pods may do on their nodes.

use std::collections::BTreeSet;

use super::{Found, Rule, Severity, Subject, items, text};
use crate::diff::change::What;
use crate::yaml::{Node, Value};

/// Linux capabilities that amount to the whole node.
const GRAVE_CAPABILITIES: &[&str] =
    &["ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "DAC_READ_SEARCH", "BPF", "NET_ADMIN"];
/// The lists of containers in a pod's spec.
const CONTAINER_LISTS: &[&str] = &["containers", "initContainers", "ephemeralContainers"];

pub fn flag(subject: &Subject<'_>, found: &mut Found) {
    restarts(subject, found);
    images(subject, found);
    powers(subject, found);
}

/// The path to the pod template of a built-in workload, or to the spec itself of a pod.
fn template(subject: &Subject<'_>) -> Option<&'static [&'static str]> {
    match (subject.group, subject.kind) {
        ("apps" | "extensions", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("", "ReplicationController")
        | ("batch", "Job") => Some(&["spec", "template"]),
        ("batch", "CronJob") => Some(&["spec", "jobTemplate", "spec", "template"]),
        ("", "Pod") => Some(&[]),
        _ => None,
    }
}

fn restarts(subject: &Subject<'_>, found: &mut Found) {
    if !subject.is("apps", &["Deployment", "StatefulSet", "DaemonSet"]) {
        return;
    }
    let replicas = subject.new.or(subject.old).and_then(|node| node.at(&["spec", "replicas"]));
    if replicas.is_some_and(|replicas| replicas.value == Value::Int(0)) {
        return;
    }
    if subject.is_created && subject.is_deleted {
        let explanation = "the cluster sees a new object with new pods, and deletes the old one with its pods";
        found.add(Rule::RestartsPods, Severity::Caution, explanation);
        return;
    }
    if !subject.is_updated() {
        return;
    }
    // Controllers compare templates with quantities as numbers, and everything else to the letter.
    let counts = |what: &What| !matches!(what, What::Changed { same_meaning: Some("the same quantity"), .. });
    let changed = subject.object.changes.iter().any(|c| c.path.is_below(&["spec", "template"]) && counts(&c.what));
    if !changed {
        return;
    }
    let strategy = |path: &[&str]| text(subject.new, path);
    let (severity, explanation) = if strategy(&["spec", "updateStrategy", "type"]) == Some("OnDelete") {
        (Severity::Info, "the pod template changes; pods take it on when somebody deletes them (OnDelete)")
    } else if strategy(&["spec", "strategy", "type"]) == Some("Recreate") {
        (Severity::Caution, "the pod template changes: all pods are stopped, then new ones started (Recreate)")
    } else {
        (Severity::Caution, "the pod template changes: its pods are replaced, one after the other")
    };
    found.add(Rule::RestartsPods, severity, explanation);
}

fn images(subject: &Subject<'_>, found: &mut Found) {
    for change in &subject.object.changes {
        let is_container = change.path.keys().any(|key| CONTAINER_LISTS.contains(&key));
        if let What::Changed { old, new, .. } = &change.what
            && is_container
            && change.path.last_key() == Some("image")
            && let (Some(old), Some(new)) = (old.as_str(), new.as_str())
        {
            found.add(Rule::ChangesImage, Severity::Info, format!("another image: {old} → {new}"));
        }
    }
}

/// What a pod may do beyond its own container, as (rule, severity, explanation).
type Power = (Rule, Severity, String);

fn powers(subject: &Subject<'_>, found: &mut Found) {
    let Some(template) = template(subject) else { return };
    let of = |node: Option<&Node>| -> BTreeSet<Power> {
        let mut all = BTreeSet::new();
        if let Some(spec) = node.and_then(|node| node.at(template)).and_then(|node| node.get("spec")) {
            collect(spec, &mut all);
        }
        all
    };
    let (old, new) = (of(subject.before()), of(subject.new));
    for (rule, severity, explanation) in new.difference(&old) {
        found.add(*rule, *severity, explanation.clone());
    }
    let account = |node: Option<&Node>| {
        let spec = node.and_then(|node| node.at(template)).and_then(|node| node.get("spec"));
        text(spec, &["serviceAccountName"]).unwrap_or("default").to_owned()
    };
    if subject.is_updated() {
        let (a, b) = (account(subject.old), account(subject.new));
        if a != b {
            let explanation = format!("its pods act as ServiceAccount {b}, before as {a}, with what that may do");
            found.add(Rule::WidensPermissions, Severity::Caution, explanation);
        }
    }
}

fn collect(spec: &Node, all: &mut BTreeSet<Power>) {
    let mut add = |rule, severity, text: String| {
        all.insert((rule, severity, text));
    };
    let is_true = |node: &Node, path: &[&str]| node.at(path).and_then(Node::as_bool) == Some(true);
    let namespaces = [("hostNetwork", "network"), ("hostPID", "processes"), ("hostIPC", "shared memory")];
    for (field, what) in namespaces {
        if is_true(spec, &[field]) {
            let text = format!("its pods share the node's {what} ({field}: true)");
            add(Rule::WidensPermissions, Severity::Danger, text);
        }
    }
    for volume in items(Some(spec), &["volumes"]) {
        if let Some(path) = text(Some(volume), &["hostPath", "path"]) {
            let text = format!("its pods can reach {path} on the node (hostPath)");
            add(Rule::WidensPermissions, Severity::Danger, text);
        }
    }
    let root = |context: Option<&Node>| {
        context.is_some_and(|c| c.get("runAsUser").is_some_and(|user| user.value == Value::Int(0)))
    };
    if root(spec.get("securityContext")) {
        add(Rule::WidensPermissions, Severity::Caution, "its pods run as root (runAsUser: 0)".into());
    }
    for container in CONTAINER_LISTS.iter().flat_map(|list| items(Some(spec), &[list])) {
        let name = text(Some(container), &["name"]).unwrap_or("?");
        let context = container.get("securityContext");
        if is_true(container, &["securityContext", "privileged"]) {
            let text = format!("container {name} is privileged: it may do on the node what root may");
            add(Rule::WidensPermissions, Severity::Danger, text);
        }
        if is_true(container, &["securityContext", "allowPrivilegeEscalation"]) {
            let text = format!("processes of container {name} may gain more rights (allowPrivilegeEscalation: true)");
            add(Rule::WidensPermissions, Severity::Caution, text);
        }
        if root(context) {
            let text = format!("container {name} runs as root (runAsUser: 0)");
            add(Rule::WidensPermissions, Severity::Caution, text);
        }
        for capability in items(context, &["capabilities", "add"]).iter().filter_map(Node::as_str) {
            let plain = capability.strip_prefix("CAP_").unwrap_or(capability);
            let is_grave = GRAVE_CAPABILITIES.contains(&plain);
            let severity = if is_grave { Severity::Danger } else { Severity::Caution };
            add(Rule::WidensPermissions, severity, format!("container {name} gets the capability {capability}"));
        }
        for port in items(Some(container), &["ports"]) {
            if let Some(Value::Int(number)) = port.get("hostPort").map(|port| &port.value) {
                let text = format!("container {name} listens on port {number} of its node (hostPort)");
                add(Rule::OpensTraffic, Severity::Caution, text);
            }
        }
    }
}
