//! The rules of the house, read off the source text: which module may import which, who prints, who touches files, who exits.

use std::collections::BTreeMap;
use std::fs;

use crate::repo::here;

/// The stages in the order in which data flows. A stage imports the stages before it and nothing else of kcfg.
const STAGES: &[&str] = &[
    "error",
    "semver",
    "ascii_regex",
    "yaml",
    "id",
    "repo",
    "release",
    "chart",
    "values",
    "engine",
    "manifest",
    "rendered",
    "diff",
    "plan",
    "pipeline",
    "lint",
    "post",
    "cluster",
    "cli",
];
/// What stands beside the stages, with all that it may import.
const LEAVES: &[(&str, &[&str])] = &[("gotmpl", &["error", "semver", "ascii_regex"])];
/// Stages that may use leaves.
const USERS_OF_LEAVES: &[&str] = &["engine"];
/// Who may read and write files.
const FILE_USERS: &[&str] = &["repo", "chart", "rendered", "cli"];
/// Who may use the network.
const NETWORK_USERS: &[&str] = &["cluster", "post"];
/// Who may print.
const PRINTERS: &[&str] = &["cli"];

#[test]
fn a_stage_imports_only_what_comes_before_it() {
    let mut wrong = Vec::new();
    for file in sources() {
        let Some(module) = file.module() else { continue };
        let Some(allowed) = allowed_imports(module) else {
            wrong
                .push(format!("{}: `{module}` is no stage or leaf of tests/layout.rs: add it in its place", file.path));
            continue;
        };
        for (line, text) in file.code_lines() {
            for import in imports(text) {
                if import == "{" {
                    wrong.push(format!("{}:{line}: write one `use crate::module::…` for each module", file.path));
                }
                if import != module && is_module(&import) && !allowed.contains(&import.as_str()) {
                    wrong.push(format!(
                        "{}:{line}: `{module}` comes before `{import}`, so it cannot import it",
                        file.path
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_command_line_prints() {
    forbid(
        &["println!(", "eprintln!(", "print!(", "eprint!(", "stdout()", "stderr()"],
        PRINTERS,
        "prints: hand the text to cli",
    );
}

#[test]
fn only_the_two_ends_touch_files() {
    forbid(&["std::fs", "std::env", "File::open", "fs::read"], FILE_USERS, "touches files: take bytes, give bytes");
}

#[test]
fn only_the_applier_and_the_poster_use_the_network() {
    forbid(
        &["reqwest", "TcpStream", "TcpListener", "UdpSocket", "kube::", "tokio::"],
        NETWORK_USERS,
        "uses the network: the author's side never does",
    );
}

#[test]
fn only_main_exits() {
    forbid(&["process::exit(", "process::abort("], &[], "exits: return an exit code");
}

#[test]
fn every_module_says_what_it_is() {
    let silent: Vec<_> = sources().into_iter().filter(|f| !f.text.starts_with("//!")).map(|f| f.path).collect();
    assert!(silent.is_empty(), "these files do not begin with `//!`: {silent:?}");
}

#[test]
fn the_rules_see_what_they_forbid() {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let code =
        file("src/yaml/mod.rs", "//! x\nuse crate::cli::{Run, Verb};\n// crate::diff::x\nlet a = crate::repo::b;\n");
    let found: Vec<_> =
        code.code_lines().flat_map(|(line, text)| imports(text).into_iter().map(move |i| (line, i))).collect();
    assert_eq!(found, [(2, "cli".to_owned()), (4, "repo".to_owned())]);
    assert_eq!(code.module(), Some("yaml"));
    assert_eq!(file("src/error.rs", "").module(), Some("error"));
    assert_eq!(file("src/lib.rs", "").module(), None);
    let tested = file("src/error.rs", "use std::io;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\nfn f() {}\n");
    assert_eq!(tested.code_lines().map(|(line, _)| line).collect::<Vec<_>>(), [1, 6]);
}

/// A file below src/.
struct SourceFile {
    path: String,
    text: String,
}

impl SourceFile {
    /// The top module it belongs to; none for lib.rs and main.rs, which see everything.
    fn module(&self) -> Option<&str> {
        let path = self.path.strip_prefix("src/")?;
        let module =
            path.split_once('/').map_or_else(|| path.strip_suffix(".rs").unwrap_or(path), |(folder, _)| folder);
        (!["lib", "main"].contains(&module)).then_some(module)
    }

    /// The lines that are neither comments nor inside a `#[cfg(test)]` module, with their numbers from 1.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut in_tests = false;
        let mut tests_follow = false;
        self.text.lines().enumerate().filter_map(move |(index, line)| {
            if in_tests {
                in_tests = line != "}";
                return None;
            }
            if line == "#[cfg(test)]" {
                tests_follow = true;
                return None;
            }
            if tests_follow {
                tests_follow = false;
                in_tests = line.ends_with('{');
                return None;
            }
            (!line.trim_start().starts_with("//")).then_some((index + 1, line))
        })
    }
}

fn sources() -> Vec<SourceFile> {
    let top = here();
    let files: Vec<_> = walkdir::WalkDir::new(top.join("src"))
        .sort_by_file_name()
        .into_iter()
        .map(|entry| entry.expect("src can be read").into_path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| SourceFile {
            path: path.strip_prefix(&top).expect("it is below").display().to_string(),
            text: fs::read_to_string(&path).expect("a source file can be read"),
        })
        // A module's tests in a file of their own are tests like those in the module.
        .filter(|file| !file.path.ends_with("/tests.rs") && !file.path.contains("/tests/"))
        .collect();
    assert!(files.len() > 2, "there are source files");
    files
}

fn is_module(name: &str) -> bool {
    STAGES.contains(&name) || LEAVES.iter().any(|(leaf, _)| *leaf == name)
}

fn allowed_imports(module: &str) -> Option<Vec<&'static str>> {
    if let Some((_, allowed)) = LEAVES.iter().find(|(leaf, _)| *leaf == module) {
        return Some(allowed.to_vec());
    }
    let place = STAGES.iter().position(|stage| *stage == module)?;
    let mut allowed = STAGES[..place].to_vec();
    if USERS_OF_LEAVES.contains(&module) {
        allowed.extend(LEAVES.iter().map(|(leaf, _)| leaf));
    }
    Some(allowed)
}

/// The top modules that a line names by `crate::name`; `{` for a list of them, which hides names from this test.
fn imports(line: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    line.split("crate::").skip(1).map(|rest| if rest.starts_with('{') { "{".to_owned() } else { word(rest) }).collect()
}

fn forbid(words: &[&str], except: &[&str], why: &str) {
    let mut wrong = BTreeMap::new();
    for file in sources() {
        if file.path == "src/main.rs" || file.module().is_some_and(|module| except.contains(&module)) {
            continue;
        }
        for (line, text) in file.code_lines() {
            if words.iter().any(|word| text.contains(word)) {
                wrong.insert(format!("{}:{line}", file.path), format!("{why}: {}", text.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
