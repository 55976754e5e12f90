//! No value of a Secret is in any report, however it got there.

use data_encoding::BASE64;

use crate::repo::Repo;

/// What must not be seen: before, and now.
const VALUES: [&str; 2] = ["Xyzzy-old-Passw0rd", "Xyzzy-new-Passw0rd"];
/// All ways to write a report.
const FORMATS: &[&[&str]] = &[
    &["--format", "text"],
    &["--format", "text", "--columns", "two", "--full"],
    &["--format", "json"],
    &["--format", "markdown"],
    &["--format", "markdown", "--full"],
    &["--format", "html"],
    &["--format", "github"],
    &["--format", "gitlab"],
];

/// Secrets in every form, with this value in each.
fn secrets(value: &str, suffix: &str) -> String {
    let encoded = BASE64.encode(value.as_bytes());
    let json = format!("{{\\\"auths\\\":{{\\\"r.io\\\":{{\\\"password\\\":\\\"{value}\\\"}}}}}}");
    format!(
        r#"apiVersion: v1
kind: Secret
metadata: {{name: plain, namespace: shop}}
stringData: {{password: "{value}", same: constant}}
---
apiVersion: v1
kind: Secret
metadata: {{name: encoded, namespace: shop}}
data: {{password: {encoded}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: embedded, namespace: shop}}
type: kubernetes.io/dockerconfigjson
stringData:
  .dockerconfigjson: "{json}"
  settings.yaml: |
    user: admin
    password: {value}
  settings.ini: |
    [db]
    password = {value}
---
apiVersion: v1
kind: Secret
metadata:
  name: applied
  namespace: shop
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: |
      {{"apiVersion":"v1","data":{{"password":"{encoded}"}},"kind":"Secret"}}
data: {{password: {encoded}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: renamed-{suffix}, namespace: shop}}
stringData: {{password: "{value}", url: "https://admin:{value}@db"}}
---
apiVersion: v1
kind: Secret
metadata: {{name: comes-or-goes-{value_first}, namespace: shop}}
type: example.com/{suffix}
data: {{one: {encoded}, two: {encoded}, three: {encoded}}}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Secret
  metadata: {{name: in-a-list, namespace: shop}}
  data: {{password: {encoded}, broken: [{value}], nested: {{a: {value}}}}}
"#,
        value_first = if suffix == "1a2b3" { "a" } else { "b" },
    )
}

#[track_caller]
fn hides(repo: &Repo, args: &[&str]) {
    for format in FORMATS {
        let run = repo.kcfg(&[&["diff"], args, format].concat()).code(0);
        let all = run.stdout + &run.stderr;
        for value in VALUES {
            let encoded = BASE64.encode(value.as_bytes());
            // Neither the value, nor what base64 makes of it at any place in a longer text.
            for secret in [value, "Passw0rd", &encoded, &encoded[..12], &encoded[encoded.len() - 14..encoded.len() - 2]]
            {
                assert!(!all.contains(secret), "{format:?} shows {secret}:\n{all}");
            }
        }
        if format[1] != "github" && format[1] != "gitlab" {
            assert!(all.contains("(hidden "), "{format:?} shows that something is hidden:\n{all}");
        }
    }
}

#[test]
fn values_of_secrets_are_in_no_format() {
    let repo = Repo::new("");
    repo.write("old.yaml", secrets(VALUES[0], "1a2b3"));
    repo.write("new.yaml", secrets(VALUES[1], "9f8e7"));
    repo.commit("sides");
    hides(&repo, &["--from-path", "old.yaml", "--to-path", "new.yaml"]);
    // One side alone: every object comes.
    repo.write("none.yaml", "");
    hides(&repo, &["--from-path", "none.yaml", "--to-path", "new.yaml"]);
    hides(&repo, &["--from-path", "old.yaml", "--to-path", "none.yaml"]);
}

#[test]
fn values_of_secrets_that_move_between_releases_are_in_no_format() {
    let repo = Repo::new("-- kcfg.yaml --\n");
    let secret = |name: &str, value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: shop}}\nstringData: {{password: '{value}', n: '1'}}\n"
        )
    };
    repo.write("releases/prod/a.yaml", secret("moves", VALUES[0]) + "---\n" + &secret("stays-1a2b3", VALUES[0]));
    repo.write("releases/test/a.yaml", secret("goes", VALUES[0]));
    repo.kcfg(&["render"]).code(0);
    repo.commit("rendered");
    repo.write("releases/prod/a.yaml", secret("stays-9f8e7", VALUES[1]));
    repo.write("releases/prod/b.yaml", secret("moves", VALUES[1]));
    repo.write("releases/prod/c.yaml", secret("goes", VALUES[1]));
    repo.remove("releases/test/a.yaml");
    hides(&repo, &[]);
    let run = repo.kcfg(&["diff"]).code(0);
    run.says("moved").says("renamed");
}
