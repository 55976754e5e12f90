//! Bare repositories for commits that are fetched: made, replaced and taken away again in a folder of their own.
//!
//! A cache holds nothing of worth: whatever an earlier process left there is deleted. The applier fetches into the newest
//! repository and reads from it; when that has grown to its limits it asks for another, and the one before stays until
//! the next time, so that who still reads from it can finish.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::git::Git;
use crate::error::{Diagnostic, io_help, reason};

/// How many processes may use one folder at the same time.
const CACHES_MAX: usize = 16;
/// The file whose lock says that a cache is in use.
const LOCK_FILE: &str = "in-use";

/// A folder of bare repositories, of which the newest is fetched into; deleted at the end.
#[derive(Debug)]
pub struct FetchCache {
    folder: PathBuf,
    /// Held as long as the cache is in use.
    _lock: File,
    number: usize,
}

impl FetchCache {
    /// A cache of its own below a folder, for instance the one for temporary files; empty.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn open(parent: &Path) -> Result<FetchCache, Diagnostic> {
        for number in 0..CACHES_MAX {
            let folder = parent.join(format!("kcfg-fetched-{number}"));
            fs::create_dir_all(&folder).map_err(|error| failed(&folder, "be made", &error))?;
            let path = folder.join(LOCK_FILE);
            let lock = File::options().create(true).append(true).open(&path);
            let lock = lock.map_err(|error| failed(&path, "be opened", &error))?;
            if lock.try_lock().is_err() {
                continue;
            }
            let cache = FetchCache { folder, _lock: lock, number: 0 };
            cache.keep(|_| false)?;
            return Ok(cache);
        }
        Err(Diagnostic::error(format!("{CACHES_MAX} processes fetch into {} already", parent.display()))
            .help("name another folder with --cache-dir"))
    }

    /// Makes the next repository, and deletes all but the one before it. What this gives is its folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn rotate(&mut self) -> Result<PathBuf, Diagnostic> {
        let before = self.repository();
        self.keep(|path| *path == before)?;
        self.number += 1;
        let folder = self.repository();
        let kind = gix::create::Kind::Bare;
        let options = gix::open::Options::isolated().with(gix::sec::Trust::Full);
        gix::ThreadSafeRepository::init_opts(&folder, kind, gix::create::Options::default(), options).map_err(
            |error| {
                Diagnostic::error(format!("the repository to fetch into cannot be made: {error}"))
                    .at_file(folder.display().to_string())
                    .help("it has to be a folder that can be written; --cache-dir names another")
            },
        )?;
        Ok(folder)
    }

    /// Opens the newest repository with what has been fetched into it up to now.
    ///
    /// # Errors
    /// It is damaged, or nothing was made yet.
    pub fn git(&self) -> Result<Git, Diagnostic> {
        Git::open(&self.repository())
    }

    /// The newest repository.
    pub fn repository(&self) -> PathBuf {
        self.folder.join(format!("{}.git", self.number))
    }

    /// How many packs the newest repository holds, and their bytes.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn packs(&self) -> Result<(usize, u64), Diagnostic> {
        let folder = self.repository().join("objects/pack");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((0, 0)),
            Err(error) => return Err(failed(&folder, "be read", &error)),
        };
        let sizes = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "pack"))
            .filter_map(|entry| entry.metadata().ok())
            .map(|metadata| metadata.len());
        Ok(sizes.fold((0, 0), |(count, bytes), size| (count + 1, bytes + size)))
    }

    /// Deletes the repositories that are not to be kept.
    fn keep(&self, is_kept: impl Fn(&PathBuf) -> bool) -> Result<(), Diagnostic> {
        let entries = fs::read_dir(&self.folder).map_err(|error| failed(&self.folder, "be read", &error))?;
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "git") && !is_kept(&path) {
                fs::remove_dir_all(&path).map_err(|error| failed(&path, "be deleted", &error))?;
            }
        }
        Ok(())
    }
}

impl Drop for FetchCache {
    fn drop(&mut self) {
        // What stays is deleted by the next process.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn failed(path: &Path, what: &str, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error(format!("it cannot {what}: {}", reason(error)))
        .at_file(path.display().to_string())
        .help(io_help(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_is_its_own_empty_at_first_and_gone_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let stale = folder.path().join("kcfg-fetched-0/7.git");
        fs::create_dir_all(&stale).unwrap();
        let first = FetchCache::open(folder.path()).unwrap();
        let second = FetchCache::open(folder.path()).unwrap();
        assert_ne!(first.folder, second.folder);
        assert!(!stale.exists());
        drop(first);
        assert!(!folder.path().join("kcfg-fetched-0").exists());
        assert!(second.git().is_err());
    }

    #[test]
    fn the_repository_before_stays_for_its_readers() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = FetchCache::open(folder.path()).unwrap();
        let made: Vec<_> = (0..3).map(|_| cache.rotate().unwrap()).collect();
        assert_eq!(made.iter().map(|path| path.exists()).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(cache.repository(), made[2]);
        assert_eq!(cache.packs().unwrap(), (0, 0));
        cache.git().unwrap();
    }
}
