//! One side of a comparison: the rendered tree as it is in a commit, on disk, in memory after a render, or any folder or
//! stream of manifests. Folders are listed at once; what a release holds is read only when somebody asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Diagnostic, Source};
use crate::repo::{CommitId, EntryType, Git, Selector, TreeEntry};
use crate::yaml;

use super::folder::{read_file, read_sum, verify};
use super::sum::{Sum, hex_sha256};
use super::{Folder, Problem, RENDERED_FOLDER, SUM_FILE, Tree, list};

/// A rendered tree, or part of one.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The releases' folders by environment and name.
    pub releases: BTreeMap<(String, String), ReleaseFolder>,
}

/// One release's folder of a snapshot, not read yet.
#[derive(Debug, Clone)]
pub enum ReleaseFolder {
    /// In a commit: the id of its tree.
    Commit(gix::ObjectId),
    /// On disk.
    Disk(PathBuf),
    /// In memory.
    Memory(Arc<Tree>),
    /// Manifests that no sum describes: each with its own text.
    Plain(Vec<(String, Arc<Source>)>),
}

/// What a release's folder holds.
#[derive(Debug, Clone, Default)]
pub struct ReleaseFiles {
    /// The sum, where there is one that can be read.
    pub sum: Option<Sum>,
    /// How the files differ from their own sum; nothing for a folder that is as kcfg wrote it.
    pub problems: Vec<Problem>,
    /// The files without the sum, by name.
    pub files: Vec<StateFile>,
}

/// A file of a release's folder.
#[derive(Debug, Clone)]
pub struct StateFile {
    /// Its name.
    pub name: String,
    /// sha256 of its bytes, in hexadecimal.
    pub hash: String,
    /// Its text, or why it has none.
    pub text: Result<Arc<Source>, Diagnostic>,
}

impl Snapshot {
    /// The rendered tree of a commit. `prefix` is the repository's folder below Git's, with `/` at its end.
    ///
    /// # Errors
    /// Objects of the commit are missing or damaged. A commit without a rendered tree is an empty snapshot.
    pub fn commit(git: &Git, commit: &CommitId, prefix: &str, selectors: &[Selector]) -> Result<Snapshot, Diagnostic> {
        let mut snapshot = Snapshot::default();
        let root = format!("{prefix}{RENDERED_FOLDER}");
        for environment in folders(git.folder_entries(commit, &root)?.unwrap_or_default()) {
            let at = format!("{}:{root}/{}", commit.short(), environment.name);
            if !is_environment_wanted(selectors, &environment.name) {
                continue;
            }
            for release in folders(git.entries(environment.id, &at)?) {
                snapshot.add(selectors, &environment.name, release.name, ReleaseFolder::Commit(release.id));
            }
        }
        Ok(snapshot)
    }

    /// The rendered tree on disk: `rendered` is the folder of the environments.
    ///
    /// # Errors
    /// A folder cannot be listed. No folder at all is an empty snapshot.
    pub fn disk(rendered: &Path, selectors: &[Selector]) -> Result<Snapshot, Diagnostic> {
        let mut snapshot = Snapshot::default();
        for (environment, is_folder) in list(rendered, &rendered.display().to_string())? {
            if !is_folder || !is_environment_wanted(selectors, &environment) {
                continue;
            }
            for ((environment, release), folder) in
                Snapshot::disk_environment(&rendered.join(&environment), &environment)?.releases
            {
                snapshot.add(selectors, &environment, release, folder);
            }
        }
        Ok(snapshot)
    }

    /// One environment of the rendered tree on disk.
    ///
    /// # Errors
    /// As for [`Snapshot::disk`].
    pub fn disk_environment(path: &Path, name: &str) -> Result<Snapshot, Diagnostic> {
        let folders = list(path, &path.display().to_string())?.into_iter().filter(|(_, is_folder)| *is_folder);
        let releases = folders
            .map(|(release, _)| {
                let folder = ReleaseFolder::Disk(path.join(&release));
                ((name.to_owned(), release), folder)
            })
            .collect();
        Ok(Snapshot { releases })
    }

    /// Manifests that belong to no environment, such as a stream on standard input.
    pub fn plain(texts: Vec<(String, Arc<Source>)>) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.releases.insert((String::new(), String::new()), ReleaseFolder::Plain(texts));
        snapshot
    }

    /// Adds a release's folder, if the selectors want it.
    pub fn add(&mut self, selectors: &[Selector], environment: &str, release: String, folder: ReleaseFolder) {
        if selectors.is_empty() || selectors.iter().any(|s| s.matches_release(environment, &release)) {
            self.releases.insert((environment.to_owned(), release), folder);
        }
    }
}

fn folders(entries: Vec<TreeEntry>) -> impl Iterator<Item = TreeEntry> {
    entries.into_iter().filter(|entry| entry.kind == EntryType::Folder)
}

fn is_environment_wanted(selectors: &[Selector], name: &str) -> bool {
    selectors.is_empty() || selectors.iter().any(|selector| selector.matches_environment(name))
}

impl ReleaseFolder {
    /// Whether both certainly hold the same, told without reading either.
    pub fn is_same(&self, other: &ReleaseFolder) -> bool {
        match (self, other) {
            (ReleaseFolder::Commit(a), ReleaseFolder::Commit(b)) => a == b,
            (ReleaseFolder::Memory(a), ReleaseFolder::Memory(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Reads the sum alone, as it stands there; what cannot be read counts as absent.
    pub fn sum(&self, git: Option<&Git>) -> Option<Sum> {
        match self {
            ReleaseFolder::Commit(tree) => {
                let git = git?;
                let entries = git.entries(*tree, SUM_FILE).ok()?;
                let entry = entries.iter().find(|entry| entry.name == SUM_FILE && entry.kind == EntryType::File)?;
                let bytes = git.blob(entry.id, SUM_FILE).ok()?;
                Sum::parse(std::str::from_utf8(&bytes).ok()?).ok()
            }
            ReleaseFolder::Disk(path) => read_sum(path),
            ReleaseFolder::Memory(tree) => Some(tree.sum.clone()),
            ReleaseFolder::Plain(_) => None,
        }
    }

    /// Reads everything. `shown` is the folder as people know it.
    ///
    /// # Errors
    /// An object of Git is missing, or a file cannot be read.
    pub fn read(&self, git: Option<&Git>, shown: &str) -> Result<ReleaseFiles, Diagnostic> {
        match self {
            ReleaseFolder::Commit(tree) => {
                let git = git.expect("a folder of a commit comes from a repository");
                let mut files = Vec::new();
                for entry in git.entries(*tree, shown)? {
                    if entry.kind == EntryType::File {
                        let file = format!("{shown}/{}", entry.name);
                        files.push((entry.name, git.blob(entry.id, &file)?));
                    }
                }
                Ok(verified(files, shown))
            }
            ReleaseFolder::Disk(path) => {
                let Some(folder) = Folder::read(path, shown)? else { return Ok(ReleaseFiles::default()) };
                let mut files = Vec::with_capacity(folder.hashes.len());
                for (name, hash) in &folder.hashes {
                    let file = format!("{shown}/{name}");
                    let text = read_file(&path.join(name), &file).and_then(|bytes| yaml::decode(&bytes, &file));
                    files.push(StateFile { name: name.clone(), hash: hash.clone(), text });
                }
                Ok(ReleaseFiles { problems: folder.verify(), sum: folder.sum, files })
            }
            ReleaseFolder::Memory(tree) => {
                let file = |(file, line): (&super::TreeFile, &super::SumFile)| StateFile {
                    name: file.name.clone(),
                    hash: line.hash.clone(),
                    text: Ok(Source::new(format!("{shown}/{}", file.name), file.text.as_str())),
                };
                let files = tree.files.iter().zip(&tree.sum.files).map(file).collect();
                Ok(ReleaseFiles { sum: Some(tree.sum.clone()), problems: Vec::new(), files })
            }
            ReleaseFolder::Plain(texts) => {
                let file = |(name, source): &(String, Arc<Source>)| StateFile {
                    name: name.clone(),
                    hash: hex_sha256(source.text.as_bytes()),
                    text: Ok(source.clone()),
                };
                Ok(ReleaseFiles { files: texts.iter().map(file).collect(), ..ReleaseFiles::default() })
            }
        }
    }
}

/// Bytes of a folder → files, compared with the folder's own sum.
fn verified(mut files: Vec<(String, Vec<u8>)>, shown: &str) -> ReleaseFiles {
    files.sort_by(|a, b| a.0.cmp(&b.0));
    let sum = files.iter().position(|(name, _)| name == SUM_FILE).map(|index| files.remove(index).1);
    let sum =
        sum.map(|bytes| std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8".to_owned()).and_then(Sum::parse));
    let files: Vec<StateFile> = files
        .into_iter()
        .map(|(name, bytes)| StateFile {
            hash: hex_sha256(&bytes),
            text: yaml::decode(&bytes, &format!("{shown}/{name}")),
            name,
        })
        .collect();
    let problems = match &sum {
        None => vec![Problem::NotRendered],
        Some(Err(problem)) => vec![Problem::BadSum(problem.clone())],
        Some(Ok(sum)) => verify(sum, files.iter().map(|file| (file.name.as_str(), file.hash.as_str()))),
    };
    ReleaseFiles { sum: sum.and_then(Result::ok), problems, files }
}
