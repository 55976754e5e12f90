//! What a synchronisation is told: which tree, which cluster, and how far it may go.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::repo::{CommitId, Git, Repository, Selector};

/// How long a release's objects may take to become ready, where nobody says otherwise.
pub const WAIT_DEFAULT: Duration = Duration::from_secs(300);

/// Which tree is to be applied.
#[derive(Debug, Clone)]
pub enum Source {
    /// The folder as it is on disk.
    Folder(Arc<Repository>),
    /// A commit: its tree objects, never a checkout.
    Commit {
        /// The repository's objects.
        git: Arc<Git>,
        /// The commit.
        commit: CommitId,
        /// The folder of releases/ and rendered/ below Git's root, with `/` at its end; empty where they are the same.
        prefix: String,
    },
}

/// Which cluster it is applied to.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// The kubeconfig file; none for `$KUBECONFIG`, `~/.kube/config` or, without these, the pod's own service account.
    pub kubeconfig: Option<PathBuf>,
    /// The context; none for the kubeconfig's current one.
    pub context: Option<String>,
}

/// How a synchronisation goes.
#[derive(Debug, Clone, Default)]
pub struct SyncOptions {
    /// Plan, and change nothing.
    pub is_dry_run: bool,
    /// Of a dry run: what to show; everything if empty.
    pub shows: Vec<Selector>,
    /// Take over objects that belong to somebody else.
    pub adopts: bool,
    /// The cluster may be one that this environment was never applied to.
    pub initialises: bool,
    /// Wait until what was applied is ready, each release at most this long; none for not waiting.
    pub wait: Option<Duration>,
}
