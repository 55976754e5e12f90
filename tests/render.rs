//! `kcfg render` and `kcfg check`: a repository in, a hashed tree out, and what happens to it when things change.

use std::fs;

use crate::repo::Repo;

/// A chart in Tera, a chart of Helm, a raw manifest and a release of each format.
pub fn shop() -> Repo {
    Repo::new(
        r#"
        -- charts/web/Chart.yaml --
        apiVersion: kcfg.dev/v1
        name: web
        version: 1.0.0
        -- charts/web/values.yaml --
        replicas: 1
        -- charts/web/templates/config.yaml --
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: {{ release.name }}
        data:
          replicas: "{{ values.replicas }}"
        -- charts/old/Chart.yaml --
        apiVersion: v1
        name: old
        version: 0.1.0
        -- charts/old/values.yaml --
        color: blue
        -- charts/old/templates/config.yaml --
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: {{ .Release.Name }}
        data:
          color: {{ .Values.color }}
        -- releases/prod/web.yaml --
        apiVersion: kcfg.dev/v1
        kind: Release
        metadata: {name: web, namespace: shop}
        spec: {chart: charts/web, values: {replicas: 3}}
        -- releases/prod/old.yaml --
        apiVersion: helm.fluxcd.io/v1
        kind: HelmRelease
        metadata: {name: old, namespace: shop}
        spec:
          releaseName: old
          chart: {path: charts/old}
          values: {color: red}
        -- releases/prod/quota.yaml --
        apiVersion: v1
        kind: ResourceQuota
        metadata: {name: quota, namespace: shop}
        spec: {hard: {pods: "10"}}
        "#,
    )
}

#[test]
fn a_repository_renders_to_one_file_per_object() {
    let repo = shop();
    repo.kcfg(&["render"])
        .code(0)
        .says("3 releases, 3 objects: 3 written, 0 unchanged, 0 removed; 0 refused, 0 skipped");
    assert_eq!(
        repo.list("rendered"),
        [
            "prod/old/configmap-old.yaml",
            "prod/old/kcfg.sum",
            "prod/quota/kcfg.sum",
            "prod/quota/resourcequota-quota.yaml",
            "prod/web/configmap-web.yaml",
            "prod/web/kcfg.sum",
        ]
    );
    assert_eq!(
        repo.read("rendered/prod/web/configmap-web.yaml"),
        "# rendered by kcfg from charts/web/templates/config.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n  \
         namespace: shop\ndata:\n  replicas: \"3\"\n"
    );
    repo.kcfg(&["check"]).code(0).says("0 differences");
}

#[test]
fn a_second_render_writes_nothing_and_a_change_writes_only_what_changed() {
    let repo = shop();
    repo.kcfg(&["render"]).code(0);
    let before = repo.snapshot("rendered");
    repo.kcfg(&["render"]).code(0).says("0 written, 3 unchanged, 0 removed");
    repo.kcfg(&["render", "--fresh"]).code(0).says("0 written, 3 unchanged, 0 removed");
    assert_eq!(repo.snapshot("rendered"), before);
    repo.write("charts/web/values.yaml", "replicas: 1\nextra: 1\n");
    // The inputs differ, the objects do not: the sum alone is written.
    repo.kcfg(&["render"]).code(0).says("0 written, 3 unchanged, 0 removed");
    repo.kcfg(&["check"]).code(0);
    repo.write("releases/prod/old.yaml", repo.read("releases/prod/old.yaml").replace("red", "green"));
    repo.kcfg(&["check"]).code(1).says("rendered/prod/old/configmap-old.yaml: differs from a fresh render");
    repo.kcfg(&["render"]).code(0).says("1 written, 2 unchanged, 0 removed");
    repo.kcfg(&["check"]).code(0);
}

#[test]
fn what_is_no_longer_rendered_is_removed_and_a_strangers_file_stays() {
    let repo = shop();
    repo.kcfg(&["render"]).code(0);
    repo.write("rendered/prod/web/notes.txt", "mine\n");
    repo.write("rendered/prod/web/sub/notes.txt", "mine too\n");
    repo.remove("releases/prod/web.yaml");
    repo.remove("releases/prod/quota.yaml");
    repo.kcfg(&["check"]).code(1).says("rendered/prod/quota: no release gives this folder any more");
    repo.kcfg(&["render"]).code(0).says("2 removed").complains("kcfg did not write this");
    assert_eq!(
        repo.list("rendered"),
        ["prod/old/configmap-old.yaml", "prod/old/kcfg.sum", "prod/web/notes.txt", "prod/web/sub/notes.txt"]
    );
    // A stranger's file in a folder that is in use survives a change of the release.
    repo.write("rendered/prod/old/notes.txt", "mine\n");
    repo.write("rendered/prod/old/sub/notes.txt", "mine too\n");
    repo.write("releases/prod/old.yaml", repo.read("releases/prod/old.yaml").replace("red", "green"));
    repo.kcfg(&["render"]).code(0).says("1 written").complains("rendered/prod/old/notes.txt");
    assert_eq!(repo.read("rendered/prod/old/sub/notes.txt"), "mine too\n");
    repo.kcfg(&["check"]).code(1).says("rendered/prod/old/notes.txt: not in kcfg.sum, and kcfg did not write it");
}

#[test]
fn an_environment_that_is_gone_leaves_nothing() {
    let repo = shop();
    repo.kcfg(&["render"]).code(0);
    repo.remove("releases/prod");
    repo.write("releases/staging/.placeholder", "");
    repo.kcfg(&["render"]).code(0).says("3 removed");
    assert!(repo.list("rendered").is_empty());
    assert!(!repo.path().join("rendered/prod").exists());
}

#[test]
fn forgeries_are_caught() {
    let repo = shop();
    repo.kcfg(&["render"]).code(0);
    let file = "rendered/prod/web/configmap-web.yaml";
    let sum = "rendered/prod/web/kcfg.sum";
    let (good, good_sum) = (repo.read(file), repo.read(sum));
    // The file alone.
    repo.write(file, good.replace('3', "4"));
    repo.kcfg(&["check"]).code(1).says("configmap-web.yaml: differs from kcfg.sum");
    // File and sum together, with every hash right.
    let other = Repo::new("");
    for entry in repo.list(".") {
        other.write(&entry, fs::read(repo.path().join(&entry)).unwrap());
    }
    other.write("releases/prod/web.yaml", other.read("releases/prod/web.yaml").replace("replicas: 3", "replicas: 4"));
    other.kcfg(&["render"]).code(0);
    repo.write(file, other.read(file));
    repo.write(sum, other.read(sum));
    repo.kcfg(&["check"]).code(1).says("configmap-web.yaml: differs from a fresh render");
    // The same with the right inputs claimed: the cache would believe it, check does not.
    let inputs = |text: &str| text.lines().find(|line| line.starts_with("# inputs")).unwrap().to_owned();
    let forged = other.read(sum);
    repo.write(sum, forged.replace(&inputs(&forged), &inputs(&good_sum)));
    repo.kcfg(&["check"]).code(1).says("configmap-web.yaml: differs from a fresh render");
    // A missing file, an extra one.
    repo.write(file, &good);
    repo.write(sum, &good_sum);
    repo.kcfg(&["check"]).code(0);
    repo.write("rendered/prod/web/secret-x.yaml", "# rendered by kcfg from nowhere\nkind: Secret\n");
    repo.kcfg(&["check"]).code(1).says("secret-x.yaml: not in kcfg.sum");
    repo.remove("rendered/prod/web/secret-x.yaml");
    repo.remove(file);
    repo.kcfg(&["check"]).code(1).says("configmap-web.yaml: missing, but kcfg.sum has it");
}

#[test]
fn a_sum_with_conflict_markers_counts_as_absent_and_a_render_mends_it() {
    let repo = shop();
    repo.kcfg(&["render"]).code(0);
    let before = repo.snapshot("rendered");
    let sum = "rendered/prod/web/kcfg.sum";
    repo.write(sum, format!("<<<<<<< HEAD\n{}=======\n>>>>>>> other\n", repo.read(sum)));
    repo.kcfg(&["check"]).code(1).says("kcfg.sum: cannot be read");
    repo.kcfg(&["render"]).code(0);
    assert_eq!(repo.snapshot("rendered"), before);
}

#[test]
fn a_refused_release_keeps_its_folder_and_does_not_stop_the_others() {
    let repo = shop();
    repo.kcfg(&["render"]).code(0);
    let before = repo.snapshot("rendered/prod/old");
    repo.write("charts/old/templates/config.yaml", "{{ fail \"no\" }}");
    repo.write("releases/prod/web.yaml", repo.read("releases/prod/web.yaml").replace("replicas: 3", "replicas: 4"));
    repo.kcfg(&["render"]).code(2).says("1 written").says("1 refused").complains("prod/old");
    assert_eq!(repo.snapshot("rendered/prod/old"), before);
    repo.kcfg(&["check"]).code(1).complains("prod/old");
}

#[test]
fn while_a_document_cannot_be_read_nothing_is_removed() {
    let repo = shop();
    repo.kcfg(&["render"]).code(0);
    repo.remove("releases/prod/web.yaml");
    repo.write("releases/prod/broken.yaml", "a: [1\n");
    repo.kcfg(&["render"]).code(2).says("0 removed").complains("releases/prod/broken.yaml");
    assert!(repo.list("rendered").contains(&"prod/web/kcfg.sum".to_owned()));
}

#[test]
fn a_selector_renders_only_what_it_names() {
    let repo = shop();
    repo.kcfg(&["render", "prod/web"]).code(0).says("1 releases, 1 objects: 1 written");
    assert_eq!(repo.list("rendered"), ["prod/web/configmap-web.yaml", "prod/web/kcfg.sum"]);
    repo.kcfg(&["render", "prod/*"]).code(0).says("3 releases");
    repo.kcfg(&["render", "prod/wbe"]).code(2).complains("did you mean `prod/web`?");
    repo.kcfg(&["render", "prod/x"]).code(2).complains("releases are old, quota, web");
}

#[test]
fn the_scope_of_a_custom_kind_is_known_from_its_definition_in_another_release() {
    let repo = shop();
    let fleet = "apiVersion: example.com/v1\nkind: Fleet\nmetadata: {name: a}\n";
    repo.write("charts/old/templates/fleet.yaml", fleet);
    repo.kcfg(&["render"]).code(0);
    assert!(repo.read("rendered/prod/old/fleet-a.yaml").contains("namespace: shop"));
    repo.write_all(
        r#"
        -- releases/prod/crd.yaml --
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: fleets.example.com}
        spec:
          group: example.com
          scope: Cluster
          names: {kind: Fleet, plural: fleets}
        "#,
    );
    repo.kcfg(&["check"]).code(1).says("fleet-a.yaml: differs");
    // The release's own inputs are what they were; it is rendered anew all the same.
    repo.kcfg(&["render"]).code(0).says("2 written");
    assert!(!repo.read("rendered/prod/old/fleet-a.yaml").contains("namespace"));
    repo.kcfg(&["render", "--fresh", "prod/old"]).code(0).says("0 written");
    repo.kcfg(&["check"]).code(0);
}

#[test]
fn sha256sum_checks_a_sum_by_hand() {
    let repo = shop();
    repo.kcfg(&["render"]).code(0);
    let run = std::process::Command::new("sha256sum")
        .args(["-c", "kcfg.sum"])
        .current_dir(repo.path().join("rendered/prod/web"))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn a_chart_that_is_not_there_is_named_where_the_release_asks_for_it() {
    let repo = shop();
    repo.write("releases/prod/web.yaml", repo.read("releases/prod/web.yaml").replace("charts/web", "charts/wep"));
    repo.kcfg(&["render"])
        .code(2)
        .complains("there is no chart charts/wep in this repository")
        .complains("releases/prod/web.yaml:4:15")
        .complains("the charts beside it are old, web");
}

#[test]
fn two_renders_at_once_do_not_mix() {
    let repo = shop();
    repo.kcfg(&["render"]).code(0);
    let folder = fs::File::open(repo.path().join("rendered")).unwrap();
    folder.lock().unwrap();
    repo.kcfg(&["render"]).code(2).complains("another kcfg is rendering this repository");
    repo.kcfg(&["check"]).code(0);
    folder.unlock().unwrap();
    repo.kcfg(&["render"]).code(0);
}

#[test]
fn what_a_killed_run_left_is_mended_by_the_next() {
    let repo = shop();
    repo.kcfg(&["render"]).code(0);
    let before = repo.snapshot("rendered");
    repo.write("rendered/prod/.kcfg-web/configmap-web.yaml", "half");
    // A stranger's folder that was on its way into the new one comes back.
    repo.write("rendered/prod/.kcfg-old/mine/notes.txt", "mine\n");
    repo.kcfg(&["render"]).code(0);
    assert_eq!(repo.read("rendered/prod/old/mine/notes.txt"), "mine\n");
    repo.remove("rendered/prod/old/mine");
    assert_eq!(repo.snapshot("rendered"), before);
    assert!(!repo.path().join("rendered/prod/.kcfg-web").exists());
}

#[test]
fn a_file_or_a_link_where_a_folder_belongs_refuses_only_that_release() {
    let repo = shop();
    repo.write("rendered/prod/web", "a file\n");
    std::os::unix::fs::symlink("/tmp", repo.path().join("rendered/prod/old")).unwrap();
    let run = repo.kcfg(&["render"]).code(2).says("1 written").says("2 refused");
    run.complains("rendered/prod/web").complains("this is a symbolic link");
    assert_eq!(repo.read("rendered/prod/web"), "a file\n");
}

#[test]
fn what_depends_on_randomness_is_refused_and_what_only_calls_it_is_not() {
    let repo = shop();
    repo.write(
        "charts/old/templates/config.yaml",
        "{{ $unused := randAlphaNum 8 }}apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: b}\n",
    );
    repo.kcfg(&["render"]).code(0);
    repo.write(
        "charts/old/templates/config.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  token: {{ randAlphaNum 8 }}\n",
    );
    let run = repo.kcfg(&["render"]).code(2);
    run.complains("data.token of core/ConfigMap/shop/x differs on every render")
        .complains("charts/old/templates/config.yaml:5");
}
