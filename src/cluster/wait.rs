//! Waiting until what was applied is ready, by the rules of `health`: each release at most so long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;

use crate::manifest::ObjectId;

use super::client::{Accept, Call, Client, Failure};
use super::discovery::{Discovery, Resource};
use super::health::{Health, HealthState};
use super::parallel::each;

/// The first pause between two looks at an object that is not ready; each further one is half as long again.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Kinds of Kubernetes itself that are ready once they are there: asking after them would tell nothing.
const ALWAYS_READY: &[(&str, &str)] = &[
    ("", "ConfigMap"),
    ("", "LimitRange"),
    ("", "Secret"),
    ("", "ServiceAccount"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("scheduling.k8s.io", "PriorityClass"),
];

/// Waits for objects, each with the release that it belongs to; gives those that are not ready, with the reason.
/// `preempt` ends the wait early: there is something newer to do.
pub async fn wait(
    client: &Client,
    discovery: &Arc<Discovery>,
    objects: Vec<(String, ObjectId)>,
    timeout: Duration,
    preempt: &Arc<AtomicBool>,
) -> Vec<(String, ObjectId, String)> {
    let deadline = Instant::now() + timeout;
    let tasks = objects.into_iter().filter(|(_, id)| !ALWAYS_READY.contains(&(&*id.group, &*id.kind)));
    let tasks: Vec<_> = tasks
        .filter_map(|(release, id)| {
            let resource = discovery.get(&id.group, &id.kind)?.clone();
            Some((release, id, resource))
        })
        .collect();
    let mut unready = BTreeMap::new();
    let mut pause = PAUSE;
    let mut waiting = tasks;
    while !waiting.is_empty() {
        let looks = waiting.drain(..).map(|(release, id, resource)| {
            let client = client.clone();
            async move {
                let health = look(&client, &resource, &id).await;
                (release, id, resource, health)
            }
        });
        let mut again = Vec::new();
        each(looks, |(release, id, resource, health): (String, ObjectId, Resource, Result<Health, Failure>)| {
            let why = match health {
                Ok(health) if health.state == HealthState::Current => return,
                Ok(health) if health.is_final() => {
                    unready.insert((release, id), health.to_string());
                    return;
                }
                Ok(health) => health.to_string(),
                Err(failure) => failure.to_string(),
            };
            again.push((release, id, resource, why));
        })
        .await;
        let is_over = Instant::now() >= deadline || preempt.load(Ordering::Relaxed) || !client.gate().is_open();
        for (release, id, resource, why) in again {
            if is_over {
                unready.insert((release, id), why);
            } else {
                waiting.push((release, id, resource));
            }
        }
        if !waiting.is_empty() {
            tokio::time::sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
            pause = pause.mul_f64(1.5).min(PAUSE_MAX);
        }
    }
    unready.into_iter().map(|((release, id), why)| (release, id, why)).collect()
}

async fn look(client: &Client, resource: &Resource, id: &ObjectId) -> Result<Health, Failure> {
    match client.send(&Call::get(resource.path(id), Accept::Json)).await {
        Ok(answer) => Ok(Health::of(Some(&answer.json()?), Timestamp::now())),
        Err(Failure::Refused { code: 404, .. }) => Ok(Health::of(None, Timestamp::now())),
        Err(failure) => Err(failure),
    }
}
