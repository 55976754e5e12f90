//! The parents before and after the steps: what is about to be applied, and what then was.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::Synchroniser;
use crate::cluster::client::Failure;
use crate::cluster::hooks::Hooks;
use crate::cluster::members::Members;
use crate::cluster::order::{self, Done};
use crate::cluster::parallel::each;
use crate::cluster::parent::{
    self, COMMIT_KEY, DIGEST_KEY, HOOKS_NAMED_MAX, OBJECTS_KEY, PROBLEMS_KEY, Parent, STATE_KEY, TIME_KEY,
};
use crate::cluster::run::Run;
use crate::cluster::source::Tree;
use crate::cluster::status::{self, Problem};
use crate::cluster::{ObjectResult, Outcome};
use crate::manifest::ObjectId;
use crate::plan::{Departure, Entry, Known, OWN_NAMESPACE, Phase, ShortHash, Step};

impl Synchroniser {
    /// Makes what is needed before the first object: kcfg's namespace, the parents, missing namespaces.
    pub(super) async fn prepare(
        &mut self,
        tree: &Arc<Tree>,
        parents: &mut BTreeMap<String, Parent>,
        known: &Known,
        applies: &[Step],
        hooks: &Hooks,
    ) -> Result<(), Failure> {
        let environment = &tree.desired.environment;
        if parents.is_empty() {
            parent::make_own_namespace(&self.client).await?;
        }
        let mut touched: BTreeSet<usize> = applies.iter().map(|step| step.release).collect();
        touched.extend(hooks.touched());
        let mut writes: BTreeMap<usize, Parent> = BTreeMap::new();
        for index in touched {
            let release = &tree.desired.releases[index];
            let mut parent = parents
                .remove(&release.name)
                .unwrap_or_else(|| Parent::new(environment, &release.name, &self.cluster_uid));
            parent.cluster_uid.clone_from(&self.cluster_uid);
            release.objects.iter().filter(|object| !object.is_hook).for_each(|object| widen(&mut parent, &object.id));
            parent.status.insert(STATE_KEY.into(), "applying".into());
            hooks.begin(index, &mut parent);
            writes.insert(index, parent);
        }
        for step in applies {
            let id = &tree.desired.releases[step.release].objects[step.object].id;
            let Some(parent) = writes.get_mut(&step.release) else { continue };
            let unknown = Entry { content: ShortHash::UNKNOWN, state: ShortHash::UNKNOWN };
            // The state stays: it tells that the object was applied before.
            parent.inventory.entries.entry(ShortHash::of_id(id)).or_insert(unknown).content = ShortHash::UNKNOWN;
        }
        self.write(environment, parents, writes.into_values().collect()).await?;
        let in_tree: BTreeSet<Arc<str>> = tree
            .desired
            .releases
            .iter()
            .flat_map(|release| &release.objects)
            .filter(|object| Phase::of(&object.id) == Phase::Namespaces)
            .map(|object| object.id.name.clone())
            .collect();
        // Where something lives there is a namespace.
        let inhabited: BTreeSet<&Arc<str>> =
            known.live.values().filter_map(|live| live.id.namespace.as_ref()).collect();
        let ids = applies.iter().map(|step| &tree.desired.releases[step.release].objects[step.object].id);
        let ids = ids.chain(hooks.ids(tree));
        let ids = ids.filter(|id| id.namespace.as_ref().is_none_or(|namespace| !inhabited.contains(namespace)));
        order::make_namespaces(&self.client, &self.discovery, ids, &in_tree).await.map(drop)
    }

    /// Writes those parents once more that no longer say how things are, without what is gone or was handed over; a
    /// parent of a release that is gone with everything it had is deleted.
    pub(super) async fn record(
        &self,
        run: &Run<'_, '_>,
        hooks: &Hooks,
        parents: &mut BTreeMap<String, Parent>,
        known: &Known,
        left: &[Departure],
    ) -> Result<(), Failure> {
        let desired = &run.tree.desired;
        let is_certain = known.unlisted.is_empty() && known.uncertain.is_none();
        let mut writes = Vec::new();
        let mut problems: HashMap<&str, Vec<&ObjectResult>> = HashMap::new();
        for object in run.report.objects.iter().filter(|object| is_noted(&object.outcome)) {
            problems.entry(&object.release).or_default().push(object);
        }
        for name in parents.keys().cloned().collect::<Vec<_>>() {
            let release = desired.releases.iter().position(|release| release.name == name);
            let Some(mut parent) = parents.remove(&name) else { continue };
            let mut staying: HashMap<ShortHash, &ObjectId> = HashMap::new();
            if let Some(index) = release {
                let objects = desired.releases[index].objects.iter().filter(|object| !object.is_hook);
                staying.extend(objects.map(|object| (ShortHash::of_id(&object.id), &object.id)));
            }
            let of_release = left.iter().filter(|departure| departure.release == name);
            staying.extend(of_release.map(|departure| (ShortHash::of_id(&departure.id), &departure.id)));
            // What another release wants is handed over once it is applied there.
            let handed_over = |key: &ShortHash| run.keys.contains(key);
            for (key, live) in &known.live {
                let is_member = live.part_of.as_deref() == Some(parent.inventory.set.as_str());
                let is_known = parent.inventory.entries.contains_key(key);
                if is_member && is_known && run.wanted.contains(key) && !handed_over(key) {
                    staying.insert(*key, &live.id);
                }
            }
            let says = |parent: &Parent| {
                (parent.kinds.clone(), parent.namespaces.clone(), parent.hooks.clone(), parent.status.clone())
            };
            let before = says(&parent);
            let entries_before = parent.inventory.entries.len();
            if is_certain && (release.is_some() || desired.is_complete) {
                parent.inventory.entries.retain(|key, _| staying.contains_key(key));
                (parent.kinds, parent.namespaces) = Default::default();
            }
            staying.values().for_each(|id| widen(&mut parent, id));
            if let Some(index) = release {
                if run.is_complete[index] && !run.suspended[index].1 {
                    parent.status.insert(DIGEST_KEY.into(), desired.releases[index].digest.clone());
                }
                parent.status.insert(STATE_KEY.into(), run.state(index).word().into());
                let hooks = desired.releases[index].objects.iter().filter(|object| object.is_hook);
                parent.hooks = hooks.map(|object| object.id.to_string()).take(HOOKS_NAMED_MAX).collect();
            }
            let of_release = problems.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
            describe(&mut parent, release.map_or(0, |index| run.suspended[index].0), of_release, staying.len());
            let is_gone = release.is_none() && is_certain && desired.is_complete && !desired.refused.contains(&name);
            if is_gone && parent.inventory.entries.is_empty() && !hooks.keeps(&name) {
                parent.delete(&self.client).await?;
                continue;
            }
            let is_touched = release.is_some_and(|index| run.touched.contains(&index));
            let is_changed = before != says(&parent) || entries_before != parent.inventory.entries.len();
            if is_touched || is_changed {
                let commit = run.tree.commit().map(ToString::to_string).unwrap_or_default();
                parent.status.insert(COMMIT_KEY.into(), commit);
                parent.status.insert(TIME_KEY.into(), status::moment(Timestamp::now()));
                writes.push(parent);
            } else {
                parents.insert(name, parent);
            }
        }
        self.write(&desired.environment, parents, writes).await
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

/// Enters into the parents, and into what is known of the members, what applies left behind.
pub(super) fn enter(
    run: &mut Run<'_, '_>,
    parents: &mut BTreeMap<String, Parent>,
    members: Option<&Members>,
    known: &Known,
    done: Vec<Done>,
) {
    let tree = run.tree.clone();
    for (step, result) in done {
        let release = &tree.desired.releases[step.release];
        let object = &release.objects[step.object];
        let Some(parent) = parents.get_mut(&release.name) else { continue };
        let key = ShortHash::of_id(&object.id);
        let Ok(applied) = result else {
            // What was applied before is what is there, as far as anybody knows.
            let before = known.inventories.get(&release.name).and_then(|known| known.entries.get(&key));
            if let Some(before) = before {
                parent.inventory.entries.insert(key, *before);
            }
            continue;
        };
        if let Some(members) = members {
            members.put(&applied.live);
        }
        run.uids.insert(applied.live.uid);
        run.keys.insert(key);
        let entry = Entry { content: object.content, state: applied.live.state };
        parent.inventory.entries.insert(key, entry);
    }
}

/// Notes in a release's parent how many of its objects stand how, and what is not as it should be.
fn describe(parent: &mut Parent, suspended: usize, problems: &[&ObjectResult], members: usize) {
    let count = |outcome| problems.iter().filter(|object| object.outcome == outcome).count();
    let (failed, waiting, drifted) = (count(Outcome::Failed), count(Outcome::Suspended), count(Outcome::Drifted));
    let held = count(Outcome::Held) + count(Outcome::Terminating);
    let objects = status::counts([
        ("applied", members.saturating_sub(failed + held + waiting + drifted)),
        ("failed", failed),
        ("held", held),
        ("suspended", suspended.max(waiting)),
        ("drifted", drifted),
    ]);
    // The record of the environment lists drift.
    let of_release = problems.iter().copied().filter(|object| status::is_problem(&object.outcome));
    let mut kept = status::problems(of_release, false);
    let before: Option<Vec<Problem>> = parent.status.get(PROBLEMS_KEY).and_then(|text| serde_json::from_str(text).ok());
    // Reasons that count seconds do not make a quiet environment write.
    if let Some(before) = before.filter(|before| status::are_alike(before, &kept)) {
        kept = before;
    }
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    parent.status.insert(OBJECTS_KEY.into(), json(serde_json::to_string(&objects)));
    parent.status.insert(PROBLEMS_KEY.into(), json(serde_json::to_string_pretty(&kept)));
}

/// Whether a release's parent counts it.
fn is_noted(outcome: &Outcome) -> bool {
    status::is_problem(outcome) || *outcome == Outcome::Drifted
}

/// Notes the kind and namespace of an object.
fn widen(parent: &mut Parent, id: &ObjectId) {
    let kind = if id.group.is_empty() { id.kind.to_string() } else { format!("{}.{}", id.kind, id.group) };
    parent.kinds.insert(kind);
    if let Some(namespace) = id.namespace.as_deref().filter(|namespace| *namespace != OWN_NAMESPACE) {
        parent.namespaces.insert(namespace.to_owned());
    }
}
