//! Random values: which a release may have, what becomes of them, and how the others are refused.
//!
//! A folder fixtures/generated/<case>/ holds chart.txt (the files of a repository, each after a line `-- path --`) and
//! what `kcfg render` makes of it: expected.yaml (the rendered files) or expected.txt (what it complains of), or both.
//! `UPDATE=1 cargo test generated` writes these anew. Adding a folder adds a test.

use std::fs;
use std::path::{Path, PathBuf};

use crate::repo::{Repo, here};

/// What every case has where it says nothing else.
const DEFAULTS: [(&str, &str); 2] = [
    ("charts/c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
    (
        "releases/prod/c.yaml",
        "apiVersion: kcfg.dev/v1\nkind: Release\nmetadata: {name: c, namespace: shop}\nspec: {chart: charts/c}\n",
    ),
];

fn case(name: &str) -> Repo {
    let text = fs::read_to_string(folder().join(name).join("chart.txt")).expect("a case has chart.txt");
    let repo = Repo::new(&text);
    for (path, text) in DEFAULTS {
        if !repo.path().join(path).exists() {
            repo.write(path, text);
        }
    }
    repo
}

fn folder() -> PathBuf {
    here().join("fixtures/generated")
}

/// The rendered files, each after a line that names it.
fn rendered(repo: &Repo) -> String {
    let files = repo.snapshot("rendered").into_iter().filter(|(name, _)| !name.ends_with("kcfg.sum"));
    files.map(|(name, text)| format!("# {name}\n{text}")).collect::<Vec<_>>().join("---\n")
}

#[test]
fn every_case_renders_or_is_refused_as_recorded() {
    let mut names: Vec<String> = fs::read_dir(folder())
        .expect("the cases are there")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("names are UTF-8"))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    let mut wrong = Vec::new();
    for name in names {
        let repo = case(&name);
        let run = repo.kcfg(&["render"]);
        let refused = usize::from(run.stderr.contains("error: "));
        assert_eq!(run.code, if refused == 1 { 2 } else { 0 }, "{name}: {run:?}");
        // The second run must not find anything else: the verdict never varies.
        let again = repo.kcfg(&["render", "--fresh"]);
        assert_eq!(again.stderr, run.stderr, "{name}");
        if refused == 0 {
            repo.kcfg(&["check"]).code(0);
        }
        for (file, found) in [("expected.yaml", rendered(&repo)), ("expected.txt", run.stderr)] {
            if !is_as_recorded(&folder().join(&name).join(file), &found) {
                wrong.push(format!("{name}/{file}:\n{found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "not as recorded (UPDATE=1 records anew):\n{}", wrong.join("\n"));
}

fn is_as_recorded(path: &Path, found: &str) -> bool {
    let recorded = fs::read_to_string(path).unwrap_or_default();
    if recorded != found && std::env::var_os("UPDATE").is_some() {
        match found {
            "" => fs::remove_file(path).expect("it can be removed"),
            _ => fs::write(path, found).expect("it can be written"),
        }
        return true;
    }
    recorded == found
}

#[test]
fn a_checksum_over_a_generated_leaf_changes_with_the_rest_only() {
    let checksum = |repo: &Repo| {
        repo.kcfg(&["render"]).code(0);
        let text = repo.read("rendered/prod/c/deployment-web.yaml");
        text.lines().find(|line| line.contains("checksum/secret")).expect("the annotation is there").to_owned()
    };
    let repo = case("checksums");
    let first = checksum(&repo);
    // More calls of the same function before this one, and another template.
    repo.write(
        "charts/c/templates/zzz.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: more}\ndata: {a: {{ randAlphaNum 9 | b64enc }}}\n",
    );
    assert_eq!(checksum(&repo), first);
    let secret = repo.read("charts/c/templates/secret.yaml");
    repo.write("charts/c/templates/secret.yaml", format!("{secret}  user: bWU=\n"));
    assert_ne!(checksum(&repo), first);
}

#[test]
fn what_only_kcfg_can_apply_is_listed_on_every_run() {
    let line = "prod/c needs kcfg to apply it, which makes up haSharedSecret of core/Secret/shop/c-secret\n";
    let repo = case("registry");
    repo.kcfg(&["render"]).code(0).says(line);
    repo.kcfg(&["render"]).code(0).says("0 written").says(line);
    repo.kcfg(&["check"]).code(0).says(line);
    repo.kcfg(&["check", "--format", "json"]).code(0).says("\"notPortable\": [\n    \"prod/c needs kcfg");
    assert!(repo.read("rendered/prod/c/kcfg.sum").contains("# generated core/Secret/shop/c-secret haSharedSecret\n"));
    // A value of the release's own takes its place.
    let release = repo.read("releases/prod/c.yaml");
    let values = "spec: {values: {secrets: {haSharedSecret: abc}}, ";
    repo.write("releases/prod/c.yaml", release.replace("spec: {", values));
    let run = repo.kcfg(&["render"]).code(0);
    assert!(!run.stdout.contains("makes up"), "{}", run.stdout);
    let secret = repo.read("rendered/prod/c/secret-c-secret.yaml");
    assert!(secret.contains("haSharedSecret: YWJj") && !secret.contains("kcfg.dev/generated"), "{secret}");
}

#[test]
fn template_prints_random_values_as_helm_does() {
    let repo = case("used-elsewhere");
    let run = || repo.kcfg(&["template", "c", "charts/c"]).code(0).stdout;
    assert_ne!(run(), run());
}

#[test]
fn very_many_random_fields_end_in_some_errors() {
    let repo = case("registry");
    let fields = "{{ range $i, $_ := until 100 }}\n  k{{ $i }}: {{ randAlphaNum 20 }}{{ end }}\n";
    let object = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c{{ . }}\n  annotations:";
    let objects = format!("{{{{ range until 40 }}}}{object}{fields}{{{{ end }}}}");
    repo.write("charts/c/templates/config.yaml", objects);
    let run = repo.kcfg(&["render"]).code(2);
    assert_eq!(run.stderr.matches("error: ").count(), 50);
}
