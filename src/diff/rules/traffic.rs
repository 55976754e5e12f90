//! Opens traffic: what can be reached from more places than before.

use std::collections::BTreeSet;

use super::{Found, Rule, Severity, Subject, items, some, text};
use crate::diff::change::What;
use crate::yaml::{Node, Value};

/// What a host is called that is not named.
const ALL_HOSTS: &str = "all hosts";

pub fn flag(subject: &Subject<'_>, found: &mut Found) {
    if subject.is("", &["Service"]) {
        service(subject, found);
    }
    if subject.is("networking.k8s.io", &["NetworkPolicy"]) {
        policy(subject, found);
    }
    let (old, new) = (hosts(subject, subject.before()), hosts(subject, subject.new));
    let added: Vec<String> = new.difference(&old).cloned().collect();
    if !added.is_empty() {
        let explanation = format!("answers for {} from now on", some(&added));
        found.add(Rule::OpensTraffic, Severity::Caution, explanation);
    }
}

fn service(subject: &Subject<'_>, found: &mut Found) {
    let (old, new) = (subject.before(), subject.new);
    let reach = |node| match text(node, &["spec", "type"]) {
        Some("NodePort") => 1,
        Some("LoadBalancer") => 2,
        _ => 0,
    };
    if reach(new) > reach(old) {
        let explanation = match reach(new) {
            1 => "can be reached on a port of every node (NodePort)",
            _ => "can be reached through a load balancer, which may be public (LoadBalancer)",
        };
        found.add(Rule::OpensTraffic, Severity::Caution, explanation);
    }
    let list = |node, field| -> BTreeSet<String> {
        items(node, &["spec", field]).iter().filter_map(Node::as_str).map(str::to_owned).collect()
    };
    let external: Vec<String> = list(new, "externalIPs").difference(&list(old, "externalIPs")).cloned().collect();
    if !external.is_empty() {
        let explanation = format!("takes the traffic to {} (externalIPs)", some(&external));
        found.add(Rule::OpensTraffic, Severity::Caution, explanation);
    }
    let (a, b) = (list(old, "loadBalancerSourceRanges"), list(new, "loadBalancerSourceRanges"));
    let ranges: Vec<String> = b.difference(&a).cloned().collect();
    if reach(old) == 2 && reach(new) == 2 && !a.is_empty() && b.is_empty() {
        let explanation = "any address may reach it: loadBalancerSourceRanges is gone";
        found.add(Rule::OpensTraffic, Severity::Danger, explanation);
    } else if reach(new) == 2 && !a.is_empty() && !ranges.is_empty() {
        let explanation = format!("{} may reach it too (loadBalancerSourceRanges)", some(&ranges));
        found.add(Rule::OpensTraffic, Severity::Caution, explanation);
    }
}

/// A NetworkPolicy forbids by being there; what takes an item off one of its lists and leaves another forbids more.
fn policy(subject: &Subject<'_>, found: &mut Found) {
    if subject.is_deleted {
        let explanation = "this NetworkPolicy goes, and what it alone kept out comes in";
        found.add(Rule::OpensTraffic, Severity::Caution, explanation);
        return;
    }
    if !subject.is_updated() {
        return;
    }
    let narrows = |what: &What, path: &crate::diff::path::Path| {
        let is_item = matches!(path.0.last(), Some(crate::diff::path::Step::Item { .. }));
        matches!(what, What::Reordered(_)) || (is_item && matches!(what, What::Removed(_)))
    };
    let spec = subject.object.changes.iter().filter(|change| change.path.is_below(&["spec"]));
    let widened: Vec<String> =
        spec.filter(|change| !narrows(&change.what, &change.path)).map(|change| change.path.to_string()).collect();
    if !widened.is_empty() {
        let explanation = format!("this NetworkPolicy may let through what it kept out: {}", some(&widened));
        found.add(Rule::OpensTraffic, Severity::Caution, explanation);
    }
}

/// The hosts that an object answers for.
fn hosts(subject: &Subject<'_>, node: Option<&Node>) -> BTreeSet<String> {
    let named = |node: &Node, path: &[&str]| text(Some(node), path).unwrap_or(ALL_HOSTS).to_owned();
    let texts = |path: &[&str]| -> BTreeSet<String> {
        items(node, path).iter().filter_map(Node::as_str).map(str::to_owned).collect()
    };
    match (subject.group, subject.kind) {
        ("networking.k8s.io" | "extensions", "Ingress") => {
            let mut hosts: BTreeSet<String> =
                items(node, &["spec", "rules"]).iter().map(|rule| named(rule, &["host"])).collect();
            if node.is_some_and(|node| node.at(&["spec", "defaultBackend"]).is_some()) {
                hosts.insert(ALL_HOSTS.into());
            }
            hosts
        }
        ("gateway.networking.k8s.io", "HTTPRoute" | "GRPCRoute" | "TLSRoute") => {
            let hosts = texts(&["spec", "hostnames"]);
            let is_open = node.is_some() && hosts.is_empty();
            if is_open { [ALL_HOSTS.to_owned()].into() } else { hosts }
        }
        ("gateway.networking.k8s.io", "Gateway") => {
            let listeners = items(node, &["spec", "listeners"]).iter();
            let port = |listener: &Node| match listener.get("port").map(|port| &port.value) {
                Some(Value::Int(port)) => format!(":{port}"),
                _ => String::new(),
            };
            listeners.map(|listener| named(listener, &["hostname"]) + &port(listener)).collect()
        }
        ("route.openshift.io", "Route") => text(node, &["spec", "host"]).map(str::to_owned).into_iter().collect(),
        ("networking.istio.io", "VirtualService") => texts(&["spec", "hosts"]),
        _ => BTreeSet::new(),
    }
}
