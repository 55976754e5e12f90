//! Who owns which fields: what annotations leave to others, taking over from other tools, what cannot be changed.

use serde_json::Value;

use crate::control_plane::{Parts, Request, Shared};
use crate::site::{Site, config_map, config_maps};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: true });

fn deployment(annotations: &str, replicas: u32) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: NAME, annotations: {{{annotations}}}}}\n\
         spec:\n  replicas: {replicas}\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    \
         metadata: {{labels: {{app: web}}}}\n    spec: {{containers: [{{name: web, image: 'registry.example.com/web:1'}}]}}\n"
    )
}

/// A ConfigMap whose data cannot be changed.
fn fixed(value: &str, annotations: &str) -> String {
    let text = config_map("fixed", value) + "immutable: true\n";
    text.replace("namespace: NAME}", &format!("namespace: NAME, annotations: {{{annotations}}}}}"))
}

fn replicas(site: &Site) -> Value {
    let web = site.get("/apis/apps/v1/namespaces/NAME/deployments/web").expect("it is applied");
    web["spec"]["replicas"].clone()
}

#[test]
fn fields_left_to_others_are_theirs_once_they_set_them() {
    let site = Site::new(&PLANE, "leave");
    site.write("one", &deployment("kcfg.dev/leave: spec.replicas", 2));
    site.render_and_init();
    assert_eq!(replicas(&site), 2, "as long as nobody else sets it, it is what the tree says");
    site.kubectl(&["scale", "deployment/web", "--replicas=7", "--namespace=NAME"], "");
    site.apply(&[]).code(0);
    assert_eq!(replicas(&site), 7);
    // A change beside it is applied, and leaves it alone; then there is nothing to do.
    site.write("one", &deployment("kcfg.dev/leave: spec.replicas, note: changed", 3));
    site.render();
    site.apply(&[]).code(0);
    let web = site.get("/apis/apps/v1/namespaces/NAME/deployments/web").expect("it is there");
    assert_eq!(web["metadata"]["annotations"]["note"], "changed");
    assert_eq!(replicas(&site), 7);
    let before = site.requests().len();
    site.apply(&[]).code(0);
    let requests = site.requests().split_off(before);
    assert!(!requests.iter().any(Request::writes), "{requests:#?}");
    // Without the annotation it is taken back.
    site.write("one", &deployment("", 3));
    site.render();
    site.apply(&[]).code(0);
    assert_eq!(replicas(&site), 3);
    site.assert_cluster_is_tree();
}

#[test]
fn an_object_applied_once_is_left_as_it_is() {
    let site = Site::new(&PLANE, "once");
    let map = |value: &str| {
        config_map("seed", value).replace("namespace: NAME}", "namespace: NAME, annotations: {kcfg.dev/apply: once}}")
    };
    site.write("one", &map("first"));
    site.render_and_init();
    site.kubectl(&["patch", "configmap/seed", "--namespace=NAME", "--patch", r#"{"data":{"value":"by hand"}}"#], "");
    site.write("one", &map("second"));
    site.render();
    site.apply(&[]).code(0);
    assert_eq!(site.config_map("seed").expect("it is there")["data"]["value"], "by hand");
    site.kubectl(&["delete", "configmap/seed", "--namespace=NAME"], "");
    site.apply(&[]).code(0);
    assert_eq!(site.config_map("seed").expect("it is made again")["data"]["value"], "second");
}

#[test]
fn what_cannot_be_changed_is_an_error_or_made_anew_where_that_is_asked_for() {
    let site = Site::new(&PLANE, "immutable");
    site.write("one", &fixed("first", ""));
    site.render_and_init();
    site.write("one", &fixed("second", ""));
    site.render();
    site.apply(&[]).code(1).says("immutable");
    assert_eq!(site.config_map("fixed").expect("it is there")["data"]["value"], "first");
    site.write("one", &fixed("second", "kcfg.dev/recreate: enabled"));
    site.render();
    site.apply(&[]).code(0);
    assert_eq!(site.config_map("fixed").expect("it is there")["data"]["value"], "second");
    site.assert_cluster_is_tree();
    site.apply(&[]).code(0).says("0 applied");
}

#[test]
fn what_is_never_to_be_deleted_is_not_made_anew() {
    let site = Site::new(&PLANE, "not-anew");
    site.write("one", &fixed("first", "kcfg.dev/recreate: enabled"));
    site.render_and_init();
    site.write("one", &fixed("third", "kcfg.dev/recreate: enabled, kcfg.dev/prune: disabled"));
    site.render();
    let uid = site.config_map("fixed").expect("it is there")["metadata"]["uid"].clone();
    site.apply(&[]).code(1);
    assert_eq!(site.config_map("fixed").expect("it is there")["metadata"]["uid"], uid);
}

#[test]
fn other_tools_leave_no_fields_behind() {
    let site = Site::new(&PLANE, "tools");
    site.kubectl(&["create", "namespace", "NAME"], "");
    let old = |name: &str| {
        format!(
            "{}  dropped: old\n",
            config_map(name, "old").replace("data: {value: \"old\"}\n", "data:\n  value: old\n")
        )
    };
    let names = ["client-side", "server-side", "helm", "flux", "created"];
    let file = |name: &str| old(name);
    site.kubectl(&["apply", "-f", "-"], &file("client-side"));
    site.kubectl(&["apply", "--server-side", "-f", "-"], &file("server-side"));
    site.kubectl(&["create", "--field-manager=helm", "-f", "-"], &file("helm"));
    site.kubectl(&["apply", "--server-side", "--field-manager=kustomize-controller", "-f", "-"], &file("flux"));
    site.kubectl(&["create", "-f", "-"], &file("created"));
    let all: String = names.iter().map(|name| config_map(name, "new")).collect();
    site.write("one", &all);
    site.render();
    site.apply(&["--init"]).code(1).says("5 failed");
    site.apply(&["--init", "--adopt"]).code(0);
    for name in names {
        let map = site.config_map(name).expect("it is there");
        assert_eq!(map["data"]["value"], "new", "{name}");
        assert_eq!(map["data"]["dropped"], Value::Null, "{name}: {map}");
    }
    site.assert_cluster_is_tree();
    site.apply(&[]).code(0).says("0 applied, 5 unchanged");
}

#[test]
fn the_live_diff_says_what_would_change_and_whose_it_is() {
    let site = Site::new(&PLANE, "live");
    site.write("one", &(deployment("", 2) + &config_maps("one", 3, "x")));
    site.render_and_init();
    site.kcfg(&["diff", "--live", site.name, "--exit-code"]).code(0);
    site.kubectl(&["scale", "deployment/web", "--replicas=9", "--namespace=NAME"], "");
    let before = site.requests().len();
    let run = site.kcfg(&["diff", "--live", site.name, "--exit-code"]).code(1);
    run.says("replicas").says("kubectl");
    let requests = site.requests().split_off(before);
    assert!(!requests.iter().any(Request::writes), "{requests:#?}");
    assert_eq!(replicas(&site), 9);
    // An account that may only read gets the same from what it reads, and is told so.
    let rights = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: NAME}
rules: [{apiGroups: ['*'], resources: ['*'], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: NAME}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NAME}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: NAME-reader}]
";
    site.kubectl(&["apply", "-f", "-"], rights);
    let reader = site.plane.kubeconfig_of("live-reader", &["system:authenticated"]).display().to_string();
    let run = site.kcfg(&["diff", "--live", site.name, "--exit-code", "--kubeconfig", &reader]).code(1);
    run.says("replicas").says("may not patch");
}
