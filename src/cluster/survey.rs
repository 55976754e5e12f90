//! What a cluster says of its environments, for people: records, Leases and parents, read and never written.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::client::{Accept, Call, Client, Failure};
use super::lease;
use super::narrow::is_meant;
use super::pages;
use super::parent::{
    self, COMMIT_KEY, DIGEST_KEY, OBJECTS_KEY, PARENT_LABEL, PROBLEMS_KEY, Parent, STATE_KEY, TIME_KEY,
};
use super::record::Record;
use super::status::{EnvironmentState, LeaseStatus, Problem, ReleaseStatus};
use crate::manifest::ObjectId;
use crate::plan::Suspensions;
use crate::repo::Selector;

/// Parents that one page of a list holds.
const PAGE: usize = 500;

/// Releases by name, each with the kinds of its members and hooks.
pub type Releases = BTreeMap<String, Vec<String>>;

/// Everything about the environments that have a record, and those of these names, if the cluster knows them.
///
/// # Errors
/// The cluster does not answer, or forbids it.
pub async fn survey(
    client: &Client,
    names: &BTreeSet<String>,
    selector: Option<&Selector>,
) -> Result<Vec<EnvironmentState>, Failure> {
    let (records, leases) = tokio::try_join!(Record::list(client), leases(client))?;
    let mut found = Vec::new();
    for name in wanted(names, &records, selector) {
        let parents = Parent::list(client, name).await?;
        found.extend(state(name, records.get(name), parents, &leases, selector));
    }
    Ok(found)
}

/// The environments that have a record, and those of these names, that a selector matches.
pub fn wanted<'a>(
    names: &'a BTreeSet<String>,
    records: &'a BTreeMap<String, Record>,
    selector: Option<&Selector>,
) -> BTreeSet<&'a String> {
    let is_wanted = |name: &str| selector.is_none_or(|selector| selector.matches_environment(name));
    names.iter().chain(records.keys()).filter(|name| is_wanted(name)).collect()
}

/// How an environment stands, narrowed to what a selector names; none where the cluster does not know it.
pub fn state(
    name: &str,
    record: Option<&Record>,
    parents: BTreeMap<String, Parent>,
    leases: &BTreeMap<String, LeaseStatus>,
    selector: Option<&Selector>,
) -> Option<EnvironmentState> {
    if record.is_none() && parents.is_empty() {
        return None;
    }
    let empty = || Ok(Suspensions::none(name));
    let (asked, others): (Vec<Parent>, Vec<Parent>) =
        parents.into_values().partition(|parent| selector.is_none_or(|selector| is_asked(parent, name, selector)));
    let mut state = EnvironmentState {
        name: name.to_owned(),
        status: record.and_then(|record| record.status.clone()),
        unreadable: record.and_then(|record| record.unreadable.clone()),
        suspensions: record.map_or_else(empty, |record| record.suspensions.clone()),
        lease: leases.get(&lease::lease_name(name)).cloned(),
        releases: asked.into_iter().map(release).collect(),
        left_out: others.into_iter().map(|parent| parent.release).collect(),
    };
    if let Some(selector) = selector {
        state.narrow(selector);
    }
    Some(state)
}

/// Whether a release has something that a selector names, among its members and hooks, or among what has problems.
fn is_asked(parent: &Parent, environment: &str, selector: &Selector) -> bool {
    let problems = parent.status.get(PROBLEMS_KEY).and_then(|text| serde_json::from_str(text).ok());
    let problems: Vec<Problem> = problems.unwrap_or_default();
    let is_meant =
        |problem: &Problem| !problem.object.is_empty() && is_meant(selector, environment, &parent.release, problem);
    parent.may_hold(environment, selector) || problems.iter().any(is_meant)
}

fn release(parent: Parent) -> ReleaseStatus {
    let text = |key: &str| parent.status.get(key).filter(|text| !text.is_empty()).cloned();
    ReleaseStatus {
        unreadable: parent.refusal(),
        state: text(STATE_KEY).unwrap_or_else(|| "unknown".to_owned()),
        digest: text(DIGEST_KEY),
        commit: text(COMMIT_KEY),
        time: text(TIME_KEY),
        objects: text(OBJECTS_KEY).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        problems: text(PROBLEMS_KEY).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        kinds: parent.kinds.into_iter().collect(),
        name: parent.release,
    }
}

/// The Leases of kcfg's own namespace, by name.
async fn leases(client: &Client) -> Result<BTreeMap<String, LeaseStatus>, Failure> {
    #[derive(Deserialize)]
    struct List {
        items: Vec<LeaseObject>,
    }
    let list: List = client.send(&Call::get(lease::collection(), Accept::Json)).await?.json()?;
    Ok(list.items.iter().filter_map(LeaseObject::named).collect())
}

/// A Lease, as far as people look at it.
#[derive(Deserialize)]
pub struct LeaseObject {
    metadata: LeaseMetadata,
    #[serde(default)]
    spec: LeaseSpec,
}

#[derive(Deserialize)]
struct LeaseMetadata {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct LeaseSpec {
    holder_identity: Option<String>,
    renew_time: Option<String>,
    lease_duration_seconds: Option<u64>,
}

impl LeaseObject {
    /// Its name, and who has it; none where it was never renewed.
    pub fn named(&self) -> Option<(String, LeaseStatus)> {
        let status = LeaseStatus {
            holder: self.holder().to_owned(),
            renewed: self.spec.renew_time.as_ref()?.parse().ok()?,
            seconds: self.spec.lease_duration_seconds.unwrap_or_default(),
        };
        Some((self.metadata.name.clone(), status))
    }

    /// The process that has it; empty where none has.
    pub fn holder(&self) -> &str {
        self.spec.holder_identity.as_deref().unwrap_or_default()
    }
}

/// The environments that the cluster has, with their releases: metadata of the parents alone, and the names of records.
///
/// # Errors
/// The cluster does not answer, or forbids it.
pub async fn environments(client: &Client) -> Result<BTreeMap<String, Releases>, Failure> {
    #[derive(Deserialize)]
    struct Item {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }
    let records = Record::list(client).await?;
    let mut found: BTreeMap<String, Releases> = records.into_keys().map(|name| (name, Releases::new())).collect();
    let (items, _) =
        pages::list::<Item>(client, &parent::collection(), PARENT_LABEL, PAGE, Accept::MetadataList).await?;
    for item in items {
        let annotation = |name: &str| item.metadata.annotations.get(name).map(String::as_str).unwrap_or_default();
        let Some((environment, release)) = annotation(parent::RELEASE_ANNOTATION).split_once('/') else {
            continue;
        };
        let kinds = annotation(parent::KINDS_ANNOTATION).split(',').filter(|kind| !kind.is_empty());
        let kinds = kinds.map(|kind| kind.split('.').next().unwrap_or(kind).to_owned());
        let hooks = annotation(parent::HOOKS_ANNOTATION).split(',');
        let hooks = hooks.filter_map(|id| Some(id.parse::<ObjectId>().ok()?.kind.to_string()));
        let of_environment = found.entry(environment.to_owned()).or_default();
        of_environment.entry(release.to_owned()).or_default().extend(kinds.chain(hooks));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::parent::ConfigMap;
    use super::super::record::Map;
    use super::*;

    fn map<T: serde::de::DeserializeOwned>(name: &str, annotations: &Value, data: &Value) -> T {
        let metadata = json!({"name": name, "resourceVersion": "7", "annotations": annotations});
        serde_json::from_value(json!({"metadata": metadata, "data": data})).unwrap()
    }

    /// prod with its record and the parent of its release web.
    fn prod(record: &Value, parent: &Value, tooling: &str) -> EnvironmentState {
        let record: Map = map("kcfg-prod", &json!({"kcfg.dev/environment": "prod"}), record);
        let annotations = json!({"kcfg.dev/release": "prod/web", "applyset.kubernetes.io/tooling": tooling});
        let parent: ConfigMap = map(&super::super::parent::parent_name("prod", "web"), &annotations, parent);
        let records = Record::by_name([&record]);
        state("prod", records.get("prod"), Parent::by_release("prod", [&parent]), &BTreeMap::new(), None).unwrap()
    }

    #[test]
    fn records_of_others_are_read_as_far_as_they_can_be_and_that_is_said() {
        let record = json!({"status": "{\"commit\": \"3f9a\", \"forecast\": \"sunny\"}"});
        let parent = json!({"state": "applied", "digest": "91ab", "forecast": "sunny"});
        let known = prod(&record, &parent, "kcfg/v9.0.0");
        let of = |state: &EnvironmentState| {
            let commit = state.status.as_ref().and_then(|status| status.commit.clone());
            (commit, state.unreadable.is_some(), state.releases[0].unreadable.is_some())
        };
        // What is new in a later kcfg's records and takes nothing away is left out.
        assert_eq!(of(&known), (Some("3f9a".into()), false, false));
        let mut later = parent.clone();
        later["format"] = json!("2");
        let later = prod(&json!({"status": "{\"objects\": [1]}"}), &later, "kcfg/v9.0.0");
        assert_eq!(of(&later), (None, true, true));
        assert!(later.releases[0].unreadable.as_ref().unwrap().starts_with("kcfg/v9.0.0 wrote it in the format 2"));
        assert_eq!(of(&prod(&record, &parent, "kubectl/v1.36.3")), (Some("3f9a".into()), false, true));
        // An older kcfg wrote no status at all.
        assert_eq!(of(&prod(&json!({}), &parent, "kcfg/v0.0.1")), (None, false, false));
    }
}
