//! Health of a live object: its JSON → what state it is in, and why.
//!
//! The rules are those of kstatus (sigs.k8s.io/cli-utils, pkg/kstatus/status), which Flux and kpt wait by: first what all
//! objects have in common (a deletion timestamp, an observed generation, the conditions `Reconciling` and `Stalled`), then
//! rules for built-in kinds, then the condition `Ready`. What has none of these is current.
//!
//! Pure: the caller fetches the object and gives the time. Absent: pods behind a Deployment, which kstatus does not look
//! at here either; a rollout that makes no progress fails by its own deadline.

use std::fmt;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// How long a pod may be unscheduled before it counts as failed.
pub const SCHEDULE_WINDOW: SignedDuration = SignedDuration::from_secs(15);
/// What a Deployment without a deadline has in its place: the API server's largest.
const NO_PROGRESS_DEADLINE: i64 = i32::MAX as i64;

/// The states of kstatus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthState {
    /// The controllers have made what the object asks for.
    Current,
    /// They are at it.
    InProgress,
    /// They say that they cannot.
    Failed,
    /// Deleted, and waiting for its finalizers or its grace period.
    Terminating,
    /// There is no such object.
    NotFound,
    /// The object is not of the shape that its kind has.
    Unknown,
}

impl fmt::Display for HealthState {
    /// The name that kstatus gives it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What state an object is in, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The state.
    pub state: HealthState,
    /// Why, in a few words; a controller's own where it has some.
    pub message: String,
}

impl Health {
    /// The health of an object as the API server gives it, with its status; none is an object that is not there.
    pub fn of(object: Option<&Value>, now: Timestamp) -> Health {
        let Some(object) = object else { return Health::new(HealthState::NotFound, "there is no such object") };
        Object(object).health(now).unwrap_or_else(|problem| Health::new(HealthState::Unknown, problem))
    }

    /// Whether waiting for the object is over, well or badly. Where it is not there, that is for the caller to say.
    pub fn is_final(&self) -> bool {
        matches!(self.state, HealthState::Current | HealthState::Failed)
    }

    fn new(state: HealthState, message: impl Into<String>) -> Health {
        Health { state, message: message.into() }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.state, self.message)
    }
}

fn current(message: impl Into<String>) -> Health {
    Health::new(HealthState::Current, message)
}

fn in_progress(message: impl Into<String>) -> Health {
    Health::new(HealthState::InProgress, message)
}

fn failed(message: impl Into<String>) -> Health {
    Health::new(HealthState::Failed, message)
}

/// A condition of a status; what is absent is empty.
struct Condition<'a> {
    kind: &'a str,
    status: &'a str,
    reason: &'a str,
    message: &'a str,
}

impl Condition<'_> {
    fn is(&self, kind: &str, status: &str) -> bool {
        self.kind == kind && self.status == status
    }
}

/// A live object. Errors are of what cannot be: a field of another type than the API server's.
struct Object<'a>(&'a Value);

impl<'a> Object<'a> {
    fn health(&self, now: Timestamp) -> Result<Health, String> {
        if let Some(health) = self.generic()? {
            return Ok(health);
        }
        let api_version = self.text("/apiVersion").unwrap_or_default();
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        match (group, self.text("/kind").unwrap_or_default()) {
            ("", "Secret" | "ConfigMap") | ("batch", "CronJob") => Ok(current("always ready")),
            ("", "Service") => Ok(self.service()),
            ("", "Pod") => self.pod(now),
            ("", "PersistentVolumeClaim") => Ok(self.persistent_volume_claim()),
            ("apps", "StatefulSet") => Ok(self.stateful_set()),
            ("apps" | "extensions", "DaemonSet") => self.daemon_set(),
            ("apps" | "extensions", "Deployment") => self.deployment(),
            ("apps" | "extensions", "ReplicaSet") => self.replica_set(),
            ("policy", "PodDisruptionBudget") => Ok(current("the allowed disruptions have been computed")),
            ("batch", "Job") => self.job(),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => self.custom_resource_definition(),
            _ => Ok(self.ready_condition()?.unwrap_or_else(|| current("the object is current"))),
        }
    }

    /// What all kinds have in common; none where it decides nothing.
    fn generic(&self) -> Result<Option<Health>, String> {
        if !self.typed("/metadata/deletionTimestamp", "text", Value::as_str)?.unwrap_or_default().is_empty() {
            return Ok(Some(Health::new(HealthState::Terminating, "the object is being deleted")));
        }
        if let (Some(generation), Some(observed)) = self.generations()?
            && generation != observed
        {
            let message = format!("the generation is {generation}, the controller has seen {observed}");
            return Ok(Some(in_progress(message)));
        }
        Ok(self.conditions()?.iter().find_map(|condition| match condition {
            c if c.is("Reconciling", "True") => Some(in_progress(c.message)),
            c if c.is("Stalled", "True") => Some(failed(c.message)),
            _ => None,
        }))
    }

    fn generations(&self) -> Result<(Option<i64>, Option<i64>), String> {
        let number = |pointer| self.typed(pointer, "a whole number", Value::as_i64);
        let Some(generation) = number("/metadata/generation")? else { return Ok((None, None)) };
        Ok((Some(generation), number("/status/observedGeneration")?))
    }

    fn ready_condition(&self) -> Result<Option<Health>, String> {
        let conditions = self.conditions()?;
        Ok(conditions.iter().filter(|c| c.kind == "Ready").find_map(|c| match c.status {
            "True" => Some(current("the object is ready")),
            "False" | "Unknown" => Some(in_progress(c.message)),
            _ => None,
        }))
    }

    fn service(&self) -> Health {
        if self.text("/spec/type") == Some("LoadBalancer") && self.text("/spec/clusterIP").is_none_or(str::is_empty) {
            return in_progress("the Service has no cluster IP");
        }
        current("the Service is ready")
    }

    fn persistent_volume_claim(&self) -> Health {
        match self.text("/status/phase").unwrap_or("unknown") {
            "Bound" => current("the claim is bound"),
            phase => in_progress(format!("the claim is not bound; its phase is {phase}")),
        }
    }

    fn pod(&self, now: Timestamp) -> Result<Health, String> {
        let conditions = self.conditions()?;
        Ok(match self.text("/status/phase").unwrap_or_default() {
            "Succeeded" => current("the pod has completed"),
            "Failed" => current("the pod has completed, without success"),
            "Running" if conditions.iter().any(|c| c.is("Ready", "True")) => current("the pod is ready"),
            "Running" => match self.crash_looping_containers().as_slice() {
                [] => in_progress("the pod runs but is not ready"),
                names => failed(format!("containers crash again and again: {}", names.join(", "))),
            },
            "Pending" => match conditions.iter().find(|c| c.is("PodScheduled", "False")) {
                Some(c) if c.reason == "Unschedulable" => {
                    let created = self.text("/metadata/creationTimestamp").and_then(|text| text.parse().ok());
                    match created.is_some_and(|created: Timestamp| now.duration_since(created) < SCHEDULE_WINDOW) {
                        true => in_progress("the pod has not been scheduled yet"),
                        false => failed("the pod cannot be scheduled"),
                    }
                }
                _ => in_progress("the pod is pending"),
            },
            "" => in_progress("the pod has no phase yet"),
            phase => return Err(format!("unknown phase {phase}")),
        })
    }

    fn crash_looping_containers(&self) -> Vec<&'a str> {
        let containers = self.0.pointer("/status/containerStatuses").and_then(Value::as_array);
        containers
            .into_iter()
            .flatten()
            .filter(|container| {
                container.pointer("/state/waiting/reason").and_then(Value::as_str) == Some("CrashLoopBackOff")
            })
            .filter_map(|container| container.get("name").and_then(Value::as_str))
            .collect()
    }

    fn stateful_set(&self) -> Health {
        if self.text("/spec/updateStrategy/type") == Some("OnDelete") {
            return current("whoever deletes the pods updates them (OnDelete)");
        }
        let wanted = self.number("/spec/replicas", 1);
        let replicas = self.number("/status/replicas", 0);
        let counts = [("replicas", replicas), ("ready", self.number("/status/readyReplicas", 0))];
        if let Some(health) = too_few(wanted, &counts).or_else(|| too_many(wanted, replicas)) {
            return health;
        }
        let updated = self.number("/status/updatedReplicas", 0);
        let partition = self.number("/spec/updateStrategy/rollingUpdate/partition", -1);
        if partition != -1 {
            return too_few(wanted - partition, &[("updated", updated)])
                .unwrap_or_else(|| current(format!("the partition has been rolled out; updated: {updated}")));
        }
        if let Some(health) = too_few(wanted, &[("current", self.number("/status/currentReplicas", 0))]) {
            return health;
        }
        let revision = |pointer| self.text(pointer).unwrap_or_default();
        if revision("/status/currentRevision") != revision("/status/updateRevision") {
            return in_progress("the updated revision is not the current one yet");
        }
        current(format!("all replicas are ready: {replicas}"))
    }

    fn daemon_set(&self) -> Result<Health, String> {
        match self.generations()? {
            (None, _) => return Ok(in_progress("metadata.generation is not there yet")),
            (_, None) => return Ok(in_progress("status.observedGeneration is not there yet")),
            _ => {}
        }
        let wanted = self.number("/status/desiredNumberScheduled", -1);
        if wanted == -1 {
            return Ok(in_progress("status.desiredNumberScheduled is not there yet"));
        }
        let counts = [
            ("current", self.number("/status/currentNumberScheduled", 0)),
            ("updated", self.number("/status/updatedNumberScheduled", 0)),
            ("available", self.number("/status/numberAvailable", 0)),
            ("ready", self.number("/status/numberReady", 0)),
        ];
        Ok(too_few(wanted, &counts).unwrap_or_else(|| current(format!("all replicas are ready: {wanted}"))))
    }

    fn deployment(&self) -> Result<Health, String> {
        // The controller sets `Progressing` only where there is a deadline.
        let deadline = self.number("/spec/progressDeadlineSeconds", NO_PROGRESS_DEADLINE);
        let mut progressed = deadline == NO_PROGRESS_DEADLINE;
        let mut available = false;
        for condition in self.conditions()? {
            match condition.kind {
                "Progressing" if condition.reason == "ProgressDeadlineExceeded" => {
                    return Ok(failed("the progress deadline is exceeded"));
                }
                "Progressing" if condition.status == "True" && condition.reason == "NewReplicaSetAvailable" => {
                    progressed = true;
                }
                "Available" if condition.status == "True" => available = true,
                _ => {}
            }
        }
        let wanted = self.number("/spec/replicas", 1);
        let replicas = self.number("/status/replicas", 0);
        let updated = self.number("/status/updatedReplicas", 0);
        let unfinished = too_few(wanted, &[("replicas", replicas), ("updated", updated)])
            .or_else(|| too_many(wanted, replicas))
            .or_else(|| too_few(updated, &[("available", self.number("/status/availableReplicas", 0))]))
            .or_else(|| too_few(wanted, &[("ready", self.number("/status/readyReplicas", 0))]));
        Ok(match unfinished {
            Some(health) => health,
            None if !progressed => in_progress("the new ReplicaSet is not available"),
            None if !available => in_progress("the Deployment is not available"),
            None => current(format!("the Deployment is available; replicas: {replicas}")),
        })
    }

    fn replica_set(&self) -> Result<Health, String> {
        if self.conditions()?.iter().any(|c| c.is("ReplicaFailure", "True")) {
            return Ok(in_progress("pods cannot be made (ReplicaFailure)"));
        }
        let wanted = self.number("/spec/replicas", 1);
        let replicas = self.number("/status/replicas", 0);
        let counts = [
            ("labelled", self.number("/status/fullyLabeledReplicas", 0)),
            ("available", self.number("/status/availableReplicas", 0)),
            ("ready", self.number("/status/readyReplicas", 0)),
        ];
        Ok(too_few(wanted, &counts)
            .or_else(|| too_many(wanted, replicas))
            .unwrap_or_else(|| current(format!("the ReplicaSet is available; replicas: {replicas}"))))
    }

    /// A Job is current as soon as it has started.
    fn job(&self) -> Result<Health, String> {
        let completions = self.number("/spec/completions", self.number("/spec/parallelism", 1));
        let [succeeded, active, failures] =
            ["/status/succeeded", "/status/active", "/status/failed"].map(|pointer| self.number(pointer, 0));
        let is_suspended = self.0.pointer("/spec/suspend").and_then(Value::as_bool).unwrap_or_default();
        for condition in self.conditions()?.iter().filter(|c| c.status == "True") {
            match condition.kind {
                "Complete" => return Ok(current(format!("the Job has completed: {succeeded} of {completions}"))),
                "Failed" => return Ok(failed(format!("the Job has failed: {failures} of {completions}"))),
                "Suspended" if is_suspended => return Ok(current("the Job is suspended")),
                _ => {}
            }
        }
        Ok(match self.text("/status/startTime").unwrap_or_default() {
            "" => in_progress("the Job has not started"),
            _ => current(format!("the Job runs; succeeded: {succeeded}, active: {active}, failed: {failures}")),
        })
    }

    fn custom_resource_definition(&self) -> Result<Health, String> {
        for condition in self.conditions()? {
            match (condition.kind, condition.status) {
                ("NamesAccepted", "False") => return Ok(failed(condition.message)),
                ("Established", "False") if condition.reason != "Installing" => return Ok(failed(condition.message)),
                ("Established", "True") => return Ok(current("the definition is established")),
                _ => {}
            }
        }
        Ok(in_progress("the definition is being installed"))
    }

    fn conditions(&self) -> Result<Vec<Condition<'a>>, String> {
        let Some(list) = self.typed("/status/conditions", "a list", Value::as_array)? else { return Ok(Vec::new()) };
        list.iter()
            .map(|condition| {
                let text = |key| match condition.get(key) {
                    None | Some(Value::Null) => Ok(""),
                    Some(Value::String(text)) => Ok(text.as_str()),
                    Some(_) => Err(format!("a condition's {key} is not text")),
                };
                Ok(Condition {
                    kind: text("type")?,
                    status: text("status")?,
                    reason: text("reason")?,
                    message: text("message")?,
                })
            })
            .collect()
    }

    /// A field that decides: absent is fine, another type is not.
    fn typed<T>(&self, pointer: &str, form: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, String> {
        match self.0.pointer(pointer) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value)
                .map(Some)
                .ok_or_else(|| format!("{} is not {form}", pointer.trim_start_matches('/').replace('/', "."))),
        }
    }

    /// A field that has a default, also where it is of another type.
    fn number(&self, pointer: &str, default: i64) -> i64 {
        self.0.pointer(pointer).and_then(Value::as_i64).unwrap_or(default)
    }

    fn text(&self, pointer: &str) -> Option<&'a str> {
        self.0.pointer(pointer).and_then(Value::as_str)
    }
}

/// The first count that is below what is wanted.
fn too_few(wanted: i64, counts: &[(&str, i64)]) -> Option<Health> {
    counts
        .iter()
        .find(|(_, count)| wanted > *count)
        .map(|(name, count)| in_progress(format!("{name}: {count} of {wanted}")))
}

fn too_many(wanted: i64, replicas: i64) -> Option<Health> {
    (replicas > wanted).then(|| in_progress(format!("{} pods are still to go", replicas.saturating_sub(wanted))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::HealthState::{Current, Failed, InProgress, NotFound, Terminating, Unknown};
    use super::*;

    const NOW: &str = "2026-01-02T03:04:05Z";

    /// Each row: what the spec and the status are, and what that comes to.
    fn check(api_version: &str, kind: &str, rows: &[(Value, Value, HealthState, &str)]) {
        for (spec, status, state, message) in rows {
            let object = json!({
                "apiVersion": api_version, "kind": kind,
                "metadata": {"name": "x", "generation": 2, "creationTimestamp": "2026-01-02T03:04:00Z"},
                "spec": spec, "status": status,
            });
            let health = Health::of(Some(&object), NOW.parse().unwrap());
            assert_eq!((health.state, health.message.as_str()), (*state, *message), "{kind} {spec} {status}");
        }
    }

    fn condition(kind: &str, status: &str, reason: &str) -> Value {
        json!({"type": kind, "status": status, "reason": reason, "message": format!("{kind} says {reason}")})
    }

    #[test]
    fn what_is_not_there() {
        assert_eq!(Health::of(None, NOW.parse().unwrap()).state, NotFound);
        assert_eq!(Health::of(Some(&json!({})), NOW.parse().unwrap()).state, Current);
    }

    #[test]
    fn all_kinds() {
        let of = |object: Value| Health::of(Some(&object), NOW.parse().unwrap());
        let custom = |metadata: Value, status: Value| {
            of(json!({"apiVersion": "a.example/v1", "kind": "A", "metadata": metadata, "status": status}))
        };
        for (metadata, status, state) in [
            (json!({"deletionTimestamp": NOW, "generation": 2}), json!({"observedGeneration": 1}), Terminating),
            (json!({"generation": 2}), json!({"observedGeneration": 1}), InProgress),
            (json!({"generation": 2}), json!({"observedGeneration": 2}), Current),
            (json!({"generation": 2}), json!(null), Current),
            (json!({}), json!({"observedGeneration": 1}), Current),
            (json!({}), json!({"conditions": [condition("Reconciling", "True", "r")]}), InProgress),
            (json!({}), json!({"conditions": [condition("Reconciling", "False", "r")]}), Current),
            (json!({}), json!({"conditions": [condition("Stalled", "True", "r")]}), Failed),
            (
                json!({}),
                json!({"conditions": [condition("Stalled", "True", "r"), condition("Reconciling", "True", "r")]}),
                Failed,
            ),
            (
                json!({}),
                json!({"conditions": [condition("Ready", "True", "r"), condition("Stalled", "True", "r")]}),
                Failed,
            ),
            (json!({}), json!({"conditions": [condition("Ready", "True", "r")]}), Current),
            (json!({}), json!({"conditions": [condition("Ready", "False", "r")]}), InProgress),
            (json!({}), json!({"conditions": [condition("Ready", "Unknown", "r")]}), InProgress),
            (json!({}), json!({"conditions": [condition("Ready", "Maybe", "r")]}), Current),
            (json!({}), json!({"conditions": [condition("Healthy", "False", "r")]}), Current),
            (json!({}), json!({"conditions": []}), Current),
            (json!({}), json!({"conditions": "none"}), Unknown),
            (json!({}), json!({"conditions": [{"type": 1}]}), Unknown),
            (json!({"generation": "2"}), json!({}), Unknown),
            (json!({"generation": 2}), json!({"observedGeneration": 1.5}), Unknown),
        ] {
            assert_eq!(custom(metadata.clone(), status.clone()).state, state, "{metadata} {status}");
        }
        // A condition of the generic ones comes before the rules of a kind.
        let health = of(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "status": {"conditions": [condition("Stalled", "True", "r")]},
        }));
        assert_eq!(health.to_string(), "Failed: Stalled says r");
        assert!(health.is_final());
    }

    #[test]
    fn kinds_that_are_always_ready() {
        let rows = [(json!({}), json!({}), Current, "always ready")];
        check("v1", "Secret", &rows);
        check("v1", "ConfigMap", &rows);
        check("batch/v1", "CronJob", &rows);
        // The same kind in another group is another kind.
        check("a.example/v1", "Secret", &[(json!({}), json!({}), Current, "the object is current")]);
    }

    #[test]
    fn services() {
        check(
            "v1",
            "Service",
            &[
                (json!({}), json!({}), Current, "the Service is ready"),
                (json!({"type": "NodePort"}), json!({}), Current, "the Service is ready"),
                (json!({"type": "LoadBalancer"}), json!({}), InProgress, "the Service has no cluster IP"),
                (
                    json!({"type": "LoadBalancer", "clusterIP": ""}),
                    json!({}),
                    InProgress,
                    "the Service has no cluster IP",
                ),
                (json!({"type": "LoadBalancer", "clusterIP": "10.0.0.1"}), json!({}), Current, "the Service is ready"),
            ],
        );
    }

    #[test]
    fn claims() {
        check(
            "v1",
            "PersistentVolumeClaim",
            &[
                (json!({}), json!({}), InProgress, "the claim is not bound; its phase is unknown"),
                (json!({}), json!({"phase": "Pending"}), InProgress, "the claim is not bound; its phase is Pending"),
                (json!({}), json!({"phase": "Bound"}), Current, "the claim is bound"),
            ],
        );
    }

    #[test]
    fn pods() {
        let unschedulable =
            json!({"phase": "Pending", "conditions": [condition("PodScheduled", "False", "Unschedulable")]});
        let waiting = |reason: &str| json!({"name": "app", "state": {"waiting": {"reason": reason}}});
        check(
            "v1",
            "Pod",
            &[
                (json!({}), json!({}), InProgress, "the pod has no phase yet"),
                (json!({}), json!({"phase": "Succeeded"}), Current, "the pod has completed"),
                (json!({}), json!({"phase": "Failed"}), Current, "the pod has completed, without success"),
                (json!({}), json!({"phase": "Lost"}), Unknown, "unknown phase Lost"),
                (json!({}), json!({"phase": "Running"}), InProgress, "the pod runs but is not ready"),
                (
                    json!({}),
                    json!({"phase": "Running", "conditions": [condition("Ready", "True", "")]}),
                    Current,
                    "the pod is ready",
                ),
                (
                    json!({}),
                    json!({"phase": "Running", "containerStatuses": [waiting("PodInitializing")]}),
                    InProgress,
                    "the pod runs but is not ready",
                ),
                (
                    json!({}),
                    json!({"phase": "Running", "containerStatuses": [waiting("CrashLoopBackOff")]}),
                    Failed,
                    "containers crash again and again: app",
                ),
                (json!({}), json!({"phase": "Pending"}), InProgress, "the pod is pending"),
                (json!({}), unschedulable.clone(), InProgress, "the pod has not been scheduled yet"),
            ],
        );
        // The window is over.
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "status": unschedulable,
            "metadata": {"creationTimestamp": "2026-01-02T03:03:50Z"},
        });
        assert_eq!(Health::of(Some(&pod), NOW.parse().unwrap()).state, Failed);
    }

    #[test]
    fn stateful_sets() {
        let status = |replicas: i64, ready: i64, current: i64, updated: i64, revisions: [&str; 2]| {
            json!({
                "replicas": replicas, "readyReplicas": ready, "currentReplicas": current, "updatedReplicas": updated,
                "currentRevision": revisions[0], "updateRevision": revisions[1], "observedGeneration": 2,
            })
        };
        let partition = |n: i64| json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": n}}});
        let three = json!({"replicas": 3});
        check(
            "apps/v1",
            "StatefulSet",
            &[
                (json!({}), json!({}), InProgress, "replicas: 0 of 1"),
                (json!({"replicas": 0}), json!({}), Current, "all replicas are ready: 0"),
                (three.clone(), status(2, 2, 2, 2, ["a", "a"]), InProgress, "replicas: 2 of 3"),
                (three.clone(), status(3, 2, 3, 3, ["a", "a"]), InProgress, "ready: 2 of 3"),
                (three.clone(), status(5, 3, 3, 3, ["a", "a"]), InProgress, "2 pods are still to go"),
                (three.clone(), status(3, 3, 2, 3, ["a", "a"]), InProgress, "current: 2 of 3"),
                (
                    three.clone(),
                    status(3, 3, 3, 3, ["a", "b"]),
                    InProgress,
                    "the updated revision is not the current one yet",
                ),
                (three, status(3, 3, 3, 3, ["a", "a"]), Current, "all replicas are ready: 3"),
                (partition(1), status(3, 3, 1, 1, ["a", "b"]), InProgress, "updated: 1 of 2"),
                (
                    partition(1),
                    status(3, 3, 1, 2, ["a", "b"]),
                    Current,
                    "the partition has been rolled out; updated: 2",
                ),
                (
                    json!({"updateStrategy": {"type": "OnDelete"}}),
                    json!({}),
                    Current,
                    "whoever deletes the pods updates them (OnDelete)",
                ),
            ],
        );
    }

    #[test]
    fn daemon_sets() {
        let status = |numbers: [i64; 5]| {
            json!({
                "observedGeneration": 2, "desiredNumberScheduled": numbers[0], "currentNumberScheduled": numbers[1],
                "updatedNumberScheduled": numbers[2], "numberAvailable": numbers[3], "numberReady": numbers[4],
            })
        };
        let rows = [
            (json!({}), json!({}), InProgress, "status.observedGeneration is not there yet"),
            (json!({}), json!({"observedGeneration": 2}), InProgress, "status.desiredNumberScheduled is not there yet"),
            (json!({}), status([3, 2, 3, 3, 3]), InProgress, "current: 2 of 3"),
            (json!({}), status([3, 3, 2, 3, 3]), InProgress, "updated: 2 of 3"),
            (json!({}), status([3, 3, 3, 2, 3]), InProgress, "available: 2 of 3"),
            (json!({}), status([3, 3, 3, 3, 2]), InProgress, "ready: 2 of 3"),
            (json!({}), status([3, 3, 3, 3, 3]), Current, "all replicas are ready: 3"),
            (json!({}), status([0, 0, 0, 0, 0]), Current, "all replicas are ready: 0"),
        ];
        check("apps/v1", "DaemonSet", &rows);
        check("extensions/v1beta1", "DaemonSet", &rows);
        let young = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "status": {"desiredNumberScheduled": 0}});
        let health = Health::of(Some(&young), NOW.parse().unwrap());
        assert_eq!(health.message, "metadata.generation is not there yet");
    }

    #[test]
    fn deployments() {
        let status = |numbers: [i64; 4], conditions: &[Value]| {
            json!({
                "observedGeneration": 2, "replicas": numbers[0], "updatedReplicas": numbers[1],
                "availableReplicas": numbers[2], "readyReplicas": numbers[3], "conditions": conditions,
            })
        };
        let spec = json!({"replicas": 2, "progressDeadlineSeconds": 45});
        let available = condition("Available", "True", "MinimumReplicasAvailable");
        let progressed = condition("Progressing", "True", "NewReplicaSetAvailable");
        let done = [progressed.clone(), available.clone()];
        let rows = [
            (json!({}), json!({}), InProgress, "replicas: 0 of 1"),
            (spec.clone(), status([1, 1, 1, 1], &done), InProgress, "replicas: 1 of 2"),
            (spec.clone(), status([2, 1, 2, 2], &done), InProgress, "updated: 1 of 2"),
            (spec.clone(), status([3, 2, 2, 2], &done), InProgress, "1 pods are still to go"),
            (spec.clone(), status([2, 2, 1, 2], &done), InProgress, "available: 1 of 2"),
            (spec.clone(), status([2, 2, 2, 1], &done), InProgress, "ready: 1 of 2"),
            (spec.clone(), status([2, 2, 2, 2], &done), Current, "the Deployment is available; replicas: 2"),
            (
                spec.clone(),
                status([2, 2, 2, 2], &[condition("Progressing", "True", "ReplicaSetUpdated"), available.clone()]),
                InProgress,
                "the new ReplicaSet is not available",
            ),
            (
                spec.clone(),
                status([2, 2, 2, 2], &[progressed, condition("Available", "False", "x")]),
                InProgress,
                "the Deployment is not available",
            ),
            (
                spec,
                status([2, 1, 1, 1], &[condition("Progressing", "False", "ProgressDeadlineExceeded")]),
                Failed,
                "the progress deadline is exceeded",
            ),
            // Without a deadline there is no such condition.
            (
                json!({"replicas": 2}),
                status([2, 2, 2, 2], std::slice::from_ref(&available)),
                Current,
                "the Deployment is available; replicas: 2",
            ),
            (json!({"replicas": 0}), status([0, 0, 0, 0], &done), Current, "the Deployment is available; replicas: 0"),
        ];
        check("apps/v1", "Deployment", &rows);
        check("extensions/v1beta1", "Deployment", &rows);
    }

    #[test]
    fn replica_sets() {
        let status = |numbers: [i64; 4], conditions: &[Value]| {
            json!({
                "replicas": numbers[0], "fullyLabeledReplicas": numbers[1], "availableReplicas": numbers[2],
                "readyReplicas": numbers[3], "conditions": conditions,
            })
        };
        let two = json!({"replicas": 2});
        let rows = [
            (json!({}), json!({}), InProgress, "labelled: 0 of 1"),
            (two.clone(), status([2, 2, 2, 2], &[]), Current, "the ReplicaSet is available; replicas: 2"),
            (two.clone(), status([2, 1, 2, 2], &[]), InProgress, "labelled: 1 of 2"),
            (two.clone(), status([2, 2, 1, 2], &[]), InProgress, "available: 1 of 2"),
            (two.clone(), status([2, 2, 2, 1], &[]), InProgress, "ready: 1 of 2"),
            (two.clone(), status([4, 2, 2, 2], &[]), InProgress, "2 pods are still to go"),
            (
                two,
                status([2, 2, 2, 2], &[condition("ReplicaFailure", "True", "quota")]),
                InProgress,
                "pods cannot be made (ReplicaFailure)",
            ),
        ];
        check("apps/v1", "ReplicaSet", &rows);
        check("extensions/v1beta1", "ReplicaSet", &rows);
    }

    #[test]
    fn budgets() {
        let message = "the allowed disruptions have been computed";
        check(
            "policy/v1",
            "PodDisruptionBudget",
            &[
                (json!({}), json!({"observedGeneration": 2}), Current, message),
                (
                    json!({}),
                    json!({"observedGeneration": 1}),
                    InProgress,
                    "the generation is 2, the controller has seen 1",
                ),
            ],
        );
    }

    #[test]
    fn jobs() {
        let with = |conditions: &[Value]| json!({"succeeded": 1, "failed": 4, "conditions": conditions});
        check(
            "batch/v1",
            "Job",
            &[
                (json!({}), json!({}), InProgress, "the Job has not started"),
                (
                    json!({}),
                    json!({"startTime": NOW, "active": 1}),
                    Current,
                    "the Job runs; succeeded: 0, active: 1, failed: 0",
                ),
                (
                    json!({"parallelism": 3}),
                    with(&[condition("Complete", "True", "")]),
                    Current,
                    "the Job has completed: 1 of 3",
                ),
                (
                    json!({"parallelism": 3, "completions": 5}),
                    with(&[condition("Complete", "False", ""), condition("Failed", "True", "")]),
                    Failed,
                    "the Job has failed: 4 of 5",
                ),
                (
                    json!({"suspend": true}),
                    with(&[condition("Suspended", "True", "")]),
                    Current,
                    "the Job is suspended",
                ),
                (
                    json!({"suspend": false}),
                    with(&[condition("Suspended", "True", "")]),
                    InProgress,
                    "the Job has not started",
                ),
                (
                    json!({"suspend": true}),
                    with(&[condition("Suspended", "False", "")]),
                    InProgress,
                    "the Job has not started",
                ),
            ],
        );
    }

    #[test]
    fn definitions() {
        let with = |conditions: &[Value]| json!({"conditions": conditions});
        let accepted = condition("NamesAccepted", "True", "NoConflicts");
        check(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            &[
                (json!({}), json!({}), InProgress, "the definition is being installed"),
                (
                    json!({}),
                    with(&[accepted.clone(), condition("Established", "True", "InitialNamesAccepted")]),
                    Current,
                    "the definition is established",
                ),
                (
                    json!({}),
                    with(&[accepted.clone(), condition("Established", "False", "Installing")]),
                    InProgress,
                    "the definition is being installed",
                ),
                (
                    json!({}),
                    with(&[accepted, condition("Established", "False", "NotAccepted")]),
                    Failed,
                    "Established says NotAccepted",
                ),
                (
                    json!({}),
                    with(&[condition("NamesAccepted", "False", "Conflict")]),
                    Failed,
                    "NamesAccepted says Conflict",
                ),
            ],
        );
    }
}
