//! The hooks of one release and one event: made one after the other, Jobs and Pods waited for, deleted by their policies, as
//! Helm does it. Hooks of many releases run at the same time.
//!
//! Each carries an annotation that says which run it is of: after a restart a Job that is under way is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::manifest::prune::{Fate, fate};
use crate::manifest::{GENERATED_ANNOTATION, HOOK_ANNOTATION, HookEvent, HookRules, ObjectId};
use crate::yaml::{Entry, Map, Node};

use super::apply::{self, ApplyOptions};
use super::client::{Accept, Call, Client, Failure};
use super::discovery::{Discovery, Resource};
use super::parent::PART_OF_LABEL;
use super::run::Run;
use super::{Outcome, order, prune};

/// How long one hook may take, where `--timeout` does not say: Helm's default.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(300);
/// The annotation of a hook's object that says which run it is of.
pub const HOOK_RUN_ANNOTATION: &str = "kcfg.dev/hook-run";
/// The first pause between two looks at a hook; each further one is half as long again.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// A hook, ready to be made.
#[derive(Debug)]
pub struct Ready {
    /// Its id.
    pub id: ObjectId,
    /// How it is run.
    pub rules: HookRules,
    /// Its object, or why that cannot be read.
    pub node: Result<Node, String>,
}

/// Hooks of one release and one event, in their order.
#[derive(Debug)]
pub struct Batch {
    /// The release.
    pub release: String,
    /// The id of its ApplySet.
    pub set: String,
    /// When they run.
    pub event: HookEvent,
    /// Which run it is.
    pub stamp: String,
    /// The hooks.
    pub hooks: Vec<Ready>,
}

/// Why hooks did not all run.
#[derive(Debug, Clone)]
pub struct Stop {
    /// The hook.
    pub id: ObjectId,
    /// Why, as a sentence begins with its event.
    pub why: String,
    /// Whether it was not the hook that failed: there is something newer to do, or the process ends.
    pub is_interrupted: bool,
}

/// What all hooks of a synchronisation share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The connection.
    pub client: Client,
    /// What the server serves.
    pub discovery: Arc<Discovery>,
    /// Set where there is something newer to do.
    pub preempt: Arc<AtomicBool>,
    /// How long one hook may take.
    pub timeout: Duration,
}

type Line = (String, ObjectId, Outcome, String);

/// Hooks of many releases under way.
pub struct Running {
    tasks: JoinSet<(String, Result<(), Stop>)>,
    sender: mpsc::UnboundedSender<Line>,
    lines: mpsc::UnboundedReceiver<Line>,
}

impl Running {
    /// Starts them.
    pub fn start(shared: &Shared, batches: Vec<Batch>) -> Running {
        let (sender, lines) = mpsc::unbounded_channel();
        let mut running = Running { tasks: JoinSet::new(), sender, lines };
        for batch in batches {
            let (shared, sender) = (shared.clone(), running.sender.clone());
            running.tasks.spawn(async move {
                let result = all(&shared, &batch, &sender).await;
                (batch.release, result)
            });
        }
        running
    }

    /// Notes what happened so far.
    pub fn tell(&mut self, run: &mut Run<'_, '_>) {
        while let Ok((release, id, outcome, reason)) = self.lines.try_recv() {
            run.note(&release, &id, outcome, reason);
        }
    }

    /// The next release whose hooks ended, and how; what happens until then is noted.
    pub async fn next(&mut self, run: &mut Run<'_, '_>) -> Option<(String, Result<(), Stop>)> {
        loop {
            tokio::select! {
                biased;
                Some((release, id, outcome, reason)) = self.lines.recv() => run.note(&release, &id, outcome, reason),
                ended = self.tasks.join_next() => {
                    self.tell(run);
                    return match ended? {
                        Ok(ended) => Some(ended),
                        // Tasks are never cancelled, so this one panicked: a mistake of ours, which must not be hidden.
                        Err(error) => std::panic::resume_unwind(error.into_panic()),
                    };
                }
            }
        }
    }
}

/// Runs the hooks of a batch.
async fn all(shared: &Shared, batch: &Batch, lines: &mpsc::UnboundedSender<Line>) -> Result<(), Stop> {
    let word = batch.event.word();
    let say = |hook: &Ready, outcome, reason| {
        // Nobody listens once the synchronisation is over.
        let _ = lines.send((batch.release.clone(), hook.id.clone(), outcome, reason));
    };
    for (place, hook) in batch.hooks.iter().enumerate() {
        let begin = Instant::now();
        let ended = one(shared, batch, hook, || say(hook, Outcome::Started, format!("{word} hook"))).await;
        let (error, is_interrupted) = match ended {
            Ok(()) => {
                say(hook, Outcome::Ran, format!("{word} hook, {:.1} s", begin.elapsed().as_secs_f64()));
                continue;
            }
            Err(End::Interrupted(why)) => (why.to_owned(), true),
            Err(End::Failed(error)) => (error, false),
        };
        let why = format!("{word} hook: {error}");
        say(hook, if is_interrupted { Outcome::Unready } else { Outcome::Failed }, why);
        if !is_interrupted {
            if hook.rules.deletes_failed {
                remove(shared, batch, hook).await;
            }
            for done in batch.hooks[..place].iter().filter(|done| done.rules.deletes_succeeded) {
                remove(shared, batch, done).await;
            }
        }
        return Err(Stop { id: hook.id.clone(), why: error, is_interrupted });
    }
    for done in batch.hooks.iter().rev().filter(|done| done.rules.deletes_succeeded) {
        remove(shared, batch, done).await;
    }
    Ok(())
}

/// How a hook ended that did not succeed.
enum End {
    Failed(String),
    Interrupted(&'static str),
}

impl Shared {
    fn interruption(&self) -> Option<&'static str> {
        if !self.client.gate().is_open() {
            Some("its end was not waited for: kcfg stops; the next run goes on with it")
        } else if self.preempt.load(Ordering::Relaxed) {
            Some("its end was not waited for: there is a newer commit")
        } else {
            None
        }
    }

    fn fail(&self, failure: &Failure, id: &ObjectId) -> End {
        match failure {
            Failure::Stopped => End::Interrupted("it was not run: kcfg stops; the next run goes on with it"),
            failure => End::Failed(apply::explain(failure, id)),
        }
    }

    async fn get(&self, resource: &Resource, id: &ObjectId) -> Result<Option<Value>, Failure> {
        match self.client.send(&Call::get(resource.path(id), Accept::Json)).await {
            Ok(answer) => answer.json().map(Some),
            Err(Failure::Refused { code: 404, .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

async fn one(shared: &Shared, batch: &Batch, hook: &Ready, started: impl Fn()) -> Result<(), End> {
    let Shared { client, discovery, .. } = shared;
    let id = &hook.id;
    if let Some(why) = shared.interruption() {
        return Err(End::Interrupted(why));
    }
    let mut node = hook.node.clone().map_err(End::Failed)?;
    if node.get("sops").is_some_and(|sops| sops.as_map().is_some()) {
        return Err(End::Failed("it is encrypted by SOPS, which kcfg does not decrypt".to_owned()));
    }
    let (resource, version) = apply::resource_of(discovery, id, &node).map_err(End::Failed)?;
    let deadline = Instant::now() + shared.timeout;
    let there = shared.get(resource, id).await.map_err(|failure| shared.fail(&failure, id))?;
    let mut options = ApplyOptions { forces: true, is_dry_run: false };
    if let Some(there) = there {
        let text = |path: &str| there.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let uid = text("/metadata/uid");
        let run = there.pointer("/metadata/annotations").and_then(|all| all.get(HOOK_RUN_ANNOTATION));
        let owner = there.pointer("/metadata/labels").and_then(|all| all.get(PART_OF_LABEL)).and_then(Value::as_str);
        let is_going = !text("/metadata/deletionTimestamp").is_empty();
        if let Some(owner) = owner.filter(|owner| *owner != batch.set) {
            return Err(End::Failed(format!("an object of this name belongs to the ApplySet {owner}")));
        }
        if run.and_then(Value::as_str) == Some(&batch.stamp) && !is_going {
            started();
            return ended(shared, resource, id, deadline).await;
        }
        if is_kept(id, |name| there.pointer("/metadata/annotations").and_then(|all| all.get(name)?.as_str())) {
            // What nothing brings back is not deleted, and not taken from whoever owns it.
            options.forces = false;
        } else if hook.rules.deletes_before || is_going {
            let is_gone = prune::delete(client, resource, id, uid).await.map_err(|f| shared.fail(&f, id))?
                || prune::wait_gone(client, resource, id, uid).await;
            if !is_gone {
                let why = "what is there of it from before is deleted, and not gone yet: a finalizer holds it";
                return Err(shared.interruption().map_or_else(|| End::Failed(why.to_owned()), End::Interrupted));
            }
        } else {
            return Err(End::Failed(
                "it is there already, and its delete policy lacks before-hook-creation".to_owned(),
            ));
        }
    }
    mark(&mut node, &batch.stamp);
    started();
    if node.at(&["metadata", "annotations", GENERATED_ANNOTATION]).is_some() {
        order::fill(client, &resource.path_in(&version, id), &node, false).await.map_err(End::Failed)?;
    }
    apply::send(client, resource, &version, id, &node, options).await.map_err(|failure| shared.fail(&failure, id))?;
    ended(shared, resource, id, deadline).await
}

/// Waits for the end of a Job or Pod; anything else is done once it is there.
async fn ended(shared: &Shared, resource: &Resource, id: &ObjectId, deadline: Instant) -> Result<(), End> {
    if !matches!((&*id.group, &*id.kind), ("batch", "Job") | ("", "Pod")) {
        return Ok(());
    }
    let mut pause = PAUSE;
    loop {
        if let Some(why) = shared.interruption() {
            return Err(End::Interrupted(why));
        }
        match shared.get(resource, id).await {
            Ok(Some(object)) => match progress(&object) {
                Progress::Runs => {}
                Progress::Succeeded => return Ok(()),
                Progress::Failed(why) => return Err(End::Failed(why)),
            },
            Ok(None) => return Err(End::Failed("somebody deleted it before it ended".to_owned())),
            Err(Failure::Refused { code: 401 | 403, message, .. }) => return Err(End::Failed(message)),
            // A server that is down for a while is no failure of the hook.
            Err(_) => {}
        }
        if Instant::now() >= deadline {
            return Err(End::Failed(format!("it did not end within {} s", shared.timeout.as_secs())));
        }
        let until = Instant::now() + pause;
        while Instant::now() < until.min(deadline) && shared.interruption().is_none() {
            tokio::time::sleep(PAUSE.min(until.saturating_duration_since(Instant::now()))).await;
        }
        pause = pause.mul_f64(1.5).min(PAUSE_MAX);
    }
}

/// Deletes a hook's object as a policy says. That it could not be deleted is no failure of the hook; the next run deletes it
/// first, or says that it is there.
async fn remove(shared: &Shared, batch: &Batch, hook: &Ready) {
    let Some(resource) = shared.discovery.get(&hook.id.group, &hook.id.kind) else { return };
    let Ok(Some(there)) = shared.get(resource, &hook.id).await else { return };
    let annotation = |name: &str| there.pointer("/metadata/annotations").and_then(|all| all.get(name)?.as_str());
    let is_ours = annotation(HOOK_RUN_ANNOTATION) == Some(&batch.stamp);
    let uid = there.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
    if is_ours && !is_kept(&hook.id, annotation) {
        let _ = prune::delete(&shared.client, resource, &hook.id, uid).await;
    }
}

/// Whether nothing but a person deletes the object: as for members, but for what their being hooks says.
fn is_kept<'a>(id: &ObjectId, annotation: impl Fn(&str) -> Option<&'a str>) -> bool {
    let annotation = |name: &str| if name == HOOK_ANNOTATION { None } else { annotation(name) };
    fate(id, annotation) != Fate::Deleted
}

/// Writes down which run a hook's object is of.
fn mark(node: &mut Node, stamp: &str) {
    let Some(root) = node.as_map_mut() else { return };
    let metadata = root.entry("metadata".into()).or_insert_with(|| Entry::new(Map::default()));
    let Some(metadata) = metadata.node.as_map_mut() else { return };
    let annotations = metadata.entry("annotations".into()).or_insert_with(|| Entry::new(Map::default()));
    if let Some(annotations) = annotations.node.as_map_mut() {
        annotations.insert(HOOK_RUN_ANNOTATION.into(), Entry::new(stamp));
    }
}

/// How far a Job or a Pod is.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Runs,
    Succeeded,
    Failed(String),
}

/// By the rules of Helm's `WatchUntilReady`.
fn progress(object: &Value) -> Progress {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let said = |what: &str, value: &Value| {
        let parts = [text(value, "reason"), text(value, "message")];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Progress::Failed(std::iter::once(what.to_owned()).chain(parts).collect::<Vec<_>>().join(": "))
    };
    let status = &object["status"];
    if object["kind"] == "Pod" {
        return match status["phase"].as_str() {
            Some("Succeeded") => Progress::Succeeded,
            Some("Failed") => said("the Pod failed", status),
            _ => Progress::Runs,
        };
    }
    for condition in status["conditions"].as_array().into_iter().flatten().filter(|c| c["status"] == "True") {
        match condition["type"].as_str() {
            Some("Complete") => return Progress::Succeeded,
            Some("Failed") => return said("the Job failed", condition),
            _ => {}
        }
    }
    Progress::Runs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn jobs_and_pods_end_as_their_status_says() {
        let job = |conditions: Value| json!({"kind": "Job", "status": {"conditions": conditions}});
        let failed =
            json!({"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"});
        let table = [
            (json!({"kind": "Job"}), Progress::Runs),
            (job(json!([{"type": "Complete", "status": "False"}])), Progress::Runs),
            (job(json!([{"type": "FailureTarget", "status": "True"}])), Progress::Runs),
            (job(json!([{"type": "Complete", "status": "True"}])), Progress::Succeeded),
            (job(json!([failed])), Progress::Failed("the Job failed: BackoffLimitExceeded: too often".into())),
            (json!({"kind": "Pod", "status": {"phase": "Running"}}), Progress::Runs),
            (json!({"kind": "Pod", "status": {"phase": "Succeeded"}}), Progress::Succeeded),
            (json!({"kind": "Pod", "status": {"phase": "Failed"}}), Progress::Failed("the Pod failed".into())),
        ];
        for (object, expected) in table {
            assert_eq!(progress(&object), expected, "{object}");
        }
    }

    #[test]
    fn what_nothing_brings_back_is_kept_though_it_is_a_hook() {
        let kept = |id: &str, name: &'static str, value: &'static str| {
            is_kept(&id.parse().expect("an id"), |asked| (asked == name).then_some(value))
        };
        assert!(!kept("batch/Job/shop/a", HOOK_ANNOTATION, "pre-install"));
        assert!(kept("core/PersistentVolumeClaim/shop/a", HOOK_ANNOTATION, "pre-install"));
        assert!(!kept("core/PersistentVolumeClaim/shop/a", "kcfg.dev/prune", "enabled"));
        assert!(kept("core/Secret/shop/a", "helm.sh/resource-policy", "keep"));
    }
}
