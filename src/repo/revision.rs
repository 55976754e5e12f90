//! Revisions as people name them (`HEAD~1`, `origin/main`, a tag), and single trees and files of a commit, read by
//! their ids: what is not asked for is not read.

use gix::bstr::BStr;
use gix::objs::tree::EntryKind;

use super::git::{Git, object_id};
use super::lock::CommitId;
use crate::error::Diagnostic;

/// What an entry of a Git tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryType {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link or a submodule.
    Other,
}

/// An entry of a folder of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its name; what is not UTF-8 in it is replaced.
    pub name: String,
    /// The id of the object: equal ids mean equal content.
    pub id: gix::ObjectId,
    /// What it is.
    pub kind: EntryType,
}

/// How far a commit is behind another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// Commits that it does not have, at most [`LAG_COMMITS_MAX`].
    pub commits: usize,
    /// When the oldest of them was made, in seconds since 1970.
    pub oldest: i64,
}

/// Commits that are counted for a [`Lag`].
pub const LAG_COMMITS_MAX: usize = 10_000;

impl Git {
    /// How far a commit is behind a newer one; none where the history between them is not here.
    pub fn lag(&self, commit: &CommitId, newest: &CommitId) -> Option<Lag> {
        let local = self.repository.to_thread_local();
        let (commit, newest) = (object_id(commit)?, object_id(newest)?);
        if !local.has_object(commit) {
            return None;
        }
        // Where a shallow clone ends, nobody knows what came before.
        let ends = local.shallow_commits().ok()?;
        let is_end = |id: &gix::ObjectId| ends.as_ref().is_some_and(|ends| ends.iter().any(|end| end == id));
        let walk = local.rev_walk([newest]).with_hidden([commit]).all().ok()?;
        let mut lag = Lag { commits: 0, oldest: i64::MAX };
        for found in walk.take(LAG_COMMITS_MAX) {
            let found = found.ok()?;
            if is_end(&found.id) {
                return None;
            }
            lag.commits += 1;
            lag.oldest = lag.oldest.min(found.object().ok()?.time().ok()?.seconds);
        }
        Some(lag)
    }

    /// The commit that a revision names, in Git's own grammar: `HEAD~1`, `main`, `v1.2`, `3f9a1c2`, `main@{u}`.
    ///
    /// # Errors
    /// There is no such revision here, it names no commit, or its objects are missing.
    pub fn revision(&self, text: &str) -> Result<CommitId, Diagnostic> {
        let local = self.repository.to_thread_local();
        let unknown = |why: String| {
            let shallow = if local.is_shallow().unwrap_or(false) {
                "this clone is shallow: `git fetch --unshallow` brings the rest of the history"
            } else {
                "`git log --oneline --all` shows what is there; `git fetch` may bring it"
            };
            Diagnostic::error(format!("the revision `{text}` is not in this repository: {why}")).help(shallow)
        };
        // A leading `-` or a range would mean something else to Git.
        if text.is_empty() || text.starts_with('-') || text.contains("..") {
            return Err(unknown("that is not the name of one commit".into()));
        }
        let id = local.rev_parse_single(BStr::new(text)).map_err(|error| unknown(error.to_string()))?;
        self.commit(&local, id.detach(), text)
    }

    /// The entries of a folder of a commit (`""` is the whole commit), by name; none if there is no such folder.
    /// Symbolic links are not followed.
    ///
    /// # Errors
    /// An object is missing or damaged.
    pub fn folder_entries(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<TreeEntry>>, Diagnostic> {
        let local = self.repository.to_thread_local();
        let at = format!("{}:{path}", commit.short());
        let id = object_id(commit).ok_or_else(|| Diagnostic::error(format!("{commit} is no commit id")))?;
        let object = self.object(&local, id, &at)?;
        let tree = object.peel_to_tree().map_err(|error| self.missing(&local, &at, &error))?.id;
        let mut entries = self.entries(tree, &at)?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let found = entries.iter().find(|entry| entry.name == part && entry.kind == EntryType::Folder);
            let Some(found) = found else { return Ok(None) };
            entries = self.entries(found.id, &at)?;
        }
        Ok(Some(entries))
    }

    /// The entries of a tree, in Git's order. `at` names it in errors.
    ///
    /// # Errors
    /// The object is missing or damaged.
    pub fn entries(&self, tree: gix::ObjectId, at: &str) -> Result<Vec<TreeEntry>, Diagnostic> {
        let local = self.repository.to_thread_local();
        let object = self.object(&local, tree, at)?;
        let entries = gix::objs::TreeRefIter::from_bytes(&object.data, tree.kind());
        entries
            .map(|entry| {
                let entry = entry.map_err(|error| {
                    Diagnostic::error(format!("{at} is damaged: {error}"))
                        .help("`git fsck` tells more about the damage")
                })?;
                Ok(TreeEntry {
                    name: entry.filename.to_string(),
                    id: entry.oid.to_owned(),
                    kind: match entry.mode.kind() {
                        EntryKind::Tree => EntryType::Folder,
                        EntryKind::Blob | EntryKind::BlobExecutable => EntryType::File,
                        EntryKind::Link | EntryKind::Commit => EntryType::Other,
                    },
                })
            })
            .collect()
    }

    /// The bytes of a file by its id. `at` names it in errors.
    ///
    /// # Errors
    /// The object is missing or damaged.
    pub fn blob(&self, id: gix::ObjectId, at: &str) -> Result<Vec<u8>, Diagnostic> {
        let local = self.repository.to_thread_local();
        Ok(self.object(&local, id, at)?.detach().data)
    }
}
