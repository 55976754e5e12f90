//! A release's folder for the applier: every file compared with kcfg.sum, its bytes read again only when they are used.

use std::path::PathBuf;

use crate::error::{Diagnostic, io_help};
use crate::repo::{EntryType, Git};

use super::folder::read_file;
use super::sum::{Sum, hex_sha256};
use super::{Problem, ReleaseFolder, SUM_FILE};

/// A folder of the tree whose files were hashed.
#[derive(Debug, Default)]
pub struct VerifiedFolder {
    /// The sum, where there is one that can be read.
    pub sum: Option<Sum>,
    /// How the files differ from it; nothing for a folder that is as kcfg wrote it.
    pub problems: Vec<Problem>,
    /// Where the files of the sum are, in its order; empty where there are problems.
    pub files: Vec<FileAt>,
}

/// Where the bytes of a file are, and what it mentions.
#[derive(Debug, Clone)]
pub struct FileAt {
    /// Where.
    pub place: FilePlace,
    /// Whether the text has `helm.sh/hook:` somewhere, so that the object may be a hook.
    pub mentions_hook: bool,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone)]
pub enum FilePlace {
    /// On disk.
    Disk(PathBuf),
    /// Among Git's objects.
    Blob(gix::ObjectId),
}

impl FilePlace {
    /// The bytes. `shown` is the file as people know it.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn bytes(&self, git: Option<&Git>, shown: &str) -> Result<Vec<u8>, Diagnostic> {
        match (self, git) {
            (FilePlace::Disk(path), _) => read_file(path, shown),
            (FilePlace::Blob(id), Some(git)) => git.blob(*id, shown),
            (FilePlace::Blob(_), None) => Err(Diagnostic::error("a file of a commit needs a repository")),
        }
    }
}

impl ReleaseFolder {
    /// Hashes every file and compares it with the folder's sum. Anything that is no regular file is one too many: a link
    /// is never followed.
    ///
    /// # Errors
    /// The folder cannot be listed or a file cannot be read.
    pub fn verify(&self, git: Option<&Git>, shown: &str) -> Result<VerifiedFolder, Diagnostic> {
        let mut entries = self.places(git, shown)?;
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let mut found = VerifiedFolder::default();
        let sum = entries.iter().position(|(name, place)| name == SUM_FILE && place.is_some());
        match sum.map(|index| entries.remove(index)) {
            Some((_, Some(place))) => {
                let bytes = place.bytes(git, &format!("{shown}/{SUM_FILE}"))?;
                match std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8".to_owned()).and_then(Sum::parse) {
                    Ok(sum) => found.sum = Some(sum),
                    Err(why) => found.problems.push(Problem::BadSum(why)),
                }
            }
            _ => found.problems.push(Problem::NotRendered),
        }
        let Some(sum) = &found.sum else { return Ok(found) };
        let mut listed = sum.files.iter().peekable();
        for (name, place) in entries {
            while let Some(missing) = listed.next_if(|file| file.name < name) {
                found.problems.push(Problem::Missing(missing.name.clone()));
            }
            match (listed.next_if(|file| file.name == name), place) {
                (Some(file), Some(place)) => {
                    let bytes = place.bytes(git, &format!("{shown}/{name}"))?;
                    if hex_sha256(&bytes) == file.hash {
                        let mentions_hook = mentions(&bytes, b"helm.sh/hook:");
                        found.files.push(FileAt { place, mentions_hook });
                    } else {
                        found.problems.push(Problem::Altered(name));
                    }
                }
                _ => found.problems.push(Problem::Extra(name, false)),
            }
        }
        found.problems.extend(listed.map(|file| Problem::Missing(file.name.clone())));
        if !found.problems.is_empty() {
            found.files.clear();
        }
        Ok(found)
    }

    /// The names in the folder, with where their bytes are; none for what is no regular file.
    fn places(&self, git: Option<&Git>, shown: &str) -> Result<Vec<(String, Option<FilePlace>)>, Diagnostic> {
        match (self, git) {
            (ReleaseFolder::Commit(tree), Some(git)) => {
                let entries = git.entries(*tree, shown)?.into_iter();
                let place = |entry: &crate::repo::TreeEntry| match entry.kind {
                    EntryType::File => Some(FilePlace::Blob(entry.id)),
                    _ => None,
                };
                Ok(entries.map(|entry| (place(&entry), entry.name)).map(|(place, name)| (name, place)).collect())
            }
            (ReleaseFolder::Disk(path), _) => {
                let fail = |error: &std::io::Error| {
                    Diagnostic::error(format!("cannot list this folder: {error}")).at_file(shown).help(io_help(error))
                };
                let mut found = Vec::new();
                for entry in std::fs::read_dir(path).map_err(|error| fail(&error))? {
                    let entry = entry.map_err(|error| fail(&error))?;
                    let is_file = entry.file_type().map_err(|error| fail(&error))?.is_file();
                    let place = is_file.then(|| FilePlace::Disk(entry.path()));
                    found.push((entry.file_name().to_string_lossy().into_owned(), place));
                }
                Ok(found)
            }
            _ => Err(Diagnostic::error("only a folder on disk or in a commit can be verified").at_file(shown)),
        }
    }
}

fn mentions(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
