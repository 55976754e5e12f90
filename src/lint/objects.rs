//! Rules of rendered objects: API versions that the cluster no longer has, plain Secrets, objects of two releases.

use std::collections::HashMap;

use crate::error::{Diagnostic, Place, RuleName, Severity};
use crate::manifest::{Object, ObjectId};
use crate::pipeline::{EnvironmentPlan, Job};
use crate::release::SecretPolicy;
use crate::yaml::{Node, Value};

use super::{Linted, versions};

/// An object that a release renders, and where it comes from.
#[derive(Debug)]
pub struct Claim {
    /// The object.
    pub id: ObjectId,
    /// `env/release`.
    pub release: String,
    /// The release document, or the raw object.
    pub place: Option<Place>,
}

/// Findings of one release's objects.
pub fn check(plan: &EnvironmentPlan, job: &Job, objects: &[Object]) -> Linted {
    let policy = plan.environment.as_ref().map(|environment| environment.secret_policy).unwrap_or_default();
    let document = plan.release(&job.folder);
    let mut linted = Linted::default();
    for object in objects {
        if let Some(capabilities) = &plan.capabilities {
            linted.findings.extend(versions::check(object, &capabilities.kube_version));
        }
        linted.findings.extend(secret(object, policy));
        let own = || Place { source: object.manifest.rendered.clone(), span: object.node.span };
        let place = document.map_or_else(own, |document| document.place.clone());
        linted.claims.push(Claim { id: object.id.clone(), release: job.name(), place: Some(place) });
    }
    linted
}

/// A Secret whose data everybody reads who reads the repository.
fn secret(object: &Object, policy: SecretPolicy) -> Option<Diagnostic> {
    if policy == SecretPolicy::Allow || &*object.id.kind != "Secret" || !object.id.group.is_empty() {
        return None;
    }
    // SOPS leaves its own data beside the encrypted ones, at the top of the document.
    if object.node.get("sops").is_some_and(|sops| sops.as_map().is_some()) {
        return None;
    }
    let data = object.node.get("data").and_then(Node::as_map)?;
    let is_filled = |node: &Node| match &node.value {
        Value::Str(text) => !text.is_empty(),
        value => *value != Value::Null,
    };
    let keys: Vec<&str> = data.iter().filter(|(_, entry)| is_filled(&entry.node)).map(|(key, _)| &**key).collect();
    if keys.is_empty() {
        return None;
    }
    let name = &object.id;
    let mut finding = Diagnostic::warning(format!("{name} holds plain data: {}", keys.join(", ")))
        .help(
            "base64 hides nothing: encrypt it with SOPS, or have the cluster make it (External Secrets, Sealed Secrets); \
             the Environment's `secretPolicy` says what this is: allow, warn, deny",
        )
        .rule(RuleName::PlainSecret);
    if policy == SecretPolicy::Deny {
        finding.severity = Severity::Error;
    }
    // The object itself, not its data: what is reported must not repeat the secret.
    let span = object.node.get("kind").map_or(object.node.span, |node| node.span);
    Some(object.manifest.point(finding, span))
}

/// Objects that more than one release of an environment renders; each is reported at every release but the first.
pub fn shared(claims: &[Claim]) -> Vec<(String, Diagnostic)> {
    let mut first: HashMap<&ObjectId, &Claim> = HashMap::with_capacity(claims.len());
    let mut found = Vec::new();
    for claim in claims {
        let Some(earlier) = first.get(&claim.id) else {
            first.insert(&claim.id, claim);
            continue;
        };
        let mut finding =
            Diagnostic::error(format!("{} and {} both render {}", earlier.release, claim.release, claim.id))
                .note("the other release is here", earlier.place.clone())
                .help("one object has one owner: give one of them another name or namespace, or keep it in one release")
                .rule(RuleName::SharedObject);
        finding.place = claim.place.clone();
        found.push((claim.release.clone(), finding));
    }
    found
}
