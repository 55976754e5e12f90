//! What a synchronisation did: data, which the command line prints.

use std::sync::Arc;

use crate::error::Diagnostic;
use crate::manifest::ObjectId;
use crate::plan::Hold;
use crate::rendered::ReleasePair;

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It was there and changed.
    Changed,
    /// It was applied and nothing changed: the server's record of its fields had.
    Same,
    /// It is as it was applied; nothing was sent.
    Unchanged,
    /// It left the tree and was deleted.
    Pruned,
    /// It left the tree and stays in the cluster, without its owner.
    Released,
    /// It would be deleted, if a rule or a guard did not hold it.
    Held,
    /// It is suspended, and not as the tree says.
    Suspended,
    /// It is being deleted, and something holds it.
    Terminating,
    /// It no longer holds what was applied, and the environment only wants to know.
    Drifted,
    /// It was applied, and is not ready.
    Unready,
    /// A hook: it begins.
    Started,
    /// A hook: it ended well.
    Ran,
    /// It could not be done.
    Failed,
}

impl Outcome {
    /// The word that stands before the object.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Created => "created",
            Outcome::Changed => "changed",
            Outcome::Same => "same",
            Outcome::Unchanged => "unchanged",
            Outcome::Pruned => "pruned",
            Outcome::Released => "released",
            Outcome::Held => "held",
            Outcome::Suspended => "suspended",
            Outcome::Terminating => "deleting",
            Outcome::Drifted => "drifted",
            Outcome::Unready => "not ready",
            Outcome::Started => "started",
            Outcome::Ran => "ran",
            Outcome::Failed => "failed",
        }
    }
}

/// One object, what became of it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectResult {
    /// The release.
    pub release: String,
    /// The object.
    pub id: ObjectId,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, or what went wrong: one phrase.
    pub reason: String,
}

/// How a release stands after a synchronisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseState {
    /// Every object of it is applied.
    Applied,
    /// Some object is not.
    Partial,
    /// All of it is suspended: nothing of it was touched.
    Suspended,
    /// Nothing of it was applied: its folder does not match its sum.
    Refused,
}

impl ReleaseState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            ReleaseState::Applied => "applied",
            ReleaseState::Partial => "partial",
            ReleaseState::Suspended => "suspended",
            ReleaseState::Refused => "refused",
        }
    }
}

/// A release, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseResult {
    /// Its name.
    pub name: String,
    /// Its digest; none where there is no sum to take it from.
    pub digest: Option<String>,
    /// How it stands.
    pub state: ReleaseState,
    /// Whether its sources changed after it was rendered.
    pub is_stale: bool,
}

/// An object that somebody else had changed or deleted in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drifted {
    /// Its index in [`SyncReport::objects`].
    pub object: usize,
    /// The field manager that wrote to it last; none where it was deleted, or that is not known.
    pub manager: Option<Arc<str>>,
    /// Whether it was applied again; else the environment only wants to know.
    pub is_corrected: bool,
}

/// What became of Events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventsSent {
    /// How many were written.
    pub written: usize,
    /// How many could not be.
    pub failed: usize,
    /// Why the first of these could not be.
    pub why: Option<String>,
}

/// What a synchronisation did.
#[derive(Debug, Default)]
pub struct SyncReport {
    /// The environment.
    pub environment: String,
    /// Its releases, by name.
    pub releases: Vec<ReleaseResult>,
    /// The objects that something was done with, or should have been.
    pub objects: Vec<ObjectResult>,
    /// How many objects are as they were applied, so that nothing was sent.
    pub unchanged: usize,
    /// How many objects are suspended, those that are as they were applied too.
    pub suspended: usize,
    /// Which of the objects had been changed or deleted in the cluster.
    pub drift: Vec<Drifted>,
    /// Why deletions are held, and the Removal document that lets them go.
    pub hold: Option<Hold>,
    /// Of a dry run: what would change.
    pub live: Option<LiveDiff>,
    /// What somebody should know, such as a release that was refused.
    pub findings: Vec<(Option<String>, Diagnostic)>,
    /// What was told as Events.
    pub events: EventsSent,
    /// Requests to the API server, those that were repeated too.
    pub requests: u64,
    /// Seconds that it took.
    pub seconds: f64,
}

/// What a synchronisation would change, field by field.
#[derive(Debug, Default)]
pub struct LiveDiff {
    /// The cluster, as people call it.
    pub cluster: String,
    /// Releases of which something would change: as they are in the cluster, and as they would be.
    pub pairs: Vec<ReleasePair>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl SyncReport {
    /// How many objects ended so.
    pub fn count(&self, outcome: &Outcome) -> usize {
        self.objects.iter().filter(|object| object.outcome == *outcome).count()
    }
}
