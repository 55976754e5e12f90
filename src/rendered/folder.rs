//! A release's folder as it stands on disk: what is ours, what is a stranger's, what does not match its sum.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Diagnostic, io_help};
use crate::manifest::Scopes;
use crate::repo::{Links, read_regular};
use crate::yaml::{self, ReadOptions};

use super::sum::{Sum, hex_sha256};
use super::{FIRST_LINE, SUM_FILE, TEMPORARY, Tree};

/// The largest rendered file that is read; etcd takes objects of at most 1.5 MiB, so a larger one is no object.
pub const FILE_BYTES_MAX: u64 = 64 << 20;

/// Git's mark of a conflict is a line of at most this many bytes: it names a branch or a commit.
const MARK_BYTES_MAX: usize = 1024;

/// rendered/<env>/<release>/ as it is.
#[derive(Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Where it is, as shown to the user.
    pub shown: String,
    /// The sum, where there is one that can be read.
    pub sum: Option<Sum>,
    /// Why the sum counts as absent, where there is one that cannot be read.
    pub sum_problem: Option<String>,
    /// sha256 of every regular file but the sum, sorted by name.
    pub hashes: Vec<(String, String)>,
    /// The names of files that are not ours, and of folders and links, sorted.
    pub strangers: Vec<OsString>,
}

/// One way in which a folder differs from what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// There is no folder, or no sum in it.
    NotRendered,
    /// The sum cannot be read; the reason.
    BadSum(String),
    /// A file that should be there is not.
    Missing(String),
    /// A file that should not be there is; whether it is ours.
    Extra(String, bool),
    /// A file has other bytes than it should have.
    Altered(String),
    /// The sum's own comment lines (chart, inputs, …) are not what a fresh render writes.
    Stale,
}

impl Folder {
    /// Reads a release's folder; `None` if there is none.
    ///
    /// # Errors
    /// Where the path is no folder (a link is not followed), or a file cannot be read.
    pub fn read(path: &Path, shown: &str) -> Result<Option<Folder>, Diagnostic> {
        let io = |name: &str, what: &str, error: &std::io::Error| {
            Diagnostic::error(format!("cannot {what}: {error}")).at_file(name).help(io_help(error))
        };
        if !is_folder(path, shown)? {
            return Ok(None);
        }
        let mut folder = Folder {
            path: path.to_owned(),
            shown: shown.to_owned(),
            sum: None,
            sum_problem: None,
            hashes: Vec::new(),
            strangers: Vec::new(),
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(|error| io(shown, "list this folder", &error))? {
            let entry = entry.map_err(|error| io(shown, "list this folder", &error))?;
            let is_file = entry.file_type().map_err(|error| io(shown, "look into this folder", &error))?.is_file();
            match entry.file_name().into_string() {
                Ok(name) if is_file => names.push(name),
                Ok(name) => folder.strangers.push(name.into()),
                Err(name) => folder.strangers.push(name),
            }
        }
        names.sort();
        if let Ok(index) = names.binary_search_by(|name| name.as_str().cmp(SUM_FILE)) {
            names.remove(index);
            let file = format!("{shown}/{SUM_FILE}");
            let bytes = read_file(&path.join(SUM_FILE), &file)?;
            match std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8".to_owned()).and_then(Sum::parse) {
                Ok(sum) => folder.sum = Some(sum),
                Err(problem) => folder.sum_problem = Some(problem),
            }
        }
        for name in names {
            let bytes = read_file(&path.join(&name), &format!("{shown}/{name}"))?;
            let listed = folder.sum.as_ref().is_some_and(|sum| sum.file(&name).is_some());
            if !listed && !ours(&bytes) {
                folder.strangers.push(name.clone().into());
            }
            folder.hashes.push((name, hex_sha256(&bytes)));
        }
        folder.strangers.sort();
        Ok(Some(folder))
    }

    /// Whether anything in the folder was written by kcfg.
    pub fn has_ours(&self) -> bool {
        self.sum.is_some() || self.sum_problem.is_some() || self.hashes.iter().any(|(name, _)| !self.is_stranger(name))
    }

    /// The scopes that the folder's CustomResourceDefinitions give. Files that cannot be read teach nothing; whoever
    /// verifies the folder says so.
    pub fn scopes(&self) -> Scopes {
        let mut scopes = Scopes::default();
        for file in self.sum.iter().flat_map(|sum| &sum.files) {
            if file.id.starts_with("apiextensions.k8s.io/CustomResourceDefinition/")
                && let Ok(bytes) = read_regular(&self.path.join(&file.name), FILE_BYTES_MAX, Links::Refused)
                && let Ok(source) = yaml::decode(&bytes, &file.name)
                && let Ok(document) = yaml::read(&source, &ReadOptions::default())
            {
                scopes.learn(&document.node);
            }
        }
        scopes
    }

    /// Whether something of this name is there that kcfg did not write.
    pub fn is_stranger(&self, name: &str) -> bool {
        self.strangers.binary_search_by(|stranger| stranger.as_os_str().cmp(name.as_ref())).is_ok()
    }

    /// The files against the folder's own sum.
    pub fn verify(&self) -> Vec<Problem> {
        match (&self.sum, &self.sum_problem) {
            (Some(sum), _) => self.compare(sum),
            (None, Some(problem)) => vec![Problem::BadSum(problem.clone())],
            (None, None) => vec![Problem::NotRendered],
        }
    }

    /// The files and the sum against a fresh render.
    pub fn differences(&self, tree: &Tree) -> Vec<Problem> {
        let mut problems = match (&self.sum, &self.sum_problem) {
            (None, Some(problem)) => vec![Problem::BadSum(problem.clone())],
            (None, None) => vec![Problem::NotRendered],
            (Some(_), _) => Vec::new(),
        };
        problems.extend(self.compare(&tree.sum));
        if problems.is_empty() && self.sum.as_ref() != Some(&tree.sum) {
            problems.push(Problem::Stale);
        }
        problems
    }

    fn compare(&self, sum: &Sum) -> Vec<Problem> {
        let mut problems = Vec::new();
        for file in &sum.files {
            match self.hashes.binary_search_by(|(name, _)| name.as_str().cmp(&file.name)) {
                Err(_) => problems.push(Problem::Missing(file.name.clone())),
                Ok(index) if self.hashes[index].1 != file.hash => problems.push(Problem::Altered(file.name.clone())),
                Ok(_) => {}
            }
        }
        for (name, _) in &self.hashes {
            if sum.file(name).is_none() {
                problems.push(Problem::Extra(name.clone(), !self.is_stranger(name)));
            }
        }
        for name in self.strangers.iter().map(|name| name.to_string_lossy()) {
            if self.hashes.binary_search_by(|(file, _)| file.as_str().cmp(&name)).is_err() {
                problems.push(Problem::Extra(name.into_owned(), false));
            }
        }
        problems
    }
}

/// Files (name and hash, sorted by name) against a sum, where nothing tells who wrote them.
pub(super) fn verify<'a>(sum: &Sum, files: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Problem> {
    let files: Vec<(&str, &str)> = files.collect();
    let mut problems = Vec::new();
    for file in &sum.files {
        match files.binary_search_by(|(name, _)| (*name).cmp(&file.name)) {
            Err(_) => problems.push(Problem::Missing(file.name.clone())),
            Ok(index) if files[index].1 != file.hash => problems.push(Problem::Altered(file.name.clone())),
            Ok(_) => {}
        }
    }
    let extra = files.iter().filter(|(name, _)| sum.file(name).is_none());
    problems.extend(extra.map(|(name, _)| Problem::Extra((*name).to_owned(), false)));
    problems
}

/// Whether there is a folder of the tree; a symbolic link is none, for kcfg follows no link there.
///
/// # Errors
/// Something else is there, or the folder above cannot be searched.
pub fn is_folder(path: &Path, shown: &str) -> Result<bool, Diagnostic> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(true),
        Ok(metadata) => {
            let what = if metadata.is_symlink() { "a symbolic link" } else { "a file" };
            Err(Diagnostic::error(format!("this is {what}, but a folder of the rendered tree belongs here"))
                .at_file(shown)
                .help("move it away and render again; kcfg follows no links in the rendered tree"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => {
            Err(Diagnostic::error(format!("cannot look at this folder: {error}")).at_file(shown).help(io_help(&error)))
        }
    }
}

/// What a killed run left in an environment's folder, by name.
pub fn leftovers(environment: &Path) -> Vec<String> {
    let entries = fs::read_dir(environment).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(TEMPORARY))
        .collect();
    names.sort();
    names
}

/// The sums of an environment's releases, by their folders' names; those that cannot be read are left out.
pub fn sums(environment: &Path) -> Vec<(String, Sum)> {
    if !is_folder(environment, "").unwrap_or(false) {
        return Vec::new();
    }
    let sum = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok().filter(|name| !name.starts_with(TEMPORARY))?;
        entry.file_type().ok().filter(fs::FileType::is_dir)?;
        Some((name, read_sum(&entry.path())?))
    };
    let entries = fs::read_dir(environment).into_iter().flatten().flatten();
    let mut sums: Vec<(String, Sum)> = entries.filter_map(sum).collect();
    sums.sort_by(|a, b| a.0.cmp(&b.0));
    sums
}

/// The sum in a release's folder, if it can be read.
pub(super) fn read_sum(folder: &Path) -> Option<Sum> {
    let bytes = read_regular(&folder.join(SUM_FILE), FILE_BYTES_MAX, Links::Refused).ok()?;
    Sum::parse(std::str::from_utf8(&bytes).ok()?).ok()
}

/// The names in a folder of the tree and whether they are folders, sorted, without a write's temporary ones; nothing
/// if there is no such folder. A link is no folder.
///
/// # Errors
/// The folder cannot be listed.
pub fn list(path: &Path, shown: &str) -> Result<Vec<(String, bool)>, Diagnostic> {
    let fail = |error: &std::io::Error| {
        Diagnostic::error(format!("cannot list this folder: {error}")).at_file(shown).help(io_help(error))
    };
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|error| fail(&error))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| fail(&error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(TEMPORARY) {
            names.push((name, entry.file_type().map_err(|error| fail(&error))?.is_dir()));
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a file's first line says that kcfg wrote it; the first one below Git's mark, where both sides of a merge
/// wrote it.
pub fn ours(bytes: &[u8]) -> bool {
    let below_mark = |bytes: &[u8]| {
        let end = bytes.iter().take(MARK_BYTES_MAX).position(|byte| *byte == b'\n');
        end.is_some_and(|end| bytes[end + 1..].starts_with(FIRST_LINE.as_bytes()))
    };
    bytes.starts_with(FIRST_LINE.as_bytes()) || bytes.starts_with(b"<<<<<<< ") && below_mark(bytes)
}

pub(super) fn read_file(path: &Path, shown: &str) -> Result<Vec<u8>, Diagnostic> {
    read_regular(path, FILE_BYTES_MAX, Links::Refused).map_err(|error| {
        let (limit, help) = match error.kind() {
            ErrorKind::FileTooLarge => {
                (" (FILE_BYTES_MAX)", "no Kubernetes object is that large; move the file away and render again")
            }
            _ => ("", io_help(&error)),
        };
        Diagnostic::error(format!("cannot read this file: {error}{limit}")).at_file(shown).help(help)
    })
}
