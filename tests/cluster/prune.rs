//! What leaves the tree: what is deleted, what is held, what is never touched. Every rule and guard has a test that
//! fails without it.

use std::time::Duration;

use crate::control_plane::{Parts, Shared, eventually};
use crate::site::{Site, config_map, config_maps};

static PLANE: Shared = Shared::new(Parts { controllers: true, audit: true });

/// A ConfigMap with an annotation.
fn annotated(name: &str, annotation: &str) -> String {
    config_map(name, "x").replace("namespace: NAME}", &format!("namespace: NAME, annotations: {{{annotation}}}}}"))
}

#[test]
fn what_left_a_release_is_deleted_and_nothing_else() {
    let site = Site::new(&PLANE, "left");
    site.write("one", &config_maps("one", 8, "x"));
    site.write("two", &config_maps("two", 4, "x"));
    site.render_and_init();
    site.kubectl(&["create", "configmap", "strange", "--namespace=NAME"], "");
    site.write("one", &config_maps("one", 6, "x"));
    site.render();
    site.apply(&["--dry-run"]).says("left/one-7");
    assert_eq!(site.members().len(), 12);
    site.apply(&[]).code(0).says("2 pruned").says("core/ConfigMap/left/one-7");
    site.assert_cluster_is_tree();
    assert!(site.config_map("strange").is_some());
    site.apply(&[]).code(0).says("0 applied, 10 unchanged, 0 pruned");
}

#[test]
fn a_release_that_is_gone_with_its_document_is_deleted() {
    let site = Site::new(&PLANE, "gone");
    site.write("one", &config_maps("one", 9, "x"));
    site.write("two", &config_maps("two", 2, "x"));
    site.render_and_init();
    site.remove("two");
    site.render();
    site.apply(&[]).code(0).says("2 pruned");
    site.assert_cluster_is_tree();
    let parents = site.get("/api/v1/namespaces/kcfg-system/configmaps?labelSelector=kcfg.dev%2Fparent%3Dgone");
    let parents = parents.expect("kcfg's namespace is there").to_string();
    assert!(parents.contains("gone/one") && !parents.contains("gone/two"), "{parents}");
    // The namespace was made for the release, and stays.
    assert!(site.get("/api/v1/namespaces/NAME").is_some());
}

#[test]
fn a_folder_lost_without_its_document_deletes_nothing() {
    let site = Site::new(&PLANE, "folder-lost");
    site.write("one", &config_maps("one", 9, "x"));
    site.write("two", &config_maps("two", 2, "x"));
    site.render_and_init();
    site.repo.remove("rendered/folder-lost/two");
    let run = site.apply(&[]).code(1);
    assert!(format!("{}{}", run.stdout, run.stderr).contains("folder-lost/two"), "{run:?}");
    assert_eq!(site.members().len(), 11);
    site.render();
    site.apply(&[]).code(0);
    site.assert_cluster_is_tree();
}

#[test]
fn a_document_that_no_longer_parses_deletes_nothing() {
    let site = Site::new(&PLANE, "unreadable");
    site.write("one", &config_maps("one", 9, "x"));
    site.write("two", &config_maps("two", 2, "x"));
    site.render_and_init();
    // The folder of `two` is gone from the tree, and no document says why: one of them cannot be read.
    site.write("two", "kind: [\n");
    site.repo.remove("rendered/unreadable/two");
    let run = site.apply(&[]);
    assert_ne!(run.code, 0, "{run:?}");
    assert_eq!(site.members().len(), 11);
    // The rest goes on meanwhile.
    site.write("one", &config_maps("one", 9, "y"));
    site.repo.kcfg(&["render", "unreadable/one"]);
    site.apply(&[]);
    site.write("two", &config_maps("two", 2, "x"));
    site.render();
    site.apply(&[]).code(0);
    site.assert_cluster_is_tree();
}

#[test]
fn an_object_moved_to_another_release_is_handed_over_whatever_the_order() {
    let site = Site::new(&PLANE, "moved");
    let stay = |name: &str| config_maps(&format!("stay-{name}"), 3, "x");
    site.write("a", &(config_map("up", "x") + &stay("a")));
    site.write("z", &(config_map("down", "x") + &stay("z")));
    site.render_and_init();
    let uid = |name: &str| site.config_map(name).expect("it is there")["metadata"]["uid"].clone();
    let (up, down) = (uid("up"), uid("down"));
    site.write("a", &(config_map("down", "x") + &stay("a")));
    site.write("z", &(config_map("up", "x") + &stay("z")));
    site.render();
    site.apply(&[]).code(0).says("0 pruned");
    site.assert_cluster_is_tree();
    assert_eq!((uid("up"), uid("down")), (up, down), "they are the same objects, never deleted");
    site.apply(&[]).code(0).says("0 applied, 8 unchanged");
}

#[test]
fn a_renamed_release_keeps_its_objects() {
    let site = Site::new(&PLANE, "renamed");
    site.write("old", &config_maps("one", 4, "x"));
    site.write("other", &config_maps("other", 4, "x"));
    site.render_and_init();
    let uid = site.config_map("one-0").expect("it is there")["metadata"]["uid"].clone();
    site.remove("old");
    site.write("new", &config_maps("one", 4, "x"));
    site.render();
    site.apply(&[]).code(0).says("0 pruned");
    site.assert_cluster_is_tree();
    assert_eq!(site.config_map("one-0").expect("it is there")["metadata"]["uid"], uid);
    site.apply(&[]).code(0).says("0 applied, 8 unchanged");
}

#[test]
fn a_renamed_environment_takes_and_deletes_nothing_unasked() {
    let site = Site::new(&PLANE, "env-renamed");
    site.write("one", &config_maps("one", 3, "x"));
    site.render_and_init();
    let move_folder = |from: &str, to: &str| {
        std::fs::rename(site.repo.path().join(from), site.repo.path().join(to)).expect("it can be moved");
    };
    move_folder("releases/env-renamed", "releases/env-new");
    move_folder("rendered/env-renamed", "rendered/env-new");
    // Sums that belong to another environment are not taken for this one's.
    let run = site.kcfg(&["apply", "env-new", "--init"]);
    assert_ne!(run.code, 0, "{run:?}");
    assert_eq!(site.members().len(), 3);
    site.render();
    let run = site.kcfg(&["apply", "env-new", "--init"]).code(1);
    assert!(run.stdout.contains("--adopt"), "{run:?}");
    assert_eq!(site.members().len(), 3);
    // The old environment has no tree any more: an error, not a wish to delete all of it.
    let run = site.apply(&[]);
    assert_ne!(run.code, 0, "{run:?}");
    assert_eq!(site.members().len(), 3);
    site.kcfg(&["apply", "env-new", "--init", "--adopt"]).code(0);
    assert_eq!(site.members().len(), 0, "they belong to the new environment");
    assert!(site.config_map("one-0").is_some());
}

#[test]
fn more_than_the_budget_is_held_until_a_removal_names_it() {
    let site = Site::new(&PLANE, "budget");
    site.write("many", &config_maps("many", 80, "x"));
    site.render_and_init();
    // Eleven of eighty are fewer than 20 %, and more than ten.
    site.write("many", &config_maps("many", 69, "x"));
    let diff = {
        site.repo.commit("before");
        site.render();
        site.repo.kcfg(&["diff", "HEAD", "budget"]).stdout
    };
    let run = site.apply(&[]).code(1).says("11 held").says("0 pruned");
    assert_eq!(site.members().len(), 80);
    let said = format!("{}{}{diff}", run.stdout, run.stderr);
    let from = said.find("apiVersion: kcfg.dev/v1\nkind: Removal").or_else(|| said.find("kind: Removal"));
    let removal = removal_of(&said[from.unwrap_or_else(|| panic!("no Removal to paste: {said}"))..]);
    // One for another state lets nothing go.
    let digest = removal.lines().find_map(|line| line.trim().strip_prefix("from: ")).expect("it names a digest");
    site.write("removal", &removal.replace(digest, &"f".repeat(64)));
    site.render();
    site.apply(&[]).code(1).says("11 held");
    assert_eq!(site.members().len(), 80);
    site.write("removal", &removal);
    site.render();
    site.apply(&[]).code(0).says("11 pruned");
    site.assert_cluster_is_tree();
}

/// The Removal document at the beginning of a text: up to the first line that is none of its.
pub fn removal_of(text: &str) -> String {
    let keys = ["apiVersion:", "kind:", "spec:", " ", "-"];
    let lines = text.lines().take_while(|line| keys.iter().any(|key| line.starts_with(key)));
    let body: String = lines.map(|line| format!("{line}\n")).collect();
    if body.starts_with("kind") { format!("apiVersion: kcfg.dev/v1\n{body}") } else { body }
}

#[test]
fn more_than_a_fifth_is_held_and_so_is_everything() {
    let site = Site::new(&PLANE, "fifth");
    site.write("one", &config_maps("one", 10, "x"));
    site.render_and_init();
    site.write("one", &config_maps("one", 7, "x"));
    site.render();
    site.apply(&[]).code(1).says("3 held").says("0 pruned");
    assert_eq!(site.members().len(), 10);
    let site = Site::new(&PLANE, "everything");
    site.write("one", &config_maps("one", 2, "x"));
    site.render_and_init();
    site.write("one", "# nothing\n");
    site.render();
    let run = site.apply(&[]);
    assert_ne!(run.code, 0, "{run:?}");
    assert_eq!(site.members().len(), 2);
}

#[test]
fn protected_kinds_are_released_and_said_unless_they_ask_for_it() {
    let site = Site::new(&PLANE, "protected");
    let claim = |name: &str, annotations: &str| {
        format!(
            "---\napiVersion: v1\nkind: PersistentVolumeClaim\n\
             metadata: {{name: {name}, namespace: NAME, annotations: {{{annotations}}}}}\n\
             spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}\n"
        )
    };
    let namespace = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: NAME-second}\n";
    let kept = config_maps("kept", 20, "x");
    let leaving = claim("data", "") + &claim("scratch", "kcfg.dev/prune: enabled") + namespace;
    site.write("one", &(kept.clone() + &leaving));
    site.render_and_init();
    site.write("one", &kept);
    site.render();
    let run = site.apply(&[]);
    run.says("1 pruned").says("kubectl delete");
    let path = "/api/v1/namespaces/NAME/persistentvolumeclaims";
    let data = site.get(&format!("{path}/data")).expect("a claim is never deleted unasked");
    assert_eq!(data["metadata"]["deletionTimestamp"], serde_json::Value::Null);
    assert_eq!(data["metadata"]["labels"]["applyset.kubernetes.io/part-of"], serde_json::Value::Null, "{data}");
    assert!(site.get("/api/v1/namespaces/NAME-second").is_some(), "a namespace is never deleted unasked");
    eventually(Duration::from_secs(20), "the claim that asks for it goes", || {
        site.get(&format!("{path}/scratch")).is_none()
    });
    site.assert_cluster_is_tree();
}

#[test]
fn what_is_to_be_kept_is_kept() {
    let site = Site::new(&PLANE, "kept");
    let kept = config_maps("kept", 20, "x");
    let disabled = annotated("disabled", "kcfg.dev/prune: disabled");
    let helm = annotated("helm", "helm.sh/resource-policy: keep");
    site.write("one", &(kept.clone() + &disabled + &helm + &config_map("plain", "x")));
    site.render_and_init();
    site.write("one", &kept);
    site.render();
    site.apply(&[]).says("1 pruned");
    assert!(site.config_map("disabled").is_some() && site.config_map("helm").is_some());
    assert_eq!(site.config_map("plain"), None);
    site.assert_cluster_is_tree();
}

#[test]
fn while_a_release_is_refused_nothing_of_the_environment_is_deleted_that_it_may_want() {
    let site = Site::new(&PLANE, "refused");
    site.write("one", &(config_map("moving", "x") + &config_maps("one", 9, "x")));
    site.write("two", &config_map("two", "x"));
    site.render_and_init();
    // `moving` goes from one to two, and two is refused: nobody verified wants it, and it must not go.
    site.write("one", &config_maps("one", 9, "x"));
    site.write("two", &(config_map("two", "x") + &config_map("moving", "x")));
    site.render();
    let file = "rendered/refused/two/configmap-two.yaml";
    let text = site.repo.read(file);
    site.repo.write(file, text.clone() + "# tampered\n");
    site.apply(&[]).code(1).says("0 pruned");
    assert!(site.config_map("moving").is_some());
    site.repo.write(file, text);
    site.apply(&[]).code(0);
    site.assert_cluster_is_tree();
}

#[test]
fn a_finalizer_is_waited_for_with_a_limit_then_reported() {
    let site = Site::new(&PLANE, "finalizer");
    let held = config_map("held", "x").replace("namespace: NAME}", "namespace: NAME, finalizers: [example.com/hold]}");
    site.write("one", &(config_maps("one", 9, "x") + &held));
    site.render_and_init();
    site.write("one", &config_maps("one", 9, "x"));
    site.render();
    let run = site.apply(&["--timeout", "2"]);
    assert!(format!("{}{}", run.stdout, run.stderr).contains("example.com/hold"), "{run:?}");
    let patch = r#"{"metadata":{"finalizers":null}}"#;
    site.kubectl(&["patch", "configmap/held", "--namespace=NAME", "--type=merge", "--patch", patch], "");
    site.apply(&[]).code(0);
    assert_eq!(site.config_map("held"), None);
    site.assert_cluster_is_tree();
}

#[test]
fn deletes_go_in_reverse_order_and_name_a_uid() {
    let site = Site::new(&PLANE, "reverse");
    let role = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: role, namespace: NAME}\nrules: []\n";
    let service =
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: service, namespace: NAME}\nspec: {ports: [{port: 80}]}\n";
    let kept = config_maps("kept", 20, "x");
    site.write("one", &(kept.clone() + &config_map("config", "x") + role + service));
    site.render_and_init();
    site.write("one", &kept);
    site.render();
    site.apply(&[]).code(0).says("3 pruned");
    let requests = site.requests();
    let place = |kind: &str| {
        let is_it = |r: &crate::control_plane::Request| r.verb == "delete" && r.uri.contains(&format!("/{kind}/"));
        requests.iter().position(is_it).unwrap_or_else(|| panic!("no delete of {kind}: {requests:#?}"))
    };
    // Helm's order of installing is configmaps, roles, services.
    assert!(place("services") < place("roles") && place("roles") < place("configmaps"), "{requests:#?}");
    site.assert_cluster_is_tree();
}

#[test]
fn an_object_that_came_again_under_another_group_is_not_deleted() {
    let site = Site::new(&PLANE, "regrouped");
    let core = "
---
apiVersion: v1
kind: Event
metadata: {name: note, namespace: NAME}
involvedObject: {kind: ConfigMap, name: kept-0, namespace: NAME, apiVersion: v1}
reason: Noted
message: by hand
type: Normal
source: {component: test}
firstTimestamp: 2026-01-01T00:00:00Z
lastTimestamp: 2026-01-01T00:00:00Z
count: 1
";
    let events = "
---
apiVersion: events.k8s.io/v1
kind: Event
metadata: {name: note, namespace: NAME}
regarding: {kind: ConfigMap, name: kept-0, namespace: NAME, apiVersion: v1}
reason: Noted
note: by hand
type: Normal
deprecatedSource: {component: test}
deprecatedFirstTimestamp: 2026-01-01T00:00:00Z
deprecatedLastTimestamp: 2026-01-01T00:00:00Z
deprecatedCount: 1
";
    let kept = config_maps("kept", 10, "x");
    site.write("one", &(kept.clone() + core));
    site.render_and_init();
    let path = "/api/v1/namespaces/NAME/events/note";
    let uid = site.get(path).expect("it is applied")["metadata"]["uid"].clone();
    site.write("one", &(kept + events));
    site.render();
    site.apply(&[]);
    assert_eq!(site.get(path).map(|event| event["metadata"]["uid"].clone()), Some(uid), "it is the same object");
}

#[test]
fn kcfg_never_deletes_its_own_namespace_or_records() {
    let site = Site::new(&PLANE, "own");
    let own =
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: own-settings, namespace: kcfg-system}\ndata: {a: b}\n";
    let namespace =
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: kcfg-system, annotations: {kcfg.dev/prune: enabled}}\n";
    let kept = config_maps("kept", 20, "x");
    site.write("one", &(kept.clone() + own + namespace));
    site.render();
    site.apply(&["--init", "--adopt"]);
    site.write("one", &kept);
    site.render();
    site.apply(&[]);
    let own = site.get("/api/v1/namespaces/kcfg-system").expect("it is there");
    assert_eq!(own["metadata"]["deletionTimestamp"], serde_json::Value::Null);
    assert!(site.get("/api/v1/namespaces/kcfg-system/configmaps/own-settings").is_some());
}

#[test]
fn an_account_that_may_not_list_a_kind_prunes_nothing_and_applies_the_rest() {
    let site = Site::new(&PLANE, "forbidden");
    let secret = |name: &str| {
        format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: NAME}}\nstringData: {{a: b}}\n"
        )
    };
    site.write("one", &(config_maps("one", 10, "x") + &secret("first") + &secret("second")));
    site.render_and_init();
    let rights = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: NAME}
rules:
- {apiGroups: [''], resources: [configmaps, namespaces], verbs: ['*']}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: ['*']}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: NAME}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NAME}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: NAME-limited}]
";
    site.kubectl(&["apply", "-f", "-"], rights);
    let limited = site.plane.kubeconfig_of("forbidden-limited", &["system:authenticated"]).display().to_string();
    site.write("one", &(config_maps("one", 9, "y") + &secret("first")));
    site.render();
    let run = site.apply(&["--kubeconfig", &limited]);
    assert_ne!(run.code, 0, "{run:?}");
    assert!(format!("{}{}", run.stdout, run.stderr).contains("forbidden"), "{run:?}");
    assert_eq!(site.config_map("one-0").expect("it is there")["data"]["value"], "y", "{run:?}");
    assert!(site.config_map("one-9").is_some(), "what cannot be seen whole is not pruned: {run:?}");
    site.apply(&[]).code(0).says("2 pruned");
    site.assert_cluster_is_tree();
}
