//! What a synchronisation is told: which tree, which cluster, and how far it may go.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::error::Diagnostic;
use crate::plan::Suspension;
use crate::post::StatusTarget;
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
    /// How long one hook may take; none for Helm's default.
    pub hook_timeout: Option<Duration>,
    /// Run hooks without a pause that failed, and however often they failed.
    pub retries_hooks: bool,
    /// Leave objects alone that hold something else than what was applied, and report them.
    pub leaves_drift: bool,
    /// Wait until what was applied is ready, each release at most this long; none for not waiting.
    pub wait: Option<Duration>,
    /// The ref that the commit is of, as the status names it.
    pub reference: Option<String>,
    /// Of a loop: the address of the repository that it follows. A loop heeds suspensions of whole environments too, which
    /// hand the environment over to whoever applies by hand.
    pub follows: Option<String>,
}

/// What is to be left alone.
#[derive(Debug, Clone)]
pub struct SuspendRequest {
    /// What.
    pub selector: Selector,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Who asks, as their own machine knows them; the cluster's name for them is added.
    pub by: String,
}

/// An environment in which something is left alone now.
#[derive(Debug, Clone)]
pub struct Suspended {
    /// The environment.
    pub environment: String,
    /// The releases that it concerns.
    pub releases: Vec<String>,
    /// Who is noted to have asked.
    pub by: String,
    /// Whether the selector names an object that none of them has now.
    pub is_unknown: bool,
}

/// An environment in which suspensions ended.
#[derive(Debug, Clone)]
pub struct Resumed {
    /// The environment.
    pub environment: String,
    /// What ended.
    pub ended: Vec<Suspension>,
    /// Whether what was there could not be read.
    pub is_damaged: bool,
}

/// This process among all that want the Lease of an environment.
#[derive(Clone)]
pub struct Contender {
    /// Its name, which no other process has.
    pub name: String,
    /// Whether the process of this name is known to have ended: its Lease is free at once.
    pub is_over: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

impl fmt::Debug for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What a server is shown. Secret: debugging shows its kind alone.
#[derive(Clone, Default)]
pub enum GitCredentials {
    /// Nothing.
    #[default]
    None,
    /// A token, over HTTPS.
    Token(String),
    /// A deploy key, over SSH.
    Ssh {
        /// The private key's text, in OpenSSH's or PKCS#8's form, without a passphrase.
        key: String,
        /// The text of a known_hosts file: which keys the host may show.
        known_hosts: String,
    },
}

impl fmt::Debug for GitCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GitCredentials::None => "None",
            GitCredentials::Token(_) => "Token(…)",
            GitCredentials::Ssh { .. } => "Ssh(…)",
        })
    }
}

/// Gives what the Git server is shown; asked at every poll, as keys and tokens are changed while the loop runs.
pub type Credentials = Arc<dyn Fn() -> Result<GitCredentials, Diagnostic> + Send + Sync>;

/// A ref of a Git server that is followed.
pub struct RemoteOptions {
    /// The repository's address.
    pub url: String,
    /// A branch, another ref in full, or `HEAD`.
    pub reference: String,
    /// Further certificate authorities for HTTPS, in PEM.
    pub certificates: Option<Vec<u8>>,
    /// Where fetched commits are kept until the end.
    pub cache_folder: PathBuf,
    /// What the server is shown.
    pub credentials: Credentials,
}

/// How the Git server is told of how the environment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitReport {
    /// The tag `kcfg-sync-ENV` at the applied commit, with the state in its message.
    Tag,
    /// A status of the commit, `kcfg/ENV`.
    CommitStatus(StatusTarget),
}

/// What the loop is told.
pub struct WatchOptions {
    /// The environment.
    pub environment: String,
    /// The cluster.
    pub target: Target,
    /// How a synchronisation goes.
    pub sync: SyncOptions,
    /// What is followed.
    pub remote: RemoteOptions,
    /// How often the Git server is asked.
    pub poll: Duration,
    /// How the Git server is told of how the environment stands; empty for not at all.
    pub git_reports: Vec<GitReport>,
    /// What a forge's API is shown for commit statuses: a token.
    pub report_credentials: Credentials,
    /// Where the webhook, health and metrics are served, as `ADDRESS:PORT`; none for nowhere.
    pub listen: Option<String>,
    /// What the Git server signs webhooks with; without it there is no webhook.
    pub webhook_secret: Option<String>,
    /// This process.
    pub contender: Contender,
    /// Where lines of the log go.
    pub log: Log,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// `info`, `warn` or `error`.
    pub level: &'static str,
    /// What happened, in a few words that are always the same.
    pub message: &'static str,
    /// What it is about: names and values. Never a value of a Secret.
    pub fields: Vec<(&'static str, String)>,
}

/// Takes lines of the log.
pub type Log = Arc<dyn Fn(&LogLine) + Send + Sync>;
