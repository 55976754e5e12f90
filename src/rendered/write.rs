//! Writing a release: built beside its folder, then the two are swapped, so that a reader, or a kill at any moment,
//! finds it wholly old or wholly new.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::error::Diagnostic;

use super::{Folder, SUM_FILE, TEMPORARY, Tree};

/// What a write did, in files (the sum not counted).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// New files and files with new text.
    pub written: usize,
    /// Files that stayed as they were.
    pub unchanged: usize,
    /// Files of ours that are no longer rendered.
    pub removed: usize,
}

/// Locks the rendered tree against a second writer until the returned file is dropped. The folder itself is locked,
/// so no lock file is left behind.
///
/// # Errors
/// Another kcfg holds the lock, or the folder cannot be made.
pub fn lock(rendered: &Path) -> Result<fs::File, Diagnostic> {
    let shown = rendered.display().to_string();
    let open = fs::create_dir_all(rendered).and_then(|()| fs::File::open(rendered));
    let folder = open.map_err(|error| refused(&shown, &error))?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(fs::TryLockError::WouldBlock) => Err(Diagnostic::error("another kcfg is rendering this repository")
            .at_file(shown)
            .help("wait until it ends, then try again")),
        Err(fs::TryLockError::Error(error)) => Err(refused(&shown, &error)),
    }
}

/// Makes a release's folder hold exactly `tree` and whatever strangers it held before.
///
/// # Errors
/// Whatever the file system refuses, naming the path; the folder is then as it was.
pub fn write(folder: Option<&Folder>, path: &Path, shown: &str, tree: &Tree) -> Result<Outcome, Diagnostic> {
    let mut outcome = Outcome::default();
    let old = |name: &str| {
        let hashes = &folder?.hashes;
        hashes.binary_search_by(|(file, _)| file.as_str().cmp(name)).ok().map(|index| hashes[index].1.as_str())
    };
    for file in &tree.sum.files {
        if old(&file.name) == Some(&file.hash) { outcome.unchanged += 1 } else { outcome.written += 1 }
    }
    if let Some(folder) = folder {
        let gone = |name: &String| tree.sum.file(name).is_none() && folder.strangers.binary_search(name).is_err();
        outcome.removed = folder.hashes.iter().filter(|(name, _)| gone(name)).count();
        if outcome.written + outcome.removed == 0 && folder.sum.as_ref() == Some(&tree.sum) {
            return Ok(outcome);
        }
    }
    let temporary = temporary_path(path);
    let steps = || -> io::Result<()> {
        discard(&temporary)?;
        fs::create_dir_all(&temporary)?;
        for file in &tree.files {
            fs::write(temporary.join(&file.name), &file.text)?;
        }
        fs::write(temporary.join(SUM_FILE), tree.sum.to_text())?;
        replace(folder, path, &temporary, |name| tree.sum.file(name).is_some())
    };
    steps().map_err(|error| {
        // The write failed: nothing of it may stay. That the clean-up may fail too changes nothing.
        let _ = discard(&temporary);
        refused(shown, &error)
    })?;
    Ok(outcome)
}

/// Removes what is ours of a folder whose release is gone; strangers keep the folder alive. Returns how many files went.
///
/// # Errors
/// Whatever the file system refuses, naming the path.
pub fn remove(folder: &Folder) -> Result<usize, Diagnostic> {
    let ours = folder.hashes.iter().filter(|(name, _)| folder.strangers.binary_search(name).is_err()).count();
    let temporary = temporary_path(&folder.path);
    let steps = || -> io::Result<()> {
        discard(&temporary)?;
        if folder.strangers.is_empty() {
            fs::rename(&folder.path, &temporary)?;
            return discard(&temporary);
        }
        fs::create_dir(&temporary)?;
        replace(Some(folder), &folder.path, &temporary, |_| false)
    };
    steps().map_err(|error| refused(&folder.shown, &error))?;
    Ok(ours)
}

/// Removes the temporary folders that a killed run left in an environment's folder. Call it under the tree's lock.
pub fn remove_leftovers(environment: &Path) {
    let Ok(entries) = fs::read_dir(environment) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(release) = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY)) else { continue };
        // What cannot be removed now is met again by the next run.
        let _ = give_back(&entry.path(), &environment.join(release)).and_then(|()| discard(&entry.path()));
    }
}

/// Moves strangers' folders out of a temporary folder that a kill left: they were on their way into the new one.
fn give_back(temporary: &Path, path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(temporary)?.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(temporary)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(path)?;
            fs::rename(entry.path(), path.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Puts `temporary` in the place of `path`, carrying strangers over, and discards the old folder.
fn replace(folder: Option<&Folder>, path: &Path, temporary: &Path, taken: impl Fn(&str) -> bool) -> io::Result<()> {
    let Some(folder) = folder else { return fs::rename(temporary, path) };
    let strangers: Vec<&String> = folder.strangers.iter().filter(|name| !taken(name)).collect();
    let is_folder = |name: &str| fs::symlink_metadata(path.join(name)).is_ok_and(|meta| meta.is_dir());
    for name in strangers.iter().filter(|name| !is_folder(name)) {
        let (from, to) = (path.join(name), temporary.join(name));
        // A file system without hard links: a copy does as well.
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(|_| ()))?;
    }
    match renameat_with(CWD, temporary, CWD, path, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        // A file system without exchange (some network and FUSE ones): two renames, not one.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            let aside = path.with_file_name(format!("{TEMPORARY}.old"));
            discard(&aside)?;
            fs::rename(path, &aside)?;
            fs::rename(temporary, path)?;
            fs::rename(&aside, temporary)?;
        }
        Err(error) => return Err(error.into()),
    }
    // Folders cannot be linked; they move now, from the old folder, which nobody looks at any more.
    for name in strangers.iter().filter(|name| fs::symlink_metadata(temporary.join(name)).is_ok_and(|m| m.is_dir())) {
        fs::rename(temporary.join(name), path.join(name))?;
    }
    discard(temporary)
}

/// Where a release's next folder is built: beside it, so that a rename is enough. Release names are short enough for it.
fn temporary_path(path: &Path) -> PathBuf {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    path.with_file_name(format!("{TEMPORARY}{name}"))
}

fn discard(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    }
}

fn refused(shown: &str, error: &io::Error) -> Diagnostic {
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "make the rendered tree writable",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk and render again",
        _ => "what was there before is untouched; render again when this is mended",
    };
    Diagnostic::error(format!("cannot write this release: {error}")).at_file(shown).help(help)
}
