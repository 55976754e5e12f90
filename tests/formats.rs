//! The forms of `kcfg diff` that programs read.

use serde_json::Value;

use crate::repo::{Repo, here};

/// Two folders of manifests that differ in every way that a change can have.
fn sides() -> Repo {
    let repo = Repo::new(
        "
        -- old/app.yaml --
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, namespace: shop}
        spec:
          replicas: 2
          template:
            spec:
              containers:
              - {name: web, image: 'nginx:1', resources: {limits: {cpu: 1000m}}}
              - {name: log, image: log}
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: conf, namespace: shop}
        data:
          a.json: '{\"a\": [1, 2.5, null, true], \"b\": 18446744073709551615}'
          b.yaml: \"# one\\nx: 1\\n\"
          c.txt: |
            one
            two
        ---
        apiVersion: v1
        kind: Secret
        metadata: {name: key, namespace: shop}
        stringData: {password: hunter2}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: gone, namespace: shop}
        spec: {ports: [{port: 80}]}
        -- new/app.yaml --
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, namespace: shop, labels: {'helm.sh/chart': a}}
        spec:
          template:
            spec:
              containers:
              - {name: log, image: log}
              - {name: web, image: 'nginx:2', resources: {limits: {cpu: '1'}}}
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: conf, namespace: shop}
        data:
          a.json: '{\"a\": [1, 2.5, null, false], \"b\": 18446744073709551615}'
          b.yaml: \"# two\\nx: 2\\n\"
          c.txt: |
            one
            three
        ---
        apiVersion: v1
        kind: Secret
        metadata: {name: key, namespace: shop}
        stringData: {password: hunter3}
        ---
        apiVersion: v1
        kind: Namespace
        metadata: {name: '`@all`'}
        ",
    );
    repo.commit("sides");
    repo
}

const PATHS: [&str; 4] = ["--from-path", "old", "--to-path", "new"];

fn json(repo: &Repo, args: &[&str]) -> Value {
    let run = repo.kcfg(&[&["diff", "--format", "json"], args].concat()).code(0);
    serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.stdout))
}

#[track_caller]
fn fits_the_schema(document: &Value) {
    let schema = std::fs::read_to_string(here().join("docs/diff.schema.json")).expect("the schema can be read");
    let schema: Value = serde_json::from_str(&schema).expect("the schema is JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("the schema is one");
    let errors: Vec<String> = validator.iter_errors(document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
}

#[test]
fn json_reports_fit_the_schema_and_hold_both_values() {
    let repo = sides();
    let document = json(&repo, &PATHS);
    fits_the_schema(&document);
    let text = document.to_string();
    assert!(!text.contains("hunter"), "{text}");
    for kind in ["added", "removed", "changed", "text", "embedded", "reordered"] {
        assert!(text.contains(&format!("\"type\":\"{kind}\"")), "no change is {kind}: {text}");
    }
    let objects = document["environments"][0]["releases"][0]["objects"].as_array().expect("objects");
    let find = |name: &str| objects.iter().find(|o| o["name"] == name).expect("it is there");
    let change = |object: &str, path: &str| -> Value {
        let changes = find(object)["changes"].as_array().expect("changes").clone();
        changes.into_iter().find(|c| c["path"] == path).unwrap_or_else(|| panic!("no {path}"))
    };
    let image = change("web", "spec.template.spec.containers[web].image");
    assert_eq!((&image["old"], &image["new"]), (&Value::from("nginx:1"), &Value::from("nginx:2")));
    assert_eq!(image["steps"][4], serde_json::json!({"item": "web", "old": 0, "new": 1}));
    let text = change("conf", "data[\"c.txt\"]");
    assert_eq!((&text["old"], &text["new"]), (&Value::from("one\ntwo\n"), &Value::from("one\nthree\n")));
    assert!(change("web", "spec.template.spec.containers[web].resources.limits.cpu")["sameMeaning"].is_string());
    assert_eq!(find("gone")["object"]["spec"]["ports"][0]["port"], 80);
    assert_eq!(document["counts"]["removed"], 1);
    assert!(find("key")["hashes"]["new"].is_null(), "the hash of a Secret could be guessed by");
    assert_eq!(find("web")["hashes"]["new"].as_str().map(str::len), Some(64));
}

#[test]
fn json_of_a_repository_fits_the_schema() {
    let repo = Repo::new(
        "
        -- kcfg.yaml --
        -- charts/web/Chart.yaml --
        apiVersion: v2
        name: web
        version: 1.0.0
        -- charts/web/templates/config.yaml --
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: '{{ .Release.Name }}'}
        data: {a: '{{ .Values.a }}'}
        -- releases/prod/web.yaml --
        apiVersion: flux.weave.works/v1beta1
        kind: HelmRelease
        metadata: {name: web, namespace: shop}
        spec:
          chart: {path: charts/web}
          values: {a: one}
        ",
    );
    repo.kcfg(&["render"]).code(0);
    repo.commit("rendered");
    fits_the_schema(&json(&repo, &[]));
    assert_eq!(json(&repo, &[])["environments"], serde_json::json!([]));
    repo.write("releases/prod/web.yaml", repo.read("releases/prod/web.yaml").replace("one", "two"));
    let document = json(&repo, &[]);
    fits_the_schema(&document);
    let release = &document["environments"][0]["releases"][0];
    assert_eq!(release["source"], "releases/prod/web.yaml");
    assert_eq!(release["digests"]["old"].as_str().map(str::len), Some(64));
    assert_eq!(release["isStale"], true);
}

#[test]
fn annotations_are_written_for_both_hosts() {
    let repo = sides();
    let github = repo.kcfg(&[&["diff", "--format", "github"], &PATHS[..]].concat()).code(0);
    assert!(github.stdout.lines().all(|line| line.starts_with("::")), "{}", github.stdout);
    let gitlab = repo.kcfg(&[&["diff", "--format", "gitlab"], &PATHS[..]].concat()).code(0);
    assert!(serde_json::from_str::<Vec<Value>>(&gitlab.stdout).is_ok(), "{}", gitlab.stdout);
}
