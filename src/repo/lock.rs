//! kcfg.lock: what the refs of charts stand for. Canonical and stable: the same content is always the same bytes.
//!
//! ```yaml
//! version: 1
//! branch: main
//! refs:
//!   .:
//!     staging: 3f9ac1…
//! ```
//!
//! `.` is this repository; others are written `host/path`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::str::FromStr;

use super::regular::{Links, read_own, read_regular};
use super::settings::SETTINGS_BYTES_MAX;
use crate::error::{Diagnostic, Span, io_help};
use crate::yaml::fields::Fields;
use crate::yaml::{self, DuplicateKeys, Entry, Map, Node, ReadOptions, Value};

/// The name of the file.
pub const LOCK_FILE: &str = "kcfg.lock";
/// The version of the format that this kcfg writes and reads.
pub const LOCK_VERSION: u64 = 1;
/// How kcfg.lock calls the repository that it belongs to.
pub const THIS_REPOSITORY: &str = ".";

const HEADER: &str =
    "# What refs of charts stand for. Written by kcfg; commit it. `kcfg render --update-refs` moves it.\n";

/// The id of a commit: 40 hexadecimal digits (64 in a repository of SHA-256).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(String);

impl CommitId {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first digits, as people write them.
    pub fn short(&self) -> &str {
        &self.0[..10]
    }
}

impl FromStr for CommitId {
    type Err = String;

    fn from_str(text: &str) -> Result<CommitId, String> {
        let is_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex && matches!(text.len(), 40 | 64) {
            Ok(CommitId(text.to_string()))
        } else {
            Err("is no full commit id".into())
        }
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kcfg.lock says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// The repository's branch, as the first render found it.
    pub branch: Option<String>,
    /// Commits by repository and ref.
    pub refs: BTreeMap<String, BTreeMap<String, CommitId>>,
}

impl Lock {
    /// Reads the file below `root`. One that is missing is an empty lock. One that cannot be understood (conflict
    /// markers, say) is an empty lock too, with a warning: the next render writes it anew.
    ///
    /// # Errors
    /// The file is there and cannot be opened, or a newer kcfg wrote it.
    pub fn read(root: &Path) -> Result<(Lock, Option<Diagnostic>), Diagnostic> {
        match read_own(root, LOCK_FILE, root, SETTINGS_BYTES_MAX, "SETTINGS_BYTES_MAX")? {
            None => Ok((Lock::default(), None)),
            Some(bytes) => Lock::parse(&bytes),
        }
    }

    /// Reads a lock from the bytes of its file.
    ///
    /// # Errors
    /// A newer kcfg wrote it.
    pub fn parse(bytes: &[u8]) -> Result<(Lock, Option<Diagnostic>), Diagnostic> {
        let absent = |error: Diagnostic| {
            let mut warning = Diagnostic::warning(format!("the lock file counts as absent: {}", error.message))
                .help("refs are resolved anew; look at what changed in kcfg.lock before you commit it");
            warning.place = error.place;
            Ok((Lock::default(), Some(warning)))
        };
        let source = match yaml::decode(bytes, LOCK_FILE) {
            Ok(source) => source,
            Err(error) => return absent(error),
        };
        if let Some(at) = conflict_marker(&source.text) {
            let span = Span::new(at, at + 7);
            return absent(Diagnostic::error("it holds conflict markers").at(&source, span));
        }
        let options = ReadOptions { duplicate_keys: DuplicateKeys::Error, ..ReadOptions::default() };
        let document = match yaml::read(&source, &options) {
            Ok(document) => document,
            Err(error) => return absent(error),
        };
        let empty = Map::default();
        let map = document.node.as_map().unwrap_or(&empty);
        let mut fields = Fields::new(&source);
        let version = fields.count(map, "", "version");
        if let Some(version) = version.filter(|version| *version > LOCK_VERSION) {
            return Err(Diagnostic::error(format!(
                "kcfg.lock has format version {version}; this kcfg reads {LOCK_VERSION}"
            ))
            .at(&source, map.get("version").map_or(document.node.span, |entry| entry.node.span))
            .help("install the kcfg that wrote it, or a newer one"));
        }
        if version != Some(LOCK_VERSION) && fields.errors.is_empty() {
            fields.error(document.node.span, "it has no `version`");
        }
        fields.known(map, "", &["version", "branch", "refs"]);
        let lock =
            Lock { branch: fields.text(map, "", "branch").map(|text| text.to_string()), refs: refs(&mut fields, map) };
        match fields.errors.into_iter().next() {
            None => Ok((lock, None)),
            Some(error) => absent(error),
        }
    }

    /// The bytes of the file.
    pub fn to_text(&self) -> String {
        let mut map = Map::default();
        map.insert("version".into(), Entry::new(Value::UInt(LOCK_VERSION)));
        if let Some(branch) = &self.branch {
            map.insert("branch".into(), Entry::new(branch.as_str()));
        }
        let mut refs = Map::default();
        for (repository, commits) in self.refs.iter().filter(|(_, commits)| !commits.is_empty()) {
            let commits: Map = commits
                .iter()
                .map(|(reference, commit)| (reference.as_str().into(), Entry::new(commit.as_str())))
                .collect();
            refs.insert(repository.as_str().into(), Entry::new(commits));
        }
        if !refs.is_empty() {
            map.insert("refs".into(), Entry::new(refs));
        }
        let mut text = HEADER.to_string();
        yaml::canonical(&Value::Map(map), &mut text);
        text
    }

    /// Writes the file below `root`, if it would change; gives whether it did. The old file stays until the new one
    /// is whole. A lock that says nothing is not written where there is no file yet.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, root: &Path) -> Result<bool, Diagnostic> {
        let path = root.join(LOCK_FILE);
        let text = self.to_text();
        // Only the holder of the tree's lock gets here; what is there was left by a killed run.
        let temporary = root.join(format!(".{LOCK_FILE}.tmp"));
        let _ = fs::remove_file(&temporary);
        match read_regular(&path, SETTINGS_BYTES_MAX, Links::Followed) {
            Ok(old) if old == text.as_bytes() => return Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound && *self == Lock::default() => return Ok(false),
            _ => {}
        }
        let written = write_whole(&temporary, &text).and_then(|()| fs::rename(&temporary, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&temporary);
            return Err(Diagnostic::error(format!("the lock file cannot be written: {error}"))
                .at_file(LOCK_FILE)
                .help(io_help(&error)));
        }
        Ok(true)
    }

    /// The commit of a ref.
    pub fn commit(&self, repository: &str, reference: &str) -> Option<&CommitId> {
        self.refs.get(repository)?.get(reference)
    }
}

fn refs(fields: &mut Fields, map: &Map) -> BTreeMap<String, BTreeMap<String, CommitId>> {
    let mut found: BTreeMap<String, BTreeMap<String, CommitId>> = BTreeMap::new();
    let Some(repositories) = fields.map(map, "", "refs") else { return found };
    for (repository, entry) in repositories {
        let Some(commits) = fields.as_map(&entry.node, &format!("refs.{repository}")) else { continue };
        for (reference, entry) in commits {
            match commit_of(&entry.node) {
                Ok(commit) => {
                    found.entry(repository.to_string()).or_default().insert(reference.to_string(), commit);
                }
                Err(why) => {
                    fields.error(entry.node.span, format!("the commit of `{reference}` {why}"));
                }
            }
        }
    }
    found
}

fn commit_of(node: &Node) -> Result<CommitId, String> {
    node.as_str().ok_or_else(|| format!("is {}, not text", node.value.kind_name()))?.parse()
}

/// Where Git left a conflict for a person.
fn conflict_marker(text: &str) -> Option<usize> {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if ["<<<<<<<", ">>>>>>>", "======="].iter().any(|marker| line.starts_with(marker)) {
            return Some(offset);
        }
        offset += line.len();
    }
    None
}

fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let commit = |c: &str| c.repeat(40).parse::<CommitId>().expect("a commit id");
        let mut lock = Lock { branch: Some("main".into()), ..Lock::default() };
        lock.refs.entry(".".into()).or_default().insert("staging".into(), commit("a"));
        // Refs and commits that YAML could take for numbers or booleans.
        lock.refs.entry(".".into()).or_default().insert("1e3".into(), commit("1"));
        lock.refs.entry(".".into()).or_default().insert("yes".into(), commit("0"));
        lock.refs.entry("host/a/b".into()).or_default().insert("v1.0".into(), commit("b"));
        lock
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = lock().to_text();
        let (read, warning) = Lock::parse(text.as_bytes()).expect("it was just written");
        assert_eq!(read, lock(), "{text}");
        assert!(warning.is_none());
        assert_eq!(read.to_text(), text);
        assert!(text.starts_with("# What refs"));
        assert!(text.contains("\nversion: 1\nbranch: main\nrefs:\n"), "{text}");
        assert_eq!(Lock::parse(Lock::default().to_text().as_bytes()).expect("good").0, Lock::default());
    }

    #[test]
    fn what_cannot_be_understood_counts_as_absent() {
        let good = lock().to_text();
        let conflict = good.replace("  .:", "<<<<<<< HEAD\n  .:\n=======\n>>>>>>> x");
        for text in
            [&*conflict, "a: [", "version: 1\nbrnch: x\n", "version: 1\nrefs: {.: {x: 12}}\n", "", "branch: x\n"]
        {
            let (lock, warning) = Lock::parse(text.as_bytes()).expect("it counts as absent");
            assert_eq!(lock, Lock::default(), "{text}");
            assert!(warning.is_some_and(|warning| warning.message.contains("counts as absent")), "{text}");
        }
        let (lock, warning) = Lock::parse(b"\xff").expect("it counts as absent");
        assert!(lock == Lock::default() && warning.is_some());
    }

    #[test]
    fn a_newer_format_is_refused() {
        let error = Lock::parse(b"version: 2\nnew: 1\n").expect_err("it is newer");
        assert!(error.to_string().contains("kcfg.lock:1:10"));
    }

    #[test]
    fn it_is_written_whole_and_only_when_it_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(!Lock::default().write(folder.path()).expect("nothing to write"));
        assert!(!folder.path().join(LOCK_FILE).exists());
        assert!(lock().write(folder.path()).expect("written"));
        assert!(!lock().write(folder.path()).expect("the same"));
        assert_eq!(Lock::read(folder.path()).expect("read").0, lock());
        assert!(Lock::default().write(folder.path()).expect("emptied"));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "no temporary file is left");
        assert!(lock().write(&folder.path().join("nowhere")).is_err());
    }
}
