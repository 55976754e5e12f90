//! Writing a release: built beside its folder, then the two are swapped, so that a reader, or a kill at any moment,
//! finds it wholly old or wholly new.
//!
//! The new folder is built as `.kcfg-NAME`; after the swap the old one has that name until it is removed. Where the
//! file system cannot swap, the old folder is `.kcfg-~NAME` for a moment. What a killed run left under these names is
//! put right by the next ([`remove_leftovers`]): files that kcfg did not write are never lost.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, CWD, RenameFlags, access, renameat_with};

use crate::error::{Diagnostic, io_help};

use super::{Folder, RENDERED_FOLDER, SUM_FILE, TEMPORARY, Tree, is_folder};

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
/// Another kcfg holds the lock, the folder cannot be made, or it is none.
pub fn lock(rendered: &Path) -> Result<fs::File, Diagnostic> {
    let refused = |error: &io::Error| {
        Diagnostic::error(format!("cannot open the rendered tree: {error}"))
            .at_file(RENDERED_FOLDER)
            .help(io_help(error))
    };
    is_folder(rendered, RENDERED_FOLDER)?;
    let folder = fs::create_dir_all(rendered).and_then(|()| fs::File::open(rendered)).map_err(|e| refused(&e))?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(fs::TryLockError::WouldBlock) => Err(Diagnostic::error("another kcfg is rendering this repository")
            .at_file(RENDERED_FOLDER)
            .help("wait until it ends, then try again")),
        Err(fs::TryLockError::Error(error)) => Err(refused(&error)),
    }
}

/// Makes a release's folder hold exactly `tree` and whatever strangers it held before.
///
/// # Errors
/// Something that kcfg did not write stands where a file belongs; whatever the file system refuses, naming the path.
/// The folder is then as it was, unless the error says otherwise.
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
        outcome.removed =
            folder.hashes.iter().filter(|(name, _)| tree.sum.file(name).is_none() && !folder.is_stranger(name)).count();
        if outcome.written + outcome.removed == 0 && folder.sum.as_ref() == Some(&tree.sum) {
            return Ok(outcome);
        }
        let mut names = tree.sum.files.iter().map(|file| file.name.as_str()).chain([SUM_FILE]);
        if let Some(taken) = names.find(|name| folder.is_stranger(name)) {
            return Err(Diagnostic::error("kcfg did not write this, and it stands where a rendered file belongs")
                .at_file(format!("{shown}/{taken}"))
                .help("move it away and render again; until then the release keeps its old files"));
        }
    }
    let new = new_path(path);
    recover(path).map_err(|error| stuck(shown, &error))?;
    let build = || -> io::Result<()> {
        fs::create_dir_all(&new)?;
        for file in &tree.files {
            fs::write(new.join(&file.name), &file.text)?;
        }
        fs::write(new.join(SUM_FILE), tree.sum.to_text())
    };
    let placed = build().map_err(Failure::Before).and_then(|()| place(folder, path, swap));
    placed.map_err(|failure| failure.diagnostic(path, shown))?;
    Ok(outcome)
}

/// Removes what is ours of a folder whose release is gone; strangers keep the folder alive. Returns how many files went.
///
/// # Errors
/// Whatever the file system refuses, naming the path.
pub fn remove(folder: &Folder) -> Result<usize, Diagnostic> {
    let (path, shown) = (&folder.path, &folder.shown);
    let ours = folder.hashes.iter().filter(|(name, _)| !folder.is_stranger(name)).count();
    recover(path).map_err(|error| stuck(shown, &error))?;
    let new = new_path(path);
    let removed = if folder.strangers.is_empty() {
        let moved = check_writable(path).and_then(|()| fs::rename(path, &new));
        moved.map_err(Failure::Before).and_then(|()| discard(&new).map_err(Failure::After))
    } else {
        fs::create_dir(&new).map_err(Failure::Before).and_then(|()| place(Some(folder), path, swap))
    };
    removed.map_err(|failure| failure.diagnostic(path, shown))?;
    Ok(ours)
}

/// Puts right what a killed run left in an environment's folder, and gives what it could not. Call it under the tree's
/// lock.
pub fn remove_leftovers(environment: &Path, shown: &str) -> Vec<Diagnostic> {
    let Ok(entries) = fs::read_dir(environment) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let release = name.strip_prefix(TEMPORARY)?;
        Some(release.strip_prefix(ASIDE).unwrap_or(release).to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    let recover = |name: &String| recover(&environment.join(name)).err().map(|e| stuck(&format!("{shown}/{name}"), &e));
    names.iter().filter_map(recover).collect()
}

/// Where a write failed.
enum Failure {
    /// Before the new folder took the old one's place.
    Before(io::Error),
    /// After it.
    After(io::Error),
}

impl Failure {
    /// The finding; what can be cleaned up is.
    fn diagnostic(self, path: &Path, shown: &str) -> Diagnostic {
        // That cleaning up may fail too changes nothing: the next run tries again, and `check` names what is left.
        let _ = recover(path);
        match self {
            Failure::Before(error) => {
                let help = match error.kind() {
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "make the rendered tree writable",
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on the disk and render again",
                    _ => "what was there before is untouched; render again when this is mended",
                };
                Diagnostic::error(format!("cannot write this release: {error}")).at_file(shown).help(help)
            }
            Failure::After(error) => {
                let error = format!("this release is written, but its old folder cannot be removed: {error}");
                Diagnostic::error(error).at_file(shown_leftover(shown)).help("make it writable and render again")
            }
        }
    }
}

/// Puts the new folder in the place of the release's, with the strangers, and discards the old one.
fn place(
    folder: Option<&Folder>,
    path: &Path,
    swap: impl Fn(&Path, &Path) -> io::Result<PathBuf>,
) -> Result<(), Failure> {
    let new = new_path(path);
    let Some(folder) = folder else { return fs::rename(&new, path).map_err(Failure::Before) };
    // Else the old folder could be moved, but not emptied.
    check_writable(path).map_err(Failure::Before)?;
    let mut folders: Vec<&OsString> = Vec::new();
    for name in &folder.strangers {
        let from = path.join(name);
        let kind = fs::symlink_metadata(&from).map_err(Failure::Before)?.file_type();
        if kind.is_dir() {
            folders.push(name);
        } else {
            carry(&from, &new.join(name), kind).map_err(|error| not_carried(name, &error))?;
        }
    }
    // Folders cannot be linked. Should a kill or an error come before the swap, they are given back.
    for name in folders {
        fs::rename(path.join(name), new.join(name)).map_err(|error| not_carried(name, &error))?;
    }
    let old = swap(&new, path).map_err(Failure::Before)?;
    discard(&old).map_err(Failure::After)
}

fn not_carried(name: &OsStr, error: &io::Error) -> Failure {
    let message = format!("`{}`, which kcfg did not write, cannot be carried over: {error}", name.to_string_lossy());
    Failure::Before(io::Error::new(error.kind(), message))
}

/// Gives a stranger's file a second name. Where there are no hard links, a copy does as well.
fn carry(from: &Path, to: &Path, kind: fs::FileType) -> io::Result<()> {
    let Err(error) = fs::hard_link(from, to) else { return Ok(()) };
    if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)
    } else if kind.is_file() {
        fs::copy(from, to).map(|_| ())
    } else {
        Err(error)
    }
}

/// Swaps two folders and says where the old one is now.
fn swap(new: &Path, path: &Path) -> io::Result<PathBuf> {
    match renameat_with(CWD, new, CWD, path, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(new.to_owned()),
        // A file system without exchange (some network and FUSE ones).
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => swap_in_two(new, path),
        Err(error) => Err(error.into()),
    }
}

/// Two renames instead of one; a kill between them is mended by [`recover`].
fn swap_in_two(new: &Path, path: &Path) -> io::Result<PathBuf> {
    let aside = aside_path(path);
    fs::rename(path, &aside)?;
    match fs::rename(new, path) {
        Ok(()) => Ok(aside),
        Err(error) => fs::rename(&aside, path).and(Err(error)),
    }
}

/// Puts right what an unfinished write left beside a release's folder. Strangers' folders, on their way from the old
/// folder to the new one, go to where the release's folder is; files were linked, not moved.
fn recover(path: &Path) -> io::Result<()> {
    let aside = aside_path(path);
    if exists(&aside)? && !exists(path)? {
        fs::rename(&aside, path)?;
    }
    for leftover in [aside, new_path(path)] {
        if exists(&leftover)? {
            give_back(&leftover, path)?;
            discard(&leftover)?;
        }
    }
    Ok(())
}

fn give_back(leftover: &Path, path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(leftover)?.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(leftover)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(path)?;
            let to = path.join(entry.file_name());
            if exists(&to)? {
                let message = format!("{} is on its way to where there is another one", entry.path().display());
                return Err(io::Error::new(ErrorKind::AlreadyExists, message));
            }
            fs::rename(entry.path(), to)?;
        }
    }
    Ok(())
}

/// What comes after [`TEMPORARY`] where the old folder was moved aside; no folder's name begins with it.
const ASIDE: &str = "~";

/// Where a release's next folder is built: beside it, so that a rename is enough. Names leave room for it.
fn new_path(path: &Path) -> PathBuf {
    beside(path, TEMPORARY)
}

fn aside_path(path: &Path) -> PathBuf {
    beside(path, &format!("{TEMPORARY}{ASIDE}"))
}

fn beside(path: &Path, prefix: &str) -> PathBuf {
    let mut name = OsString::from(prefix);
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

fn shown_leftover(shown: &str) -> String {
    let (above, name) = shown.rsplit_once('/').unwrap_or(("", shown));
    format!("{above}/{TEMPORARY}{name}")
}

fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn check_writable(folder: &Path) -> io::Result<()> {
    access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from)
}

fn discard(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    }
}

/// The leftover of an unfinished write that cannot be cleared away.
fn stuck(shown: &str, error: &io::Error) -> Diagnostic {
    Diagnostic::error(format!("an earlier run was killed, and what it left cannot be cleared away: {error}"))
        .at_file(shown_leftover(shown))
        .help("move what is yours out of it, remove the rest, and render again")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder `web` with a file of ours, a stranger's file and a stranger's folder, and its next state beside it.
    fn folder() -> (tempfile::TempDir, PathBuf, Folder) {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("web");
        fs::create_dir_all(path.join("mine")).unwrap();
        fs::create_dir_all(new_path(&path)).unwrap();
        fs::write(path.join("a.yaml"), "# rendered by kcfg from a\nold").unwrap();
        fs::write(path.join("notes"), "mine").unwrap();
        fs::write(path.join("mine/notes"), "mine too").unwrap();
        fs::write(new_path(&path).join("a.yaml"), "# rendered by kcfg from a\nnew").unwrap();
        let folder = Folder::read(&path, "web").unwrap().unwrap();
        assert_eq!(folder.strangers, ["mine", "notes"]);
        (top, path, folder)
    }

    fn state(top: &Path) -> Vec<String> {
        let mut names: Vec<String> = walkdir::WalkDir::new(top)
            .into_iter()
            .flatten()
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| entry.path().strip_prefix(top).unwrap().display().to_string())
            .collect();
        names.sort();
        names
    }

    const WHOLE: [&str; 3] = ["web/a.yaml", "web/mine/notes", "web/notes"];

    #[test]
    fn both_ways_to_swap_carry_strangers_over() {
        for swap in [swap, swap_in_two] {
            let (top, path, folder) = folder();
            assert!(place(Some(&folder), &path, swap).is_ok());
            assert_eq!(state(top.path()), WHOLE);
            assert!(fs::read_to_string(path.join("a.yaml")).unwrap().ends_with("new"));
        }
    }

    #[test]
    fn a_swap_that_fails_leaves_all_as_it_was() {
        let (top, path, folder) = folder();
        let failure = place(Some(&folder), &path, |_, _| Err(io::Error::other("no"))).unwrap_err();
        let text = failure.diagnostic(&path, "rendered/prod/web").to_string();
        assert!(text.contains("cannot write this release: no") && text.contains("untouched"), "{text}");
        assert_eq!(state(top.path()), WHOLE);
        assert!(fs::read_to_string(path.join("a.yaml")).unwrap().ends_with("old"));
    }

    #[test]
    fn a_kill_between_the_two_renames_is_mended() {
        let (top, path, _) = folder();
        fs::rename(&path, aside_path(&path)).unwrap();
        assert!(remove_leftovers(top.path(), "rendered/prod").is_empty());
        assert_eq!(state(top.path()), WHOLE);
        assert!(fs::read_to_string(path.join("a.yaml")).unwrap().ends_with("old"));
    }

    #[test]
    fn a_strangers_folder_that_has_no_way_back_is_never_lost() {
        let (top, path, _) = folder();
        let leftover = new_path(&path).join("mine");
        fs::create_dir(&leftover).unwrap();
        fs::write(leftover.join("more"), "mine as well").unwrap();
        let findings = remove_leftovers(top.path(), "rendered/prod");
        assert_eq!(findings.len(), 1);
        let text = findings[0].to_string();
        assert!(text.contains("rendered/prod/.kcfg-web") && text.contains("another one"), "{text}");
        assert_eq!(fs::read_to_string(leftover.join("more")).unwrap(), "mine as well");
    }
}
