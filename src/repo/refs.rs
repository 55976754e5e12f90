//! Which files a release's chart is: the working tree's, those of a commit of this repository, or another repository's.
//!
//! A ref that names the environment's branch, or no ref, is the working tree, whatever is checked out. Any other ref
//! is resolved once to a commit, kept in kcfg.lock, and moves only when it is asked to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::lock::{CommitId, Lock, THIS_REPOSITORY};
use super::url::RepositoryUrl;
use super::{Remote, Repository};
use crate::error::{Diagnostic, nearest};

/// Which chart a release asks for.
#[derive(Debug, Clone, Copy)]
pub struct ChartRequest<'a> {
    /// The chart's folder, normalised, with `/`.
    pub path: &'a str,
    /// The URL of its Git repository, if the release names one.
    pub git: Option<&'a str>,
    /// The branch, tag or commit, if the release names one.
    pub reference: Option<&'a str>,
    /// The branch that the release's Environment document names.
    pub environment_branch: Option<&'a str>,
}

/// Where a chart's files are.
#[derive(Debug, Clone)]
pub enum ChartOrigin {
    /// In the working tree.
    WorkingTree {
        /// The folder.
        folder: PathBuf,
        /// As shown to the user: `charts/web`.
        location: String,
    },
    /// In a commit of this repository.
    Commit {
        /// The commit.
        commit: CommitId,
        /// The folder in the commit, from Git's root.
        path: String,
        /// As shown to the user: `charts/web@staging`.
        location: String,
    },
    /// In another repository, which has to be fetched first.
    Elsewhere(RepositoryUrl),
    /// Nowhere: what to say of it, but for the place, which the caller knows.
    Missing(Diagnostic),
}

/// A ref that kcfg.lock now has another commit for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The ref.
    pub reference: String,
    /// The commit that kcfg.lock had; none for a ref that is new.
    pub from: Option<CommitId>,
    /// The commit that it has now.
    pub to: CommitId,
}

/// Which URLs mean this repository.
#[derive(Debug, Clone)]
pub struct Identity {
    urls: BTreeSet<RepositoryUrl>,
    remotes: Vec<Remote>,
    /// How the URL was found where nothing says it; to be shown once.
    pub note: Option<Diagnostic>,
}

impl Identity {
    /// Finds out. `named` are the Git URLs and chart paths that the releases of all environments name.
    ///
    /// kcfg.yaml's `repository` and every remote count. Where the releases name none of them (a clone of a mirror, a
    /// fork), it is the URL that most releases name, if most of their charts are here.
    ///
    /// Git that cannot be opened is as if there were no remotes: the error shows when a ref needs Git.
    pub fn find<'a>(repository: &Repository, named: impl IntoIterator<Item = (&'a str, &'a str)>) -> Identity {
        let git = repository.git().unwrap_or_default();
        let remotes = git.map(super::Git::remotes).unwrap_or_default();
        let mut urls: BTreeSet<RepositoryUrl> = remotes.iter().flat_map(|remote| remote.urls.iter().cloned()).collect();
        let setting = repository.settings.repository.as_ref().map(|text| RepositoryUrl::parse(text.as_str()));
        urls.extend(setting.clone());
        let mut identity = Identity { urls, remotes, note: None };

        // By spelling first: there are far fewer spellings than releases.
        let mut spellings: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (url, path) in named {
            spellings.entry(url).or_default().push(path);
        }
        let mut by_url: BTreeMap<RepositoryUrl, Vec<&str>> = BTreeMap::new();
        for (spelling, paths) in spellings {
            by_url.entry(RepositoryUrl::parse(spelling)).or_default().extend(paths);
        }
        let is_decided = setting.is_some() || by_url.keys().any(|url| identity.urls.contains(url));
        if is_decided {
            return identity;
        }
        let most = by_url.values().map(Vec::len).max().unwrap_or(0);
        let mut candidates = by_url.into_iter().filter(|(_, paths)| paths.len() == most);
        // Two that are named equally often: no way to tell.
        if let (Some((url, paths)), None) = (candidates.next(), candidates.next()) {
            let is_here = |path: &str| {
                repository.root.join(path).is_dir()
                    || repository.git_root.as_ref().is_some_and(|root| root.join(path).is_dir())
            };
            let here = paths.iter().filter(|path| is_here(path)).count();
            if here * 2 > paths.len() {
                identity.note = Some(
                    Diagnostic::warning(format!(
                        "{url} is taken for this repository: no remote is called so, but most releases name it ({most}), \
                         and the charts that they name are here"
                    ))
                    .help(format!("say it in kcfg.yaml: `repository: {}`", url.to_url())),
                );
                identity.urls.insert(url);
            }
        }
        identity
    }

    /// Whether a URL means this repository.
    pub fn is_this(&self, url: &RepositoryUrl) -> bool {
        self.urls.contains(url)
    }

    /// The remotes to look a branch up in: those with this URL, then `origin`.
    fn remotes_for(&self, url: Option<&RepositoryUrl>) -> Vec<&str> {
        let is_named = |remote: &&Remote| url.is_some_and(|url| remote.urls.contains(url));
        let mut names: Vec<&str> = self.remotes.iter().filter(is_named).map(|remote| &*remote.name).collect();
        if !names.contains(&"origin") {
            names.push("origin");
        }
        names
    }
}

/// The error for a chart that is not in the working tree, with the nearest one that is.
fn no_such_chart(base: &Path, path: &str) -> Diagnostic {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let entries = std::fs::read_dir(base.join(folder)).into_iter().flatten().flatten();
    let mut known: Vec<String> = entries
        .filter(|entry| entry.path().join("Chart.yaml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    known.sort_unstable();
    let help = match (nearest(name, known.iter().map(String::as_str)), known.is_empty()) {
        (Some(near), _) => format!("did you mean `{}`?", join(folder, near)),
        (None, true) => "the path counts from the repository's root; there are no charts beside it either".to_owned(),
        (None, false) => format!("the charts beside it are {}", known.join(", ")),
    };
    Diagnostic::error(format!("there is no chart {path} in this repository")).help(help)
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Resolves charts' refs, against kcfg.lock and into it.
#[derive(Debug)]
pub struct Refs<'r> {
    repository: &'r Repository,
    identity: Identity,
    lock: Lock,
    is_updating: bool,
    default_branch: Option<String>,
    used: BTreeSet<String>,
    moved: BTreeMap<String, Moved>,
}

impl<'r> Refs<'r> {
    /// Starts from what kcfg.lock says. With `is_updating` refs are resolved anew (`--update-refs`).
    pub fn new(repository: &'r Repository, identity: Identity, mut lock: Lock, is_updating: bool) -> Refs<'r> {
        let setting = repository.settings.branch.as_ref().map(ToString::to_string);
        if setting.is_none() && lock.branch.is_none() {
            // As for the remotes: Git that cannot be opened is an error only where a ref needs it.
            lock.branch = repository.git().unwrap_or_default().and_then(super::Git::default_branch);
        }
        let default_branch = setting.or_else(|| lock.branch.clone());
        let (used, moved) = (BTreeSet::new(), BTreeMap::new());
        Refs { repository, identity, lock, is_updating, default_branch, used, moved }
    }

    /// The branch whose name means the working tree, where the environment names none.
    pub fn default_branch(&self) -> Option<&str> {
        self.default_branch.as_deref()
    }

    /// Where a chart's files are.
    ///
    /// # Errors
    /// The ref is not in this clone, or objects are missing. The diagnostic has no place: the caller knows where the
    /// ref was written.
    pub fn resolve(&mut self, request: &ChartRequest<'_>) -> Result<ChartOrigin, Diagnostic> {
        let url = request.git.map(RepositoryUrl::parse);
        if let Some(url) = url.as_ref().filter(|url| !self.identity.is_this(url)) {
            return Ok(ChartOrigin::Elsewhere(url.clone()));
        }
        let prefix = self.repository.prefix();
        // A URL speaks of the whole repository, so its path counts from Git's root; without one it counts from ours.
        let (base, in_commit) = match (&self.repository.git_root, request.git) {
            (Some(git_root), Some(_)) => (git_root, request.path.to_string()),
            _ => (&self.repository.root, format!("{prefix}{}", request.path)),
        };
        let branch = request.environment_branch.or(self.default_branch.as_deref());
        let reference = request.reference.map(|text| text.strip_prefix("refs/heads/").unwrap_or(text));
        let Some(reference) = reference.filter(|reference| Some(*reference) != branch) else {
            let folder = base.join(request.path);
            if !folder.exists() {
                return Ok(ChartOrigin::Missing(no_such_chart(base, request.path)));
            }
            return Ok(ChartOrigin::WorkingTree { folder, location: request.path.to_string() });
        };
        let commit = self.commit(reference, url.as_ref())?;
        let location = format!("{}@{reference}", request.path);
        Ok(ChartOrigin::Commit { commit, path: in_commit, location })
    }

    /// Refs that have another commit now than kcfg.lock had, by name.
    pub fn moved(&self) -> impl Iterator<Item = &Moved> {
        self.moved.values()
    }

    /// The lock as it should be written. With `is_whole` (every release of every environment was resolved) refs that
    /// nobody uses any more are left out.
    pub fn into_lock(mut self, is_whole: bool) -> Lock {
        if is_whole && let Some(refs) = self.lock.refs.get_mut(THIS_REPOSITORY) {
            refs.retain(|reference, _| self.used.contains(reference));
        }
        self.lock.refs.retain(|_, refs| !refs.is_empty());
        self.lock
    }

    /// How the identity of this repository was found, where that is worth a note.
    pub fn note(&self) -> Option<&Diagnostic> {
        self.identity.note.as_ref()
    }

    fn commit(&mut self, reference: &str, url: Option<&RepositoryUrl>) -> Result<CommitId, Diagnostic> {
        let Some(git) = self.repository.git()? else {
            return Err(Diagnostic::error(format!(
                "the ref `{reference}` cannot be looked up: this folder is no Git repository"
            ))
            .help(format!(
                "clone the repository, or write `branch: {reference}` into kcfg.yaml if this folder holds that branch"
            )));
        };
        let locked = self.lock.commit(THIS_REPOSITORY, reference).cloned();
        let is_known = !self.used.insert(reference.to_string());
        if let Some(locked) = &locked
            && (!self.is_updating || is_known)
        {
            if is_known || git.has_commit(locked) {
                return Ok(locked.clone());
            }
            return Err(Diagnostic::error(format!(
                "the ref `{reference}` is locked to commit {}, which is not in this clone",
                locked.short()
            ))
            .help(format!(
                "`git fetch origin {reference}` may bring it (a shallow clone needs `git fetch --unshallow`); \
                 `kcfg render --update-refs` takes the ref as it is now"
            )));
        }
        let found = git.resolve(reference, &self.identity.remotes_for(url))?;
        let Some(commit) = found else {
            self.used.remove(reference);
            return Err(Diagnostic::error(format!("the ref `{reference}` is not in this clone: no branch, tag or commit is called so"))
                .help(format!(
                    "`git fetch origin {reference}:refs/remotes/origin/{reference}` brings a branch, `git fetch --tags` the tags"
                )));
        };
        if locked.as_ref() != Some(&commit) {
            let moved = Moved { reference: reference.to_string(), from: locked, to: commit.clone() };
            self.moved.insert(reference.to_string(), moved);
        }
        self.lock.refs.entry(THIS_REPOSITORY.into()).or_default().insert(reference.to_string(), commit.clone());
        Ok(commit)
    }
}
