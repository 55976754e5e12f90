//! Watches of the members of an environment: one per kind, metadata only, selected by label. What they see goes to the
//! loop as [`Sight`]s; whether it is drift is for the loop to say, which knows what was applied.
//!
//! A watch begins where the API server's cache is (`resourceVersion=0`), so that it tells of every member once; it goes
//! on from the last version it saw when it is cut, and begins anew when that version is too old (410).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::client::{Accept, Call, Client, Failure, query};
use super::discovery::Resource;
use super::live;
use super::metrics::Metrics;
use super::parent::{self, ENVIRONMENT_LABEL};
use crate::plan::LiveObject;

/// The pause before a watch is opened again, growing to [`PAUSE_MAX`] while it fails.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Sights that wait for the loop; a watch pauses when they are full.
const SIGHTS_MAX: usize = 1000;

/// A member, as a watch saw it.
#[derive(Debug)]
pub struct Sight {
    /// The member.
    pub live: LiveObject,
    /// Whether it is gone, or no longer labelled as a member.
    pub is_gone: bool,
}

/// The watches of an environment; they end with this.
#[derive(Debug)]
pub struct Watches {
    client: Client,
    metrics: Metrics,
    selector: String,
    sights: mpsc::Sender<Sight>,
    tasks: BTreeMap<(Arc<str>, Arc<str>), JoinHandle<()>>,
}

impl Watches {
    /// No watch yet, and where sights arrive.
    pub fn new(client: Client, environment: &str, metrics: Metrics) -> (Watches, mpsc::Receiver<Sight>) {
        let (sights, receiver) = mpsc::channel(SIGHTS_MAX);
        let selector = format!("{ENVIRONMENT_LABEL}={}", parent::environment_label(environment));
        (Watches { client, metrics, selector, sights, tasks: BTreeMap::new() }, receiver)
    }

    /// Watches these kinds and no others.
    pub fn set(&mut self, kinds: impl IntoIterator<Item = Resource>) {
        let kinds: BTreeMap<_, _> = kinds
            .into_iter()
            .filter(|resource| resource.is_listable)
            .map(|resource| ((resource.group.clone(), resource.kind.clone()), resource))
            .collect();
        self.tasks.retain(|kind, task| {
            let stays = kinds.contains_key(kind) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        for (kind, resource) in kinds {
            let (client, sights) = (self.client.clone(), self.sights.clone());
            let (selector, metrics) = (self.selector.clone(), self.metrics.clone());
            self.tasks.entry(kind).or_insert_with(|| tokio::spawn(watch(client, resource, selector, sights, metrics)));
        }
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.tasks.values().for_each(JoinHandle::abort);
    }
}

async fn watch(client: Client, resource: Resource, selector: String, sights: mpsc::Sender<Sight>, metrics: Metrics) {
    let mut version = "0".to_owned();
    let mut pause = PAUSE;
    loop {
        match once(&client, &resource, &selector, &mut version, &sights).await {
            Ok(true) => return,
            Ok(false) => pause = PAUSE,
            Err(Failure::Refused { code: 410, .. }) => "0".clone_into(&mut version),
            Err(_) => pause = (pause * 2).min(PAUSE_MAX),
        }
        metrics.add("kcfg_watch_restarts_total", "", 1.0);
        tokio::time::sleep(pause).await;
    }
}

/// One watch until it is cut; true when nobody listens any more.
async fn once(
    client: &Client,
    resource: &Resource,
    selector: &str,
    version: &mut String,
    sights: &mpsc::Sender<Sight>,
) -> Result<bool, Failure> {
    let path = format!(
        "{}?watch=true&allowWatchBookmarks=true&labelSelector={}&resourceVersion={version}",
        resource.list_path(resource.preferred(), None),
        query(selector)
    );
    let mut lines = client.lines(&Call::get(path, Accept::Metadata)).await?;
    while let Some(line) = lines.next().await? {
        match read(resource, &line)? {
            Seen::Version(seen) => *version = seen,
            Seen::Member(sight) => {
                *version = sight.live.resource_version.to_string();
                if sights.send(sight).await.is_err() {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// What a line of a watch says.
enum Seen {
    Version(String),
    Member(Sight),
}

fn read(resource: &Resource, line: &[u8]) -> Result<Seen, Failure> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(rename = "type")]
        kind: String,
        #[serde(borrow)]
        object: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Gone {
        #[serde(default)]
        code: u16,
        #[serde(default)]
        message: String,
    }
    let unreadable = |error: serde_json::Error| Failure::Unreadable(error.to_string());
    let event: Event<'_> = serde_json::from_slice(line).map_err(unreadable)?;
    let object = event.object.get().as_bytes();
    match event.kind.as_str() {
        "ERROR" => {
            let Gone { code, message } = serde_json::from_slice(object).map_err(unreadable)?;
            Err(Failure::Refused { code, reason: String::new(), message, causes: Vec::new() })
        }
        "BOOKMARK" => live::one(resource, object).map(|live| Seen::Version(live.resource_version.into())),
        kind => live::one(resource, object).map(|live| Seen::Member(Sight { live, is_gone: kind == "DELETED" })),
    }
}
