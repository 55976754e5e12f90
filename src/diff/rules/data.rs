//! Deletes data: what no manifest brings back.

use super::{Found, Rule, Severity, Subject, text};

pub fn flag(subject: &Subject<'_>, found: &mut Found) {
    if subject.is_deleted
        && let Some(explanation) = loss(subject)
    {
        found.add(Rule::DeletesData, Severity::Danger, explanation);
    }
    if !subject.is_updated() {
        return;
    }
    let becomes = |path: &[&str], value: &str| {
        text(subject.new, path) == Some(value) && text(subject.old, path).is_some_and(|old| old != value)
    };
    if subject.is("", &["PersistentVolume"]) && becomes(&["spec", "persistentVolumeReclaimPolicy"], "Delete") {
        let explanation = "the volume is deleted with its claim from now on: its reclaim policy becomes Delete";
        found.add(Rule::DeletesData, Severity::Caution, explanation);
    }
    let retention = ["spec", "persistentVolumeClaimRetentionPolicy"];
    for (when, what) in [("whenDeleted", "when it is deleted"), ("whenScaled", "when it is scaled down")] {
        let path = [retention[0], retention[1], when];
        let is_delete = |node| text(node, &path) == Some("Delete");
        if subject.is("apps", &["StatefulSet"]) && is_delete(subject.new) && !is_delete(subject.old) {
            let explanation = format!("the StatefulSet deletes its claims {what} from now on, and the data with them");
            found.add(Rule::DeletesData, Severity::Caution, explanation);
        }
    }
}

/// What is lost with the object.
fn loss(subject: &Subject<'_>) -> Option<&'static str> {
    let Subject { group, kind, .. } = *subject;
    Some(match (group, kind) {
        ("", "PersistentVolumeClaim") => "where this claim is deleted, the data on its volume usually goes with it",
        ("", "PersistentVolume") => "where this volume is deleted, what leads to the data on it is lost",
        ("", "Namespace") => "where this namespace is deleted, everything in it goes too, whoever made it",
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            "where this definition is deleted, all objects of its kind go too, in every namespace"
        }
        ("apps", "StatefulSet") => {
            let policy = text(subject.old, &["spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted"]);
            if policy == Some("Delete") {
                "the StatefulSet goes, and deletes its claims with their data (whenDeleted: Delete)"
            } else {
                "the StatefulSet and its pods go; the claims of its volumes stay, without anything that uses them"
            }
        }
        _ => return None,
    })
}
