//! Git's refs and objects, read by gix: no git program, no network, no configuration but the repository's own.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice as _};
use gix::objs::tree::EntryKind;

use super::lock::CommitId;
use super::url::RepositoryUrl;
use crate::error::Diagnostic;

/// Files and folders below one folder of a commit.
pub const TREE_FILES_MAX: usize = 20_000;
/// Bytes of all files of one folder of a commit.
pub const TREE_BYTES_MAX: usize = 100 << 20;
/// Folders in folders.
pub const TREE_DEPTH_MAX: usize = 64;
/// Symbolic links that one path may lead through.
const LINKS_MAX: usize = 40;
/// Digits that a short commit id has at least.
const SHORT_ID_DIGITS_MIN: usize = 4;

/// A file of a commit.
#[derive(Debug, Clone)]
pub struct TreeFile {
    /// The path below the folder that was asked for, with `/`.
    pub path: String,
    /// The bytes.
    pub bytes: Arc<[u8]>,
}

/// A folder of a commit with everything below it.
#[derive(Debug, Clone)]
pub struct TreeFolder {
    /// Its files, by path.
    pub files: Vec<TreeFile>,
    /// What tells this content from any other: the id of Git's tree; where a symbolic link leads out of the folder,
    /// the commit's id too.
    pub id: String,
}

/// A remote of a Git repository.
#[derive(Debug, Clone)]
pub struct Remote {
    /// `origin`.
    pub name: String,
    /// Its addresses for fetching.
    pub urls: Vec<RepositoryUrl>,
}

/// An opened Git repository.
#[derive(Clone)]
pub struct Git {
    pub(super) repository: gix::ThreadSafeRepository,
}

impl std::fmt::Debug for Git {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Git({})", self.repository.git_dir().display())
    }
}

impl Git {
    /// Opens the repository whose folder holds `.git` (a folder, or the file of a worktree).
    ///
    /// # Errors
    /// `.git` is damaged, or of a format that gix does not read.
    pub fn open(folder: &Path) -> Result<Git, Diagnostic> {
        // Whoever owns the folder: only objects and refs are read, no program named by its configuration is run.
        let options = gix::open::Options::isolated().with(gix::sec::Trust::Full);
        gix::ThreadSafeRepository::open_opts(folder, options).map(|repository| Git { repository }).map_err(|error| {
            Diagnostic::error(format!("the Git repository cannot be opened: {error}"))
                .at_file(folder.join(".git").display().to_string())
                .help("`git status` in that folder tells more")
        })
    }

    /// The remotes that the repository's configuration names, by name.
    pub fn remotes(&self) -> Vec<Remote> {
        let local = self.repository.to_thread_local();
        let config = local.config_snapshot();
        let names = local.remote_names();
        let urls = |name: &BStr| -> Vec<RepositoryUrl> {
            let texts = config.plumbing().strings_by("remote", Some(name), "url").unwrap_or_default();
            texts.iter().map(|text| RepositoryUrl::parse(&text.to_str_lossy())).collect()
        };
        names.iter().map(|name| Remote { name: name.to_string(), urls: urls(name.as_bstr()) }).collect()
    }

    /// The branch that the remote `origin` follows, or the branch that is checked out (even one without a commit).
    pub fn default_branch(&self) -> Option<String> {
        let local = self.repository.to_thread_local();
        let symbolic = |name: &str, prefix: &str| -> Option<String> {
            let found = local.try_find_reference(name).ok().flatten()?;
            let target = found.target().try_name()?.as_bstr().to_str_lossy().into_owned();
            target.strip_prefix(prefix).map(str::to_string)
        };
        symbolic("refs/remotes/origin/HEAD", "refs/remotes/origin/").or_else(|| {
            let name = local.head_name().ok().flatten()?;
            name.as_bstr().to_str_lossy().strip_prefix("refs/heads/").map(str::to_string)
        })
    }

    /// The commit that is checked out; none before the first one.
    pub fn head(&self) -> Option<CommitId> {
        let local = self.repository.to_thread_local();
        local.head_id().ok().and_then(|id| id.to_string().parse().ok())
    }

    /// The commit that a branch, tag or commit id stands for: the branch of the first of `remotes` that has it, a local
    /// branch, a tag, a full or short commit id. None if there is no such thing here.
    ///
    /// # Errors
    /// A short commit id is ambiguous; the ref names something that is no commit, or objects are missing.
    pub fn resolve(&self, reference: &str, remotes: &[&str]) -> Result<Option<CommitId>, Diagnostic> {
        let local = self.repository.to_thread_local();
        let mut names: Vec<String> = Vec::new();
        if reference.starts_with("refs/") {
            names.push(reference.to_string());
        } else {
            names.extend(remotes.iter().map(|remote| format!("refs/remotes/{remote}/{reference}")));
            names.push(format!("refs/heads/{reference}"));
            names.push(format!("refs/tags/{reference}"));
        }
        for name in &names {
            // A text that no ref can have as its name is not found.
            let Ok(Some(mut found)) = local.try_find_reference(name.as_str()) else { continue };
            let id = found.peel_to_id().map_err(|error| self.missing(&local, name, &error))?;
            return self.commit(&local, id.detach(), name).map(Some);
        }
        let is_hex = reference.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_hex || !(SHORT_ID_DIGITS_MIN..=40).contains(&reference.len()) {
            return Ok(None);
        }
        let Ok(prefix) = gix::hash::Prefix::from_hex(reference) else { return Ok(None) };
        match local.objects.lookup_prefix(prefix, None) {
            Ok(Some(Ok(id))) => self.commit(&local, id, reference).map(Some),
            Ok(Some(Err(()))) => {
                Err(Diagnostic::error(format!("the commit id {reference} is ambiguous"))
                    .help("write more digits of it"))
            }
            _ => Ok(None),
        }
    }

    /// Whether the objects of a commit are here (the commit itself, at least).
    pub fn has_commit(&self, commit: &CommitId) -> bool {
        let local = self.repository.to_thread_local();
        object_id(commit).is_some_and(|id| local.has_object(id))
    }

    /// Reads a folder of a commit with everything below it; `.` is the whole commit.
    ///
    /// Symbolic links are followed inside the commit.
    ///
    /// # Errors
    /// The folder is not in the commit or is a file, an object is missing, a link is broken or leads out, a submodule
    /// is in it, or it is larger than the limits.
    pub fn read_folder(&self, commit: &CommitId, path: &str) -> Result<TreeFolder, Diagnostic> {
        let local = self.repository.to_thread_local();
        let at = format!("{}:{path}", commit.short());
        let id = object_id(commit).ok_or_else(|| Diagnostic::error(format!("{commit} is no commit id")))?;
        let object = self.object(&local, id, &at)?;
        let root = object
            .peel_to_tree()
            .map_err(|error| self.missing(&local, &format!("the tree of commit {commit}"), &error))?
            .id;
        let reader = Reader { git: self, local: &local, root, at: &at };
        let found = reader.find(path)?.ok_or_else(|| {
            Diagnostic::error(format!("{path} is not in commit {}", commit.short()))
                .help(format!("`git ls-tree {} {path}` shows what is there", commit.short()))
        })?;
        if !matches!(found.kind, Kind::Tree) {
            return Err(Diagnostic::error(format!("{path} is a file in commit {}, not a folder", commit.short())));
        }
        let mut walk = Walk { folder: found.path.clone(), files: Vec::new(), bytes: 0, entries: 0, has_left: false };
        reader.walk(found.id, &found.path, "", 0, &mut walk)?;
        walk.files.sort_by(|a, b| a.path.cmp(&b.path));
        let id = if walk.has_left { format!("{}+{commit}", found.id) } else { found.id.to_string() };
        Ok(TreeFolder { files: walk.files, id })
    }

    pub(super) fn commit(&self, local: &gix::Repository, id: ObjectId, name: &str) -> Result<CommitId, Diagnostic> {
        let object = self.object(local, id, name)?;
        let commit = object
            .peel_tags_to_end()
            .map_err(|error| self.missing(local, name, &error))?
            .try_into_commit()
            .map_err(|_| Diagnostic::error(format!("{name} names no commit")))?;
        commit.id.to_string().parse().map_err(|why| Diagnostic::error(format!("{} {why}", commit.id)))
    }

    pub(super) fn object<'r>(
        &self,
        local: &'r gix::Repository,
        id: ObjectId,
        at: &str,
    ) -> Result<gix::Object<'r>, Diagnostic> {
        match local.try_find_object(id) {
            Ok(Some(object)) => Ok(object),
            Ok(None) => Err(self.missing(local, at, &format!("object {id} is not in this clone"))),
            Err(error) => Err(Diagnostic::error(format!("{at} cannot be read: {error}"))
                .help("`git fsck` tells whether the repository is damaged")),
        }
    }

    /// An object that is not there: what it was needed for, and how to get it.
    pub(super) fn missing(&self, local: &gix::Repository, at: &str, why: &dyn std::fmt::Display) -> Diagnostic {
        let help = if local.is_shallow().unwrap_or(false) {
            "this clone is shallow: `git fetch --unshallow` brings the rest"
        } else if self.is_partial(local) {
            "this is a partial clone: `git fetch --refetch --no-filter` brings the rest"
        } else {
            "`git fetch --all --tags` may bring it; `git fsck` tells whether the repository is damaged"
        };
        Diagnostic::error(format!("{at} cannot be read: {why}")).help(help)
    }

    fn is_partial(&self, local: &gix::Repository) -> bool {
        let config = local.config_snapshot();
        config.string("extensions.partialClone").is_some()
            || self
                .remotes()
                .iter()
                .any(|remote| config.boolean(format!("remote.{}.promisor", remote.name).as_str()).unwrap_or(false))
    }
}

pub(super) fn object_id(commit: &CommitId) -> Option<ObjectId> {
    ObjectId::from_hex(commit.as_str().as_bytes()).ok()
}

/// What a path of a commit leads to, links followed.
struct Found {
    kind: Kind,
    id: ObjectId,
    /// The path without links.
    path: Vec<BString>,
}

enum Kind {
    Tree,
    Blob,
}

/// What was gathered so far.
struct Walk {
    /// The folder that was asked for, without links.
    folder: Vec<BString>,
    files: Vec<TreeFile>,
    bytes: usize,
    /// Entries of trees seen so far: links can multiply what a tree holds.
    entries: usize,
    /// Whether a link led out of the folder.
    has_left: bool,
}

struct Reader<'r> {
    git: &'r Git,
    local: &'r gix::Repository,
    /// The commit's tree.
    root: ObjectId,
    /// What is being read, for messages.
    at: &'r str,
}

impl Reader<'_> {
    fn find(&self, path: &str) -> Result<Option<Found>, Diagnostic> {
        self.find_from(Vec::new(), BStr::new(path))
    }

    /// Follows a path from a folder of the commit, through symbolic links.
    fn find_from(&self, folder: Vec<BString>, path: &BStr) -> Result<Option<Found>, Diagnostic> {
        let mut todo: VecDeque<BString> = folder.into_iter().collect();
        todo.extend(path.split_str("/").map(BString::from));
        let mut at: Vec<(BString, ObjectId)> = Vec::new();
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    if at.pop().is_none() {
                        return Err(self.leaves(path));
                    }
                    continue;
                }
                _ => {}
            }
            let folder = at.last().map_or(self.root, |(_, id)| *id);
            let tree = self.git.object(self.local, folder, self.at)?;
            let entry = gix::objs::TreeRefIter::from_bytes(&tree.data, folder.kind())
                .filter_map(Result::ok)
                .find(|entry| entry.filename == name)
                .map(|entry| (entry.mode.kind(), entry.oid.to_owned()));
            match entry {
                None => return Ok(None),
                Some((EntryKind::Tree, id)) => at.push((name, id)),
                Some((EntryKind::Blob | EntryKind::BlobExecutable, id)) => {
                    let is_last = todo.iter().all(|rest| matches!(rest.as_slice(), b"" | b"."));
                    if !is_last {
                        return Ok(None);
                    }
                    let path = at.into_iter().map(|(name, _)| name).chain([name]).collect();
                    return Ok(Some(Found { kind: Kind::Blob, id, path }));
                }
                Some((EntryKind::Link, id)) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Diagnostic::error(format!(
                            "{}: symbolic links lead in a circle",
                            self.shown(path)
                        )));
                    }
                    let target = self.git.object(self.local, id, self.at)?;
                    if target.data.starts_with(b"/") {
                        return Err(self.leaves(path));
                    }
                    for part in target.data.rsplit(|b| *b == b'/') {
                        todo.push_front(part.into());
                    }
                }
                Some((EntryKind::Commit, _)) => return Err(self.submodule(name.as_bstr())),
            }
        }
        let id = at.last().map_or(self.root, |(_, id)| *id);
        Ok(Some(Found { kind: Kind::Tree, id, path: at.into_iter().map(|(name, _)| name).collect() }))
    }

    /// Gathers the files of a tree. `path` is its own path in the commit, `below` the one that its files get.
    fn walk(
        &self,
        tree: ObjectId,
        path: &[BString],
        below: &str,
        depth: usize,
        walk: &mut Walk,
    ) -> Result<(), Diagnostic> {
        if depth > TREE_DEPTH_MAX {
            return Err(Diagnostic::error(format!(
                "{}/{below}: more than {TREE_DEPTH_MAX} folders in each other",
                self.at
            )));
        }
        let object = self.git.object(self.local, tree, self.at)?;
        for entry in gix::objs::TreeRefIter::from_bytes(&object.data, tree.kind()) {
            let entry = entry.map_err(|error| Diagnostic::error(format!("{} is damaged: {error}", self.at)))?;
            let name = entry.filename.to_str().map_err(|_| {
                let name = entry.filename.to_str_lossy();
                Diagnostic::error(format!("{}/{below}{name}: the name of this file is not UTF-8", self.at))
            })?;
            let file = format!("{below}{name}");
            walk.entries += 1;
            if walk.entries > TREE_FILES_MAX {
                return Err(self.too_big(&format!("more than {TREE_FILES_MAX} files and folders")));
            }
            match entry.mode.kind() {
                EntryKind::Tree => {
                    let path = [path, &[name.into()]].concat();
                    self.walk(entry.oid.to_owned(), &path, &format!("{file}/"), depth + 1, walk)?;
                }
                EntryKind::Blob | EntryKind::BlobExecutable => self.add(entry.oid.to_owned(), file, walk)?,
                EntryKind::Link => {
                    let Some(found) = self.find_from(path.to_vec(), entry.filename)? else {
                        return Err(Diagnostic::error(format!("{}/{file} is a broken symbolic link", self.at)));
                    };
                    walk.has_left |= !found.path.starts_with(&walk.folder);
                    match found.kind {
                        Kind::Blob => self.add(found.id, file, walk)?,
                        Kind::Tree if path.starts_with(&found.path) => {
                            return Err(Diagnostic::error(format!(
                                "{}/{file}: this symbolic link leads back to a folder above it",
                                self.at
                            )));
                        }
                        Kind::Tree => self.walk(found.id, &found.path, &format!("{file}/"), depth + 1, walk)?,
                    }
                }
                EntryKind::Commit => return Err(self.submodule(BStr::new(&file))),
            }
        }
        Ok(())
    }

    fn add(&self, blob: ObjectId, path: String, walk: &mut Walk) -> Result<(), Diagnostic> {
        let object = self.git.object(self.local, blob, &format!("{}/{path}", self.at))?;
        walk.bytes += object.data.len();
        if walk.bytes > TREE_BYTES_MAX {
            return Err(self.too_big(&format!("more than {TREE_BYTES_MAX} bytes")));
        }
        walk.files.push(TreeFile { path, bytes: object.data.as_slice().into() });
        Ok(())
    }

    fn too_big(&self, what: &str) -> Diagnostic {
        Diagnostic::error(format!("{} holds {what}", self.at)).help("is this the folder of a chart?")
    }

    fn leaves(&self, path: &BStr) -> Diagnostic {
        Diagnostic::error(format!("{}: a symbolic link leads out of the repository", self.shown(path)))
            .help("put the file itself there")
    }

    fn submodule(&self, path: &BStr) -> Diagnostic {
        Diagnostic::error(format!("{}: a submodule, whose files are not in this repository", self.shown(path)))
            .help("put the files themselves there")
    }

    fn shown(&self, path: &BStr) -> String {
        format!("{}/{}", self.at, path.to_str_lossy())
    }
}
