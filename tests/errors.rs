//! What a person reads after a mistake: for each folder of fixtures/errors, the whole of what kcfg says.
//!
//! `base` is a repository without mistakes. A case holds the files that differ from it, perhaps `args` (one argument a
//! line; `render` where there is none), and `stderr.txt`, all that stands on standard error. Adding a folder
//! adds a test; `UPDATE=1 cargo test errors` writes what is expected.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::repo::{Repo, Run, here};

/// What may stand in a case beside the files of its repository.
const OWN_FILES: [&str; 2] = ["args", "stderr.txt"];
/// Mistakes on the command line have no place in a file.
const WITHOUT_PLACE: [&str; 6] = [
    "selector-broken",
    "selector-unknown-environment",
    "selector-unknown-release",
    "template-chart-missing",
    "template-release-name",
    "template-show-only-typo",
];

#[test]
fn each_mistake_is_explained() {
    let mut cases = folders();
    cases.retain(|case| case.file_name().is_some_and(|name| name != "base"));
    assert!(cases.len() > 30, "there are cases: {}", cases.len());
    let wrong: Vec<String> = cases.par_iter().filter_map(|case| compare(case).err()).collect();
    assert!(wrong.is_empty(), "UPDATE=1 cargo test errors\n\n{}", wrong.join("\n\n"));
}

#[test]
fn the_repository_they_begin_with_is_right() {
    let repo = repository(&here().join("fixtures/errors/base"));
    assert_eq!(repo.kcfg(&["render"]).code(0).stderr, "");
    repo.kcfg(&["lint"]).code(0);
}

fn folders() -> Vec<PathBuf> {
    let folders = fs::read_dir(here().join("fixtures/errors")).expect("fixtures/errors can be listed");
    let mut folders: Vec<_> = folders.map(|entry| entry.expect("it can be listed").path()).collect();
    folders.sort();
    folders
}

/// A repository of `base` with the files of a case laid over it, committed.
fn repository(case: &Path) -> Repo {
    let repo = Repo::new("");
    for folder in [&here().join("fixtures/errors/base"), case] {
        for entry in walkdir::WalkDir::new(folder).min_depth(1) {
            let entry = entry.expect("a case can be listed");
            let name = entry.path().strip_prefix(folder).expect("it is below");
            let to = repo.path().join(name);
            if OWN_FILES.iter().any(|own| name == Path::new(own)) {
                continue;
            } else if entry.file_type().is_dir() {
                fs::create_dir_all(&to).expect("a folder can be made");
            } else if entry.file_type().is_symlink() {
                let target = fs::read_link(entry.path()).expect("a link can be read");
                std::os::unix::fs::symlink(target, &to).expect("a link can be made");
            } else {
                fs::copy(entry.path(), &to).expect("a file can be copied");
            }
        }
    }
    repo.commit("a mistake");
    repo
}

fn compare(case: &Path) -> Result<(), String> {
    let name = case.file_name().expect("it has a name").to_string_lossy().into_owned();
    let args = fs::read_to_string(case.join("args")).unwrap_or_else(|_| "render\n".to_owned());
    let args: Vec<&str> = args.lines().collect();
    let Run { code, stderr: text, .. } = repository(case).kcfg(&args);
    let path = case.join("stderr.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).expect("it can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    // Warnings of lint alone are no failure.
    let is_refused = text.contains("error: ");
    if text.is_empty() || is_refused != (code != 0) || text != expected {
        return Err(format!("fixtures/errors/{name}: exit code {code}\n--- expected\n{expected}\n--- actual\n{text}"));
    }
    for finding in text.split("\n\n").filter(|finding| finding.starts_with("error: ")) {
        let help = finding.lines().filter(|line| line.starts_with("help: ")).count();
        if help != 1 {
            return Err(format!("fixtures/errors/{name}: {help} lines of help\n{finding}"));
        }
        if !finding.contains("\n  --> ") && !WITHOUT_PLACE.contains(&&*name) {
            return Err(format!("fixtures/errors/{name}: no place\n{finding}"));
        }
    }
    Ok(())
}
