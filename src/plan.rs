//! Desired objects × live objects → what is to be done and why: an ordered list of steps, and nothing else. Pure: no
//! cluster is asked, so every rule is a row of a table in the tests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::manifest::{ObjectId, install_rank};

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
    /// What `kcfg.dev/prune` says.
    pub prune: Option<PruneWish>,
    /// Whether `helm.sh/resource-policy: keep` stands on it.
    pub is_kept_by_helm: bool,
    /// Whether it is a Secret with values that were made up in the cluster.
    pub is_generated: bool,
    /// Whether it is being deleted.
    pub is_terminating: bool,
    /// Who wrote to it last, but for kcfg.
    pub other_manager: Option<std::sync::Arc<str>>,
    /// Whether kcfg wrote it, and nobody else but controllers of its status.
    pub is_ours: bool,
}

/// What `kcfg.dev/prune` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PruneWish {
    /// Delete it when it leaves the tree, even where its kind is protected.
    Enabled,
    /// Never delete it.
    Disabled,
}

/// What is to be done with an object that the tree wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it is as it was applied.
    Keep,
    /// Apply it.
    Apply(Reason),
    /// Nothing: hooks are not kept.
    SkipHook,
    /// It belongs to somebody else.
    Refuse(Refusal),
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
        }
    }
}

/// Everything that is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// What is to be done with each object that the tree wants, by indices of release and object in [`Desired`].
    pub applies: Vec<Step>,
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
            } else {
                let entry = inventory.and_then(|inventory| inventory.entries.get(&key));
                action(object, &release.set, entry, known.live.get(&key), &sets, known.adopts)
            };
            plan.applies.push(Step { release: index, object: place, action });
        }
    }
    plan
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
        return Action::Apply(if entry.is_some() { Reason::Gone } else { Reason::New });
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
