//! The session in README.md is what really happens: every command of its `console` blocks runs in a copy of this
//! repository's example, and prints what stands there. `UPDATE=1 cargo test readme` writes the output anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::repo::{Repo, here};

const EXAMPLE: [&str; 4] = ["kcfg.yaml", "charts", "releases", "rendered"];

#[test]
fn the_session_in_the_readme_is_real() {
    let path = here().join("README.md");
    let written = fs::read_to_string(&path).expect("README.md can be read");
    let repo = Repo::new("");
    for folder in EXAMPLE {
        for entry in walkdir::WalkDir::new(here().join(folder)) {
            let entry = entry.expect("the example can be read");
            if entry.file_type().is_file() {
                let name = entry.path().strip_prefix(here()).expect("it is below").to_str().expect("names are UTF-8");
                repo.write(name, fs::read(entry.path()).expect("a file can be read"));
            }
        }
    }
    repo.commit("the example");
    let (mut real, mut commands) = (String::new(), 0);
    let mut in_session = false;
    for line in written.lines() {
        match line.strip_prefix("$ ").filter(|_| in_session) {
            Some(command) => {
                let _ = write!(real, "{line}\n{}", run(repo.path(), command));
                commands += 1;
            }
            None if in_session && line != "```" => continue,
            None => {
                in_session = line == "```console";
                let _ = writeln!(real, "{line}");
            }
        }
    }
    assert!(commands > 2, "README.md has a session");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &real).expect("README.md can be written");
        return;
    }
    assert_eq!(without_times(&written), without_times(&real), "UPDATE=1 cargo test readme");
}

fn run(folder: &Path, command: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_kcfg")).parent().expect("it has a folder");
    let path = std::env::join_paths(
        std::iter::once(program.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let output = Command::new("sh")
        .args(["-c", &format!("{{ {command}\n}} 2>&1")])
        .current_dir(folder)
        .env("PATH", path.expect("a PATH can be joined"))
        .env("NO_COLOR", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PAGER", "cat")
        .output()
        .expect("sh can be run");
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

/// Times differ from run to run: `(0.012 s)` counts as `(0.000 s)`.
fn without_times(text: &str) -> String {
    let time = regex::Regex::new(r"\(\d+\.\d{3} s\)").expect("it is a pattern");
    time.replace_all(text, "(0.000 s)").into_owned()
}
