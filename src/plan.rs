//! Desired objects × live objects → what is to be done and why: an ordered list of steps, and nothing else. Pure: no
//! cluster is asked, so every rule is a row of a table in the tests.

pub mod hooks;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::manifest::prune::{Deletion, Extent, Fate, Keeper, guard};
use crate::manifest::{ObjectId, install_rank};
use crate::release::{PruneBudget, Removal};

mod suspension;

pub use suspension::{REASON_CHARACTERS_MAX, SUSPENSION_MAX, SUSPENSIONS_MAX, Suspension, Suspensions};

/// The namespace of what kcfg keeps in a cluster, and runs in.
pub const OWN_NAMESPACE: &str = "kcfg-system";

/// The first half of a sha256: what inventories hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ShortHash(pub [u8; 16]);

impl ShortHash {
    /// What no hash is: nothing is known.
    pub const UNKNOWN: ShortHash = ShortHash([0; 16]);
    /// Stands for the live state of a hook, which is never applied as a member.
    pub const HOOK: ShortHash = ShortHash([0xff; 16]);

    /// Of bytes, in parts that are told apart.
    pub fn of(parts: &[&[u8]]) -> ShortHash {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut short = [0; 16];
        short.copy_from_slice(&hash.finalize()[..16]);
        ShortHash(short)
    }

    /// Of an object's id.
    pub fn of_id(id: &ObjectId) -> ShortHash {
        let namespace = id.namespace.as_deref().unwrap_or("-");
        ShortHash::of(&[id.group.as_bytes(), id.kind.as_bytes(), namespace.as_bytes(), id.name.as_bytes()])
    }

    /// From the first 32 of a sha256's hexadecimal digits; [`ShortHash::UNKNOWN`] for anything else.
    pub fn from_hex(digits: &str) -> ShortHash {
        let mut short = [0; 16];
        let bytes = digits.get(..32).and_then(|digits| data_encoding::HEXLOWER.decode(digits.as_bytes()).ok());
        if let Some(bytes) = bytes {
            short.copy_from_slice(&bytes);
        }
        ShortHash(short)
    }
}

impl fmt::Debug for ShortHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// What the tree wants of an environment.
#[derive(Debug, Default)]
pub struct Desired {
    /// The environment.
    pub environment: String,
    /// The releases whose files match their sums, by name.
    pub releases: Vec<DesiredRelease>,
    /// Releases that are refused: their folder does not match its sum, or their document cannot be honoured.
    pub refused: BTreeSet<String>,
    /// The names that documents of the environment give to folders of the tree.
    pub documented: BTreeSet<String>,
    /// Whether every document of the environment could be read, so that a name that is not there is gone.
    pub is_complete: bool,
    /// How much one synchronisation may delete.
    pub budget: PruneBudget,
    /// Permissions to delete more.
    pub removals: Vec<Removal>,
}

/// A release of the tree.
#[derive(Debug)]
pub struct DesiredRelease {
    /// Its name.
    pub name: String,
    /// Its digest.
    pub digest: String,
    /// The id of its ApplySet.
    pub set: String,
    /// Its objects, by file name.
    pub objects: Vec<DesiredObject>,
    /// How those of them that are hooks are run.
    pub hooks: Vec<hooks::Hook>,
    /// Whether its sources changed after it was rendered.
    pub is_stale: bool,
}

/// An object of the tree.
#[derive(Debug, Clone)]
pub struct DesiredObject {
    /// Its id.
    pub id: ObjectId,
    /// Of its file.
    pub content: ShortHash,
    /// Whether it is a hook, which is run, not kept.
    pub is_hook: bool,
}

/// What an inventory says of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Of the file that was applied last; [`ShortHash::UNKNOWN`] while an apply is under way.
    pub content: ShortHash,
    /// Of kcfg's entry in the object's managedFields, as that apply left it.
    pub state: ShortHash,
}

/// What the releases' parents say, by release.
pub type Inventories = BTreeMap<String, Inventory>;

/// What one release's parent says.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The id of its ApplySet.
    pub set: String,
    /// The digest that was last applied as a whole.
    pub digest: Option<String>,
    /// By the hash of the object's id.
    pub entries: HashMap<ShortHash, Entry>,
}

/// What is known of a live object: metadata only.
#[derive(Debug, Clone)]
pub struct LiveObject {
    /// Its id.
    pub id: ObjectId,
    /// Its uid.
    pub uid: Box<str>,
    /// Its version in the cluster.
    pub resource_version: Box<str>,
    /// The id of the ApplySet that it says it is part of.
    pub part_of: Option<Box<str>>,
    /// Of kcfg's entry in its managedFields; [`ShortHash::UNKNOWN`] if there is none.
    pub state: ShortHash,
    /// What becomes of it when nothing wants it any more.
    pub fate: Fate,
    /// Whether it is being deleted.
    pub is_terminating: bool,
    /// Who wrote to it last, but for kcfg.
    pub other_manager: Option<std::sync::Arc<str>>,
    /// Whether kcfg wrote it, and nobody else but controllers of its status.
    pub is_ours: bool,
}

/// What is to be done with an object that the tree wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it is as it was applied.
    Keep,
    /// Apply it.
    Apply(Reason),
    /// Nothing, though it no longer holds what was applied: the environment only wants to know.
    Report(Reason),
    /// Nothing: hooks are not kept.
    SkipHook,
    /// It belongs to somebody else.
    Refuse(Refusal),
    /// Nothing: it is suspended. What would be done, as the end of a sentence; none where it is as it was applied.
    Suspend(Option<String>),
}

/// Why an object is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is not in the cluster.
    New,
    /// It is not in the cluster, though it was applied before.
    Gone,
    /// Its file changed.
    Content,
    /// It no longer holds what was applied; who wrote to it, where that is known.
    Drift(Option<std::sync::Arc<str>>),
    /// It was applied by a run that did not finish.
    Unfinished,
    /// It belonged to this release of the environment.
    Moved(String),
    /// It belonged to somebody else, and adoption was asked for.
    Adopted(String),
}

/// Why an object is not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody else owns it.
    Foreign(String),
    /// This release of the tree wants it too.
    Shared(String),
    /// It is being deleted.
    Terminating,
    /// What there is of its kind could not be listed, for this reason.
    Unlisted(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::New => f.write_str("new"),
            Reason::Gone => f.write_str("was deleted in the cluster"),
            Reason::Content => f.write_str("its file changed"),
            Reason::Drift(None) => f.write_str("was changed in the cluster"),
            Reason::Drift(Some(manager)) => write!(f, "was changed in the cluster by {manager}"),
            Reason::Unfinished => f.write_str("an earlier run did not finish it"),
            Reason::Moved(release) => write!(f, "moved from release {release}"),
            Reason::Adopted(owner) => write!(f, "taken over from {owner}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Foreign(owner) => {
                write!(f, "it belongs to {owner}; `--adopt` takes it over")
            }
            Refusal::Shared(release) => write!(f, "release {release} has it too; keep it in one of them"),
            Refusal::Terminating => f.write_str("it is being deleted; it is applied once it is gone"),
            Refusal::Unlisted(why) => write!(f, "what is there of its kind cannot be listed: {why}"),
        }
    }
}

/// Everything that is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// What is to be done with each object that the tree wants, by indices of release and object in [`Desired`].
    pub applies: Vec<Step>,
    /// What left the tree.
    pub departures: Vec<Departure>,
    /// Why deletions are held, and the Removal document that lets them go.
    pub hold: Option<Hold>,
}

/// An object that left the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// The release that it belongs to.
    pub release: String,
    /// The object.
    pub id: ObjectId,
    /// Its uid: what stands there later under its name is another object.
    pub uid: Box<str>,
    /// What is to be done with it.
    pub end: End,
}

/// What is to be done with an object that left the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It is deleted.
    Delete,
    /// It stays, and kcfg's labels are taken off it.
    Release(Keeper),
    /// Nothing, for now.
    Hold(HoldReason),
    /// Nothing: it is kcfg's own.
    KeepOwn,
    /// Nothing: it is being deleted already.
    Terminating,
}

/// Why an object is not deleted though nothing wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldReason {
    /// The guard: too much would be deleted.
    Guard(String),
    /// These releases of the environment are refused: what they want is not known.
    Refused(Vec<String>),
    /// Its whole release is gone, but not every document could be read.
    Unreadable,
    /// What these kinds or groups have could not be found out.
    Uncertain(String),
    /// The same object is wanted under another API group.
    SameUid,
    /// Something of the release could not be applied.
    Partial,
    /// A hook that runs before it failed, or has not ended.
    Hook(String),
    /// It is suspended.
    Suspended,
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HoldReason::Guard(excess) => write!(f, "this sync {excess}"),
            HoldReason::Refused(releases) => {
                write!(f, "nothing is deleted while a release is refused ({})", releases.join(", "))
            }
            HoldReason::Unreadable => {
                f.write_str("no release is removed while a document of the environment cannot be read")
            }
            HoldReason::Uncertain(what) => write!(f, "nothing is deleted while it is not known what is there: {what}"),
            HoldReason::SameUid => f.write_str("the same object is wanted under another API group"),
            HoldReason::Partial => f.write_str("something else could not be applied, which may depend on it"),
            HoldReason::Hook(why) => f.write_str(why),
            HoldReason::Suspended => f.write_str("left the tree"),
        }
    }
}

/// Why deletions are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// What the sync would do, as the end of a sentence.
    pub excess: String,
    /// The document that lets them go; none where no release was ever applied as a whole.
    pub removal: Option<String>,
}

/// One object and what is to be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Index of the release.
    pub release: usize,
    /// Index of the object in it.
    pub object: usize,
    /// What is to be done.
    pub action: Action,
}

/// What a plan is made from, beside what the tree wants.
#[derive(Debug, Default)]
pub struct Known {
    /// What the parents say.
    pub inventories: Inventories,
    /// What is in the cluster, by the hash of its id.
    pub live: HashMap<ShortHash, LiveObject>,
    /// Whether objects of others are taken over.
    pub adopts: bool,
    /// Whether drift is reported instead of corrected.
    pub leaves_drift: bool,
    /// Kinds that could not be listed, as group and kind, and why.
    pub unlisted: BTreeMap<(std::sync::Arc<str>, std::sync::Arc<str>), String>,
    /// Why it is not known for certain what there is, beside [`Known::unlisted`].
    pub uncertain: Option<String>,
    /// What is left alone.
    pub suspensions: Suspensions,
    /// The moment at which suspensions hold or do not.
    pub now: Timestamp,
}

/// Decides.
pub fn plan(desired: &Desired, known: &Known) -> Plan {
    let mut owners: HashMap<ShortHash, usize> = HashMap::new();
    for (index, release) in desired.releases.iter().enumerate() {
        for object in release.objects.iter().filter(|object| !object.is_hook) {
            let key = ShortHash::of_id(&object.id);
            let is_owner =
                known.live.get(&key).is_some_and(|live| live.part_of.as_deref() == Some(release.set.as_str()));
            // Of two that want it, the one that has it keeps it.
            if is_owner || !owners.contains_key(&key) {
                owners.insert(key, index);
            }
        }
    }
    let sets: HashMap<&str, &str> =
        known.inventories.iter().map(|(release, inventory)| (inventory.set.as_str(), release.as_str())).collect();
    let mut plan = Plan::default();
    for (index, release) in desired.releases.iter().enumerate() {
        let inventory = known.inventories.get(&release.name);
        for (place, object) in release.objects.iter().enumerate() {
            let key = ShortHash::of_id(&object.id);
            let owner = owners.get(&key).copied().unwrap_or(index);
            let action = if object.is_hook {
                Action::SkipHook
            } else if owner != index {
                Action::Refuse(Refusal::Shared(desired.releases[owner].name.clone()))
            } else if let Some(why) = known.unlisted.get(&(object.id.group.clone(), object.id.kind.clone())) {
                Action::Refuse(Refusal::Unlisted(why.clone()))
            } else {
                let entry = inventory.and_then(|inventory| inventory.entries.get(&key));
                match action(object, &release.set, entry, known.live.get(&key), &sets, known.adopts) {
                    Action::Apply(reason) if known.leaves_drift && is_drift(&reason, entry, object) => {
                        Action::Report(reason)
                    }
                    action => action,
                }
            };
            let action = suspend(action, &release.name, &object.id, known);
            plan.applies.push(Step { release: index, object: place, action });
        }
    }
    depart(desired, known, &owners, &mut plan);
    plan
}

/// Nothing is done with an object that is suspended, in its release or in the one that it moves from.
fn suspend(action: Action, release: &str, id: &ObjectId, known: &Known) -> Action {
    let is_covered = |release: &str| known.suspensions.covers(release, id, known.now).is_some();
    let is_moved_away = matches!(&action, Action::Apply(Reason::Moved(from)) if is_covered(from));
    if !is_moved_away && !is_covered(release) {
        return action;
    }
    match action {
        Action::Keep => Action::Suspend(None),
        Action::Apply(reason) | Action::Report(reason) => Action::Suspend(Some(reason.to_string())),
        Action::Refuse(refusal) => Action::Suspend(Some(refusal.to_string())),
        Action::SkipHook | Action::Suspend(_) => action,
    }
}

/// Decides about what left the tree.
fn depart(desired: &Desired, known: &Known, wanted: &HashMap<ShortHash, usize>, plan: &mut Plan) {
    let current: BTreeMap<&str, &str> =
        desired.releases.iter().map(|release| (release.name.as_str(), release.set.as_str())).collect();
    let wanted_uids: HashSet<&str> =
        wanted.keys().filter_map(|key| known.live.get(key)).map(|live| &*live.uid).collect();
    // Of a release whose record was lost the members are still there.
    let none = HashMap::new();
    let lost = desired.releases.iter().map(|release| (release.set.as_str(), (release.name.as_str(), &none)));
    let recorded = known.inventories.iter();
    let recorded = recorded.map(|(name, inventory)| (inventory.set.as_str(), (name.as_str(), &inventory.entries)));
    let by_set: HashMap<&str, (&str, &HashMap<ShortHash, Entry>)> = lost.chain(recorded).collect();
    let (mut members, mut staying) = (0, 0);
    for (key, live) in &known.live {
        let Some((release, entries)) = live.part_of.as_deref().and_then(|set| by_set.get(set)) else { continue };
        // What carries the label but was never applied is a copy of one that was (Endpoints take their Service's labels).
        // Where the record is empty, as when somebody deleted it, kcfg's own mark on the object tells.
        let was_applied = if entries.is_empty() { live.state != ShortHash::UNKNOWN } else { entries.contains_key(key) };
        if !was_applied {
            continue;
        }
        members += 1;
        if wanted.contains_key(key) {
            staying += 1;
            continue;
        }
        let end = end(desired, known, live, &current, release, &wanted_uids);
        let (release, id, uid) = ((*release).to_owned(), live.id.clone(), live.uid.clone());
        plan.departures.push(Departure { release, id, uid, end });
    }
    plan.departures.sort_by(|a, b| (Phase::of(&b.id), &a.release, &a.id).cmp(&(Phase::of(&a.id), &b.release, &b.id)));
    let extent = Extent { object_count: members, staying_count: staying };
    let deletions: Vec<Deletion<'_>> = plan
        .departures
        .iter()
        .filter(|departure| departure.end == End::Delete)
        .map(|departure| Deletion {
            release: &departure.release,
            digest: known.inventories.get(&departure.release).and_then(|inventory| inventory.digest.as_deref()),
            id: &departure.id,
        })
        .collect();
    let held = guard(&deletions, extent, desired.budget, &desired.removals);
    let Some(held) = held else { return };
    let hold = Hold { excess: held.excess.to_string(), removal: held.removal() };
    let ids: HashSet<ObjectId> = held.deletions.iter().map(|deletion| deletion.id.clone()).collect();
    for departure in plan.departures.iter_mut().filter(|departure| departure.end == End::Delete) {
        if ids.contains(&departure.id) {
            departure.end = End::Hold(HoldReason::Guard(hold.excess.clone()));
        }
    }
    plan.hold = Some(hold);
}

/// What is to be done with one object that nothing wants, before the guard has its say.
fn end(
    desired: &Desired,
    known: &Known,
    live: &LiveObject,
    current: &BTreeMap<&str, &str>,
    release: &str,
    wanted_uids: &HashSet<&str>,
) -> End {
    if is_own(&live.id) {
        return End::KeepOwn;
    }
    if live.is_terminating {
        return End::Terminating;
    }
    if known.suspensions.covers(release, &live.id, known.now).is_some() {
        return End::Hold(HoldReason::Suspended);
    }
    if !desired.refused.is_empty() {
        return End::Hold(HoldReason::Refused(desired.refused.iter().cloned().collect()));
    }
    let is_gone = !current.contains_key(release);
    if is_gone && !desired.is_complete {
        return End::Hold(HoldReason::Unreadable);
    }
    if let Some(((_, kind), why)) = known.unlisted.iter().next() {
        return End::Hold(HoldReason::Uncertain(format!("{kind}: {why}")));
    }
    if let Some(why) = &known.uncertain {
        return End::Hold(HoldReason::Uncertain(why.clone()));
    }
    if wanted_uids.contains(&*live.uid) {
        return End::Hold(HoldReason::SameUid);
    }
    match live.fate {
        Fate::Deleted => End::Delete,
        Fate::Kept(keeper) => End::Release(keeper),
    }
}

/// Whether an object is kcfg's own: its namespace, what is in it, and the cluster-wide rights of its account.
fn is_own(id: &ObjectId) -> bool {
    id.namespace.as_deref() == Some(OWN_NAMESPACE)
        || (&*id.kind == "Namespace" && &*id.name == OWN_NAMESPACE)
        || (&*id.group == "rbac.authorization.k8s.io"
            && id.namespace.is_none()
            && (&*id.name == "kcfg" || id.name.starts_with("kcfg-")))
}

/// What is to be done with one object of a release whose ApplySet is `set`.
fn action(
    object: &DesiredObject,
    set: &str,
    entry: Option<&Entry>,
    live: Option<&LiveObject>,
    sets: &HashMap<&str, &str>,
    adopts: bool,
) -> Action {
    let Some(live) = live else {
        // An entry without a state is of an apply that never ended.
        let was_applied = entry.is_some_and(|entry| entry.state != ShortHash::UNKNOWN);
        return Action::Apply(if was_applied { Reason::Gone } else { Reason::New });
    };
    if live.is_terminating {
        return Action::Refuse(Refusal::Terminating);
    }
    match live.part_of.as_deref() {
        Some(owner) if owner == set => match entry {
            None => Action::Apply(Reason::Unfinished),
            Some(entry) if entry.content == ShortHash::UNKNOWN => Action::Apply(Reason::Unfinished),
            Some(entry) if entry.content != object.content => Action::Apply(Reason::Content),
            Some(entry) if entry.state != live.state => Action::Apply(Reason::Drift(live.other_manager.clone())),
            Some(_) => Action::Keep,
        },
        Some(owner) => match sets.get(owner) {
            Some(release) => Action::Apply(Reason::Moved((*release).to_owned())),
            None => foreign(format!("the ApplySet {owner}"), adopts),
        },
        // The label was taken off an object of ours, or kcfg made it without one (a namespace).
        None if entry.is_some() => Action::Apply(Reason::Drift(live.other_manager.clone())),
        None if live.is_ours => Action::Apply(Reason::New),
        None => foreign(live.other_manager.as_deref().unwrap_or("somebody else").to_owned(), adopts),
    }
}

/// Whether an object is to be applied only because somebody else changed it.
fn is_drift(reason: &Reason, entry: Option<&Entry>, object: &DesiredObject) -> bool {
    matches!(reason, Reason::Drift(_) | Reason::Gone) && entry.is_some_and(|entry| entry.content == object.content)
}

fn foreign(owner: String, adopts: bool) -> Action {
    if adopts { Action::Apply(Reason::Adopted(owner)) } else { Action::Refuse(Refusal::Foreign(owner)) }
}

/// In which order objects are applied: those of one phase at the same time, phase after phase. Deleting goes the other
/// way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// What everything else lives in.
    Namespaces,
    /// What custom objects are made of; waited for.
    Definitions,
    /// By the place of their kind in the install order; custom ones after the built-in ones.
    Kind(usize),
    /// What could keep all others from being applied while their servers are not up.
    Webhooks,
}

impl Phase {
    /// The phase of an object.
    pub fn of(id: &ObjectId) -> Phase {
        match (&*id.group, &*id.kind) {
            ("", "Namespace") => Phase::Namespaces,
            ("apiextensions.k8s.io", "CustomResourceDefinition") => Phase::Definitions,
            ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration") => {
                Phase::Webhooks
            }
            (_, kind) => Phase::Kind(install_rank(kind).0),
        }
    }
}

#[cfg(test)]
mod tests;
