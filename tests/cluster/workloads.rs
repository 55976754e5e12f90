//! What takes time in a cluster: order, readiness, hooks of admission that change what is applied, values that the
//! cluster makes up.

use std::time::Duration;

use crate::control_plane::{Parts, Request, Shared, eventually};
use crate::site::{Site, config_map, config_maps};
use crate::webhook;

static PLANE: Shared = Shared::new(Parts { controllers: true, audit: true });

fn deployment(name: &str, more: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: NAME}}\nspec:\n  replicas: 2\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n{more}      \
         containers: [{{name: web, image: 'registry.example.com/web:1'}}]\n"
    )
}

#[test]
fn objects_come_in_install_order_and_webhooks_last() {
    let site = Site::new(&PLANE, "order");
    let definition = "
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.NAME.example.com}
spec:
  group: NAME.example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
---
apiVersion: NAME.example.com/v1
kind: Widget
metadata: {name: one, namespace: NAME}
---
apiVersion: v1
kind: Namespace
metadata: {name: NAME}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NAME}
spec: {ports: [{port: 80}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: NAME}
webhooks:
- name: order.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  clientConfig: {url: 'https://127.0.0.1:1/'}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAME}}
  rules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*'], scope: Namespaced}]
";
    // By name of the release the webhook would be first.
    let (first, rest) =
        definition.split_at(definition.find("---\napiVersion: admissionregistration").expect("it is there"));
    site.write("a", rest);
    site.write("b", &(config_map("config", "x") + &deployment("web", "") + first));
    site.render();
    site.apply(&["--init"]).code(0);
    let writes: Vec<_> = site.requests().into_iter().filter(Request::writes).collect();
    let place = |part: &str| {
        let found = writes.iter().position(|request| request.uri.contains(part) && request.status < 300);
        found.unwrap_or_else(|| panic!("{part} is not applied: {writes:#?}"))
    };
    let places = [
        place("/api/v1/namespaces/order?"),
        place("/customresourcedefinitions/"),
        place("/configmaps/config"),
        place("/services/web"),
        place("/deployments/web"),
        place("/widgets/one"),
        place("/validatingwebhookconfigurations/"),
    ];
    assert!(places.is_sorted(), "{places:?} {writes:#?}");
    site.kubectl(&["delete", "validatingwebhookconfiguration", "NAME"], "");
}

#[test]
fn readiness_is_waited_for_with_a_limit_for_each_release() {
    let site = Site::new(&PLANE, "wait");
    let job = "
---
apiVersion: batch/v1
kind: Job
metadata: {name: job, namespace: NAME}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: job, image: 'registry.example.com/job:1'}]}
";
    site.write("ready", &(deployment("web", "") + job));
    site.render();
    site.apply(&["--init", "--wait", "--timeout", "60"]).code(0);
    let web = site.get("/apis/apps/v1/namespaces/NAME/deployments/web").expect("it is applied");
    assert_eq!(web["status"]["readyReplicas"], 2, "it was waited for: {web}");
    site.write("never", &deployment("never", "      nodeSelector: {nowhere: 'true'}\n"));
    site.render();
    let begun = std::time::Instant::now();
    let run = site.apply(&["--wait", "--timeout", "3"]).code(1);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    run.says("apps/Deployment/wait/never");
    site.assert_cluster_is_tree();
}

#[test]
fn what_a_webhook_rewrites_is_not_fought() {
    let site = Site::new(&PLANE, "rewriting");
    let hook = webhook::serve(|object| {
        let mut patch = vec![serde_json::json!({"op": "add", "path": "/metadata/labels/injected", "value": "yes"})];
        if object.pointer("/data/value").is_some() {
            patch.push(serde_json::json!({"op": "replace", "path": "/data/value", "value": "rewritten"}));
        }
        patch
    });
    let configuration = format!(
        "
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {{name: NAME}}
webhooks:
- name: rewriting.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  clientConfig: {{url: 'https://127.0.0.1:{}/', caBundle: {}}}
  namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: NAME}}}}
  rules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}}]
",
        hook.port, hook.authority
    );
    site.kubectl(&["apply", "-f", "-"], &configuration);
    site.write("one", &config_maps("one", 5, "x"));
    site.render();
    eventually(Duration::from_secs(20), "the webhook is asked", || {
        site.apply(&["--init"]).code(0);
        site.config_map("one-0").is_some_and(|map| map["metadata"]["labels"]["injected"] == "yes")
    });
    assert_eq!(site.config_map("one-0").expect("it is applied")["data"]["value"], "rewritten");
    // However often it is applied, it settles: no write after the second run at the latest.
    site.apply(&[]).code(0);
    let before = site.requests().len();
    site.apply(&[]).code(0);
    let requests = site.requests().split_off(before);
    assert!(!requests.iter().any(Request::writes), "{requests:#?}");
    site.kubectl(&["delete", "mutatingwebhookconfiguration", "NAME"], "");
    site.apply(&[]).code(0);
    // What the webhook had changed is no drift of what kcfg applied; a change of the file puts it right.
    site.write("one", &config_maps("one", 5, "y"));
    site.render();
    site.apply(&[]).code(0);
    site.assert_cluster_is_tree();
}

/// A Secret whose password is made up in the cluster.
const GENERATED: &str = "
---
apiVersion: v1
kind: Secret
metadata:
  name: password
  namespace: NAME
  annotations: {kcfg.dev/generated: password 24 alphanumeric}
type: Opaque
data: {user: YWRtaW4=}
";

#[test]
fn a_generated_value_is_made_once_and_never_said() {
    let site = Site::new(&PLANE, "generated");
    let secret = || site.get("/api/v1/namespaces/NAME/secrets/password");
    let password = || {
        let text = secret().expect("it is there")["data"]["password"].as_str().unwrap_or_default().to_owned();
        String::from_utf8(data_encoding::BASE64.decode(text.as_bytes()).expect("it is base64")).expect("it is text")
    };
    let kept = config_maps("kept", 20, "x");
    site.write("one", &(kept.clone() + GENERATED));
    site.render();
    let run = site.apply(&["--init"]).code(0);
    let made = password();
    assert!(made.len() == 24 && made.bytes().all(|b| b.is_ascii_alphanumeric()), "{made:?}");
    assert!(!format!("{run:?}").contains(&made), "it is never printed");
    site.apply(&[]).code(0).says("0 applied, 21 unchanged");
    // A change beside it leaves it alone.
    site.write("one", &(kept.clone() + &GENERATED.replace("YWRtaW4=", "cm9vdA==")));
    site.render();
    site.apply(&[]).code(0).says("1 applied");
    assert_eq!(password(), made);
    assert_eq!(secret().expect("it is there")["data"]["user"], "cm9vdA==");
    // The release is renamed: the Secret is handed over with its value.
    site.remove("one");
    site.write("two", &(kept.clone() + GENERATED));
    site.render();
    site.apply(&[]).code(0);
    assert_eq!(password(), made);
    // It leaves the tree: it is protected as a volume's claim is.
    site.write("two", &kept);
    site.render();
    site.apply(&[]);
    assert_eq!(password(), made);
    // It comes back, and has the value that it had.
    site.write("two", &(kept + GENERATED));
    site.render();
    site.apply(&["--adopt"]).code(0);
    assert_eq!(password(), made);
}

#[test]
fn a_generated_secret_that_is_gone_is_held_and_not_made_anew() {
    let site = Site::new(&PLANE, "generated-gone");
    site.write("one", &(config_maps("kept", 3, "x") + GENERATED));
    site.render_and_init();
    site.kubectl(&["delete", "secret", "password", "--namespace=NAME"], "");
    let run = site.apply(&[]).code(1);
    run.says("core/Secret/generated-gone/password");
    assert_eq!(site.get("/api/v1/namespaces/NAME/secrets/password"), None);
}

#[test]
fn adoption_keeps_the_generated_value_that_is_there() {
    let site = Site::new(&PLANE, "generated-adopted");
    site.kubectl(&["create", "namespace", "NAME"], "");
    let theirs =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: password, namespace: NAME}\nstringData: {password: hunter2}\n";
    site.kubectl(&["apply", "-f", "-"], theirs);
    site.write("one", GENERATED);
    site.render();
    site.apply(&["--init", "--adopt"]).code(0);
    let secret = site.get("/api/v1/namespaces/NAME/secrets/password").expect("it is there");
    assert_eq!(secret["data"]["password"], data_encoding::BASE64.encode(b"hunter2"));
    assert_eq!(secret["data"]["user"], "YWRtaW4=");
}
