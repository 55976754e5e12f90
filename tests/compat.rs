//! What COMPATIBILITY.md says differs from Helm on purpose, each row by a test of its own; the recordings under
//! fixtures/helm show what is the same.

use crate::repo::{Repo, Run, here};

/// A repository with one release of a Helm chart that has this template.
fn with_template(template: &str) -> Repo {
    let repo = Repo::new(
        "
        -- charts/c/Chart.yaml --
        apiVersion: v2
        name: c
        version: 0.1.0
        -- releases/prod/c.yaml --
        apiVersion: helm.fluxcd.io/v1
        kind: HelmRelease
        metadata: {name: c, namespace: shop}
        spec: {releaseName: c, chart: {path: charts/c}}
        ",
    );
    repo.write("charts/c/templates/a.yaml", template);
    repo
}

fn template(repo: &Repo) -> Run {
    repo.kcfg(&["template", "c", "charts/c"])
}

#[test]
fn a_duplicate_key_is_a_warning_with_both_lines() {
    let repo =
        with_template("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  SIZE: \"1\"\n  SIZE: \"2\"\n");
    let run = template(&repo).code(0).complains("a.yaml (rendered):6:3").complains("a.yaml (rendered):5:3");
    assert!(run.stdout.ends_with("  SIZE: \"1\"\n  SIZE: \"2\"\n"), "the text itself stays:\n{}", run.stdout);
    repo.kcfg(&["render"]).code(0);
    assert!(repo.read("rendered/prod/c/configmap-a.yaml").ends_with("data:\n  SIZE: \"2\"\n"));
}

#[test]
fn a_deprecated_chart_is_a_warning_as_in_helm() {
    let repo = with_template("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n");
    let metadata = repo.read("charts/c/Chart.yaml");
    repo.write("charts/c/Chart.yaml", format!("{metadata}deprecated: true\n"));
    template(&repo).code(0).complains("warning: this chart is deprecated\n  --> charts/c/Chart.yaml\n");
    repo.kcfg(&["render"]).code(0).complains("this chart is deprecated");
}

#[test]
fn a_lookup_is_a_warning() {
    let repo =
        with_template("apiVersion: v1\nkind: A\nmetadata: {name: a}\nx: {{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}\n");
    template(&repo)
        .code(0)
        .says("x: map[]")
        .complains("warning: lookup finds nothing")
        .complains("charts/c/templates/a.yaml:4:7");
}

#[test]
fn an_unknown_hook_is_a_warning() {
    let hook = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: a\n  annotations: {helm.sh/hook: crd-install}\n";
    let run = template(&with_template(hook)).code(0).complains("`crd-install` is not a hook that Helm knows");
    assert_eq!(run.stdout.trim(), "");
}

#[test]
fn errors_of_all_templates_are_reported() {
    let repo = with_template("a: {{ .Values.x.y }}\n");
    repo.write("charts/c/templates/b.yaml", "b: {{ .Values.z.y }}\n");
    template(&repo).code(2).complains("templates/a.yaml:1:").complains("templates/b.yaml:1:");
}

#[test]
fn a_packed_chart_and_flags_about_clusters_are_refused() {
    let repo = with_template("kind: A\n");
    repo.write("c.tgz", "");
    repo.kcfg(&["template", "c", "c.tgz"]).code(2).complains("a chart is a folder");
    repo.kcfg(&["template", "c", "charts/c", "--validate"])
        .code(2)
        .complains("--validate")
        .complains("`kcfg diff --live ENV` do");
    repo.kcfg(&["template", "c", "charts/c", "--post-renderer", "x"])
        .code(2)
        .complains("--post-renderer")
        .complains("pipe the output into the program");
}

#[test]
fn keys_and_values_are_sorted() {
    let map = "(dict \"c\" 3 \"a\" 1 \"b\" 2)";
    let repo = with_template(&format!("a: '{{{{ keys {map} }}}} {{{{ values {map} }}}}'\n"));
    template(&repo).code(0).says("a: '[a b c] [1 2 3]'\n");
}

#[test]
fn what_would_eat_the_machine_is_an_error() {
    for template_text in [
        "a: {{ until 2000000000 | len }}\n",
        "a: {{ repeat 2000000000 \"x\" | len }}\n",
        "{{ define \"x\" }}{{ template \"x\" . }}{{ end }}{{ template \"x\" . }}\n",
        "{{ range until 1000 }}{{ range until 1000 }}{{ range until 1000 }}{{ repeat 1000 \"x\" }}{{ end }}{{ end }}{{ end }}\n",
    ] {
        template(&with_template(template_text)).code(2).complains("charts/c/templates/a.yaml:1:");
    }
}

#[test]
fn render_refuses_what_depends_on_chance() {
    let chance =
        |text: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{x: \"{text}\"}}\n");
    let repo = with_template(&chance("{{ randAlphaNum 8 }}"));
    template(&repo).code(0);
    repo.kcfg(&["render"]).code(2).complains("core/ConfigMap/shop/a");
    let thrown_away = with_template(&chance("{{ $_ := randAlphaNum 8 }}{{ now | date \"2006\" | len }}"));
    thrown_away.kcfg(&["render"]).code(0);
}

#[test]
fn keys_that_no_new_certificate_should_have_are_refused() {
    let repo = with_template("a: {{ genPrivateKey \"dsa\" }}\n");
    template(&repo).code(2).complains("DSA keys are not made any more; use \"ecdsa\" or \"ed25519\"");
    repo.write(
        "charts/c/templates/a.yaml",
        "a: {{ (genSelfSignedCertWithKey \"x\" nil nil 1 .Values.key).Cert | quote }}\n",
    );
    for (key, complaint) in
        [("refused-rsa-1024.pem", "the key cannot sign"), ("refused-p521.pem", "parsing private key")]
    {
        let key = here().join("src/gotmpl/sprig/keys").join(key);
        let set = format!("key={}", key.display());
        repo.kcfg(&["template", "c", "charts/c", "--set-file", &set]).code(2).complains(complaint);
    }
}

#[test]
fn the_time_has_no_reading_of_a_stopwatch() {
    let run = template(&with_template("a: {{ now }}\n")).code(0).says(" UTC");
    assert!(!run.stdout.contains("m=+"), "{}", run.stdout);
}

#[test]
fn no_address_in_memory_is_printed() {
    template(&with_template("a: {{ printf \"%p\" .Values }}\n")).code(0).says("a: map[]\n");
}

#[test]
fn complex_numbers_are_refused() {
    template(&with_template("a: {{ 1i }}\n")).code(2).complains("complex numbers are not supported: \"1i\"");
}

#[test]
fn schemas_are_read_without_the_network() {
    let repo = with_template("a: 1\n");
    repo.write("charts/c/values.yaml", "d: nonsense\n");
    for (property, warning) in [
        (r#"{"type": "string", "format": "duration"}"#, ""),
        (r#"{"pattern": "^(?!x)"}"#, ""),
        (r##"{"$ref": "#/properties/d"}"##, ""),
        (r#"{"$ref": "https://example.org/x.json"}"#, "rendering fetches nothing"),
    ] {
        repo.write(
            "charts/c/values.schema.json",
            format!(r#"{{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {{"d": {property}}}}}"#),
        );
        template(&repo).code(0).says("a: 1\n").complains(warning);
    }
    repo.write("charts/c/values.schema.json", r#"{"$schema": "https://example.org/schema", "required": ["d"]}"#);
    template(&repo).code(0).says("a: 1\n").complains("it is read as draft 2020-12");
}

#[test]
fn render_keeps_no_hash_or_signature_of_its_own_making() {
    let made = |text: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{x: {text}}}\n");
    for text in [
        "{{ htpasswd \"user\" \"password\" | quote }}",
        "{{ (genCAWithKey \"x\" 1 (genPrivateKey \"ecdsa\")).Cert | quote }}",
    ] {
        with_template(&made(text)).kcfg(&["render"]).code(2).complains("core/ConfigMap/shop/a");
    }
    let thrown_away = with_template(&made("{{ htpasswd \"user\" \"password\" | trunc 5 }}"));
    thrown_away.kcfg(&["render"]).code(0);
    assert!(thrown_away.read("rendered/prod/c/configmap-a.yaml").contains("'user:'"));
}

#[test]
fn render_gives_every_namespaced_object_its_namespace() {
    let repo = with_template(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: one, namespace: wrong}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: two}\n",
    );
    repo.kcfg(&["render"]).code(0).complains("namespace");
    assert!(repo.read("rendered/prod/c/service-two.yaml").contains("  namespace: shop\n"));
    assert!(repo.read("rendered/prod/c/namespace-one.yaml").contains("  namespace: wrong\n"));
}

#[test]
fn render_splits_lists_encodes_string_data_and_leaves_test_hooks_out() {
    let repo = with_template(
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: listed}}\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {a: b}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata:\n  name: check\n  annotations: {helm.sh/hook: test}\n",
    );
    repo.write(
        "charts/c/crds/x.yaml",
        concat!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: xs.example.com}\n",
            "spec: {group: example.com, scope: Cluster, names: {kind: X, plural: xs}, versions: []}\n"
        ),
    );
    repo.kcfg(&["render"]).code(0);
    let files = repo.list("rendered/prod/c");
    assert_eq!(
        files,
        ["configmap-listed.yaml", "customresourcedefinition-xs.example.com.yaml", "kcfg.sum", "secret-key.yaml"]
    );
    let secret = repo.read("rendered/prod/c/secret-key.yaml");
    assert!(secret.contains("data:\n  a: Yg==\n") && !secret.contains("stringData"), "{secret}");
}

#[test]
fn render_refuses_what_no_cluster_would_take() {
    let repo = with_template("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: no}\n");
    template(&repo).code(0);
    repo.kcfg(&["render"]).code(2).complains("metadata.name is a boolean");
}

#[test]
fn every_row_names_a_test_that_exists() {
    let table = repo_file("COMPATIBILITY.md");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| test |")).collect();
    assert!(rows.len() > 5, "there is a table");
    for row in rows {
        let last = row.trim_end_matches([' ', '|']).rsplit("| ").next().unwrap_or_default();
        let names: Vec<_> = last.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            let exists = match name.split_once(": ") {
                Some((file, function)) => repo_file(file).contains(&format!("fn {function}()")),
                None => here().join(name).is_dir(),
            };
            assert!(exists, "no such test: {name}");
        }
    }
}

fn repo_file(path: &str) -> String {
    std::fs::read_to_string(here().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}
