//! What `kcfg status` reads, kept current by watches: the records, the parents and the Leases of kcfg's own namespace. After
//! three lists and three watches nothing is asked of the API server: what changes comes by itself, and what ages is worked
//! out here.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

use super::client::{Accept, Call, Client, Failure};
use super::lease;
use super::pages;
use super::parent::{self, ConfigMap, PARENT_LABEL, Parent};
use super::record::{self, RECORD_LABEL, Record};
use super::reflect::{self, Collection, News, Seen};
use super::status::{EnvironmentState, LeaseStatus, Outage};
use super::survey::{self, LeaseObject};
use super::watch::stopped;
use crate::error::Diagnostic;
use crate::repo::Selector;

/// Objects that one page of a list holds: of parents, each may be a MiB.
const PAGE: usize = 250;
/// How long is waited for more after something changed: a synchronisation writes many objects.
const BURST: Duration = Duration::from_millis(200);
/// How often it is looked at though nothing changed: ages grow, suspensions end, a Lease that nobody renews runs out.
const TICK: Duration = Duration::from_secs(5);

/// Looks at the environments that have a record, and those of these names, at first, whenever something changed, when the
/// window's size did, and every [`TICK`]; until `look` breaks, or the process is asked to end (SIGINT, SIGTERM). While the
/// API server cannot be heard, `look` is given what was known before.
///
/// # Errors
/// The cluster does not answer at first, forbids lists or watches, or `look` fails.
pub async fn watch(
    client: &Client,
    names: &BTreeSet<String>,
    selector: Option<&Selector>,
    mut look: impl FnMut(&[EnvironmentState], Option<&Outage>) -> Result<ControlFlow<()>, Diagnostic>,
) -> Result<(), Diagnostic> {
    let changed = Notify::new();
    let mirror = Mirror {
        records: Mirrored::new(parent::collection(), RECORD_LABEL, &changed),
        parents: Mirrored::new(parent::collection(), PARENT_LABEL, &changed),
        leases: Mirrored::new(lease::collection(), "", &changed),
    };
    let following = async {
        tokio::join!(
            reflect::follow(client, &mirror.records),
            reflect::follow(client, &mirror.parents),
            reflect::follow(client, &mirror.leases)
        )
    };
    tokio::pin!(following);
    let mut stop = stopped()?;
    let failed = |error| Diagnostic::error(format!("cannot wait for signals: {error}"));
    let mut resized = signal(SignalKind::window_change()).map_err(failed)?;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due: Option<Instant> = None;
    let mut known: Option<Vec<EnvironmentState>> = None;
    loop {
        let is_due = async move {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            (never, _, _) = &mut following => match never {},
            _ = stop.wait_for(|is_stopped| *is_stopped) => return Ok(()),
            () = changed.notified() => {
                due.get_or_insert(Instant::now() + BURST);
                continue;
            }
            () = is_due => {
                due = None;
                if let Some(failure) = mirror.refusal() {
                    return Err(failure.diagnostic("watch the records of the environments"));
                }
                if mirror.is_listed() {
                    known = Some(mirror.states(names, selector));
                }
            }
            _ = resized.recv() => {}
            _ = ticks.tick() => {}
        }
        let Some(states) = &mut known else { continue };
        mirror.renew(states);
        if look(states, mirror.outage().as_ref())?.is_break() {
            return Ok(());
        }
    }
}

/// The three collections.
struct Mirror<'a> {
    records: Mirrored<'a, record::Map>,
    parents: Mirrored<'a, ConfigMap>,
    leases: Mirrored<'a, LeaseObject>,
}

impl Mirror<'_> {
    fn is_listed(&self) -> bool {
        self.records.store().is_listed && self.parents.store().is_listed && self.leases.store().is_listed
    }

    /// Why it makes no sense to go on: what cannot be had from the beginning on.
    fn refusal(&self) -> Option<Failure> {
        let of_records = self.records.store().refusal.clone();
        of_records.or_else(|| self.parents.store().refusal.clone()).or_else(|| self.leases.store().refusal.clone())
    }

    /// Since when nothing is heard, if so; of the three what began first.
    fn outage(&self) -> Option<Outage> {
        let outages = [self.records.outage(), self.parents.outage(), self.leases.outage()];
        outages.into_iter().flatten().min_by_key(|outage| outage.since)
    }

    fn states(&self, names: &BTreeSet<String>, selector: Option<&Selector>) -> Vec<EnvironmentState> {
        let records = Record::by_name(self.records.store().objects.values());
        let parents = self.parents.store();
        let leases = self.leases();
        let state = |name: &String| {
            let parents = Parent::by_release(name, parents.objects.values());
            survey::state(name, records.get(name), parents, &leases, selector)
        };
        survey::wanted(names, &records, selector).into_iter().filter_map(state).collect()
    }

    /// Who leads: Leases are renewed all the time, which is no change.
    fn renew(&self, states: &mut [EnvironmentState]) {
        let mut leases = self.leases();
        for state in states {
            state.lease = leases.remove(&lease::lease_name(&state.name));
        }
    }

    fn leases(&self) -> BTreeMap<String, LeaseStatus> {
        self.leases.store().objects.values().filter_map(LeaseObject::named).collect()
    }
}

/// What an object must have to be mirrored.
trait Object: DeserializeOwned + Send {
    /// Whether somebody has to be told that the object is this one now.
    fn is_news(&self, _before: &Self) -> bool {
        true
    }
}

impl Object for record::Map {}
impl Object for ConfigMap {}
impl Object for LeaseObject {
    fn is_news(&self, before: &Self) -> bool {
        self.holder() != before.holder()
    }
}

/// The objects of a collection of kcfg's own namespace, by name.
struct Mirrored<'a, T> {
    path: String,
    /// The label that they have; empty for all.
    label: &'static str,
    changed: &'a Notify,
    store: Mutex<Store<T>>,
}

struct Store<T> {
    objects: BTreeMap<String, T>,
    is_listed: bool,
    is_watched: bool,
    /// When the watch ended that has not been opened again.
    ended: Option<Timestamp>,
    /// Why it cannot be.
    why: Option<String>,
    /// Why it never could be.
    refusal: Option<Failure>,
}

impl<'a, T: Object> Mirrored<'a, T> {
    fn new(path: String, label: &'static str, changed: &'a Notify) -> Mirrored<'a, T> {
        let store = Store {
            objects: BTreeMap::new(),
            is_listed: false,
            is_watched: false,
            ended: None,
            why: None,
            refusal: None,
        };
        Mirrored { path, label, changed, store: Mutex::new(store) }
    }

    fn store(&self) -> MutexGuard<'_, Store<T>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outage(&self) -> Option<Outage> {
        let store = self.store();
        Some(Outage { since: store.ended?, why: store.why.clone()? })
    }
}

/// What every object has.
#[derive(Deserialize)]
struct Named {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    resource_version: String,
}

impl<T: Object> Collection for Mirrored<'_, T> {
    type Object = (String, T);

    async fn list(&self, client: &Client) -> Result<(Vec<(String, T)>, String), Failure> {
        let (items, version) = pages::list::<Box<RawValue>>(client, &self.path, self.label, PAGE, Accept::Json).await?;
        let objects: Result<Vec<_>, Failure> =
            items.iter().map(|item| Ok(self.read(item.get().as_bytes())?.0)).collect();
        Ok((objects?, version))
    }

    fn watch(&self, version: &str) -> Call {
        reflect::watch(&self.path, self.label, version, Accept::Json)
    }

    fn read(&self, object: &[u8]) -> Result<((String, T), String), Failure> {
        let unreadable = |error: serde_json::Error| Failure::Unreadable(error.to_string());
        let Named { metadata } = serde_json::from_slice(object).map_err(unreadable)?;
        let object = serde_json::from_slice(object).map_err(unreadable)?;
        Ok(((metadata.name, object), metadata.resource_version))
    }

    fn hear(&self, news: News<'_, (String, T)>) {
        let mut store = self.store();
        let is_news = match news {
            News::Listed(found, _) => {
                store.objects = found.into_iter().collect();
                store.is_listed = true;
                true
            }
            News::Opened => {
                store.is_watched = true;
                store.ended = None;
                store.why.take().is_some()
            }
            News::Seen(Seen::Version(_)) => false,
            News::Seen(Seen::Gone((name, _))) => store.objects.remove(&name).is_some(),
            News::Seen(Seen::Is((name, object))) => {
                let is_news = store.objects.get(&name).is_none_or(|before| object.is_news(before));
                store.objects.insert(name, object);
                is_news
            }
            News::Ended { lasted, failure, .. } => {
                store.ended.get_or_insert_with(Timestamp::now);
                // Most watches that end can be opened again at once.
                let failure = failure.filter(|_| !lasted);
                let is_final = |failure: &&Failure| !store.is_listed || failure.code() == Some(403);
                if let Some(failure) = failure.filter(|_| !store.is_watched).filter(is_final) {
                    store.refusal = Some(failure.clone());
                }
                let before = store.why.is_some();
                store.why = failure.map(ToString::to_string).or_else(|| store.why.take());
                store.why.is_some() && !before
            }
        };
        if is_news {
            self.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, renewed: &str) -> Vec<u8> {
        let spec = serde_json::json!({"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 60});
        serde_json::json!({"metadata": {"name": "kcfg-prod", "resourceVersion": "7"}, "spec": spec}).to_string().into()
    }

    fn is_told(changed: &Notify) -> bool {
        let notified = changed.notified();
        tokio::pin!(notified);
        notified.as_mut().enable()
    }

    #[test]
    fn what_is_news() {
        let changed = Notify::new();
        let mirrored: Mirrored<'_, LeaseObject> = Mirrored::new(String::new(), "", &changed);
        let read = |text: &[u8]| mirrored.read(text).unwrap().0;
        let hear = |news: News<'_, _>| {
            mirrored.hear(news);
            is_told(&changed)
        };
        let at = |second: u32| format!("2026-01-02T03:04:{second:02}.000000Z");
        assert!(hear(News::Listed(vec![read(&lease("a", &at(0)))], "7".into())));
        assert!(!hear(News::Opened), "it was never closed");
        assert!(!hear(News::Seen(Seen::Version("8".into()))));
        assert!(!hear(News::Seen(Seen::Is(read(&lease("a", &at(5)))))), "renewed");
        let (name, status) = mirrored.store().objects["kcfg-prod"].named().unwrap();
        assert_eq!((name.as_str(), status.renewed.to_string().as_str()), ("kcfg-prod", "2026-01-02T03:04:05Z"));
        assert!(hear(News::Seen(Seen::Is(read(&lease("b", &at(6)))))), "another has it");
        assert!(hear(News::Seen(Seen::Gone(read(&lease("b", &at(6)))))));
        assert!(!hear(News::Seen(Seen::Gone(read(&lease("b", &at(6)))))));
    }

    #[test]
    fn an_outage_begins_with_the_first_watch_that_cannot_be_opened_again_and_lasts_until_one_is() {
        let changed = Notify::new();
        let mirrored: Mirrored<'_, record::Map> = Mirrored::new(String::new(), RECORD_LABEL, &changed);
        let failure = Failure::Unreachable("connection refused".into());
        let ended = |lasted: bool, failure: Option<&Failure>| {
            mirrored.hear(News::Ended { lasted, failure, failures: 1 });
            (is_told(&changed), mirrored.outage().map(|outage| outage.why))
        };
        mirrored.hear(News::Listed(Vec::new(), "7".into()));
        mirrored.hear(News::Opened);
        assert!(is_told(&changed));
        let why = Some("the API server cannot be reached: connection refused".to_owned());
        // The API server ends watches as it likes.
        assert_eq!(ended(true, None), (false, None));
        mirrored.hear(News::Opened);
        assert_eq!(ended(true, Some(&failure)), (false, None), "it may be there again at once");
        assert_eq!(ended(false, Some(&failure)), (true, why.clone()));
        let since = mirrored.outage().map(|outage| outage.since);
        assert_eq!(ended(false, Some(&failure)), (false, why.clone()));
        assert_eq!(ended(false, None), (false, why), "what answers and ends at once is no watch");
        assert_eq!(mirrored.outage().map(|outage| outage.since), since);
        mirrored.hear(News::Opened);
        assert!(is_told(&changed) && mirrored.outage().is_none() && mirrored.store().refusal.is_none());
        // What could never be watched is refused.
        let never: Mirrored<'_, record::Map> = Mirrored::new(String::new(), RECORD_LABEL, &changed);
        let forbidden = Failure::Refused { code: 403, reason: String::new(), message: "no".into(), causes: Vec::new() };
        never.hear(News::Listed(Vec::new(), "7".into()));
        for (failure, is_refused) in [(&failure, false), (&forbidden, true)] {
            never.hear(News::Ended { lasted: false, failure: Some(failure), failures: 1 });
            assert_eq!(never.store().refusal.is_some(), is_refused);
        }
    }
}
