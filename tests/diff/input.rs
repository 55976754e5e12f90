//! Bad input of `kcfg diff`: a clear error, or a right difference; never a crash, never a wrong "no differences".

use std::fmt::Write as _;
use std::fs;

use crate::repo::{Repo, kcfg};

fn manifest(name: &str, data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: shop}}\ndata: {{k: {data}}}\n")
}

/// An environment `prod` of one ConfigMap, rendered and committed.
fn rendered() -> Repo {
    let repo = Repo::new("");
    repo.write("releases/prod/a.yaml", manifest("a", "one"));
    repo.kcfg(&["render"]).code(0);
    repo.commit("one");
    repo
}

const FILE: &str = "rendered/prod/a/configmap-a.yaml";

#[test]
fn bytes_that_are_no_text_are_named_with_their_file() {
    let repo = rendered();
    repo.write("old.yaml", manifest("a", "one"));
    repo.write("new.yaml", b"apiVersion: v1\nkind: \xff\xfe\x00\n");
    let files = ["diff", "--from-path", "old.yaml", "--to-path", "new.yaml"];
    repo.kcfg(&files).code(2).complains("new.yaml").complains("UTF-8");
    // In a rendered tree the release says so, and is not passed over.
    repo.write(FILE, b"\x00\x01\xff");
    repo.kcfg(&["diff", "--to-worktree"]).code(0).says("configmap-a.yaml").says("UTF-8").says("altered by hand");
    // `binaryData` is text that stands for bytes.
    let binary = |bytes: &str| manifest("a", "one") + &format!("binaryData: {{b: {bytes}}}\n");
    repo.write("old.yaml", binary("AAEC"));
    repo.write("new.yaml", binary("AAED"));
    repo.kcfg(&files).code(0).says("binaryData.b: AAEC → AAED");
}

#[test]
fn large_values_are_compared_and_shown_in_part() {
    let repo = Repo::new("");
    let mut lines = String::new();
    for n in 0..400_000 {
        let _ = writeln!(lines, "    setting-{n:06} = value");
    }
    assert!(lines.len() > 10 << 20);
    let manifest = |lines: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  one: |\n{lines}  two: {}\n",
            "x".repeat(1 << 20)
        )
    };
    repo.write("old.yaml", manifest(&lines));
    repo.write(
        "new.yaml",
        manifest(&lines.replace("setting-200000 = value", "setting-200000 = other")).replace("xx\n", "xy\n"),
    );
    let run = repo.kcfg(&["diff", "--from-path", "old.yaml", "--to-path", "new.yaml"]).code(0);
    let run = run.says("- setting-200000 = value").says("+ setting-200000 = other").says("data.two");
    assert!(run.stdout.len() < 20_000, "{} bytes for two changes", run.stdout.len());
}

#[test]
fn objects_that_stand_there_twice_are_paired_in_their_order() {
    let repo = Repo::new("");
    let both = |a: &str, b: &str| format!("{}---\n{}", manifest("a", a), manifest("a", b));
    repo.write("old.yaml", both("one", "two"));
    repo.write("new.yaml", both("one", "three"));
    let files = ["diff", "--from-path", "old.yaml", "--to-path", "new.yaml"];
    repo.kcfg(&files).code(0).says("1 changed").says("data.k: two → three");
    repo.write("new.yaml", manifest("a", "one"));
    repo.kcfg(&files).code(0).says("1 removed");
    repo.write("new.yaml", both("one", "two"));
    repo.kcfg(&files).code(0).says("no differences");
}

#[test]
fn half_written_trees_are_compared_as_they_are_and_called_that() {
    let repo = rendered();
    repo.write("rendered/prod/a/kcfg.sum", &repo.read("rendered/prod/a/kcfg.sum")[..60]);
    repo.kcfg(&["diff", "--to-worktree", "--exit-code"]).code(1).says("kcfg.sum cannot be read now");
    repo.remove("rendered/prod/a/kcfg.sum");
    repo.kcfg(&["diff", "--to-worktree", "--exit-code"]).code(1).says("has no kcfg.sum now");
    repo.git(&["checkout", "--", "rendered"]);
    repo.remove(FILE);
    repo.kcfg(&["diff", "--to-worktree"]).code(0).says("missing now").says("1 removed");
    repo.git(&["checkout", "--", "rendered"]);
    repo.write("rendered/prod/a/extra.yaml", manifest("extra", "x"));
    repo.kcfg(&["diff", "--to-worktree"]).code(0).says("extra.yaml is not in kcfg.sum now").says("1 added");
    repo.remove("rendered/prod/a/extra.yaml");
    repo.write(FILE, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a\n");
    repo.kcfg(&["diff", "--to-worktree"]).code(0).says("configmap-a.yaml:").says("altered by hand");
    repo.write(FILE, "<<<<<<< HEAD\nkind: A\n=======\nkind: B\n>>>>>>> other\n");
    repo.kcfg(&["diff", "--to-worktree"]).code(0).says("configmap-a.yaml").says("altered by hand");
    // A fresh render is compared whatever the tree holds.
    repo.kcfg(&["diff", "--exit-code"]).code(0).says("no differences");
}

#[test]
fn revisions_that_are_not_there_are_errors_that_say_how_to_get_them() {
    let repo = rendered();
    for revision in ["nosuch", "HEAD~5", "0123456789", "", "-x", "HEAD..HEAD", "v1@{99}"] {
        let run = repo.kcfg(&["diff", &format!("--from={revision}")]).code(2);
        run.complains("is not in this repository").complains("help:");
    }
    repo.kcfg(&["diff", "--from=HEAD:rendered"]).code(2).complains("HEAD:rendered names no commit");
    // Before the first commit.
    let empty = Repo::new("");
    empty.write("releases/prod/a.yaml", manifest("a", "one"));
    empty.kcfg(&["diff"]).code(2).complains("`HEAD`");
    // Without Git.
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir_all(folder.path().join("releases/prod")).expect("a folder can be made");
    kcfg(folder.path(), &["diff"]).code(2).complains("needs a Git repository").complains("--from-path");
}

#[test]
fn a_shallow_clone_has_what_it_has_and_says_what_it_lacks() {
    let repo = rendered();
    repo.write("releases/prod/a.yaml", manifest("a", "two"));
    repo.kcfg(&["render"]).code(0);
    repo.commit("two");
    let shallow = Repo::new("");
    shallow.git(&["fetch", "--quiet", "--depth=1", &format!("file://{}", repo.path().display()), "main"]);
    shallow.git(&["checkout", "--quiet", "--detach", "FETCH_HEAD"]);
    shallow.kcfg(&["diff", "--exit-code"]).code(0).says("no differences");
    shallow.kcfg(&["diff", "--from", "HEAD~1"]).code(2).complains("git fetch --unshallow");
    // An object that Git lost: an error, not "no differences".
    let blob = shallow.git(&["rev-parse", &format!("HEAD:{FILE}")]);
    shallow.git(&["repack", "-q", "-a", "-d"]);
    let pack = shallow.list(".git/objects/pack");
    assert!(!pack.is_empty());
    shallow.git(&["cat-file", "-p", &blob]);
    let loose = rendered();
    let tree = loose.git(&["rev-parse", "HEAD:rendered/prod/a"]);
    loose.remove(&format!(".git/objects/{}/{}", &tree[..2], &tree[2..]));
    loose.write("releases/prod/a.yaml", manifest("a", "two"));
    loose.kcfg(&["diff"]).code(2).complains("rendered/prod/a");
}

#[test]
fn odd_files_are_errors_that_name_them() {
    let repo = Repo::new("");
    repo.write("old.yaml", manifest("a", "one"));
    let table: &[(&str, &str)] = &[
        ("kind: [\n", "new.yaml:"),
        ("just text\n", "it has no kind"),
        ("- 1\n- 2\n", "it has no kind"),
        ("a: &a [*a]\n", "new.yaml:"),
    ];
    for (text, expected) in table {
        repo.write("new.yaml", text);
        repo.kcfg(&["diff", "--from-path", "old.yaml", "--to-path", "new.yaml"]).says(expected);
    }
    repo.kcfg(&["diff", "--from-path", "old.yaml", "--to-path", "nosuch.yaml"]).code(2).complains("nosuch.yaml");
    repo.write("empty.yaml", "");
    repo.kcfg(&["diff", "--from-path", "old.yaml", "--to-path", "empty.yaml", "--exit-code"]).code(1).says("1 removed");
}
