//! The record of an environment: a ConfigMap in kcfg's own namespace, beside the parents of its releases. It says which
//! commit the whole environment is at, how it stands, and what is suspended.
//!
//! Two field managers write it, each its own key: the applier `status`, and `kcfg suspend` and `resume` `suspensions`, so
//! that neither ever undoes what the other wrote. The applier writes only where something changed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::error::Diagnostic;
use crate::plan::{OWN_NAMESPACE, Suspensions};

use super::client::{APPLY_PATCH, Accept, Call, Client, Failure, query, segment};
use super::lease::lease_name;
use super::parent::{self, FIELD_MANAGER, collection, environment_label};
use super::status::EnvironmentStatus;

/// The label by which the records of all environments are found; the annotation of this name holds the environment's
/// name in full.
pub const RECORD_LABEL: &str = "kcfg.dev/environment";
/// Field manager of suspensions.
const SUSPEND_MANAGER: &str = "kcfg-suspend";
/// The key of the status.
const STATUS_KEY: &str = "status";
/// The key of the suspensions.
const SUSPENSIONS_KEY: &str = "suspensions";
/// How often suspensions are read and written again where somebody else writes at the same time.
const WRITES_MAX: usize = 10;
/// The pause before the record is watched again.
const WATCH_PAUSE: Duration = Duration::from_secs(2);

/// What a record says.
#[derive(Debug, Clone)]
pub struct Record {
    /// The environment.
    pub environment: String,
    /// How it stands; none where the applier has not written it yet.
    pub status: Option<EnvironmentStatus>,
    /// Why that cannot be read, if it is there and cannot.
    pub unreadable: Option<String>,
    /// What is left alone.
    pub suspensions: Result<Suspensions, Diagnostic>,
    /// The version that was read; empty where there is no record.
    pub resource_version: String,
}

/// A ConfigMap that holds a record.
#[derive(Deserialize)]
pub(super) struct Map {
    metadata: MapMetadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MapMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Record {
    /// Reads the record of an environment; an empty one where there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn read(client: &Client, environment: &str) -> Result<Record, Failure> {
        match client.send(&Call::get(path(environment), Accept::Json)).await {
            Ok(answer) => Ok(Record::of(environment, &answer.json::<Map>()?)),
            Err(Failure::Refused { code: 404, .. }) => Ok(Record::empty(environment)),
            Err(failure) => Err(failure),
        }
    }

    /// Lists the records of all environments of a cluster, by name.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn list(client: &Client) -> Result<BTreeMap<String, Record>, Failure> {
        #[derive(Deserialize)]
        struct List {
            items: Vec<Map>,
        }
        let path = format!("{}?labelSelector={}", collection(), query(RECORD_LABEL));
        let list: List = client.send(&Call::get(path, Accept::Json)).await?.json()?;
        Ok(Record::by_name(&list.items))
    }

    /// The records that ConfigMaps hold, by environment.
    pub(super) fn by_name<'a>(maps: impl IntoIterator<Item = &'a Map>) -> BTreeMap<String, Record> {
        let record = |map: &Map| {
            let name = map.metadata.annotations.get(RECORD_LABEL)?;
            Some((name.clone(), Record::of(name, map)))
        };
        maps.into_iter().filter_map(record).collect()
    }

    fn empty(environment: &str) -> Record {
        let suspensions = Ok(Suspensions::none(environment));
        let environment = environment.to_owned();
        Record { environment, status: None, unreadable: None, suspensions, resource_version: String::new() }
    }

    fn of(environment: &str, map: &Map) -> Record {
        let text = |key: &str| map.data.get(key).map(String::as_str).unwrap_or_default();
        // What somebody made of it by hand is written anew.
        let (status, unreadable) = match text(STATUS_KEY) {
            "" => (None, None),
            text => match serde_json::from_str(text) {
                Ok(status) => (Some(status), None),
                Err(error) => (None, Some(error.to_string())),
            },
        };
        Record {
            environment: environment.to_owned(),
            status,
            unreadable,
            suspensions: Suspensions::read(environment, text(SUSPENSIONS_KEY)),
            resource_version: map.metadata.resource_version.clone(),
        }
    }

    /// Writes the status, if it is another than the record's.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn write_status(&mut self, client: &Client, status: EnvironmentStatus) -> Result<(), Failure> {
        if self.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&status).map_err(|error| Failure::Unreadable(error.to_string()))?;
        let map = map(&self.environment, STATUS_KEY, &text, None);
        let written = match apply(client, &self.environment, FIELD_MANAGER, &map).await {
            // An environment without a single object was applied to a cluster without kcfg's namespace.
            Err(Failure::Refused { code: 404, .. }) => {
                parent::make_own_namespace(client).await?;
                apply(client, &self.environment, FIELD_MANAGER, &map).await
            }
            result => result,
        };
        self.resource_version = written?;
        (self.status, self.unreadable) = (Some(status), None);
        Ok(())
    }
}

/// Changes the suspensions of an environment. Where somebody else writes in between, it is read and changed once more.
///
/// # Errors
/// They cannot be read or written, or `change` refuses.
pub async fn change_suspensions(
    client: &Client,
    environment: &str,
    mut change: impl FnMut(Result<Suspensions, Diagnostic>) -> Result<Suspensions, Diagnostic>,
) -> Result<Suspensions, Diagnostic> {
    let doing = format!("write the suspensions of {environment}");
    let mut tries = 0;
    loop {
        let record = Record::read(client, environment).await.map_err(|failure| failure.diagnostic(&doing))?;
        let suspensions = change(record.suspensions)?;
        let version = Some(record.resource_version.as_str()).filter(|version| !version.is_empty());
        let map = map(environment, SUSPENSIONS_KEY, &suspensions.text(), version);
        tries += 1;
        match apply(client, environment, SUSPEND_MANAGER, &map).await {
            Ok(_) => return Ok(suspensions),
            Err(Failure::Refused { code: 409, .. }) if tries < WRITES_MAX => {}
            Err(failure) => return Err(failure.diagnostic(&doing)),
        }
    }
}

/// Watches the record as long as somebody listens: its suspensions, whenever they change. What is missed while a watch is
/// opened anew is read then.
pub async fn follow(client: Client, environment: String, sender: watch::Sender<Result<Suspensions, Diagnostic>>) {
    while !sender.is_closed() {
        // A watch from the cache tells first how things are.
        let name = query(&format!("metadata.name={}", lease_name(&environment)));
        let path =
            format!("{}?watch=true&allowWatchBookmarks=true&fieldSelector={name}&resourceVersion=0", collection());
        if let Ok(mut lines) = client.lines(&Call::get(path, Accept::Json)).await {
            while let Ok(Some(line)) = lines.next().await {
                let Some(seen) = seen(&environment, &line) else { break };
                let Some(record) = seen else { continue };
                let text = |found: &Result<Suspensions, Diagnostic>| match found {
                    Ok(suspensions) => suspensions.text(),
                    Err(error) => error.message.clone(),
                };
                sender.send_if_modified(|known| {
                    let is_new = text(known) != text(&record.suspensions);
                    *known = record.suspensions;
                    is_new
                });
            }
        }
        tokio::time::sleep(WATCH_PAUSE).await;
    }
}

/// The record that a line of a watch tells, if it tells one; none for an error.
fn seen(environment: &str, line: &[u8]) -> Option<Option<Record>> {
    #[derive(Deserialize)]
    struct Event {
        #[serde(rename = "type")]
        kind: String,
        object: Value,
    }
    let event: Event = serde_json::from_slice(line).ok()?;
    match event.kind.as_str() {
        "DELETED" => Some(Some(Record::empty(environment))),
        "BOOKMARK" => Some(None),
        "ERROR" => None,
        _ => Some(Some(Record::of(environment, &serde_json::from_value(event.object).ok()?))),
    }
}

fn map(environment: &str, key: &str, text: &str, version: Option<&str>) -> Value {
    let mut map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": lease_name(environment),
            "namespace": OWN_NAMESPACE,
            "labels": {RECORD_LABEL: environment_label(environment)},
            "annotations": {RECORD_LABEL: environment},
        },
        "data": {},
    });
    if !text.is_empty() {
        map["data"][key] = json!(text);
    }
    if let Some(version) = version {
        map["metadata"]["resourceVersion"] = json!(version);
    }
    map
}

/// Applies the record; gives its version.
async fn apply(client: &Client, environment: &str, manager: &str, map: &Value) -> Result<String, Failure> {
    let path = format!("{}?fieldManager={manager}&force=true", path(environment));
    let written: Map = client.send(&Call::patch(path, APPLY_PATCH, map.to_string().into_bytes())).await?.json()?;
    Ok(written.metadata.resource_version)
}

fn path(environment: &str) -> String {
    format!("{}/{}", collection(), segment(&lease_name(environment)))
}
