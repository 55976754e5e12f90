//! Many objects, phase after phase: namespaces (those too that the tree does not have), definitions (waited for, and what
//! the server serves read again), the rest by the place of their kind, webhooks last. Within a phase many at a time; one
//! bad object does not stop the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::manifest::ObjectId;
use crate::plan::{Phase, Step};
use crate::yaml::{Entry, Map, Node};

use super::apply::{self, Applied, ApplyOptions};
use super::client::{Accept, Call, Client, Failure};
use super::discovery::Discovery;
use super::parallel::each;
use super::source::Tree;

/// How long a definition may take to be established.
const ESTABLISHED_TIMEOUT: Duration = Duration::from_secs(60);
/// The pause between two looks at it.
const ESTABLISHED_PAUSE: Duration = Duration::from_millis(100);

/// A step that was carried out: its result, or why there is none.
pub type Done = (Step, Result<Applied, String>);

/// Carries out the steps that apply something, handing each to `on_done` as it ends.
pub async fn apply_all(
    client: &Client,
    discovery: &mut Arc<Discovery>,
    tree: &Arc<Tree>,
    environment_label: &Arc<str>,
    steps: Vec<Step>,
    mut on_done: impl FnMut(&Done),
) -> Vec<Done> {
    let mut phases: BTreeMap<Phase, Vec<Step>> = BTreeMap::new();
    for step in steps {
        let id = &tree.desired.releases[step.release].objects[step.object].id;
        phases.entry(Phase::of(id)).or_default().push(step);
    }
    let mut done = Vec::new();
    for (phase, steps) in phases {
        let tasks = steps.into_iter().map(|step| {
            let (client, discovery, tree) = (client.clone(), discovery.clone(), tree.clone());
            let environment_label = environment_label.clone();
            async move {
                let result = one(&client, &discovery, &tree, &environment_label, &step).await;
                (step, result)
            }
        });
        let mut of_phase = Vec::new();
        each(tasks, |result| {
            on_done(&result);
            of_phase.push(result);
        })
        .await;
        if phase == Phase::Definitions {
            establish(client, tree, &mut of_phase).await;
            // What the definitions define can be applied from here on.
            if let Ok(found) = Discovery::read(client).await {
                *discovery = Arc::new(found);
            }
        }
        done.append(&mut of_phase);
    }
    done
}

async fn one(
    client: &Client,
    discovery: &Discovery,
    tree: &Tree,
    environment_label: &str,
    step: &Step,
) -> Result<Applied, String> {
    let release = &tree.desired.releases[step.release];
    let id = &release.objects[step.object].id;
    let mut node = tree.object(step.release, step.object).map_err(|error| error.message)?;
    if node.get("sops").is_some_and(|sops| sops.as_map().is_some()) {
        return Err("it is encrypted by SOPS, which kcfg does not decrypt".to_owned());
    }
    let (resource, version) = apply::resource_of(discovery, id, &node)?;
    apply::label(&mut node, &release.set, environment_label);
    let options = ApplyOptions { forces: true, is_dry_run: false };
    apply::apply(client, resource, &version, id, &node, options).await.map_err(|failure| failure.to_string())
}

/// Waits until definitions are established.
async fn establish(client: &Client, tree: &Tree, done: &mut [Done]) {
    let deadline = Instant::now() + ESTABLISHED_TIMEOUT;
    for (step, result) in done.iter_mut().filter(|(_, result)| result.is_ok()) {
        let name = &tree.desired.releases[step.release].objects[step.object].id.name;
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        loop {
            match client.send(&Call::get(path.as_str(), Accept::Json)).await.and_then(|answer| answer.json()) {
                Ok(definition) if is_established(&definition) => break,
                Ok(_) if Instant::now() < deadline => tokio::time::sleep(ESTABLISHED_PAUSE).await,
                Ok(_) => {
                    let seconds = ESTABLISHED_TIMEOUT.as_secs();
                    *result = Err(format!("it was not established within {seconds} s"));
                    break;
                }
                Err(failure) => {
                    *result = Err(failure.to_string());
                    break;
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Definition {
    #[serde(default)]
    status: DefinitionStatus,
}

#[derive(Deserialize, Default)]
struct DefinitionStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    r#type: String,
    status: String,
}

fn is_established(definition: &Definition) -> bool {
    definition.status.conditions.iter().any(|c| c.r#type == "Established" && c.status == "True")
}

/// Makes the namespaces that objects are to be applied in and that neither the tree nor the cluster has. They belong to
/// no release and are never pruned.
///
/// # Errors
/// The namespaces cannot be listed; those that could not be made are left to the objects' own errors.
pub async fn make_namespaces<'a>(
    client: &Client,
    discovery: &Discovery,
    wanted: impl Iterator<Item = &'a ObjectId>,
    in_tree: &BTreeSet<Arc<str>>,
) -> Result<Vec<ObjectId>, Failure> {
    let mut names: BTreeSet<Arc<str>> = wanted.filter_map(|id| id.namespace.clone()).collect();
    names.retain(|name| !in_tree.contains(name));
    let Some(resource) = discovery.get("", "Namespace").filter(|_| !names.is_empty()) else { return Ok(Vec::new()) };
    super::live::list(client, resource, None, "", |live| {
        names.remove(&live.id.name);
    })
    .await?;
    let mut made = Vec::new();
    for name in names {
        let id = ObjectId { group: "".into(), kind: "Namespace".into(), namespace: None, name: name.clone() };
        let mut metadata = Map::new();
        metadata.insert("name".into(), Entry::new(name));
        let mut root = Map::new();
        root.insert("apiVersion".into(), Entry::new("v1"));
        root.insert("kind".into(), Entry::new("Namespace"));
        root.insert("metadata".into(), Entry::new(metadata));
        let node = Node::new(root);
        if apply::apply(client, resource, "v1", &id, &node, ApplyOptions::default()).await.is_ok() {
            made.push(id);
        }
    }
    Ok(made)
}
