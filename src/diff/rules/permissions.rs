//! Widens permissions: who may do more in the cluster than before.

use std::collections::BTreeSet;

use super::{Found, Rule, Severity, Subject, items, some, text};
use crate::yaml::Node;

const RBAC: &str = "rbac.authorization.k8s.io";
/// What the rules of a role are spelled out to at most on each side; longer ones are only said to have changed.
pub const GRANTS_MAX: usize = 20_000;
/// Verbs that lead to any permission.
const GRAVE_VERBS: &[&str] = &["*", "escalate", "bind", "impersonate"];
/// Resources whose content, or whose making, leads to other permissions.
const GRAVE_RESOURCES: &[&str] = &["*", "secrets", "pods/exec", "serviceaccounts/token", "nodes/proxy"];
/// Annotations by which a ServiceAccount acts as an identity of a cloud.
const CLOUD_IDENTITIES: &[&str] =
    &["eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id"];
/// The label by which a namespace says what its pods may do, with its levels from the strictest.
const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";
const POD_SECURITY_LEVELS: &[&str] = &["restricted", "baseline", "privileged"];

pub fn flag(subject: &Subject<'_>, found: &mut Found) {
    match (subject.group, subject.kind) {
        (RBAC, "Role" | "ClusterRole") => role(subject, found),
        (RBAC, "RoleBinding" | "ClusterRoleBinding") => binding(subject, found),
        ("", "ServiceAccount") => account(subject, found),
        ("", "Namespace") => namespace(subject, found),
        _ => {}
    }
}

/// One thing that a role allows: API group, resource (or URL), name (`*` for all), verb.
type Grant<'n> = [&'n str; 4];

fn role(subject: &Subject<'_>, found: &mut Found) {
    let (Some(old), Some(new)) = (grants(subject.before()), grants(subject.new)) else {
        if subject.new.is_some() {
            found.add(Rule::WidensPermissions, Severity::Caution, "its rules are too many to tell whether they widen");
        }
        return;
    };
    let is_covered = |grant: &Grant<'_>| old.contains(grant) || old.iter().any(|given| covers(given, grant));
    let more: Vec<&Grant<'_>> = new.iter().filter(|grant| !is_covered(grant)).collect();
    if !more.is_empty() {
        let is_grave =
            more.iter().any(|[_, resource, _, verb]| GRAVE_VERBS.contains(verb) || GRAVE_RESOURCES.contains(resource));
        let severity = if is_grave { Severity::Danger } else { Severity::Caution };
        let mut told: Vec<String> = Vec::new();
        for [_, resource, name, verb] in more {
            let name = if *name == "*" { String::new() } else { format!(" {name}") };
            let what = match (*verb, *resource) {
                ("*", "*") => "everything".to_owned(),
                ("*", resource) => format!("all verbs on {resource}{name}"),
                (verb, "*") => format!("{verb} everything"),
                (verb, resource) => format!("{verb} {resource}{name}"),
            };
            if !told.contains(&what) {
                told.push(what);
            }
        }
        let whoever = if subject.before().is_some() { "allows more" } else { "allows whoever is bound to it" };
        found.add(Rule::WidensPermissions, severity, format!("{whoever}: {}", some(&told)));
    }
    let aggregation = |node: Option<&Node>| node.and_then(|node| node.get("aggregationRule").cloned());
    let rule = aggregation(subject.new);
    if rule.is_some() && rule != aggregation(subject.before()) {
        let explanation = "gathers the rules of other roles by label (aggregationRule)";
        found.add(Rule::WidensPermissions, Severity::Caution, explanation);
    }
}

/// The rules spelled out; none if they are more than [`GRANTS_MAX`].
fn grants(node: Option<&Node>) -> Option<BTreeSet<Grant<'_>>> {
    let mut all = BTreeSet::new();
    for rule in items(node, &["rules"]) {
        let list = |field: &str| -> Vec<&str> { items(Some(rule), &[field]).iter().filter_map(Node::as_str).collect() };
        let (groups, resources, verbs) = (list("apiGroups"), list("resources"), list("verbs"));
        let mut names = list("resourceNames");
        if names.is_empty() {
            names.push("*");
        }
        let urls = list("nonResourceURLs");
        let count = groups.len().saturating_mul(resources.len()).saturating_mul(names.len());
        if (count.saturating_add(urls.len())).saturating_mul(verbs.len()).saturating_add(all.len()) > GRANTS_MAX {
            return None;
        }
        for verb in verbs {
            for group in &groups {
                for resource in &resources {
                    all.extend(names.iter().map(|name| [*group, *resource, *name, verb]));
                }
            }
            all.extend(urls.iter().map(|url| ["", *url, "*", verb]));
        }
    }
    Some(all)
}

fn covers(given: &Grant<'_>, wanted: &Grant<'_>) -> bool {
    let resource = |given: &str, wanted: &str| {
        let part = |text: &str| text.split_once('/').map(|(_, part)| part.to_owned());
        let prefix = given.strip_suffix('*').filter(|prefix| prefix.starts_with('/'));
        (given == "*" && !wanted.starts_with('/'))
            || given == wanted
            || prefix.is_some_and(|prefix| wanted.starts_with(prefix))
            || (given.starts_with("*/") && part(given) == part(wanted))
    };
    let is = |nth: usize| given[nth] == "*" || given[nth] == wanted[nth];
    is(0) && resource(given[1], wanted[1]) && is(2) && is(3)
}

fn binding(subject: &Subject<'_>, found: &mut Found) {
    let subjects = |node: Option<&Node>| -> BTreeSet<String> {
        let name = |subject: &Node| {
            let field = |name: &str| text(Some(subject), &[name]).unwrap_or_default().to_owned();
            let namespace = text(Some(subject), &["namespace"]).map(|n| format!("{n}/")).unwrap_or_default();
            format!("{} {namespace}{}", field("kind"), field("name"))
        };
        items(node, &["subjects"]).iter().map(name).collect()
    };
    let role = |node: Option<&Node>| {
        let field = |name: &str| text(node, &["roleRef", name]).unwrap_or_default().to_owned();
        format!("{} {}", field("kind"), field("name"))
    };
    let (before, now) = (subject.before(), subject.new);
    if now.is_none() {
        return;
    }
    let (a, b) = (subjects(before), subjects(now));
    let is_other_role = before.is_none() || role(before) != role(now);
    let more: Vec<String> = if is_other_role { b.into_iter().collect() } else { b.difference(&a).cloned().collect() };
    if more.is_empty() {
        return;
    }
    let everyone = ["Group system:authenticated", "Group system:unauthenticated", "Group system:anonymous"];
    let is_grave = ["cluster-admin", "admin"].iter().any(|name| role(now) == format!("ClusterRole {name}"))
        || more.iter().any(|name| everyone.contains(&name.as_str()) || name == "User system:anonymous");
    let severity = if is_grave { Severity::Danger } else { Severity::Caution };
    let reach = if subject.kind == "ClusterRoleBinding" { " in the whole cluster" } else { "" };
    let may = if more.len() == 1 { "gets" } else { "get" };
    let explanation = format!("{} {may} what {} allows{reach}", some(&more), role(now));
    found.add(Rule::WidensPermissions, severity, explanation);
}

fn account(subject: &Subject<'_>, found: &mut Found) {
    for name in CLOUD_IDENTITIES {
        let identity = |node| text(node, &["metadata", "annotations", name]);
        if let Some(new) = identity(subject.new)
            && identity(subject.before()) != Some(new)
        {
            let explanation = format!("its pods act as {new} in the cloud ({name})");
            found.add(Rule::WidensPermissions, Severity::Caution, explanation);
        }
    }
}

fn namespace(subject: &Subject<'_>, found: &mut Found) {
    if !subject.is_updated() {
        return;
    }
    let level = |node| {
        let label = text(node, &["metadata", "labels", POD_SECURITY]);
        label.map_or(POD_SECURITY_LEVELS.len(), |label| {
            POD_SECURITY_LEVELS.iter().position(|level| *level == label).unwrap_or(POD_SECURITY_LEVELS.len() - 1)
        })
    };
    let (old, new) = (level(subject.old), level(subject.new));
    if new > old {
        let now = POD_SECURITY_LEVELS.get(new).map_or("what the cluster says", |level| level);
        let explanation =
            format!("pods of this namespace may do more: pod security {} → {now}", POD_SECURITY_LEVELS[old]);
        found.add(Rule::WidensPermissions, Severity::Danger, explanation);
    }
}
