//! The repository: where it is, what its settings say, which environments it has, which commit a ref means.
//!
//! In: a folder to start from. Out: [`Repository`], texts of files, refs resolved to commits, files of a commit.
//! This stage reads the file system and Git's objects (never the git program, never the network, never the
//! environment's variables) and knows nothing of what the documents mean.

mod cache;
mod files;
mod git;
mod glob;
mod lock;
mod refs;
mod regular;
mod revision;
mod selector;
mod settings;
mod tags;
mod url;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::Diagnostic;

pub use cache::FetchCache;
pub use files::{Environments, RELEASE_FILE_BYTES_MAX, ReleaseFiles};
pub use git::{Git, Remote, TREE_BYTES_MAX, TREE_DEPTH_MAX, TREE_FILES_MAX, TreeFile, TreeFolder};
pub use glob::{Glob, PathGlob};
pub use lock::{CommitId, LOCK_FILE, LOCK_VERSION, Lock};
pub use refs::{ChartOrigin, ChartRequest, Identity, Moved, Refs};
pub use regular::{Buffer, Links, read_regular, read_shared};
pub use revision::{EntryType, Lag, TreeEntry};
pub use selector::Selector;
pub use settings::{SETTINGS_FILE, Settings, Skip};
pub use tags::Tag;
pub use url::RepositoryUrl;

/// The folder of environments.
pub const RELEASES_FOLDER: &str = "releases";

/// A repository that kcfg works in: a folder with releases/, with or without Git.
#[derive(Debug)]
pub struct Repository {
    /// The folder that holds releases/, without symbolic links.
    pub root: PathBuf,
    /// The folder that holds `.git`: the root, or one above it. None without Git.
    pub git_root: Option<PathBuf>,
    /// kcfg.yaml, or what holds without it.
    pub settings: Settings,
    git: OnceLock<Result<Option<Git>, Diagnostic>>,
}

impl Repository {
    /// Finds the repository that a folder belongs to: the nearest folder upwards that has releases/ or kcfg.yaml, at
    /// the furthest the one that has .git.
    ///
    /// # Errors
    /// There is none, or its kcfg.yaml cannot be read or asks for a newer kcfg.
    pub fn discover(start: &Path) -> Result<Repository, Diagnostic> {
        let start = start.canonicalize().map_err(|error| {
            Diagnostic::error(format!("the folder cannot be opened: {error}")).at_file(start.display().to_string())
        })?;
        let is_root = |folder: &&Path| {
            folder.join(RELEASES_FOLDER).is_dir()
                || folder.join(SETTINGS_FILE).symlink_metadata().is_ok()
                || folder.join(".git").exists()
        };
        let Some(root) = start.ancestors().find(is_root) else {
            return Err(Diagnostic::error(format!(
                "{} is in no repository: neither it nor a folder above it has {RELEASES_FOLDER}/, {SETTINGS_FILE} or .git",
                start.display()
            ))
            .help("change into the repository, or name it with -C"));
        };
        Repository::open(root)
    }

    /// The repository whose root is this folder.
    ///
    /// # Errors
    /// As for [`Repository::discover`].
    pub fn open(root: &Path) -> Result<Repository, Diagnostic> {
        let root = root.canonicalize().map_err(|error| {
            Diagnostic::error(format!("the folder cannot be opened: {error}")).at_file(root.display().to_string())
        })?;
        let git_root = root.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_path_buf);
        let settings = Settings::read(&root, git_root.as_deref().unwrap_or(&root))?;
        Ok(Repository { root, git_root, settings, git: OnceLock::new() })
    }

    /// A repository of which only commits are looked at: there is no folder.
    pub fn of_commits(git: &Git, settings: Settings) -> Repository {
        let git = OnceLock::from(Ok(Some(git.clone())));
        Repository { root: PathBuf::new(), git_root: None, settings, git }
    }

    /// Git's refs and objects, opened at the first call; none for a folder without Git.
    ///
    /// # Errors
    /// `.git` is there and cannot be opened.
    pub fn git(&self) -> Result<Option<&Git>, Diagnostic> {
        let opened = self.git.get_or_init(|| self.git_root.as_deref().map(Git::open).transpose());
        opened.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    /// The folder of the root below Git's, with `/` at its end; empty where they are the same.
    pub fn prefix(&self) -> String {
        let below = self.git_root.as_deref().and_then(|git_root| self.root.strip_prefix(git_root).ok());
        let parts = below.into_iter().flat_map(Path::components);
        parts.map(|part| format!("{}/", part.as_os_str().to_string_lossy())).collect()
    }
}

#[cfg(test)]
mod git_tests;
#[cfg(test)]
mod tests;
