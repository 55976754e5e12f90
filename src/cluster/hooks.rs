//! Helm hooks within a synchronisation: which releases wait for theirs, what the parents remember, what is held.
//!
//! What is decided is `plan::hooks`; running them is `hook`. The parents hold a record under one key of their data, written
//! before anything starts. Hooks that run at the deletion of a release are kept in a Secret beside its parent, since the tree
//! no longer has them then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use data_encoding::{BASE64, HEXLOWER};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::{Diagnostic, Severity};
use crate::manifest::{HookEvent, HookRules, ObjectId, group_of};
use crate::plan::hooks::{Asked, Event, HookPhase, HookRecord, Turn, of_deletion, of_event, rank, turn};
use crate::plan::{Action, Departure, End, HoldReason, Known, OWN_NAMESPACE, Phase, Reason, ShortHash, Step};
use crate::yaml::Node;

use super::client::{APPLY_PATCH, Accept, Call, Client, Failure, segment};
use super::discovery::Discovery;
use super::hook::{Batch, HOOK_TIMEOUT, Ready, Running, Shared, Stop};
use super::order::Context;
use super::parent::{self, FIELD_MANAGER, PARENT_LABEL, Parent, STATE_KEY};
use super::run::Run;
use super::source::Tree;
use super::{Outcome, SyncOptions, apply};

/// The key of a parent's data that holds the record.
pub const HOOKS_KEY: &str = "hooks";
/// The key of the Secret that keeps delete hooks.
const KEPT_KEY: &str = "hooks.json";
/// Bytes of one release's delete hooks that can be kept: a Secret holds 1 MiB, and this is base64 in it.
const KEPT_BYTES_MAX: usize = 700 << 10;

/// The hooks of a synchronisation.
pub struct Hooks {
    /// By the index of the release.
    turns: BTreeMap<usize, Turn>,
    /// Releases whose objects are all applied.
    applied: Vec<bool>,
    /// Releases that are gone and whose deletion has begun.
    leaving: BTreeMap<String, HookRecord>,
    /// Releases that are gone, but whose parent must stay.
    staying: BTreeSet<String>,
    /// Releases a part of which is suspended: their hooks wait for its end.
    suspended: BTreeSet<usize>,
    /// Releases without a parent, which nothing but their delete hooks needs.
    parentless: BTreeSet<usize>,
    asked: Asked,
    options: SyncOptions,
}

fn record_of(parent: Option<&Parent>) -> Option<HookRecord> {
    HookRecord::parse(parent?.status.get(HOOKS_KEY)?)
}

fn remember(parent: &mut Parent, record: &HookRecord) {
    parent.status.insert(HOOKS_KEY.into(), record.text());
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

impl Hooks {
    /// What is to be run, and what waits.
    pub fn of(
        tree: &Tree,
        parents: &BTreeMap<String, Parent>,
        known: &Known,
        steps: &[Step],
        options: &SyncOptions,
    ) -> Hooks {
        let asked = Asked { now: now(), retries: options.retries_hooks };
        let (mut turns, mut suspended, mut parentless) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let adopted: BTreeSet<usize> = steps
            .iter()
            .filter(|step| matches!(step.action, Action::Apply(Reason::Adopted(_))))
            .map(|step| step.release)
            .collect();
        for (index, release) in tree.desired.releases.iter().enumerate().filter(|(_, r)| !r.hooks.is_empty()) {
            // Of a suspended release nothing runs; its digest stays new, so that its hooks run once it goes on.
            if known.suspensions.covers_release(&release.name, known.now).is_some() {
                continue;
            }
            let is_suspended = |id: &ObjectId| known.suspensions.covers(&release.name, id, known.now).is_some();
            if release.objects.iter().any(|object| is_suspended(&object.id)) {
                suspended.insert(index);
            }
            let parent = parents.get(&release.name);
            if parent.is_none() && !of_deletion(release).is_empty() {
                parentless.insert(index);
            }
            let applied = parent.and_then(|parent| parent.inventory.digest.as_deref());
            let turn = turn(release, record_of(parent).as_ref(), applied, adopted.contains(&index), asked);
            if turn != Turn::None {
                turns.insert(index, turn);
            }
        }
        let (leaving, staying) = Default::default();
        let options = options.clone();
        Hooks { turns, applied: Vec::new(), leaving, staying, suspended, parentless, asked, options }
    }

    /// Says what would run.
    pub fn planned(&self, run: &mut Run<'_, '_>) {
        let tree = run.tree.clone();
        for (index, turn) in &self.turns {
            let release = &tree.desired.releases[*index];
            let Turn::Run(record) = turn else { continue };
            for phase in [HookPhase::Pre, HookPhase::Post].into_iter().filter(|phase| *phase >= record.phase) {
                let Some(event) = record.event.hook(phase) else { continue };
                for hook in of_event(release, event) {
                    let reason = format!("{} hook", event.word());
                    run.note(&release.name, &release.objects[hook.object].id, Outcome::Ran, reason);
                }
            }
        }
    }

    /// Says which hooks would run at the deletion of releases that are gone.
    pub async fn planned_deletes(
        &self,
        client: &Client,
        run: &mut Run<'_, '_>,
        parents: &BTreeMap<String, Parent>,
        known: &Known,
        departures: &[Departure],
    ) {
        for name in gone(run, parents, known) {
            let Some(parent) = parents.get(&name) else { continue };
            let Some(record) = record_of(Some(parent)).filter(|record| record.kept.is_some()) else { continue };
            let is_held = |departure: &Departure| departure.release == name && matches!(departure.end, End::Hold(_));
            let is_taken = parent.inventory.entries.keys().any(|key| run.wanted.contains(key));
            if is_taken || departures.iter().any(is_held) {
                continue;
            }
            let objects = match kept(client, parent).await {
                Ok(objects) => objects,
                Err(failure) => {
                    let finding = failure.diagnostic("read the delete hooks of the release, which may run");
                    let finding = Diagnostic { severity: Severity::Warning, ..finding };
                    run.report.findings.push((Some(name), finding));
                    continue;
                }
            };
            if is_suspended(parent, &objects, known) {
                continue;
            }
            let has_begun = record.event == Event::Delete && record.phase != HookPhase::Pre;
            for event in [HookEvent::PreDelete, HookEvent::PostDelete].into_iter().skip(usize::from(has_begun)) {
                for hook in of_kept(objects.clone(), event) {
                    run.note(&name, &hook.id, Outcome::Ran, format!("{} hook", event.word()));
                }
            }
        }
    }

    /// Holds the objects of releases whose hooks are not run now, and gives the steps that are left.
    pub fn hold(
        &mut self,
        run: &mut Run<'_, '_>,
        parents: &mut BTreeMap<String, Parent>,
        steps: Vec<Step>,
    ) -> Vec<Step> {
        let tree = run.tree.clone();
        let (mut held, mut waiting) = (BTreeMap::<usize, String>::new(), Vec::new());
        for (index, turn) in &mut self.turns {
            let release = &tree.desired.releases[*index];
            match turn {
                Turn::Run(record) if record.phase == HookPhase::Pre && !run.is_complete[*index] => {
                    // As Helm, which installs nothing where something stands in the way.
                    let why = "its hooks do not run while another object of the release cannot be applied";
                    held.insert(*index, why.to_owned());
                }
                Turn::Run(record) if self.suspended.contains(index) => {
                    let word = record.hook_event().map_or("", HookEvent::word);
                    let why = format!("its {word} hooks do not run while a part of the release is suspended");
                    match record.phase {
                        HookPhase::Pre => drop(held.insert(*index, why)),
                        // The state stays the one before, so that they run once that ends.
                        _ => waiting.push(*index),
                    }
                    run.stopped.insert(*index);
                }
                Turn::Wait(record, why) => {
                    run.hook_failures.insert(*index);
                    if let Ok(id) = record.hook.parse() {
                        run.note(&release.name, &id, Outcome::Failed, why.clone());
                    }
                    if record.phase == HookPhase::Pre {
                        held.insert(*index, format!("{} failed", hook_name(record)));
                        run.stopped.insert(*index);
                    }
                }
                Turn::Settle(record) => {
                    if let Some(parent) = parents.get_mut(&release.name) {
                        remember(parent, record);
                        run.touched.insert(*index);
                    }
                }
                Turn::Run(_) | Turn::None => {}
            }
        }
        for index in held.keys() {
            self.turns.remove(index);
            run.is_complete[*index] = false;
            run.touched.remove(index);
        }
        for index in waiting {
            self.turns.remove(&index);
            run.is_complete[index] = false;
        }
        let (stopped, steps): (Vec<Step>, Vec<Step>) =
            steps.into_iter().partition(|step| held.contains_key(&step.release));
        stopped.iter().for_each(|step| run.held(step, &held[&step.release]));
        steps
    }

    /// The releases whose hooks are under way from here on, with what their parents are to remember.
    pub fn due(&self) -> impl Iterator<Item = (usize, &HookRecord)> {
        self.turns.iter().filter_map(|(index, turn)| match turn {
            Turn::Run(record) => Some((*index, record)),
            _ => None,
        })
    }

    /// The releases whose parents are written before anything is run or applied.
    pub fn touched(&self) -> impl Iterator<Item = usize> {
        self.due().map(|(index, _)| index).chain(self.parentless.iter().copied())
    }

    /// The ids of the hooks that may run, whose namespaces have to be there.
    pub fn ids<'t>(&self, tree: &'t Tree) -> Vec<&'t ObjectId> {
        let releases = self.due().map(|(index, _)| &tree.desired.releases[index]);
        releases.flat_map(|release| release.hooks.iter().map(|hook| &release.objects[hook.object].id)).collect()
    }

    /// Writes down that hooks begin.
    pub fn begin(&self, index: usize, parent: &mut Parent) {
        if let Some(Turn::Run(record)) = self.turns.get(&index) {
            remember(parent, record);
        }
    }

    fn waits(&self, index: usize) -> bool {
        matches!(self.turns.get(&index), Some(Turn::Run(record)) if record.phase == HookPhase::Pre)
    }

    /// Steps that come before any hook, beside the hooks, and after those of their release. Missing namespaces and definitions
    /// come first, as hooks may need them; Helm has `--create-namespace` and crds/ for that.
    pub fn split(
        &self,
        steps: Vec<Step>,
        tree: &Tree,
        known: &Known,
    ) -> (Vec<Step>, Vec<Step>, BTreeMap<usize, Vec<Step>>) {
        let (mut first, mut beside, mut after) = (Vec::new(), Vec::new(), BTreeMap::<usize, Vec<Step>>::new());
        let is_any = self.due().any(|(index, _)| self.waits(index));
        for step in steps {
            let id = &tree.desired.releases[step.release].objects[step.object].id;
            let is_early = matches!(Phase::of(id), Phase::Namespaces | Phase::Definitions);
            let is_missing = !known.live.contains_key(&ShortHash::of_id(id));
            match (is_any && is_early, self.waits(step.release)) {
                (true, false) => first.push(step),
                (true, true) if is_missing => first.push(step),
                (_, true) => after.entry(step.release).or_default().push(step),
                (false, false) => beside.push(step),
            }
        }
        (first, beside, after)
    }

    fn shared(&self, client: &Client, discovery: &Arc<Discovery>, preempt: &Arc<AtomicBool>) -> Shared {
        let timeout = self.options.hook_timeout.unwrap_or(HOOK_TIMEOUT);
        Shared { client: client.clone(), discovery: discovery.clone(), preempt: preempt.clone(), timeout }
    }

    /// The hooks of a phase of those releases that are at it and that `picks`.
    fn batches(&self, tree: &Tree, phase: HookPhase, picks: impl Fn(usize) -> bool) -> Vec<Batch> {
        let mut batches = Vec::new();
        for (index, record) in self.due().filter(|(index, record)| record.phase == phase && picks(*index)) {
            let release = &tree.desired.releases[index];
            let Some(event) = record.hook_event() else { continue };
            let hooks = of_event(release, event).into_iter().map(|hook| Ready {
                id: release.objects[hook.object].id.clone(),
                rules: hook.rules.clone(),
                node: tree.object(index, hook.object).map_err(|error| error.message),
            });
            batches.push(Batch {
                release: release.name.clone(),
                set: release.set.clone(),
                event,
                stamp: record.stamp(&format!("{}/{}", tree.desired.environment, release.name)),
                hooks: hooks.collect(),
            });
        }
        batches
    }

    /// Starts the hooks that come before the objects of their releases.
    pub fn start(&self, context: &Context, preempt: &Arc<AtomicBool>) -> Running {
        let shared = self.shared(&context.client, &context.discovery, preempt);
        Running::start(&shared, self.batches(&context.tree, HookPhase::Pre, |_| true))
    }

    /// The hooks of a phase of a release ended: that is remembered. Whether its objects may follow.
    ///
    /// # Errors
    /// The parent cannot be written.
    pub async fn ended(
        &mut self,
        client: &Client,
        run: &mut Run<'_, '_>,
        parents: &mut BTreeMap<String, Parent>,
        name: &str,
        result: Result<(), Stop>,
    ) -> Result<(usize, Option<String>), Failure> {
        let environment = run.tree.desired.environment.clone();
        let index = run.tree.desired.releases.iter().position(|release| release.name == name).unwrap_or_default();
        let (Some(Turn::Run(record)), Some(parent)) = (self.turns.get_mut(&index), parents.get_mut(name)) else {
            return Ok((index, None));
        };
        let why = step(record, result);
        let is_failed = why.is_some();
        if is_failed {
            run.hook_failures.insert(index);
            run.stopped.insert(index);
            parent.status.insert(STATE_KEY.into(), "partial".into());
        }
        remember(parent, record);
        if is_failed {
            self.turns.remove(&index);
        }
        // What was to be applied is no longer known for certain, until the record at the end.
        match parent.write(client, &environment).await {
            // The gate is closed: what is remembered is that the hooks are under way, which is so.
            Err(Failure::Stopped) => Ok((index, Some(why.unwrap_or_else(|| "kcfg stops".to_owned())))),
            result => result.map(|()| (index, why)),
        }
    }

    /// Notes which releases are applied, and what of their delete hooks has to be kept.
    pub async fn keep(&mut self, client: &Client, run: &mut Run<'_, '_>, parents: &mut BTreeMap<String, Parent>) {
        self.applied.clone_from(&run.is_complete);
        let tree = run.tree.clone();
        for (index, release) in tree.desired.releases.iter().enumerate().filter(|(index, _)| self.applied[*index]) {
            let Some(parent) = parents.get_mut(&release.name) else { continue };
            let hooks = of_deletion(release);
            let record = record_of(Some(parent));
            let kept = record.as_ref().and_then(|record| record.kept.clone());
            let parts: Vec<&[u8]> = hooks.iter().map(|hook| &release.objects[hook.object].content.0[..]).collect();
            let wanted = (!parts.is_empty()).then(|| HEXLOWER.encode(&ShortHash::of(&parts).0));
            if kept == wanted {
                continue;
            }
            let objects = hooks.iter().map(|hook| tree.object(index, hook.object).map_err(|error| error.message));
            let objects: Result<Vec<Node>, String> = objects.collect();
            let result = match objects {
                Ok(objects) if objects.is_empty() => {
                    forget(client, parent).await.map_err(|failure| failure.to_string())
                }
                Ok(objects) => write_kept(client, parent, &tree.desired.environment, &objects).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(()) => {
                    let done = HookRecord {
                        phase: HookPhase::Done,
                        ..HookRecord::new(&release.digest, Event::Install, now())
                    };
                    remember(
                        parent,
                        &HookRecord {
                            kept: wanted.clone(),
                            ..record.filter(|record| record.event != Event::Delete).unwrap_or(done)
                        },
                    );
                    if let Some(Turn::Run(record) | Turn::Wait(record, _)) = self.turns.get_mut(&index) {
                        record.kept = wanted;
                    }
                    run.touched.insert(index);
                }
                Err(error) => {
                    let id = &release.objects[hooks.first().map_or(0, |hook| hook.object)].id;
                    let why = format!("the delete hooks of the release cannot be kept: {error}");
                    run.note(&release.name, id, Outcome::Failed, why);
                }
            }
        }
    }

    /// Runs the hooks that come after the objects of releases that are applied.
    ///
    /// # Errors
    /// A parent cannot be written.
    pub async fn finish(
        &mut self,
        client: &Client,
        discovery: &Arc<Discovery>,
        preempt: &Arc<AtomicBool>,
        run: &mut Run<'_, '_>,
        parents: &mut BTreeMap<String, Parent>,
    ) -> Result<(), Failure> {
        let batches = self.batches(&run.tree, HookPhase::Post, |index| self.applied[index]);
        let mut running = Running::start(&self.shared(client, discovery, preempt), batches);
        while let Some((name, result)) = running.next(run).await {
            self.ended(client, run, parents, &name, result).await?;
        }
        Ok(())
    }

    /// Runs the hooks that come before the deletion of releases that are gone, and holds those whose hooks fail.
    ///
    /// # Errors
    /// A parent cannot be written, or kept hooks cannot be read.
    pub async fn before_deletes(
        &mut self,
        shared: (&Client, &Arc<Discovery>, &Arc<AtomicBool>),
        run: &mut Run<'_, '_>,
        parents: &mut BTreeMap<String, Parent>,
        known: &Known,
        departures: &mut [Departure],
    ) -> Result<(), Failure> {
        let (client, discovery, preempt) = shared;
        let environment = run.tree.desired.environment.clone();
        let mut batches = Vec::new();
        for name in gone(run, parents, known) {
            let Some(parent) = parents.get_mut(&name) else { continue };
            let Some(mut record) = record_of(Some(parent)).filter(|r| r.kept.is_some()) else { continue };
            if parent.inventory.entries.keys().any(|key| run.wanted.contains(key)) {
                let what = "its delete hooks are not run: another release took over objects of it";
                run.report.findings.push((Some(name.clone()), Diagnostic::warning(what)));
                forget(client, parent).await?;
                remember(parent, &HookRecord { kept: None, ..record });
                parent.write(client, &environment).await?;
                continue;
            }
            let is_held = |departure: &&Departure| departure.release == name && matches!(departure.end, End::Hold(_));
            let mut is_waiting = departures.iter().find(is_held).is_some();
            let is_any = known.suspensions.in_force(known.now).next().is_some();
            if !is_waiting && is_any && is_suspended(parent, &kept(client, parent).await?, known) {
                hold(departures, &name, &HoldReason::Suspended);
                is_waiting = true;
            }
            if is_waiting {
                self.staying.insert(name);
                continue;
            }
            if record.event != Event::Delete {
                let digest = parent.inventory.digest.clone().unwrap_or_default();
                record = HookRecord { kept: record.kept, ..HookRecord::new(&digest, Event::Delete, now()) };
            }
            match record.turn(self.asked) {
                Turn::Run(record) => {
                    if record.phase == HookPhase::Pre {
                        remember(parent, &record);
                        parent.write(client, &environment).await?;
                        batches.push(kept_batch(client, parent, &environment, &record).await?);
                    }
                    self.leaving.insert(name, record);
                }
                Turn::Wait(record, why) => {
                    if let Ok(id) = record.hook.parse() {
                        let secret = secret_name(parent);
                        let way = format!("`kubectl delete secret -n {OWN_NAMESPACE} {secret}` lets it go without");
                        run.note(&name, &id, Outcome::Failed, format!("{why}; {way}"));
                    }
                    // Without the Secret there is nothing left to run.
                    hold(departures, &name, &HoldReason::Hook(format!("{} failed", hook_name(&record))));
                    self.staying.insert(name);
                }
                _ => {}
            }
        }
        let mut running = Running::start(&self.shared(client, discovery, preempt), batches);
        while let Some((name, result)) = running.next(run).await {
            let (Some(record), Some(parent)) = (self.leaving.get_mut(&name), parents.get_mut(&name)) else { continue };
            let why = step(record, result);
            remember(parent, record);
            parent.write(client, &environment).await?;
            if let Some(why) = why {
                hold(departures, &name, &HoldReason::Hook(why));
                self.leaving.remove(&name);
                self.staying.insert(name);
            }
        }
        Ok(())
    }

    /// Runs the hooks that come after the deletion of a release, once nothing of it is left.
    ///
    /// # Errors
    /// A parent cannot be written, or kept hooks cannot be read.
    pub async fn after_deletes(
        &mut self,
        shared: (&Client, &Arc<Discovery>, &Arc<AtomicBool>),
        run: &mut Run<'_, '_>,
        parents: &mut BTreeMap<String, Parent>,
        left: &[Departure],
    ) -> Result<(), Failure> {
        let (client, discovery, preempt) = shared;
        let environment = run.tree.desired.environment.clone();
        let mut batches = Vec::new();
        for (name, record) in &self.leaving {
            let Some(parent) = parents.get(name) else { continue };
            if left.iter().any(|departure| departure.release == *name) {
                self.staying.insert(name.clone());
                continue;
            }
            batches.push(kept_batch(client, parent, &environment, record).await?);
        }
        let mut running = Running::start(&self.shared(client, discovery, preempt), batches);
        while let Some((name, result)) = running.next(run).await {
            let (Some(record), Some(parent)) = (self.leaving.get_mut(&name), parents.get_mut(&name)) else { continue };
            if step(record, result).is_none() {
                forget(client, parent).await?;
                continue;
            }
            remember(parent, record);
            parent.write(client, &environment).await?;
            self.staying.insert(name);
        }
        Ok(())
    }

    /// Whether the parent of a release that is gone has to stay for its hooks.
    pub fn keeps(&self, name: &str) -> bool {
        self.staying.contains(name)
    }
}

/// Takes down how hooks ended; why what comes after them has to wait, if it has to.
fn step(record: &mut HookRecord, result: Result<(), Stop>) -> Option<String> {
    let word = record.hook_event().map_or("", HookEvent::word);
    match result {
        Ok(()) => {
            record.advance();
            None
        }
        Err(Stop { id, is_interrupted: true, .. }) => Some(format!("its {word} hook {id} has not ended")),
        Err(Stop { id, why, .. }) => {
            record.fail(&id, &why, now());
            Some(format!("its {word} hook {id} failed"))
        }
    }
}

fn hook_name(record: &HookRecord) -> String {
    format!("its {} hook {}", record.hook_event().map_or("", HookEvent::word), record.hook)
}

fn hold(departures: &mut [Departure], name: &str, why: &HoldReason) {
    for departure in departures.iter_mut().filter(|departure| departure.release == name) {
        if matches!(departure.end, End::Delete | End::Release(_)) {
            departure.end = End::Hold(why.clone());
        }
    }
}

/// Releases that left the tree and of which everything may go.
fn gone(run: &Run<'_, '_>, parents: &BTreeMap<String, Parent>, known: &Known) -> Vec<String> {
    let desired = &run.tree.desired;
    let is_certain = known.unlisted.is_empty() && known.uncertain.is_none();
    if !is_certain || !desired.is_complete || !desired.refused.is_empty() || run.is_any_hindered() {
        return Vec::new();
    }
    let is_there = |name: &String| desired.releases.iter().any(|release| release.name == *name);
    parents.keys().filter(|name| !is_there(name)).cloned().collect()
}

fn secret_name(parent: &Parent) -> String {
    format!("{}-hooks", parent.name)
}

fn secret_path(parent: &Parent) -> String {
    format!("/api/v1/namespaces/{OWN_NAMESPACE}/secrets/{}", segment(&secret_name(parent)))
}

/// Keeps delete hooks: in a Secret, since some of them may be Secrets.
async fn write_kept(client: &Client, parent: &Parent, environment: &str, objects: &[Node]) -> Result<(), String> {
    let text = serde_json::to_string(objects).map_err(|error| error.to_string())?;
    if text.len() > KEPT_BYTES_MAX {
        return Err(format!("they have {} bytes; {KEPT_BYTES_MAX} can be kept (KEPT_BYTES_MAX)", text.len()));
    }
    let name = secret_name(parent);
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": OWN_NAMESPACE,
            "labels": {PARENT_LABEL: parent::environment_label(environment)},
        },
        "type": "kcfg.dev/hooks",
        "data": {KEPT_KEY: BASE64.encode(text.as_bytes())},
    });
    let path = format!("{}?fieldManager={FIELD_MANAGER}&force=true", secret_path(parent));
    let id = ObjectId {
        group: "".into(),
        kind: "Secret".into(),
        namespace: Some(OWN_NAMESPACE.into()),
        name: name.as_str().into(),
    };
    let sent = client.send(&Call::patch(path, APPLY_PATCH, secret.to_string().into_bytes())).await;
    sent.map(drop).map_err(|failure| apply::explain(&failure, &id))
}

fn id_of(node: &Node) -> Option<ObjectId> {
    let text = |path: &[&str]| node.at(path).and_then(Node::as_str);
    Some(ObjectId {
        group: group_of(text(&["apiVersion"])?).into(),
        kind: text(&["kind"])?.into(),
        namespace: text(&["metadata", "namespace"]).map(Into::into),
        name: text(&["metadata", "name"])?.into(),
    })
}

async fn forget(client: &Client, parent: &Parent) -> Result<(), Failure> {
    match client.send(&Call::delete(secret_path(parent), Vec::new())).await {
        Ok(_) | Err(Failure::Refused { code: 404, .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Whether a release that is gone is suspended, or one of its delete hooks is.
fn is_suspended(parent: &Parent, hooks: &[Node], known: &Known) -> bool {
    let Known { suspensions, now, .. } = known;
    let is_covered =
        |node: &Node| id_of(node).is_some_and(|id| suspensions.covers(&parent.release, &id, *now).is_some());
    suspensions.covers_release(&parent.release, *now).is_some() || hooks.iter().any(is_covered)
}

/// The delete hooks that were kept. None where somebody deleted the Secret.
async fn kept(client: &Client, parent: &Parent) -> Result<Vec<Node>, Failure> {
    match client.send(&Call::get(secret_path(parent), Accept::Json)).await {
        Ok(answer) => {
            let secret: Value = answer.json()?;
            let bytes = secret["data"][KEPT_KEY].as_str().and_then(|text| BASE64.decode(text.as_bytes()).ok());
            // serde's own words could quote a value.
            let unreadable = |_| Failure::Unreadable(format!("the Secret {} was changed", secret_name(parent)));
            serde_json::from_slice::<Vec<Node>>(&bytes.unwrap_or_default()).map_err(unreadable)
        }
        Err(Failure::Refused { code: 404, .. }) => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

/// Those of an event among them, in their order.
fn of_kept(objects: Vec<Node>, event: HookEvent) -> Vec<Ready> {
    let mut hooks: Vec<Ready> = objects
        .into_iter()
        .filter_map(|node| {
            let rules = HookRules::of(&node).filter(|rules| rules.events.contains(&event))?;
            Some(Ready { id: id_of(&node)?, rules, node: Ok(node) })
        })
        .collect();
    hooks.sort_by(|a, b| rank(a.rules.weight, &a.id).cmp(&rank(b.rules.weight, &b.id)));
    hooks
}

/// The kept hooks of the phase at hand.
async fn kept_batch(
    client: &Client,
    parent: &Parent,
    environment: &str,
    record: &HookRecord,
) -> Result<Batch, Failure> {
    let event = record.hook_event().unwrap_or(HookEvent::PreDelete);
    let hooks = of_kept(kept(client, parent).await?, event);
    let stamp = record.stamp(&format!("{environment}/{}", parent.release));
    Ok(Batch { release: parent.release.clone(), set: parent.inventory.set.clone(), event, stamp, hooks })
}
