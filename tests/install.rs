//! `kcfg install`: for each folder of fixtures/install, what it prints. A case holds `args` (one argument a line, after
//! `install`) and what stands on both outputs. Adding a folder adds a test; `UPDATE=1 cargo test install` writes what is
//! expected.

use std::fs;

use crate::repo::{Repo, here};

#[test]
fn what_install_prints() {
    let mut wrong = Vec::new();
    let mut cases: Vec<_> = fs::read_dir(here().join("fixtures/install"))
        .expect("fixtures/install can be listed")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    cases.sort();
    assert!(cases.len() > 5, "there are cases");
    let repo = Repo::new("");
    for case in cases {
        let args = fs::read_to_string(case.join("args")).expect("a case has args");
        let run = repo.kcfg(&["install"].into_iter().chain(args.lines()).collect::<Vec<_>>());
        assert_eq!(run.code, if run.stdout.is_empty() { 2 } else { 0 }, "{}: {}", case.display(), run.stderr);
        // The version changes with every release of kcfg.
        let stdout = run.stdout.replace(env!("CARGO_PKG_VERSION"), "VERSION");
        for (name, text) in [("stdout.yaml", &stdout), ("stderr.txt", &run.stderr)] {
            let path = case.join(name);
            if std::env::var_os("UPDATE").is_some() {
                let _ = fs::remove_file(&path);
                if !text.is_empty() {
                    fs::write(&path, text).expect("it can be written");
                }
            } else if *text != fs::read_to_string(&path).unwrap_or_default() {
                wrong.push(format!("{} is not what is printed:\n{text}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "UPDATE=1 cargo test install\n\n{}", wrong.join("\n\n"));
}

/// What is printed is one YAML stream with what is needed and nothing that belongs elsewhere.
#[test]
fn no_secret_and_no_right_to_one_is_printed() {
    let args =
        "install prod --git-url git@git.example.com:acme/config.git --image registry.example.com/kcfg:1 --webhook";
    let run = Repo::new("").kcfg(&args.split(' ').collect::<Vec<_>>()).code(0);
    assert!(!run.stdout.contains("kind: Secret"), "keys are made by their owner");
    for role in run.stdout.split("\n---\n").filter(|document| document.contains("Role\n")) {
        assert!(!role.contains("secrets"), "kcfg reads no Secrets for itself:\n{role}");
    }
}
