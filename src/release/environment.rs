//! `kind: Environment` of kcfg.dev/v1: what all releases of an environment share, and what the applier has to know.

use std::collections::BTreeMap;

use super::Values;
use super::document::Document;
use super::kcfg::{METADATA_KEYS, ROOT_KEYS};
use crate::error::{Place, nearest};
use crate::yaml::fields::{Fields, Text, present};
use crate::yaml::{Map, Node};

/// An Environment document.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The branch that this environment follows: a chart's ref that names it is the working tree.
    pub branch: Option<Text>,
    /// The Kubernetes version to render for.
    pub kube_version: Option<Text>,
    /// API versions to render for, beside the built-in ones: `monitoring.coreos.com/v1`.
    pub api_versions: Vec<Text>,
    /// Values under those of every release.
    pub values: Option<Values>,
    /// Scopes of kinds that no table and no CRD of the tree tells, by `group/Kind` (the core group is `core`).
    pub scopes: BTreeMap<String, Scope>,
    /// Which cluster it is; the applier refuses any other.
    pub cluster: ClusterIdentity,
    /// What to do about plain Secrets.
    pub secret_policy: SecretPolicy,
    /// How much one sync may delete without a Removal document.
    pub prune_budget: PruneBudget,
    /// What the applier does about drift.
    pub drift: Drift,
    /// Where the document stands.
    pub place: Place,
}

/// Whether objects of a kind have a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// They have one.
    Namespaced,
    /// They have none.
    Cluster,
}

/// A cluster's identity; both parts are optional, all given ones have to match.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClusterIdentity {
    /// The UID of its namespace kube-system.
    pub uid: Option<Text>,
    /// The name of the kubeconfig context.
    pub context: Option<Text>,
}

/// What to do about Secrets that are not encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecretPolicy {
    /// Nothing.
    Allow,
    /// A warning.
    #[default]
    Warn,
    /// An error.
    Deny,
}

/// How much one sync may delete: up to `objects`, and up to `percent` of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneBudget {
    /// Objects.
    pub objects: u64,
    /// Percent of the environment's objects, 0 to 100.
    pub percent: u64,
}

impl Default for PruneBudget {
    fn default() -> PruneBudget {
        PruneBudget { objects: 10, percent: 20 }
    }
}

/// What the applier does when a live object no longer holds what was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drift {
    /// Takes it back.
    #[default]
    Correct,
    /// Reports it.
    Report,
}

const SPEC_KEYS: [&str; 9] =
    ["branch", "kubeVersion", "apiVersions", "values", "scopes", "cluster", "secretPolicy", "pruneBudget", "drift"];

/// Reads the document of environment `env`; what is wrong is left in `fields`.
pub(super) fn parse(fields: &mut Fields, env: &str, mut document: Document) -> Option<Environment> {
    let values = document.take_values();
    let root = document.node.as_map()?;
    fields.known(root, "", &ROOT_KEYS);
    if let Some(metadata) = fields.map(root, "", "metadata") {
        fields.known(metadata, "metadata", &METADATA_KEYS);
        if let Some(name) = fields.text(metadata, "metadata", "name")
            && name.as_str() != env
        {
            let what = format!("this Environment is called {name}, but it stands in the folder of {env}");
            fields.error_help(name.span, what, "call it like its folder, or leave the name out");
        }
    }
    let empty = Map::default();
    let spec = fields.map(root, "", "spec").unwrap_or(&empty);
    fields.known(spec, "spec", &SPEC_KEYS);
    let values = values.and_then(|root| {
        if root.as_map().is_none() {
            fields.wrong_kind(&root, "spec.values", "a mapping");
            return None;
        }
        Some(Values { source: document.source.clone(), root })
    });
    Some(Environment {
        branch: fields.text(spec, "spec", "branch"),
        kube_version: fields.text(spec, "spec", "kubeVersion"),
        api_versions: fields.texts(spec, "spec", "apiVersions"),
        values,
        scopes: scopes(fields, spec),
        cluster: cluster(fields, spec),
        secret_policy: choice(
            fields,
            spec,
            "secretPolicy",
            &[("allow", SecretPolicy::Allow), ("warn", SecretPolicy::Warn), ("deny", SecretPolicy::Deny)],
        ),
        prune_budget: prune_budget(fields, spec),
        drift: choice(fields, spec, "drift", &[("correct", Drift::Correct), ("report", Drift::Report)]),
        place: fields.place(document.span),
    })
}

fn scopes(fields: &mut Fields, spec: &Map) -> BTreeMap<String, Scope> {
    let mut scopes = BTreeMap::new();
    let Some(map) = fields.map(spec, "spec", "scopes") else { return scopes };
    for (key, entry) in map {
        let is_id = key
            .split_once('/')
            .is_some_and(|(group, kind)| !group.is_empty() && !kind.is_empty() && !kind.contains('/'));
        if !is_id {
            let what = format!("`{key}` is no `group/Kind`");
            fields.error_help(entry.key_span, what, "write the group without its version: `example.com/Widget`");
            continue;
        }
        let scope = choice_of(
            fields,
            &entry.node,
            "spec.scopes",
            &[("Namespaced", Scope::Namespaced), ("Cluster", Scope::Cluster)],
        );
        if let Some(scope) = scope {
            scopes.insert(key.to_string(), scope);
        }
    }
    scopes
}

fn cluster(fields: &mut Fields, spec: &Map) -> ClusterIdentity {
    let Some(map) = fields.map(spec, "spec", "cluster") else { return ClusterIdentity::default() };
    fields.known(map, "spec.cluster", &["uid", "context"]);
    let path = "spec.cluster";
    ClusterIdentity { uid: fields.text(map, path, "uid"), context: fields.text(map, path, "context") }
}

fn prune_budget(fields: &mut Fields, spec: &Map) -> PruneBudget {
    let default = PruneBudget::default();
    let Some(map) = fields.map(spec, "spec", "pruneBudget") else { return default };
    let path = "spec.pruneBudget";
    fields.known(map, path, &["objects", "percent"]);
    let percent = fields.count(map, path, "percent").unwrap_or(default.percent);
    if percent > 100
        && let Some(node) = present(map, "percent")
    {
        fields.error(node.span, "`spec.pruneBudget.percent` has to be from 0 to 100");
    }
    PruneBudget { objects: fields.count(map, path, "objects").unwrap_or(default.objects), percent }
}

fn choice<T: Copy + Default>(fields: &mut Fields, spec: &Map, key: &str, table: &[(&str, T)]) -> T {
    let node = present(spec, key);
    node.and_then(|node| choice_of(fields, node, &format!("spec.{key}"), table)).unwrap_or_default()
}

fn choice_of<T: Copy>(fields: &mut Fields, node: &Node, path: &str, table: &[(&str, T)]) -> Option<T> {
    let text = fields.as_text(node, path)?;
    let found = table.iter().find(|(name, _)| *name == text.as_str());
    if found.is_none() {
        let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
        let help = match nearest(text.as_str(), names.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("write one of {}", names.join(", ")),
        };
        fields.error_help(node.span, format!("`{path}` cannot be `{text}`"), help);
    }
    found.map(|(_, value)| *value)
}
