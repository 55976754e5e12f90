//! One synchronisation from end to end: what the parents and the cluster say, the plan, its steps, the parents again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::error::Diagnostic;
use crate::manifest::ObjectId;
use crate::plan::{self, Action, Entry, Known, LiveObject, ShortHash};

use super::client::{Accept, Call, Client, Failure, Gate};
use super::discovery::{Discovery, Resource};
use super::parallel::each;
use super::parent::{self, ENVIRONMENT_LABEL, OWN_NAMESPACE, Parent};
use super::source::Tree;
use super::{ObjectResult, Outcome, ReleaseResult, ReleaseState, SyncOptions, SyncReport, Target, live, order};

/// Objects of a kind that are looked up one by one; more of them are found by listing the kind.
const LOOKUPS_MAX: usize = 1;

/// A cluster that environments are applied to: the connection, and what is known of the cluster between two
/// synchronisations.
#[derive(Debug)]
pub struct Synchroniser {
    client: Client,
    discovery: Arc<Discovery>,
    cluster_uid: String,
}

/// Who is told of every object as it ends.
pub type Sink<'s> = &'s mut dyn FnMut(&ObjectResult);

impl Synchroniser {
    /// Connects, and learns which cluster it is and what it serves.
    ///
    /// # Errors
    /// There are no credentials, or the cluster does not answer.
    pub async fn connect(target: &Target, gate: Gate) -> Result<Synchroniser, Diagnostic> {
        let client = Client::new(target, gate).await?;
        let (uid, discovery) = tokio::join!(cluster_uid(&client), Discovery::read(&client));
        let cluster_uid = uid.map_err(|failure| failure.diagnostic("ask the cluster which one it is"))?;
        let discovery = discovery.map_err(|failure| failure.diagnostic("ask the cluster which kinds it serves"))?;
        Ok(Synchroniser { client, discovery: Arc::new(discovery), cluster_uid })
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Makes the cluster equal to a tree. Steps end between requests once the gate is closed.
    ///
    /// # Errors
    /// It is the wrong cluster, or what is in it cannot be found out; nothing was changed then. What went wrong with
    /// single objects is in the report.
    pub async fn sync(
        &mut self,
        tree: &Arc<Tree>,
        options: &SyncOptions,
        sink: Sink<'_>,
    ) -> Result<SyncReport, Vec<Diagnostic>> {
        let started = Instant::now();
        let environment = tree.desired.environment.clone();
        let requests_before = self.client.requests();
        let single = |doing: &'static str| move |failure: Failure| vec![failure.diagnostic(doing)];
        let mut parents =
            Parent::list(&self.client, &environment).await.map_err(single("list what kcfg applied before"))?;
        self.check_cluster(tree, &parents, options)?;
        let known = Known {
            inventories: parents.iter().map(|(name, parent)| (name.clone(), parent.inventory.clone())).collect(),
            live: self.look(tree, &parents).await.map_err(single("list what is in the cluster"))?,
            adopts: options.adopts,
        };
        let plan = plan::plan(&tree.desired, &known);
        let mut report = SyncReport { environment: environment.clone(), ..SyncReport::default() };
        report.findings.clone_from(&tree.findings);
        let mut results = Vec::new();
        let mut applies = Vec::new();
        let mut complete: Vec<bool> = vec![true; tree.desired.releases.len()];
        for step in plan.applies {
            let release = &tree.desired.releases[step.release];
            let id = &release.objects[step.object].id;
            let mut note = |outcome: Outcome, reason: String| {
                let result = ObjectResult { release: release.name.clone(), id: id.clone(), outcome, reason };
                sink(&result);
                results.push(result);
            };
            match &step.action {
                Action::Keep => report.unchanged += 1,
                Action::SkipHook => {}
                Action::Refuse(refusal) => {
                    note(Outcome::Failed, refusal.to_string());
                    complete[step.release] = false;
                }
                Action::Apply(_) => applies.push(step),
            }
        }
        if !options.is_dry_run && !applies.is_empty() {
            self.prepare(tree, &mut parents, &applies, options)
                .await
                .map_err(single("record what is to be applied"))?;
            let label: Arc<str> = parent::environment_label(&environment).into();
            let done = order::apply_all(&self.client, &mut self.discovery, tree, &label, applies, |(step, result)| {
                let release = &tree.desired.releases[step.release];
                let id = release.objects[step.object].id.clone();
                let before = known.live.get(&ShortHash::of_id(&id));
                let reason = match &step.action {
                    Action::Apply(reason) => reason.to_string(),
                    _ => String::new(),
                };
                let (outcome, reason) = match result {
                    Ok(applied) if applied.is_created => (Outcome::Created, reason),
                    Ok(applied) if before.is_some_and(|b| b.resource_version == applied.live.resource_version) => {
                        (Outcome::Same, reason)
                    }
                    Ok(_) => (Outcome::Changed, reason),
                    Err(error) => (Outcome::Failed, error.clone()),
                };
                sink(&ObjectResult {
                    release: release.name.clone(),
                    id,
                    outcome: outcome.clone(),
                    reason: reason.clone(),
                });
                results.push(ObjectResult {
                    release: release.name.clone(),
                    id: release.objects[step.object].id.clone(),
                    outcome,
                    reason,
                });
            })
            .await;
            let mut touched = BTreeSet::new();
            for (step, result) in done {
                let release = &tree.desired.releases[step.release];
                let object = &release.objects[step.object];
                touched.insert(step.release);
                match result {
                    Ok(applied) => {
                        let entry = Entry { content: object.content, state: applied.live.state };
                        if let Some(parent) = parents.get_mut(&release.name) {
                            parent.inventory.entries.insert(ShortHash::of_id(&object.id), entry);
                        }
                    }
                    Err(_) => complete[step.release] = false,
                }
            }
            let touched = touched.iter().map(|index| (*index, complete[*index])).collect();
            self.finish(tree, &mut parents, touched).await.map_err(single("record what was applied"))?;
        }
        for (index, release) in tree.desired.releases.iter().enumerate() {
            report.releases.push(ReleaseResult {
                name: release.name.clone(),
                digest: Some(release.digest.clone()),
                state: if complete[index] { ReleaseState::Applied } else { ReleaseState::Partial },
                is_stale: release.is_stale,
            });
        }
        for name in &tree.desired.refused {
            if !report.releases.iter().any(|release| release.name == *name) {
                let state = ReleaseState::Refused;
                report.releases.push(ReleaseResult { name: name.clone(), digest: None, state, is_stale: false });
            }
        }
        report.releases.sort_by(|a, b| a.name.cmp(&b.name));
        report.objects = results;
        report.requests = self.client.requests() - requests_before;
        report.seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }

    /// Refuses a cluster that is not the environment's.
    fn check_cluster(
        &self,
        tree: &Tree,
        parents: &BTreeMap<String, Parent>,
        options: &SyncOptions,
    ) -> Result<(), Vec<Diagnostic>> {
        let environment = &tree.desired.environment;
        let wanted = tree.environment.as_ref().map(|document| document.cluster.clone()).unwrap_or_default();
        let actual = &self.cluster_uid;
        if let Some(uid) = wanted.uid.filter(|uid| uid.as_str() != actual) {
            return Err(vec![
                Diagnostic::error(format!(
                    "this is not the cluster of {environment}: its kube-system has the UID {actual}, not {uid}"
                ))
                .help("name the right cluster with --context, or mend `cluster.uid` of the Environment"),
            ]);
        }
        if let Some(context) = wanted.context.filter(|context| Some(context.as_str()) != self.client.context.as_deref())
        {
            let actual = self.client.context.as_deref().unwrap_or("none: a service account is used");
            return Err(vec![
                Diagnostic::error(format!(
                    "this is not the cluster of {environment}: it has the context {context}, and the one in use is {actual}"
                ))
                .help(format!("name it with `--context {context}`; in a pod write `cluster.uid` instead")),
            ]);
        }
        let other = parents.values().find(|parent| !parent.cluster_uid.is_empty() && parent.cluster_uid != *actual);
        if let Some(parent) = other {
            return Err(vec![
                Diagnostic::error(format!(
                    "this is not the cluster that {environment}/{} was applied to: the record {} is of one whose \
                     kube-system has the UID {}, and this one has {actual}",
                    parent.release, parent.name, parent.cluster_uid
                ))
                .help(format!(
                    "if this is a copy that is meant to go on by itself, delete the ConfigMaps of {OWN_NAMESPACE} and \
                     apply with --init --adopt"
                )),
            ]);
        }
        if parents.is_empty() && !options.initialises && !options.is_dry_run {
            return Err(vec![
                Diagnostic::error(format!("{environment} was never applied to this cluster"))
                    .help("if this is the right one, say so once with --init"),
            ]);
        }
        Ok(())
    }

    /// What is in the cluster of everything that the tree wants or that was applied before.
    async fn look(
        &self,
        tree: &Tree,
        parents: &BTreeMap<String, Parent>,
    ) -> Result<std::collections::HashMap<ShortHash, LiveObject>, Failure> {
        let mut wanted: BTreeMap<(Arc<str>, Arc<str>), Wanted<'_>> = BTreeMap::new();
        for release in &tree.desired.releases {
            let inventory = parents.get(&release.name).map(|parent| &parent.inventory);
            for object in release.objects.iter().filter(|object| !object.is_hook) {
                let key = (object.id.group.clone(), object.id.kind.clone());
                let of_kind = wanted.entry(key).or_default();
                let is_known = inventory.is_some_and(|known| known.entries.contains_key(&ShortHash::of_id(&object.id)));
                of_kind.ids.push(&object.id);
                of_kind.unknown += usize::from(!is_known);
            }
        }
        for kind in parents.values().flat_map(|parent| &parent.kinds) {
            let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
            wanted.entry((group.into(), kind.into())).or_default();
        }
        let label = parent::environment_label(&tree.desired.environment);
        let members = format!("{ENVIRONMENT_LABEL}={label}");
        let found: Arc<Mutex<std::collections::HashMap<ShortHash, LiveObject>>> = Arc::default();
        let mut tasks = Vec::new();
        for ((group, kind), of_kind) in wanted {
            // A kind that the server does not know has no objects; applying them will say so.
            let Some(resource) = self.discovery.get(&group, &kind).cloned() else { continue };
            let lists_all = of_kind.unknown > LOOKUPS_MAX;
            let selector = if lists_all { String::new() } else { members.clone() };
            let ids: Vec<ObjectId> = of_kind.ids.into_iter().cloned().collect();
            let (client, found) = (self.client.clone(), found.clone());
            tasks.push(look_at_kind(client, resource, selector, ids, lists_all, found));
        }
        let mut failure = None;
        each(tasks, |result: Result<(), Failure>| {
            if let Err(error) = result {
                failure = Some(error);
            }
        })
        .await;
        match failure {
            Some(failure) => Err(failure),
            None => Ok(std::mem::take(&mut *found.lock().unwrap_or_else(std::sync::PoisonError::into_inner))),
        }
    }

    /// Makes what is needed before the first object: kcfg's namespace, the parents, missing namespaces.
    async fn prepare(
        &mut self,
        tree: &Arc<Tree>,
        parents: &mut BTreeMap<String, Parent>,
        applies: &[plan::Step],
        _options: &SyncOptions,
    ) -> Result<(), Failure> {
        let environment = &tree.desired.environment;
        if parents.is_empty() {
            parent::make_own_namespace(&self.client).await?;
        }
        let touched: BTreeSet<usize> = applies.iter().map(|step| step.release).collect();
        let mut writes = Vec::new();
        for index in touched {
            let release = &tree.desired.releases[index];
            let mut parent = parents
                .remove(&release.name)
                .unwrap_or_else(|| Parent::new(environment, &release.name, &self.cluster_uid));
            parent.cluster_uid.clone_from(&self.cluster_uid);
            for object in release.objects.iter().filter(|object| !object.is_hook) {
                widen(&mut parent, &object.id);
            }
            for step in applies.iter().filter(|step| step.release == index) {
                let id = &release.objects[step.object].id;
                let unknown = Entry { content: ShortHash::UNKNOWN, state: ShortHash::UNKNOWN };
                parent.inventory.entries.insert(ShortHash::of_id(id), unknown);
            }
            parent.status.insert("state".into(), "applying".into());
            writes.push(parent);
        }
        self.write(environment, parents, writes).await?;
        let in_tree: BTreeSet<Arc<str>> = tree
            .desired
            .releases
            .iter()
            .flat_map(|release| &release.objects)
            .filter(|object| plan::Phase::of(&object.id) == plan::Phase::Namespaces)
            .map(|object| object.id.name.clone())
            .collect();
        let ids = applies.iter().map(|step| &tree.desired.releases[step.release].objects[step.object].id);
        order::make_namespaces(&self.client, &self.discovery, ids, &in_tree).await.map(drop)
    }

    /// Writes the parents once more: what was applied, and whether all of it was.
    async fn finish(
        &self,
        tree: &Tree,
        parents: &mut BTreeMap<String, Parent>,
        touched: Vec<(usize, bool)>,
    ) -> Result<(), Failure> {
        let mut writes = Vec::new();
        for (index, is_complete) in touched {
            let release = &tree.desired.releases[index];
            let Some(mut parent) = parents.remove(&release.name) else { continue };
            parent.status.insert("digest".into(), release.digest.clone());
            parent.status.insert("state".into(), if is_complete { "applied" } else { "partial" }.into());
            writes.push(parent);
        }
        self.write(&tree.desired.environment, parents, writes).await
    }

    async fn write(
        &self,
        environment: &str,
        parents: &mut BTreeMap<String, Parent>,
        writes: Vec<Parent>,
    ) -> Result<(), Failure> {
        let tasks = writes.into_iter().map(|mut parent| {
            let (client, environment) = (self.client.clone(), environment.to_owned());
            async move {
                let result = parent.write(&client, &environment).await;
                (parent, result)
            }
        });
        let mut failure = None;
        each(tasks, |(parent, result): (Parent, Result<(), Failure>)| {
            if let Err(error) = result {
                failure = Some(error);
            }
            parents.insert(parent.release.clone(), parent);
        })
        .await;
        failure.map_or(Ok(()), Err)
    }
}

/// What is wanted of one kind.
#[derive(Default)]
struct Wanted<'a> {
    ids: Vec<&'a ObjectId>,
    /// How many of them no inventory has.
    unknown: usize,
}

async fn look_at_kind(
    client: Client,
    resource: Resource,
    selector: String,
    ids: Vec<ObjectId>,
    lists_all: bool,
    found: Arc<Mutex<std::collections::HashMap<ShortHash, LiveObject>>>,
) -> Result<(), Failure> {
    let mut missing: BTreeMap<ShortHash, &ObjectId> = ids.iter().map(|id| (ShortHash::of_id(id), id)).collect();
    let is_wanted: BTreeSet<ShortHash> = missing.keys().copied().collect();
    let mut of_kind = Vec::new();
    let mut keep = |live: LiveObject| {
        let key = ShortHash::of_id(&live.id);
        missing.remove(&key);
        // Of strangers only those matter that stand where an object of the tree is to stand.
        if live.part_of.is_some() || is_wanted.contains(&key) {
            of_kind.push((key, live));
        }
    };
    live::list(&client, &resource, None, &selector, &mut keep).await?;
    if !lists_all {
        if missing.len() > LOOKUPS_MAX {
            of_kind.clear();
            let mut keep = |live: LiveObject| {
                let key = ShortHash::of_id(&live.id);
                if live.part_of.is_some() || is_wanted.contains(&key) {
                    of_kind.push((key, live));
                }
            };
            live::list(&client, &resource, None, "", &mut keep).await?;
        } else {
            for (key, id) in missing {
                match client.send(&Call::get(resource.path(id), Accept::Metadata)).await {
                    Ok(answer) => of_kind.push((key, live::one(&resource, &answer.body)?)),
                    Err(Failure::Refused { code: 404, .. }) => {}
                    Err(failure) => return Err(failure),
                }
            }
        }
    }
    found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(of_kind);
    Ok(())
}

/// Notes the kind and namespace of an object.
fn widen(parent: &mut Parent, id: &ObjectId) {
    let kind = if id.group.is_empty() { id.kind.to_string() } else { format!("{}.{}", id.kind, id.group) };
    parent.kinds.insert(kind);
    if let Some(namespace) = id.namespace.as_deref().filter(|namespace| *namespace != OWN_NAMESPACE) {
        parent.namespaces.insert(namespace.to_owned());
    }
}

async fn cluster_uid(client: &Client) -> Result<String, Failure> {
    let answer = client.send(&Call::get("/api/v1/namespaces/kube-system", Accept::Metadata)).await?;
    let namespace: kube::core::PartialObjectMeta<kube::core::DynamicObject> = answer.json()?;
    Ok(namespace.metadata.uid.unwrap_or_default())
}
