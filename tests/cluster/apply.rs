//! `kcfg apply` where nothing breaks: the verified tree, one bad object among good ones, nothing to do, drift, whose
//! cluster it is.

use std::time::Duration;

use crate::control_plane::{Parts, Shared, eventually};
use crate::site::{Site, config_map, config_maps};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: true });

/// A release of a chart with a Deployment, a Service and a ConfigMap.
const WEB: &str = "
-- charts/web/Chart.yaml --
apiVersion: v2
name: web
version: 1.0.0
-- charts/web/templates/all.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {level: {{ .Values.level }}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'registry.example.com/web:1'}]}
";

fn web(level: &str) -> String {
    format!(
        "apiVersion: kcfg.dev/v1\nkind: Release\nmetadata: {{name: web, namespace: NAME}}\n\
         spec: {{chart: charts/web, values: {{level: {level}}}}}\n"
    )
}

#[test]
fn a_tree_is_applied_then_costs_nothing_then_only_what_changed() {
    let site = Site::new(&PLANE, "costs");
    site.repo.write_all(WEB);
    site.write("web", &web("info"));
    site.write("more", &config_maps("more", 30, "one"));
    let first = site.render_and_init();
    first.says("33 applied, 0 unchanged");
    site.assert_cluster_is_tree();

    let before = site.requests().len();
    site.apply(&[]).code(0).says("0 applied, 33 unchanged");
    let requests = site.requests().split_off(before);
    let too_much = requests.iter().filter(|request| request.writes() || request.is_dry_run()).count();
    assert_eq!(too_much, 0, "{requests:#?}");
    // Three kinds, at most 2 requests for each and 5 beside them.
    assert!(requests.len() <= 2 * 3 + 5, "{} requests: {requests:#?}", requests.len());
    let of_one_object = |uri: &str| uri.contains("/configmaps/") && !uri.contains("kcfg-system");
    assert!(!requests.iter().any(|request| of_one_object(&request.uri)), "{requests:#?}");

    site.write("web", &web("debug"));
    site.render();
    let before = site.requests().len();
    site.apply(&[]).code(0).says("1 applied, 32 unchanged").says("core/ConfigMap/costs/web");
    let requests = site.requests().split_off(before);
    let written = requests.iter().filter(|request| request.writes() && !request.uri.contains("kcfg-system")).count();
    assert_eq!(written, 1, "{requests:#?}");
    site.assert_cluster_is_tree();
}

#[test]
fn a_commit_is_applied_without_a_checkout() {
    let site = Site::new(&PLANE, "commit");
    site.write("one", &config_map("one", "first"));
    site.render();
    let first = site.repo.commit("first");
    site.write("one", &config_map("one", "second"));
    site.render();
    site.apply(&["--init", "--ref", &first]).code(0);
    assert_eq!(site.config_map("one").expect("it is applied")["data"]["value"], "first");
    site.apply(&[]).code(0);
    assert_eq!(site.config_map("one").expect("it is applied")["data"]["value"], "second");
    site.assert_cluster_is_tree();
}

#[test]
fn a_dry_run_changes_nothing() {
    let site = Site::new(&PLANE, "dry-run");
    site.write("one", &config_map("one", "first"));
    site.render();
    site.apply(&["--init", "--dry-run"]);
    assert_eq!(site.get("/api/v1/namespaces/NAME"), None);
    site.apply(&["--init"]).code(0);
    site.write("one", &config_map("one", "second"));
    site.render();
    let before = site.requests().len();
    site.apply(&["--dry-run"]).says("dry-run/one").says("first → second");
    let requests = site.requests().split_off(before);
    assert!(!requests.iter().any(crate::control_plane::Request::writes), "{requests:#?}");
    assert_eq!(site.config_map("one").expect("it is there")["data"]["value"], "first");
}

#[test]
fn one_bad_object_does_not_stop_the_others() {
    let site = Site::new(&PLANE, "bad-object");
    let bad = "
---
apiVersion: v1
kind: Service
metadata: {name: rejected, namespace: NAME}
spec: {ports: [{port: 123456}]}
---
apiVersion: nowhere.example.com/v1
kind: Unknown
metadata: {name: unknown, namespace: NAME}
spec: {}
---
apiVersion: v1
kind: Secret
metadata: {name: encrypted, namespace: NAME}
data: {password: \"ENC[AES256_GCM,data:p673w==,iv:YY=,tag:tg==,type:str]\"}
sops: {age: [], lastmodified: \"2026-01-02T03:04:05Z\", mac: \"ENC[AES256_GCM,data:bw==,type:str]\", version: 3.9.0}
";
    site.write("mixed", &format!("{}{bad}", config_maps("good", 5, "x")));
    site.write("other", &config_map("other", "x"));
    site.render();
    let run = site.apply(&["--init"]).code(1).says("3 failed");
    let run = run.says("port").says("nowhere.example.com").says("core/Secret/bad-object/encrypted").says("SOPS");
    assert_eq!(site.members().len(), 6, "{}", run.stdout);
    // It is tried again, what is good costs nothing, and once it is mended all is well.
    site.apply(&[]).code(1).says("3 failed").says("6 unchanged");
    site.write("mixed", &config_maps("good", 5, "x"));
    site.render();
    site.apply(&[]).code(0);
    site.assert_cluster_is_tree();
}

#[test]
fn what_drifted_is_applied_and_what_others_added_stays() {
    let site = Site::new(&PLANE, "drift");
    site.repo.write_all(WEB);
    site.write("web", &web("info"));
    site.render_and_init();
    site.kubectl(&["scale", "deployment/web", "--replicas=5", "--namespace=NAME"], "");
    site.kubectl(&["patch", "configmap/web", "--namespace=NAME", "--patch", r#"{"data":{"added":"by hand"}}"#], "");
    site.kubectl(&["delete", "service/web", "--namespace=NAME"], "");
    let run = site.apply(&[]).code(0);
    run.says("apps/Deployment/drift/web").says("core/Service/drift/web").says("2 applied");
    let deployment = site.get("/apis/apps/v1/namespaces/NAME/deployments/web").expect("it is there");
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(site.config_map("web").expect("it is there")["data"]["added"], "by hand");
    site.assert_cluster_is_tree();
    site.apply(&[]).code(0).says("0 applied, 3 unchanged");
}

#[test]
fn a_label_taken_off_a_member_is_put_back() {
    let site = Site::new(&PLANE, "label");
    site.write("one", &config_maps("one", 3, "x"));
    site.render_and_init();
    let labels = ["applyset.kubernetes.io/part-of-", "kcfg.dev/env-"];
    site.kubectl(&["label", "configmap/one-1", "--namespace=NAME", labels[0], labels[1]], "");
    assert_eq!(site.members().len(), 2);
    site.apply(&[]).code(0);
    site.assert_cluster_is_tree();
}

#[test]
fn kubectl_finds_the_members_of_an_apply_set() {
    let site = Site::new(&PLANE, "apply-set");
    site.repo.write_all(WEB);
    site.write("web", &web("info"));
    site.write("more", &config_maps("more", 3, "x"));
    site.render_and_init();
    let parents = site.get("/api/v1/namespaces/kcfg-system/configmaps?labelSelector=applyset.kubernetes.io%2Fid");
    let parents = parents.expect("there are parents");
    let parent = parents["items"]
        .as_array()
        .expect("it is a list")
        .iter()
        .find(|parent| parent["metadata"]["annotations"].to_string().contains("apply-set/web"));
    let parent = parent.expect("the release has a parent");
    let annotation = |name: &str| parent["metadata"]["annotations"][name].as_str().unwrap_or_default().to_owned();
    assert!(annotation("applyset.kubernetes.io/tooling").starts_with("kcfg/v"), "{parent}");
    let mut kinds: Vec<_> =
        annotation("applyset.kubernetes.io/contains-group-kinds").split(',').map(str::to_owned).collect();
    kinds.sort();
    assert_eq!(kinds, ["ConfigMap", "Deployment.apps", "Service"]);
    assert_eq!(annotation("applyset.kubernetes.io/additional-namespaces"), "apply-set");
    let id = parent["metadata"]["labels"]["applyset.kubernetes.io/id"].as_str().expect("it has an id");
    // applyset-<base64url of sha256 of name.namespace.kind.group>-v1, as KEP-3659 says.
    let name = parent["metadata"]["name"].as_str().expect("it has a name");
    let hash = ring::digest::digest(&ring::digest::SHA256, format!("{name}.kcfg-system.ConfigMap.").as_bytes());
    assert_eq!(id, format!("applyset-{}-v1", data_encoding::BASE64URL_NOPAD.encode(hash.as_ref())));
    let selector = format!("--selector=applyset.kubernetes.io/part-of={id}");
    let found = site.kubectl(&["get", "configmaps,services,deployments", "-A", "-o", "name", &selector], "");
    let mut found: Vec<_> = found.lines().collect();
    found.sort_unstable();
    assert_eq!(found, ["configmap/web", "deployment.apps/web", "service/web"]);
}

#[test]
fn objects_of_others_are_refused_unless_adopted() {
    let site = Site::new(&PLANE, "adopt");
    site.kubectl(&["create", "namespace", "NAME"], "");
    let theirs = config_map("theirs", "old") + &config_map("fresh", "old");
    site.kubectl(&["apply", "-f", "-"], &theirs.replace("value:", "dropped: x, value:"));
    site.write("one", &(config_map("theirs", "new") + &config_map("fresh", "new") + &config_map("mine", "x")));
    site.render();
    let run = site.apply(&["--init"]).code(1);
    run.says("core/ConfigMap/adopt/theirs").says("--adopt");
    assert_eq!(site.config_map("theirs").expect("it is there")["data"]["value"], "old");
    assert!(site.config_map("mine").is_some(), "the others are applied");
    site.apply(&["--adopt"]).code(0);
    site.assert_cluster_is_tree();
    // What kubectl had applied and the tree does not have is gone.
    assert_eq!(site.config_map("theirs").expect("it is there")["data"]["dropped"], serde_json::Value::Null);
}

#[test]
fn a_release_that_does_not_match_its_sum_is_refused_by_name_and_the_others_go_on() {
    let site = Site::new(&PLANE, "tampered");
    for release in ["altered", "truncated", "missing", "extra", "good"] {
        site.write(release, &config_map(release, "x"));
    }
    site.render();
    let file = |release: &str| format!("rendered/tampered/{release}/configmap-{release}.yaml");
    let text = site.repo.read(&file("altered"));
    site.repo.write(&file("altered"), text.replace("value: x", "value: y"));
    let text = site.repo.read(&file("truncated"));
    site.repo.write(&file("truncated"), &text[..text.len() / 2]);
    site.repo.remove(&file("missing"));
    site.repo.write("rendered/tampered/extra/configmap-more.yaml", config_map("more", "x").replace("NAME", "tampered"));
    let run = site.apply(&["--init"]).code(1);
    for (release, file) in [
        ("altered", "configmap-altered.yaml"),
        ("truncated", "configmap-truncated.yaml"),
        ("missing", "configmap-missing.yaml"),
        ("extra", "configmap-more.yaml"),
    ] {
        assert!(run.stderr.contains(&format!("rendered/tampered/{release}/{file}")), "{release}: {}", run.stderr);
    }
    let run = run.says("4 releases refused");
    assert_eq!(site.members().into_iter().collect::<Vec<_>>(), ["core/ConfigMap/tampered/good"], "{}", run.stdout);
    site.render();
    site.repo.remove("rendered/tampered/extra/configmap-more.yaml");
    site.apply(&[]).code(0);
    site.assert_cluster_is_tree();
}

#[test]
fn links_and_huge_files_in_the_tree_refuse_their_release() {
    let site = Site::new(&PLANE, "links");
    for release in ["link", "huge", "sum", "good"] {
        site.write(release, &config_map(release, "x"));
    }
    site.render();
    let at = |path: &str| site.repo.path().join("rendered/links").join(path);
    std::fs::rename(at("link/configmap-link.yaml"), at("../../outside.yaml")).expect("it can be moved");
    std::os::unix::fs::symlink("../../../outside.yaml", at("link/configmap-link.yaml")).expect("a link can be made");
    site.repo.write("rendered/links/huge/configmap-big.yaml", vec![b'#'; 50 << 20]);
    let sum = site.repo.read("rendered/links/sum/kcfg.sum");
    site.repo.write("rendered/links/sum/kcfg.sum", sum.replace("  configmap-sum.yaml", "  ../../../outside.yaml"));
    let run = site.apply(&["--init"]).code(1).says("3 releases refused");
    for release in ["link", "huge", "sum"] {
        assert!(run.stderr.contains(&format!("rendered/links/{release}/")), "{release}: {}", run.stderr);
    }
    assert_eq!(site.members().into_iter().collect::<Vec<_>>(), ["core/ConfigMap/links/good"]);
    // The same, as a commit.
    let commit = site.repo.commit("links");
    site.apply(&["--ref", &commit]).code(1).says("3 releases refused");
    assert_eq!(site.members().len(), 1);
}

#[test]
fn sources_that_changed_after_rendering_are_stale_and_still_applied() {
    let site = Site::new(&PLANE, "stale");
    site.repo.write_all(WEB);
    site.write("web", &web("info"));
    site.render();
    site.write("web", &web("debug"));
    site.apply(&["--init"]).code(0).says("1 stale");
    assert_eq!(site.config_map("web").expect("it is applied")["data"]["level"], "info");
    site.render();
    let run = site.apply(&[]).code(0);
    assert!(!run.stdout.contains("1 stale"), "{}", run.stdout);
    site.assert_cluster_is_tree();
}

#[test]
fn a_cluster_that_was_never_applied_to_needs_init_and_a_wrong_one_is_refused() {
    let site = Site::new(&PLANE, "identity");
    site.write("one", &config_map("one", "x"));
    site.render();
    site.apply(&[]).code(2).complains("--init");
    assert_eq!(site.get("/api/v1/namespaces/NAME"), None);
    let environment = |uid: &str| {
        format!(
            "apiVersion: kcfg.dev/v1\nkind: Environment\nmetadata: {{name: NAME}}\nspec: {{cluster: {{uid: {uid}}}}}\n"
        )
    };
    site.write("environment", &environment("00000000-0000-0000-0000-000000000000"));
    site.render();
    site.apply(&["--init"]).code(2).complains("00000000-0000-0000-0000-000000000000");
    assert_eq!(site.get("/api/v1/namespaces/NAME"), None);
    assert!(!site.requests().iter().any(crate::control_plane::Request::writes), "{:#?}", site.requests());
    let kube_system = site.get("/api/v1/namespaces/kube-system").expect("every cluster has it");
    let uid = kube_system["metadata"]["uid"].as_str().expect("it has one");
    site.write("environment", &environment(uid));
    site.render();
    site.apply(&["--init"]).code(0);
    site.assert_cluster_is_tree();
}

#[test]
fn definitions_and_their_objects_land_in_one_go() {
    let site = Site::new(&PLANE, "definitions");
    let definition = "
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.NAME.example.com}
spec:
  group: NAME.example.com
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets, singular: gadget, listKind: GadgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";
    let gadget = "
---
apiVersion: NAME.example.com/v1
kind: Gadget
metadata: {name: one, namespace: NAME}
spec: {size: 3}
";
    site.write("a-gadget", gadget);
    site.write("z-definition", definition);
    site.render_and_init();
    let path = "/apis/NAME.example.com/v1/namespaces/NAME/gadgets/one";
    assert_eq!(site.get(path).expect("it is applied")["spec"]["size"], 3);
    site.apply(&[]).code(0).says("2 unchanged");
    // Removed under our feet, with all its objects; the next run brings both back.
    site.kubectl(&["delete", "crd", "gadgets.NAME.example.com", "--timeout=60s"], "");
    eventually(Duration::from_secs(60), "the definition is gone", || {
        site.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.NAME.example.com").is_none()
    });
    site.apply(&[]).code(0);
    assert_eq!(site.get(path).expect("it is back")["spec"]["size"], 3);
}
