//! [`Repo`]: a Git repository of its own for each test, and the program run in it.
//!
//! Comes in: files as one text, in the form `-- path --` followed by the file's lines. Goes out: exit code, output and
//! files to compare. Nothing here knows a verb of kcfg.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A temporary Git repository (branch `main`, no remote); removed when dropped.
pub struct Repo {
    folder: TempDir,
}

/// What a run of kcfg left behind.
#[derive(Debug)]
pub struct Run {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Repo {
    /// A repository that holds `files`, not yet committed.
    ///
    /// Each file begins with a line `-- path --`. What indents the first such line is taken off every line, so that the
    /// list can stand indented in a test:
    ///
    /// ```ignore
    /// let repo = Repo::new(
    ///     "
    ///     -- charts/web/Chart.yaml --
    ///     apiVersion: v2
    ///     name: web
    ///     -- charts/web/values.yaml --
    ///     replicas: 1
    ///     ",
    /// );
    /// ```
    pub fn new(files: &str) -> Repo {
        let repo = Repo { folder: tempfile::tempdir().expect("a temporary folder can be made") };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo.write_all(files);
        repo
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes more files, in the form that [`Repo::new`] takes.
    pub fn write_all(&self, files: &str) {
        for (path, text) in parse_files(files) {
            self.write(&path, &text);
        }
    }

    /// Writes one file with exactly these bytes, and the folders above it.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        fs::write(&path, bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// The text of a file.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path))
            .unwrap_or_else(|e| panic!("{path}: {e}; there are {:#?}", self.list(".")))
    }

    /// Removes a file or a folder with all that is in it.
    pub fn remove(&self, path: &str) {
        let full = self.path().join(path);
        let removed = if full.is_dir() { fs::remove_dir_all(&full) } else { fs::remove_file(&full) };
        removed.unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    /// The files below a folder, relative to it, sorted, without `.git`; none if there is no such folder.
    pub fn list(&self, folder: &str) -> Vec<String> {
        let top = self.path().join(folder);
        let files = walkdir::WalkDir::new(&top)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|e| e.file_name() != ".git")
            .filter_map(Result::ok)
            .filter(|e| !e.file_type().is_dir());
        files.map(|e| e.path().strip_prefix(&top).expect("it is below").display().to_string()).collect()
    }

    /// The files below a folder with their texts, to compare two states of it.
    pub fn snapshot(&self, folder: &str) -> Vec<(String, String)> {
        self.list(folder).into_iter().map(|file| (file.clone(), self.read(&format!("{folder}/{file}")))).collect()
    }

    /// Runs git here, with a fixed identity and clock and no settings of the machine, and gives its trimmed output.
    pub fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "Test"), ("GIT_AUTHOR_EMAIL", "test@example.com")])
            .envs([("GIT_COMMITTER_NAME", "Test"), ("GIT_COMMITTER_EMAIL", "test@example.com")])
            .envs([("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z"), ("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z")])
            .output()
            .expect("git can be run");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("git prints UTF-8 here").trim_end().to_owned()
    }

    /// Commits all that there is and gives the commit's id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs kcfg at the top of the repository.
    pub fn kcfg(&self, args: &[&str]) -> Run {
        self.kcfg_in(".", args)
    }

    /// Runs kcfg in a folder of the repository.
    pub fn kcfg_in(&self, folder: &str, args: &[&str]) -> Run {
        kcfg(&self.path().join(folder), args)
    }
}

/// Runs kcfg in any folder.
pub fn kcfg(folder: &Path, args: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_kcfg"))
        .args(args)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env("TZ", "UTC")
        .output()
        .expect("kcfg can be run");
    Run {
        code: output.status.code().expect("kcfg was not killed"),
        stdout: String::from_utf8(output.stdout).expect("kcfg prints UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("kcfg prints UTF-8"),
    }
}

impl Run {
    /// The same, if the exit code is this one; else the test fails with all that was printed.
    #[track_caller]
    pub fn code(self, expected: i32) -> Run {
        assert_eq!(self.code, expected, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// The same, if standard output holds this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Run {
        assert!(self.stdout.contains(text), "no {text:?} in stdout:\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// The same, if standard error holds this text.
    #[track_caller]
    pub fn complains(self, text: &str) -> Run {
        assert!(self.stderr.contains(text), "no {text:?} in stderr:\n{}\n--- stdout\n{}", self.stderr, self.stdout);
        self
    }
}

/// This repository's own folder.
pub fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn parse_files(list: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    let mut indent = "";
    for line in list.lines() {
        if files.is_empty() {
            indent = &line[..line.len() - line.trim_start().len()];
        }
        let line = line.strip_prefix(indent).unwrap_or(line.trim_start());
        if let Some(path) = line.strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --")) {
            files.push((path.to_owned(), String::new()));
        } else if let Some((_, text)) = files.last_mut() {
            text.push_str(line);
            text.push('\n');
        } else {
            assert!(line.trim().is_empty(), "the list begins with a line `-- path --`, not with {line:?}");
        }
    }
    // A list that ends on an indented line of its own (before the closing quote) has no text there.
    if let Some((_, text)) = files.last_mut()
        && list.lines().last().is_some_and(|line| line.trim().is_empty())
    {
        text.pop();
    }
    files
}

#[test]
fn a_repository_holds_what_the_list_says() {
    let repo = Repo::new(
        "
        -- a/one.yaml --
        x:
          y: 1

        -- two.txt --
        -- three.txt --
        end
        ",
    );
    let snapshot = repo.snapshot(".");
    let expected = [("a/one.yaml", "x:\n  y: 1\n\n"), ("three.txt", "end\n"), ("two.txt", "")];
    assert_eq!(snapshot, expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
}

#[test]
fn commits_are_the_same_in_every_run() {
    let make = || {
        let repo = Repo::new("-- file --\ntext\n");
        repo.write("folder/other", "x");
        repo.remove("folder");
        repo.commit("one")
    };
    assert_eq!(make(), make());
}

#[test]
fn the_program_runs_in_the_repository() {
    let repo = Repo::new("-- folder/file --\n");
    assert!(here().join("Cargo.toml").is_file());
    repo.kcfg_in("folder", &["--version"]).code(0);
    repo.kcfg(&["--version"]).code(0);
}

#[test]
#[should_panic(expected = "no \"three\" in stderr:\ntwo")]
fn what_a_run_should_say_is_looked_for() {
    let run = Run { code: 0, stdout: "one\n".to_owned(), stderr: "two\n".to_owned() };
    run.says("one").complains("two").complains("three");
}
