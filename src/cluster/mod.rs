//! The applier: makes a cluster equal to one environment of the rendered tree.
//!
//! In: a verified tree ([`Source`]) and a cluster ([`Target`]). Out: a [`SyncReport`]. What is done and why is decided in
//! `plan`, which knows no cluster; here it is carried out. The only place, with the poster, that uses the network, and
//! the only one that knows tokio and kube.
//!
//! | module | what it is |
//! |---|---|
//! | `options`, `report` | what comes in and what goes out: plain data, there without the feature too |
//! | `enabled`, `disabled` | the same entry points with and without the feature `cluster` |
//! | `client` | requests to the API server: counted, limited in time, retried within limits, refused after a deadline |
//! | `source` | a folder or a commit → releases that match their kcfg.sum, and what the documents say |
//! | `discovery` | kinds → paths, and whether that knowledge is fresh enough to prune by |
//! | `parent` | one ApplySet parent (KEP-3659) for each release: who its members are, what was applied |
//! | `live` | metadata of the members, listed; the hash of what kcfg's own fields were |
//! | `apply` | one object: server-side apply, conflicts, ownership |
//! | `fields`, `takeover` | fields that are left to others; fields taken over from other deployers |
//! | `order` | many objects: namespaces, definitions, the rest by kind, webhooks last |
//! | `hooks`, `hook` | Helm hooks: which releases wait for theirs, and what is remembered; running them |
//! | `prune` | what left the tree: deleted, released, or held |
//! | `wait` | until objects are ready |
//! | `parallel` | many requests at a time, within a limit |
//! | `health` | a live object → how it stands, by the rules of kstatus |
//! | `generated` | values of Secrets that are made up in the cluster: what to write first, and when to hold |
//! | `compare` | what would change, field by field, for `--dry-run` and `kcfg diff --live` |
//! | `git` | a remote Git repository → commits, over HTTPS and SSH, without their history; one tag of it, moved |
//! | `watch` | the loop: Git, drift and the Lease, tied together |
//! | `reflect` | a collection, followed by a list and a watch that is opened again and again |
//! | `members` | the members, kept current by watches, one per kind |
//! | `lease` | who may write |
//! | `server`, `webhook`, `metrics` | the loop's own HTTP server: nudges, health, numbers |
//! | `drifted` | what a record remembers of drift |
//! | `status`, `record` | how environments and releases stand: the data, and the record of an environment in the cluster |
//! | `narrow` | that, narrowed to what a selector names |
//! | `told`, `teller` | what of that is told in Git, as a tag; telling it |
//! | `suspend`, `survey` | what people ask for by hand: leaving things alone, and seeing how they stand |
//! | `mirror` | what a survey sees, kept current by watches, for who goes on looking |
//! | `event`, `recorder` | what is told as Kubernetes Events; sending them |
//! | `run` | what a synchronisation has done so far, object by object |
//! | `sync` | one synchronisation from end to end: `Synchroniser` |

pub mod drifted;
mod narrow;
mod options;
mod report;
pub mod status;
pub mod told;

pub use options::{
    Contender, Credentials, GitCredentials, GitReport, Log, LogLine, RemoteOptions, Resumed, Source, SuspendRequest,
    Suspended, SyncOptions, Target, WAIT_DEFAULT, WatchOptions,
};
pub use report::{Drifted, EventsSent, LiveDiff, ObjectResult, Outcome, ReleaseResult, ReleaseState, SyncReport};

// The one place that knows the feature: with it the applier, without it the same entry points, which say how to get it.
#[cfg(feature = "cluster")]
pub use applier::*;
#[cfg(not(feature = "cluster"))]
pub use disabled::*;

#[cfg(not(feature = "cluster"))]
mod disabled;
/// What needs the feature. Its files lie beside this one.
#[cfg(feature = "cluster")]
#[path = "."]
mod applier {
    use super::*;

    mod enabled;
    pub use enabled::*;

    pub mod apply;
    pub mod client;
    pub mod compare;
    mod connection;
    pub mod discovery;
    pub mod event;
    pub mod fields;
    pub mod generated;
    pub mod git;
    pub mod health;
    pub mod hook;
    pub mod hooks;
    pub mod lease;
    pub mod live;
    pub mod members;
    pub mod metrics;
    mod mirror;
    pub mod moment;
    pub mod order;
    mod pages;
    pub mod parallel;
    pub mod parent;
    pub mod prune;
    pub mod record;
    pub mod recorder;
    mod reflect;
    pub mod run;
    pub mod server;
    pub mod source;
    pub mod survey;
    pub mod suspend;
    pub mod sync;
    pub mod takeover;
    pub mod teller;
    pub mod wait;
    pub mod watch;
    pub mod webhook;
}
