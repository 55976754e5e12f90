//! `kcfg status --from-git`: what the tags of a clone tell, how far behind that is, and tags that tell nothing. That a loop
//! writes such tags is tested beside it (tests/cluster/git_report.rs).

use serde_json::{Value, json};

use crate::repo::{Repo, Run, kcfg};

/// A tag as the loop writes it.
fn tell(repo: &Repo, environment: &str, commit: &str, more: &Value) {
    let mut state = json!({"environment": environment, "ref": "refs/heads/main", "commit": commit, "digest": "91ab".repeat(16),
                           "time": "2026-01-02T03:04:05Z", "result": "ok", "objects": {"applied": 3}, "suspensions": []});
    state.as_object_mut().expect("it is one").extend(more.as_object().expect("it is one").clone());
    let message = format!("{environment}: ok\n\n{state:#}");
    repo.git(&["tag", "--force", "--annotate", "--message", &message, &format!("kcfg-sync-{environment}"), commit]);
}

/// A clone with everything, in a folder of its own.
fn clone(repo: &Repo, args: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (from, to) = (format!("file://{}", repo.path().display()), folder.path().display().to_string());
    repo.git(&[&["clone", "--quiet"], args, &[&from, &to]].concat());
    folder
}

fn status(folder: &tempfile::TempDir, args: &[&str]) -> Run {
    kcfg(folder.path(), &[&["status", "--from-git"], args].concat())
}

#[test]
fn every_environment_with_its_lag_and_what_fails() {
    let repo = Repo::new("");
    let first = repo.commit("first");
    repo.commit("second");
    let third = repo.commit("third");
    tell(
        &repo,
        "prod",
        &first,
        &json!({"result": "findings", "releases": {"partial": 1}, "problems": [
        {"release": "web", "object": "core/ConfigMap/shop/a", "outcome": "failed", "reason": "denied by\na webhook"}]}),
    );
    tell(&repo, "staging", &third, &json!({}));
    tell(
        &repo,
        "lab",
        &first,
        &json!({"suspensions": [{"selector": "lab", "until": "2999-01-01T00:00:00Z",
        "since": "2026-01-02T03:04:05Z", "reason": "rebuilding", "by": "me"}]}),
    );
    let cloned = clone(&repo, &[]);
    let text = status(&cloned, &[]).code(0).stdout;
    assert!(text.starts_with("NOT WELL: prod\n"), "{text}");
    let row =
        |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}")).to_owned();
    assert!(row("prod ").contains(&first[..12]) && row("prod ").contains(" 2 commits, "), "{text}");
    assert!(
        row("prod ").ends_with("findings") && row("staging ").ends_with("ok") && row("lab ").ends_with("suspended")
    );
    assert!(row("staging ").contains("  0  "), "{text}");
    assert!(text.contains("prod: failed prod/web core/ConfigMap/shop/a: denied by a webhook\n  help: "), "{text}");
    assert!(
        text.contains("suspended: lab until 2999-01-01T00:00:00Z (") && text.contains("d left), by me: rebuilding"),
        "{text}"
    );

    status(&cloned, &["--exit-code"]).code(1);
    status(&cloned, &["staging", "--exit-code", "--max-lag", "30m"])
        .code(0)
        .says("all was well when this clone was fetched");
    // What is suspended may lag.
    status(&cloned, &["lab", "--exit-code", "--max-lag", "30m"]).code(0);
    let late = status(&cloned, &["prod/api", "--exit-code", "--max-lag", "30m", "--format", "json"]).code(1);
    let document: Value = serde_json::from_str(&late.stdout).expect("it is JSON");
    let prod = &document["environments"][0];
    assert_eq!(
        (&prod["lag"]["commits"], &prod["loop"], &prod["status"]["problems"]),
        (&json!(2), &Value::Null, &json!([]))
    );
    assert!(prod["troubles"].to_string().contains("longer than --max-lag allows"), "{prod}");
    status(&cloned, &["nowhere"]).code(2).complains("matches no environment").complains("git fetch origin");

    // With commits and tags alone, and without a working tree: the cheapest way to ask from elsewhere.
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    let bare = clone(&repo, &["--bare", "--filter=tree:0"]);
    let text = status(&bare, &["prod"]).code(0).stdout;
    assert!(text.contains(" 2 commits, "), "{text}");
    // Without the history nobody knows, and whoever asks for a limit is told so.
    let shallow = clone(&repo, &["--depth=1", "--no-single-branch"]);
    repo.git(&["-C", &shallow.path().display().to_string(), "fetch", "--quiet", "--depth=1", "--tags"]);
    status(&shallow, &["staging", "--exit-code", "--max-lag", "1h"]).code(0);
    let unknown = status(&shallow, &["lab"]).code(0);
    assert!(unknown.stdout.contains("  unknown  "), "{}", unknown.stdout);
    status(&shallow, &["prod", "--exit-code", "--max-lag", "1h"]).code(1).says("is not known here");
}

#[test]
fn tags_that_tell_nothing() {
    let repo = Repo::new("");
    let first = repo.commit("first");
    let second = repo.commit("second");
    status(&clone(&repo, &[]), &[]).code(0).says("no tag kcfg-sync-* of this clone").says("git fetch origin");
    // No annotated tag, no such text, a copy under another name, the name of another tag.
    repo.git(&["tag", "kcfg-sync-light"]);
    repo.git(&["tag", "-a", "-m", "x\n\n{\"environment\": \"words\", ", "kcfg-sync-words"]);
    repo.git(&["tag", "-a", "-m", "x\n\n{\"environment\": \"prod\"}", "kcfg-sync-copy"]);
    repo.git(&["tag", "-a", "-m", "x\n\n{\"environment\": \"prod\"}", "other"]);
    repo.git(&["tag", "-a", "-m", "x\n\n{\"environment\": \"tree\"}", "kcfg-sync-tree", "HEAD^{tree}"]);
    let text = status(&clone(&repo, &[]), &[]).code(0).stdout;
    assert_eq!(text.lines().filter(|line| line.contains(" ago") || line.starts_with("tree ")).count(), 1, "{text}");
    // One that somebody moved, and one whose suspensions are none.
    tell(&repo, "prod", &first, &json!({"commit": second}));
    tell(&repo, "odd", &second, &json!({"suspensions": [{"selector": "odd"}], "result": "\u{1b}[2J"}));
    let text = status(&clone(&repo, &[]), &["--exit-code"]).code(1).stdout;
    assert!(text.contains("the tag kcfg-sync-prod was moved by hand"), "{text}");
    assert!(text.contains("the suspensions of odd") && !text.contains('\u{1b}'), "{text}");
    // No clone at all.
    let folder = tempfile::tempdir().expect("a folder can be made");
    status(&folder, &[]).code(2).complains("name it with -C");
}

/// A watchman must not take silence for health.
#[test]
fn an_environment_that_no_tag_tells_of_is_not_well() {
    let repo = Repo::new(
        "
        -- kcfg.yaml --
        ignore: [releases/attic]
        -- releases/prod/a.yaml --
        -- releases/staging/a.yaml --
        -- releases/attic/a.yaml --
        -- releases/notes.txt --
        -- releases/.hidden/a.yaml --
        -- rendered/lab/web/kcfg.sum --
        ",
    );
    let first = repo.commit("first");
    let none = status(&clone(&repo, &[]), &["--exit-code"]).code(1);
    let text = none.says("NOT WELL: lab, prod, staging").stdout;
    assert!(text.contains("prod: no state of prod is told in Git") && text.contains("git fetch origin"), "{text}");
    tell(&repo, "prod", &first, &json!({}));
    let cloned = clone(&repo, &[]);
    let text = status(&cloned, &["--exit-code"]).code(1).says("NOT WELL: lab, staging").stdout;
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("staging ")).collect();
    let words: Vec<&str> = rows[0].split_whitespace().collect();
    assert_eq!(words, ["staging", "-", "-", "-", "-", "unknown", "-", "-"], "{text}");
    status(&cloned, &[]).code(0);
    // Who knows that it is so leaves it out.
    status(&cloned, &["prod", "--exit-code", "--max-lag", "1h"]).code(0);
    let one = status(&cloned, &["staging", "--exit-code", "--format", "json"]).code(1);
    let document: Value = serde_json::from_str(&one.stdout).expect("it is JSON");
    let staging = &document["environments"][0];
    assert_eq!((&document["well"], &staging["well"], &staging["status"]), (&json!(false), &json!(false), &Value::Null));
    assert_eq!(staging["troubles"].as_array().map(Vec::len), Some(1), "{staging}");
    status(&cloned, &["attic"]).code(2).complains("matches no environment");

    // What counts is the branch, not what this working tree is about to add to it; a bare clone knows it too.
    tell(&repo, "staging", &first, &json!({}));
    tell(&repo, "lab", &first, &json!({}));
    let cloned = clone(&repo, &[]);
    std::fs::create_dir(cloned.path().join("releases/new")).expect("the folder is ours");
    status(&cloned, &["--exit-code"]).code(0);
    repo.git(&["tag", "--delete", "kcfg-sync-lab"]);
    status(&clone(&repo, &["--bare"]), &["--exit-code"]).code(1).says("NOT WELL: lab");
    // Without trees nobody knows what to expect: then one tag is enough, and none is not.
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    status(&clone(&repo, &["--bare", "--filter=tree:0"]), &["--exit-code"]).code(0);
    repo.git(&["tag", "--delete", "kcfg-sync-prod", "kcfg-sync-staging"]);
    let none = status(&clone(&repo, &["--bare", "--filter=tree:0"]), &["--exit-code", "--format", "json"]).code(1);
    assert_eq!(none.stdout, "{\"well\":false,\"environments\":[]}\n");
}
