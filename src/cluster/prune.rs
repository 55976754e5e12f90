//! What left the tree: deleted (by uid, in the background), or released, which takes kcfg's labels off. In reverse order,
//! phase after phase. An object that a finalizer holds is waited for, within a limit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::manifest::ObjectId;
use crate::plan::{Departure, End, Phase};

use super::client::{Accept, Call, Client, Failure, MERGE_PATCH};
use super::discovery::{Discovery, Resource};
use super::parallel::each;
use super::parent::{ENVIRONMENT_LABEL, FIELD_MANAGER, PART_OF_LABEL};

/// How long the objects of one phase may take to be gone once they are deleted.
const GONE_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause between two looks.
const GONE_PAUSE: Duration = Duration::from_millis(200);

/// What became of an object that left the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departed {
    /// It is gone.
    Gone,
    /// It is being deleted, and something holds it: its finalizers.
    Terminating(String),
    /// It stays, and is no longer kcfg's.
    Released,
    /// It could not be done.
    Failed(String),
}

/// Carries out the departures that delete or release; the others are not its business.
pub async fn depart_all(
    client: &Client,
    discovery: &Arc<Discovery>,
    departures: Vec<Departure>,
    mut on_done: impl FnMut(&Departure, &Departed),
) -> Vec<(Departure, Departed)> {
    let mut phases: BTreeMap<Phase, Vec<Departure>> = BTreeMap::new();
    for departure in departures {
        phases.entry(Phase::of(&departure.id)).or_default().push(departure);
    }
    let mut done = Vec::new();
    for (_, departures) in phases.into_iter().rev() {
        let tasks = departures.into_iter().map(|departure| {
            let (client, discovery) = (client.clone(), discovery.clone());
            async move {
                let result = one(&client, &discovery, &departure).await;
                (departure, result.unwrap_or_else(|failure| Departed::Failed(failure.to_string())))
            }
        });
        each(tasks, |(departure, departed)| {
            on_done(&departure, &departed);
            done.push((departure, departed));
        })
        .await;
    }
    done
}

async fn one(client: &Client, discovery: &Discovery, departure: &Departure) -> Result<Departed, Failure> {
    let id = &departure.id;
    let Some(resource) = discovery.get(&id.group, &id.kind) else { return Ok(Departed::Gone) };
    match departure.end {
        End::Delete => {
            if delete(client, resource, id, &departure.uid).await?
                || wait_gone(client, resource, id, &departure.uid).await
            {
                return Ok(Departed::Gone);
            }
            let object: Result<Value, Failure> =
                client.send(&Call::get(resource.path(id), Accept::Metadata)).await.and_then(|answer| answer.json());
            let finalizers = object.ok().and_then(|object| {
                let names: Vec<String> =
                    serde_json::from_value(object.pointer("/metadata/finalizers")?.clone()).ok()?;
                Some(names.join(", "))
            });
            Ok(Departed::Terminating(finalizers.unwrap_or_default()))
        }
        _ => release(client, resource, id, &departure.uid).await.map(|()| Departed::Released),
    }
}

/// Deletes an object, if it still is the one with this uid. One that is gone, or that another one stands in the place of,
/// is as good as deleted. Whether it is known to be gone already.
///
/// # Errors
/// The server refuses it.
pub async fn delete(client: &Client, resource: &Resource, id: &ObjectId, uid: &str) -> Result<bool, Failure> {
    let options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": uid},
        "propagationPolicy": "Background",
    });
    match client.send(&Call::delete(resource.path(id), options.to_string().into_bytes())).await {
        // The object itself comes back where something still holds it.
        Ok(answer) => Ok(answer.json::<Value>().is_ok_and(|answer| answer["kind"] == "Status")),
        Err(Failure::Refused { code: 404 | 409, .. }) => Ok(true),
        Err(failure) => Err(failure),
    }
}

/// Waits until an object is gone, or another stands in its place; false if that takes too long.
pub async fn wait_gone(client: &Client, resource: &Resource, id: &ObjectId, uid: &str) -> bool {
    let deadline = Instant::now() + GONE_TIMEOUT;
    loop {
        match client.send(&Call::get(resource.path(id), Accept::Metadata)).await {
            Err(Failure::Refused { code: 404, .. }) => return true,
            Ok(answer) => {
                let object: Option<Value> = answer.json().ok();
                let now = object.as_ref().and_then(|object| object.pointer("/metadata/uid")?.as_str());
                if now.is_some_and(|now| now != uid) {
                    return true;
                }
            }
            Err(_) => {}
        }
        if Instant::now() >= deadline || !client.gate().is_open() {
            return false;
        }
        tokio::time::sleep(GONE_PAUSE).await;
    }
}

/// Takes kcfg's labels off an object that stays.
async fn release(client: &Client, resource: &Resource, id: &ObjectId, uid: &str) -> Result<(), Failure> {
    let patch = json!({"metadata": {"uid": uid, "labels": {PART_OF_LABEL: null, ENVIRONMENT_LABEL: null}}});
    let path = format!("{}?fieldManager={FIELD_MANAGER}", resource.path(id));
    match client.send(&Call::patch(path, MERGE_PATCH, patch.to_string().into_bytes())).await {
        Ok(_) | Err(Failure::Refused { code: 404 | 409, .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// The command that deletes an object by hand.
pub fn kubectl_line(discovery: &Discovery, id: &ObjectId) -> String {
    let plural = discovery.get(&id.group, &id.kind).map_or(&*id.kind, |resource| &*resource.plural);
    let kind = if id.group.is_empty() { plural.to_owned() } else { format!("{plural}.{}", id.group) };
    let namespace = id.namespace.as_deref().map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
    format!("kubectl delete {kind} {}{namespace}", id.name)
}
