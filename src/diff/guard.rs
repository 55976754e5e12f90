//! What the applier will do about objects that leave an environment: delete them, keep them (`never-deleted`), or hold the
//! deletion until a Removal document permits it (`held-by-guard`). The rules are those of [`prune`](crate::manifest::prune).

use std::collections::BTreeMap;

use crate::id::ObjectId;
use crate::manifest::prune::{Deletion, Excess, Extent, Fate, Keeper, fate, guard};
use crate::release::{PruneBudget, Removal};
use crate::yaml::Node;

use super::flag::{Flag, Rule, Severity};
use super::report::{ObjectDiff, Report, Status};

/// What an environment says about deletions, on the newer side.
#[derive(Debug, Default)]
pub struct Policy {
    /// Its budget.
    pub budget: PruneBudget,
    /// Its Removal documents.
    pub removals: Vec<Removal>,
}

/// An object that leaves its environment.
struct Departure {
    release: String,
    id: ObjectId,
    fate: Fate,
    /// Where it stands in the report: environment, release, object.
    at: (usize, usize, usize),
}

/// Flags what leaves the environments, and adds the documents that let go what is held. `policy` is asked
/// for each environment that something leaves; where an environment's objects are not counted, nothing can be held.
pub fn judge(report: &mut Report, policy: impl Fn(&str) -> Policy) {
    for (environment, departures) in departures(report) {
        for departure in &departures {
            if let Fate::Kept(keeper) = departure.fate
                && keeper != Keeper::Hook
            {
                let line = kubectl_delete(&departure.id);
                let explanation = format!("it stays in the cluster: {keeper}; `{line}` deletes it");
                flag(report, departure, Rule::NeverDeleted, Severity::Caution, explanation);
            }
        }
        let Some(index) = report.environments.iter().position(|diff| diff.name == environment) else { continue };
        let diff = &report.environments[index];
        let digest = |release: &str| {
            let found = diff.releases.iter().find(|diff| diff.name == release);
            found.and_then(|diff| diff.digests.old.clone())
        };
        let digests: Vec<Option<String>> = departures.iter().map(|departure| digest(&departure.release)).collect();
        let deletions: Vec<Deletion<'_>> = departures
            .iter()
            .zip(&digests)
            .filter(|(departure, _)| departure.fate == Fate::Deleted)
            .map(|(departure, digest)| Deletion {
                release: &departure.release,
                digest: digest.as_deref(),
                id: &departure.id,
            })
            .collect();
        let Some(counts) = &diff.object_counts else { continue };
        let object_count = counts.old;
        let extent = Extent { object_count, staying_count: object_count.saturating_sub(departures.len()) };
        let Policy { budget, removals } = policy(&environment);
        let Some(held) = guard(&deletions, extent, budget, &removals) else { continue };
        let is_held = |departure: &Departure| held.deletions.iter().any(|deletion| *deletion.id == departure.id);
        report.environments[index].removal = held.removal();
        for departure in departures.iter().filter(|departure| is_held(departure)) {
            flag(report, departure, Rule::HeldByGuard, Severity::Caution, held_explanation(&environment, held.excess));
        }
    }
}

fn held_explanation(environment: &str, excess: Excess) -> String {
    format!("it is not deleted yet: {environment} {excess}; a Removal document lets it go")
}

fn flag(report: &mut Report, departure: &Departure, rule: Rule, severity: Severity, explanation: String) {
    let (environment, release, object) = departure.at;
    let flags = &mut report.environments[environment].releases[release].objects[object].flags;
    flags.push(Flag { rule, severity, explanation });
    flags.sort_by_key(|flag| (std::cmp::Reverse(flag.severity), flag.rule));
}

/// What leaves, by environment; manifests that belong to none leave nothing.
fn departures(report: &Report) -> BTreeMap<String, Vec<Departure>> {
    let mut all: BTreeMap<String, Vec<Departure>> = BTreeMap::new();
    for (e, environment) in report.environments.iter().enumerate() {
        for (r, release) in environment.releases.iter().enumerate() {
            for (o, object) in release.objects.iter().enumerate() {
                let Some((from, of, id)) = origin(&environment.name, &release.name, object) else { continue };
                let fate = fate(id, |key| annotation(object.nodes.old.as_ref(), key));
                let departure = Departure { release: of.to_owned(), id: id.clone(), fate, at: (e, r, o) };
                all.entry(from.to_owned()).or_default().push(departure);
            }
        }
    }
    all.remove("");
    all
}

/// Environment, release and id that the cluster deletes; none if it deletes nothing.
fn origin<'o>(
    environment: &'o str,
    release: &'o str,
    object: &'o ObjectDiff,
) -> Option<(&'o str, &'o str, &'o ObjectId)> {
    match (object.status, &object.before) {
        (Status::Removed, _) => Some((environment, release, &object.id)),
        // An object that another release of the same environment renders is handed over.
        (_, Some(before)) if before.environment != environment || before.id != object.id => {
            Some((&before.environment, &before.release, &before.id))
        }
        _ => None,
    }
}

fn annotation<'n>(node: Option<&'n Node>, key: &str) -> Option<&'n str> {
    node?.at(&["metadata", "annotations"])?.get(key)?.as_str()
}

/// The line that deletes an object by hand.
pub fn kubectl_delete(id: &ObjectId) -> String {
    let group = if id.group.is_empty() { String::new() } else { format!(".{}", id.group) };
    let object = shell_word(&format!("{}{group}/{}", id.kind.to_lowercase(), id.name));
    match &id.namespace {
        Some(namespace) => format!("kubectl delete {object} --namespace {}", shell_word(namespace)),
        None => format!("kubectl delete {object}"),
    }
}

/// A word as a shell reads it back: whoever pastes the line runs nothing else, whatever the object is called.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | ':');
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubectl_line_names_the_object_and_runs_nothing_else() {
        let table = [
            ("core/Namespace/-/shop", "kubectl delete namespace/shop"),
            ("core/PersistentVolumeClaim/shop/data", "kubectl delete persistentvolumeclaim/data --namespace shop"),
            (
                "apiextensions.k8s.io/CustomResourceDefinition/-/widgets.example.com",
                "kubectl delete customresourcedefinition.apiextensions.k8s.io/widgets.example.com",
            ),
            ("core/ConfigMap/shop/a;ls '", r"kubectl delete 'configmap/a;ls '\''' --namespace shop"),
        ];
        for (id, expected) in table {
            assert_eq!(kubectl_delete(&id.parse().expect("an id")), expected);
        }
    }
}
