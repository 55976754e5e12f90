//! The members of an environment, kept current: one list and one watch per kind, metadata only, selected by label. A
//! synchronisation of the loop reads them from here and asks the API server for nothing; what somebody else changes
//! arrives as [`Sight`]s, and whether it is drift is for the loop to say, which knows what was applied. The parents are
//! followed in the same way. How lists and watches hang together is [`reflect`]'s business. While a kind's watch does not
//! work [`Members::of`] gives nothing: who needs its members lists them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::client::{Accept, Call, Client, Failure};
use super::discovery::Resource;
use super::live;
use super::metrics::Metrics;
use super::parent::{ENVIRONMENT_LABEL, PARENT_LABEL, environment_label};
use super::reflect::{self, Collection, News, Seen};
use crate::plan::{LiveObject, OWN_NAMESPACE, ShortHash};

/// Failures in a row after which they are said.
const FAILURES_SAID: u32 = 3;

/// A group and a kind.
pub type Kind = (Arc<str>, Arc<str>);

/// Who is told that a kind cannot be watched, with the reason, and that it can again, without one.
pub type Trouble = Arc<dyn Fn(&Resource, Option<&Failure>) + Send + Sync>;

/// A member, as a watch saw it last.
#[derive(Debug)]
pub struct Sight {
    /// The member.
    pub live: LiveObject,
    /// Whether it is gone, or no longer labelled as a member.
    pub is_gone: bool,
}

/// The members of an environment; the watches end with this.
pub struct Members {
    follower: Follower,
    tasks: BTreeMap<Kind, JoinHandle<()>>,
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("kinds", &self.tasks.keys()).finish_non_exhaustive()
    }
}

/// What every watch has.
#[derive(Clone)]
struct Follower {
    client: Client,
    namespace: Option<&'static str>,
    selector: String,
    metrics: Metrics,
    trouble: Trouble,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    store: Mutex<Store>,
    /// A member was seen to change.
    sighted: Notify,
    /// A kind was listed, or could not be.
    listed: Notify,
}

#[derive(Default)]
struct Store {
    kinds: HashMap<Kind, OfKind>,
    sights: HashMap<ShortHash, Sight>,
}

/// What is known of a kind.
#[derive(Default)]
struct OfKind {
    objects: HashMap<ShortHash, LiveObject>,
    /// The version up to which everything is known.
    version: u64,
    standing: Standing,
}

#[derive(Default, PartialEq, Eq)]
enum Standing {
    /// It is listed for the first time.
    #[default]
    Begun,
    /// Its watch works.
    Current,
    /// Its watch does not work at the moment.
    Behind,
}

impl Members {
    /// The members of an environment; follows no kind yet.
    pub fn new(client: Client, environment: &str, metrics: Metrics, trouble: Trouble) -> Members {
        let selector = format!("{ENVIRONMENT_LABEL}={}", environment_label(environment));
        let follower = Follower { client, namespace: None, selector, metrics, trouble, shared: Arc::default() };
        Members { follower, tasks: BTreeMap::new() }
    }

    /// The parents of an environment instead, which are ConfigMaps.
    pub fn parents(client: Client, environment: &str, metrics: Metrics, trouble: Trouble) -> Members {
        let mut parents = Members::new(client, environment, metrics, trouble);
        parents.follower.namespace = Some(OWN_NAMESPACE);
        parents.follower.selector = format!("{PARENT_LABEL}={}", environment_label(environment));
        parents
    }

    /// Follows these kinds and no others; ends once each was listed, or could not be.
    pub async fn follow(&mut self, kinds: impl IntoIterator<Item = Resource>) {
        let kinds: BTreeMap<Kind, Resource> = kinds
            .into_iter()
            .filter(|resource| resource.is_listable)
            .map(|resource| ((resource.group.clone(), resource.kind.clone()), resource))
            .collect();
        let shared = self.follower.shared.clone();
        self.tasks.retain(|kind, task| {
            let stays = kinds.contains_key(kind) && !task.is_finished();
            if !stays {
                task.abort();
                shared.store().kinds.remove(kind);
            }
            stays
        });
        for (kind, resource) in kinds {
            if !self.tasks.contains_key(&kind) {
                shared.store().kinds.insert(kind.clone(), OfKind::default());
                let follower = self.follower.clone();
                let of_kind = FollowedKind { follower, resource, kind: kind.clone() };
                let task = async move { match reflect::follow(&of_kind.follower.client, &of_kind).await {} };
                self.tasks.insert(kind, tokio::spawn(task));
            }
        }
        loop {
            let listed = shared.listed.notified();
            tokio::pin!(listed);
            listed.as_mut().enable();
            if shared.store().kinds.values().all(|of_kind| of_kind.standing != Standing::Begun) {
                return;
            }
            listed.await;
        }
    }

    /// The members of a kind; none where it is not known for certain at the moment.
    pub fn of(&self, kind: &Kind) -> Option<Vec<LiveObject>> {
        let store = self.follower.shared.store();
        let of_kind = store.kinds.get(kind).filter(|of_kind| of_kind.standing == Standing::Current)?;
        Some(of_kind.objects.values().cloned().collect())
    }

    /// Takes in what an apply left behind, unless the watch has told of it already.
    pub fn put(&self, live: &LiveObject) {
        let kind = (live.id.group.clone(), live.id.kind.clone());
        let mut store = self.follower.shared.store();
        let Some(of_kind) = store.kinds.get_mut(&kind) else { return };
        let key = ShortHash::of_id(&live.id);
        let known = of_kind.objects.get(&key).map_or(0, version_of);
        if version_of(live) > known.max(of_kind.version) {
            of_kind.objects.insert(key, live.clone());
        }
    }

    /// Waits until something was seen to change.
    pub async fn changed(&self) {
        self.follower.shared.sighted.notified().await;
    }

    /// What was seen to change since this was called last: each member once, as it is now.
    pub fn take_sights(&self) -> HashMap<ShortHash, Sight> {
        std::mem::take(&mut self.follower.shared.store().sights)
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.tasks.values().for_each(JoinHandle::abort);
    }
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stands(&self, kind: &Kind, standing: Standing) {
        if let Some(of_kind) = self.store().kinds.get_mut(kind) {
            of_kind.standing = standing;
        }
        self.listed.notify_waiters();
    }

    /// Everything that a list showed.
    fn listed(&self, kind: &Kind, listed: Vec<LiveObject>, version: u64) {
        let mut store = self.store();
        let Store { kinds, sights } = &mut *store;
        let Some(of_kind) = kinds.get_mut(kind) else { return };
        let objects: HashMap<_, _> = listed.into_iter().map(|live| (ShortHash::of_id(&live.id), live)).collect();
        let before = std::mem::replace(&mut of_kind.objects, objects);
        // What a first list shows is planned from; a later one shows what was missed.
        if of_kind.version > 0 {
            let is_new = |key: &ShortHash, live: &LiveObject| {
                before.get(key).is_none_or(|before| before.resource_version != live.resource_version)
            };
            let changed = of_kind.objects.iter().filter(|(key, live)| is_new(key, live));
            sights.extend(changed.map(|(key, live)| (*key, Sight { live: live.clone(), is_gone: false })));
            let gone = before.into_iter().filter(|(key, _)| !of_kind.objects.contains_key(key));
            sights.extend(gone.map(|(key, live)| (key, Sight { live, is_gone: true })));
            self.sighted.notify_one();
        }
        of_kind.version = version;
    }

    /// One line of a watch.
    fn saw(&self, kind: &Kind, seen: Seen<LiveObject>) {
        let mut store = self.store();
        let Store { kinds, sights } = &mut *store;
        let Some(of_kind) = kinds.get_mut(kind) else { return };
        let (live, is_gone) = match seen {
            Seen::Version(version) => {
                of_kind.version = of_kind.version.max(number(&version));
                return;
            }
            Seen::Is(live) => (live, false),
            Seen::Gone(live) => (live, true),
        };
        let (key, version) = (ShortHash::of_id(&live.id), version_of(&live));
        of_kind.version = of_kind.version.max(version);
        // An apply's answer may have been faster.
        if of_kind.objects.get(&key).is_some_and(|known| version_of(known) > version) {
            return;
        }
        if is_gone {
            of_kind.objects.remove(&key);
        } else {
            of_kind.objects.insert(key, live.clone());
        }
        sights.insert(key, Sight { live, is_gone });
        self.sighted.notify_one();
    }
}

/// A kind that is followed.
struct FollowedKind {
    follower: Follower,
    resource: Resource,
    kind: Kind,
}

impl Collection for FollowedKind {
    type Object = LiveObject;

    async fn list(&self, client: &Client) -> Result<(Vec<LiveObject>, String), Failure> {
        let mut found = Vec::new();
        let Follower { namespace, selector, .. } = &self.follower;
        let version = live::list(client, &self.resource, *namespace, selector, |live| found.push(live)).await?;
        Ok((found, version))
    }

    fn watch(&self, version: &str) -> Call {
        let Follower { namespace, selector, .. } = &self.follower;
        let path = self.resource.list_path(self.resource.preferred(), *namespace);
        reflect::watch(&path, selector, version, Accept::Metadata)
    }

    fn read(&self, object: &[u8]) -> Result<(LiveObject, String), Failure> {
        let live = live::one(&self.resource, object)?;
        let version = live.resource_version.to_string();
        Ok((live, version))
    }

    fn hear(&self, news: News<'_, LiveObject>) {
        let Follower { shared, metrics, trouble, .. } = &self.follower;
        match news {
            News::Listed(found, version) => {
                shared.listed(&self.kind, found, number(&version));
                shared.stands(&self.kind, Standing::Current);
            }
            News::Opened => shared.stands(&self.kind, Standing::Current),
            News::Seen(seen) => shared.saw(&self.kind, seen),
            News::Ended { lasted, failure, failures } => {
                match (lasted, failure) {
                    (true, _) if failures >= FAILURES_SAID => trouble(&self.resource, None),
                    (true, _) => {}
                    (false, failure) => {
                        shared.stands(&self.kind, Standing::Behind);
                        if failure.is_some() && failures == FAILURES_SAID {
                            trouble(&self.resource, failure);
                        }
                    }
                }
                metrics.add("kcfg_watch_restarts_total", "", 1.0);
            }
        }
    }
}

/// Versions are compared, as the API server's are numbers that grow (KEP-5504); a version that is none counts as oldest.
fn version_of(live: &LiveObject) -> u64 {
    number(&live.resource_version)
}

fn number(version: &str) -> u64 {
    version.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ObjectId;
    use crate::manifest::prune::Fate;

    fn live(name: &str, version: u64) -> LiveObject {
        LiveObject {
            id: format!("core/ConfigMap/shop/{name}").parse::<ObjectId>().unwrap(),
            uid: name.into(),
            resource_version: version.to_string().into(),
            part_of: None,
            state: ShortHash::of(&[&version.to_be_bytes()]),
            fate: Fate::Deleted,
            is_terminating: false,
            is_ours: true,
            other_manager: None,
        }
    }

    fn seen(name: &str, version: u64, is_gone: bool) -> Seen<LiveObject> {
        let live = live(name, version);
        if is_gone { Seen::Gone(live) } else { Seen::Is(live) }
    }

    /// Names and versions of what is known, in order.
    fn known(shared: &Shared, kind: &Kind) -> Vec<String> {
        let store = shared.store();
        let mut known: Vec<_> =
            store.kinds[kind].objects.values().map(|live| format!("{}@{}", live.uid, live.resource_version)).collect();
        known.sort();
        known
    }

    #[test]
    fn what_a_watch_tells_late_changes_nothing() {
        let kind: Kind = ("".into(), "ConfigMap".into());
        let shared = Shared::default();
        shared.store().kinds.insert(kind.clone(), OfKind::default());
        shared.listed(&kind, vec![live("a", 5), live("b", 6)], 7);
        assert!(shared.store().sights.is_empty(), "a first list is planned from");
        shared.store().kinds.get_mut(&kind).unwrap().objects.insert(ShortHash::of_id(&live("a", 0).id), live("a", 9));
        shared.saw(&kind, seen("a", 8, false));
        assert_eq!(known(&shared, &kind), ["a@9", "b@6"], "an apply's answer is newer");
        shared.saw(&kind, seen("a", 10, false));
        shared.saw(&kind, seen("b", 11, true));
        assert_eq!(known(&shared, &kind), ["a@10"]);
        let sights = std::mem::take(&mut shared.store().sights);
        assert_eq!(sights.values().filter(|sight| sight.is_gone).count(), 1);
        // A list after the watch was lost: what is new, what changed and what is gone is seen, the rest is not.
        shared.saw(&kind, seen("c", 12, false));
        shared.store().sights.clear();
        shared.listed(&kind, vec![live("c", 12), live("d", 13)], 14);
        let mut sights: Vec<_> =
            shared.store().sights.values().map(|sight| (sight.live.uid.to_string(), sight.is_gone)).collect();
        sights.sort();
        assert_eq!(sights, [("a".to_owned(), true), ("d".to_owned(), false)]);
    }
}
