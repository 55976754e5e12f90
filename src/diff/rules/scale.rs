//! Scales: how many pods there may be.

use super::{Found, Rule, Severity, Subject};
use crate::diff::change::What;
use crate::diff::write::value;
use crate::yaml::{Node, Value};

/// Fields that say how many pods there are, or may be: kind and field of the spec.
const COUNTS: &[(&str, &[&str])] = &[
    ("Deployment", &["replicas"]),
    ("StatefulSet", &["replicas"]),
    ("ReplicaSet", &["replicas"]),
    ("ReplicationController", &["replicas"]),
    ("Rollout", &["replicas"]),
    ("Job", &["parallelism", "completions"]),
    ("HorizontalPodAutoscaler", &["minReplicas", "maxReplicas"]),
    ("ScaledObject", &["minReplicaCount", "maxReplicaCount", "idleReplicaCount"]),
];

pub fn flag(subject: &Subject<'_>, found: &mut Found) {
    let Some((_, fields)) = COUNTS.iter().find(|(kind, _)| *kind == subject.kind) else { return };
    if !subject.is_updated() {
        return;
    }
    for change in &subject.object.changes {
        let keys: Vec<&str> = change.path.keys().collect();
        let ["spec", field] = keys[..] else { continue };
        if !fields.contains(&field) {
            continue;
        }
        let is_zero = |node: &Node| node.value == Value::Int(0);
        let (severity, explanation) = match &change.what {
            What::Changed { old, new, .. } => {
                let text = format!("{field} {} → {}", value::line(old), value::line(new));
                if is_zero(new) && field != "minReplicaCount" {
                    (Severity::Caution, format!("{text}: no pods are left"))
                } else {
                    (Severity::Info, text)
                }
            }
            What::Added(new) => {
                (Severity::Info, format!("{field} is {} from now on, whoever set it before", value::line(new)))
            }
            What::Removed(old) => {
                (Severity::Info, format!("{field} is no longer set (it was {}): others may set it", value::line(old)))
            }
            _ => continue,
        };
        found.add(Rule::Scales, severity, explanation);
    }
}
