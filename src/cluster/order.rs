//! Many objects, phase after phase: namespaces (those too that the tree does not have), definitions (waited for, and what
//! the server serves read again), the rest by the place of their kind, webhooks last. Within a phase many at a time; one
//! bad object does not stop the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::manifest::prune::{Fate, Keeper, fate};
use crate::manifest::{GENERATED_ANNOTATION, ObjectId};
use crate::plan::{Action, Known, Phase, Reason, ShortHash, Step};
use crate::yaml::{Entry, Map, Node};

use super::apply::{self, Applied, ApplyOptions, Wishes};
use super::client::{APPLY_PATCH, Accept, Call, Client, Failure};
use super::discovery::Discovery;
use super::generated::{Filling, GENERATED_MANAGER, filling};
use super::parallel::each;
use super::source::Tree;
use super::{prune, takeover};

/// How long a definition may take to be established.
const ESTABLISHED_TIMEOUT: Duration = Duration::from_secs(60);
/// The pause between two looks at it.
const ESTABLISHED_PAUSE: Duration = Duration::from_millis(100);

/// A step that was carried out: its result, or why there is none.
pub type Done = (Step, Result<Applied, String>);

/// What all objects of a synchronisation share.
#[derive(Clone)]
pub struct Context {
    /// The connection.
    pub client: Client,
    /// What the server serves.
    pub discovery: Arc<Discovery>,
    /// The tree.
    pub tree: Arc<Tree>,
    /// What was known before the first write.
    pub known: Arc<Known>,
    /// The value of the label `kcfg.dev/env`.
    pub environment_label: Arc<str>,
    /// Whether anything may be deleted: not while it is not known what is wanted and what is there.
    pub may_delete: bool,
}

/// Carries out the steps that apply something, handing each to `on_done` as it ends.
pub async fn apply_all(context: &mut Context, steps: Vec<Step>, mut on_done: impl FnMut(&Done)) -> Vec<Done> {
    let mut phases: BTreeMap<Phase, Vec<Step>> = BTreeMap::new();
    for step in steps {
        let id = &context.tree.desired.releases[step.release].objects[step.object].id;
        phases.entry(Phase::of(id)).or_default().push(step);
    }
    let mut done = Vec::new();
    for (phase, steps) in phases {
        let tasks = steps.into_iter().map(|step| {
            let context = context.clone();
            async move {
                let result = one(&context, &step).await;
                (step, result)
            }
        });
        let mut of_phase = Vec::new();
        let is_waited_for = phase == Phase::Definitions;
        each(tasks, |result| {
            if !is_waited_for {
                on_done(&result);
            }
            of_phase.push(result);
        })
        .await;
        if is_waited_for {
            establish(&context.client, &context.tree, &mut of_phase).await;
            of_phase.iter().for_each(&mut on_done);
            // What the definitions define can be applied from here on.
            if let Ok(found) = Discovery::read(&context.client).await {
                context.discovery = Arc::new(found);
            }
        }
        done.append(&mut of_phase);
    }
    done
}

async fn one(context: &Context, step: &Step) -> Result<Applied, String> {
    let Context { client, tree, .. } = context;
    let release = &tree.desired.releases[step.release];
    let id = &release.objects[step.object].id;
    let mut node = tree.object(step.release, step.object).map_err(|error| error.message)?;
    if node.get("sops").is_some_and(|sops| sops.as_map().is_some()) {
        return Err("it is encrypted by SOPS, which kcfg does not decrypt".to_owned());
    }
    let (resource, version) = apply::resource_of(&context.discovery, id, &node)?;
    let wishes = Wishes::of(&node)?;
    let key = ShortHash::of_id(id);
    let live = context.known.live.get(&key);
    if let Some(live) = live.filter(|_| wishes.applies_once) {
        return Ok(Applied { live: live.clone(), is_created: false, is_left: true, warnings: Vec::new() });
    }
    apply::label(&mut node, &release.set, &context.environment_label);
    let path = resource.path_in(&version, id);
    let fail = |failure: Failure| apply::explain(&failure, id);
    if matches!(step.action, Action::Apply(Reason::Adopted(_))) {
        takeover::take_over(client, &path).await.map_err(fail)?;
    }
    if node.at(&["metadata", "annotations", GENERATED_ANNOTATION]).is_some() {
        let inventory = context.known.inventories.get(&release.name);
        let entry = inventory.and_then(|inventory| inventory.entries.get(&key));
        let was_applied = entry.is_some_and(|entry| entry.state != ShortHash::UNKNOWN);
        fill(client, &path, &node, was_applied).await?;
    }
    match apply::apply(client, resource, &version, id, &mut node, &wishes.leaves).await {
        Err(failure) if apply::is_immutable(&failure) => {
            if !wishes.recreates {
                let why = fail(failure);
                return Err(format!(
                    "{why}; the annotation {}: enabled has it deleted and made anew",
                    apply::RECREATE_ANNOTATION
                ));
            }
            // The tree may forbid it before the live object does.
            let annotation = |name: &str| node.at(&["metadata", "annotations", name]).and_then(Node::as_str);
            let is_kept = matches!(fate(id, annotation), Fate::Kept(Keeper::Annotation | Keeper::HelmPolicy))
                || !context.may_delete;
            let Some(live) = live.filter(|live| !is_kept && live.fate == Fate::Deleted) else {
                let why = fail(failure);
                return Err(format!("{why}; it may not be deleted now to be made anew, as for any deletion"));
            };
            let is_gone = prune::delete(client, resource, id, &live.uid).await.map_err(fail)?;
            if !is_gone && !prune::wait_gone(client, resource, id, &live.uid).await {
                return Err("it was deleted to be made anew, and is not gone yet: a finalizer holds it".to_owned());
            }
            let options = ApplyOptions { forces: true, is_dry_run: false };
            apply::send(client, resource, &version, id, &node, options).await.map_err(fail)
        }
        result => result.map_err(fail),
    }
}

/// Writes the values of a Secret that are made up in the cluster, before the Secret itself.
///
/// # Errors
/// They may not be made up now, or cannot be written.
pub async fn fill(client: &Client, path: &str, node: &Node, was_applied: bool) -> Result<(), String> {
    let desired = serde_json::to_value(node).map_err(|error| error.to_string())?;
    let live: Option<serde_json::Value> = match client.send(&Call::get(path, Accept::Json)).await {
        Ok(answer) => Some(answer.json().map_err(|failure| failure.to_string())?),
        Err(Failure::Refused { code: 404, .. }) => None,
        Err(failure) => return Err(failure.to_string()),
    };
    match filling(&desired, live.as_ref(), was_applied, |bytes: &mut [u8]| getrandom::fill(bytes))? {
        Filling::Nothing => Ok(()),
        Filling::Held(why) => Err(why),
        Filling::Apply(filling) => {
            let path = format!("{path}?fieldManager={GENERATED_MANAGER}");
            let body = filling.body().to_string().into_bytes();
            // What the server says could quote a value.
            let sent = client.send(&Call::patch(path, APPLY_PATCH, body)).await;
            sent.map(drop).map_err(|failure| match failure {
                Failure::Refused { reason, .. } => format!("its made-up values could not be written: {reason}"),
                failure => failure.to_string(),
            })
        }
    }
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
    /// Null until the first controller looks at a new definition.
    conditions: Option<Vec<Condition>>,
}

#[derive(Deserialize)]
struct Condition {
    r#type: String,
    status: String,
}

fn is_established(definition: &Definition) -> bool {
    definition.status.conditions.iter().flatten().any(|c| c.r#type == "Established" && c.status == "True")
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
        let mut metadata = Map::default();
        metadata.insert("name".into(), Entry::new(name));
        let mut root = Map::default();
        root.insert("apiVersion".into(), Entry::new("v1"));
        root.insert("kind".into(), Entry::new("Namespace"));
        root.insert("metadata".into(), Entry::new(metadata));
        let node = Node::new(root);
        if apply::send(client, resource, "v1", &id, &node, ApplyOptions::default()).await.is_ok() {
            made.push(id);
        }
    }
    Ok(made)
}
