//! What breaks in the cluster as a whole: the API server, etcd, an aggregated API, a webhook, a namespace. One test at a
//! time, since each disturbs all others.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use crate::control_plane::{Parts, Shared, eventually};
use crate::site::{Site, config_map, config_maps};

static PLANE: Shared = Shared::new(Parts { controllers: true, audit: false });
static TURN: Mutex<()> = Mutex::new(());

/// The lock that makes tests of this file wait for each other.
fn alone() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn an_api_server_that_is_killed_and_comes_back_is_waited_for() {
    let _alone = alone();
    let site = Site::new(&PLANE, "api-killed");
    site.write("one", &config_maps("one", 300, "first"));
    site.render_and_init();
    site.write("one", &config_maps("one", 300, "second"));
    site.render();
    let mut run = site.start(&["apply", site.name]);
    sleep(Duration::from_millis(150));
    site.plane.kill_api_server();
    sleep(Duration::from_secs(1));
    site.plane.restart_api_server();
    assert!(run.wait().expect("it ends").code().is_some());
    site.apply(&[]).code(0);
    site.assert_cluster_is_tree();
    site.apply(&[]).code(0).says("0 applied, 300 unchanged, 0 pruned");
}

#[test]
fn an_api_server_that_is_down_is_an_error_that_says_so() {
    let _alone = alone();
    let site = Site::new(&PLANE, "api-down");
    site.write("one", &config_map("one", "x"));
    site.render();
    let nowhere = site.plane.kubeconfig_through("api-down-nowhere", &["system:masters"], "http://127.0.0.1:1");
    let begun = std::time::Instant::now();
    let run = site.apply(&["--init", "--kubeconfig", &nowhere.display().to_string()]).code(2);
    run.complains("cannot be reached");
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
}

#[test]
fn an_etcd_that_stands_still_for_twenty_seconds_loses_nothing() {
    let _alone = alone();
    let site = Site::new(&PLANE, "etcd");
    site.write("one", &config_maps("one", 300, "first"));
    site.render_and_init();
    site.write("one", &config_maps("one", 300, "second"));
    site.render();
    let mut run = site.start(&["apply", site.name]);
    sleep(Duration::from_millis(150));
    site.plane.freeze_etcd();
    sleep(Duration::from_secs(20));
    site.plane.thaw_etcd();
    let code = run.wait().expect("it ends").code();
    assert!(code.is_some(), "it ends by itself");
    site.plane.wait_until_ready().unwrap_or_else(|why| panic!("{why}"));
    site.apply(&[]).code(0);
    site.assert_cluster_is_tree();
}

#[test]
fn while_an_aggregated_api_is_down_nothing_is_pruned() {
    let _alone = alone();
    let site = Site::new(&PLANE, "aggregated");
    site.write("one", &config_maps("one", 10, "first"));
    site.render_and_init();
    let service = "
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.down.example.com}
spec:
  group: down.example.com
  version: v1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {namespace: default, name: nothing, port: 443}
";
    site.kubectl(&["apply", "-f", "-"], service);
    eventually(Duration::from_secs(30), "the API is known to be down", || {
        let (_, groups) = site.plane.request(
            reqwest::Method::GET,
            "/apis/apiregistration.k8s.io/v1/apiservices/v1.down.example.com",
            None,
        );
        groups["status"]["conditions"].to_string().contains("False")
    });
    site.write("one", &config_maps("one", 9, "second"));
    site.render();
    let run = site.apply(&[]);
    assert_eq!(site.config_map("one-0").expect("it is there")["data"]["value"], "second", "{run:?}");
    assert!(site.config_map("one-9").is_some(), "{run:?}");
    run.says("0 pruned");
    site.kubectl(&["delete", "apiservice", "v1.down.example.com"], "");
    // What the server says of itself may lag behind.
    eventually(Duration::from_secs(30), "it is pruned once all APIs are up", || {
        site.apply(&[]);
        site.config_map("one-9").is_none()
    });
    site.assert_cluster_is_tree();
}

#[test]
fn a_webhook_that_is_down_fails_its_objects_only() {
    let _alone = alone();
    let site = Site::new(&PLANE, "webhook-down");
    site.write("one", &config_maps("one", 3, "first"));
    site.render_and_init();
    let webhook = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: NAME}
webhooks:
- name: down.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  timeoutSeconds: 2
  clientConfig: {url: 'https://127.0.0.1:1/'}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAME}}
  rules: [{apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: [services]}]
";
    site.kubectl(&["apply", "-f", "-"], webhook);
    let service =
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: service, namespace: NAME}\nspec: {ports: [{port: 80}]}\n";
    site.write("one", &(config_maps("one", 3, "second") + service));
    site.render();
    let run = site.apply(&[]).code(1).says("1 failed").says("down.example.com");
    assert_eq!(site.config_map("one-2").expect("it is there")["data"]["value"], "second", "{run:?}");
    site.kubectl(&["delete", "validatingwebhookconfiguration", "NAME"], "");
    site.apply(&[]).code(0);
    site.assert_cluster_is_tree();
}

#[test]
fn a_namespace_that_does_not_go_away_is_said_and_the_others_go_on() {
    let _alone = alone();
    let site = Site::new(&PLANE, "terminating");
    let elsewhere =
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: elsewhere, namespace: NAME-stuck}\ndata: {a: b}\n";
    let held = "
apiVersion: v1
kind: ConfigMap
metadata: {name: held, namespace: NAME-stuck, finalizers: [example.com/hold]}
";
    site.write("one", &config_map("one", "first"));
    site.write("two", elsewhere);
    site.render_and_init();
    site.kubectl(&["apply", "-f", "-"], held);
    site.kubectl(&["delete", "namespace", "NAME-stuck", "--wait=false"], "");
    eventually(Duration::from_secs(30), "the namespace is being emptied", || {
        site.get("/api/v1/namespaces/NAME-stuck/configmaps/elsewhere").is_none()
    });
    site.write("one", &config_map("one", "second"));
    site.render();
    let run = site.apply(&[]).code(1).says("1 failed");
    assert!(run.stdout.contains("terminat") || run.stdout.contains("being deleted"), "{}", run.stdout);
    assert_eq!(site.config_map("one").expect("it is there")["data"]["value"], "second");
    let patch = r#"{"metadata":{"finalizers":null}}"#;
    site.kubectl(&["patch", "configmap/held", "--namespace=NAME-stuck", "--type=merge", "--patch", patch], "");
    eventually(Duration::from_secs(30), "the namespace is gone", || {
        site.get("/api/v1/namespaces/NAME-stuck").is_none()
    });
    site.apply(&[]).code(0);
    site.assert_cluster_is_tree();
}
